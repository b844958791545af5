-- Of a block of the search index the youngest resource: a search of a period leaves out blocks that have none of it.
CREATE INDEX documents_by_block ON documents ((number / 8192), published_at);
