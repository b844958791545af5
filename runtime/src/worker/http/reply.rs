//! The envelope on the worker's routes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::{Code, Error};

/// An error as the contract shapes it; 5xx are logged with their cause.
pub struct Failure(pub Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = self.0;
        if error.code.status() >= 500 {
            tracing::error!(%error, "request failed");
        }
        let status =
            StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = shared::wire::envelope::failure(&error);
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if let Some(seconds) = error.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Success in the envelope.
pub fn success(data: &impl serde::Serialize) -> Result<Response, Failure> {
    let body = shared::wire::envelope::success(data).map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

pub async fn method_not_allowed() -> Failure {
    Failure(Error::new(
        Code::MethodNotAllowed,
        "This route does not take this method.",
    ))
}
