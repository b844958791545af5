//! From a progress line to the WebSocket client: p50, p95 and p99, on SQLite and PostgreSQL.
//!
//! *Own worker*: the running product (`wharf up`) downloads with a stand-in for yt-dlp that prints a
//! progress line every 100 ms, as yt-dlp does, with the time in the field `speed`. Measured is from the
//! stand-in's clock before it prints to this process having the message: pipe, parser, merged progress,
//! hub, WebSocket.
//!
//! *Another process*: this process holds a claim and writes progress with `queue::set_progress`, as a
//! second worker would; the client listens at the running product. Measured is from the call to the
//! message: commit, notice (`PRAGMA data_version`, polled; or `NOTIFY`), reading the row, hub, WebSocket.
//! The pauses between the writes vary, so that they hit the poll at any time.
//!
//! *Many clients*: [`fan_out`].
//!
//! `cargo bench --package tests --bench progress`; with `-- many`, only the last.

#[path = "progress/fan_out.rs"]
mod fan_out;

use runtime::clock::now_ms;
use runtime::database::Handle;
use shared::store::claims::{self, Room};
use shared::store::queue::{self, Held};
use shared::store::tasks::{self, NewTask};
use shared::wire::task::Progress;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::figures::{percentile_ms, print_machine};
use tests::{ProgressSocket, TestApp, TestDatabase};

const SAMPLES: usize = 300;
/// The longest pause between two writes of the other process.
const PAUSE_MS_MAX: u128 = 120;
/// A message that takes longer counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than the benchmark takes.
const LEASE_MS: i64 = 3_600_000;

/// Answers as yt-dlp does when asked for its version, and then "downloads" until it is stopped.
const YTDLP: &str = r#"#!/usr/bin/env bash
case "$*" in *--version*) echo 2026.10.26; exit;; esac
cat > /dev/null
# Never written to: reading it with a limit sleeps without a process of its own.
exec 3<> <(:)
echo 'wharf-seen {}'
for ((n = 1; ; n++)); do
  printf 'wharf-progress {"status":"downloading","downloaded_bytes":%d,"total_bytes":1000000000,"speed":%s} "0"\n' \
    $((n * 1000)) "${EPOCHREALTIME/[.,]/}"
  read -rt 0.1 -u 3
done
"#;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let ytdlp = folder.path().join("yt-dlp");
    std::fs::write(&ytdlp, YTDLP).expect("a script");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&ytdlp, executable).expect("an executable script");
    let postgres = TestDatabase::create();
    let mut databases = vec![("SQLite", String::new())];
    databases.extend(postgres.as_ref().map(|own| ("PostgreSQL", own.url())));

    print_machine();
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>8} {:>5}",
        "", "messages", "p50 ms", "p95 ms", "p99 ms", "lost"
    );
    for (name, url) in databases {
        let config = format!("database_url = {url:?}\nmedia = {{ ytdlp = {ytdlp:?} }}");
        let many = fan_out::measure(&config).await;
        print(&format!("{name}, many clients"), many.delays, many.missed);
        println!(
            "{:<28} the product used {:.2} processors",
            "", many.processors
        );
        if std::env::args().any(|argument| argument == "many") {
            continue;
        }
        let mut app = TestApp::sqlite().config(&config).start();
        let user = app.user().await;
        let (user_id, token) = (user.user_id.clone(), user.token().to_owned());
        let own = of_own_worker(&app, &token).await;
        print(&format!("{name}, own worker"), own, 0);
        // Stopped, so that its worker does not claim what the other process is to hold.
        app.stop();
        let handle = Handle::open(&url, &app.data()).expect("the database opens");
        let claim = hold_task(&handle, &user_id).await.expect("a claim");
        app.restart();
        let (other, lost) = of_another_process(&app, &token, &handle, &claim).await;
        print(&format!("{name}, another process"), other, lost);
    }
}

fn print(name: &str, mut delays: Vec<Duration>, lost: usize) {
    println!(
        "{name:<28} {:>8} {:>8.2} {:>8.2} {:>8.2} {lost:>5}",
        delays.len(),
        percentile_ms(&mut delays, 50.0),
        percentile_ms(&mut delays, 95.0),
        percentile_ms(&mut delays, 99.0),
    );
}

