//! How full the disk is that holds the data folder (VA-13): a warning at 85 %, room made at 90 %, new tasks
//! wait at 95 %.

use super::Worker;
use nix::sys::statvfs::statvfs;
use shared::limits::{DISK_LOOK_MS, DISK_RELIEF_PERCENT, DISK_WAIT_PERCENT, DISK_WARNING_PERCENT};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Names a file that says `percent` or `percent total_bytes` instead of the file system, for tests.
const OVERRIDE: &str = "WHARF_DISK_USAGE_FILE";

/// The file system of the data folder, as last looked at.
pub struct Disk {
    folder: PathBuf,
    last: Mutex<Usage>,
}

/// What a file system has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub total_bytes: u64,
    /// What we may still write.
    pub free_bytes: u64,
}

impl Usage {
    /// 0 to 100, of what we may use at all.
    pub fn percent(self) -> f64 {
        if self.total_bytes == 0 {
            return 0.0;
        }
        let used = self.total_bytes.saturating_sub(self.free_bytes);
        100.0 * used as f64 / self.total_bytes as f64
    }

    /// Bytes to remove until the usage is back at the warning.
    pub fn excess_bytes(self) -> u64 {
        let allowed = self.total_bytes as f64 * DISK_WARNING_PERCENT / 100.0;
        let used = self.total_bytes.saturating_sub(self.free_bytes);
        used.saturating_sub(allowed as u64)
    }

    pub fn needs_relief(self) -> bool {
        self.percent() >= DISK_RELIEF_PERCENT
    }

    pub fn is_full(self) -> bool {
        self.percent() >= DISK_WAIT_PERCENT
    }
}

impl Disk {
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            last: Mutex::default(),
        }
    }

    /// What the last look saw; nothing in use before the first.
    pub fn usage(&self) -> Usage {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks again.
    pub async fn look(&self) -> io::Result<Usage> {
        let folder = self.folder.clone();
        let usage = tokio::task::spawn_blocking(move || measure(&folder))
            .await
            .map_err(io::Error::other)??;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = usage;
        Ok(usage)
    }
}

/// The file system that holds `folder`. Blocks.
pub fn measure(folder: &Path) -> io::Result<Usage> {
    if let Some(file) = std::env::var_os(OVERRIDE) {
        return read_stand_in(Path::new(&file));
    }
    let found = statvfs(folder)?;
    let unit = found.fragment_size();
    // What is kept for root counts as used, as in `df`.
    let reserved = found.blocks_free().saturating_sub(found.blocks_available());
    Ok(Usage {
        total_bytes: found.blocks().saturating_sub(reserved) * unit,
        free_bytes: found.blocks_available() * unit,
    })
}

fn read_stand_in(file: &Path) -> io::Result<Usage> {
    let text = std::fs::read_to_string(file)?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next().and_then(Result::ok);
    let percent = next().ok_or(io::ErrorKind::InvalidData)?;
    let total_bytes = next().unwrap_or(1e12) as u64;
    let used = (total_bytes as f64 * percent.clamp(0.0, 100.0) / 100.0) as u64;
    Ok(Usage {
        total_bytes,
        free_bytes: total_bytes - used,
    })
}

/// Looks again and again, and says when a mark is passed.
pub async fn run(worker: Arc<Worker>) {
    let mut said = "";
    loop {
        match worker.disk.look().await {
            Ok(usage) => {
                let word = level(usage);
                if word != said {
                    say(word, usage.percent());
                    said = word;
                    // Tasks that waited for room may begin.
                    worker.wake();
                }
            }
            Err(error) => tracing::error!(%error, "could not see how full the disk is"),
        }
        if !worker.pause(Duration::from_millis(DISK_LOOK_MS)).await {
            return;
        }
    }
}

fn level(usage: Usage) -> &'static str {
    match usage.percent() {
        percent if percent >= DISK_WAIT_PERCENT => "new tasks wait",
        percent if percent >= DISK_RELIEF_PERCENT => "room is being made",
        percent if percent >= DISK_WARNING_PERCENT => "it is filling up",
        _ => "it has room",
    }
}

fn say(word: &str, percent: f64) {
    let percent = percent.round();
    match word {
        "it has room" => tracing::info!(percent, "the disk: {word}"),
        _ => tracing::warn!(percent, "the disk: {word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_are_where_they_are_promised() {
        let at = |percent: u64| Usage {
            total_bytes: 1000,
            free_bytes: 1000 - percent * 10,
        };
        let levels = [84, 85, 90, 95].map(|percent| level(at(percent)));
        assert_eq!(
            levels,
            [
                "it has room",
                "it is filling up",
                "room is being made",
                "new tasks wait"
            ]
        );
        assert_eq!(at(91).excess_bytes(), 60);
        assert_eq!(at(80).excess_bytes(), 0);
        assert_eq!(Usage::default().percent(), 0.0);
    }

    #[test]
    fn a_real_file_system_is_measured() {
        let usage = measure(Path::new("/")).unwrap();
        assert!(usage.total_bytes > usage.free_bytes && usage.percent() > 0.0);
    }
}
