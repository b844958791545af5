//! `/admin/api/v1/overview` and `/admin/api/v1/findings`: how the service does.

use crate::{reaching, shared};
use serde_json::{Value, json};
use tests::{Builder, PATIENCE, TestApp, clip, eventually, media};

/// The sum of a figure over all hours.
fn sum(overview: &Value, name: &str) -> i64 {
    let hours = overview["hours"].as_array().expect("a list");
    hours
        .iter()
        .map(|hour| hour[name].as_i64().expect("a number"))
        .sum()
}

async fn the_overview_adds_up(builder: Builder) {
    let app = reaching(builder).start();
    let (user, admin) = (app.user().await, app.admin().await);
    let overview = eventually("the worker has looked at its disk", PATIENCE, async || {
        let overview = admin.get("/admin/api/v1/overview").await.ok();
        let has_looked = overview["disks"][0]["total_bytes"].as_i64() > Some(0);
        has_looked.then_some(overview)
    })
    .await;
    assert_eq!(overview["success_rate"], json!(null), "{overview:#}");
    assert_eq!(overview["hours"].as_array().map(Vec::len), Some(24));

    let shelf = media().shelf();
    for (name, status) in [
        ("a.clip.mp4", "succeeded"),
        ("404.mp4", "failed"),
        ("b.clip.mp4", "succeeded"),
        ("c.clip.mp4", "succeeded"),
    ] {
        let (task_id, _) = user.submit(&shelf.url(name)).await;
        assert_eq!(user.finished(&task_id).await["status"], status);
    }
    let (task_id, _) = user.submit(&shelf.url("stall.mp4")).await;
    user.cancel(&task_id).await.ok();
    let overview = admin.get("/admin/api/v1/overview").await.ok();
    let bytes = 3 * clip().bytes.len() as i64;
    let sums = ["submitted", "succeeded", "failed", "bytes"].map(|name| sum(&overview, name));
    assert_eq!(sums, [5, 3, 1, bytes], "{overview:#}");
    assert_eq!(overview["success_rate"], 0.75, "{overview:#}");
    let totals = &overview["totals"];
    assert_eq!(
        (&totals["users"], &totals["bytes_kept"]),
        (&json!(1), &json!(bytes))
    );
    let tasks = json!({
        "queued": 0, "running": 0, "succeeded": 3, "failed": 1, "dead": 0, "cancelled": 1, "expired": 0,
    });
    assert_eq!(totals["tasks"], tasks, "{overview:#}");
    assert_eq!(
        (&overview["findings"], &overview["queue_depth"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn the_overview_adds_up_on_sqlite() {
    the_overview_adds_up(TestApp::sqlite()).await;
}

#[tokio::test]
async fn the_overview_adds_up_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        the_overview_adds_up(builder).await;
    }
}

#[tokio::test]
async fn findings_are_paged() {
    let admin = shared().admin().await;
    let list = admin.get("/admin/api/v1/findings?page_size=5").await.ok();
    assert_eq!(list["page_size"], 5, "{list:#}");
    admin
        .get("/admin/api/v1/findings?page=0")
        .await
        .refused_field("page");
}
