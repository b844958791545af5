//! A file that is hashed while it is written (DC-10).

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// What is gathered before it is hashed and written, bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// Counts and hashes what goes into a file; fails beyond `bytes_max` or once `stop` is cancelled.
pub struct HashedFile {
    inner: BufWriter<Hashing>,
}

struct Hashing {
    file: File,
    md5: Md5,
    sha256: Sha256,
    bytes: u64,
    bytes_max: u64,
    stop: CancellationToken,
}

/// What was written.
pub struct Hashes {
    pub bytes: u64,
    pub md5: String,
    pub sha256: String,
}

impl HashedFile {
    pub fn create(path: &Path, bytes_max: u64, stop: CancellationToken) -> io::Result<Self> {
        let hashing = Hashing {
            file: File::create(path)?,
            md5: Md5::new(),
            sha256: Sha256::new(),
            bytes: 0,
            bytes_max,
            stop,
        };
        Ok(Self {
            inner: BufWriter::with_capacity(BUFFER_BYTES, hashing),
        })
    }

    /// Brings everything to the disk.
    pub fn finish(self) -> io::Result<Hashes> {
        let hashing = self
            .inner
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        hashing.file.sync_all()?;
        Ok(Hashes {
            bytes: hashing.bytes,
            md5: hex::encode(hashing.md5.finalize()),
            sha256: hex::encode(hashing.sha256.finalize()),
        })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if self.bytes + bytes.len() as u64 > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.write_all(bytes)?;
        self.md5.update(bytes);
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
