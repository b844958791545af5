//! A file in chunks, read without a detour over another thread where the kernel has it in memory.

use bytes::Bytes;
use shared::limits::DELIVERY_SLICE_BYTES;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

pub struct Chunks {
    file: Arc<File>,
    spare: Spare,
    /// Read since others had their turn, bytes.
    streak: usize,
}

/// Buffers that come back when a chunk has been sent.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

impl Chunks {
    pub fn of(file: File) -> Self {
        Self {
            file: Arc::new(file),
            spare: Spare::default(),
            streak: 0,
        }
    }

    /// At least one byte from `at` on, at most `wanted`. Errors: `UnexpectedEof` where the file ends.
    pub async fn read(&mut self, at: u64, wanted: usize) -> io::Result<Bytes> {
        if self.streak >= DELIVERY_SLICE_BYTES {
            self.streak = 0;
            tokio::task::yield_now().await;
        }
        let mut buffer = pop(&self.spare);
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let count = match read_cached(&self.file, &mut buffer[..wanted], at) {
            Ok(count) if count > 0 => count,
            // Not in memory, or the file system cannot tell; Linux 5.9 and 5.10 then say 0.
            _ => {
                let file = self.file.clone();
                let read = move || {
                    let count = file.read_at(&mut buffer[..wanted], at);
                    (buffer, count)
                };
                let (read, count) = tokio::task::spawn_blocking(read).await?;
                buffer = read;
                count?
            }
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.streak += count;
        Ok(Bytes::from_owner(Lent {
            buffer,
            count,
            home: self.spare.clone(),
        }))
    }
}

/// A chunk on its way to the client.
struct Lent {
    buffer: Vec<u8>,
    count: usize,
    home: Spare,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.count]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut spare = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(std::mem::take(&mut self.buffer));
    }
}

fn pop(spare: &Spare) -> Vec<u8> {
    let mut spare = spare.lock().unwrap_or_else(PoisonError::into_inner);
    spare.pop().unwrap_or_default()
}

/// Copies what the page cache holds; never waits for the disk.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut buffers = [io::IoSliceMut::new(buffer)];
    let nowait = rustix::io::ReadWriteFlags::NOWAIT;
    Ok(rustix::io::preadv2(file, &mut buffers, at, nowait)?)
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _buffer: &mut [u8], _at: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
