//! gzip both ways (DS-11): bodies that come compressed, bounded by what they inflate to, and answers that go
//! compressed to who asks for it. That we take it is said in `Accept-Encoding` of the answer (RFC 9110, 12.5.3).

use super::http::{Answer, Call};
use crate::error::{Code, Error, Result};
use crate::limits::GZIP_BYTES_MIN;
use crate::wire::body::read_object;
use crate::wire::gzip::{self, Bad};
use serde::de::DeserializeOwned;

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
            true => inflated(&body, bytes_max)?,
            false => body.into(),
        };
        Ok((read_object(&body)?, body))
    }
}

fn inflated(body: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    gzip::inflate(body, bytes_max).map_err(|bad| match bad {
        Bad::Damaged => Error::new(Code::MalformedJson, "The body is not well-formed gzip."),
        Bad::TooLarge => Error::new(
            Code::TooLarge,
            format!("The body inflates to more than {bytes_max} bytes."),
        ),
    })
}

impl Answer {
    /// Compressed where the caller takes it and it is worth it.
    pub fn gzipped(mut self, call: &Call) -> Self {
        self.headers.push(("accept-encoding", "gzip".to_owned()));
        self.headers.push(("vary", "accept-encoding".to_owned()));
        if self.body.len() < GZIP_BYTES_MIN || !takes_gzip(call.header("accept-encoding")) {
            return self;
        }
        self.body = gzip::compress(&self.body);
        self.headers.push(("content-encoding", "gzip".to_owned()));
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
    fn gzip_is_for_who_takes_it() {
        for accept in ["gzip", "br, GZIP;q=0.5", "deflate,gzip"] {
            assert!(takes_gzip(Some(accept)), "{accept}");
        }
        for accept in [None, Some("br"), Some("gzip;q=0"), Some("identity")] {
            assert!(!takes_gzip(accept), "{accept:?}");
        }
    }
}
