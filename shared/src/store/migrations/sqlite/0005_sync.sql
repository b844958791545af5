-- Records that shops' servers and their cloud exchange (DS-1 to DS-13). The same tables serve both: a cloud
-- delivers to its sites and to its own business, a site delivers to the cloud.

-- Hosts of media that want to be left alone; a site is a shop's server from here on.
ALTER TABLE sites RENAME TO cooldowns;

-- A shop's server, from the moment that a code is made for it.
CREATE TABLE sites (
    site_id         TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    site_group      TEXT NOT NULL,
    realm           TEXT NOT NULL,            -- 'group:' and the group
    code_hash       TEXT,                     -- of the one-time code; kept when used, so that a repeat is told apart
    code_expires_at INTEGER,
    code_used_at    INTEGER,
    client_id       TEXT,                     -- NULL, and below: not registered yet
    secret_hash     TEXT,
    tokens_from     INTEGER NOT NULL,         -- tokens issued before do not count; whole seconds
    registered_at   INTEGER,
    revoked_at      INTEGER,
    -- How a site that went back in time is noticed: it counts its heartbeats, and so do we.
    epoch           INTEGER NOT NULL DEFAULT 1,
    tick            INTEGER NOT NULL DEFAULT 0,
    beat_id         TEXT,                     -- of the last heartbeat, so that a repeated one is no surprise
    load_after      INTEGER,                  -- the initial load goes on behind this record; NULL: there is none
    load_until      INTEGER NOT NULL DEFAULT 0, -- and ends with this one: later ones come by themselves
    load_epoch      INTEGER NOT NULL DEFAULT 1, -- it holds the site's own rows of earlier epochs than this
    last_contact_at INTEGER,
    version         TEXT,                     -- as it last said, and what it last reported
    report          TEXT,                     -- JSON
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    created_by      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX sites_by_name ON sites (name);
CREATE UNIQUE INDEX sites_by_client ON sites (client_id);
CREATE UNIQUE INDEX sites_by_code ON sites (code_hash);
CREATE INDEX sites_by_realm ON sites (realm) WHERE registered_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX sites_loading ON sites (load_after) WHERE load_after IS NOT NULL;

-- The journal: every row that was accepted, once, as it came. (origin, syn_id) is the inbox of DS-5.
CREATE TABLE records (
    record_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    origin         TEXT NOT NULL,             -- the site_id, 'cloud', or on a site 'self'
    epoch          INTEGER NOT NULL,          -- of the origin: rises when it was restored from a backup
    syn_id         TEXT NOT NULL,
    position       INTEGER NOT NULL,          -- its place among the origin's: epoch * 2^40 + seq
    rank           INTEGER NOT NULL,          -- its place among all; rises with the position within an origin
    business_type  TEXT NOT NULL,
    priority       INTEGER NOT NULL,          -- 0 first
    op             TEXT NOT NULL,             -- upsert | delete
    realm          TEXT NOT NULL,             -- who may see it: group:<group> | site:<site_id> | cloud:<origin> | own
    entity         TEXT NOT NULL,             -- table:id
    entity_version INTEGER,
    body           TEXT NOT NULL,             -- JSON: the row as it is delivered, but for fail_num
    hash           TEXT NOT NULL,             -- SHA-256 of body
    bytes          INTEGER NOT NULL,          -- of body
    receiver       TEXT,                      -- whom it goes to beside the sites: 'business', 'upstream'; NULL: nobody
    is_superseded  INTEGER NOT NULL,          -- came after a deletion of a higher version: kept, not delivered
    created_at     INTEGER NOT NULL,
    acked_at       INTEGER NOT NULL,          -- a deletion: when the last receiver had it
    UNIQUE (origin, syn_id, epoch)
) STRICT;
CREATE INDEX records_by_position ON records (origin, position, rank);
CREATE INDEX records_by_entity ON records (realm, entity, record_id);
CREATE INDEX records_by_realm ON records (realm, record_id);
CREATE INDEX records_by_time ON records (created_at);

-- What is still to be delivered to whom; gone once it is.
CREATE TABLE deliveries (
    receiver    TEXT NOT NULL,                -- a site_id | 'business' | 'upstream'
    record_id   INTEGER NOT NULL,
    entity      TEXT NOT NULL,                -- realm and entity: its rows never overtake each other
    priority    INTEGER NOT NULL,             -- the record's, unless an earlier row of the entity is waiting with a later one
    rank        INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    state       TEXT NOT NULL,                -- pending | leased | dead | held
    batch_id    TEXT,
    fail_num    INTEGER NOT NULL DEFAULT 0,
    reason      TEXT,                         -- of the last refusal
    data_detail TEXT,                         -- what an operator has put in the place of the record's
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (receiver, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_next ON deliveries (receiver, priority, rank, position) WHERE state = 'pending';
CREATE INDEX deliveries_by_state ON deliveries (receiver, state, created_at);
CREATE INDEX deliveries_by_entity ON deliveries (receiver, entity, rank, position);
CREATE INDEX deliveries_of_record ON deliveries (record_id);

CREATE TRIGGER records_deliver AFTER INSERT ON records WHEN NEW.is_superseded = 0
BEGIN
    INSERT INTO deliveries (receiver, record_id, entity, priority, rank, position, bytes, state, created_at, updated_at)
        SELECT receiver, NEW.record_id, NEW.realm || ' ' || NEW.entity,
            -- Neither before an earlier row of the entity nor behind a later one, whatever their types.
            min(max(NEW.priority, coalesce((SELECT max(priority) FROM deliveries earlier
                    WHERE earlier.receiver = whom.receiver AND earlier.entity = NEW.realm || ' ' || NEW.entity
                    AND (earlier.rank, earlier.position) < (NEW.rank, NEW.position)), -1)),
                coalesce((SELECT min(priority) FROM deliveries later
                    WHERE later.receiver = whom.receiver AND later.entity = NEW.realm || ' ' || NEW.entity
                    AND (later.rank, later.position) > (NEW.rank, NEW.position)), 99)),
            NEW.rank, NEW.position, NEW.bytes,
            CASE WHEN EXISTS (SELECT 1 FROM deliveries dead WHERE dead.receiver = whom.receiver
                AND dead.entity = NEW.realm || ' ' || NEW.entity AND dead.state IN ('dead', 'held'))
                THEN 'held' ELSE 'pending' END,
            NEW.created_at, NEW.created_at
        FROM (
            SELECT site_id AS receiver FROM sites WHERE realm = NEW.realm AND site_id <> NEW.origin
                AND registered_at IS NOT NULL AND revoked_at IS NULL
            UNION ALL
            SELECT site_id FROM sites WHERE site_id = substr(NEW.realm, 6) AND NEW.realm LIKE 'site:%'
                AND site_id <> NEW.origin AND registered_at IS NOT NULL AND revoked_at IS NULL
            UNION ALL
            SELECT NEW.receiver WHERE NEW.receiver IS NOT NULL
        ) whom;
END;

-- Rows that were handed out together. Settled, a batch keeps its answer for who asks again.
CREATE TABLE batches (
    batch_id         TEXT PRIMARY KEY,
    receiver         TEXT NOT NULL,
    records          TEXT NOT NULL,           -- JSON, in order: [[record_id, fail_num], …]
    pull_id          TEXT,                    -- of the request that it was made for; the same one gets it again
    lease_expires_at INTEGER NOT NULL,
    fail_max         INTEGER NOT NULL,
    results          TEXT,                    -- JSON: [[record_id, "ok" | "reject" | "retry", reason | null], …]
    answer           TEXT,                    -- JSON; NULL though settled: given up for a smaller one
    settled_at       INTEGER,
    created_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX batches_open ON batches (receiver, created_at) WHERE settled_at IS NULL;
CREATE INDEX batches_by_pull ON batches (receiver, pull_id) WHERE pull_id IS NOT NULL;
CREATE INDEX batches_settled ON batches (settled_at) WHERE settled_at IS NOT NULL;

-- A batch holds its rows from the statement that makes it, all of them or there is no batch.
CREATE TRIGGER batches_lease AFTER INSERT ON batches
BEGIN
    UPDATE deliveries SET state = 'leased', batch_id = NEW.batch_id, updated_at = NEW.created_at
        WHERE receiver = NEW.receiver AND state = 'pending'
        AND record_id IN (SELECT json_extract(value, '$[0]') FROM json_each(NEW.records));
    SELECT RAISE(ABORT, 'batch_raced') WHERE json_array_length(NEW.records) <>
        (SELECT count(*) FROM deliveries WHERE receiver = NEW.receiver AND batch_id = NEW.batch_id
            AND record_id IN (SELECT json_extract(value, '$[0]') FROM json_each(NEW.records)));
END;

-- What the receiver said takes effect in the statement that settles the batch, and once.
CREATE TRIGGER batches_settle AFTER UPDATE OF settled_at ON batches
    WHEN OLD.settled_at IS NULL AND NEW.settled_at IS NOT NULL
BEGIN
    UPDATE records SET acked_at = NEW.settled_at WHERE op = 'delete' AND record_id IN
        (SELECT json_extract(value, '$[0]') FROM json_each(NEW.results)
            WHERE json_extract(value, '$[1]') = 'ok');
    DELETE FROM deliveries WHERE receiver = NEW.receiver AND batch_id = NEW.batch_id AND record_id IN
        (SELECT json_extract(value, '$[0]') FROM json_each(NEW.results)
            WHERE json_extract(value, '$[1]') = 'ok');
    UPDATE deliveries SET fail_num = fail_num + 1, batch_id = NULL, updated_at = NEW.settled_at,
        state = CASE WHEN fail_num + 1 >= NEW.fail_max THEN 'dead' ELSE 'pending' END,
        reason = (SELECT json_extract(value, '$[2]') FROM json_each(NEW.results)
            WHERE json_extract(value, '$[0]') = deliveries.record_id)
        WHERE receiver = NEW.receiver AND batch_id = NEW.batch_id AND record_id IN
        (SELECT json_extract(value, '$[0]') FROM json_each(NEW.results)
            WHERE json_extract(value, '$[1]') = 'reject');
    UPDATE deliveries SET state = 'pending', batch_id = NULL, updated_at = NEW.settled_at
        WHERE receiver = NEW.receiver AND batch_id = NEW.batch_id AND state = 'leased'
        AND record_id IN (SELECT json_extract(value, '$[0]') FROM json_each(NEW.records));
    UPDATE deliveries SET state = 'held', updated_at = NEW.settled_at
        WHERE receiver = NEW.receiver AND state = 'pending' AND entity IN
        (SELECT entity FROM deliveries dead WHERE dead.receiver = NEW.receiver AND dead.state = 'dead'
            AND dead.record_id IN (SELECT json_extract(value, '$[0]') FROM json_each(NEW.results)
                WHERE json_extract(value, '$[1]') = 'reject'));
END;

-- A dead row that is freed or skipped lets go of those that it held.
CREATE TRIGGER deliveries_free AFTER UPDATE OF state ON deliveries
    WHEN OLD.state = 'dead' AND NEW.state = 'pending'
BEGIN
    UPDATE deliveries SET state = 'pending', updated_at = NEW.updated_at
        WHERE receiver = NEW.receiver AND entity = NEW.entity AND state = 'held';
END;
CREATE TRIGGER deliveries_skip AFTER DELETE ON deliveries WHEN OLD.state = 'dead'
BEGIN
    UPDATE deliveries SET state = 'pending' WHERE receiver = OLD.receiver AND entity = OLD.entity AND state = 'held';
END;

-- Revoking a site takes back what waits for it, in the statement that revokes it.
CREATE TRIGGER sites_revoke AFTER UPDATE OF revoked_at ON sites WHEN NEW.revoked_at IS NOT NULL
BEGIN
    DELETE FROM deliveries WHERE receiver = NEW.site_id;
    UPDATE batches SET settled_at = NEW.revoked_at, results = '[]' WHERE receiver = NEW.site_id AND settled_at IS NULL;
END;

-- Answers to pushes, for who pushes the same batch again.
CREATE TABLE pushes (
    site_id      TEXT NOT NULL,
    batch_id     TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    answer       TEXT NOT NULL,               -- JSON
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (site_id, batch_id)
) STRICT;
CREATE INDEX pushes_by_time ON pushes (created_at);

-- On a site: rows from the cloud that were applied here.
CREATE TABLE applied (
    origin         TEXT NOT NULL,
    syn_id         TEXT NOT NULL,
    hash           TEXT NOT NULL,
    entity         TEXT NOT NULL,
    op             TEXT NOT NULL,
    entity_version INTEGER,
    applied_at     INTEGER NOT NULL,
    PRIMARY KEY (origin, syn_id, hash)
) STRICT;
CREATE INDEX applied_by_entity ON applied (entity, op);
CREATE INDEX applied_by_time ON applied (applied_at);

-- On a site: what it knows of itself, a line each.
CREATE TABLE site_state (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
