//! Limits of searches and of their index.

/// A query of a search, characters and words.
pub const SEARCH_QUERY_CHARS_MAX: usize = 100;
pub const SEARCH_RUNS_MAX: usize = 16;
/// Matches that a search finds, best and newest first; further ones are not counted and stand on no page.
pub const SEARCH_MATCHES_MAX: i64 = 2_000;
/// Matches that are looked for and counted at least, whatever page is asked for; beyond them no more than the page needs.
pub const SEARCH_COUNTED_MIN: i64 = 200;
/// Matches of a filtered query that SQLite looks at one by one before it reads the lists of the filter too.
pub const SEARCH_NEWEST_MATCHES: i64 = 2_000;
/// Characters of files' and folders' names that the index takes of one resource, each name once.
pub const SEARCH_NAMES_CHARS_MAX: usize = 200_000;
/// Resources in a block of PostgreSQL's index: the unit in which it is read, newest first. The indexes `documents_by_gram`
/// and `documents_by_block` are made for this number.
pub const SEARCH_BLOCK_ROWS: i64 = 8_192;
/// Queries with a mistake taken out that are tried when nothing is found, how many resources each may bring, and
/// of how many characters of a text the distance is measured.
pub const SEARCH_VARIANTS_MAX: usize = 24;
pub const SEARCH_VARIANT_MATCHES_MAX: i64 = 50;
pub const SEARCH_TYPO_CHARS_MAX: usize = 4_096;
/// Of what is shown of a hit, characters: in all, and before it.
pub const FRAGMENT_CHARS_MAX: usize = 120;
pub const FRAGMENT_BEFORE_CHARS: usize = 30;
/// Fragments of names, of one resource.
pub const NAME_FRAGMENTS_MAX: usize = 3;
/// Bytes of trees that one page of a search looks at; what is beyond shows no fragments of names.
pub const SEARCH_TREES_BYTES_MAX: i64 = 8 * 1024 * 1024;
/// Resources that are indexed in one statement, and characters of their trees.
pub const INDEX_ROWS_MAX: i64 = 64;
pub const INDEX_TREES_CHARS_MAX: i64 = 4 * 1024 * 1024;
/// How often a worker looks for resources that are not indexed, milliseconds.
pub const INDEX_POLL_MS: u64 = 500;
/// For how long one worker has the duty to index, milliseconds.
pub const INDEX_LEASE_MS: i64 = 30_000;
/// Resources that are marked at once to be indexed anew.
pub const REINDEX_ROWS: i64 = 10_000;
