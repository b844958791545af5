-- Sharing: accounts of coins and their ledger, resources, orders, reviews, checks, payments, mail.
-- Coins are integer hundredths. Balances change by entries alone, and entries are written by the triggers of the
-- row that moves coins, in its own statement.

ALTER TABLE users ADD COLUMN bio TEXT NOT NULL DEFAULT '';

CREATE TABLE accounts (
    user_id           TEXT PRIMARY KEY,
    available         INTEGER NOT NULL DEFAULT 0 CHECK (available >= 0),
    frozen            INTEGER NOT NULL DEFAULT 0 CHECK (frozen >= 0), -- earned, and may still be refunded
    vip_expires_at    INTEGER,
    -- Orders that cost nothing count in none of them.
    buy_count         INTEGER NOT NULL DEFAULT 0,
    buy_return_count  INTEGER NOT NULL DEFAULT 0,
    sale_count        INTEGER NOT NULL DEFAULT 0,
    sale_return_count INTEGER NOT NULL DEFAULT 0,
    -- Hundredths, rounded half up (SH-2); `domain/ledger` says the same.
    buy_factor  INTEGER NOT NULL GENERATED ALWAYS AS (CASE WHEN buy_count = 0 THEN 100
        ELSE min(max((2000 * buy_return_count + buy_count) / (2 * buy_count), 100), 200) END) STORED,
    sale_factor INTEGER NOT NULL GENERATED ALWAYS AS (CASE WHEN sale_count = 0 THEN 100
        ELSE max((200 * (sale_count - sale_return_count) + sale_count) / (2 * sale_count), 50) END) STORED
) STRICT;
INSERT INTO accounts (user_id) SELECT user_id FROM users WHERE audience = 'users';

CREATE TRIGGER users_open_account AFTER INSERT ON users WHEN NEW.audience = 'users'
BEGIN
    INSERT INTO accounts (user_id) VALUES (NEW.user_id);
END;

-- The ledger. The entries of a movement sum to nothing. `platform` and `recharge` keep no balance of their own, so
-- that no two buys wait for each other; it is the sum of their entries.
CREATE TABLE entries (
    entry_id   INTEGER PRIMARY KEY,
    movement   TEXT NOT NULL,                 -- its kind and what it is about: buy:<order_id>
    kind       TEXT NOT NULL,                 -- buy | refund | release | recharge | vip
    holder     TEXT NOT NULL,                 -- a user_id | platform | recharge
    part       TEXT NOT NULL,                 -- available | frozen; of the other two: own
    amount     INTEGER NOT NULL,
    subject_id TEXT NOT NULL,                 -- the order or the payment
    created_at INTEGER NOT NULL,
    UNIQUE (movement, holder, part)
) STRICT;
CREATE INDEX entries_by_holder ON entries (holder, entry_id);

CREATE TRIGGER entries_post AFTER INSERT ON entries WHEN NEW.part <> 'own'
BEGIN
    UPDATE accounts SET
        available = available + CASE NEW.part WHEN 'available' THEN NEW.amount ELSE 0 END,
        frozen = frozen + CASE NEW.part WHEN 'frozen' THEN NEW.amount ELSE 0 END
        WHERE user_id = NEW.holder;
END;

