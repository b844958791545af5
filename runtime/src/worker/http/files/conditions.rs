//! Conditional requests (RFC 9110, section 13).

use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{Method, StatusCode};
use shared::domain::ranges::{self, Selection};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What conditions are held against. A finished file is written once, so both are strong validators.
pub struct Validators {
    /// In quotes.
    pub etag: String,
    pub modified: SystemTime,
}

impl Validators {
    /// `at_ms`: when the file was finished. HTTP dates know whole seconds.
    pub fn new(sha256: &str, at_ms: i64) -> Self {
        Self {
            etag: format!("\"{sha256}\""),
            modified: UNIX_EPOCH + Duration::from_secs(u64::try_from(at_ms / 1000).unwrap_or(0)),
        }
    }

    /// 412 or 304 where a condition says so, in the order of 13.2.2.
    pub fn refuse(&self, headers: &HeaderMap) -> Option<StatusCode> {
        if self.is_another_than_wanted(headers) {
            Some(StatusCode::PRECONDITION_FAILED)
        } else if self.is_known(headers) {
            Some(StatusCode::NOT_MODIFIED)
        } else {
            None
        }
    }

    /// What of a file of `length` bytes is asked for. Ranges are for GET alone (14.2), and with `If-Range`
    /// for the file that the client knows.
    pub fn select(&self, method: &Method, headers: &HeaderMap, length: u64) -> Selection {
        let mut ranges = headers.get_all(header::RANGE).iter();
        match (ranges.next(), ranges.next()) {
            (Some(range), None) if method == Method::GET && self.is_in_range_of(headers) => {
                ranges::select(range.to_str().unwrap_or_default(), length)
            }
            // Two of them say nothing.
            _ => Selection::Whole,
        }
    }

    /// `If-Match`, else `If-Unmodified-Since`.
    fn is_another_than_wanted(&self, headers: &HeaderMap) -> bool {
        match tags(headers, header::IF_MATCH) {
            Some(tags) => !tags.iter().any(|tag| tag == "*" || *tag == self.etag),
            None => date(headers, header::IF_UNMODIFIED_SINCE).is_some_and(|at| self.modified > at),
        }
    }

    /// `If-None-Match`, else `If-Modified-Since`.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        match tags(headers, header::IF_NONE_MATCH) {
            Some(tags) => tags
                .iter()
                .map(|tag| tag.strip_prefix("W/").unwrap_or(tag))
                .any(|tag| tag == "*" || tag == self.etag),
            None => date(headers, header::IF_MODIFIED_SINCE).is_some_and(|at| self.modified <= at),
        }
    }

    /// `If-Range`: the strong ETag or the very date.
    fn is_in_range_of(&self, headers: &HeaderMap) -> bool {
        match headers.get(header::IF_RANGE) {
            None => true,
            Some(condition) if condition == self.etag.as_str() => true,
            Some(_) => date(headers, header::IF_RANGE).is_some_and(|at| at == self.modified),
        }
    }
}

/// The ETags of a header that may stand several times; None where it is missing. Quotes stand in no ETag, so
/// that a comma inside of one cannot make up ours.
fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<String>> {
    let values = headers.get_all(name);
    let tags = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|tag| String::from_utf8_lossy(tag).trim().to_owned())
        .collect();
    values.iter().next().map(|_| tags)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let text = headers.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}
