//! A copy of a SQLite file that others write to.

use super::sqlite::SqliteError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use shared::limits::SQLITE_BUSY_MS_MAX;
use shared::store::sites;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two tries to begin, while somebody holds the file for himself.
const PAUSE: Duration = Duration::from_millis(50);

/// Copies page by page what stood in `source` at one moment into the empty file `target`; writers go on. In the copy
/// sites have counted one heartbeat less. Blocks.
pub fn copy(source: &Path, target: &Path) -> Result<(), SqliteError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(source, flags)?;
    source.busy_timeout(Duration::from_millis(SQLITE_BUSY_MS_MAX))?;
    let mut target = Connection::open_with_flags(target, flags)?;
    // Whoever is interrupted throws the copy away.
    target.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    target.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(&source, &mut target)?;
    let started = Instant::now();
    // All pages in one step, and so under one look at the file.
    while backup.step(-1)? != StepResult::Done {
        if started.elapsed() > Duration::from_millis(SQLITE_BUSY_MS_MAX) {
            return Err(SqliteError::Busy);
        }
        std::thread::sleep(PAUSE);
    }
    drop(backup);
    target.execute_batch(sites::COUNT_BACK)?;
    Ok(())
}
