//! Serves HTTP/1.1 on a listener until told to stop; running requests then get time to end.

use crate::host::Host;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use shared::domain::forwarded::TrustedProxies;
use shared::limits::{
    CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADER_MS_MAX, HEADERS_MAX, SHUTDOWN_MS_MAX,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
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

/// Serves `router` on `listener` until `shutdown` is cancelled and all running requests have ended, or
/// their time is up. Handlers find the client in `ConnectInfo<SocketAddr>`.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let router = router.layer(middleware::from_fn(log_access));
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
        let connection = connection(stream, client, router.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
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

fn connection(
    stream: TcpStream,
    client: SocketAddr,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<
    Error = Box<dyn std::error::Error + Send + Sync>,
> + Send {
    // Small answers leave at once instead of waiting for the client's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %client, "TCP_NODELAY cannot be set");
    }
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
    // that sends nothing.
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEADER_MS_MAX))
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
}