-- What is written once and pointed to: a link apart from its resource, a tree of files.
CREATE TABLE links (
    link_id    TEXT PRIMARY KEY,
    url        TEXT NOT NULL,
    code       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX links_by_time ON links (created_at);
CREATE TABLE directories (
    directory_id TEXT PRIMARY KEY,
    tree         TEXT NOT NULL,               -- JSON: a list of nodes
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX directories_by_time ON directories (created_at);

CREATE TABLE resources (
    number          INTEGER PRIMARY KEY,      -- rises; its place in the search index
    resource_id     TEXT NOT NULL UNIQUE,
    publisher_id    TEXT NOT NULL,
    drive           TEXT NOT NULL,            -- aliyun | baidu
    title           TEXT NOT NULL,
    bio             TEXT NOT NULL,
    price           INTEGER NOT NULL CHECK (price BETWEEN 0 AND 10000),
    total_size      INTEGER NOT NULL,         -- bytes, of the tree
    link_id         TEXT NOT NULL,
    directory_id    TEXT NOT NULL,
    state           TEXT NOT NULL,            -- pending | ok | invalidated | rejected | taken_down
    reason          TEXT,                     -- why it was rejected or taken down
    review_id       TEXT NOT NULL,            -- of its publication; another one begins another review
    version         INTEGER NOT NULL DEFAULT 1, -- rises with what the search index holds
    indexed_version INTEGER NOT NULL DEFAULT 0,
    last_check_at   INTEGER,
    verdict         TEXT,                     -- of the last check: ok | bad | locked | uncertain
    bad_at          INTEGER,                  -- the first `bad` since the last `ok`
    sale_count      INTEGER NOT NULL DEFAULT 0,
    refund_count    INTEGER NOT NULL DEFAULT 0,
    idempotency_key TEXT,
    request_hash    TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    published_at    INTEGER,                  -- approved first
    updated_at      INTEGER NOT NULL,
    deleted_at      INTEGER
) STRICT;
CREATE UNIQUE INDEX resources_by_key ON resources (publisher_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX resources_by_publisher ON resources (publisher_id, number DESC) WHERE deleted_at IS NULL;
CREATE INDEX resources_unindexed ON resources (number) WHERE indexed_version < version;
CREATE INDEX resources_by_link ON resources (link_id);
CREATE INDEX resources_by_directory ON resources (directory_id);

-- What reviewers decide about: publications and reports.
CREATE TABLE reviews (
    review_id       TEXT PRIMARY KEY,
    kind            TEXT NOT NULL,            -- resource | report
    resource_id     TEXT NOT NULL,
    reporter_id     TEXT,
    reason          TEXT,                     -- the reporter's
    state           TEXT NOT NULL,            -- pending | approved | rejected
    decision_reason TEXT,
    decided_by      TEXT,
    decided_at      INTEGER,
    created_at      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX reviews_of_resource ON reviews (resource_id) WHERE kind = 'resource' AND state = 'pending';
CREATE UNIQUE INDEX reviews_of_reporter ON reviews (resource_id, reporter_id) WHERE kind = 'report' AND state = 'pending';
CREATE INDEX reviews_by_state ON reviews (state, created_at, review_id);
CREATE INDEX reviews_by_kind ON reviews (kind, state, created_at, review_id);

-- Links that are to be checked: a row is a check that is pending, and there is one at the most.
CREATE TABLE checks (
    resource_id      TEXT PRIMARY KEY,
    drive            TEXT NOT NULL,
    run_at           INTEGER NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0,
    lease_owner      TEXT,
    lease_expires_at INTEGER,
    created_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX checks_due ON checks (drive, run_at);

CREATE TRIGGER resources_publish AFTER INSERT ON resources
BEGIN
    INSERT INTO reviews (review_id, kind, resource_id, state, created_at)
        VALUES (NEW.review_id, 'resource', NEW.resource_id, 'pending', NEW.created_at);
    INSERT INTO checks (resource_id, drive, run_at, created_at)
        VALUES (NEW.resource_id, NEW.drive, NEW.created_at, NEW.created_at);
END;

-- Another link is another publication.
CREATE TRIGGER resources_publish_again AFTER UPDATE OF review_id ON resources WHEN NEW.review_id <> OLD.review_id
BEGIN
    DELETE FROM reviews WHERE resource_id = NEW.resource_id AND kind = 'resource' AND state = 'pending';
    INSERT INTO reviews (review_id, kind, resource_id, state, created_at)
        VALUES (NEW.review_id, 'resource', NEW.resource_id, 'pending', NEW.updated_at);
    DELETE FROM checks WHERE resource_id = NEW.resource_id;
    INSERT INTO checks (resource_id, drive, run_at, created_at)
        VALUES (NEW.resource_id, NEW.drive, NEW.updated_at, NEW.updated_at);
END;

CREATE TRIGGER resources_delete AFTER UPDATE OF deleted_at ON resources WHEN NEW.deleted_at IS NOT NULL
BEGIN
    DELETE FROM reviews WHERE resource_id = NEW.resource_id AND state = 'pending';
    DELETE FROM checks WHERE resource_id = NEW.resource_id;
END;

-- Mail that is to be sent; the worker makes the text.
CREATE TABLE mails (
    mail_id          TEXT PRIMARY KEY,
    kind             TEXT NOT NULL,           -- resource_rejected | resource_taken_down | report_confirmed
    user_id          TEXT NOT NULL,           -- whose address it goes to
    data             TEXT NOT NULL,           -- JSON: title, reason
    state            TEXT NOT NULL,           -- pending | sent | dead
    attempt          INTEGER NOT NULL DEFAULT 0,
    run_at           INTEGER NOT NULL,
    lease_owner      TEXT,
    lease_expires_at INTEGER,
    error            TEXT,
    created_at       INTEGER NOT NULL,
    sent_at          INTEGER
) STRICT;
CREATE INDEX mails_due ON mails (run_at) WHERE state = 'pending';
CREATE INDEX mails_by_state ON mails (state, created_at);

-- What a reviewer decides takes effect in the statement that decides it.
CREATE TRIGGER reviews_decide_resource AFTER UPDATE OF state ON reviews
    WHEN OLD.state = 'pending' AND NEW.kind = 'resource'
BEGIN
    UPDATE resources SET updated_at = NEW.decided_at,
        state = CASE NEW.state WHEN 'approved' THEN 'ok' ELSE 'rejected' END,
        reason = CASE NEW.state WHEN 'approved' THEN NULL ELSE NEW.decision_reason END,
        published_at = CASE NEW.state WHEN 'approved' THEN coalesce(published_at, NEW.decided_at) ELSE published_at END
        WHERE resource_id = NEW.resource_id AND state = 'pending';
    INSERT INTO mails (mail_id, kind, user_id, data, state, run_at, created_at)
        SELECT 'rejected:' || NEW.review_id, 'resource_rejected', publisher_id,
            json_object('title', title, 'reason', NEW.decision_reason), 'pending', NEW.decided_at, NEW.decided_at
        FROM resources WHERE resource_id = NEW.resource_id AND state = 'rejected' AND NEW.state = 'rejected';
END;

CREATE TRIGGER reviews_decide_report AFTER UPDATE OF state ON reviews
    WHEN OLD.state = 'pending' AND NEW.kind = 'report' AND NEW.state = 'approved'
BEGIN
    UPDATE resources SET state = 'taken_down', reason = NEW.decision_reason, updated_at = NEW.decided_at
        WHERE resource_id = NEW.resource_id;
    INSERT INTO mails (mail_id, kind, user_id, data, state, run_at, created_at)
        SELECT 'taken_down:' || NEW.review_id, 'resource_taken_down', publisher_id,
            json_object('title', title, 'reason', NEW.decision_reason), 'pending', NEW.decided_at, NEW.decided_at
        FROM resources WHERE resource_id = NEW.resource_id;
    INSERT INTO mails (mail_id, kind, user_id, data, state, run_at, created_at)
        SELECT 'confirmed:' || review.review_id, 'report_confirmed', review.reporter_id,
            json_object('title', resource.title, 'reason', NEW.decision_reason), 'pending', NEW.decided_at, NEW.decided_at
        FROM reviews review JOIN resources resource ON resource.resource_id = review.resource_id
        WHERE review.resource_id = NEW.resource_id AND review.kind = 'report'
        AND (review.state = 'pending' OR review.review_id = NEW.review_id);
    -- The other reports are about the same, and there is no publication any more to decide about.
    UPDATE reviews SET state = CASE kind WHEN 'report' THEN 'approved' ELSE 'rejected' END,
        decision_reason = NEW.decision_reason, decided_by = NEW.decided_by, decided_at = NEW.decided_at
        WHERE resource_id = NEW.resource_id AND state = 'pending';
    DELETE FROM checks WHERE resource_id = NEW.resource_id;
END;

CREATE TABLE orders (
    order_id          TEXT PRIMARY KEY,
    resource_id       TEXT NOT NULL,
    buyer_id          TEXT NOT NULL,
    seller_id         TEXT NOT NULL,
    price             INTEGER NOT NULL,
    buy_cost          INTEGER NOT NULL,
    sale_earn         INTEGER NOT NULL,
    resource_snapshot TEXT NOT NULL,          -- JSON: title, price, drive, total_size
    buyer_snapshot    TEXT NOT NULL,          -- JSON: nickname
    seller_snapshot   TEXT NOT NULL,
    idempotency_key   TEXT,
    request_hash      TEXT NOT NULL,
    created_at        INTEGER NOT NULL,
    refund_until      INTEGER NOT NULL,
    refunded_at       INTEGER,
    refund_key        TEXT,                   -- the Idempotency-Key of the refund
    released_at       INTEGER                 -- when the earnings became the seller's own
) STRICT;
CREATE UNIQUE INDEX orders_active ON orders (buyer_id, resource_id) WHERE refunded_at IS NULL;
CREATE UNIQUE INDEX orders_by_key ON orders (buyer_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX orders_of_buyer ON orders (buyer_id, created_at DESC, order_id DESC);
CREATE INDEX orders_of_seller ON orders (seller_id, created_at DESC, order_id DESC);
CREATE INDEX orders_frozen ON orders (refund_until) WHERE refunded_at IS NULL AND released_at IS NULL;
CREATE INDEX orders_frozen_of_seller ON orders (seller_id, refund_until) WHERE refunded_at IS NULL AND released_at IS NULL;

CREATE TRIGGER orders_buy AFTER INSERT ON orders
BEGIN
    INSERT INTO entries (movement, kind, holder, part, amount, subject_id, created_at)
        SELECT 'buy:' || NEW.order_id, 'buy', holder, part, amount, NEW.order_id, NEW.created_at
        FROM (SELECT NEW.buyer_id AS holder, 'available' AS part, -NEW.buy_cost AS amount
            UNION ALL SELECT NEW.seller_id, 'frozen', NEW.sale_earn
            UNION ALL SELECT 'platform', 'own', NEW.buy_cost - NEW.sale_earn)
        WHERE amount <> 0;
    UPDATE accounts SET buy_count = buy_count + 1 WHERE user_id = NEW.buyer_id AND NEW.price > 0;
    UPDATE accounts SET sale_count = sale_count + 1 WHERE user_id = NEW.seller_id AND NEW.price > 0;
    UPDATE resources SET sale_count = sale_count + 1 WHERE resource_id = NEW.resource_id;
END;

CREATE TRIGGER orders_refund AFTER UPDATE OF refunded_at ON orders
    WHEN OLD.refunded_at IS NULL AND NEW.refunded_at IS NOT NULL
BEGIN
    INSERT INTO entries (movement, kind, holder, part, amount, subject_id, created_at)
        SELECT 'refund:' || NEW.order_id, 'refund', holder, part, amount, NEW.order_id, NEW.refunded_at
        FROM (SELECT NEW.buyer_id AS holder, 'available' AS part, NEW.buy_cost AS amount
            UNION ALL SELECT NEW.seller_id, 'frozen', -NEW.sale_earn
            UNION ALL SELECT 'platform', 'own', NEW.sale_earn - NEW.buy_cost)
        WHERE amount <> 0;
    UPDATE accounts SET buy_return_count = buy_return_count + 1 WHERE user_id = NEW.buyer_id AND NEW.price > 0;
    UPDATE accounts SET sale_return_count = sale_return_count + 1 WHERE user_id = NEW.seller_id AND NEW.price > 0;
    UPDATE resources SET refund_count = refund_count + 1 WHERE resource_id = NEW.resource_id;
END;

CREATE TRIGGER orders_release AFTER UPDATE OF released_at ON orders
    WHEN OLD.released_at IS NULL AND NEW.released_at IS NOT NULL AND NEW.sale_earn <> 0
BEGIN
    INSERT INTO entries (movement, kind, holder, part, amount, subject_id, created_at) VALUES
        ('release:' || NEW.order_id, 'release', NEW.seller_id, 'frozen', -NEW.sale_earn, NEW.order_id, NEW.released_at),
        ('release:' || NEW.order_id, 'release', NEW.seller_id, 'available', NEW.sale_earn, NEW.order_id, NEW.released_at);
END;

CREATE TABLE payments (
    payment_id      TEXT PRIMARY KEY,
    user_id         TEXT NOT NULL,
    provider        TEXT NOT NULL,            -- sandbox
    kind            TEXT NOT NULL,            -- recharge | vip
    amount          INTEGER NOT NULL,         -- hundredths of a yuan
    coins           INTEGER NOT NULL,         -- hundredths of a coin: what the amount is worth
    months          INTEGER NOT NULL,         -- of VIP; a recharge: 0
    state           TEXT NOT NULL,            -- pending | paid | failed
    idempotency_key TEXT,
    request_hash    TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    paid_at         INTEGER
) STRICT;
CREATE UNIQUE INDEX payments_by_key ON payments (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX payments_by_user ON payments (user_id, created_at DESC, payment_id DESC);

-- What providers told us, once each: an event that is told again changes nothing.
CREATE TABLE payment_events (
    provider    TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    payment_id  TEXT NOT NULL,
    amount      INTEGER NOT NULL,
    state       TEXT NOT NULL,                -- paid | failed
    received_at INTEGER NOT NULL,
    PRIMARY KEY (provider, event_id)
) STRICT;
CREATE INDEX payment_events_by_payment ON payment_events (payment_id);

-- Money that came counts, though an earlier event said that it would not.
CREATE TRIGGER payment_events_settle AFTER INSERT ON payment_events
BEGIN
    UPDATE payments SET state = NEW.state, paid_at = CASE NEW.state WHEN 'paid' THEN NEW.received_at END
        WHERE payment_id = NEW.payment_id AND state <> 'paid' AND state <> NEW.state;
END;

CREATE TRIGGER payments_pay AFTER UPDATE OF state ON payments WHEN OLD.state <> 'paid' AND NEW.state = 'paid'
BEGIN
    INSERT INTO entries (movement, kind, holder, part, amount, subject_id, created_at) VALUES
        (NEW.kind || ':' || NEW.payment_id, NEW.kind, 'recharge', 'own', -NEW.coins, NEW.payment_id, NEW.paid_at),
        (NEW.kind || ':' || NEW.payment_id, NEW.kind,
            CASE NEW.kind WHEN 'recharge' THEN NEW.user_id ELSE 'platform' END,
            CASE NEW.kind WHEN 'recharge' THEN 'available' ELSE 'own' END, NEW.coins, NEW.payment_id, NEW.paid_at);
    -- A month of VIP has 30 days.
    UPDATE accounts SET vip_expires_at = max(coalesce(vip_expires_at, 0), NEW.paid_at) + NEW.months * 2592000000
        WHERE user_id = NEW.user_id AND NEW.kind = 'vip';
END;
