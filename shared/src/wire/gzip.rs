//! gzip as bodies of data sync travel (DS-11), bounded by what they inflate to.

use crate::limits::GZIP_LEVEL;
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use std::io::Read;

/// Why a body does not inflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    Damaged,
    TooLarge,
}

pub fn compress(body: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::with_capacity(body.len() / 4);
    let mut encoder = GzEncoder::new(body, Compression::new(GZIP_LEVEL));
    // Reading from memory into memory does not fail.
    let _read = encoder.read_to_end(&mut compressed);
    compressed
}

/// At most `bytes_max` bytes are inflated.
pub fn inflate(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Bad> {
    let mut inflated = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut decoder = MultiGzDecoder::new(body).take(limit.saturating_add(1));
    let read = decoder.read_to_end(&mut inflated);
    read.map_err(|_| Bad::Damaged)?;
    match inflated.len() > bytes_max {
        true => Err(Bad::TooLarge),
        false => Ok(inflated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_inflates_up_to_its_limit() {
        let zipped = compress(&[b'a'; 1000]);
        assert_eq!(inflate(&zipped, 1000).unwrap(), [b'a'; 1000]);
        assert_eq!(inflate(&zipped, 999), Err(Bad::TooLarge));
        let cut = &zipped[..zipped.len() - 4];
        assert_eq!(inflate(cut, 1000), Err(Bad::Damaged));
        assert_eq!(inflate(b"plain", 1000), Err(Bad::Damaged));
    }
}
