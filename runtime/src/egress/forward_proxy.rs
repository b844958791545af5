//! A loopback HTTP proxy that yt-dlp and ffmpeg must use, so that every connection of theirs passes the
//! egress door, redirects and fragments included (invariant 9). Each attempt gets its own credentials;
//! without them the proxy answers 407, so no other local program can borrow it.

use super::door::{Door, EgressError};
use super::hop_by_hop::strip_hop_by_hop;
use super::ticket::{Admission, ProxyTicket, Refusal, Tickets, Upstream, basic};
use super::tunnel;
use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use shared::limits::{
    ANSWER_HEAD_MS_MAX, PROXY_CONNECTIONS_MAX, PROXY_HEAD_MS_MAX, TUNNEL_IDLE_MS_MAX,
};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

type Cause = Box<dyn std::error::Error + Send + Sync>;
type ProxyBody = UnsyncBoxBody<Bytes, Cause>;

/// The header that tells a refusal of ours from an answer of the site.
const EGRESS_HEADER: HeaderName = HeaderName::from_static("x-wharf-egress");

/// What every connection needs.
struct Shared {
    door: Door,
    tickets: Arc<Tickets>,
}

/// The running proxy; dropping it stops it.
pub struct ForwardProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl ForwardProxy {
    /// Listens on a free loopback port.
    pub async fn start(door: Door) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            door,
            tickets: Arc::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(accept(listener, shared.clone())),
        );
        Ok(Self {
            address,
            shared,
            stop,
        })
    }

    /// What the operator opened.
    pub fn allow_list(&self) -> &shared::domain::egress::AllowList {
        self.shared.door.allow_list()
    }

    /// Bytes that came in from outside since the start.
    pub fn received_bytes(&self) -> u64 {
        self.shared.tickets.received_bytes()
    }

    /// Admits one attempt of a task, through `upstream` where there is one. The ticket admits any number
    /// of bytes until [`ProxyTicket::limit_bytes`] says otherwise.
    pub fn admit(&self, task_id: &str, upstream: Option<Upstream>) -> std::io::Result<ProxyTicket> {
        self.shared.tickets.admit(task_id, upstream, self.address)
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(PROXY_CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, shared.clone(), Arc::new(place)));
            }
            // Out of file descriptors, mostly; the ones in use come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, place: Arc<OwnedSemaphorePermit>) {
    let service = service_fn(move |request| {
        let (shared, place) = (shared.clone(), place.clone());
        async move { Ok::<_, Infallible>(answer(&shared, request, place).await) }
    });
    // A connection that breaks is the client's business; it sees that itself.
    let _ = server::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(PROXY_HEAD_MS_MAX))
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn answer(
    shared: &Shared,
    request: Request<Incoming>,
    place: Arc<OwnedSemaphorePermit>,
) -> Response<ProxyBody> {
    let ticket = request
        .headers()
        .get(header::PROXY_AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| shared.tickets.find(value));
    let Some(admission) = ticket else {
        let mut response = plain(StatusCode::PROXY_AUTHENTICATION_REQUIRED, "unauthorized");
        let challenge = HeaderValue::from_static("Basic realm=\"wharf\"");
        response
            .headers_mut()
            .insert(header::PROXY_AUTHENTICATE, challenge);
        return response;
    };
    let outcome = if request.method() == Method::CONNECT {
        open_tunnel(&shared.door, request, admission.clone(), place).await
    } else {
        forward(&shared.door, request, admission.clone()).await
    };
    outcome.unwrap_or_else(|refusal| {
        admission.remember(refusal);
        tracing::debug!(task_id = admission.task_id(), ?refusal, "egress refused");
        refused(refusal)
    })
}

