//! Every limit with its unit, in one place; those of the files that exports make are in [`sheet`], those of what
//! data sync carries in [`sync`], those of the command line's client in [`client`].

mod client;
mod operating;
mod search;
mod sharing;
mod sheet;
mod sync;

pub use client::*;
pub use operating::*;
pub use search::*;
pub use sharing::*;
pub use sheet::*;
pub use sync::*;

/// A request body unless a route says otherwise (PF-6), bytes.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is read and thrown away of a larger one: a client that is still sending when the connection
/// closes would never see the answer.
pub const BODY_DRAINED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A body that is received before a component is given its request, bytes.
pub const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take to send such a body, milliseconds.
pub const SMALL_BODY_MS_MAX: u64 = 10_000;
/// Larger bodies, and those of unknown length, under way at once.
pub const LARGE_BODIES_MAX: usize = 32;
/// One request through a component (PF-6), seconds.
pub const REQUEST_S_MAX: u64 = 30;
/// Items on one page of a list (PF-6).
pub const PAGE_SIZE_MAX: u32 = 100;
/// Items on a page when the caller does not say.
pub const PAGE_SIZE_DEFAULT: u32 = 20;
/// The last page number that can be asked for; keeps `OFFSET` bounded.
pub const PAGE_MAX: u32 = 100_000;
/// Nesting of a JSON body; serde_json's own recursion limit.
pub const JSON_DEPTH_MAX: usize = 128;
/// A field that may have any shape, bytes of JSON: as a tree it takes many times its text.
pub const SHORT_JSON_BYTES_MAX: usize = 16 * 1024;

/// The URL of a video, of a source or of a callback, bytes.
pub const WEB_URL_BYTES_MAX: usize = 4096;
/// An e-mail address (RFC 5321), bytes.
pub const EMAIL_BYTES_MAX: usize = 254;
/// A password: bcrypt ignores what lies beyond 72 bytes, so we refuse it.
pub const PASSWORD_BYTES_MAX: usize = 72;
/// A password, characters (ID-1).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// A nickname, characters.
pub const NICKNAME_CHARS_MAX: usize = 64;
/// An idempotency key, bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 200;
/// What a source may name its next page by, bytes.
pub const CURSOR_BYTES_MAX: usize = 4096;
/// Pages without rows that a source may send one after another.
pub const SOURCE_EMPTY_PAGES_MAX: u32 = 100;
/// One page of a source, bytes.
pub const SOURCE_PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// One request for a page, seconds.
pub const SOURCE_PAGE_S_MAX: u64 = 30;
/// Requests for one page before its attempt fails; the queue does the rest.
pub const SOURCE_PAGE_TRIES: u32 = 3;
/// Rows of a page that is asked for (DC-2).
pub const STEP_MIN: u32 = 100;
pub const STEP_MAX: u32 = 5000;
pub const STEP_DEFAULT: u32 = 1000;
/// The pause between two pages, milliseconds.
pub const INTERVAL_MS_MAX: u32 = 60_000;
/// Building one file, seconds.
pub const EXPORT_S_MAX: u32 = 24 * 3600;
pub const EXPORT_S_DEFAULT: u32 = 3600;
/// The name of an export, characters.
pub const EXPORT_NAME_CHARS_MAX: usize = 200;
/// One attempt to deliver a callback, seconds.
pub const CALLBACK_S_MAX: u64 = 10;
/// Attempts after the first (DC-8).
pub const CALLBACK_RETRIES: i64 = 3;
/// What a callback may answer, bytes; it is not looked at.
pub const CALLBACK_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Callbacks that a worker delivers side by side.
pub const CALLBACKS_AT_ONCE: i64 = 16;
/// How long a callback stays in the outbox's history, milliseconds.
pub const CALLBACK_KEPT_MS: i64 = 7 * 24 * 3600 * 1000;
/// The body of an export's request is kept so long without its task, milliseconds.
pub const EXPORT_ORPHANED_MS: i64 = 3600 * 1000;
/// A deleted template is kept for tasks that name it, milliseconds.
pub const TEMPLATE_DELETED_MS: i64 = 2 * 24 * 3600 * 1000;
/// Templates of one project.
pub const TEMPLATES_MAX: i64 = 1000;
/// Building a file in the request (DC-3), milliseconds; below [`REQUEST_S_MAX`].
pub const EXPORT_SYNC_MS_MAX: i64 = 20_000;
/// A request id taken from the caller, bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// A language tag of a subtitle, bytes.
pub const LANGUAGE_TAG_BYTES_MAX: usize = 16;
/// Languages of subtitles that one download may ask for.
pub const SUBTITLES_MAX: usize = 8;
/// A cookie jar, bytes.
pub const COOKIE_JAR_BYTES_MAX: usize = 256 * 1024;
/// Cookies in a jar.
pub const COOKIES_MAX: usize = 2000;
/// One line of a cookie jar, bytes.
pub const COOKIE_BYTES_MAX: usize = 8 * 1024;
/// A file name made from a title, bytes (ext4 and NTFS take 255; room for a task's id, a language and an
/// extension).
pub const FILE_NAME_BYTES_MAX: usize = 180;

