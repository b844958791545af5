//! Routes: `/`, `/console/...`.

use shared::spin::http::{Answer, Call, answer};
use shared::spin::variable;
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

/// One file of the page.
struct File {
    path: &'static str,
    kind: &'static str,
    /// With its quotes.
    etag: &'static str,
    whole: &'static [u8],
    /// Deflated, as gzip.
    packed: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

/// Everything is static; only the policy names the host that files and WebSockets come from.
async fn route(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET, Method::HEAD])?;
    let path = match call.segments().join("/").as_str() {
        "" => "/console/index.html".to_owned(),
        path => format!("/{path}"),
    };
    let file = FILES
        .iter()
        .find(|file| file.path == path)
        .ok_or_else(|| Error::not_found("page"))?;
    let mut headers = vec![
        ("content-type", file.kind.to_owned()),
        ("etag", file.etag.to_owned()),
        ("cache-control", "no-cache".to_owned()),
        ("vary", "accept-encoding".to_owned()),
    ];
    if file.kind.starts_with("text/html") {
        headers.extend(policy(origin(&variable("files_url").await?)));
    }
    if call.header("if-none-match") == Some(file.etag) {
        return Ok(Answer {
            status: 304,
            headers,
            body: Vec::new(),
        });
    }
    let takes_gzip = call
        .header("accept-encoding")
        .is_some_and(|value| value.contains("gzip"));
    if takes_gzip {
        headers.push(("content-encoding", "gzip".to_owned()));
    }
    let body = if takes_gzip { file.packed } else { file.whole };
    Ok(Answer {
        status: 200,
        headers,
        body: body.to_vec(),
    })
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find('/');
    path.map_or(url, |at| &url[..authority + at])
}

/// The page runs its own scripts alone, makes no markup from texts, and is shown in no frame. Pictures of videos come
/// from wherever the videos do.
fn policy(files: &str) -> [(&'static str, String); 4] {
    let sockets = files.replacen("http", "ws", 1);
    let content = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' http: https:; \
         media-src 'self' {files}; connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    [
        ("content-security-policy", content),
        ("referrer-policy", "no-referrer".to_owned()),
        ("cross-origin-opener-policy", "same-origin".to_owned()),
        (
            "permissions-policy",
            "camera=(), microphone=(), geolocation=()".to_owned(),
        ),
    ]
}
