//! The disk fills up (VA-13), and disk and rows disagree.

use crate::sqlite;
use serde_json::json;
use std::path::{Path, PathBuf};
use tests::{PATIENCE, Seen, TestApp, eventually, files_under, media, unique};

/// A file that stands in for the file system: percent in use and bytes in all.
struct StandIn(PathBuf);

impl StandIn {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("wharf-disk-{}", unique()));
        let disk = Self(path);
        disk.set("50");
        disk
    }

    fn set(&self, text: &str) {
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, text).expect("the stand-in");
        std::fs::rename(fresh, &self.0).expect("the stand-in");
    }

    fn start(&self) -> TestApp {
        let path = self.0.to_str().expect("a plain path");
        sqlite().env("WHARF_DISK_USAGE_FILE", path).start()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn new_tasks_wait_while_the_disk_is_full() {
    let disk = StandIn::new();
    disk.set("96");
    let app = disk.start();
    eventually("the worker has looked", PATIENCE, async || {
        app.log().contains("new tasks wait").then_some(())
    })
    .await;
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.parse(&shelf.url("clip.mp4")).await.ok();
    let task = user.task(&task_id).await.ok();
    assert_eq!(task["status"], "queued", "{task:#}");
    disk.set("60");
    user.succeeded(&task_id).await;
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_loses_its_oldest_quick_downloads_and_no_archive() {
    let disk = StandIn::new();
    let app = disk.start();
    let shelf = media().shelf();
    let user = app.user().await;
    let mut quick = Vec::new();
    for n in 0..2 {
        let url = shelf.url(&format!("{n}.clip.mp4"));
        let body = json!({ "url": url, "mode": "quick_download" });
        let data = user.download_with(&body).await.ok_with(202);
        let task_id = data["task_id"].as_str().expect("an id").to_owned();
        user.succeeded(&task_id).await;
        quick.push(task_id);
    }
    let archived = json!({ "url": shelf.url("a.clip.mp4"), "mode": "archive" });
    let data = user.download_with(&archived).await.ok_with(202);
    let archive = data["task_id"].as_str().expect("an id").to_owned();
    let kept = user.succeeded(&archive).await;
    disk.set("86");
    eventually("a warning", PATIENCE, async || {
        app.log().contains("it is filling up").then_some(())
    })
    .await;
    assert_eq!(user.task(&quick[0]).await.ok()["status"], "succeeded");
    // One percent of this disk is less than a clip: a single file brings the usage down.
    disk.set("90 1000000");
    let folder = app.data().join("tmp").join(&quick[0]);
    eventually("room is made", PATIENCE, async || {
        let task = user.task(&quick[0]).await.ok();
        (task["status"] == "expired" && !folder.exists()).then_some(())
    })
    .await;
    assert_eq!(user.file_of_task(&quick[0]).await.status, 410);
    // No more than that one at a look.
    let relief = eventually("it is said", PATIENCE, async || {
        let log = app.log();
        let relief = log.lines().find(|line| line.contains("before their time"));
        relief.map(str::to_owned)
    });
    let relief = relief.await;
    assert!(relief.contains("\"files\":1,"), "{relief}");
    disk.set("50");
    let file = user.file_of_task(&archive).await;
    assert_eq!(
        (file.status, file.body.len() as u64),
        (
            200_u16,
            kept["result"]["file_size"].as_u64().expect("a size")
        )
    );
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_loses_what_dead_letters_downloaded_before_anything_else() {
    let disk = StandIn::new();
    let app = disk.start();
    let shelf = media().shelf();
    let user = app.user().await;
    let body = json!({ "url": shelf.url("clip.mp4"), "mode": "quick_download" });
    let data = user.download_with(&body).await.ok_with(202);
    let quick = data["task_id"].as_str().expect("an id");
    user.succeeded(quick).await;
    let (letter, _) = user.submit(&shelf.url("truncated.mp4")).await;
    assert_eq!(user.finished(&letter).await["status"], "dead");
    let parts = || files_under(&app.data().join("tmp").join(&letter).join("work"));
    let kept: u64 = parts().iter().map(|part| bytes_of(part)).sum();
    // Five percent of this disk are to go, which is less than the letter's half of a clip.
    assert!(kept > 50_000, "{:?}", parts());
    disk.set("90 1000000");
    eventually("room is made", PATIENCE, async || {
        let is_made = app.log().contains("removed what dead letters");
        (is_made && parts().is_empty()).then_some(())
    })
    .await;
    disk.set("50");
    let log = app.log();
    let of = |text: &str| log.find(text).unwrap_or(usize::MAX);
    assert!(
        of("removed what dead letters") < of("before their time"),
        "{log}"
    );

    // The replay finds nothing to continue: it asks as the first attempt did, from the start.
    let seen = shelf.seen_of("truncated.mp4");
    let admin = app.admin().await;
    let replay = format!("/admin/api/v1/dead-letters/{letter}/replay");
    admin.post(&replay, &json!({})).await.ok();
    assert_eq!(user.finished(&letter).await["status"], "dead");
    let again = &shelf.seen_of("truncated.mp4")[seen.len()..];
    assert!(from_the_start(again) > 0, "it was not asked for again");
    assert_eq!(from_the_start(again), from_the_start(&seen), "{again:?}");
}

/// Requests before the first that continues a part.
fn from_the_start(seen: &[Seen]) -> usize {
    let continued = seen.iter().position(|request| !request.range.is_empty());
    continued.unwrap_or(seen.len())
}

fn bytes_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

#[tokio::test]
async fn files_without_row_and_rows_without_file_are_reported_and_left_alone() {
    let app = sqlite().config("media = { clean_interval_s = 1 }").start();
    let shelf = media().shelf();
    let user = app.user().await;
    let archived = json!({ "url": shelf.url("a.clip.mp4"), "mode": "archive" });
    let data = user.download_with(&archived).await.ok_with(202);
    let task_id = data["task_id"].as_str().expect("an id").to_owned();
    user.succeeded(&task_id).await;
    let archive = app.data().join("archive");
    let file = files_under(&archive).pop().expect("the archive's file");
    let stray = archive.join("somebody/20260101/a stray file.mp4");
    std::fs::create_dir_all(stray.parent().expect("a folder")).expect("the folder");
    std::fs::write(&stray, "left here").expect("the stray file");
    std::fs::rename(&file, app.data().join("elsewhere")).expect("the file goes");
    let admin = app.admin().await;
    let findings = eventually("both are found", PATIENCE, async || {
        let findings = admin.get("/admin/api/v1/findings").await.ok();
        (findings["total"] == 2).then_some(findings)
    })
    .await;
    let text = findings.to_string();
    assert!(
        text.contains("a stray file.mp4") && text.contains("file_without_row"),
        "{text}"
    );
    assert!(
        text.contains(&task_id) && text.contains("row_without_file"),
        "{text}"
    );
    assert!(stray.exists(), "it was removed");
    std::fs::rename(app.data().join("elsewhere"), &file).expect("the file comes back");
    std::fs::remove_file(&stray).expect("the stray file goes");
    eventually("nothing is found any more", PATIENCE, async || {
        let findings = admin.get("/admin/api/v1/findings").await.ok();
        (findings["total"] == 0).then_some(())
    })
    .await;
}