/// bcrypt's cost (ID-1).
pub const BCRYPT_COST: u32 = 10;
/// An access token (ID-2), seconds.
pub const ACCESS_TOKEN_S: i64 = 24 * 3600;
/// A refresh token (ID-2), seconds.
pub const REFRESH_TOKEN_S: i64 = 7 * 24 * 3600;
/// A WebSocket ticket, seconds.
pub const WS_TICKET_S: i64 = 30;
/// Failed logins of one account in a window before 42901 (ID-6).
pub const LOGIN_FAILURES_PER_ACCOUNT_MAX: i64 = 10;
/// Failed logins from one address in a window before 42901 (ID-6).
pub const LOGIN_FAILURES_PER_ADDRESS_MAX: i64 = 100;
/// The window of the two, seconds.
pub const LOGIN_WINDOW_S: i64 = 15 * 60;

/// A machine client's token (ID-4), seconds.
pub const CLIENT_TOKEN_S: i64 = 24 * 3600;
/// The name of a project or of its group, characters.
pub const PROJECT_NAME_CHARS_MAX: usize = 100;
/// Hosts that one project may be fetched from and called back at (DC-12).
pub const PROJECT_HOSTS_MAX: usize = 100;
/// A project's own limit of exports that run at once.
pub const PROJECT_TASKS_MAX: i64 = 1_000;
/// A project's own limit of rows of one export.
pub const PROJECT_ROWS_MAX: i64 = 1_000_000_000;
/// A project's own limit of a finished file, bytes.
pub const PROJECT_BYTES_MAX: i64 = 1 << 40;
/// How long a secret stays good beside the one that replaced it when nothing else is said, seconds.
pub const SECRET_OVERLAP_S_DEFAULT: i64 = 24 * 3600;
/// The longest that can be asked for, seconds.
pub const SECRET_OVERLAP_S_MAX: i64 = 7 * 24 * 3600;

/// How long an idempotency key replays its answer, seconds.
pub const IDEMPOTENCY_S: i64 = 24 * 3600;
/// How long a parse answer is kept (VA-1), seconds.
pub const PARSE_CACHE_S: i64 = 3600;
/// One parse by yt-dlp, seconds; below [`REQUEST_S_MAX`] so that the caller gets our sentence.
pub const PARSE_S_MAX: u64 = 25;
/// Parses at once on one worker.
pub const PARSE_CONCURRENCY: usize = 8;
/// What yt-dlp may print for one parse, bytes.
pub const PARSE_OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Formats, and languages of subtitles, in a parse answer.
pub const PARSE_FORMATS_MAX: usize = 500;

/// Leases lost to dead workers before a task is held to be what kills them.
pub const RESCUES_MAX: i64 = 10;
/// One connection attempt through the egress door, milliseconds.
pub const CONNECT_MS_MAX: u64 = 10_000;
/// One direction of a tunnel without a byte, milliseconds.
pub const TUNNEL_IDLE_MS_MAX: u64 = 60_000;

