//! The one error of the product: a stable code and a sentence for the caller, a cause for the operator.
//!
//! It knows nothing of HTTP beyond the rule of the contract that the status is `code / 100`;
//! [`crate::wire::envelope`] turns it into an answer.

use std::fmt;

/// The stable codes of the contract. The HTTP status of a code is its value divided by 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    InvalidParameter = 40001,
    MalformedJson = 40002,
    BadToken = 40101,
    ExpiredToken = 40102,
    WrongCredentials = 40103,
    NotEnoughCoins = 40201,
    Forbidden = 40301,
    NotFound = 40401,
    MethodNotAllowed = 40501,
    Conflict = 40901,
    IdempotencyKeyReused = 40902,
    Gone = 41001,
    TooLarge = 41301,
    UnsupportedMediaType = 41501,
    Unprocessable = 42201,
    RateLimited = 42901,
    QuotaExhausted = 42902,
    Internal = 50001,
    Busy = 50301,
}

impl Code {
    /// The number that stands in the envelope.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The HTTP status, `number / 100`.
    pub fn status(self) -> u16 {
        self.number() / 100
    }
}

/// What went wrong: `message` and `data` go to the caller, `cause` only to the log.
#[derive(Debug)]
pub struct Error {
    pub code: Code,
    pub message: String,
    pub data: Option<serde_json::Value>,
    /// Seconds for `Retry-After`, where trying again makes sense.
    pub retry_after_s: Option<u64>,
    pub cause: Option<String>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
            retry_after_s: None,
            cause: None,
        }
    }

    /// 40001 naming the field that is wrong.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameter, message).with_data(serde_json::json!({ "field": field }))
    }

    /// 40401 for a thing of this name.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    /// 40301 for a thing of this name that belongs to somebody else.
    pub fn forbidden(what: &str) -> Self {
        Self::new(
            Code::Forbidden,
            format!("This {what} belongs to somebody else."),
        )
    }

    /// 50001; the cause goes to the log, never to the caller.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Code::Internal, "Something went wrong on our side.").with_cause(cause)
    }

    /// 50301 with `Retry-After`; the cause goes to the log.
    pub fn busy(retry_after_s: u64, cause: impl fmt::Display) -> Self {
        let mut error = Self::new(Code::Busy, "The service is busy; please try again shortly.")
            .with_cause(cause);
        error.retry_after_s = Some(retry_after_s);
        error
    }

    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }

    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.number(), self.message)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
