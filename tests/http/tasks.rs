//! `/api/v1/tasks/…` and `/api/v1/user/history`: reading, listing, cancelling, deleting.

use crate::{UNKNOWN_ID, shared, sqlite};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tests::{Caller, PATIENCE, TestApp, eventually, files_under, media};

/// What is no task id, as path segments.
const NO_IDS: [&str; 6] = ["x", "1", "0197f3a0", "%00", "..%2f..%2fetc", "null"];

#[tokio::test]
async fn a_task_shows_its_whole_life() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let (task_id, history_id) = user.submit(&shelf.url("clip.mp4")).await;
    let task = user.succeeded(&task_id).await;
    assert_eq!(task["task_id"], task_id.as_str());
    assert_eq!(task["kind"], "video");
    assert_eq!(task["error"], Value::Null);
    assert_eq!(task["progress"]["percent"], 100.0);
    assert_eq!(task["result"]["file_name"], "clip.mp4");
    let time = |name: &str| task[name].as_str().expect("a time").to_owned();
    let (created, started, finished) =
        (time("created_at"), time("started_at"), time("finished_at"));
    assert!(created <= started && started <= finished, "{task:#}");
    assert!(created.ends_with('Z'), "{created} is not UTC");

    let history = user.history("").await.ok();
    let entry = &history["items"][0];
    assert_eq!(entry["history_id"], history_id.as_str(), "{history:#}");
    assert_eq!(entry["task_id"], task_id.as_str());
    assert_eq!(entry["status"], 1);
    assert_eq!(entry["title"], "clip");
    assert_eq!(entry["mode"], "archive");
    assert_eq!(entry["file_size"], task["result"]["file_size"]);
}

#[tokio::test]
async fn another_users_task_is_forbidden_and_an_unknown_one_not_found() {
    let shelf = media().shelf();
    let (owner, stranger) = (shared().user().await, shared().user().await);
    let (task_id, history_id) = owner.submit(&shelf.url("clip.mp4")).await;
    owner.succeeded(&task_id).await;

    stranger.task(&task_id).await.refused(40301);
    stranger.cancel(&task_id).await.refused(40301);
    stranger.delete_task(&task_id).await.refused(40301);
    stranger.sign(&task_id).await.refused(40301);
    stranger.file_of_task(&task_id).await.refused(40301);
    stranger.file_of_history(&history_id).await.refused(40301);

    stranger.task(UNKNOWN_ID).await.refused(40401);
    stranger.cancel(UNKNOWN_ID).await.refused(40401);
    stranger.delete_task(UNKNOWN_ID).await.refused(40401);
    stranger.sign(UNKNOWN_ID).await.refused(40401);
    stranger.file_of_task(UNKNOWN_ID).await.refused(40401);
    stranger.file_of_history(UNKNOWN_ID).await.refused(40401);

    for id in NO_IDS {
        stranger.task(id).await.refused(40001);
        stranger.cancel(id).await.refused(40001);
        stranger.delete_task(id).await.refused(40001);
        stranger.sign(id).await.refused(40001);
        stranger.file_of_task(id).await.refused(40001);
        stranger.file_of_history(id).await.refused(40001);
    }
    owner.task(&task_id).await.ok();
}

#[tokio::test]
async fn the_task_routes_need_a_token() {
    let anonymous = shared().anonymous();
    anonymous.tasks("").await.refused(40101);
    anonymous.history("").await.refused(40101);
    anonymous.task(UNKNOWN_ID).await.refused(40101);
    anonymous.cancel(UNKNOWN_ID).await.refused(40101);
    anonymous.delete_task(UNKNOWN_ID).await.refused(40101);
    anonymous.sign(UNKNOWN_ID).await.refused(40101);
    anonymous.file_of_task(UNKNOWN_ID).await.refused(40101);
    anonymous.file_of_history(UNKNOWN_ID).await.refused(40101);
    anonymous.ticket().await.refused(40101);
}

