-- Quotas, fair turns, sites that want to be left alone, rented proxies, cookie jars, workers that can be
-- seen, what lies on the disk without a row.

ALTER TABLE users ADD COLUMN daily_limit INTEGER;     -- downloads a day; NULL: what the level gives
ALTER TABLE users ADD COLUMN blocked_at INTEGER;

ALTER TABLE tasks ADD COLUMN site TEXT NOT NULL DEFAULT '';    -- host[:port] of the media URL; exports: ''
-- Fair queueing: the n-th waiting task of an owner stands beside the n-th of every other.
ALTER TABLE tasks ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- The UTC day (since 1970) whose quota holds a place for this task; NULL: none does.
ALTER TABLE tasks ADD COLUMN quota_day INTEGER;
ALTER TABLE tasks ADD COLUMN quota_limit INTEGER;              -- the owner's limit when it was submitted

DROP INDEX tasks_ready;
CREATE INDEX tasks_ready ON tasks (kind, site, turn, run_at, task_id) WHERE status = 'queued';
CREATE INDEX tasks_due ON tasks (kind, run_at) WHERE status = 'queued';
CREATE INDEX tasks_turns ON tasks (kind, turn) WHERE status = 'queued';
CREATE INDEX tasks_waiting ON tasks (owner_id, kind, turn) WHERE status = 'queued';
CREATE INDEX tasks_held ON tasks (lease_owner, kind, site, owner_id) WHERE status = 'running';
CREATE INDEX tasks_finished ON tasks (kind, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX tasks_created ON tasks (kind, created_at);
-- For sums over all that ever ended, without their rows.
CREATE INDEX tasks_ended ON tasks (status, file_size, finished_at) WHERE finished_at IS NOT NULL;

-- How many places of a day are taken (VA-11). Only the two triggers below write it, in the statement that
-- writes the task: a place is taken with the row and given back by setting quota_day to NULL. An account
-- that is blocked takes none.
CREATE TABLE quotas (
    user_id TEXT NOT NULL,
    day     INTEGER NOT NULL,
    used    INTEGER NOT NULL,
    PRIMARY KEY (user_id, day)
) STRICT;
CREATE INDEX quotas_by_day ON quotas (day);

CREATE TRIGGER tasks_take_quota AFTER INSERT ON tasks WHEN NEW.quota_day IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'account_blocked') FROM users
        WHERE user_id = NEW.owner_id AND blocked_at IS NOT NULL;
    INSERT INTO quotas (user_id, day, used) VALUES (NEW.owner_id, NEW.quota_day, 1)
        ON CONFLICT (user_id, day) DO UPDATE SET used = used + 1;
    SELECT RAISE(ABORT, 'quota_exhausted') FROM quotas
        WHERE user_id = NEW.owner_id AND day = NEW.quota_day AND used > NEW.quota_limit;
END;

CREATE TRIGGER tasks_give_quota_back AFTER UPDATE OF quota_day ON tasks
    WHEN OLD.quota_day IS NOT NULL AND NEW.quota_day IS NULL
BEGIN
    UPDATE quotas SET used = used - 1 WHERE user_id = OLD.owner_id AND day = OLD.quota_day;
END;

-- Blocking an account ends what it has under way, in the statement that blocks it. It was not the owner's
-- doing, so the places are given back.
CREATE TRIGGER users_block AFTER UPDATE OF blocked_at ON users WHEN NEW.blocked_at IS NOT NULL
BEGIN
    UPDATE tasks SET status = 'cancelled', quota_day = NULL, fence = fence + 1, lease_owner = NULL,
        lease_expires_at = NULL, finished_at = NEW.updated_at, updated_at = NEW.updated_at
        WHERE owner_id = NEW.user_id AND status IN ('queued', 'running') AND deleted_at IS NULL;
END;

-- Sites that refused us: no attempt starts there before cool_until.
CREATE TABLE sites (
    site       TEXT PRIMARY KEY,
    strikes    INTEGER NOT NULL,              -- refusals in a row
    cool_ms    INTEGER NOT NULL,              -- how long it cools after the last one
    cool_until INTEGER NOT NULL,
    reason     TEXT NOT NULL,                 -- the failure's code
    updated_at INTEGER NOT NULL
) STRICT;

-- What an admin has decided about rented proxies; one row at the most.
CREATE TABLE proxy_policies (
    policy       TEXT PRIMARY KEY,            -- 'current'
    mode         TEXT NOT NULL,               -- always | on_refusal | never
    direct_sites TEXT NOT NULL,               -- JSON: a list of sites that are always reached directly
    updated_at   INTEGER NOT NULL,
    updated_by   TEXT NOT NULL
) STRICT;

-- What rented proxies were used for; kept for proxy_event days.
CREATE TABLE proxy_events (
    event_id  TEXT PRIMARY KEY,
    at        INTEGER NOT NULL,
    worker_id TEXT NOT NULL,
    task_id   TEXT,                           -- NULL: a parse
    attempt   INTEGER,
    site      TEXT NOT NULL,
    proxy     TEXT,                           -- host:port; NULL: the provider gave none
    outcome   TEXT NOT NULL                   -- succeeded, or the failure's code
) STRICT;
CREATE INDEX proxy_events_by_time ON proxy_events (at, event_id);

-- Cookies per site, sealed with keys.cookies.
CREATE TABLE cookie_jars (
    site       TEXT PRIMARY KEY,
    sealed     TEXT NOT NULL,
    cookies    INTEGER NOT NULL,
    expires_at INTEGER,                       -- when the first of them ends
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) STRICT;

-- Workers as they last said of themselves.
CREATE TABLE workers (
    worker_id  TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    state      TEXT NOT NULL                  -- JSON
) STRICT;
CREATE INDEX workers_by_time ON workers (seen_at);

-- Versions of tools that an admin asked for; every worker brings its own up to it.
CREATE TABLE tools (
    tool         TEXT PRIMARY KEY,            -- yt-dlp
    version      TEXT NOT NULL,               -- 2026.10.26 | latest
    requested_at INTEGER NOT NULL,
    requested_by TEXT NOT NULL
) STRICT;

-- Files without a row, and rows without their file.
CREATE TABLE findings (
    path      TEXT PRIMARY KEY,               -- relative to the data folder
    kind      TEXT NOT NULL,                  -- file_without_row | row_without_file
    task_id   TEXT,
    file_size INTEGER,
    found_at  INTEGER NOT NULL,
    seen_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX findings_by_time ON findings (seen_at);