/// Memory of one component instance, bytes.
pub const INSTANCE_MEMORY_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Component instances at once in one runner.
pub const INSTANCES_MAX: u32 = 256;
/// Requests that one instance serves before it is replaced.
pub const INSTANCE_REUSE_MAX: usize = 128;
/// An idle instance is dropped after, seconds.
pub const INSTANCE_IDLE_S: u64 = 1;
/// Computing without a pause before a component is stopped, milliseconds.
pub const CPU_MS_MAX: u64 = 10_000;

/// Progress of one task is written to its row at most this often, milliseconds.
pub const PROGRESS_ROW_MS: u64 = 500;
/// How often a worker looks for cancelled tasks, milliseconds.
pub const CANCEL_POLL_MS: u64 = 500;
/// WebSockets at once on one worker.
pub const WEBSOCKETS_MAX: usize = 10_000;
/// WebSockets at once of one owner on one worker.
pub const WEBSOCKETS_PER_OWNER_MAX: usize = 100;
/// What a client may send on a WebSocket, bytes; we expect nothing but pongs.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 1024;
/// How long a parse waits for its turn, milliseconds.
pub const PARSE_WAIT_MS_MAX: u64 = 3000;
/// How long an attempt waits for the one before it to leave the task's folder, milliseconds.
pub const FOLDER_WAIT_MS_MAX: u64 = 15_000;
/// Changes that a listener to all of an owner's tasks may lag behind before it is sent the state anew.
pub const HUB_BACKLOG_ALL: usize = 256;
/// The same for a listener to one task; each such task has a queue of its own.
pub const HUB_BACKLOG_ONE: usize = 32;
/// Tasks of one owner of which is remembered what his listeners were told last.
pub const HUB_REMEMBERED_MAX: usize = 1_024;
/// When there are as many, those that changed so long ago are forgotten, milliseconds.
pub const HUB_REMEMBERED_MS: i64 = 60_000;
/// Tasks that are sent as the current state when a WebSocket opens without `task_id`.
pub const WEBSOCKET_TASKS_MAX: u32 = 100;
/// Chunk of a delivered file, bytes: small enough to stay in the processor's cache between reading and
/// sending. A transfer holds two at the most.
pub const DELIVERY_CHUNK_BYTES: usize = 256 * 1024;
/// What a transfer sends without a pause before it lets others run, bytes.
pub const DELIVERY_SLICE_BYTES: usize = 4 * 1024 * 1024;
/// Ranges of one request; who asks for more gets the whole file.
pub const RANGES_MAX: usize = 64;
/// When a caller who found all places for transfers taken should come back, seconds.
pub const DELIVERY_RETRY_S: u64 = 5;
/// How often a bandwidth limit gives out what its rate allows, milliseconds.
pub const BANDWIDTH_TICK_MS: u64 = 50;
/// What a bandwidth limit lets through at once after a pause, in ticks.
pub const BANDWIDTH_BURST_TICKS: usize = 5;
/// The least that a transfer under a bandwidth limit sends at a time, bytes; it may take longer than a tick.
pub const BANDWIDTH_PORTION_BYTES_MIN: usize = 512;

/// Resolving one name at the egress door, milliseconds.
pub const RESOLVE_MS_MAX: u64 = 5_000;
/// Addresses of one name that the egress door tries.
pub const ADDRESSES_MAX: usize = 4;
/// Connections at once through the loopback forward proxy.
pub const PROXY_CONNECTIONS_MAX: usize = 1024;
/// Reading the head of one request in the forward proxy, milliseconds.
pub const PROXY_HEAD_MS_MAX: u64 = 10_000;
/// Waiting for the head of an answer behind the forward proxy, milliseconds.
pub const ANSWER_HEAD_MS_MAX: u64 = 30_000;
/// Buffer of one direction of a tunnel, bytes.
pub const TUNNEL_BUFFER_BYTES: usize = 16 * 1024;

/// One line that a child process prints; the rest of a longer one is dropped, bytes.
pub const PROCESS_LINE_BYTES_MAX: usize = 64 * 1024;
/// Diagnostics of a child process that are kept, bytes.
pub const PROCESS_STDERR_BYTES_MAX: usize = 64 * 1024;
/// From SIGTERM to SIGKILL of a process group, milliseconds; with [`CANCEL_POLL_MS`] below the two seconds
/// that a cancellation may take (VA-4).
pub const PROCESS_TERM_MS_MAX: u64 = 1_000;
/// Asking a tool for its version, seconds.
pub const TOOL_CHECK_S_MAX: u64 = 30;
/// What a tool may print when asked what it is, or while it is set up, bytes.
pub const TOOL_OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Setting up a tool, seconds.
pub const TOOL_SETUP_S_MAX: u64 = 300;

