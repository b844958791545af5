-- Projects of the download center (DC-1): who exports, from which hosts, within which limits.

CREATE TABLE projects (
    project_id            TEXT PRIMARY KEY,
    name                  TEXT NOT NULL,
    project_group         TEXT NOT NULL,
    client_id             TEXT NOT NULL,
    -- Hashes of secrets that are random themselves. A rotation leaves the former one good for a while; in one
    -- row with the project, so that a rotation is one statement and more than two are never good.
    secret_hash           TEXT NOT NULL,
    secret_created_at     INTEGER NOT NULL,
    old_secret_hash       TEXT,
    old_secret_expires_at INTEGER,
    hosts                 TEXT NOT NULL,      -- JSON: a list of hosts that it may be fetched from and called back at
    max_tasks             INTEGER,            -- running at once; NULL, here and below: the default
    max_rows              INTEGER,            -- of one export
    max_bytes             INTEGER,            -- of a finished file
    callback_generation   INTEGER NOT NULL DEFAULT 0, -- of the secret that signs callbacks, which is derived
    tokens_from           INTEGER NOT NULL,   -- tokens issued before do not count; whole seconds
    disabled_at           INTEGER,
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    created_by            TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX projects_by_name ON projects (name);
CREATE UNIQUE INDEX projects_by_client ON projects (client_id);
CREATE INDEX projects_by_group ON projects (project_group, name);

-- Disabling a project ends what it has under way, in the statement that disables it.
CREATE TRIGGER projects_disable AFTER UPDATE OF disabled_at ON projects WHEN NEW.disabled_at IS NOT NULL
BEGIN
    UPDATE tasks SET status = 'cancelled', fence = fence + 1, lease_owner = NULL, lease_expires_at = NULL,
        finished_at = NEW.updated_at, updated_at = NEW.updated_at
        WHERE owner_id = NEW.project_id AND status IN ('queued', 'running') AND deleted_at IS NULL;
END;

-- A submission that was under way meanwhile is refused.
CREATE TRIGGER tasks_of_project AFTER INSERT ON tasks WHEN NEW.kind = 'export'
BEGIN
    SELECT RAISE(ABORT, 'project_disabled') FROM projects
        WHERE project_id = NEW.owner_id AND disabled_at IS NOT NULL;
END;

-- A ticket is a user's or a project's. Those that are out now live for seconds, so they are not moved.
DROP TABLE tickets;
CREATE TABLE tickets (
    ticket_hash TEXT PRIMARY KEY,
    session_id  TEXT,                         -- a user's, whose end ends the WebSocket too
    project_id  TEXT,                         -- or the project, and when its token was issued
    issued_at   INTEGER,
    expires_at  INTEGER NOT NULL,
    CHECK ((session_id IS NULL) <> (project_id IS NULL) AND (project_id IS NULL) = (issued_at IS NULL))
) STRICT;
CREATE INDEX tickets_by_expiry ON tickets (expires_at);
