//! Secrets that have to be read again, as they are kept: cookie jars, a site's credentials. XChaCha20-Poly1305 under
//! a key from the settings, a random nonce for each, what it is of as associated data, so that what is sealed opens
//! there only.

use crate::domain::cookies::{Jar, Site};
use crate::error::{Error, Result};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What a sealed text begins with; another way of sealing will have another.
const SCHEME: &str = "v1.";
const NONCE_BYTES: usize = 24;

/// A key from the settings. Never shown by `Debug`.
#[derive(Clone)]
pub struct SealKey(XChaCha20Poly1305);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

impl SealKey {
    /// For cookie jars, from `keys.cookies`, at least 32 characters of any kind.
    pub fn from_setting(text: &str) -> Result<Self> {
        if text.len() < 32 {
            return Err(Error::internal("keys.cookies has fewer than 32 characters"));
        }
        Self::derive(text, b"wharf-cookie-jar")
    }

    /// For a site's credentials, from `keys.sites` of that site.
    pub fn of_site(text: &str) -> Result<Self> {
        Self::derive(text, b"wharf-site-credentials")
    }

    fn derive(text: &str, purpose: &[u8]) -> Result<Self> {
        let mut derived =
            <Hmac<Sha256> as KeyInit>::new_from_slice(text.as_bytes()).map_err(Error::internal)?;
        derived.update(purpose);
        let key = derived.finalize().into_bytes();
        XChaCha20Poly1305::new_from_slice(&key)
            .map(Self)
            .map_err(Error::internal)
    }

    /// Seals a jar for its site.
    pub fn seal(&self, site: &Site, jar: &Jar) -> Result<String> {
        self.seal_text(site.as_str(), &jar.to_netscape())
    }

    /// Opens what [`SealKey::seal`] made. Errors: 50001 for another key, another site or a damaged text.
    pub fn open(&self, site: &Site, sealed: &str) -> Result<Jar> {
        let text = self.open_text(site.as_str(), sealed);
        Jar::parse(&text.map_err(|error| {
            error.with_cause(format!(
                "the jar of {} does not open; was keys.cookies changed?",
                site.as_str()
            ))
        })?)
    }

    /// Seals a text of `subject`: `v1.` and the hexadecimal digits of nonce and ciphertext.
    pub fn seal_text(&self, subject: &str, text: &str) -> Result<String> {
        let mut nonce = [0u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(Error::internal)?;
        let payload = Payload {
            msg: text.as_bytes(),
            aad: subject.as_bytes(),
        };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::internal("a text could not be sealed"))?;
        Ok(format!(
            "{SCHEME}{}{}",
            hex::encode(nonce),
            hex::encode(sealed)
        ))
    }

    /// Opens what [`SealKey::seal_text`] made. Errors: 50001 for another key or subject, or a damaged text.
    pub fn open_text(&self, subject: &str, sealed: &str) -> Result<String> {
        let refuse = || Error::internal("what is sealed does not open; was the key changed?");
        let bytes = sealed.strip_prefix(SCHEME).map(hex::decode);
        let bytes = bytes.and_then(std::result::Result::ok).ok_or_else(refuse)?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(refuse)?;
        let payload = Payload {
            msg: sealed,
            aad: subject.as_bytes(),
        };
        let opened = self.0.decrypt(&XNonce::from(*nonce), payload);
        let opened = opened.map_err(|_| refuse())?;
        String::from_utf8(opened).map_err(|_| refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> SealKey {
        SealKey::from_setting(&text.repeat(32)).unwrap()
    }

    #[test]
    fn a_jar_opens_under_its_key_and_its_site_alone() {
        let (site, other) = (
            Site::parse("example.com").unwrap(),
            Site::parse("example.org").unwrap(),
        );
        let jar = Jar::parse("example.com\tFALSE\t/\tTRUE\t0\tsession\tgood\n").unwrap();
        let sealed = key("a").seal(&site, &jar).unwrap();
        assert_eq!(key("a").open(&site, &sealed).unwrap(), jar);
        assert_ne!(
            key("a").seal(&site, &jar).unwrap(),
            sealed,
            "a nonce was used twice"
        );
        assert!(!sealed.contains("good") && !sealed.contains(&hex::encode("good")));
        assert!(key("b").open(&site, &sealed).is_err());
        assert!(key("a").open(&other, &sealed).is_err());
        let mut damaged = sealed.clone();
        let last = damaged.pop().unwrap();
        damaged.push(if last == '0' { '1' } else { '0' });
        for text in [damaged.as_str(), "", "v1.", "v1.00", "v2.00", &sealed[3..]] {
            assert!(key("a").open(&site, text).is_err(), "{text}");
        }
        assert!(SealKey::from_setting("short").is_err());
    }
}
