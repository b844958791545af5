-- Projects of the download center (DC-1): who exports, from which hosts, within which limits.

CREATE TABLE projects (
    project_id            TEXT PRIMARY KEY,
    name                  TEXT NOT NULL,
    project_group         TEXT NOT NULL,
    client_id             TEXT NOT NULL,
    -- Hashes of secrets that are random themselves. A rotation leaves the former one good for a while; in one
    -- row with the project, so that a rotation is one statement and more than two are never good.
    secret_hash           TEXT NOT NULL,
    secret_created_at     BIGINT NOT NULL,
    old_secret_hash       TEXT,
    old_secret_expires_at BIGINT,
    hosts                 TEXT NOT NULL,      -- JSON: a list of hosts that it may be fetched from and called back at
    max_tasks             BIGINT,             -- running at once; NULL, here and below: the default
    max_rows              BIGINT,             -- of one export
    max_bytes             BIGINT,             -- of a finished file
    callback_generation   BIGINT NOT NULL DEFAULT 0, -- of the secret that signs callbacks, which is derived
    tokens_from           BIGINT NOT NULL,    -- tokens issued before do not count; whole seconds
    disabled_at           BIGINT,
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL,
    created_by            TEXT NOT NULL
);
CREATE UNIQUE INDEX projects_by_name ON projects (name);
CREATE UNIQUE INDEX projects_by_client ON projects (client_id);
CREATE INDEX projects_by_group ON projects (project_group, name);

-- Disabling a project ends what it has under way, in the statement that disables it.
CREATE FUNCTION projects_disable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks SET status = 'cancelled', fence = fence + 1, lease_owner = NULL, lease_expires_at = NULL,
        finished_at = NEW.updated_at, updated_at = NEW.updated_at
        WHERE owner_id = NEW.project_id AND status IN ('queued', 'running') AND deleted_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER projects_disable AFTER UPDATE OF disabled_at ON projects
    FOR EACH ROW WHEN (NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION projects_disable();

-- A submission that was under way meanwhile is refused.
CREATE FUNCTION tasks_of_project() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    since BIGINT;
BEGIN
    -- Locked, so that of a submission and a disabling at once the later one sees the other.
    SELECT disabled_at INTO since FROM projects WHERE project_id = NEW.owner_id FOR SHARE;
    IF since IS NOT NULL THEN
        RAISE EXCEPTION 'project_disabled';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_of_project AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.kind = 'export') EXECUTE FUNCTION tasks_of_project();

-- A ticket is a user's or a project's. Those that are out now live for seconds, so they are not moved.
DROP TABLE tickets;
CREATE TABLE tickets (
    ticket_hash TEXT PRIMARY KEY,
    session_id  TEXT,                         -- a user's, whose end ends the WebSocket too
    project_id  TEXT,                         -- or the project, and when its token was issued
    issued_at   BIGINT,
    expires_at  BIGINT NOT NULL,
    CHECK ((session_id IS NULL) <> (project_id IS NULL) AND (project_id IS NULL) = (issued_at IS NULL))
);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);
