//! bcrypt (ID-1).

use crate::domain::account::Password;
use crate::error::{Error, Result};
use crate::limits::{BCRYPT_COST, PASSWORD_BYTES_MAX};

/// The hash of no password, compared against where there is no account, so that the answer takes as long.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuWd1sTSMSBV0Fs1YhDGfWCJYkCbcwR4C";

/// Hashes a password that may be set.
pub fn hash(password: &Password<'_>) -> Result<String> {
    bcrypt::hash(password.as_str(), BCRYPT_COST).map_err(Error::internal)
}

/// Whether `text` is the password of `hash`; with no hash it takes as long and says no.
pub fn verify(text: &str, hash: Option<&str>) -> bool {
    let comparable = text.len() <= PASSWORD_BYTES_MAX && !text.contains('\0');
    let matches = bcrypt::verify(if comparable { text } else { "" }, hash.unwrap_or(NOBODY));
    comparable && hash.is_some() && matches.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_only_its_own_hash() {
        let hash = hash(&Password::parse("password", "correct horse 1").unwrap()).unwrap();
        assert!(hash.starts_with("$2b$10$"));
        assert!(verify("correct horse 1", Some(&hash)));
        assert!(!verify("correct horse 2", Some(&hash)));
        assert!(!verify("correct horse 1", None));
        assert!(!verify(&"x".repeat(100), Some(&hash)));
    }

    #[test]
    fn the_hash_of_nobody_is_a_hash_of_the_same_cost() {
        assert!(bcrypt::verify("anything", NOBODY).is_ok());
        assert!(NOBODY.starts_with("$2b$10$"));
    }
}