async fn of_own_worker(app: &TestApp, token: &str) -> Vec<Duration> {
    let user = app.caller(token);
    let (task_id, _) = user.submit("https://media.example/clip.mp4").await;
    let mut socket = user.progress(Some(&task_id)).await;
    let mut delays = Vec::new();
    // The first line may be older than the socket; and a line that was written to the row is told once
    // more when the row is noticed.
    let mut newest_us = None;
    while delays.len() < SAMPLES {
        let (printed_us, arrived_us) = next_stamp(&mut socket).await;
        let is_new = newest_us.is_none_or(|newest_us| printed_us > newest_us);
        if is_new && newest_us.replace(printed_us).is_some() {
            delays.push(Duration::from_micros(arrived_us.saturating_sub(printed_us)));
        }
    }
    let cancelled = user.cancel(&task_id).await;
    cancelled.ok();
    delays
}

/// A task of this user that this process has claimed, so that no worker touches it.
async fn hold_task(handle: &Handle, user_id: &str) -> shared::Result<Held> {
    let database = handle.database();
    let now = now_ms();
    let task = NewTask {
        task_id: uuid::Uuid::now_v7().to_string(),
        kind: "video",
        owner_id: user_id.to_owned(),
        name: "clip".to_owned(),
        spec: r#"{"url":"https://media.example/clip.mp4","mode":"archive","quality":"best","format":"mp4"}"#
            .to_owned(),
        idempotency_key: None,
        request_hash: "hash".to_owned(),
        request_id: "request".to_owned(),
        site: "media.example".to_owned(),
        quota: None,
        callback: None,
        now,
    };
    tasks::submit(&*database, &task).await?;
    let claimed = claims::claim(
        &*database,
        &Room::any("another", "video", 1),
        now,
        now + LEASE_MS,
    )
    .await?;
    let [claimed] = claimed.as_slice() else {
        panic!("one task waits");
    };
    assert_eq!(claimed.task_id, task.task_id, "nothing else waits");
    Ok(Held {
        task_id: claimed.task_id.clone(),
        fence: claimed.fence,
    })
}

async fn of_another_process(
    app: &TestApp,
    token: &str,
    handle: &Handle,
    claim: &Held,
) -> (Vec<Duration>, usize) {
    let database = handle.database();
    let user = app.caller(token);
    let mut socket = user.progress(Some(&claim.task_id)).await;
    let mut delays = Vec::new();
    let mut lost = 0;
    for number in 0..SAMPLES {
        let pause_ms = uuid::Uuid::new_v4().as_u128() % PAUSE_MS_MAX;
        tokio::time::sleep(Duration::from_millis(pause_ms as u64)).await;
        let written_us = now_us();
        let progress = Progress {
            percent: number as f64 / 10.0,
            stage: "downloading".to_owned(),
            speed: Some(written_us as f64),
            ..Progress::default()
        };
        let progress = serde_json::to_string(&progress).expect("JSON");
        let holds = queue::set_progress(&*database, claim, &progress, now_ms()).await;
        assert!(holds.expect("the store works"), "the claim holds");
        let arrival = async {
            loop {
                let (stamp_us, arrived_us) = next_stamp(&mut socket).await;
                // A change may be told twice; its first message counts.
                if stamp_us == written_us {
                    return arrived_us;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, arrival).await {
            Ok(arrived_us) => {
                delays.push(Duration::from_micros(arrived_us.saturating_sub(written_us)));
            }
            Err(_) => lost += 1,
        }
    }
    (delays, lost)
}

/// The time in the next message that has one, and when it arrived, microseconds since the epoch.
async fn next_stamp(socket: &mut ProgressSocket) -> (u64, u64) {
    loop {
        let task = socket.next().await.expect("the stream goes on");
        let arrived_us = now_us();
        if let Some(stamp_us) = task["progress"]["speed"].as_f64() {
            return (stamp_us as u64, arrived_us);
        }
    }
}

fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_micros() as u64)
}
