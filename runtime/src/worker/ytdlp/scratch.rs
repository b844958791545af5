//! What must not outlive an attempt: the folders of parses and the files of cookie jars. They lie in a
//! folder of this process, which a lock marks as in use; what processes that were killed have left is
//! removed at the next start.

use shared::domain::cookies::Jar;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

const LOCK: &str = "lock";

/// The folder of this process; it goes with it.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    lock: PathBuf,
    _held: File,
}

impl Scratch {
    /// Makes the folder below `parent` and removes those of dead processes. Blocks.
    pub(super) fn open(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        // Relative paths mean something else to a process that runs in another folder.
        let parent = fs::canonicalize(parent)?;
        let (folder, lock, held) = loop {
            let folder = parent.join(Uuid::now_v7().to_string());
            let lock = folder.with_extension(LOCK);
            let file = File::create_new(&lock)?;
            // Another start may be sweeping this very moment.
            if file.try_lock().is_ok() {
                break (folder, lock, file);
            }
        };
        fs::create_dir(&folder)?;
        sweep(&parent)?;
        Ok(Self {
            folder,
            lock,
            _held: held,
        })
    }

    /// A folder of its own for one parse.
    pub(super) async fn folder(&self) -> io::Result<ScratchFolder> {
        let folder = self.folder.join(format!("parse-{}", Uuid::now_v7()));
        tokio::fs::create_dir(&folder).await?;
        Ok(ScratchFolder(folder))
    }

    /// A jar as a file that only this user can read, for one run of yt-dlp.
    pub(super) async fn cookies(&self, jar: &Jar) -> io::Result<CookieFile> {
        let path = self.folder.join(format!("jar-{}", Uuid::now_v7()));
        let text = jar.to_netscape();
        let write = move || {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            let file_of_jar = CookieFile(path);
            file.write_all(text.as_bytes())?;
            Ok(file_of_jar)
        };
        tokio::task::spawn_blocking(write)
            .await
            .map_err(io::Error::other)?
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(&self.lock);
    }
}

/// Removes every folder that no living process holds.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        let path = entry.path();
        let is_lock = path.extension().is_some_and(|extension| extension == LOCK);
        if is_lock {
            let is_dead = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if is_dead {
                let _ = fs::remove_dir_all(path.with_extension(""));
                let _ = fs::remove_file(&path);
            }
        } else if !path.with_extension(LOCK).exists() {
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

/// A folder that is removed with this.
pub(super) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let folder = std::mem::take(&mut self.0);
        // Dropping happens on async threads too, and removing blocks.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { tokio::fs::remove_dir_all(folder).await });
        }
    }
}

/// A jar on disk. However the attempt ends, the file is gone when this is: a spawned removal might never
/// run in a process that stops, and unlinking one small file does not block for long.
#[derive(Debug)]
pub(super) struct CookieFile(PathBuf);

impl CookieFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CookieFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_jar_is_private_and_gone_with_its_attempt() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(parent.path()).unwrap();
        let jar = Jar::parse("example.com\tFALSE\t/\tTRUE\t0\tsession\tgood\n").unwrap();
        let file = scratch.cookies(&jar).await.unwrap();
        let path = file.path().to_owned();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().contains("session\tgood"));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_process_left_goes_and_what_a_living_one_holds_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = Scratch::open(parent.path()).unwrap();
        let dead = parent.path().join("0197f3a0");
        for folder in [&dead, &parent.path().join("without-a-lock")] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("jar"), "secret").unwrap();
        }
        File::create(dead.with_extension(LOCK)).unwrap();
        let other = Scratch::open(parent.path()).unwrap();
        assert!(living.folder.is_dir() && other.folder.is_dir());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 4);
        drop((living, other));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
