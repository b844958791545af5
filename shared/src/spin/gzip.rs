//! gzip both ways (DS-11): bodies that come compressed, bounded by what they inflate to, and answers that go
//! compressed to who asks for it. That we take it is said in `Accept-Encoding` of the answer (RFC 9110, 12.5.3).

use super::http::{Answer, Call};
use crate::error::{Code, Error, Result};
use crate::limits::{GZIP_BYTES_MIN, GZIP_LEVEL};
use crate::wire::body::read_object;
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use serde::de::DeserializeOwned;
use std::io::Read;

impl Call {
    /// The body as JSON, as it came or compressed with gzip, and its bytes. Errors: 41301 when it has, or inflates
    /// to, more than `bytes_max`, 41501 for another encoding, else as [`Call::json`].
    pub async fn json_or_gzip<T: DeserializeOwned>(
        &mut self,
        bytes_max: usize,
    ) -> Result<(T, Vec<u8>)> {
        self.check_content_type()?;
        let encoding = self.header("content-encoding").unwrap_or("identity");
        let is_gzip = encoding.eq_ignore_ascii_case("gzip");
        if !is_gzip && !encoding.eq_ignore_ascii_case("identity") {
            return Err(Error::new(
                Code::UnsupportedMediaType,
                "The body is encoded with gzip or not at all.",
            ));
        }
        let body = self.body_up_to(bytes_max).await?;
        let body = match is_gzip {
            true => inflate(&body, bytes_max)?,
            false => body.into(),
        };
        Ok((read_object(&body)?, body))
    }
}

fn inflate(body: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let mut inflated = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut decoder = MultiGzDecoder::new(body).take(limit.saturating_add(1));
    decoder
        .read_to_end(&mut inflated)
        .map_err(|_| Error::new(Code::MalformedJson, "The body is not well-formed gzip."))?;
    if inflated.len() > bytes_max {
        return Err(Error::new(
            Code::TooLarge,
            format!("The body inflates to more than {bytes_max} bytes."),
        ));
    }
    Ok(inflated)
}

impl Answer {
    /// Compressed where the caller takes it and it is worth it.
    pub fn gzipped(mut self, call: &Call) -> Self {
        self.headers.push(("accept-encoding", "gzip".to_owned()));
        self.headers.push(("vary", "accept-encoding".to_owned()));
        if self.body.len() < GZIP_BYTES_MIN || !takes_gzip(call.header("accept-encoding")) {
            return self;
        }
        let mut encoder = GzEncoder::new(self.body.as_slice(), Compression::new(GZIP_LEVEL));
        let mut compressed = Vec::with_capacity(self.body.len() / 4);
        // Reading from memory into memory does not fail.
        if encoder.read_to_end(&mut compressed).is_ok() {
            self.body = compressed;
            self.headers.push(("content-encoding", "gzip".to_owned()));
        }
        self
    }
}

/// Whether gzip stands in `Accept-Encoding` without `q=0`.
fn takes_gzip(accept: Option<&str>) -> bool {
    accept.unwrap_or_default().split(',').any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        is_gzip && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_inflates_up_to_its_limit() {
        let mut encoder = GzEncoder::new(std::io::repeat(b'a').take(1000), Compression::new(9));
        let mut bomb = Vec::new();
        encoder.read_to_end(&mut bomb).unwrap();
        assert_eq!(inflate(&bomb, 1000).unwrap().len(), 1000);
        assert_eq!(inflate(&bomb, 999).unwrap_err().code, Code::TooLarge);
        let code = |body: &[u8]| inflate(body, 1000).unwrap_err().code;
        assert_eq!(code(&bomb[..bomb.len() - 4]), Code::MalformedJson);
        assert_eq!(code(b"plain"), Code::MalformedJson);
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        for accept in ["gzip", "br, GZIP;q=0.5", "deflate,gzip"] {
            assert!(takes_gzip(Some(accept)), "{accept}");
        }
        for accept in [None, Some("br"), Some("gzip;q=0"), Some("identity")] {
            assert!(!takes_gzip(accept), "{accept:?}");
        }
    }
}
