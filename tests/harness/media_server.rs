//! A media server on 127.0.0.1 that behaves as well or as badly as a test asks for.
//!
//! Each test takes a [`Shelf`]: its own path prefix with its own record of requests and its own controls,
//! so that tests that run side by side do not see each other.

use crate::media_routes;
use axum::http::StatusCode;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use tokio::sync::watch;

/// The one media server of this test process.
pub fn media() -> &'static MediaServer {
    static SERVER: LazyLock<MediaServer> = LazyLock::new(MediaServer::start);
    &SERVER
}

/// Three listeners: a good one, one whose broken connections end in a TCP reset, and a forbidden one
/// that no test opens in the egress door.
pub struct MediaServer {
    address: SocketAddr,
    resetting: SocketAddr,
    forbidden: SocketAddr,
    shelves: Shelves,
}

pub(crate) type Shelves = Arc<Mutex<HashMap<String, Shelf>>>;

/// One request as the media server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// Without the shelf's prefix, such as `clip.mp4`.
    pub name: String,
    /// The `Range` header, such as `bytes=1000-`; empty where there is none.
    pub range: String,
}

/// What one test has of the media server.
#[derive(Clone)]
pub struct Shelf {
    token: String,
    address: SocketAddr,
    resetting: SocketAddr,
    forbidden: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    failures_left: Arc<Mutex<u32>>,
    refusal: Arc<Mutex<StatusCode>>,
    released: watch::Sender<bool>,
}

impl MediaServer {
    fn start() -> Self {
        let listen = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener
                .set_nonblocking(true)
                .expect("a non-blocking listener");
            listener
        };
        let address =
            |listener: &std::net::TcpListener| listener.local_addr().expect("its address");
        let (good, resetting, forbidden) = (listen(), listen(), listen());
        let shelves = Shelves::default();
        let server = Self {
            address: address(&good),
            resetting: address(&resetting),
            forbidden: address(&forbidden),
            shelves: shelves.clone(),
        };
        let forbidden_address = server.forbidden;
        // ffmpeg makes them before anybody asks: the server has one thread.
        let _made = (crate::clip(), crate::hls_folder(), crate::ladder_folder());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the media server");
            runtime.block_on(media_routes::serve(
                [good, resetting, forbidden],
                forbidden_address,
                shelves,
            ));
        });
        server
    }

    /// `127.0.0.1:PORT`s that an app must open to reach the shelves.
    pub fn addresses(&self) -> [String; 2] {
        [self.address.to_string(), self.resetting.to_string()]
    }

    /// A new shelf.
    pub fn shelf(&self) -> Shelf {
        let shelf = Shelf {
            token: crate::unique(),
            address: self.address,
            resetting: self.resetting,
            forbidden: self.forbidden,
            seen: Arc::default(),
            failures_left: Arc::default(),
            refusal: Arc::new(Mutex::new(StatusCode::FORBIDDEN)),
            released: watch::Sender::new(false),
        };
        let mut shelves = self.shelves.lock().expect("nobody panics in here");
        shelves.insert(shelf.token.clone(), shelf.clone());
        shelf
    }
}

impl Shelf {
    /// The URL of a route, such as `clip.mp4`; the routes are listed in `media_routes`.
    pub fn url(&self, name: &str) -> String {
        let address = if name == "reset.mp4" {
            self.resetting
        } else {
            self.address
        };
        format!("http://{address}/t/{}/{name}", self.token)
    }

    /// The same on the listener that the egress door does not open, under this host name.
    pub fn forbidden_url(&self, host: &str, name: &str) -> String {
        format!(
            "http://{host}:{}/t/{}/{name}",
            self.forbidden.port(),
            self.token
        )
    }

    /// Every request to this shelf so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panics in here").clone()
    }

    /// The requests for this name so far.
    pub fn seen_of(&self, name: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|request| request.name == name);
        seen
    }

    /// `slow.mp4`, `crawl.mp4` and `stall.mp4` go on at full speed from here on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    /// `flaky.mp4` answers 500 so many times from here on.
    pub fn fail(&self, times: u32) {
        *self.failures_left.lock().expect("nobody panics in here") = times;
    }

    /// `picky.mp4` answers this status so many times from here on.
    pub fn refuse(&self, status: u16, times: u32) {
        let status = StatusCode::from_u16(status).expect("a status");
        *self.refusal.lock().expect("nobody panics in here") = status;
        self.fail(times);
    }

    pub(crate) fn refusal(&self) -> StatusCode {
        *self.refusal.lock().expect("nobody panics in here")
    }

    pub(crate) fn record(&self, seen: Seen) {
        self.seen.lock().expect("nobody panics in here").push(seen);
    }

    pub(crate) fn takes_a_failure(&self) -> bool {
        let mut left = self.failures_left.lock().expect("nobody panics in here");
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        fails
    }

    pub(crate) fn releases(&self) -> watch::Receiver<bool> {
        self.released.subscribe()
    }
}
