//! Limits of sharing: coins, resources and what is said of them.

/// The highest price of a resource, hundredths of a coin (SH-7).
pub const PRICE_MAX: i64 = 10_000;
/// The most that one payment brings, hundredths of a yuan.
pub const PAYMENT_FEN_MAX: i64 = 10_000_000;
/// Hundredths of a coin for a hundredth of a yuan (SH-13).
pub const COINS_PER_YUAN: i64 = 10;
/// Months of VIP that are bought at once.
pub const VIP_MONTHS_MAX: i64 = 36;
/// Resources of one publisher that wait for a reviewer: nobody fills the queue alone.
pub const RESOURCES_PENDING_MAX: i64 = 200;
/// A title and a bio of a resource, a bio of a user, characters.
pub const RESOURCE_TITLE_CHARS_MAX: usize = 200;
pub const RESOURCE_BIO_CHARS_MAX: usize = 5_000;
pub const USER_BIO_CHARS_MAX: usize = 500;
/// A reason of a report or a decision, characters.
pub const REASON_CHARS_MAX: usize = 1_000;
/// A share link, bytes, and an extraction code, characters.
pub const SHARE_URL_BYTES_MAX: usize = 512;
pub const SHARE_CODE_CHARS_MAX: usize = 16;
/// Levels and nodes of a directory tree (SH-9), and characters of a name in it.
pub const DIRECTORY_DEPTH_MAX: usize = 32;
pub const DIRECTORY_NODES_MAX: usize = 20_000;
pub const DIRECTORY_NAME_CHARS_MAX: usize = 255;
/// Bytes that a size can say: 8192 PiB, less the one byte that does not fit 63 bits. What is larger counts as this.
pub const SIZE_BYTES_MAX: i64 = i64::MAX;
/// How long an idempotency key is tried against another request's, in tries.
pub const IDEMPOTENCY_TRIES: usize = 2;
/// An id of a payment provider's event, bytes.
pub const PAYMENT_EVENT_ID_BYTES_MAX: usize = 200;
/// What a month of VIP may cost, hundredths of a yuan: 36 of them are still one payment.
pub const VIP_MONTH_FEN_MAX: i64 = PAYMENT_FEN_MAX / VIP_MONTHS_MAX;
/// The longest time in which a purchase may be refunded, seconds.
pub const REFUND_WINDOW_S_MAX: u32 = 365 * 24 * 3600;
/// How often is looked for earnings that nobody can ask back any more, milliseconds.
pub const RELEASE_LOOK_MS: u64 = 1_000;
/// How long the duty to release them is held without being taken again, milliseconds.
pub const RELEASE_LEASE_MS: i64 = 30_000;
/// Due orders that are looked at for their sellers, and orders of one seller in one statement.
pub const RELEASE_DUE_MAX: i64 = 500;
pub const RELEASE_ORDERS_MAX: i64 = 200;
/// Accounts, orders, payments or movements that the audit reads in one statement.
pub const AUDIT_PAGE: i64 = 500;
/// Differences that the audit lists; the rest is counted.
pub const AUDIT_DIFFERENCES_MAX: usize = 1_000;
/// The longest time until a link is checked again, and between two `bad`, seconds: a year.
pub const RECHECK_S_MAX: u64 = 365 * 24 * 3600;
/// Calls to one drive a second.
pub const DRIVE_CALLS_PER_S_MAX: u32 = 1000;
/// One call to a drive, seconds, and its answer, bytes.
pub const DRIVE_CALL_S_MAX: u64 = 20;
pub const DRIVE_ANSWER_BYTES_MAX: usize = 4 << 20;
/// Entries of a folder that are asked for at once.
pub const DRIVE_PAGE_ENTRIES: usize = 100;
/// Checks of one drive that a worker has under way, and how many calls and seconds one may take.
pub const CHECKS_AT_ONCE: i64 = 4;
pub const CHECK_CALLS_MAX: usize = 1_000;
pub const CHECK_S_MAX: u64 = 1_200;
/// How long a share's folders are listed in one, seconds; several at once share the drive's calls.
pub const CHECK_LIST_S_MAX: u64 = 600;
/// How long a claim of a check holds without being extended, milliseconds.
pub const CHECK_LEASE_MS: i64 = 60_000;
/// How often a claim is extended, milliseconds: so long a check goes on of a link that was replaced.
pub const CHECK_HOLD_MS: u64 = 2_000;
/// Tries at a check before it ends as uncertain.
pub const CHECK_TRIES: i64 = 6;
/// Mails that a worker sends side by side.
pub const MAILS_AT_ONCE: i64 = 8;
/// One try to send a mail, seconds.
pub const MAIL_S_MAX: u64 = 15;
/// Tries before a mail is dead that the server took for no recipient; with the default waits one to two days.
pub const MAIL_TRIES: i64 = 24;
/// Tries at a server that takes no mail at all count up to here, where the longest wait is reached by default.
pub const MAIL_SERVER_TRIES: i64 = 10;
/// How long a mail stays in the outbox's history, milliseconds.
pub const MAIL_KEPT_MS: i64 = 30 * 24 * 3600 * 1000;
/// How old a link or a tree is that no resource points to when it is removed, milliseconds.
pub const CONTENT_ORPHANED_MS: i64 = 24 * 3600 * 1000;
