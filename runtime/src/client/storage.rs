//! What the client keeps between two commands: logins, aliases, the last lists, by server. One file,
//! `$XDG_CONFIG_HOME/wharf/client.json` or `~/.config/wharf/client.json`, that its owner alone may read; it is
//! replaced as a whole, so that nobody ever sees half of it.

use serde::{Deserialize, Serialize};
use shared::limits::{CLIENT_LOCK_MS_MAX, CLIENT_LOCK_POLL_MS, CLIENT_STORE_BYTES_MAX};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILE: &str = "client.json";
/// Taken while the file changes.
const CHANGES: &str = "client";

/// Why nothing was kept: a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("There is no place for the client's settings: HOME is not set.")]
    NoFolder,
    #[error("{0} cannot be used: {1}.")]
    Unusable(PathBuf, io::Error),
    #[error("{0} is damaged; remove it and log in again.")]
    Damaged(PathBuf),
    #[error("{0} has grown beyond {CLIENT_STORE_BYTES_MAX} bytes; remove it and log in again.")]
    TooLarge(PathBuf),
    #[error("Another wharf has held {0} for too long.")]
    Held(PathBuf),
}

/// The user's folder of Wharf.
#[derive(Clone, Debug)]
pub struct Storage {
    folder: Option<PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// The server that was logged in to last.
    last: Option<String>,
    servers: BTreeMap<String, BTreeMap<String, String>>,
}

/// Held until it is dropped, also by other processes' means: the system ends it with the process.
pub struct Lock {
    _file: File,
}

impl Storage {
    /// The folder that the environment gives; nothing is made yet.
    pub fn of_the_user() -> Self {
        let absolute = |name| {
            let path = PathBuf::from(std::env::var_os(name)?);
            path.is_absolute().then_some(path)
        };
        let config =
            absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        Self {
            folder: config.map(|config| config.join("wharf")),
        }
    }

    /// A file in the folder, which is made for it.
    pub fn place(&self, name: &str) -> Result<PathBuf, StorageError> {
        let folder = self.folder.as_ref().ok_or(StorageError::NoFolder)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| StorageError::Unusable(folder.clone(), error))?;
        Ok(folder.join(name))
    }

    /// The server that was logged in to last.
    pub fn last_server(&self) -> Option<String> {
        self.read().ok()?.last
    }

    pub fn get(&self, server: &str, key: &str) -> Result<Option<String>, StorageError> {
        let kept = self.read()?;
        Ok(kept
            .servers
            .get(server)
            .and_then(|own| own.get(key))
            .cloned())
    }

    /// Keeps a text; `None` removes it.
    pub async fn set(
        &self,
        server: &str,
        key: &str,
        text: Option<String>,
    ) -> Result<(), StorageError> {
        if self.get(server, key)? == text {
            return Ok(());
        }
        self.change(|kept| {
            let own = kept.servers.entry(server.to_owned()).or_default();
            match text {
                Some(text) => own.insert(key.to_owned(), text),
                None => own.remove(key),
            };
            if own.is_empty() {
                kept.servers.remove(server);
            }
        })
        .await
    }

    /// From now on this is the server unless the user names another.
    pub async fn remember_server(&self, server: &str) -> Result<(), StorageError> {
        self.change(|kept| kept.last = Some(server.to_owned()))
            .await
    }

    /// Waits until no other process holds the lock of this name.
    pub async fn lock(&self, name: &str) -> Result<Lock, StorageError> {
        let path = self.place(&format!("{name}.lock"))?;
        let unusable = |error| StorageError::Unusable(path.clone(), error);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(unusable)?;
        let deadline = Instant::now() + Duration::from_millis(CLIENT_LOCK_MS_MAX);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(StorageError::Held(path));
                }
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(Duration::from_millis(CLIENT_LOCK_POLL_MS)).await;
                }
            }
        }
    }

    async fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), StorageError> {
        let _lock = self.lock(CHANGES).await?;
        let mut kept = self.read()?;
        change(&mut kept);
        let path = self.place(FILE)?;
        replace(&path, &kept).map_err(|error| StorageError::Unusable(path, error))
    }

    fn read(&self) -> Result<Kept, StorageError> {
        let Some(folder) = &self.folder else {
            return Ok(Kept::default());
        };
        let path = folder.join(FILE);
        let mut text = Vec::new();
        let opened = File::open(&path);
        match opened.and_then(|file| file.take(CLIENT_STORE_BYTES_MAX + 1).read_to_end(&mut text)) {
            Ok(_) if text.len() as u64 > CLIENT_STORE_BYTES_MAX => {
                Err(StorageError::TooLarge(path))
            }
            Ok(_) => serde_json::from_slice(&text).map_err(|_| StorageError::Damaged(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(StorageError::Unusable(path, error)),
        }
    }
}

/// Writes beside the file and takes its place; under the lock there is one writer.
fn replace(path: &Path, kept: &Kept) -> io::Result<()> {
    let beside = path.with_extension("new");
    // What a crash left might have been made by somebody else's rules.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(kept)?)?;
    file.sync_data()?;
    std::fs::rename(&beside, path)
}
