//! Random secrets and the hashes under which they are stored.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// 32 random bytes as 64 hexadecimal digits.
pub fn random() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(hex::encode(bytes))
}

/// SHA-256 as hexadecimal digits; enough for secrets that are random themselves.
pub fn sha256(text: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(text.as_ref()))
}

/// Whether the hash of `secret` is one of these, [`sha256`] of secrets that are good. Takes as long whether
/// one of them is it or none.
pub fn is_one_of(secret: &str, hashes: &[String]) -> bool {
    let hash = sha256(secret);
    let found = hashes.iter().fold(subtle::Choice::from(0), |found, good| {
        found | hash.as_bytes().ct_eq(good.as_bytes())
    });
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash() {
        let hashes = [sha256("a"), sha256("b")];
        assert!(is_one_of("a", &hashes) && is_one_of("b", &hashes));
        assert!(!is_one_of("c", &hashes) && !is_one_of(&hashes[0], &hashes));
        assert!(!is_one_of("", &[]));
    }
}
