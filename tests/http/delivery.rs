//! Transfers of finished files: places, bandwidth, memory, large files (VA-9).

use crate::files::{Finished, finished};
use crate::{shared, sqlite};
use reqwest::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tests::{PATIENCE, TestApp, User, clip, eventually, files_under};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MIB: u64 = 1024 * 1024;
/// More than the buffers of both ends of a connection hold.
const LARGE: u64 = 64 * MIB;
/// What the product's memory may grow by while it delivers.
const GROWTH_BYTES_MAX: u64 = 64 * MIB;

/// An answer whose body is read only as far as the test likes.
struct Fetch {
    stream: TcpStream,
    status: u16,
    length: u64,
    received: u64,
}

impl Fetch {
    async fn open(url: &str) -> Self {
        let rest = url.strip_prefix("http://").expect("a URL");
        let (address, path) = rest.split_once('/').expect("a path");
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("a request");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let after = |before: &str| {
            let rest = head.split_once(before).map(|(_, rest)| rest);
            let word = rest.and_then(|rest| rest.split_whitespace().next());
            word.unwrap_or_else(|| panic!("no {before} in {head}"))
        };
        Self {
            status: after("http/1.1 ").parse().expect("a status"),
            length: after("content-length: ").parse().expect("a length"),
            stream,
            received: 0,
        }
    }

    /// Reads until so many bytes are there, or the body has ended; gives what there is.
    async fn read_to(&mut self, bytes: u64) -> u64 {
        let mut buffer = vec![0; 64 * 1024];
        while self.received < bytes.min(self.length) {
            match self.stream.read(&mut buffer).await {
                Ok(count) if count > 0 => self.received += count as u64,
                _ => break,
            }
        }
        self.received
    }
}

/// Puts a file of this length and without a byte but zeros in the place of the finished one.
fn replace(app: &TestApp, user: &User<'_>, length: u64) -> std::fs::File {
    let archive = app.data().join("archive").join(&user.user_id);
    let files = files_under(&archive);
    let [path] = files.as_slice() else {
        panic!("one file is in {}: {files:?}", archive.display());
    };
    let file = std::fs::File::create(path).expect("the file");
    file.set_len(length).expect("a sparse file");
    file
}

/// A finished download whose file has this length.
async fn of_length(app: &TestApp, length: u64) -> Finished<'_> {
    let done = finished(app, "clip.mp4").await;
    replace(app, &done.user, length);
    done
}

/// Resident memory of the product, bytes.
fn memory(app: &TestApp) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a size") * 1024
}

#[track_caller]
fn assert_flat(app: &TestApp, before: u64) {
    let now = memory(app);
    assert!(
        now < before + GROWTH_BYTES_MAX,
        "{before} bytes grew to {now}"
    );
}

/// Asks until a place is free and holds it.
async fn admitted(url: &str) -> Fetch {
    eventually("a place is free", PATIENCE, async || {
        let fetch = Fetch::open(url).await;
        (fetch.status == 200).then_some(fetch)
    })
    .await
}

#[tokio::test]
async fn no_more_transfers_than_set_run_at_once() {
    let app = sqlite().config("delivery = { max_transfers = 2 }").start();
    let done = of_length(&app, LARGE).await;
    let mut first = Fetch::open(&done.url).await;
    let second = Fetch::open(&done.url).await;
    assert_eq!((first.status, second.status), (200, 200));

    let anonymous = app.anonymous();
    let busy = anonymous.get(&done.url).await.refused(50301);
    let seconds: u64 = busy.header("retry-after").parse().expect("seconds");
    assert!(seconds >= 1, "{busy}");
    // What carries nothing of the file takes no place.
    let head = anonymous
        .send(Method::HEAD, &done.url, |request| request)
        .await;
    assert_eq!(head.status, 200, "{head}");
    let unsatisfiable = format!("bytes={LARGE}-");
    for (name, value, status) in [("if-none-match", "*", 304), ("range", &unsatisfiable, 416)] {
        let answer = anonymous
            .send(Method::GET, &done.url, |request| {
                request.header(name, value)
            })
            .await;
        assert_eq!(answer.status, status, "{answer}");
    }

    // One that has ended makes room for one.
    assert_eq!(first.read_to(LARGE).await, LARGE);
    let third = admitted(&done.url).await;
    anonymous.get(&done.url).await.refused(50301);
    // So does a client that goes away in the middle.
    drop(second);
    let fourth = admitted(&done.url).await;
    anonymous.get(&done.url).await.refused(50301);
    drop((third, fourth));
}

#[tokio::test]
async fn fifty_transfers_take_little_memory_and_the_next_is_refused() {
    let app = sqlite().start();
    let done = of_length(&app, LARGE).await;
    let before = memory(&app);
    let mut held = Vec::new();
    for _ in 0..50 {
        let fetch = Fetch::open(&done.url).await;
        assert_eq!(fetch.status, 200);
        held.push(fetch);
    }
    app.anonymous().get(&done.url).await.refused(50301);
    for fetch in &mut held {
        fetch.read_to(4 * MIB).await;
    }
    assert_flat(&app, before);
}

