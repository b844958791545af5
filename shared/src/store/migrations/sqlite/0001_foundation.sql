-- Times are integer milliseconds UTC, flags 0 and 1, JSON is text.

CREATE TABLE users (
    user_id       TEXT PRIMARY KEY,
    audience      TEXT NOT NULL,              -- users | admins: who may log in where
    email         TEXT NOT NULL,              -- lower case
    password_hash TEXT NOT NULL,
    nickname      TEXT NOT NULL,
    role          TEXT NOT NULL,              -- user | vip | admin | reviewer
    generation    INTEGER NOT NULL DEFAULT 0, -- of sessions: raising it revokes them all at once
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (audience, email)
) STRICT;

-- One row is one login: the family of its rotated refresh tokens.
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,              -- the user's when the session opened
    rotation   INTEGER NOT NULL,              -- the only rotation whose refresh token is good
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE login_attempts (
    subject           TEXT PRIMARY KEY,       -- account:<audience>:<email hash> | address:<ip>
    failures          INTEGER NOT NULL,
    window_started_at INTEGER NOT NULL
) STRICT;
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
    attempt          INTEGER NOT NULL DEFAULT 0,
    rescues          INTEGER NOT NULL DEFAULT 0, -- leases lost to dead workers
    run_at           INTEGER NOT NULL,
    lease_owner      TEXT,
    lease_expires_at INTEGER,
    fence            INTEGER NOT NULL DEFAULT 0, -- rises with every claim; late writers are refused
    progress         TEXT NOT NULL,           -- JSON
    error            TEXT,                    -- JSON
    attempts         TEXT NOT NULL DEFAULT '[]', -- JSON: what each failed attempt met
    result           TEXT,                    -- JSON
    file_path        TEXT,                    -- relative to the data folder
    file_size        INTEGER,
    expires_at       INTEGER,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER,
    deleted_at       INTEGER                  -- gone for its owner; the cleaner removes file and row
) STRICT;
CREATE UNIQUE INDEX tasks_by_idempotency_key ON tasks (owner_id, kind, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX tasks_by_owner ON tasks (owner_id, created_at DESC, task_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX tasks_ready ON tasks (run_at, task_id) WHERE status = 'queued';
CREATE INDEX tasks_leased ON tasks (lease_expires_at) WHERE status = 'running';
CREATE INDEX tasks_dead ON tasks (finished_at DESC, task_id DESC) WHERE status = 'dead';
CREATE INDEX tasks_expiring ON tasks (expires_at) WHERE status = 'succeeded' AND expires_at IS NOT NULL;
CREATE INDEX tasks_deleted ON tasks (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX tasks_changed ON tasks (updated_at, task_id);

CREATE TABLE parses (
    url_hash   TEXT PRIMARY KEY,              -- SHA-256 of the normal form
    answer     TEXT NOT NULL,                 -- JSON
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX parses_by_expiry ON parses (expires_at);

CREATE TABLE tickets (
    ticket_hash TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL,                -- whose end ends the WebSocket too
    expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX tickets_by_expiry ON tickets (expires_at);

-- A duty that exactly one worker does at a time (VA-12).
CREATE TABLE duties (
    duty             TEXT PRIMARY KEY,
    lease_owner      TEXT NOT NULL,
    lease_expires_at INTEGER NOT NULL
) STRICT;
