//! Two workers on one database and one data folder, of which one dies (VA-3, VA-12).

use crate::crash::resumed_at;
use crate::{processes_in, sqlite};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tests::{Builder, PATIENCE, TestApp, clip, eventually, media};

/// How often a worker cleans up, and how long the duty is its own without being taken again.
const CLEAN: &str = "media = { clean_interval_s = 5, quick_ttl_s = 1 }";

/// Whether this worker has started one of the extractors that run.
fn downloads(front: &TestApp, worker: &TestApp) -> bool {
    let parent_of = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name: state, parent.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        parent.parse::<u32>().ok()
    };
    let running = processes_in(front);
    running
        .iter()
        .filter_map(parent_of)
        .any(|parent| parent == worker.pid())
}

async fn one_dies_and_the_other_goes_on(builder: Builder) {
    let [good, _] = media().addresses();
    let front = builder
        .config("queue = { lease_s = 2 }")
        .config(CLEAN)
        .allow(&good)
        .command("serve")
        .start();
    let shelf = media().shelf();
    let user = front.user().await;
    // Alone it has the duty of cleaning, and the download.
    let mut first = TestApp::sqlite().command("work").start_beside(&front);
    let (task_id, _) = user.submit(&shelf.url("crawl.mp4")).await;
    eventually("the first worker downloads", PATIENCE, async || {
        downloads(&front, &first).then_some(())
    })
    .await;
    let second = TestApp::sqlite().command("work").start_beside(&front);
    let third = clip().bytes.len() as u64 / 3;
    user.wait_for_task(&task_id, "a third has arrived", |task| {
        task["progress"]["downloaded_bytes"].as_u64() >= Some(third)
    })
    .await;
    assert!(!downloads(&front, &second), "both work on one task");
    let before = shelf.seen_of("crawl.mp4").len();
    first.kill9();
    shelf.release();
    let task = user.succeeded(&task_id).await;
    assert_eq!(task["result"]["sha256"], clip().sha256, "{task:#}");
    assert_eq!(task["attempt"], 1, "the death used up a try: {task:#}");
    let from = resumed_at(&shelf, before);
    assert!(from >= third / 2, "resumed at {from} of {third} bytes");

    // What is done now expires, and nobody is left but the second worker to remove it.
    let body = json!({ "url": shelf.url("clip.mp4"), "mode": "quick_download" });
    let data = user.download_with(&body).await.ok_with(202);
    let quick = data["task_id"].as_str().expect("an id");
    user.wait_for_task(quick, "it expires", |task| task["status"] == "expired")
        .await;
    let folder = front.data().join("tmp").join(quick);
    eventually("its file is gone", PATIENCE, async || {
        (!folder.exists()).then_some(())
    })
    .await;
    drop(second);
}

#[tokio::test]
async fn a_deleted_tasks_folder_is_left_to_the_worker_that_is_in_it() {
    let front = sqlite().command("serve").start();
    let shelf = media().shelf();
    let user = front.user().await;
    let first = TestApp::sqlite().command("work").start_beside(&front);
    let submit = async |name: &str| {
        let body = json!({ "url": shelf.url(name), "mode": "quick_download" });
        let data = user.download_with(&body).await.ok_with(202);
        data["task_id"].as_str().expect("an id").to_owned()
    };
    let done = submit("clip.mp4").await;
    user.succeeded(&done).await;
    let running = submit("slow.mp4").await;
    user.wait_for_task(&running, "bytes have arrived", |task| {
        task["progress"]["downloaded_bytes"].as_u64() > Some(0)
    })
    .await;
    // It notices nothing for a while, as on a machine that stands still.
    let pid = Pid::from_raw(i32::try_from(first.pid()).expect("a process id"));
    kill(pid, Signal::SIGSTOP).expect("it stands still");
    let second = TestApp::sqlite().command("work").start_beside(&front);
    user.delete_task(&running).await.ok();
    user.delete_task(&done).await.ok();
    let folder = |task_id: &str| front.data().join("tmp").join(task_id);
    eventually("the other task's file is gone", PATIENCE, async || {
        (!folder(&done).exists()).then_some(())
    })
    .await;
    assert!(folder(&running).join(".lock").exists());
    kill(pid, Signal::SIGCONT).expect("it goes on");
    eventually("this one's is gone too", PATIENCE, async || {
        (!folder(&running).exists()).then_some(())
    })
    .await;
    drop(second);
}

#[tokio::test]
async fn the_other_worker_goes_on_where_the_killed_one_was_and_cleans_up_on_sqlite() {
    one_dies_and_the_other_goes_on(sqlite()).await;
}

#[tokio::test]
async fn the_other_worker_goes_on_where_the_killed_one_was_and_cleans_up_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        one_dies_and_the_other_goes_on(builder).await;
    }
}
