//! The load: kept-alive HTTP/1.1 connections, each with one request under way.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::time::{Duration, Instant};
use tests::figures::cpu_time;
use tokio::net::TcpStream;

/// A server and what is asked of it.
pub struct Target {
    pub name: &'static str,
    /// `host:port`.
    address: String,
    pids: Vec<u32>,
    paths: Vec<String>,
    authorization: HeaderValue,
}

/// What one round brought.
pub struct Round {
    pub elapsed: Duration,
    /// Of each request, from its first byte to the end of its answer.
    pub latencies: Vec<Duration>,
    /// Of the server's processes.
    pub cpu: Duration,
}

impl Target {
    pub fn new(
        name: &'static str,
        base: &str,
        pids: Vec<u32>,
        paths: Vec<String>,
        token: &str,
    ) -> Self {
        Self {
            name,
            address: base.trim_start_matches("http://").to_owned(),
            pids,
            paths,
            authorization: format!("Bearer {token}").parse().expect("a header"),
        }
    }

    /// The body that the first path answers with.
    pub async fn first_body(&self) -> Bytes {
        self.ask(&mut self.connect().await, 0).await
    }

    /// Keeps this many connections busy for this long.
    pub async fn load(&self, connections: usize, length: Duration) -> Round {
        let mut senders = Vec::new();
        for _ in 0..connections {
            senders.push(self.connect().await);
        }
        let cpu = self.cpu();
        let start = Instant::now();
        let busy = senders
            .into_iter()
            .enumerate()
            .map(async |(n, mut sender)| {
                let mut latencies = Vec::new();
                // Each begins elsewhere, so that not all ask for the same row.
                let mut next = n * self.paths.len() / connections;
                let mut now = Instant::now();
                while now.duration_since(start) < length {
                    self.ask(&mut sender, next).await;
                    next += 1;
                    let end = Instant::now();
                    latencies.push(end - now);
                    now = end;
                }
                latencies
            });
        let latencies = futures_util::future::join_all(busy).await.concat();
        Round {
            elapsed: start.elapsed(),
            latencies,
            cpu: self.cpu() - cpu,
        }
    }

    fn cpu(&self) -> Duration {
        self.pids.iter().map(|pid| cpu_time(*pid)).sum()
    }

    async fn connect(&self) -> SendRequest<Empty<Bytes>> {
        let stream = TcpStream::connect(&self.address).await.expect("it listens");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("it speaks HTTP");
        // Ends with its sender.
        tokio::spawn(connection);
        sender
    }

    async fn ask(&self, sender: &mut SendRequest<Empty<Bytes>>, number: usize) -> Bytes {
        let path = &self.paths[number % self.paths.len()];
        let request = Request::get(path)
            .header(HOST, &self.address)
            .header(AUTHORIZATION, &self.authorization)
            .body(Empty::new())
            .expect("a request");
        sender.ready().await.expect("a live connection");
        let answer = sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a whole answer");
        let body = body.to_bytes();
        assert_eq!(status, StatusCode::OK, "{}: {body:?}", self.name);
        body
    }
}
