//! One answer of the product, read far enough for assertions.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A whole answer. For a JSON envelope `code`, `message` and `data` are its fields; for anything else
/// `code` is -1 and `data` null.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Method and path, for messages.
    pub request: String,
    pub status: u16,
    pub code: i64,
    pub message: String,
    pub data: Value,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// Reads a response to its end; `request` names it in messages.
    pub async fn read(request: String, response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response
            .bytes()
            .await
            .unwrap_or_else(|error| panic!("{request}: the body of the answer broke off: {error}"));
        let envelope: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self {
            request,
            status,
            code: envelope["code"].as_i64().unwrap_or(-1),
            message: envelope["message"].as_str().unwrap_or_default().to_owned(),
            data: envelope["data"].clone(),
            headers,
            body,
        }
    }

    /// The data of a success. Panics unless the status is 2xx and the code 0.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status) && self.code == 0,
            "{self} is no success"
        );
        self.data
    }

    /// Panics unless this is the success with exactly this status; gives the data.
    #[track_caller]
    pub fn ok_with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        self.ok()
    }

    /// Panics unless this is the refusal with this code, its status, and a sentence for the caller.
    #[track_caller]
    pub fn refused(self, code: i64) -> Self {
        assert_eq!(self.code, code, "{self}");
        assert_eq!(i64::from(self.status), code / 100, "{self}");
        assert!(!self.message.is_empty(), "{self} says nothing");
        self
    }

    /// Panics unless this is the 40001 that names this field.
    #[track_caller]
    pub fn refused_field(self, field: &str) -> Self {
        let answer = self.refused(40001);
        assert_eq!(answer.data["field"], field, "{answer}");
        answer
    }

    /// A header as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// What a failed assertion shows.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.body[..self.body.len().min(600)];
        write!(
            f,
            "{} → {} {}",
            self.request,
            self.status,
            String::from_utf8_lossy(shown)
        )
    }
}
