//! Our own requests to the outside: over the door, with TLS, without redirects, bounded in time and size.

use super::door::{Door, EgressError};
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::builderstates::WantsSchemes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use shared::limits::EGRESS_IDLE_S_MAX;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Why there is no answer. The texts hold neither address nor URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("{0}")]
    Egress(EgressError),
    #[error("the answer took too long")]
    Timeout,
    #[error("the answer is too large")]
    TooLarge,
    #[error("the exchange broke off")]
    Broken,
}

/// How much an exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the connection to the last byte of the answer.
    pub time: Duration,
    /// The answer's body, bytes.
    pub body_bytes: usize,
}

/// A client behind the door; cheap to clone, keeps connections for a while.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<HttpsConnector<Connector>, Full<Bytes>>,
}

impl Client {
    /// Trusts the certificates that the system trusts; where it has none, Mozilla's list.
    pub fn new(door: Door) -> Self {
        let builder = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(builder) => builder,
            Err(_) => HttpsConnectorBuilder::new().with_webpki_roots(),
        };
        Self::with(builder, door)
    }

    /// Trusts the server that shows the first of these certificates, whatever name stands in it, and no other.
    pub fn knowing(door: Door, chain: Vec<CertificateDer<'static>>) -> Self {
        let builder = HttpsConnectorBuilder::new().with_tls_config(super::known::config(chain));
        Self::with(builder, door)
    }

    fn with(builder: HttpsConnectorBuilder<WantsSchemes>, door: Door) -> Self {
        let connector = builder
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector(door));
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(EGRESS_IDLE_S_MAX))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        Self { inner }
    }

    /// Sends a request with an absolute URI and reads the whole answer, whatever its status.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, ClientError> {
        let exchange = async {
            let response = self
                .inner
                .request(request)
                .await
                .map_err(|error| cause(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, bounds.body_bytes).collect().await;
            let body = body.map_err(|error| match error.is::<LengthLimitError>() {
                true => ClientError::TooLarge,
                false => ClientError::Broken,
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let bounded = tokio::time::timeout(bounds.time, exchange).await;
        bounded.unwrap_or(Err(ClientError::Timeout))
    }
}

/// The door's own word, if it spoke.
fn cause(error: &legacy::Error) -> ClientError {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(refusal) = error.downcast_ref::<EgressError>() {
            return ClientError::Egress(*refusal);
        }
        if let Some(inner) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            && let Some(refusal) = inner.downcast_ref::<EgressError>()
        {
            return ClientError::Egress(*refusal);
        }
        next = error.source();
    }
    ClientError::Broken
}

/// Opens hyper's connections through the door.
#[derive(Clone)]
struct Connector(Door);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let door = self.0.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let bare = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            let usual = if uri.scheme_str() == Some("https") {
                443
            } else {
                80
            };
            let port = uri.port_u16().unwrap_or(usual);
            let stream = door.connect(bare.unwrap_or(host), port).await;
            stream.map(TokioIo::new).map_err(io::Error::other)
        })
    }
}
