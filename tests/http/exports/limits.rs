//! How long files are kept, how much of a project runs at once, and what does not hold it up; the main path on
//! both databases.

use super::{app_for, csv_of, file_of};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::{Business, Caller, Manners, PATIENCE, Project, TestApp, eventually};

/// An export as most are: pulled, told of, handed out.
async fn the_main_path(business: &Business, app: &TestApp) {
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("orders", 350, Manners::Good);
    let callback = business.callback_url(&project.project_id);
    let body = json!({
        "name": "订单", "source_url": url, "step": 100, "callback": callback, "operator_id": { "no": 7 },
    });
    let task = project.exported(&body).await;
    assert_eq!(task["result"]["rows"], 350);
    let file = file_of(&project, &task).await;
    assert_eq!(String::from_utf8(file).expect("text"), csv_of(350));
    eventually("the callback", PATIENCE, async || {
        let told = business.told(&project.project_id);
        told.first()
            .map(|told| assert_eq!(told.json()["task_id"], task["task_id"]))
    })
    .await;
    let sync = json!({ "name": "n", "source_url": url, "type": "excel" });
    assert_eq!(project.export_sync(&sync).await.status, 200);
    // Nothing that a request holds is too much for a column.
    let odd =
        json!({ "name": "n", "source_data": [{ "a\u{0}": "\u{0}" }], "operator_id": "\u{0}" });
    assert_eq!(project.exported(&odd).await["result"]["rows"], 1);
}

#[tokio::test]
async fn an_export_is_pulled_told_and_handed_out_on_sqlite() {
    let business = Business::start().await;
    the_main_path(&business, &app_for(&business)).await;
}

#[tokio::test]
async fn an_export_is_pulled_told_and_handed_out_on_postgresql() {
    let business = Business::start().await;
    if let Some(builder) = TestApp::postgres() {
        let app = builder.allow(&business.host()).start();
        the_main_path(&business, &app).await;
    }
}

/// The time of a task's file is over.
async fn outlive(app: &TestApp, task_id: &str) {
    let sql = "UPDATE tasks SET expires_at = 1 WHERE task_id = $1 AND expires_at > 1";
    let changed = app.database().execute(sql, &[task_id.into()]).await;
    assert_eq!(changed.expect("it is written"), 1);
}

#[tokio::test]
async fn a_file_is_kept_as_long_as_the_settings_say_and_its_task_stays() {
    let app = crate::sqlite()
        .config("exports = { retention_days = 3 }\nmedia = { clean_interval_s = 1 }")
        .start();
    let project = app.project("exports", &[]).await;
    let task = project
        .exported(&json!({ "name": "n", "source_data": [{ "a": 1 }] }))
        .await;
    let task_id = task["task_id"].as_str().expect("an id");
    let sql = "SELECT expires_at - finished_at AS kept FROM tasks WHERE task_id = $1";
    let rows = app.database().query(sql, &[task_id.into()]).await;
    let kept: i64 = rows.expect("it is read")[0].get("kept").expect("a time");
    let days = 3 * 86_400_000;
    assert!((days - 10_000..=days + 10_000).contains(&kept), "{kept} ms");
    let url = project.file_url(task_id).await;
    outlive(&app, task_id).await;
    let task = project
        .wait_for_task(task_id, "it expires", |task| task["status"] == "expired")
        .await;
    assert_eq!(task["result"]["rows"], 1, "what it was is still known");
    assert_eq!(app.anonymous().get(&url).await.status, 410);
    assert_eq!(project.file_of_task(task_id).await.status, 410);
    eventually("the file is gone", PATIENCE, async || {
        let files = tests::files_under(&app.data());
        let is_gone = |path: &std::path::PathBuf| path.extension().is_none_or(|it| it != "csv");
        files.iter().all(is_gone).then_some(())
    })
    .await;
}

async fn statuses(project: &Caller<'_>) -> Vec<String> {
    let list = project.tasks("?kind=export").await.ok();
    let items = list["items"].as_array().expect("a list");
    let status = |task: &Value| task["status"].as_str().expect("a status").to_owned();
    items.iter().map(status).collect()
}

