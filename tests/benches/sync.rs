//! Data sync over loopback: rows per second from one shop's outbox to the cloud, and from there to another shop's
//! business, against PouchDB replicating the same documents to and from `pouchdb-server` in the same run; then how
//! long a row takes from one shop's commit to the other's business when rows travel as they come.
//!
//! `cargo bench --package tests --bench sync`, with `-- ROWS` for another number than 20,000, with `-- lag` for the
//! last part alone.

#[path = "sync/peer.rs"]
mod peer;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::figures::print_machine;
use tests::{Builder, Shop, TestApp, eventually};

const ROWS: usize = 20_000;
/// Of one row, about.
const ROW_BYTES: usize = 1024;
const ROUNDS: usize = 3;
const LAG_ROWS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(600);

/// Seconds for all rows.
#[derive(Clone, Copy)]
pub struct Took {
    up: f64,
    down: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rows = arguments
        .iter()
        .find_map(|text| text.parse().ok())
        .unwrap_or(ROWS);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    print_machine();
    if !arguments.iter().any(|argument| argument == "lag") {
        runtime.block_on(throughput(rows));
    }
    runtime.block_on(lags());
}

async fn throughput(rows: usize) {
    println!("\n{rows} rows of {ROW_BYTES} bytes, rows/s, best of {ROUNDS}\n");
    println!("| | up | down |\n| --- | --- | --- |");
    let pouch = peer::PouchServer::start();
    let reference = pouch.as_ref().map(|pouch| {
        best((0..ROUNDS).map(|round| pouch.replicate(rows, ROW_BYTES, &format!("bench{round}"))))
    });
    if let Some(took) = reference {
        print("PouchDB and pouchdb-server", rows, took, None);
    }
    drop(pouch);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(ours(TestApp::sqlite(), rows).await);
    }
    print("Wharf, SQLite", rows, best(rounds.into_iter()), reference);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        if let Some(cloud) = TestApp::postgres() {
            rounds.push(ours(cloud, rows).await);
        }
    }
    if !rounds.is_empty() {
        print(
            "Wharf, PostgreSQL",
            rows,
            best(rounds.into_iter()),
            reference,
        );
    }
}

fn best(rounds: impl Iterator<Item = Took>) -> Took {
    let none = Took {
        up: f64::INFINITY,
        down: f64::INFINITY,
    };
    rounds.fold(none, |best, took| Took {
        up: best.up.min(took.up),
        down: best.down.min(took.down),
    })
}

fn print(name: &str, rows: usize, took: Took, reference: Option<Took>) {
    let figure = |seconds: f64, reference: Option<f64>| {
        let ratio = reference.map(|reference| format!(" ({:.1} ×)", reference / seconds));
        format!("{:.0}{}", rows as f64 / seconds, ratio.unwrap_or_default())
    };
    let up = figure(took.up, reference.map(|it| it.up));
    let down = figure(took.down, reference.map(|it| it.down));
    println!("| {name} | {up} | {down} |");
}

fn row(number: usize) -> Value {
    json!({
        "syn_id": number.to_string(), "business_type": "member", "op": "upsert",
        "entity": format!("member:{number}"), "create_time": "2026-11-24T00:00:00Z",
        "data_detail": { "text": "茶".repeat((ROW_BYTES - 200) / 3) },
    })
}

/// A shop's server that runs when it is asked to.
fn scheduled(cloud: &TestApp, name: &str, shop: &Shop) -> TestApp {
    site(TestApp::sqlite(), cloud, name, shop)
        .config("site = { interval_s = 86400 }")
        .start()
}

fn site(builder: Builder, cloud: &TestApp, name: &str, shop: &Shop) -> Builder {
    let made = cloud.site_code(&[name, "--group", "g"]);
    builder.site(cloud.base(), made["code"].as_str().expect("a code"), shop)
}

async fn ours(cloud: Builder, rows: usize) -> Took {
    let cloud = cloud.start();
    let (here, there) = (Shop::start().await, Shop::start().await);
    let (a, b) = (
        scheduled(&cloud, "a", &here),
        scheduled(&cloud, "b", &there),
    );
    let (at_a, at_b) = (a.user().await, b.user().await);
    for (caller, app) in [(&at_a, "a"), (&at_b, "b")] {
        eventually(&format!("{app} has run once"), PATIENCE, async || {
            caller.sync_status().await.ok()["last_run"]
                .is_string()
                .then_some(())
        })
        .await;
    }
    let all: Vec<Value> = (0..rows).map(row).collect();
    for rows in all.chunks(500) {
        at_a.hand_in(rows).await.ok();
    }
    let started = Instant::now();
    at_a.post("/api/v1/sync/now", &json!({})).await.ok_with(202);
    eventually("all is sent", PATIENCE, async || {
        (at_a.sync_status().await.ok()["backlog"] == 0).then_some(())
    })
    .await;
    let up = started.elapsed().as_secs_f64();
    let started = Instant::now();
    at_b.post("/api/v1/sync/now", &json!({})).await.ok_with(202);
    eventually("all is applied", PATIENCE, async || {
        (there.applied_count() == rows).then_some(())
    })
    .await;
    let down = started.elapsed().as_secs_f64();
    Took { up, down }
}

async fn lags() {
    println!("\nCommit at one shop → applied at the other, rows travelling as they come, ms\n");
    println!("| | p50 | p95 | most |\n| --- | --- | --- | --- |");
    lag("SQLite", TestApp::sqlite()).await;
    if let Some(cloud) = TestApp::postgres() {
        lag("PostgreSQL", cloud).await;
    }
}

async fn lag(name: &str, cloud: Builder) {
    let cloud = cloud.start();
    let (here, there) = (Shop::start().await, Shop::start().await);
    let a = site(TestApp::sqlite(), &cloud, "a", &here).start();
    let _b = site(TestApp::sqlite(), &cloud, "b", &there).start();
    let at_a = a.user().await;
    let mut lags = Vec::new();
    for number in 0..LAG_ROWS + 10 {
        at_a.hand_in(&[row(number)]).await.ok();
        let started = Instant::now();
        while there.applied_count() <= number {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(started.elapsed() < PATIENCE, "row {number} does not arrive");
        }
        // The first ones meet cold instances.
        if number >= 10 {
            lags.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        // Rows come at any moment of the other side's loops.
        tokio::time::sleep(Duration::from_millis((number as u64 * 37) % 100)).await;
    }
    lags.sort_by(f64::total_cmp);
    let at = |share: f64| lags[((lags.len() - 1) as f64 * share) as usize];
    println!(
        "| {name} | {:.0} | {:.0} | {:.0} |",
        at(0.5),
        at(0.95),
        at(1.0)
    );
}
