-- The tables through which a shop's business and Wharf exchange rows (DS-12), for MySQL 8 and MariaDB 10.6.
-- What each column and number means: docs/sync-mysql.md.

-- What the business writes, in the transaction that changes its own data.
CREATE TABLE IF NOT EXISTS wharf_outbox (
    id                      BIGINT NOT NULL AUTO_INCREMENT,
    syn_id                  BIGINT NOT NULL,
    data_detail             LONGTEXT NULL,
    data_from_detail        LONGTEXT NULL,
    business_type           VARCHAR(128) NOT NULL,
    data_from_server_id     VARCHAR(128) NULL,
    data_to_server_id       VARCHAR(128) NULL,
    fail_num                INT NOT NULL DEFAULT 0,
    result_of_send_business TINYINT NOT NULL DEFAULT 0,
    create_time             BIGINT NULL,
    data_from_client        VARCHAR(128) NULL,
    op                      VARCHAR(16) NOT NULL DEFAULT 'upsert',
    entity                  VARCHAR(256) NULL,
    entity_version          BIGINT NULL,
    state                   TINYINT NOT NULL DEFAULT 0,
    reason                  VARCHAR(500) NULL,
    PRIMARY KEY (id),
    UNIQUE KEY wharf_outbox_once (syn_id),
    KEY wharf_outbox_new (state, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What Wharf writes and the business processes.
CREATE TABLE IF NOT EXISTS wharf_inbox (
    id                      BIGINT NOT NULL AUTO_INCREMENT,
    syn_id                  VARCHAR(128) NOT NULL,
    data_detail             LONGTEXT NULL,
    data_from_detail        LONGTEXT NULL,
    business_type           VARCHAR(128) NOT NULL,
    data_from_server_id     VARCHAR(128) NOT NULL,
    data_to_server_id       VARCHAR(128) NULL,
    fail_num                INT NOT NULL DEFAULT 0,
    result_of_send_business TINYINT NOT NULL DEFAULT 0,
    create_time             VARCHAR(64) NULL,
    data_from_client        VARCHAR(128) NULL,
    op                      VARCHAR(16) NOT NULL,
    entity                  VARCHAR(256) NOT NULL,
    entity_version          BIGINT NULL,
    received_at             BIGINT NOT NULL,
    state                   TINYINT NOT NULL DEFAULT 0,
    reason                  VARCHAR(500) NULL,
    sha256                  CHAR(64) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY wharf_inbox_once (data_from_server_id, syn_id, sha256),
    KEY wharf_inbox_new (state, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
