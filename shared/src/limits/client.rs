//! Limits of the user's own client on the command line.

/// What the command language may hold in memory, bytes.
pub const CLIENT_MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How deep the command language may call, bytes of stack.
pub const CLIENT_STACK_BYTES_MAX: usize = 1024 * 1024;
/// One answer of the server, bytes; files are streamed and have no limit here.
pub const CLIENT_ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A local file that is sent, such as a template, bytes.
pub const CLIENT_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Redirects that one request follows.
pub const CLIENT_REDIRECTS_MAX: usize = 5;
/// Opening a connection, seconds.
pub const CLIENT_CONNECT_S_MAX: u64 = 10;
/// From a request to the head of its answer, and to its end; for a file between two pieces of it, seconds.
pub const CLIENT_ANSWER_S_MAX: u64 = 60;
/// One message of a WebSocket, bytes.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// WebSockets that are open at once.
pub const CLIENT_SOCKETS_MAX: usize = 8;
/// Other files of the same name that a download steps aside for.
pub const CLIENT_SAME_NAMES_MAX: u32 = 1000;
/// The client's file of logins and lists, bytes.
pub const CLIENT_STORE_BYTES_MAX: u64 = 1024 * 1024;
/// How long one client waits for another that writes to that file or renews its tokens, milliseconds; and how often
/// it looks.
pub const CLIENT_LOCK_MS_MAX: u64 = 30_000;
pub const CLIENT_LOCK_POLL_MS: u64 = 20;
/// A line that is typed or piped in, bytes.
pub const CLIENT_LINE_BYTES_MAX: usize = 64 * 1024;
/// How often a terminal is looked at for an answer that was asked for, milliseconds.
pub const CLIENT_ASK_POLL_MS: u64 = 30;
/// Lines of the interactive shell's history.
pub const CLIENT_HISTORY_LINES_MAX: usize = 1000;
/// How long a completion may take before there is none, milliseconds.
pub const CLIENT_COMPLETE_MS_MAX: u64 = 2_000;
/// A command that was stopped has so long to end by itself, milliseconds.
pub const CLIENT_STOP_MS_MAX: u64 = 2_000;
/// Bytes of chance that are given out at once.
pub const CLIENT_RANDOM_BYTES_MAX: usize = 1024;
