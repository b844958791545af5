//! What a finish does on the disk; each outlives a power cut when it returns.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

const READ_BYTES: usize = 1 << 20;

/// Size, MD5 and SHA-256 in one pass.
pub fn hash(path: &Path) -> io::Result<(i64, String, String)> {
    let mut file = File::open(path)?;
    let mut md5 = Md5::new();
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        size += i64::try_from(count).map_err(io::Error::other)?;
        md5.update(&buffer[..count]);
        sha256.update(&buffer[..count]);
    }
    file.sync_all()?;
    Ok((
        size,
        hex::encode(md5.finalize()),
        hex::encode(sha256.finalize()),
    ))
}

/// A rename; where an earlier attempt did it already, nothing.
pub fn move_to(source: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    if source.is_file() {
        fs::rename(source, target)?;
    } else if !target.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    sync_folder(folder)
}

/// Makes names in a folder outlive a power cut.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
