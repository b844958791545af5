//! Rented proxies for the tests: a provider with an HTTP API that misbehaves on request, and the authenticated
//! forward proxies that it rents out, all on 127.0.0.1.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What the proxies want to hear; the password stands nowhere else in a test.
pub const PROXY_USER: &str = "renter";
pub const PROXY_PASSWORD: &str = "proxy-password-7f3a";
/// What the provider wants to hear.
pub const PROVIDER_KEY: &str = "provider-key-91c2";
/// The head of one request to a proxy, bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How the provider answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// The next proxy, `http://user:password@host:port` as text.
    #[default]
    Text,
    /// The same as JSON with `ip`, `port`, `username`, `password` inside `data`.
    Json,
    /// 500.
    Fails,
    /// Never.
    Silent,
    /// 200 and something that is no proxy.
    Garbage,
}

/// How a proxy takes a request with the right credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// Passed on.
    #[default]
    Passes,
    /// 407, and all that it was told comes back, in the reason and in the body.
    Refuses,
    /// 403, in the same way.
    Forbids,
    /// The connection is closed without a word.
    HangsUp,
    /// Nobody listens, for good.
    Down,
}

/// One forward proxy that wants its credentials.
#[derive(Clone)]
pub struct RentedProxy {
    pub address: SocketAddr,
    service: Arc<Mutex<Service>>,
    accepting: Option<AbortHandle>,
    /// The targets of the requests that it passed on, `host:port`.
    passed: Arc<Mutex<Vec<String>>>,
}

/// The provider and what it rents out.
#[derive(Clone)]
pub struct Provider {
    pub address: SocketAddr,
    pub proxies: Vec<RentedProxy>,
    calls: Arc<AtomicUsize>,
    manner: Arc<Mutex<Manner>>,
}

impl RentedProxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("its address"),
            service: Arc::default(),
            accepting: None,
            passed: Arc::default(),
        };
        let running = proxy.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = running.clone();
                tokio::spawn(async move { proxy.serve(stream).await });
            }
        });
        Self {
            accepting: Some(accepting.abort_handle()),
            ..proxy
        }
    }

    pub fn passed(&self) -> Vec<String> {
        self.passed.lock().expect("nobody panics in here").clone()
    }

    /// From here on it serves like this.
    pub fn serve_as(&self, service: Service) {
        *self.service.lock().expect("nobody panics in here") = service;
        if let (Service::Down, Some(accepting)) = (service, &self.accepting) {
            accepting.abort();
        }
    }

    /// One request a connection, passed on in both directions.
    async fn serve(&self, mut client: TcpStream) -> Option<()> {
        let (head, rest) = read_head(&mut client).await?;
        let mut lines = head.lines();
        let (method, target) = lines.next()?.split_once(' ')?;
        let target = target.split(' ').next()?.to_owned();
        if !head.contains(&proxy_credentials()) {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
            client.write_all(refusal.as_bytes()).await.ok()?;
            return None;
        }
        let service = *self.service.lock().expect("nobody panics in here");
        if service != Service::Passes {
            let answer = chatty(service, &head)?;
            client.write_all(answer.as_bytes()).await.ok()?;
            return None;
        }
        let authority = target.strip_prefix("http://").unwrap_or(&target);
        let (authority, path) = authority.split_once('/').unwrap_or((authority, ""));
        self.passed
            .lock()
            .expect("nobody panics in here")
            .push(authority.to_owned());
        let mut site = TcpStream::connect(authority).await.ok()?;
        if method == "CONNECT" {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
        } else {
            let kept = lines.filter(|line| {
                !line.is_empty() && !line.to_ascii_lowercase().starts_with("proxy-")
            });
            let kept: Vec<&str> = kept.collect();
            let head = format!("{method} /{path} HTTP/1.1\r\n{}\r\n\r\n", kept.join("\r\n"));
            site.write_all(head.as_bytes()).await.ok()?;
        }
        site.write_all(&rest).await.ok()?;
        copy_bidirectional(&mut client, &mut site).await.ok()?;
        Some(())
    }
}

/// An answer that repeats the head of its request and the password in clear; None for no answer.
fn chatty(service: Service, head: &str) -> Option<String> {
    let status = match service {
        Service::Refuses => "407",
        Service::Forbids => "403",
        Service::Passes | Service::HangsUp | Service::Down => return None,
    };
    let body = format!("{PROXY_USER}:{PROXY_PASSWORD} sent\n{head}");
    Some(format!(
        "HTTP/1.1 {status} Not with {PROXY_PASSWORD} or {}\r\nContent-Length: {}\r\n\r\n{body}",
        proxy_credentials(),
        body.len()
    ))
}

/// The header's value that lets a request pass.
pub fn proxy_credentials() -> String {
    use base64::Engine as _;
    let both = format!("{PROXY_USER}:{PROXY_PASSWORD}");
    format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(both))
}

/// The head without its empty line, and what came behind it.
async fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Some((String::from_utf8(read).ok()?, rest));
        }
        if read.len() > HEAD_BYTES_MAX || stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

impl Provider {
    /// A provider of so many proxies, which it rents out in turn.
    pub async fn start(proxies: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut provider = Self {
            address: listener.local_addr().expect("its address"),
            proxies: Vec::new(),
            calls: Arc::default(),
            manner: Arc::default(),
        };
        for _ in 0..proxies {
            provider.proxies.push(RentedProxy::start().await);
        }
        let app = Router::new()
            .route("/rent", axum::routing::get(rent))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        provider
    }

    /// The `[proxy]` section of an app that rents here.
    pub fn config(&self) -> String {
        format!(
            "proxy = {{ endpoint = \"http://{}/rent\", api_key = \"{PROVIDER_KEY}\" }}",
            self.address
        )
    }

    /// From here on it answers like this.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().expect("nobody panics in here") = manner;
    }

    /// Calls with the right key so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn rent(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let key = headers.get(header::AUTHORIZATION);
    if key.is_none_or(|key| key != &format!("Bearer {PROVIDER_KEY}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let turn = provider.calls.fetch_add(1, Ordering::SeqCst);
    let manner = *provider.manner.lock().expect("nobody panics in here");
    let proxy = &provider.proxies[turn % provider.proxies.len()];
    let (ip, port) = (proxy.address.ip(), proxy.address.port());
    match manner {
        Manner::Text => {
            format!("http://{PROXY_USER}:{PROXY_PASSWORD}@{ip}:{port}\n").into_response()
        }
        Manner::Json => axum::Json(serde_json::json!({ "code": 0, "data": {
            "ip": ip, "port": port, "username": PROXY_USER, "password": PROXY_PASSWORD,
        }}))
        .into_response(),
        Manner::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::Silent => std::future::pending().await,
        Manner::Garbage => "<html>Please renew your subscription</html>".into_response(),
    }
}
