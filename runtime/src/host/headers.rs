//! What a component is told about its request (<https://spinframework.dev/v3/http-trigger#request-headers>),
//! and what a client may not claim.

use super::routes::RouteMatch;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use shared::domain::request_id::is_request_id;
use std::net::SocketAddr;

const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");
/// Names a request in logs and answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Takes `spin-*` from the client, adds ours, and makes the URI absolute.
pub fn prepare<T>(
    headers: &mut HeaderMap,
    uri: &mut Uri,
    found: &RouteMatch<'_, T>,
    client: SocketAddr,
) {
    strip(headers);
    let authority = authority(headers, uri);
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));

    let full_url = format!("http://{authority}{path}");
    set(headers, FULL_URL, &full_url);
    set(headers, PATH_INFO, &found.trailing);
    set(headers, MATCHED_ROUTE, &found.route.raw);
    set(headers, RAW_COMPONENT_ROUTE, &found.route.raw);
    set(headers, COMPONENT_ROUTE, found.route.prefix());
    headers.insert(BASE_PATH, HeaderValue::from_static("/"));
    set(headers, CLIENT_ADDR, &client.to_string());
    for (name, value) in &found.named {
        let name = format!("spin-path-match-{}", name.to_ascii_lowercase());
        if let Ok(name) = HeaderName::try_from(name) {
            set(headers, name, value);
        }
    }

    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path);
    if let Ok(absolute) = Uri::from_parts(parts) {
        *uri = absolute;
    }
}

/// A client that sends `spin-client-addr` would otherwise be believed wherever we set none.
fn strip(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("spin-"))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
    // About this connection only.
    headers.remove(CONNECTION);
}

fn authority(headers: &HeaderMap, uri: &Uri) -> Authority {
    headers
        .get(HOST)
        .and_then(|host| Authority::try_from(host.as_bytes()).ok())
        .or_else(|| uri.authority().cloned())
        .unwrap_or_else(|| Authority::from_static("localhost"))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // A path may hold bytes that a header may not; then the component goes without.
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}

/// The id of the request: the caller's, if it is fit for a log line, else a new one, which is then set.
pub fn request_id(headers: &mut HeaderMap) -> HeaderValue {
    if let Some(id) = headers.get(REQUEST_ID)
        && id.to_str().is_ok_and(is_request_id)
    {
        return id.clone();
    }
    let id = uuid::Uuid::now_v7().hyphenated().to_string();
    let id = HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"));
    headers.insert(REQUEST_ID, id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::manifest::{Problems, Trigger};
    use crate::host::routes::Routes;

    fn prepared(uri: &str, sent: &[(&'static str, &str)]) -> (HeaderMap, Uri) {
        let trigger = Trigger {
            route: "/u/:id/...".into(),
            component: "a".into(),
        };
        let routes = Routes::build(&[trigger], &mut Problems::default(), |_| Some(()));
        let mut uri: Uri = uri.parse().expect("the test's URI");
        let path = uri.path().to_owned();
        let found = routes.find(&path).expect("a match");
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.insert(
                *name,
                HeaderValue::from_bytes(value.as_bytes()).expect("value"),
            );
        }
        prepare(&mut headers, &mut uri, &found, ([1, 2, 3, 4], 5).into());
        (headers, uri)
    }

    #[test]
    fn a_component_learns_route_and_client() {
        let (headers, uri) = prepared("/u/7/x?q=1", &[("host", "example.org:8080")]);
        for (name, value) in [
            ("spin-path-info", "/x"),
            ("spin-full-url", "http://example.org:8080/u/7/x?q=1"),
            ("spin-matched-route", "/u/:id/..."),
            ("spin-raw-component-route", "/u/:id/..."),
            ("spin-component-route", "/u/:id"),
            ("spin-base-path", "/"),
            ("spin-client-addr", "1.2.3.4:5"),
            ("spin-path-match-id", "7"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        assert_eq!(uri, "http://example.org:8080/u/7/x?q=1");
    }

    #[test]
    fn a_client_cannot_forge_what_the_runner_says() {
        let (headers, _) = prepared(
            "/u/7",
            &[
                ("spin-client-addr", "9.9.9.9:9"),
                ("spin-path-match-admin", "1"),
                ("connection", "keep-alive"),
            ],
        );
        assert_eq!(headers["spin-client-addr"], "1.2.3.4:5");
        assert!(!headers.contains_key("spin-path-match-admin"));
        assert!(!headers.contains_key("connection"));
    }

    #[test]
    fn an_unfit_host_or_request_id_does_no_harm() {
        let (_, uri) = prepared("/u/7", &[("host", "a b\u{e9}")]);
        assert_eq!(uri.authority().expect("one").as_str(), "localhost");
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("has space"));
        assert_ne!(request_id(&mut headers), "has space");
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-1"));
        assert_eq!(request_id(&mut headers), "abc-1");
    }
}
