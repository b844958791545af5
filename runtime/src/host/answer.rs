//! Answers: a component's own, streamed on, and the envelopes for when there is none.

use super::Answer;
use super::headers::REQUEST_ID;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use shared::{Code, Error};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;

/// When a caller who was turned away should come back, seconds.
pub const RETRY_S: u64 = 1;

/// A component's answer; its slot stays taken until the body is sent.
pub fn stream(response: Answer, slot: Arc<OwnedSemaphorePermit>) -> Response<Body> {
    response.map(|body| Body::new(Held { body, _slot: slot }))
}

struct Held {
    body: WasiBody,
    _slot: Arc<OwnedSemaphorePermit>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// 40401: no component has this path.
pub fn no_such_route(id: HeaderValue) -> Response<Body> {
    from_error(Error::not_found("route"), id)
}

/// 50301: all instances are busy.
pub fn busy(id: HeaderValue) -> Response<Body> {
    from_error(Error::busy(RETRY_S, "busy"), id)
}

/// The envelope of an error.
pub fn from_error(error: Error, id: HeaderValue) -> Response<Body> {
    let envelope = serde_json::json!({
        "code": error.code.number(),
        "message": error.message,
        "data": error.data,
    });
    let mut response = Response::new(Body::from(envelope.to_string()));
    *response.status_mut() =
        StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REQUEST_ID, id);
    if let Some(seconds) = error.retry_after_s {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// What the SDK of a component refuses before its handler runs is the caller's fault, not ours.
pub fn of_malformed(refused: &ErrorCode) -> Option<Error> {
    let malformed = |message: &str| Some(Error::new(Code::InvalidParameter, message));
    match refused {
        ErrorCode::HttpRequestUriInvalid => malformed("The URL is malformed."),
        ErrorCode::HttpRequestMethodInvalid => malformed("The method is malformed."),
        ErrorCode::HttpRequestHeaderSectionSize(_) | ErrorCode::HttpRequestHeaderSize(_) => {
            malformed("The headers are too large.")
        }
        ErrorCode::HttpRequestBodySize(_) => {
            Some(Error::new(Code::TooLarge, "The body is too large."))
        }
        _ => None,
    }
}
