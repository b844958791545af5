//! Faults for the tests. The process aborts, as under `kill -9`, when `WHARF_CRASH_AT` names the point that it
//! reaches; a component traps at one of its statements in `WHARF_TRAP_ONE_IN`.

use std::sync::LazyLock;

/// `download:started`, `export:page`, `export:saved`, `finish:hashed`, `finish:renamed`, `finish:recorded`,
/// `outbox:journaled`, `check:asked`, `mail:sent`.
pub fn point(name: &str) {
    if std::env::var_os("WHARF_CRASH_AT").is_some_and(|at| at == name) {
        tracing::warn!(point = name, "aborting at a crash point");
        std::process::abort();
    }
}

/// Runs what a component asks the database for, and by chance traps it before or after.
pub async fn statement<T>(run: impl Future<Output = T>) -> wasmtime::Result<T> {
    static ONE_IN: LazyLock<Option<u128>> =
        LazyLock::new(|| std::env::var("WHARF_TRAP_ONE_IN").ok()?.parse().ok());
    let Some(one_in) = ONE_IN.filter(|one_in| *one_in > 0) else {
        return Ok(run.await);
    };
    let trap = || wasmtime::Error::msg("trapped at a statement, as WHARF_TRAP_ONE_IN says");
    match uuid::Uuid::new_v4().as_u128() % one_in.saturating_mul(2) {
        0 => Err(trap()),
        1 => {
            run.await;
            Err(trap())
        }
        _ => Ok(run.await),
    }
}