/// Reads on in the background; the counter shows how far it is.
fn read_on(mut fetch: Fetch) -> Arc<AtomicU64> {
    let received = Arc::new(AtomicU64::new(0));
    let counter = received.clone();
    tokio::spawn(async move {
        while fetch.received < fetch.length {
            let next = fetch.received + 1;
            if fetch.read_to(next).await < next {
                break;
            }
            counter.store(fetch.received, Relaxed);
        }
    });
    received
}

#[tokio::test]
async fn a_users_limit_holds_over_all_his_connections_and_slows_nobody_else() {
    let app = sqlite()
        .config("delivery = { user_bytes_per_s = 1048576 }")
        .start();
    let ada = of_length(&app, 4 * MIB).await;
    let bob = of_length(&app, 2 * MIB).await;
    let first = read_on(Fetch::open(&ada.url).await);
    let second = read_on(Fetch::open(&ada.url).await);
    let mut other = Fetch::open(&bob.url).await;
    assert_eq!(other.read_to(2 * MIB).await, 2 * MIB);
    let (first, second) = (first.load(Relaxed), second.load(Relaxed));
    // His two together get what the other one's single connection gets: each about half of it.
    assert!(first + second < 4 * MIB, "{first} + {second}");
    assert!(first.min(second) > MIB / 4, "{first} + {second}");
    assert!(first.max(second) < 2 * MIB, "{first} + {second}");
}

#[tokio::test]
async fn the_total_limit_holds_over_all_users() {
    let app = sqlite()
        .config("delivery = { total_bytes_per_s = 262144 }")
        .start();
    let ada = of_length(&app, 4 * MIB).await;
    let bob = of_length(&app, 4 * MIB).await;
    let unlimited = finished(shared(), "clip.mp4").await;
    let first = read_on(Fetch::open(&ada.url).await);
    let second = read_on(Fetch::open(&bob.url).await);
    eventually("both get something", PATIENCE, async || {
        (first.load(Relaxed).min(second.load(Relaxed)) > 0).then_some(())
    })
    .await;
    let whole = shared().anonymous().get(&unlimited.url).await;
    assert_eq!(whole.body.len(), clip().bytes.len());
    let (first, second) = (first.load(Relaxed), second.load(Relaxed));
    assert!(first + second < 4 * MIB, "{first} + {second}");
}

#[tokio::test]
async fn two_gibibytes_leave_the_workers_memory_flat() {
    let app = sqlite().start();
    let length = 2048 * MIB;
    let done = of_length(&app, length).await;
    let before = memory(&app);
    let mut fetch = Fetch::open(&done.url).await;
    assert_eq!((fetch.status, fetch.length), (200, length));
    while fetch.received < length {
        let next = (fetch.received + 256 * MIB).min(length);
        assert!(fetch.read_to(next).await >= next, "it broke off");
        assert_flat(&app, before);
    }
}

#[tokio::test]
async fn ranges_beyond_four_gibibytes_are_served() {
    use std::os::unix::fs::FileExt as _;
    let length = 5 << 30;
    let at = (4_u64 << 30) + 10;
    let done = finished(shared(), "clip.mp4").await;
    let file = replace(shared(), &done.user, length);
    file.write_all_at(b"beyond", at).expect("it is written");
    file.write_all_at(b"end", length - 3)
        .expect("it is written");
    let ask = async |range: String| {
        let anonymous = shared().anonymous();
        anonymous
            .send(Method::GET, &done.url, |request| {
                request.header("range", range)
            })
            .await
    };
    let answer = ask(format!("bytes={at}-{}", at + 5)).await;
    assert_eq!(answer.status, 206, "{answer}");
    assert_eq!(
        answer.header("content-range"),
        format!("bytes {at}-{}/{length}", at + 5)
    );
    assert_eq!(answer.body, "beyond");
    assert_eq!(ask("bytes=-3".to_owned()).await.body, "end");
    let answer = ask(format!("bytes={at}-{},-3", at + 5)).await;
    let body = String::from_utf8_lossy(&answer.body);
    assert!(
        body.contains("\r\n\r\nbeyond\r\n--") && body.contains("\r\n\r\nend\r\n--"),
        "{body}"
    );
}

#[tokio::test]
async fn a_file_that_shrinks_under_its_transfer_breaks_it_off() {
    let app = sqlite().config("delivery = { max_transfers = 1 }").start();
    let done = of_length(&app, LARGE).await;
    let mut fetch = Fetch::open(&done.url).await;
    assert_eq!(fetch.length, LARGE);
    replace(&app, &done.user, MIB);
    assert!(fetch.read_to(LARGE).await < LARGE);
    let mut again = admitted(&done.url).await;
    assert_eq!(again.read_to(MIB).await, MIB);
}