/// CONNECT: checks and connects, then passes bytes on.
async fn open_tunnel(
    door: &Door,
    request: Request<Incoming>,
    admission: Arc<Admission>,
    place: Arc<OwnedSemaphorePermit>,
) -> Result<Response<ProxyBody>, Refusal> {
    let (host, port) = target(request.uri(), None)?;
    match admission.upstream() {
        None => {
            let stream = door.connect(&host, port).await.map_err(Refusal::Egress)?;
            tokio::spawn(pass(request, stream, admission, place));
        }
        Some(upstream) => {
            let far = chained_tunnel(door, upstream, &host, port).await?;
            tokio::spawn(pass(request, TokioIo::new(far), admission, place));
        }
    }
    Ok(Response::new(
        Empty::new().map_err(|never| match never {}).boxed_unsync(),
    ))
}

async fn pass<S>(
    request: Request<Incoming>,
    far: S,
    admission: Arc<Admission>,
    _place: Arc<OwnedSemaphorePermit>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if let Ok(near) = hyper::upgrade::on(request).await {
        tunnel::copy(TokioIo::new(near), far, &admission).await;
    }
}

/// Asks the rented proxy for a tunnel to the *address* that was checked, so that it cannot resolve the
/// name to something else.
async fn chained_tunnel(
    door: &Door,
    upstream: &Upstream,
    host: &str,
    port: u16,
) -> Result<hyper::upgrade::Upgraded, Refusal> {
    let address = door.resolve(host, port).await.map_err(Refusal::Egress)?[0];
    let stream = connect_upstream(door, upstream).await?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Refusal::Upstream)?;
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(address.to_string())
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|_| Refusal::Upstream)?;
    authorize(request.headers_mut(), upstream)?;
    let response = timeout(head_limit(), sender.send_request(request))
        .await
        .map_err(|_| Refusal::Egress(EgressError::Timeout))?
        .map_err(|_| Refusal::Upstream)?;
    if !response.status().is_success() {
        return Err(Refusal::Upstream);
    }
    hyper::upgrade::on(response)
        .await
        .map_err(|_| Refusal::Upstream)
}

/// An absolute-form request: checks, connects, sends it on and streams the answer.
async fn forward(
    door: &Door,
    request: Request<Incoming>,
    admission: Arc<Admission>,
) -> Result<Response<ProxyBody>, Refusal> {
    if request.uri().scheme_str() != Some("http") {
        return Err(Refusal::Egress(EgressError::Blocked));
    }
    let (host, port) = target(request.uri(), Some(80))?;
    let (mut head, body) = request.into_parts();
    strip_hop_by_hop(&mut head.headers);
    let authority = head
        .uri
        .authority()
        .map(|authority| authority.as_str().to_owned());
    let authority = authority.and_then(|text| HeaderValue::from_str(&text).ok());
    head.headers
        .insert(header::HOST, authority.ok_or(Refusal::Broken)?);
    head.headers
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    let stream = match admission.upstream() {
        None => {
            let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
            head.uri = path.parse().map_err(|_| Refusal::Broken)?;
            door.connect(&host, port).await.map_err(Refusal::Egress)?
        }
        Some(upstream) => {
            // A proxy takes the host from the request line (RFC 9112, 3.2.2), so the name must stand
            // there; it is resolved again in the rented proxy's network, which is not ours.
            door.resolve(&host, port).await.map_err(Refusal::Egress)?;
            authorize(&mut head.headers, upstream)?;
            connect_upstream(door, upstream).await?
        }
    };
    let (mut sender, connection) = client::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Refusal::Broken)?;
    let revoked = admission.revocation();
    tokio::spawn(revoked.run_until_cancelled_owned(connection));
    let response = timeout(
        head_limit(),
        sender.send_request(Request::from_parts(head, body)),
    )
    .await
    .map_err(|_| Refusal::Egress(EgressError::Timeout))?
    .map_err(|_| Refusal::Broken)?;
    let status = response.status();
    if admission.upstream().is_some() && status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Err(Refusal::Upstream);
    }
    let (mut head, body) = response.into_parts();
    strip_hop_by_hop(&mut head.headers);
    // The far side's own words, which yt-dlp would repeat into our log: a proxy's might hold what it was told.
    head.extensions.remove::<hyper::ext::ReasonPhrase>();
    Ok(Response::from_parts(head, metered(body, admission)))
}

