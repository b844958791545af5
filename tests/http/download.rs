//! `POST /api/v1/download`, and the main job end to end.

use crate::{reaching, sqlite};
use tests::{TestApp, clip, media};

async fn the_main_job(app: &TestApp) {
    let shelf = media().shelf();
    let user = app.user().await;
    let url = shelf.url("clip.mp4");
    let parsed = user.parse(&url).await.ok();
    assert_eq!(
        parsed["formats"].as_array().map(Vec::len),
        Some(1),
        "{parsed}"
    );

    let (task_id, history_id) = user.submit(&url).await;
    let seen = user
        .progress(Some(&task_id))
        .await
        .until(|task| task["status"] == "succeeded")
        .await;
    let percents: Vec<f64> = seen
        .iter()
        .map(|task| task["progress"]["percent"].as_f64().expect("a number"))
        .collect();
    assert!(percents.is_sorted(), "{percents:?}");
    assert_eq!(percents.last(), Some(&100.0));

    let task = user.succeeded(&task_id).await;
    let result = &task["result"];
    assert_eq!(result["file_size"], clip().bytes.len(), "{task:#}");
    assert_eq!(result["md5"], clip().md5);
    assert_eq!(result["sha256"], clip().sha256);
    assert_eq!(task["attempt"], 1);

    let file = user.file_of_history(&history_id).await;
    assert_eq!(file.status, 200, "{file}");
    assert!(file.body == clip().bytes, "the file differs from the clip");

    let url = user.file_url(&task_id).await;
    let file = app.anonymous().get(&url).await;
    assert_eq!(file.status, 200, "{file}");
    assert!(file.body == clip().bytes, "the file differs from the clip");
}

#[tokio::test]
async fn a_url_becomes_a_watched_task_and_then_the_same_file_on_sqlite() {
    the_main_job(&sqlite().start()).await;
}

#[tokio::test]
async fn a_url_becomes_a_watched_task_and_then_the_same_file_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        the_main_job(&reaching(builder).start()).await;
    }
}