/// yt-dlp's wait for one read from a site, seconds; below [`TUNNEL_IDLE_MS_MAX`].
pub const YTDLP_SOCKET_S_MAX: u64 = 20;
/// yt-dlp's own retries within an attempt; the queue does the rest.
pub const YTDLP_RETRIES: u32 = 1;
/// What yt-dlp may fetch to find out what a URL is, bytes; it holds pages in memory.
pub const EXTRACT_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// What a download may fetch beyond the size of its file: pages, headers, TLS, repeated ranges, bytes.
pub const DOWNLOAD_OVERHEAD_BYTES: u64 = 256 * 1024 * 1024;
/// Fetching the subtitles and the thumbnail of one download, seconds.
pub const EXTRAS_S_MAX: u64 = 120;
/// What they may fetch in all, pages included, bytes.
pub const EXTRAS_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// One subtitle or thumbnail that is kept, bytes.
pub const EXTRA_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Between two progress lines of yt-dlp, milliseconds.
pub const YTDLP_PROGRESS_MS: u64 = 100;
/// A title that is kept, characters.
pub const TITLE_CHARS_MAX: usize = 500;
/// The start of a file that shows what it is, bytes.
pub const SNIFF_BYTES: usize = 1024;
/// How long a request waits for a free instance before 50301, milliseconds.
pub const INSTANCE_WAIT_MS_MAX: u64 = 1_000;
/// Slots of the instance pool: the busy ones and those that idle until [`INSTANCE_IDLE_S`] has passed.
pub const INSTANCE_SLOTS: u32 = 4 * INSTANCES_MAX;
/// Tables of one component instance (elements), above what any of ours declares.
pub const INSTANCE_TABLE_ELEMENTS_MAX: usize = 20_000;
/// How long a component computes before it lets others run, milliseconds.
pub const CPU_SLICE_MS: u64 = 5;
/// Parts of its memory that a pooled instance keeps mapped when it is reset, bytes.
pub const INSTANCE_KEEP_RESIDENT_BYTES: usize = 2 * 1024 * 1024;
/// One line that a component writes to its log, bytes; longer ones are cut.
pub const GUEST_LINE_BYTES_MAX: usize = 8 * 1024;
/// What one request of a component may write to its log, bytes; the rest is dropped.
pub const GUEST_LOG_BYTES_MAX: usize = 64 * 1024;
/// The answer to one statement of a component, bytes.
pub const GUEST_RESULT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What a component's call to a peer that does not say otherwise may take to connect, milliseconds.
pub const GUEST_CONNECT_MS_MAX: u64 = 5_000;

/// SQLite connections that read, per database file.
pub const SQLITE_READERS: usize = 4;
/// How long a SQLite write waits for its turn, milliseconds.
pub const SQLITE_BUSY_MS_MAX: u64 = 5_000;
/// Prepared statements kept per connection.
pub const STATEMENT_CACHE_SIZE: usize = 256;
/// How often a watched SQLite file is asked whether another connection committed, milliseconds.
pub const SQLITE_WATCH_MS: u64 = 50;
/// PostgreSQL connections of the components, per address.
pub const POSTGRES_POOL_SIZE: usize = 32;
/// Addresses for which PostgreSQL connections are pooled.
pub const POSTGRES_ADDRESSES_MAX: usize = 16;
/// How long a caller waits for a pooled PostgreSQL connection, milliseconds.
pub const POSTGRES_WAIT_MS_MAX: u64 = 5_000;
/// Pause before a lost LISTEN connection is opened again, milliseconds.
pub const POSTGRES_LISTEN_RETRY_MS: u64 = 1_000;
/// Notifications that wait for a slow listener.
pub const POSTGRES_NOTIFICATIONS_MAX: usize = 1_024;

