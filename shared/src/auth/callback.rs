//! The secret that signs a project's callbacks (DC-8). It is derived from one key and the project, so that it
//! stands in no database and worker and admins come to the same.

use crate::error::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The key of `keys.callbacks`. Never shown by `Debug`.
#[derive(Clone)]
pub struct CallbackKey(String);

impl std::fmt::Debug for CallbackKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallbackKey(…)")
    }
}

impl CallbackKey {
    /// From the setting, at least 32 characters of any kind.
    pub fn from_setting(text: &str) -> Result<Self> {
        if text.len() < 32 {
            let cause = "keys.callbacks has fewer than 32 characters";
            return Err(Error::internal(cause));
        }
        Ok(Self(text.to_owned()))
    }

    /// The callback secret of a project in this generation:
    /// `hex(HMAC-SHA-256(keys.callbacks, project_id ":" generation))`, 64 digits.
    pub fn secret(&self, project_id: &str, generation: i64) -> Result<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).map_err(Error::internal)?;
        mac.update(format!("{project_id}:{generation}").as_bytes());
        Ok(hex::encode(mac.finalize().into_bytes()))
    }
}

/// `v1=<hex>` of HMAC-SHA-256 with a project's secret over `timestamp "." body`; `timestamp` in seconds.
pub fn sign(secret: &str, timestamp: i64, body: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(Error::internal)?;
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!("v1={}", hex::encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_any_other_hmac_gives() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            sign("secret", 1_700_000_000, br#"{"a":1}"#).unwrap(),
            "v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }

    #[test]
    fn a_secret_is_one_projects_in_one_generation_under_one_key() {
        let key = |text: &str| CallbackKey::from_setting(&text.repeat(32)).unwrap();
        let secret = key("a").secret("p", 0).unwrap();
        // printf p:0 | openssl dgst -sha256 -hmac aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        assert_eq!(
            secret,
            "fe848ea6cd706164996e3c3594948778b2edf0c00e689b23bc69cf939fdc41c6"
        );
        assert_ne!(key("a").secret("p", 1).unwrap(), secret);
        assert_ne!(key("a").secret("q", 0).unwrap(), secret);
        assert_ne!(key("b").secret("p", 0).unwrap(), secret);
        assert!(CallbackKey::from_setting("short").is_err());
        assert!(!format!("{:?}", key("a")).contains("aaa"));
    }
}
