//! `GET /metrics`: OpenMetrics 1.0 for who asks for it, else the Prometheus text format 0.0.4. With
//! `metrics.token` set, only for who shows it.

use super::Metrics;
use crate::worker::http::name_request;
use crate::worker::http::reply::{Failure, method_not_allowed};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use shared::Error;
use shared::auth::token::bad_token;
use std::sync::Arc;
use subtle::ConstantTimeEq;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(metrics)
        .layer(middleware::from_fn(name_request))
}

async fn scrape(
    State(metrics): State<Arc<Metrics>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    authorise(&metrics.token, &headers)?;
    let mut text = metrics.text().await.map_err(Error::internal)?;
    let accepts = headers.get_all(header::ACCEPT).iter();
    let wants_openmetrics = accepts
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("application/openmetrics-text"));
    let kind = if wants_openmetrics {
        text.push_str("# EOF\n");
        OPENMETRICS
    } else {
        text = classic(&text);
        CLASSIC
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

/// An empty token lets everybody in.
fn authorise(token: &str, headers: &HeaderMap) -> Result<(), Error> {
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    if token.is_empty() || bool::from(shown.ct_eq(token.as_bytes())) {
        Ok(())
    } else {
        Err(bad_token())
    }
}

/// In the older format the description of a counter carries the name of its samples, with `_total`.
fn classic(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 1024);
    // HELP comes before the TYPE that tells what it belongs to.
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|described| described.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take() {
                text += &format!("# HELP {name}{suffix} {help}\n");
            }
            text += &format!("# TYPE {name}{suffix} {kind}\n");
        } else {
            text += line;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_described_by_the_name_of_its_samples() {
        let openmetrics = "# HELP a Some text.\n# TYPE a counter\na_total{x=\"1\"} 2\n\
                           # HELP b Other text.\n# TYPE b gauge\nb 3.0\n";
        let expected = "# HELP a_total Some text.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n\
                        # HELP b Other text.\n# TYPE b gauge\nb 3.0\n";
        assert_eq!(classic(openmetrics), expected);
    }

    #[test]
    fn only_the_whole_token_opens() {
        let shown = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a value"));
            headers
        };
        let token = "0123456789abcdef";
        assert!(authorise("", &HeaderMap::new()).is_ok());
        assert!(authorise(token, &shown("Bearer 0123456789abcdef")).is_ok());
        for value in [
            "Bearer 0123456789abcde",
            "Bearer ",
            "0123456789abcdef",
            "Bearer 0123456789abcdefg",
        ] {
            assert!(authorise(token, &shown(value)).is_err(), "{value}");
        }
        assert!(authorise(token, &HeaderMap::new()).is_err());
    }
}
