//! Limits of what operators run: the doctor, backup and restore.

/// One call of the doctor to an address that the settings name, milliseconds.
pub const DOCTOR_CALL_MS_MAX: u64 = 5_000;
/// What is read of its answer, bytes.
pub const DOCTOR_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long the doctor reads a SQLite file to see whether it is whole, seconds.
pub const SQLITE_CHECK_S_MAX: u64 = 60;
/// The PostgreSQL that Wharf is tested with, as `server_version_num` has it.
pub const POSTGRES_VERSION_MIN: i64 = 150_000;
/// What a machine's clock cannot be below or above: the years 2026 to 2100, milliseconds.
pub const CLOCK_MS_MIN: i64 = 1_767_225_600_000;
pub const CLOCK_MS_MAX: i64 = 4_102_444_800_000;
/// How far two clocks may be apart that leases are kept by, milliseconds.
pub const CLOCK_APART_MS_MAX: i64 = 5_000;
/// Files and connections that a process should be allowed to open.
pub const FILES_OPEN_MIN: u64 = 65_536;
/// A certificate that holds no longer than this should have been renewed, seconds.
pub const CERTIFICATE_LEFT_S_MIN: i64 = 14 * 24 * 3600;
/// Rows that a backup reads at a time.
pub const BACKUP_ROWS: i64 = 500;
/// What is read of the member in which a backup says what it is, bytes.
pub const BACKUP_ABOUT_BYTES_MAX: u64 = 64 * 1024;
/// What is read of a member at a time, bytes.
pub const BACKUP_PIECE_BYTES: usize = 256 * 1024;
