//! An export by the running product against `curl` fetching the same pages one after another.

use super::ours;
use super::rows::{STEP, page, pages};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::routing::get;
use serde_json::Value;
use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tests::{Project, TestApp};
use tokio::net::TcpListener;

/// How long the source takes over a page, milliseconds: none at all, and what a query of 5,000 rows may take.
const THINKING_MS: [u64; 3] = [0, 25, 100];
const ROUNDS: usize = 3;
const POLL: Duration = Duration::from_millis(10);
/// The product's time should be at the most so much of curl's.
const TARGET_RATIO: f64 = 1.2;

#[derive(Clone)]
struct Source {
    pages: Arc<Vec<Bytes>>,
    thinking_ms: Arc<AtomicU64>,
}

pub async fn run(rows: u64) {
    let source = Source {
        pages: Arc::new((0..pages(rows)).map(|it| page(it, rows).into()).collect()),
        thinking_ms: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("its address").to_string();
    let router = Router::new()
        .route("/rows", get(answer))
        .with_state(source.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let app = TestApp::sqlite().allow(&host).start();
    let project = app.project("bench", &[&host]).await;
    println!(
        "\nEnd to end: {rows} rows in pages of {STEP}, seconds, the median of {ROUNDS} rounds\n"
    );
    println!(
        "| source's ms per page | kind | curl | Wharf | ratio (target {TARGET_RATIO}) | load |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for thinking_ms in THINKING_MS {
        source.thinking_ms.store(thinking_ms, Ordering::Relaxed);
        for kind in ["csv", "head tree"] {
            let (mut plain, mut wharf) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                plain.push(by_curl(&host, rows));
                wharf.push(by_wharf(&project, kind, &host, rows).await);
            }
            let (plain, wharf) = (median(&mut plain), median(&mut wharf));
            let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
            println!(
                "| {thinking_ms} | {kind} | {plain:.2} | {wharf:.2} | {:.2} | {} |",
                wharf / plain,
                load.split(' ').next().unwrap_or_default()
            );
        }
    }
}

async fn answer(
    State(source): State<Source>,
    Query(query): Query<HashMap<String, String>>,
) -> Bytes {
    let thinking_ms = source.thinking_ms.load(Ordering::Relaxed);
    if thinking_ms > 0 {
        tokio::time::sleep(Duration::from_millis(thinking_ms)).await;
    }
    let number: usize = query["page"].parse().expect("a page number");
    source.pages[number].clone()
}

/// One process and one connection for all pages.
fn by_curl(host: &str, rows: u64) -> f64 {
    let last = pages(rows) - 1;
    let url = format!("http://{host}/rows?page=[0-{last}]&page_size={STEP}");
    let start = Instant::now();
    let status = Command::new("curl")
        .args(["--silent", "--fail", "--output", "/dev/null", &url])
        .stdin(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "curl fails");
    start.elapsed().as_secs_f64()
}

/// From the submission to the finished task.
async fn by_wharf(project: &Project<'_>, kind: &str, host: &str, rows: u64) -> f64 {
    let mut body = ours::request(kind);
    body["source_url"] = format!("http://{host}/rows").into();
    let start = Instant::now();
    let task_id = project.submit_export(&body).await;
    let task: Value = loop {
        let task = project.task(&task_id).await.ok();
        match task["status"].as_str() {
            Some("queued" | "running") => tokio::time::sleep(POLL).await,
            _ => break task,
        }
    };
    let elapsed = start.elapsed().as_secs_f64();
    assert_eq!(task["result"]["rows"], rows, "{task:#}");
    project.delete_task(&task_id).await;
    elapsed
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
