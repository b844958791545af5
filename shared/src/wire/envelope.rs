//! The envelope around every answer: `{"code":0,"message":"ok","data":…}`, or the error's.

use crate::domain::page::Page;
use crate::error::{Code, Error};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub struct Envelope<'a, T> {
    code: u16,
    message: &'a str,
    data: T,
}

/// A success.
pub fn success(data: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Envelope {
        code: 0,
        message: "ok",
        data,
    })
}

/// What a failure says; the cause stays out.
pub type Failed<'a> = Envelope<'a, &'a Option<serde_json::Value>>;

impl<'a> Failed<'a> {
    pub fn new(error: &'a Error) -> Self {
        Self {
            code: error.code.number(),
            message: &error.message,
            data: &error.data,
        }
    }
}

/// A failure.
pub fn failure(error: &Error) -> Vec<u8> {
    // Text, numbers and parsed JSON always serialise.
    serde_json::to_vec(&Failed::new(error)).unwrap_or_default()
}

/// A failure that another part of ours answered with, to be passed on.
pub fn read_failure(body: &[u8]) -> Error {
    #[derive(Deserialize)]
    struct Failure {
        code: u16,
        message: String,
        data: Option<serde_json::Value>,
    }
    let Ok(failure) = serde_json::from_slice::<Failure>(body) else {
        return Error::internal("an answer of ours has no envelope");
    };
    let codes = [
        Code::Unprocessable,
        Code::Forbidden,
        Code::NotFound,
        Code::Busy,
    ];
    let code = codes.into_iter().find(|code| code.number() == failure.code);
    let mut error = Error::new(code.unwrap_or(Code::Internal), failure.message);
    error.data = failure.data;
    error
}

/// A page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct List<T> {
    pub items: Vec<T>,
    pub total: i64,
    pub page: u32,
    pub page_size: u32,
}

impl<T> List<T> {
    pub fn new(items: Vec<T>, total: i64, page: Page) -> Self {
        Self {
            items,
            total,
            page: page.number,
            page_size: page.size,
        }
    }
}
