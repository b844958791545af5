-- Times are integer milliseconds UTC, flags 0 and 1, JSON is text.

CREATE TABLE users (
    user_id       TEXT PRIMARY KEY,
    audience      TEXT NOT NULL,              -- users | admins: who may log in where
    email         TEXT NOT NULL,              -- lower case
    password_hash TEXT NOT NULL,
    nickname      TEXT NOT NULL,
    role          TEXT NOT NULL,              -- user | vip | admin | reviewer
    generation    BIGINT NOT NULL DEFAULT 0, -- of sessions: raising it revokes them all at once
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    UNIQUE (audience, email)
);

-- One row is one login: the family of its rotated refresh tokens.
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,              -- the user's when the session opened
    rotation   BIGINT NOT NULL,              -- the only rotation whose refresh token is good
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE login_attempts (
    subject           TEXT PRIMARY KEY,       -- account:<audience>:<email hash> | address:<ip>
    failures          BIGINT NOT NULL,
    window_started_at BIGINT NOT NULL
);
CREATE INDEX login_attempts_by_window ON login_attempts (window_started_at);

-- A download is its own history entry; an export will be a row here too.
CREATE TABLE tasks (
    task_id          TEXT PRIMARY KEY,
    kind             TEXT NOT NULL,           -- video | export
    owner_id         TEXT NOT NULL,           -- the user or the project
    status           TEXT NOT NULL,
    name             TEXT NOT NULL,           -- the title once known, else what the caller gave
    spec             TEXT NOT NULL,           -- JSON: what was asked for
    idempotency_key  TEXT,
    request_hash     TEXT NOT NULL,
    request_id       TEXT NOT NULL,
    attempt          BIGINT NOT NULL DEFAULT 0,
    rescues          BIGINT NOT NULL DEFAULT 0, -- leases lost to dead workers
    run_at           BIGINT NOT NULL,
    lease_owner      TEXT,
    lease_expires_at BIGINT,
    fence            BIGINT NOT NULL DEFAULT 0, -- rises with every claim; late writers are refused
    progress         TEXT NOT NULL,           -- JSON
    error            TEXT,                    -- JSON
    attempts         TEXT NOT NULL DEFAULT '[]', -- JSON: what each failed attempt met
    result           TEXT,                    -- JSON
    file_path        TEXT,                    -- relative to the data folder
    file_size        BIGINT,
    expires_at       BIGINT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    started_at       BIGINT,
    finished_at      BIGINT,
    deleted_at       BIGINT                  -- gone for its owner; the cleaner removes file and row
);
CREATE UNIQUE INDEX tasks_by_idempotency_key ON tasks (owner_id, kind, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX tasks_by_owner ON tasks (owner_id, created_at DESC, task_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX tasks_ready ON tasks (run_at, task_id) WHERE status = 'queued';
CREATE INDEX tasks_leased ON tasks (lease_expires_at) WHERE status = 'running';
CREATE INDEX tasks_dead ON tasks (finished_at DESC, task_id DESC) WHERE status = 'dead';
CREATE INDEX tasks_expiring ON tasks (expires_at) WHERE status = 'succeeded' AND expires_at IS NOT NULL;
CREATE INDEX tasks_deleted ON tasks (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE parses (
    url_hash   TEXT PRIMARY KEY,              -- SHA-256 of the normal form
    answer     TEXT NOT NULL,                 -- JSON
    expires_at BIGINT NOT NULL
);
CREATE INDEX parses_by_expiry ON parses (expires_at);

CREATE TABLE tickets (
    ticket_hash TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL,                -- whose end ends the WebSocket too
    expires_at  BIGINT NOT NULL
);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);

-- A duty that exactly one worker does at a time (VA-12).
CREATE TABLE duties (
    duty             TEXT PRIMARY KEY,
    lease_owner      TEXT NOT NULL,
    lease_expires_at BIGINT NOT NULL
);

-- Wakes workers and WebSockets: every visible change of a task names it and its status on the channel.
-- SQLite needs no such thing, PRAGMA data_version tells there; it has the index tasks_changed instead.
CREATE FUNCTION tasks_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('wharf_tasks', NEW.task_id || ' ' || NEW.status);
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_changed AFTER INSERT OR UPDATE OF updated_at ON tasks
    FOR EACH ROW EXECUTE FUNCTION tasks_notify();