fn head_limit() -> Duration {
    Duration::from_millis(ANSWER_HEAD_MS_MAX)
}

async fn connect_upstream(door: &Door, upstream: &Upstream) -> Result<TcpStream, Refusal> {
    // The rented proxy's own trouble must not look like the site's: a blocked one is no blocked URL.
    let connected = door.connect(&upstream.host, upstream.port).await;
    connected.map_err(|_| Refusal::Upstream)
}

fn authorize(headers: &mut HeaderMap, upstream: &Upstream) -> Result<(), Refusal> {
    if let Some((user, password)) = &upstream.credentials {
        let mut value =
            HeaderValue::from_str(&basic(user, password)).map_err(|_| Refusal::Upstream)?;
        value.set_sensitive(true);
        headers.insert(header::PROXY_AUTHORIZATION, value);
    }
    Ok(())
}

/// Host without brackets, and port.
fn target(uri: &Uri, default_port: Option<u16>) -> Result<(String, u16), Refusal> {
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or(Refusal::Broken)?;
    let port = uri.port_u16().or(default_port).ok_or(Refusal::Broken)?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok((bare.unwrap_or(host).to_owned(), port))
}

/// The answer's body, frame by frame; it breaks off when the ticket is overdrawn or revoked, or nothing
/// comes for [`TUNNEL_IDLE_MS_MAX`].
fn metered(body: Incoming, admission: Arc<Admission>) -> ProxyBody {
    let frames = stream::unfold(
        (body, admission, false),
        |(mut body, admission, ended)| async move {
            if ended {
                return None;
            }
            let idle = Duration::from_millis(TUNNEL_IDLE_MS_MAX);
            let next = tokio::select! {
                next = timeout(idle, body.frame()) => next,
                () = admission.revoked() => return broken("the ticket is revoked", body, admission),
            };
            match next {
                Err(_) => broken("the site fell silent", body, admission),
                Ok(None) => None,
                Ok(Some(Err(cause))) => {
                    admission.broke_off(&cause);
                    Some((Err(Cause::from(cause)), (body, admission, true)))
                }
                Ok(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                    if admission.count(bytes) {
                        Some((Ok(frame), (body, admission, false)))
                    } else {
                        broken("the ticket is overdrawn", body, admission)
                    }
                }
            }
        },
    );
    StreamBody::new(frames).boxed_unsync()
}

type MeteredStep = Option<(
    Result<Frame<Bytes>, Cause>,
    (Incoming, Arc<Admission>, bool),
)>;

fn broken(why: &'static str, body: Incoming, admission: Arc<Admission>) -> MeteredStep {
    Some((Err(Cause::from(why)), (body, admission, true)))
}

fn refused(refusal: Refusal) -> Response<ProxyBody> {
    match refusal {
        Refusal::Egress(EgressError::Blocked) => plain(StatusCode::FORBIDDEN, "blocked"),
        Refusal::Egress(EgressError::Unresolved) => plain(StatusCode::BAD_GATEWAY, "unresolved"),
        Refusal::Egress(EgressError::Unreachable) => plain(StatusCode::BAD_GATEWAY, "unreachable"),
        Refusal::Egress(EgressError::Timeout) => plain(StatusCode::GATEWAY_TIMEOUT, "timeout"),
        Refusal::Overdrawn => plain(StatusCode::BAD_GATEWAY, "overdrawn"),
        Refusal::Upstream => plain(StatusCode::BAD_GATEWAY, "upstream"),
        Refusal::Broken | Refusal::Reset => plain(StatusCode::BAD_GATEWAY, "broken"),
    }
}

fn plain(status: StatusCode, reason: &'static str) -> Response<ProxyBody> {
    let body = Full::new(Bytes::from_static(reason.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(EGRESS_HEADER, HeaderValue::from_static(reason));
    response
}
