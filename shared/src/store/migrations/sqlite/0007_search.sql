-- Search: a document for every resource that everybody may see, and the grams of its texts.

CREATE TABLE documents (
    number       INTEGER PRIMARY KEY,         -- the resource's
    publisher_id TEXT NOT NULL,
    drive        TEXT NOT NULL,
    total_size   INTEGER NOT NULL,
    published_at INTEGER NOT NULL
) STRICT;

-- The words begin with a letter for their field: t(itle), n(ames), b(io), f(acet). A prefix of two characters is
-- so one character of a field. Every byte above 127 belongs to a word.
CREATE VIRTUAL TABLE grams USING fts5(
    words, content = '', contentless_delete = 1, prefix = '2', tokenize = 'ascii'
);

CREATE TRIGGER documents_delete AFTER DELETE ON documents
BEGIN
    DELETE FROM grams WHERE rowid = OLD.number;
END;

-- What is inserted here is indexed: document, grams and the version that they are of, in one statement.
CREATE VIEW indexing AS
    SELECT number, publisher_id, drive, total_size, published_at, indexed_version, title AS words FROM resources;
CREATE TRIGGER indexing_insert INSTEAD OF INSERT ON indexing
BEGIN
    DELETE FROM documents WHERE number = NEW.number;
    INSERT INTO documents (number, publisher_id, drive, total_size, published_at)
        VALUES (NEW.number, NEW.publisher_id, NEW.drive, NEW.total_size, NEW.published_at);
    INSERT INTO grams (rowid, words) VALUES (NEW.number, NEW.words);
    UPDATE resources SET indexed_version = NEW.indexed_version WHERE number = NEW.number;
END;

-- What is no longer for everybody is not found from that moment on.
CREATE TRIGGER resources_hide AFTER UPDATE OF state, deleted_at ON resources
    WHEN NEW.deleted_at IS NOT NULL OR NEW.state NOT IN ('ok', 'invalidated')
BEGIN
    DELETE FROM documents WHERE number = NEW.number;
END;

CREATE TRIGGER resources_show AFTER UPDATE OF state ON resources
    WHEN NEW.state IN ('ok', 'invalidated') AND OLD.state NOT IN ('ok', 'invalidated')
BEGIN
    UPDATE resources SET indexed_version = 0 WHERE number = NEW.number;
END;
