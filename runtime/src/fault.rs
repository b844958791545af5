//! Crash points for the fault tests: the process aborts, as under `kill -9`, when `WHARF_CRASH_AT` names
//! the point it reaches.

/// `download:started`, `export:page`, `export:saved`, `finish:hashed`, `finish:renamed`, `finish:recorded`,
/// `outbox:journaled`, `check:asked`, `mail:sent`.
pub fn point(name: &str) {
    if std::env::var_os("WHARF_CRASH_AT").is_some_and(|at| at == name) {
        tracing::warn!(point = name, "aborting at a crash point");
        std::process::abort();
    }
}
