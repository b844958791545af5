//! Signed temporary URLs: `HMAC-SHA256(key, "wharf-file\n" task_id "\n" expires "\n" kid)` with the key
//! named by `kid`, so that keys can be rotated while old URLs live out their five minutes.

use crate::error::{Code, Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The signing keys by key id. The first signs, all verify.
pub struct FileKeys(Vec<(String, Vec<u8>)>);

/// What stands in the query of a signed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Seconds since the epoch.
    pub expires: i64,
    pub kid: String,
    /// 64 hexadecimal digits.
    pub signature: String,
}

impl FileKeys {
    /// From `kid:hex,kid:hex`.
    pub fn parse(text: &str) -> Result<Self> {
        let keys = text
            .split(',')
            .map(|entry| {
                let (kid, key) = entry.trim().split_once(':')?;
                let key = hex::decode(key).ok().filter(|key| key.len() >= 16)?;
                let well_formed = !kid.is_empty() && kid.chars().all(|c| c.is_ascii_alphanumeric());
                well_formed.then(|| (kid.to_owned(), key))
            })
            .collect::<Option<Vec<_>>>()
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| Error::internal("files.kids is not a list of kid:hex"))?;
        Ok(Self(keys))
    }

    pub fn sign(&self, task_id: &str, expires: i64) -> Result<Signature> {
        let (kid, key) = &self.0[0];
        let mac = message(key, task_id, expires, kid)?.finalize().into_bytes();
        Ok(Signature {
            expires,
            kid: kid.clone(),
            signature: hex::encode(mac),
        })
    }

    /// Compares in constant time. Errors: 40301 for a wrong signature, 41001 for one whose time is over.
    pub fn verify(&self, task_id: &str, signature: &Signature, now_s: i64) -> Result<()> {
        let refused = || Error::new(Code::Forbidden, "The signature of this URL is not valid.");
        let (kid, key) = self
            .0
            .iter()
            .find(|(kid, _)| *kid == signature.kid)
            .ok_or_else(refused)?;
        let given = hex::decode(&signature.signature).map_err(|_| refused())?;
        message(key, task_id, signature.expires, kid)?
            .verify_slice(&given)
            .map_err(|_| refused())?;
        if signature.expires <= now_s {
            return Err(Error::new(
                Code::Gone,
                "This URL has expired; ask for a new one.",
            ));
        }
        Ok(())
    }
}

fn message(key: &[u8], task_id: &str, expires: i64, kid: &str) -> Result<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(Error::internal)?;
    mac.update(format!("wharf-file\n{task_id}\n{expires}\n{kid}").as_bytes());
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> FileKeys {
        FileKeys::parse(&format!("b:{},a:{}", "22".repeat(32), "11".repeat(32))).unwrap()
    }

    #[test]
    fn a_signature_holds_for_its_task_its_time_and_its_key() {
        let signed = keys().sign("task", 1000).unwrap();
        assert_eq!(signed.kid, "b");
        assert!(keys().verify("task", &signed, 999).is_ok());
        assert_eq!(
            keys().verify("task", &signed, 1000).unwrap_err().code,
            Code::Gone
        );
        assert!(keys().verify("other", &signed, 999).is_err());
        let later = Signature {
            expires: 2000,
            ..signed.clone()
        };
        assert_eq!(
            keys().verify("task", &later, 999).unwrap_err().code,
            Code::Forbidden
        );
        let other_key = Signature {
            kid: "a".into(),
            ..signed.clone()
        };
        assert!(keys().verify("task", &other_key, 999).is_err());
        let garbage = Signature {
            signature: "zz".into(),
            ..signed
        };
        assert!(keys().verify("task", &garbage, 999).is_err());
    }

    #[test]
    fn a_rotated_key_still_verifies() {
        let old = FileKeys::parse(&format!("a:{}", "11".repeat(32))).unwrap();
        assert!(keys().verify("t", &old.sign("t", 5).unwrap(), 1).is_ok());
        assert!(FileKeys::parse("").is_err() && FileKeys::parse("a:zz").is_err());
    }
}
