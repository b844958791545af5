//! Fan-out: a thousand WebSockets on fifty tasks, each of which changes ten times a second. Users have as many
//! sockets as one may have. Measured is what [`crate`] measures of the own worker, at every client; a line is
//! missed by a client when others of its task had it. The clients share the machine with the product.

use crate::now_us;
use shared::limits::WEBSOCKETS_PER_OWNER_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tests::figures::cpu_time;
use tests::{ProgressSocket, TestApp};

const CLIENTS: usize = 1000;
const TASKS: usize = 50;
const USERS: usize = CLIENTS.div_ceil(WEBSOCKETS_PER_OWNER_MAX);
/// Once all clients are there.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(20);

/// What all clients saw.
pub struct FanOut {
    pub delays: Vec<Duration>,
    pub missed: usize,
    /// How many the product kept busy meanwhile, without the stand-ins.
    pub processors: f64,
}

/// The lines that one client saw: when each was printed and when it came, microseconds since the epoch.
struct Seen {
    task_id: String,
    lines: Vec<(u64, u64)>,
}

pub async fn measure(config: &str) -> FanOut {
    let app = TestApp::sqlite().config(config).start();
    let mut sockets = Vec::new();
    for user in 0..USERS {
        let caller = app.user().await;
        let mut task_ids = Vec::new();
        for task in 0..TASKS / USERS {
            // Sites of their own, as fifty downloads at once have them.
            let url = format!("https://media-{user}-{task}.example/clip.mp4");
            task_ids.push(caller.submit(&url).await.0);
        }
        for task_id in task_ids.iter().cycle().take(CLIENTS / USERS) {
            sockets.push((task_id.clone(), caller.progress(Some(task_id)).await));
        }
    }
    tokio::time::sleep(WARM_UP).await;
    let begin = now_us();
    let cpu = cpu_time(app.pid());
    let started = Instant::now();
    let clients = sockets
        .into_iter()
        .map(|(task_id, socket)| tokio::spawn(listen(task_id, socket, begin)));
    let clients = futures_util::future::join_all(clients).await;
    let processors = (cpu_time(app.pid()) - cpu).as_secs_f64() / started.elapsed().as_secs_f64();
    let seen: Vec<Seen> = clients
        .into_iter()
        .map(|client| client.expect("no client panics"))
        .collect();
    let delays = seen
        .iter()
        .flat_map(|client| &client.lines)
        .map(|(printed, came)| Duration::from_micros(came.saturating_sub(*printed)));
    FanOut {
        delays: delays.collect(),
        missed: missed(&seen),
        processors,
    }
}

/// Reads for the measured time. Lines that were printed before it wait in the socket and do not count.
async fn listen(task_id: String, mut socket: ProgressSocket, begin: u64) -> Seen {
    let end = begin + MEASURED.as_micros() as u64;
    let mut lines = Vec::new();
    let mut newest = begin;
    loop {
        let text = socket.next_text().await.expect("the stream goes on");
        let came = now_us();
        // A line that was written to the row is told once more when the row is noticed.
        if let Some(printed) = stamp(&text).filter(|printed| *printed > newest) {
            newest = printed;
            lines.push((printed, came));
        }
        if came > end {
            return Seen { task_id, lines };
        }
    }
}

/// The number in the field `speed`, without reading the rest: the clients must not be what is measured.
fn stamp(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("\"speed\":")?;
    let number = rest.split(['.', ',', '}']).next()?;
    number.parse().ok()
}

/// Lines that some client of a task saw and another did not, but for the last second, in which clients end.
fn missed(seen: &[Seen]) -> usize {
    let mut tasks = BTreeMap::<&str, Vec<BTreeSet<u64>>>::new();
    for client in seen {
        let last = client.lines.last().map_or(0, |(printed, _)| *printed);
        let lines = client.lines.iter().map(|(printed, _)| *printed);
        let lines = lines.filter(|printed| printed + 1_000_000 < last).collect();
        tasks.entry(&client.task_id).or_default().push(lines);
    }
    let mut missed = 0;
    for clients in tasks.values() {
        let all: BTreeSet<u64> = clients.iter().flatten().copied().collect();
        let edge = clients.iter().filter_map(|lines| lines.last()).min();
        let all: Vec<u64> = all.into_iter().filter(|line| Some(line) <= edge).collect();
        for lines in clients {
            missed += all.iter().filter(|line| !lines.contains(line)).count();
        }
    }
    missed
}
