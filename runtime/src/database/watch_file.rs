//! Tells when anybody has committed to a SQLite file, other processes included.

use super::sqlite::open_connection;
use shared::limits::SQLITE_WATCH_MS;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Polls `PRAGMA data_version`, which moves with every commit of another connection, until nobody listens.
pub(super) fn run(path: &Path, shared: &Mutex<Option<watch::Sender<u64>>>) {
    let connection = match open_connection(path) {
        Ok(connection) => connection,
        Err(error) => {
            tracing::error!(%error, "the database cannot be watched");
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return;
        }
    };
    let mut last = None;
    loop {
        std::thread::sleep(Duration::from_millis(SQLITE_WATCH_MS));
        let version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
        let mut sender = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(listeners) = &*sender else { return };
        if listeners.receiver_count() == 0 {
            *sender = None;
            return;
        }
        match version {
            Ok(version) if last.replace(version).is_some_and(|last| last != version) => {
                listeners.send_modify(|count| *count += 1);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the database could not be asked for changes"),
        }
    }
}
