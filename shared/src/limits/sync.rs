//! Limits of data sync: what travels, and between whom.

/// Rows of one batch, whatever the settings say.
pub const SYNC_ROWS_MAX: usize = 10_000;
/// What `sync.max_bytes` may be, bytes.
pub const SYNC_BYTES_MIN: usize = 64 * 1024;
pub const SYNC_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A `syn_id`, a business type, an id of a server, bytes.
pub const SYNC_WORD_BYTES_MAX: usize = 128;
/// The last of the priorities, whose first is 0.
pub const SYNC_PRIORITY_MAX: u8 = 9;
/// The largest `seq` of a row; above it in a position stands the epoch.
pub const SYNC_SEQ_MAX: i64 = (1 << 40) - 1;
/// An `entity`, bytes.
pub const SYNC_ENTITY_BYTES_MAX: usize = 256;
/// A reason that a receiver gives for refusing a row, characters; what is longer is cut.
pub const SYNC_REASON_CHARS_MAX: usize = 500;
/// One place of so many in a batch goes to the row that has waited longest, whatever its priority (DS-6).
pub const SYNC_OLDEST_SHARE: usize = 8;
/// How often a batch is put together anew when another request was faster.
pub const SYNC_BATCH_TRIES: usize = 5;
/// How long a site's one-time code is good, seconds.
pub const SITE_CODE_S: i64 = 24 * 3600;
/// When a site was last heard of is written at most this often, milliseconds.
pub const SITE_TOUCH_MS: i64 = 10_000;
/// The highest epoch of a site; with 2^40 rows each they fit 63 bits.
pub const SYNC_EPOCH_MAX: i64 = 1 << 22;
/// How often a heartbeat that meets another one of its site is judged anew.
pub const HEARTBEAT_TRIES: usize = 5;
/// Answers shorter than this are not worth compressing, bytes.
pub const GZIP_BYTES_MIN: usize = 1024;
/// How hard an answer is compressed, 0 to 9: batches are made while somebody waits.
pub const GZIP_LEVEL: u32 = 1;
/// What stands around the rows of a batch, bytes.
pub const SYNC_ENVELOPE_BYTES: usize = 64 * 1024;
/// The longest wait of a pull for rows (DS-10), seconds.
pub const SYNC_WAIT_S_MAX: u64 = 25;
/// Between two looks of a waiting pull, milliseconds: rows that come together leave together.
pub const SYNC_WAIT_LOOK_MS: u64 = 20;
/// How long `wharf sync now` waits for the end of the run, milliseconds, and between two looks.
pub const SYNC_NOW_MS_MAX: i64 = 30_000;
pub const SYNC_NOW_LOOK_MS: u64 = 100;
/// An id of a batch or a pull, bytes.
pub const SYNC_BATCH_ID_BYTES_MAX: usize = 100;
/// How long the answer to a batch is kept, milliseconds.
pub const SYNC_ANSWER_KEPT_MS: i64 = 7 * 24 * 3600 * 1000;
/// What an operator puts in the place of a row's `data_detail`, bytes.
pub const SYNC_EDIT_BYTES_MAX: usize = 1024 * 1024;
/// One call of an apply hook, seconds, and its answer, bytes.
pub const SYNC_HOOK_S_MAX: u64 = 60;
pub const SYNC_HOOK_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// One exchange of a site with its cloud, seconds; a pull that waits has that on top.
pub const SYNC_EXCHANGE_S_MAX: u64 = 60;
/// Between two heartbeats of a site whose rows travel as they come, seconds.
pub const SYNC_BEAT_S: u64 = 30;
/// The wait after the first failure of a site's run, milliseconds, doubled with each in a row up to the second.
pub const SYNC_BACKOFF_INITIAL_MS: i64 = 500;
pub const SYNC_BACKOFF_MAX_MS: i64 = 60_000;
/// So many failures in a row count at the most while the cloud answers greetings: a bad line is tried every few seconds.
pub const SYNC_BAD_LINE_FAILURES_MAX: u32 = 3;
/// How long a worker holds a duty of data sync without taking it again, milliseconds.
pub const SYNC_DUTY_MS: i64 = 15_000;
/// Rows that an initial load hands out in one statement.
pub const SYNC_LOAD_ROWS: i64 = 1000;
/// Records that clean-up looks at in one statement.
pub const SYNC_PURGE_WINDOW: i64 = 5000;
/// What a site still works on when its worker stops may take so long, seconds.
pub const SYNC_STOP_S: u64 = 5;

// A shop's own MySQL or MariaDB.

/// Connections to it.
pub const MYSQL_CONNECTIONS_MAX: usize = 4;
/// One call to it, the wait for a connection included, milliseconds.
pub const MYSQL_CALL_MS_MAX: u64 = 20_000;
/// One statement there, and its wait for a lock, seconds.
pub const MYSQL_STATEMENT_S_MAX: u64 = 5;
/// Rows that are read from the outbox at a time.
pub const MYSQL_TAKE_ROWS_MAX: usize = 500;
/// What they may hold together, bytes.
pub const MYSQL_TAKE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// `data_detail` and `data_from_detail` of one row, bytes; below [`super::BODY_BYTES_MAX`].
pub const MYSQL_ROW_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Ids in one statement.
pub const MYSQL_IDS_MAX: usize = 1_000;
/// What a packet to it holds beside the row's texts, bytes.
pub const MYSQL_PACKET_SPARE_BYTES: u64 = 16 * 1024;
/// Between two looks into the outbox table, and after a failure, milliseconds.
pub const MYSQL_LOOK_MS: u64 = 1_000;
/// Between two looks at tables that do not fit, milliseconds.
pub const MYSQL_CHECK_MS: u64 = 60_000;
/// Between two comparisons of the outbox table with the journal, milliseconds.
pub const MYSQL_COMPARE_MS: u64 = 30_000;
