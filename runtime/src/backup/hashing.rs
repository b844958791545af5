//! SHA-256 of what passes by.

use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// A reader that hashes and counts what is read through it.
pub(super) struct Hashing<R> {
    inner: R,
    sha256: Sha256,
    bytes: u64,
}

impl<R> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            sha256: Sha256::new(),
            bytes: 0,
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.bytes
    }

    /// The hash, and how many bytes it is of.
    pub(super) fn finish(self) -> (Vec<u8>, u64) {
        (self.sha256.finalize().to_vec(), self.bytes)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}
