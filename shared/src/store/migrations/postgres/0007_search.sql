-- Search: a document for every resource that everybody may see, with the grams of its texts.

CREATE TABLE documents (
    number       BIGINT PRIMARY KEY,          -- the resource's
    publisher_id TEXT NOT NULL,
    drive        TEXT NOT NULL,
    total_size   BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    -- The normal forms: what has all grams of a run need not have the run.
    title        TEXT NOT NULL,
    names        TEXT NOT NULL,
    bio          TEXT NOT NULL,
    grams        BIGINT[] NOT NULL            -- block, field and one or two characters in one number
);
-- Its parts are small and many, and each is read often: nothing waits in a list that every search would read.
CREATE INDEX documents_by_gram ON documents USING gin (grams) WITH (fastupdate = off);
-- The planner learns nothing from a sample of grams, and gathering one of lists this long takes minutes.
ALTER TABLE documents ALTER COLUMN grams SET STATISTICS 0;

-- What is no longer for everybody is not found from that moment on.
CREATE FUNCTION resources_hide() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM documents WHERE number = NEW.number;
    RETURN NULL;
END
$$;
CREATE TRIGGER resources_hide AFTER UPDATE OF state, deleted_at ON resources FOR EACH ROW
    WHEN (NEW.deleted_at IS NOT NULL OR NEW.state NOT IN ('ok', 'invalidated'))
    EXECUTE FUNCTION resources_hide();

CREATE FUNCTION resources_show() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.indexed_version := 0;
    RETURN NEW;
END
$$;
CREATE TRIGGER resources_show BEFORE UPDATE OF state ON resources FOR EACH ROW
    WHEN (NEW.state IN ('ok', 'invalidated') AND OLD.state NOT IN ('ok', 'invalidated'))
    EXECUTE FUNCTION resources_show();