#[tokio::test]
async fn a_list_is_paged_filtered_and_newest_first() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
        user.succeeded(&task_id).await;
        ids.push(task_id);
    }
    let (failed, _) = user.submit(&shelf.url("404.mp4")).await;
    assert_eq!(user.finished(&failed).await["status"], "failed");
    ids.push(failed.clone());

    let page = user.tasks("?page=1&page_size=2").await.ok();
    assert_eq!(
        (&page["total"], &page["page"], &page["page_size"]),
        (&json!(3), &json!(1), &json!(2))
    );
    assert_eq!(page["items"][0]["task_id"], ids[2].as_str(), "{page:#}");
    assert_eq!(page["items"][1]["task_id"], ids[1].as_str());
    let page = user.tasks("?page=2&page_size=2").await.ok();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page:#}");
    let page = user.tasks("?page=9").await.ok();
    assert_eq!((&page["items"], &page["total"]), (&json!([]), &json!(3)));

    let page = user.tasks("?status=failed").await.ok();
    assert_eq!(page["total"], 1, "{page:#}");
    assert_eq!(page["items"][0]["task_id"], failed.as_str());
    assert_eq!(user.tasks("?name=clip").await.ok()["total"], 2);
    assert_eq!(
        user.tasks("?name=%27%20OR%201=1%20--").await.ok()["total"],
        0
    );
    assert_eq!(user.tasks("?kind=export").await.ok()["total"], 0);
    assert_eq!(
        user.tasks("?kind=video&status=succeeded").await.ok()["total"],
        2
    );
    assert_eq!(user.history("?status=0").await.ok()["total"], 1);
    assert_eq!(user.history("?status=1&page_size=1").await.ok()["total"], 2);
    assert_eq!(shared().user().await.tasks("").await.ok()["total"], 0);
}

#[tokio::test]
async fn a_page_is_bounded() {
    let user = shared().user().await;
    user.tasks("?page_size=100").await.ok();
    for list in ["tasks", "history"] {
        let ask = async |query: &str| match list {
            "tasks" => user.tasks(query).await,
            _ => user.history(query).await,
        };
        for size in ["0", "101", "-1", "x", "", "1e2", "99999999999999999999"] {
            ask(&format!("?page_size={size}"))
                .await
                .refused_field("page_size");
        }
        for page in ["0", "-1", "x", "9223372036854775807"] {
            ask(&format!("?page={page}")).await.refused_field("page");
        }
        ask("?status=happy").await.refused_field("status");
    }
    user.tasks("?kind=pdf").await.refused_field("kind");
}

#[tokio::test]
async fn a_running_task_is_cancelled_with_all_its_processes() {
    let app = sqlite().start();
    let user = app.user().await;
    let mut quickest = PATIENCE;
    for _ in 0..3 {
        quickest = quickest.min(cancelled_within(&app, &user).await);
        if quickest < CANCEL_MAX {
            return;
        }
    }
    panic!("the quickest of three took {quickest:?}");
}

/// Cancels a download, and says when its last process was gone after the answer.
async fn cancelled_within(app: &TestApp, user: &Caller<'_>) -> Duration {
    let shelf = media().shelf();
    let (task_id, _) = user.submit(&shelf.url("crawl.mp4")).await;
    user.wait_for_task(&task_id, "bytes have arrived", |task| {
        task["progress"]["downloaded_bytes"].as_u64() > Some(0)
    })
    .await;
    let children = app.pids().into_iter().flat_map(children_of);
    let groups: HashSet<u32> = children.filter_map(group_of).collect();
    let running = living_in(&groups);
    // The extractor and the shell that guards its group.
    assert!(running.len() >= 2, "{running:?} run under the worker");
    let answered = user.cancel(&task_id).await.ok();
    assert_eq!(answered["status"], "cancelled", "{answered:#}");
    let begun = Instant::now();
    eventually("its processes are gone", PATIENCE, async || {
        living_in(&groups).is_empty().then_some(())
    })
    .await;
    let took = begun.elapsed();
    eventually("its files are gone", PATIENCE, async || {
        files_under(&app.data().join("tmp"))
            .is_empty()
            .then_some(())
    })
    .await;
    assert_eq!(user.task(&task_id).await.ok()["status"], "cancelled");
    let again = user.cancel(&task_id).await.ok();
    assert_eq!(again["status"], "cancelled", "{again:#}");
    user.sign(&task_id).await.refused(40901);
    took
}

/// From the answer to a cancellation to the end of the last process of the task (VA-4).
const CANCEL_MAX: Duration = Duration::from_secs(2);

/// The living processes of these groups.
fn living_in(groups: &HashSet<u32>) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| group_of(*pid).is_some_and(|group| groups.contains(&group)))
        .collect()
}

/// The process group of a process that lives.
fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name: state, parent, group. The name may hold anything, a parenthesis too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    let group = fields.nth(1)?.parse().ok()?;
    (!is_dead).then_some(group)
}

/// The process ids of the living children of this process, which the kernel lists by thread.
fn children_of(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

#[tokio::test]
async fn a_finished_task_cannot_be_cancelled() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    user.cancel(&task_id).await.refused(40901);
    assert_eq!(user.task(&task_id).await.ok()["status"], "succeeded");
}

