//! The client's requests: HTTP/1.1 to the server that the user named, with TLS where the address says `https`.
//! Redirects are followed; a token never goes to another origin than the one that it was sent to.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use shared::limits::{
    CLIENT_ANSWER_BYTES_MAX, CLIENT_ANSWER_S_MAX, CLIENT_CONNECT_S_MAX, CLIENT_REDIRECTS_MAX,
};
use std::cell::OnceCell;
use std::time::Duration;
use url::Url;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("wharf/", env!("CARGO_PKG_VERSION")));

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("This is no web address.")]
    Address,
    #[error("This cannot be sent as a header.")]
    Header,
    #[error("The server does not answer.")]
    Unreachable,
    #[error("The server took too long.")]
    Timeout,
    #[error("The answer is larger than {CLIENT_ANSWER_BYTES_MAX} bytes.")]
    TooLarge,
    #[error("The answer broke off.")]
    Broken,
    #[error("The server sends from one address to the next without end.")]
    Redirects,
}

/// A request as the command language writes it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Connections, opened when they are needed and kept while the client runs.
#[derive(Default)]
pub struct Http {
    plain: OnceCell<Client<HttpConnector, Full<Bytes>>>,
    /// Made when it is needed: the system's certificates take their time to read.
    secure: OnceCell<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

impl Asked {
    /// Errors: no method, no http or https address, no headers.
    pub fn new(
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: Bytes,
    ) -> Result<Self, HttpError> {
        let url = Url::parse(url)
            .ok()
            .filter(is_web)
            .ok_or(HttpError::Address)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| HttpError::Header)?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HttpError::Header)?;
            let value = HeaderValue::from_str(value).map_err(|_| HttpError::Header)?;
            map.insert(name, value);
        }
        map.insert(USER_AGENT, AGENT);
        Ok(Self {
            method,
            url,
            headers: map,
            body,
        })
    }

    /// The request that a redirect asks for (Fetch, HTTP-redirect fetch).
    fn redirected(mut self, status: StatusCode, location: &HeaderValue) -> Result<Self, HttpError> {
        let location = location.to_str().map_err(|_| HttpError::Address)?;
        let url = self
            .url
            .join(location)
            .ok()
            .filter(is_web)
            .ok_or(HttpError::Address)?;
        let was_post = self.method == Method::POST;
        if status == StatusCode::SEE_OTHER || (was_post && status.as_u16() < 303) {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.remove(CONTENT_TYPE);
        }
        if url.origin() != self.url.origin() {
            self.headers.remove(AUTHORIZATION);
        }
        self.url = url;
        Ok(self)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.as_str().parse().map_err(|_| HttpError::Address)?;
        *request.headers_mut() = self.headers.clone();
        // Both follow from the request itself.
        request.headers_mut().remove(HOST);
        request.headers_mut().remove(CONTENT_LENGTH);
        Ok(request)
    }
}

impl Http {
    /// The head of the answer, behind all redirects; its body has yet to be read.
    pub async fn open(&self, mut asked: Asked) -> Result<Response<Incoming>, HttpError> {
        for _ in 0..=CLIENT_REDIRECTS_MAX {
            let answer = within(self.exchange(&asked)).await??;
            let status = answer.status();
            let leads_on = [301, 302, 303, 307, 308].contains(&status.as_u16());
            match answer.headers().get(LOCATION) {
                Some(location) if leads_on => asked = asked.redirected(status, location)?,
                _ => return Ok(answer),
            }
        }
        Err(HttpError::Redirects)
    }

    /// The whole answer, whatever its status.
    pub async fn fetch(&self, asked: Asked) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = self.open(asked).await?.into_parts();
        let limited = Limited::new(body, CLIENT_ANSWER_BYTES_MAX);
        let body = within(limited.collect()).await?;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => HttpError::TooLarge,
            false => HttpError::Broken,
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    async fn exchange(&self, asked: &Asked) -> Result<Response<Incoming>, HttpError> {
        let request = asked.request()?;
        let answer = match asked.url.scheme() {
            "https" => self.secure.get_or_init(secure).request(request).await,
            _ => self.plain.get_or_init(plain).request(request).await,
        };
        answer.map_err(|error| match error.is_connect() {
            true => HttpError::Unreachable,
            false => HttpError::Broken,
        })
    }
}

/// Bounds one step of an exchange.
pub async fn within<T>(step: impl Future<Output = T>) -> Result<T, HttpError> {
    let bounded = tokio::time::timeout(Duration::from_secs(CLIENT_ANSWER_S_MAX), step).await;
    bounded.map_err(|_| HttpError::Timeout)
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(CLIENT_CONNECT_S_MAX)));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

fn plain() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build(connector())
}

/// Trusts the certificates that the system trusts; where it has none, Mozilla's list.
fn secure() -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let builder = match HttpsConnectorBuilder::new().with_native_roots() {
        Ok(builder) => builder,
        Err(_) => HttpsConnectorBuilder::new().with_webpki_roots(),
    };
    let connector = builder
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector());
    Client::builder(TokioExecutor::new()).build(connector)
}
