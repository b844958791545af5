//! `kill -9` at the worst moments (PF-10, VA-3).

use crate::{processes_in, sqlite};
use tests::{PATIENCE, Shelf, TestApp, clip, eventually, files_under, media};

#[tokio::test]
async fn a_download_goes_on_where_the_killed_worker_left_it() {
    let mut app = sqlite().start();
    let shelf = media().shelf();
    let token = {
        let user = app.user().await;
        user.token().to_owned()
    };
    let (task_id, _) = app.caller(&token).submit(&shelf.url("crawl.mp4")).await;
    let third = clip().bytes.len() as u64 / 3;
    app.caller(&token)
        .wait_for_task(&task_id, "a third has arrived", |task| {
            task["progress"]["downloaded_bytes"].as_u64() >= Some(third)
        })
        .await;
    app.kill9();
    eventually("the extractor ends with its worker", PATIENCE, async || {
        processes_in(&app).is_empty().then_some(())
    })
    .await;
    let before = shelf.seen_of("crawl.mp4").len();

    shelf.release();
    app.restart();
    let task = app.caller(&token).succeeded(&task_id).await;
    assert_eq!(task["result"]["sha256"], clip().sha256, "{task:#}");
    assert_eq!(task["result"]["file_size"], clip().bytes.len());
    let from = resumed_at(&shelf, before);
    assert!(from >= third / 2, "resumed at {from} of {third} bytes");
}

/// The last byte at which a request for `crawl.mp4` began, of those behind the first `before`.
pub fn resumed_at(shelf: &Shelf, before: usize) -> u64 {
    let ranges = shelf.seen_of("crawl.mp4").split_off(before);
    ranges
        .iter()
        .filter_map(|seen| {
            let first = seen.range.strip_prefix("bytes=")?.strip_suffix('-')?;
            first.parse().ok()
        })
        .max()
        .unwrap_or_else(|| panic!("no Range after the restart: {:?}", shelf.seen()))
}

/// Dies at `point`, starts again, and looks at what there is.
async fn dies_at(point: &str) {
    let builder = sqlite().config("media = { clean_interval_s = 1 }");
    let mut app = builder.env("WHARF_CRASH_AT", point).start();
    let shelf = media().shelf();
    let token = {
        let user = app.user().await;
        user.token().to_owned()
    };
    let (task_id, _) = app.caller(&token).submit(&shelf.url("clip.mp4")).await;
    let status = app.wait_for_end(PATIENCE);
    assert!(!status.success(), "{point}: {status}");

    app.restart_with(&[]);
    let caller = app.caller(&token);
    let task = caller.succeeded(&task_id).await;
    assert_eq!(task["result"]["sha256"], clip().sha256, "{task:#}");
    assert_eq!(task["result"]["md5"], clip().md5);
    assert_eq!(caller.tasks("").await.ok()["total"], 1);
    let file = caller.file_of_task(&task_id).await;
    assert!(file.body == clip().bytes, "{point}: {}", file.status);
    eventually(
        &format!("{point}: exactly one file is left"),
        PATIENCE,
        async || is_clean(&app).then_some(()),
    )
    .await;
}

fn is_clean(app: &TestApp) -> bool {
    let archive = files_under(&app.data().join("archive"));
    files_under(&app.data().join("tmp")).is_empty() && archive.len() == 1
}

#[tokio::test]
async fn a_worker_killed_as_it_starts_a_download_leaves_one_result() {
    dies_at("download:started").await;
}

#[tokio::test]
async fn a_worker_killed_after_hashing_leaves_one_result() {
    dies_at("finish:hashed").await;
}

#[tokio::test]
async fn a_worker_killed_after_renaming_leaves_one_result() {
    dies_at("finish:renamed").await;
}

#[tokio::test]
async fn a_worker_killed_after_recording_leaves_one_result() {
    dies_at("finish:recorded").await;
}

#[tokio::test]
async fn a_worker_killed_while_it_finishes_leaves_the_subtitles_too() {
    for point in ["finish:hashed", "finish:renamed"] {
        let mut app = sqlite().env("WHARF_CRASH_AT", point).start();
        let token = {
            let user = app.user().await;
            user.token().to_owned()
        };
        let body = serde_json::json!({
            "url": media().shelf().url("film"), "mode": "archive", "quality": "240p",
            "subtitles": ["en"], "thumbnail": true,
        });
        let data = app.caller(&token).download_with(&body).await.ok_with(202);
        let task_id = data["task_id"].as_str().expect("an id");
        let status = app.wait_for_end(PATIENCE);
        assert!(!status.success(), "{point}: {status}");

        app.restart_with(&[]);
        let caller = app.caller(&token);
        let task = caller.succeeded(task_id).await;
        let extras = task["result"]["extras"].as_array().expect("a list");
        assert_eq!(extras.len(), 2, "{point}: {task:#}");
        for extra in extras {
            let name = extra["file_name"].as_str().expect("a name");
            let data = caller.sign_named(task_id, name).await.ok();
            let url = data["url"].as_str().expect("a URL");
            let answer = app.anonymous().get(url).await;
            assert_eq!(answer.status, 200, "{point}: {answer}");
            assert_eq!(extra["file_size"], answer.body.len());
        }
        assert_eq!(files_under(&app.data().join("archive")).len(), 3, "{point}");
        eventually("nothing is left of the work", PATIENCE, async || {
            let left = files_under(&app.data().join("tmp"));
            left.is_empty().then_some(())
        })
        .await;
    }
}
