//! Route: `/api/v1/openapi.json`.

use shared::spin::http::{Answer, answer};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

/// OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, async |call| {
        call.allow(&[Method::GET])?;
        Ok(Answer {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: DOCUMENT.as_bytes().to_vec(),
        })
    })
    .await
}
