//! The envelope around every answer: `{"code":0,"message":"ok","data":…}`, or the error's.

use crate::domain::page::Page;
use crate::error::Error;
use serde::Serialize;

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
