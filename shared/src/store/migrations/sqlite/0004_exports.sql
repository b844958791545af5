-- What exports were asked for, uploaded templates, callbacks that are still to be delivered.

ALTER TABLE tasks ADD COLUMN callback TEXT;           -- whom the end of the task is told; NULL: nobody
-- How many of a project's tasks run at once.
CREATE INDEX tasks_running ON tasks (owner_id, kind) WHERE status = 'running';
CREATE INDEX tasks_expiring_by_kind ON tasks (kind, expires_at) WHERE status = 'succeeded' AND expires_at IS NOT NULL;

-- The request as it came: it may hold the data itself, so it stands apart from the task's row.
CREATE TABLE exports (
    task_id    TEXT PRIMARY KEY,
    body       TEXT NOT NULL,                 -- JSON
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX exports_by_time ON exports (created_at);

CREATE TABLE templates (
    template_id  TEXT PRIMARY KEY,
    project_id   TEXT NOT NULL,
    name         TEXT NOT NULL,               -- the file's name as it was uploaded
    file         BLOB NOT NULL,               -- .xlsx
    file_size    INTEGER NOT NULL,
    sha256       TEXT NOT NULL,
    report       TEXT NOT NULL,               -- JSON: its placeholders and its problems
    created_at   INTEGER NOT NULL,
    deleted_at   INTEGER                      -- tasks that name it may still run
) STRICT;
CREATE INDEX templates_by_project ON templates (project_id, created_at DESC, template_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX templates_deleted ON templates (deleted_at) WHERE deleted_at IS NOT NULL;

-- The outbox of callbacks (DC-8). Only the trigger below adds to it, in the statement that ends the task.
CREATE TABLE callbacks (
    event_id         TEXT PRIMARY KEY,        -- <task_id>:<fence of the end>
    task_id          TEXT NOT NULL,
    project_id       TEXT NOT NULL,
    url              TEXT NOT NULL,
    status           TEXT NOT NULL,           -- the task's
    result           TEXT,                    -- JSON
    error            TEXT,                    -- JSON
    attempt          INTEGER NOT NULL DEFAULT 0,
    run_at           INTEGER NOT NULL,
    lease_owner      TEXT,
    lease_expires_at INTEGER,
    last_error       TEXT,                    -- why the last attempt failed
    delivered_at     INTEGER,
    given_up_at      INTEGER,
    created_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX callbacks_due ON callbacks (run_at) WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX callbacks_by_task ON callbacks (task_id, created_at);
CREATE INDEX callbacks_by_time ON callbacks (created_at);

CREATE TRIGGER tasks_call_back AFTER UPDATE OF status ON tasks
    WHEN NEW.callback IS NOT NULL AND NEW.status IN ('succeeded', 'failed', 'dead', 'cancelled')
        AND OLD.status IN ('queued', 'running')
BEGIN
    INSERT INTO callbacks (event_id, task_id, project_id, url, status, result, error, run_at, created_at)
        VALUES (NEW.task_id || ':' || NEW.fence, NEW.task_id, NEW.owner_id, NEW.callback, NEW.status,
            NEW.result, NEW.error, NEW.updated_at, NEW.updated_at);
END;
