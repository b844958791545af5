//! The sandbox provider's secret (SH-13): it signs what the provider tells us, and its pages.

use crate::auth::token::bad_token;
use crate::error::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// `v1=<hex>` of HMAC-SHA-256 over an event's body.
pub fn sign(secret: &str, body: &[u8]) -> Result<String> {
    Ok(format!("v1={}", mac(secret, body)?))
}

/// Errors: 40101 unless the signature is [`sign`]'s; compared in constant time.
pub fn verify(secret: &str, body: &[u8], signature: &str) -> Result<()> {
    same(&sign(secret, body)?, signature)
}

/// What the URL of a payment's page carries, so that nobody else finds it.
pub fn page_token(secret: &str, payment_id: &str) -> Result<String> {
    mac(secret, format!("page:{payment_id}").as_bytes())
}

/// Errors: 40101 unless the token is [`page_token`]'s.
pub fn verify_page(secret: &str, payment_id: &str, token: &str) -> Result<()> {
    same(&page_token(secret, payment_id)?, token)
}

fn mac(secret: &str, message: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(Error::internal)?;
    mac.update(message);
    Ok(hex::encode(mac.finalize().into_bytes()))
}

fn same(wanted: &str, given: &str) -> Result<()> {
    let is_same: bool = wanted.as_bytes().ct_eq(given.as_bytes()).into();
    if is_same { Ok(()) } else { Err(bad_token()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_signs() {
        // Python: hmac.new(b"s" * 32, b"{}", "sha256").hexdigest()
        let secret = "s".repeat(32);
        let signature = sign(&secret, b"{}").unwrap();
        assert!(signature.starts_with("v1=") && signature.len() == 3 + 64);
        verify(&secret, b"{}", &signature).unwrap();
        for (secret, body, signature) in [
            ("t", &b"{}"[..], &*signature),
            (&secret, b"{ }", &signature),
            (&secret, b"{}", &signature[3..]),
            (&secret, b"{}", ""),
        ] {
            assert!(verify(secret, body, signature).is_err());
        }
    }

    #[test]
    fn a_page_is_no_event() {
        let token = page_token("s", "p").unwrap();
        verify_page("s", "p", &token).unwrap();
        assert!(verify_page("s", "q", &token).is_err());
        assert!(verify("s", b"p", &format!("v1={token}")).is_err());
    }
}