#[tokio::test]
async fn a_project_runs_no_more_at_once_than_it_may_and_holds_nobody_up() {
    let business = Business::start().await;
    let app = app_for(&business);
    let host = business.host();
    let project = app
        .project_within("two", &[&host], &["--max-tasks", "2"])
        .await;
    let other = app.project("other", &[&host]).await;
    let url = business.source("stuck", 100, Manners::Waits { at_page: 0 });
    let body = json!({ "name": "n", "source_url": url });
    for _ in 0..4 {
        project.submit_export(&body).await;
    }
    eventually("two wait at the source", PATIENCE, async || {
        (business.asked("stuck").len() == 2).then_some(())
    })
    .await;
    // Whatever the worker has time for, it is not a third one.
    other
        .exported(&json!({ "name": "n", "source_data": [{ "a": 1 }] }))
        .await;
    let mut now = statuses(&project).await;
    now.sort();
    assert_eq!(now, ["queued", "queued", "running", "running"]);
    for done in 1..=4 {
        business.go_on();
        eventually("one more is done", PATIENCE, async || {
            let now = statuses(&project).await;
            let count = |status: &str| now.iter().filter(|it| *it == status).count();
            assert!(count("running") <= 2, "{now:?}");
            (count("succeeded") >= done).then_some(())
        })
        .await;
    }
    assert_eq!(business.asked("stuck").len(), 4);
}

#[tokio::test]
async fn a_callback_that_hangs_holds_up_neither_exports_nor_other_callbacks() {
    let business = Business::start().await;
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let deaf = deaf.expect("a port").local_addr().expect("its address");
    // Takes connections and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let hanging = listener.local_addr().expect("its address").to_string();
    let app = crate::sqlite()
        .allow(&business.host())
        .allow(&hanging)
        .allow(&deaf.to_string())
        .start();
    let hosts = [business.host(), hanging.clone(), deaf.to_string()];
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let project = app.project("exports", &hosts).await;
    let rows = json!([{ "a": 1 }]);
    // What it takes where nobody hangs.
    let alone = heard(&business, &project, "alone").await;
    for callback in [format!("http://{hanging}/"), format!("http://{deaf}/")] {
        for _ in 0..5 {
            let body = json!({ "name": "n", "source_data": rows, "callback": callback });
            project.exported(&body).await;
        }
    }
    let took = heard(&business, &project, "heard").await;
    assert!(
        took < 3 * alone + Duration::from_secs(8),
        "{took:?} instead of {alone:?}: a hanging one may take as long"
    );
}

/// How long an export takes from its submission to its callback.
async fn heard(business: &Business, project: &Project<'_>, name: &str) -> Duration {
    let callback = business.callback_url(name);
    let body = json!({ "name": "n", "source_data": [{ "a": 1 }], "callback": callback });
    let started = Instant::now();
    project.exported(&body).await;
    eventually("the callback", PATIENCE, async || {
        (business.told(name).len() == 1).then_some(())
    })
    .await;
    started.elapsed()
}

#[tokio::test]
async fn of_many_cancels_at_once_each_is_answered_and_the_end_is_told_once() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("slow", 100_000, Manners::Slow(50));
    let body = json!({ "name": "n", "source_url": url, "step": 100, "callback": business.callback_url("end") });
    let task_id = project.submit_export(&body).await;
    eventually("it runs", PATIENCE, async || {
        (!business.asked("slow").is_empty()).then_some(())
    })
    .await;
    let cancels = (0..8).map(|_| project.cancel(&task_id));
    for answer in futures_util::future::join_all(cancels).await {
        assert!(matches!(answer.status, 200 | 409), "{answer:?}");
    }
    assert_eq!(project.finished(&task_id).await["status"], "cancelled");
    let next =
        json!({ "name": "n", "source_data": [{}], "callback": business.callback_url("next") });
    project.exported(&next).await;
    eventually("the next callback", PATIENCE, async || {
        (business.told("next").len() == 1 && !business.told("end").is_empty()).then_some(())
    })
    .await;
    assert_eq!(business.told("end").len(), 1);
}
