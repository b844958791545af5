//! A bad line between a site and its cloud: an HTTP/1.1 proxy that loses, repeats, cuts, delays and reorders
//! requests and answers, drawn from a seed. On 127.0.0.1.

use crate::Chance;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The head of one request, bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// One request or answer, bytes.
const MESSAGE_BYTES_MAX: usize = 128 * 1024 * 1024;
const DELAY_MS_MAX: u64 = 300;
/// A request that is held back goes after so many others at the most.
const OVERTAKEN_MAX: u64 = 8;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Nothing bad.
    Passes,
    /// It is never sent.
    LosesRequest,
    /// It does its work, and the answer is lost.
    LosesAnswer,
    /// It takes a while.
    Delays,
    /// It is sent twice, one after the other; the second answer counts.
    RepeatsRequest,
    /// It is sent twice at once; the first answer counts.
    DoublesRequest,
    /// Its body ends early.
    CutsRequest,
    /// The answer's body ends early.
    CutsAnswer,
    /// It is sent after later ones, when nobody waits for it any more.
    Reorders,
    /// 502 instead of being sent.
    BadGateway,
    /// 502 after it has done its work.
    LateBadGateway,
}

/// Every bad fate, in turn of being drawn.
const BAD: [Fate; 10] = [
    Fate::LosesRequest,
    Fate::LosesAnswer,
    Fate::Delays,
    Fate::RepeatsRequest,
    Fate::DoublesRequest,
    Fate::CutsRequest,
    Fate::CutsAnswer,
    Fate::Reorders,
    Fate::BadGateway,
    Fate::LateBadGateway,
];

/// Of a thousand requests, how many have each fate; the others pass.
pub type Rates = BTreeMap<Fate, u64>;

struct State {
    upstream: String,
    chance: Chance,
    rates: Rates,
    done: BTreeMap<Fate, u64>,
    /// Requests that are held back, and after how many others they go.
    held: Vec<(u64, Vec<u8>)>,
}

#[derive(Clone)]
pub struct ChaosProxy {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl ChaosProxy {
    /// Stands before `http://host:port`. Of a thousand requests 200 fare badly, until it is told otherwise.
    pub async fn start(upstream: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("its address"),
            state: Arc::new(Mutex::new(State {
                upstream: String::new(),
                chance: Chance::new(seed),
                rates: evenly(20),
                done: BTreeMap::new(),
                held: Vec::new(),
            })),
        };
        proxy.point_to(upstream);
        println!("{}: {upstream} behind chaos of seed {seed}", proxy.address);
        let running = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = running.clone();
                tokio::spawn(async move { proxy.serve(stream).await });
            }
        });
        proxy
    }

    /// `http://host:port` of the proxy.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What stands behind it has moved to `http://host:port`.
    pub fn point_to(&self, upstream: &str) {
        let authority = upstream.strip_prefix("http://").unwrap_or(upstream);
        self.state().upstream = authority.trim_end_matches('/').to_owned();
    }

    pub fn set_rates(&self, rates: Rates) {
        self.state().rates = rates;
    }

    /// From here on everything passes. What is held back is sent now, very late, and waited for.
    pub async fn calm(&self) {
        let held = {
            let mut state = self.state();
            state.rates = Rates::new();
            std::mem::take(&mut state.held)
        };
        for (_, request) in held {
            let _nobody_waits = self.exchange(&request).await;
        }
    }

    /// How often it did what.
    pub fn done(&self) -> BTreeMap<Fate, u64> {
        self.state().done.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics in here")
    }

    fn draw(&self) -> (Fate, u64) {
        let mut state = self.state();
        let (mut lot, amount) = (state.chance.below(1000), state.chance.draw());
        let fate = BAD.into_iter().find(|fate| {
            let rate = state.rates.get(fate).copied().unwrap_or(0);
            let is_drawn = lot < rate;
            lot = lot.saturating_sub(rate);
            is_drawn
        });
        let fate = fate.unwrap_or(Fate::Passes);
        *state.done.entry(fate).or_default() += 1;
        (fate, amount)
    }

    /// One request a connection.
    async fn serve(self, mut client: TcpStream) -> Option<()> {
        let request = read_request(&mut client).await?;
        let (fate, amount) = self.draw();
        let answer = match fate {
            Fate::Passes => self.exchange(&request).await,
            Fate::LosesRequest => None,
            Fate::LosesAnswer => {
                self.exchange(&request).await;
                None
            }
            Fate::Delays => {
                tokio::time::sleep(Duration::from_millis(amount % DELAY_MS_MAX)).await;
                self.exchange(&request).await
            }
            Fate::RepeatsRequest => {
                self.exchange(&request).await;
                self.exchange(&request).await
            }
            Fate::DoublesRequest => {
                let (first, _) = tokio::join!(self.exchange(&request), self.exchange(&request));
                first
            }
            Fate::CutsRequest => {
                self.exchange(&cut(&request, amount)).await;
                None
            }
            Fate::CutsAnswer => {
                let answer = self.exchange(&request).await;
                answer.map(|answer| cut(&answer, amount))
            }
            Fate::Reorders => {
                let later = 1 + amount % OVERTAKEN_MAX;
                self.state().held.push((later, request));
                return None;
            }
            Fate::BadGateway => Some(bad_gateway()),
            Fate::LateBadGateway => {
                self.exchange(&request).await;
                Some(bad_gateway())
            }
        };
        if let Some(answer) = answer {
            let _gone = client.write_all(&answer).await;
            let _gone = client.shutdown().await;
        }
        drop(client);
        self.send_overtaken().await;
        Some(())
    }

    /// Sends what was held back until enough others have gone.
    async fn send_overtaken(&self) {
        let due: Vec<Vec<u8>> = {
            let mut state = self.state();
            for (left, _) in &mut state.held {
                *left = left.saturating_sub(1);
            }
            let due = state.held.extract_if(.., |(left, _)| *left == 0);
            due.map(|(_, request)| request).collect()
        };
        for request in due {
            self.exchange(&request).await;
        }
    }

    /// Sends a request, and reads the answer to its end; 502 where nobody is there.
    async fn exchange(&self, request: &[u8]) -> Option<Vec<u8>> {
        let upstream = self.state().upstream.clone();
        let Ok(mut server) = TcpStream::connect(&upstream).await else {
            return Some(bad_gateway());
        };
        server.write_all(request).await.ok()?;
        if !is_whole(request) {
            server.shutdown().await.ok()?;
        }
        let mut answer = Vec::new();
        let mut bounded = server.take(MESSAGE_BYTES_MAX as u64);
        // A server that is killed meanwhile cuts its answer, which the client is to notice.
        let _ended = bounded.read_to_end(&mut answer).await;
        (!answer.is_empty()).then_some(answer)
    }
}

