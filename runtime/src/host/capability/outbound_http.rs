//! Outbound `wasi:http`, to the hosts that the component's `allowed_outbound_hosts` name.

use super::Grants;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use shared::limits::{GUEST_CONNECT_MS_MAX, REQUEST_S_MAX};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

/// The application that a request to `self` goes to; set once everything is loaded.
pub type Application = Arc<OnceLock<Weak<crate::host::Host>>>;

/// The sender of one instance.
pub struct OutboundHttp {
    grants: Arc<Grants>,
}

impl OutboundHttp {
    pub fn new(grants: Arc<Grants>) -> Self {
        Self { grants }
    }
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Done), Error>;

impl WasiHttpHooks for OutboundHttp {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Done,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let grants = self.grants.clone();
        Box::new(async move { send(&grants, request, options).await })
    }
}

async fn send(
    grants: &Grants,
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Sent {
    let uri = request.uri();
    let host = uri.host().unwrap_or_default().to_owned();
    if host.is_empty() || host == "self.alt" {
        return send_to_self(grants, request).await;
    }
    let scheme = uri.scheme_str().unwrap_or("https");
    if !grants.allowed_hosts.allows(scheme, &host, uri.port_u16()) {
        // Without path and query: they may hold what does not belong in a log.
        tracing::warn!(component = %grants.component, host, port = uri.port_u16(),
            "an outbound request is denied; see allowed_outbound_hosts");
        return Err(Error::HttpRequestDenied);
    }
    if uri.scheme().is_none() {
        set_scheme(&mut request, Scheme::HTTPS);
    }
    let (response, done) = default_send_request(request, Some(limited(options))).await?;
    Ok((response.map(BodyExt::boxed_unsync), Box::new(done)))
}

/// No call may outlive the request that makes it.
fn limited(options: Option<RequestOptions>) -> RequestOptions {
    let mut options = options.unwrap_or_default();
    let all = Duration::from_secs(REQUEST_S_MAX);
    let connect = Duration::from_millis(GUEST_CONNECT_MS_MAX);
    options.connect_timeout = Some(
        options
            .connect_timeout
            .map_or(connect, |time| time.min(all)),
    );
    options.first_byte_timeout = Some(options.first_byte_timeout.map_or(all, |time| time.min(all)));
    options.between_bytes_timeout = Some(
        options
            .between_bytes_timeout
            .map_or(all, |time| time.min(all)),
    );
    options
}

/// A request without a host goes to the application's own routes.
async fn send_to_self(grants: &Grants, request: Request<WasiBody>) -> Sent {
    if !grants.allowed_hosts.allows_self() {
        return Err(Error::HttpRequestDenied);
    }
    let application = grants.application.get().and_then(Weak::upgrade);
    let application = application.ok_or(Error::DestinationUnavailable)?;
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = Uri::try_from(path).map_err(|_| Error::HttpRequestUriInvalid)?;
    // The type of the future would otherwise contain itself.
    let handled: std::pin::Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
        let client = ([127, 0, 0, 1], 0).into();
        let body = axum::body::Body::new(body);
        application
            .handle(Request::from_parts(parts, body), client)
            .await
    });
    let response = handled.await.map(|body| {
        body.map_err(|error| Error::InternalError(Some(error.to_string())))
            .boxed_unsync()
    });
    Ok((response, Box::new(async { Ok(()) })))
}

fn set_scheme(request: &mut Request<WasiBody>, scheme: Scheme) {
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(scheme);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}