/// For how long `/metrics` repeats what it has read of machine and database, milliseconds.
pub const METRICS_READING_MS: u64 = 3_000;
/// How long a scrape waits for the database, and for the file system, before it goes without, milliseconds.
pub const METRICS_WAIT_MS_MAX: u64 = 2_000;
/// A token for `/metrics`, bytes.
pub const METRICS_TOKEN_BYTES_MIN: usize = 16;

/// Connections at once on one listener.
pub const CONNECTIONS_MAX: usize = 20_000;
/// The head of a request, bytes.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Headers of a request.
pub const HEADERS_MAX: usize = 128;
/// How long a client may take to send the head of a request, milliseconds.
pub const HEADER_MS_MAX: u64 = 15_000;
/// How long a TLS handshake may take, milliseconds.
pub const TLS_HANDSHAKE_MS_MAX: u64 = 10_000;
/// How often the files of the TLS certificate are looked at, milliseconds.
pub const TLS_LOOK_MS: u64 = 5_000;
/// What is read of one of them, bytes.
pub const TLS_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How long a client may leave a write waiting without taking a byte of it, milliseconds.
pub const WRITE_STALL_MS_MAX: u64 = 60_000;
/// What the kernel takes of an answer before the client's window has room for it, bytes.
pub const UNSENT_BYTES_MAX: u32 = 256 * 1024;
/// How long running requests get when the server stops, milliseconds.
pub const SHUTDOWN_MS_MAX: u64 = 35_000;

/// A connection of our own that is kept for the next request to the same host, seconds.
pub const EGRESS_IDLE_S_MAX: u64 = 30;
/// One call of the rented proxies' provider (VA-5), milliseconds.
pub const PROXY_CALL_MS_MAX: u64 = 5_000;
/// What the provider may answer, bytes.
pub const PROXY_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The breaker judges only more calls than this (VA-5).
pub const BREAKER_CALLS_MIN: u32 = 20;
/// Calls older than this are forgotten while the breaker is closed, milliseconds.
pub const BREAKER_WINDOW_MS: i64 = 60_000;
/// How long an open breaker lets nothing through (VA-5), milliseconds.
pub const BREAKER_OPEN_MS: i64 = 30_000;
/// Probes that a half-open breaker lets through (VA-5).
pub const BREAKER_PROBES: u32 = 3;
/// How long the use of a rented proxy stays in its list, milliseconds.
pub const PROXY_EVENT_MS: i64 = 7 * 24 * 3600 * 1000;
/// A site cools no longer than this between two attempts, milliseconds.
pub const SITE_COOL_MS_MAX: i64 = 300_000;
/// A site that has behaved for so long starts anew, milliseconds.
pub const SITE_FORGIVEN_MS: i64 = 3600 * 1000;
/// How often a worker says how it is, milliseconds.
pub const WORKER_BEAT_MS: u64 = 5_000;
/// How often the disk's usage is looked at (VA-13), milliseconds.
pub const DISK_LOOK_MS: u64 = 2_000;
/// A worker that has said nothing for so long counts as gone, milliseconds.
pub const WORKER_GONE_MS: i64 = 20_000;

/// The disk's usage at which operators are warned (VA-13), percent.
pub const DISK_WARNING_PERCENT: f64 = 85.0;
/// The usage at which quick downloads are removed before their time, percent.
pub const DISK_RELIEF_PERCENT: f64 = 90.0;
/// The usage at which new tasks wait, percent.
pub const DISK_WAIT_PERCENT: f64 = 95.0;
/// Hours that the overview shows.
pub const OVERVIEW_HOURS: i64 = 24;
/// Running tasks that the view of the queue shows.
pub const RUNNING_SHOWN_MAX: i64 = 100;
/// How long back the uses of rented proxies are summed up, milliseconds.
pub const PROXY_SUMMARY_MS: i64 = 24 * 3600 * 1000;
/// A user's own limit, downloads a day.
pub const DAILY_LIMIT_MAX: i64 = 1_000_000;
/// Sites that are always reached directly.
pub const DIRECT_SITES_MAX: usize = 1000;
/// One of them: a host name and a port, bytes.
pub const SITE_BYTES_MAX: usize = 259;
/// Workers and cookie jars in one answer.
pub const OPERATOR_ITEMS_MAX: i64 = 1000;
