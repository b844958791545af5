//! What takes the whole machine, in a test binary of its own so that nothing else runs beside it.

mod exports;

use std::time::Duration;
use tests::{TestApp, clip, eventually, media};

/// Python starts fifty times, on a machine of two cores.
const PATIENCE: Duration = Duration::from_secs(600);
/// Resident memory of the worker itself while it works on fifty downloads, KiB.
const MEMORY_KIB_MAX: u64 = 100 * 1024;

#[tokio::test]
async fn fifty_downloads_run_at_once_in_flat_memory() {
    let [good, _] = media().addresses();
    // Apart from the components, so that the worker's memory is its own.
    let front = TestApp::sqlite()
        .allow(&good)
        .config("quota = { user = 100 }")
        .command("serve")
        .start();
    let worker = TestApp::sqlite().command("work").start_beside(&front);
    let shelf = media().shelf();
    let user = front.user().await;
    let mut tasks = Vec::new();
    for _ in 0..50 {
        tasks.push(user.submit(&shelf.url("crawl.mp4")).await.0);
    }
    eventually("all of them receive bytes", PATIENCE, async || {
        let running = user
            .get("/api/v1/tasks?status=running&page_size=100")
            .await
            .ok();
        let receiving = running["items"].as_array().expect("a list").iter();
        let receiving =
            receiving.filter(|task| task["progress"]["downloaded_bytes"].as_i64() > Some(0));
        (receiving.count() == 50).then_some(())
    })
    .await;
    let memory = memory_kib(worker.pid());
    assert!(memory < MEMORY_KIB_MAX, "{memory} KiB");
    shelf.release();
    for task_id in tasks {
        let task = user.succeeded(&task_id).await;
        assert_eq!(task["result"]["sha256"], clip().sha256, "{task:#}");
    }
}

fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .expect("a line");
    let number = line.split_whitespace().nth(1).expect("a number");
    number.parse().expect("KiB")
}
