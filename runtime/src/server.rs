//! Serves HTTP/1.1, with TLS or without, on a listener until told to stop; running requests then get time to end.

mod stall;
pub mod tls;

use crate::host::Host;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use shared::domain::forwarded::TrustedProxies;
use shared::limits::{
    CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADER_MS_MAX, HEADERS_MAX, SHUTDOWN_MS_MAX,
    UNSENT_BYTES_MAX, WRITE_STALL_MS_MAX,
};
use stall::Unstalled;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Lets a little time pass when the system has no file descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The worker's own routes first, the components for everything else.
pub fn with_host(router: Router, host: Arc<Host>) -> Router {
    router.fallback(
        move |ConnectInfo(client): ConnectInfo<SocketAddr>, request: Request<Body>| {
            let host = host.clone();
            async move { host.handle(request, client).await }
        },
    )
}

/// Behind trusted proxies the client is who they say it is.
pub fn behind(router: Router, proxies: TrustedProxies) -> Router {
    if proxies.is_empty() {
        return router;
    }
    let proxies = Arc::new(proxies);
    router.layer(middleware::from_fn(
        move |mut request: Request<Body>, next: Next| {
            let proxies = proxies.clone();
            async move {
                if let Some(ConnectInfo(peer)) =
                    request.extensions().get::<ConnectInfo<SocketAddr>>()
                {
                    let forwarded = request.headers().get_all("x-forwarded-for");
                    let forwarded: Vec<&str> = forwarded
                        .iter()
                        .filter_map(|value| value.to_str().ok())
                        .collect();
                    let client =
                        SocketAddr::new(proxies.client(peer.ip(), &forwarded), peer.port());
                    request.extensions_mut().insert(ConnectInfo(client));
                }
                next.run(request).await
            }
        },
    ))
}

/// One line a request with `WHARF_LOG=info,access=debug`; the query stays out (PF-8).
async fn log_access(request: Request<Body>, next: Next) -> Response {
    if !tracing::enabled!(target: "access", tracing::Level::DEBUG) {
        return next.run(request).await;
    }
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let request_id = response.headers().get("x-request-id");
    tracing::debug!(
        target: "access",
        %method,
        path,
        status = response.status().as_u16(),
        elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        request_id = request_id.and_then(|id| id.to_str().ok()),
        "request"
    );
    response
}

/// Browsers that have seen it speak HTTPS to this host for a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The router with what every answer gets.
fn outermost(router: Router, is_tls: bool) -> Router {
    let router = router.layer(middleware::from_fn(log_access));
    if !is_tls {
        return router;
    }
    router.layer(middleware::map_response(async |mut response: Response| {
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        response
    }))
}

/// Serves `router` on `listener`, over `tls` if there is one, until `shutdown` is cancelled and all running
/// requests have ended, or their time is up. Handlers find the client in `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    shutdown: CancellationToken,
) {
    if let Some(tls) = &tls
        && let Err(error) = tls.follow(shutdown.clone())
    {
        tracing::error!(%error, "a new TLS certificate will not be seen");
    }
    let router = outermost(router, tls.is_some());
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = tokio::select! {
            permit = connections.clone().acquire_owned() => permit,
            () = shutdown.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let (router, tls, stop) = (router.clone(), tls.clone(), shutdown.clone());
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let served = match tls {
                None => {
                    let limit = Duration::from_millis(WRITE_STALL_MS_MAX);
                    prepare(&stream, client);
                    let stream = Unstalled::new(stream, limit);
                    watcher.watch(connection(stream, client, router)).await
                }
                Some(tls) => serve_tls(&tls, stream, client, router, watcher, stop).await,
            };
            if let Err(error) = served {
                tracing::debug!(%error, %client, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    let patience = Duration::from_millis(SHUTDOWN_MS_MAX);
    if tokio::time::timeout(patience, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not end in time and are cut off");
    }
}

type Served = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// The handshake in the connection's own task, so that nobody waits for it; a stop does not either.
async fn serve_tls(
    tls: &Tls,
    stream: TcpStream,
    client: SocketAddr,
    router: Router,
    watcher: Watcher,
    stop: CancellationToken,
) -> Served {
    prepare(&stream, client);
    let stream = tokio::select! {
        accepted = tls.accept(stream) => accepted?,
        () = stop.cancelled() => return Ok(()),
    };
    watcher.watch(connection(stream, client, router)).await
}

fn prepare(stream: &TcpStream, client: SocketAddr) {
    if let Err(error) = set_options(stream) {
        tracing::debug!(%error, %client, "a connection keeps the system's options");
    }
}

fn set_options(stream: &TcpStream) -> std::io::Result<()> {
    // Small answers leave at once instead of waiting for the client's acknowledgement.
    stream.set_nodelay(true)?;
    // A client that reads slowly is seen to read: without this the kernel may take megabytes, and then nothing
    // until a third of them has gone.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    Ok(())
}

fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: SocketAddr,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<
    Error = Box<dyn std::error::Error + Send + Sync>,
> + Send {
    let service = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client));
        hyper::service::Service::call(&service, request)
    });
    builder()
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .into_owned()
}

fn builder() -> auto::Builder<TokioExecutor> {
    // HTTP/2 without TLS is asked for by nobody, and telling the two apart would wait for ever for a client
    // that sends nothing. With TLS, ALPN offers HTTP/1.1 alone.
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEADER_MS_MAX))
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Serves one connection a body without end that holds `held`, with this patience for a stalled write.
    async fn serve_endless(listener: TcpListener, limit: Duration, held: Arc<Semaphore>) -> String {
        let (stream, client) = listener.accept().await.expect("a client");
        let endless = move || async move {
            let place = held.acquire_owned().await.expect("it is open");
            Body::from_stream(stream::repeat_with(move || {
                let _place = &place;
                Ok::<_, std::io::Error>(Bytes::from_static(&[0; 64 * 1024]))
            }))
        };
        let router = Router::new().route("/", axum::routing::get(endless));
        let served = connection(Unstalled::new(stream, limit), client, router).await;
        format!("{served:?}")
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_loses_its_connection_and_its_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let places = Arc::new(Semaphore::new(1));
        let limit = Duration::from_millis(50);
        let served = tokio::spawn(serve_endless(listener, limit, places.clone()));
        let mut client = TcpStream::connect(address).await.expect("it listens");
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        client.write_all(request).await.expect("a request");
        client.read_u8().await.expect("an answer");
        assert_eq!(places.available_permits(), 0);
        // Reads no more.
        let served = served.await.expect("it ends");
        assert!(served.contains("TimedOut"), "{served}");
        assert_eq!(places.available_permits(), 1);
    }
}
