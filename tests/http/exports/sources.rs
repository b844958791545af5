//! Sources that misbehave: each ends with a complete file or with a failure that has a name.

use super::{app_for, csv_of, file_of};
use serde_json::{Value, json};
use tests::{Business, Caller, Manners};

async fn ended(project: &Caller<'_>, url: &str, more: Value) -> Value {
    let mut body = json!({ "name": "n", "source_url": url, "step": 100 });
    body.as_object_mut()
        .expect("an object")
        .extend(more.as_object().cloned().unwrap_or_default());
    let task_id = project.submit_export(&body).await;
    project.finished(&task_id).await
}

#[tokio::test]
async fn every_way_of_counting_gives_the_same_file() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    for (name, manners) in [
        ("good", Manners::Good),
        ("bare", Manners::Bare),
        ("cursors", Manners::Cursors),
        ("uncounted", Manners::Uncounted),
        (
            "flaky",
            Manners::Fails {
                status: 503,
                times: 2,
            },
        ),
        ("slow", Manners::Slow(50)),
    ] {
        let url = business.source(name, 350, manners);
        let task = ended(&project, &url, json!({})).await;
        assert_eq!(task["status"], "succeeded", "{name}: {task:#}");
        let text = String::from_utf8(file_of(&project, &task).await).unwrap();
        assert_eq!(text, csv_of(350), "{name}");
    }
    let cursors = business.asked("cursors");
    assert_eq!(cursors[0].query.get("cursor"), None);
    assert_eq!(cursors[3].query["cursor"], "after-3");
}

#[tokio::test]
async fn a_source_that_contradicts_itself_fails_the_task_and_says_how() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let inward = format!("http://169.254.169.254/{}", tests::unique());
    for (name, manners, reason) in [
        ("more", Manners::Miscounts(10), "rows_missing"),
        ("less", Manners::Miscounts(-10), "rows_surplus"),
        ("repeats", Manners::Repeats(1), "page_repeats"),
        ("shrinks", Manners::Shrinks, "total_shrinks"),
        ("stops", Manners::Stops { after_page: 1 }, "rows_missing"),
        ("redirects", Manners::Redirects(inward), "source_redirects"),
        (
            "refuses",
            Manners::Fails {
                status: 404,
                times: 99,
            },
            "source_status",
        ),
        ("wrong", Manners::Says("<html>".to_owned()), "source_shape"),
        (
            "fails",
            Manners::Says(r#"{"status":500,"msg":"x"}"#.to_owned()),
            "source_status",
        ),
        (
            "numbers",
            Manners::Says(r#"{"data":[1,2],"total":2}"#.to_owned()),
            "source_shape",
        ),
    ] {
        let url = business.source(name, 350, manners);
        let task = ended(&project, &url, json!({})).await;
        assert_eq!(task["status"], "failed", "{name}: {task:#}");
        assert_eq!(task["error"]["code"], 42201, "{name}: {task:#}");
        assert_eq!(task["error"]["reason"], reason, "{name}: {task:#}");
        assert!(
            task["error"]["message"]
                .as_str()
                .is_some_and(|it| it.ends_with(['.', '?']))
        );
        assert_eq!(task["result"], Value::Null);
    }
    // No redirect was followed, no page asked for twice that had come.
    assert_eq!(business.asked("redirects").len(), 1);
    assert_eq!(business.asked("repeats").len(), 3);
}

#[tokio::test]
async fn a_source_that_never_ends_meets_the_projects_limit() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app
        .project_within("exports", &[&business.host()], &["--max-rows", "1000"])
        .await;
    let url = business.source("endless", 0, Manners::NeverEnds);
    let task = ended(&project, &url, json!({})).await;
    assert_eq!(task["error"]["reason"], "too_many_rows", "{task:#}");
    let url = business.source("large", 1001, Manners::Good);
    let task = ended(&project, &url, json!({})).await;
    assert_eq!(task["error"]["reason"], "too_many_rows", "{task:#}");
    assert_eq!(
        business.asked("large").len(),
        1,
        "the total says it at once"
    );
}

#[tokio::test]
async fn a_page_of_ten_megabytes_is_taken_and_one_beyond_the_limit_refused() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("wide", 100, Manners::Wide(90_000));
    let task = ended(&project, &url, json!({})).await;
    assert_eq!(task["status"], "succeeded", "{task:#}");
    let url = business.source("wider", 100, Manners::Wide(300_000));
    let task = ended(&project, &url, json!({})).await;
    assert_eq!(task["error"]["reason"], "page_too_large", "{task:#}");
}

#[tokio::test]
async fn a_source_that_is_down_is_tried_until_the_tries_are_spent() {
    let business = Business::start().await;
    let app = crate::sqlite()
        .allow(&business.host())
        .config("queue = { backoff_initial_ms = 10, backoff_max_ms = 20, max_retries = 1 }")
        .start();
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source(
        "down",
        10,
        Manners::Fails {
            status: 500,
            times: 99,
        },
    );
    let task = ended(&project, &url, json!({})).await;
    assert_eq!(task["status"], "dead", "{task:#}");
    assert_eq!(task["attempt"], 2);
    assert_eq!(task["error"]["reason"], "source_status");
    // Three tries an attempt.
    assert_eq!(business.asked("down").len(), 6);
    // Replayed when it is well again, by an admin.
    business.source("down", 10, Manners::Good);
    let admin = app.admin().await;
    let letters = admin.get("/admin/api/v1/dead-letters").await.ok();
    assert_eq!(letters["items"][0]["source"], url.as_str());
    let task_id = task["task_id"].as_str().unwrap();
    let path = format!("/admin/api/v1/dead-letters/{task_id}/replay");
    admin.post(&path, &json!({})).await.ok();
    project.succeeded(task_id).await;
}

#[tokio::test]
async fn an_export_that_takes_too_long_is_ended() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("stuck", 350, Manners::Waits { at_page: 2 });
    let task = ended(&project, &url, json!({ "max_exec_time": 1 })).await;
    assert_eq!(task["status"], "failed", "{task:#}");
    assert_eq!(task["error"]["reason"], "timeout");
}

#[tokio::test]
async fn a_file_beyond_the_projects_bytes_is_refused() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app
        .project_within("exports", &[&business.host()], &["--max-bytes", "10000"])
        .await;
    let url = business.source("orders", 1000, Manners::Good);
    let task = ended(&project, &url, json!({})).await;
    assert_eq!(task["error"]["code"], 41301, "{task:#}");
    assert_eq!(task["error"]["reason"], "file_too_large");
}

#[tokio::test]
async fn one_source_serves_several_tables() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("both", 0, Manners::Tables(vec![150, 20]));
    let task = ended(
        &project,
        &url,
        json!({ "multi_type": "page", "title": ["first", "second"] }),
    )
    .await;
    assert_eq!(task["status"], "succeeded", "{task:#}");
    assert_eq!(task["result"]["rows"], 170);
    let tables: Vec<String> = business
        .asked("both")
        .iter()
        .map(|it| it.query["_table"].clone())
        .collect();
    assert_eq!(tables, ["0", "0", "1"]);
    let text = String::from_utf8(file_of(&project, &task).await).unwrap();
    assert!(text.starts_with("first\r\namount,"), "{text}");
    assert!(text.contains("\r\nsecond\r\namount,"), "{text}");
}