/// Of a thousand requests, so many have each of the bad fates.
pub fn evenly(each: u64) -> Rates {
    BAD.into_iter().map(|fate| (fate, each)).collect()
}

fn bad_gateway() -> Vec<u8> {
    let body = "<html><body>502 Bad Gateway</body></html>";
    let head = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The whole head, and a part of the body; of an answer without a body a part of the head.
fn cut(message: &[u8], amount: u64) -> Vec<u8> {
    let end = head_end(message).unwrap_or(0);
    let from = if end < message.len() { end } else { 0 };
    let kept = from + (amount % (message.len() - from).max(1) as u64) as usize;
    message[..kept].to_vec()
}

/// Where the body begins.
fn head_end(message: &[u8]) -> Option<usize> {
    let at = message.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some(at + 4)
}

fn content_length(head: &str) -> usize {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse().ok())?
    });
    length.unwrap_or(0)
}

fn is_whole(request: &[u8]) -> bool {
    head_end(request).is_some_and(|end| {
        let head = String::from_utf8_lossy(&request[..end]);
        request.len() >= end + content_length(&head)
    })
}

/// The request as it is passed on: for this server, and the connection's last. None when the client goes first, or
/// sends its body in chunks, which no site does.
async fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let end = loop {
        match head_end(&read) {
            Some(end) => break end,
            None if read.len() > HEAD_BYTES_MAX => return None,
            None if client.read_buf(&mut read).await.ok()? == 0 => return None,
            None => {}
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).ok()?;
    let lower = head.to_ascii_lowercase();
    assert!(
        !lower.contains("\r\ntransfer-encoding:"),
        "a request in chunks: {head}"
    );
    let whole = end + content_length(&head);
    while read.len() < whole {
        if whole > MESSAGE_BYTES_MAX || client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let lines = head.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.is_empty() && !line.starts_with("connection:") && !line.starts_with("expect:")
    });
    let lines: Vec<&str> = lines.collect();
    let mut request = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n")).into_bytes();
    request.extend(&read[end..whole]);
    Some(request)
}
