//! Random secrets and the hashes under which they are stored.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};

/// 32 random bytes as 64 hexadecimal digits.
pub fn random() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(hex::encode(bytes))
}

/// SHA-256 as hexadecimal digits; enough for secrets that are random themselves.
pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