#[tokio::test]
async fn a_deleted_task_is_gone_with_its_file() {
    let app = sqlite().config("media = { clean_interval_s = 1 }").start();
    let user = app.user().await;
    let shelf = media().shelf();
    let (task_id, history_id) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    let url = user.file_url(&task_id).await;
    user.delete_task(&task_id).await.ok();

    user.task(&task_id).await.refused(40401);
    user.file_of_history(&history_id).await.refused(40401);
    assert_eq!(user.history("").await.ok()["total"], 0);
    let answer = app.anonymous().get(&url).await;
    assert!(matches!(answer.status, 404 | 410), "{answer}");
    user.delete_task(&task_id).await.refused(40401);
    eventually("the file is gone", PATIENCE, async || {
        files_under(&app.data().join("archive"))
            .is_empty()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_history_entry_is_deleted_with_its_task() {
    let shelf = media().shelf();
    let (user, stranger) = (shared().user().await, shared().user().await);
    let (task_id, history_id) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    let path = format!("/api/v1/user/history/{history_id}");
    stranger.delete(&path).await.refused(40301);
    shared().anonymous().delete(&path).await.refused(40101);
    user.delete("/api/v1/user/history/not-an-id")
        .await
        .refused(40001);
    user.delete(&path).await.ok();
    assert_eq!(user.history("").await.ok()["total"], 0);
    user.delete(&path).await.refused(40401);
}

#[tokio::test]
async fn a_running_task_that_is_deleted_stops() {
    let app = sqlite().config("media = { clean_interval_s = 1 }").start();
    let user = app.user().await;
    let shelf = media().shelf();
    let (task_id, _) = user.submit(&shelf.url("slow.mp4")).await;
    user.wait_for_task(&task_id, "it runs", |task| task["status"] == "running")
        .await;
    user.delete_task(&task_id).await.ok();
    user.task(&task_id).await.refused(40401);
    eventually("nothing is left of it", PATIENCE, async || {
        let idle = app
            .pids()
            .into_iter()
            .all(|pid| children_of(pid).is_empty());
        (idle && files_under(&app.data().join("tmp")).is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_quick_download_is_gone_after_its_time() {
    let app = sqlite()
        .config("media = { quick_ttl_s = 1, clean_interval_s = 1 }")
        .start();
    let user = app.user().await;
    let shelf = media().shelf();
    let body = json!({ "url": shelf.url("clip.mp4"), "mode": "quick_download" });
    let data = user.download_with(&body).await.ok_with(202);
    let task_id = data["task_id"].as_str().expect("an id");
    user.wait_for_task(task_id, "it expires", |task| task["status"] == "expired")
        .await;
    user.sign(task_id).await.refused(41001);
    user.file_of_task(task_id).await.refused(41001);
    assert_eq!(user.history("").await.ok()["items"][0]["status"], 2);
    eventually("the file is gone", PATIENCE, async || {
        files_under(&app.data().join("tmp"))
            .is_empty()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn clean_up_leaves_alone_what_no_row_knows() {
    let app = sqlite()
        .config("media = { quick_ttl_s = 1, clean_interval_s = 1 }")
        .start();
    let put = |path: String| {
        let path = app.data().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, "kept").expect("a file");
        path
    };
    let archived = put(format!(
        "archive/{UNKNOWN_ID}/20260101/clip_{UNKNOWN_ID}.mp4"
    ));
    let fresh = put(format!("tmp/{UNKNOWN_ID}/clip.mp4"));
    let old = put(format!("tmp/{UNKNOWN_ID}x/clip.mp4"));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(5 * 24 * 3600);
    for path in [&archived, old.parent().expect("its folder")] {
        let file = std::fs::File::open(path).expect("it is there");
        file.set_modified(long_ago).expect("a new date");
    }
    let user = app.user().await;
    let body = json!({ "url": media().shelf().url("clip.mp4"), "mode": "quick_download" });
    let data = user.download_with(&body).await.ok_with(202);
    let task_id = data["task_id"].as_str().expect("an id");
    user.wait_for_task(task_id, "it expires", |task| task["status"] == "expired")
        .await;
    eventually("what is old and temporary is gone", PATIENCE, async || {
        (!old.exists()).then_some(())
    })
    .await;
    assert!(archived.exists() && fresh.exists());
}

#[tokio::test]
async fn the_statistics_count_what_became_of_the_downloads() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let path = "/api/v1/user/stats";
    let none = json!({ "total": 0, "succeeded": 0, "failed": 0, "bytes": 0 });
    assert_eq!(user.get(path).await.ok(), none);
    for name in ["clip.mp4", "404.mp4"] {
        let (task_id, _) = user.submit(&shelf.url(name)).await;
        user.finished(&task_id).await;
    }
    let bytes = tests::clip().bytes.len();
    let all = json!({ "total": 2, "succeeded": 1, "failed": 1, "bytes": bytes });
    assert_eq!(user.get(path).await.ok(), all);
    shared().anonymous().get(path).await.refused(40101);
}
