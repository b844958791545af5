//! The worker's memory while it works on one export (DC-7).

use crate::memory_kib;
use serde_json::json;
use std::time::Duration;
use tests::{Business, Manners, TestApp};

/// Resident memory of the worker itself, KiB.
const MEMORY_KIB_MAX: u64 = 64 * 1024;
/// What three times the rows may take more, KiB: what is said of a million rows has to follow from a few.
const GROWTH_KIB_MAX: u64 = 8 * 1024;
const POLL: Duration = Duration::from_millis(10);

/// `WHARF_TEST_ROWS=3000000` asks for as many as the second export of the requirement has.
fn rows() -> u64 {
    let asked = std::env::var("WHARF_TEST_ROWS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(300_000)
}

#[tokio::test]
async fn an_export_takes_the_same_memory_however_many_rows_it_has() {
    let business = Business::start().await;
    // Apart from the components, so that the worker's memory is its own.
    let front = TestApp::sqlite()
        .allow(&business.host())
        .command("serve")
        .start();
    let worker = TestApp::sqlite().command("work").start_beside(&front);
    let project = front.project("load", &[&business.host()]).await;
    let idle = memory_kib(worker.pid());
    let mut peaks = Vec::new();
    for rows in [100_000, rows()] {
        let url = business.source(&format!("rows-{rows}"), rows, Manners::Good);
        let task_id = project
            .submit_export(&json!({
                "name": "orders", "source_url": url, "step": 5000, "type": "excel", "title": "Orders",
                "template": [{ "name": "id" }, { "title": "Client", "children": [{ "name": "name" }, { "name": "city" }] },
                    { "name": "amount" }, { "name": "paid" }, { "name": "day" }, { "name": "phone" }, { "name": "note" }],
            }))
            .await;
        let mut peak = 0;
        let task = loop {
            peak = peak.max(memory_kib(worker.pid()));
            let task = project.task(&task_id).await.ok();
            match task["status"].as_str() {
                Some("queued" | "running") => tokio::time::sleep(POLL).await,
                _ => break task,
            }
        };
        assert_eq!(task["status"], "succeeded", "{task:#}");
        assert_eq!(task["result"]["rows"], rows);
        println!("{rows} rows: {peak} KiB, {idle} KiB before");
        assert!(peak < MEMORY_KIB_MAX, "{rows} rows: {peak} KiB");
        peaks.push(peak);
    }
    assert!(peaks[1] < peaks[0] + GROWTH_KIB_MAX, "{peaks:?} KiB");
}
