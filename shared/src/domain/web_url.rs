//! The URLs that callers may name at all: of videos, of sources and of callbacks (VA-14, DC-12).

use crate::error::{Error, Result};
use crate::limits::WEB_URL_BYTES_MAX;
use url::Url;

/// An absolute `http` or `https` URL with a host, no user name, no password and no control character, in the
/// WHATWG normal form and without its fragment. Errors: 40001 for `field`.
pub(super) fn parse(field: &str, text: &str) -> Result<Url> {
    let refuse = |message: &str| Err(Error::invalid(field, message));
    if text.len() > WEB_URL_BYTES_MAX {
        return refuse("The URL is longer than 4096 bytes.");
    }
    // The WHATWG parser drops tabs and newlines silently; a URL that holds them is not what it seems.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("The URL contains white space or control characters.");
    }
    let Ok(mut url) = Url::parse(text) else {
        return refuse("This is not an absolute URL.");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("Only http and https URLs are accepted.");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse("The URL has no host.");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("The URL must not contain a user name or password.");
    }
    url.set_fragment(None);
    Ok(url)
}
