//! Tasks per second through the durable queue with a job that does nothing, on SQLite and PostgreSQL: the
//! store functions `tasks::submit`, `queue::claim` (one task) and `queue::finish` on the adapters of the
//! binary, each state change committed. Every worker repeats: submit one, claim one, finish it. All workers
//! are in this process; each database is one of its own with nothing else in it.
//!
//! `cargo bench --package tests --bench queue`

use runtime::clock::now_ms;
use runtime::command::migrate;
use runtime::database::Handle;
use shared::store::Database;
use shared::store::claims::{self, Room};
use shared::store::queue::{self, Finished, Held};
use shared::store::tasks::{self, NewTask};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::TestDatabase;
use tests::figures::{percentile_ms, print_machine};

const WORKERS: [usize; 2] = [1, 8];
const ROUNDS: usize = 3;
/// Of each round on each database.
const ROUND: Duration = Duration::from_secs(4);
/// Before each round; not counted.
const WARM_UP: Duration = Duration::from_millis(500);
const LEASE_MS: i64 = 60_000;

#[derive(Default)]
struct Result {
    elapsed: Duration,
    /// Of each task, from the call that submits one to the answer of the call that finishes one.
    cycles: Vec<Duration>,
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let postgres = TestDatabase::create();
    let mut databases = vec![("SQLite", open("", folder.path()).await)];
    if let Some(postgres) = &postgres {
        let opened = open(&postgres.url(), folder.path()).await;
        databases.push(("PostgreSQL", opened));
    }
    print_machine();
    println!(
        "{:<11} {:>7} {:>8} {:>8} {:>8}",
        "", "workers", "tasks/s", "p50 ms", "p99 ms"
    );
    for workers in WORKERS {
        let mut results: Vec<Result> = databases.iter().map(|_| Result::default()).collect();
        // In turns, so that whatever else the machine does hits both.
        for _ in 0..ROUNDS {
            for ((_, database), result) in databases.iter().zip(&mut results) {
                work(database, workers, WARM_UP).await;
                let round = work(database, workers, ROUND).await;
                result.elapsed += round.elapsed;
                result.cycles.extend(round.cycles);
            }
        }
        for ((name, _), result) in databases.iter().zip(&mut results) {
            println!(
                "{name:<11} {workers:>7} {:>8.0} {:>8.2} {:>8.2}",
                result.cycles.len() as f64 / result.elapsed.as_secs_f64(),
                percentile_ms(&mut result.cycles, 50.0),
                percentile_ms(&mut result.cycles, 99.0),
            );
        }
    }
}

async fn open(url: &str, folder: &std::path::Path) -> Arc<dyn Database> {
    let handle = Handle::open(url, folder).expect("the database opens");
    migrate::apply(&handle).await.expect("it is up to date");
    handle.database()
}

/// Lets workers repeat for this long.
async fn work(database: &Arc<dyn Database>, workers: usize, length: Duration) -> Result {
    let start = Instant::now();
    let workers: Vec<_> = (0..workers)
        .map(|number| {
            let database = database.clone();
            tokio::spawn(async move {
                let worker_id = format!("worker-{number}");
                let mut cycles = Vec::new();
                while start.elapsed() < length {
                    let begun = Instant::now();
                    cycle(&*database, &worker_id)
                        .await
                        .expect("the store works");
                    cycles.push(begun.elapsed());
                }
                cycles
            })
        })
        .collect();
    let mut result = Result::default();
    for worker in workers {
        result.cycles.extend(worker.await.expect("it ends"));
    }
    result.elapsed = start.elapsed();
    result
}

async fn cycle(database: &dyn Database, worker_id: &str) -> shared::Result<()> {
    let task = NewTask {
        task_id: uuid::Uuid::now_v7().to_string(),
        kind: "video",
        owner_id: "owner".to_owned(),
        name: "clip".to_owned(),
        spec: r#"{"url":"https://media.example/clip.mp4","mode":"archive","quality":"best","format":"mp4"}"#
            .to_owned(),
        idempotency_key: None,
        request_hash: "hash".to_owned(),
        request_id: "request".to_owned(),
        site: "media.example".to_owned(),
        quota: None,
        callback: None,
        now: now_ms(),
    };
    tasks::submit(database, &task).await?;
    let claimed = loop {
        // There is a task for each worker, but another one may just be taking the only one in sight.
        let now = now_ms();
        let mut claimed = claims::claim(
            database,
            &Room::any(worker_id, "video", 1),
            now,
            now + LEASE_MS,
        )
        .await?;
        if let Some(task) = claimed.pop() {
            break task;
        }
    };
    let claim = Held {
        task_id: claimed.task_id,
        fence: claimed.fence,
    };
    let finished = Finished {
        name: claimed.name,
        progress: r#"{"percent":100.0,"stage":"done"}"#.to_owned(),
        result: r#"{"file_name":"clip.mp4","file_size":0,"md5":"","sha256":""}"#.to_owned(),
        file_path: "archive/clip.mp4".to_owned(),
        file_size: 0,
        expires_at: None,
    };
    let finished = queue::finish(database, &claim, &finished, now_ms()).await?;
    assert!(finished.is_some(), "nobody else holds the claim");
    Ok(())
}
