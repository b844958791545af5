//! The envelope around every answer: `{"code":0,"message":"ok","data":…}`, or the error's.

use crate::error::Error;
use serde::Serialize;
use serde_json::json;

/// A success.
pub fn success(data: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        code: u16,
        message: &'static str,
        data: &'a T,
    }
    serde_json::to_vec(&Envelope {
        code: 0,
        message: "ok",
        data,
    })
}

/// A failure; the cause stays out.
pub fn failure(error: &Error) -> Vec<u8> {
    json!({ "code": error.code.number(), "message": error.message, "data": error.data })
        .to_string()
        .into_bytes()
}

/// A page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct List<T> {
    pub items: Vec<T>,
    pub total: i64,
    pub page: u32,
    pub page_size: u32,
}
