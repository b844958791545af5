//! Subtitles and the thumbnail, kept beside the file, and chapters in it (VA-2).

use crate::{shared, sqlite};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::path::Path;
use std::process::Command;
use tests::{PATIENCE, User, clip, eventually, ffmpeg, files_under, media};

/// A finished download with English, German and French subtitles and the thumbnail asked for.
async fn finished(user: &User<'_>, name: &str, mode: &str) -> Value {
    let body = json!({
        "url": media().shelf().url(name), "mode": mode, "quality": "240p",
        "subtitles": ["en", "de", "fr"], "thumbnail": true,
    });
    let data = user.download_with(&body).await.ok_with(202);
    user.succeeded(data["task_id"].as_str().expect("an id"))
        .await
}

fn id(task: &Value) -> &str {
    task["task_id"].as_str().expect("an id")
}

fn extras(task: &Value) -> Vec<&Value> {
    let extras = task["result"]["extras"].as_array();
    extras.into_iter().flatten().collect()
}

#[tokio::test]
async fn subtitles_and_the_thumbnail_are_delivered_beside_the_file() {
    let (user, stranger) = (shared().user().await, shared().user().await);
    for mode in ["quick_download", "archive"] {
        let task = finished(&user, "film", mode).await;
        let [subtitles, thumbnail] = extras(&task)[..] else {
            panic!("{task:#}");
        };
        assert_eq!(subtitles["kind"], "subtitles", "{task:#}");
        assert_eq!(subtitles["language"], "en");
        let main = task["result"]["file_name"].as_str().expect("a name");
        let stem = main.strip_suffix(".mp4").expect("its extension");
        assert_eq!(subtitles["file_name"], format!("{stem}.en.vtt"));
        assert_eq!(thumbnail["kind"], "thumbnail");
        assert_eq!(thumbnail["file_name"], format!("{stem}.jpg"));
        assert_eq!(thumbnail.get("language"), None);

        let whole = user.file_of_task(id(&task)).await;
        let mut tags = vec![whole.header("etag").to_owned()];
        for (extra, kind, start) in [
            (subtitles, "text/vtt; charset=utf-8", &b"WEBVTT"[..]),
            (thumbnail, "image/jpeg", b"\xFF\xD8\xFF"),
        ] {
            let name = extra["file_name"].as_str().expect("a name");
            let data = user.sign_named(id(&task), name).await.ok();
            let url = data["url"].as_str().expect("a URL").to_owned();
            let answer = shared().anonymous().get(&url).await;
            assert_eq!(answer.status, 200, "{answer}");
            assert_eq!(answer.header("content-type"), kind);
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert!(answer.body.starts_with(start), "{answer}");
            assert_eq!(extra["file_size"], answer.body.len());
            let sha256 = hex::encode(sha2::Sha256::digest(&answer.body));
            assert_eq!(extra["sha256"], sha256.as_str());
            tags.push(answer.header("etag").to_owned());
            stranger.sign_named(id(&task), name).await.refused(40301);
        }
        tags.dedup();
        assert_eq!(tags.len(), 3, "{tags:?}");

        user.sign_named(id(&task), &format!("{stem}.de.vtt"))
            .await
            .refused(40401);
        user.sign_named(id(&task), main).await.ok();
    }
}

#[tokio::test]
async fn subtitles_in_a_playlist_are_kept_too() {
    let user = shared().user().await;
    let task = finished(&user, "ladder/main.m3u8", "quick_download").await;
    let [subtitles] = extras(&task)[..] else {
        panic!("{task:#}");
    };
    let name = subtitles["file_name"].as_str().expect("a name");
    let data = user.sign_named(id(&task), name).await.ok();
    let url = data["url"].as_str().expect("a URL").to_owned();
    let answer = shared().anonymous().get(&url).await;
    let text = String::from_utf8_lossy(&answer.body);
    assert!(
        text.starts_with("WEBVTT") && text.contains("Wind over the sea"),
        "{text}"
    );
}

#[tokio::test]
async fn what_the_site_has_not_got_fails_nothing() {
    let user = shared().user().await;
    for name in ["clip.mp4", "unpictured"] {
        let task = finished(&user, name, "archive").await;
        assert_eq!(task["result"].get("extras"), None, "{task:#}");
        assert_eq!(task["result"]["sha256"], clip().sha256);
    }
    let plain = json!({ "url": media().shelf().url("film"), "mode": "archive", "quality": "240p" });
    let data = user.download_with(&plain).await.ok_with(202);
    let task = user
        .succeeded(data["task_id"].as_str().expect("an id"))
        .await;
    assert_eq!(task["result"].get("extras"), None, "{task:#}");
}

/// The chapters of a file as ffmpeg reads them: start and end in milliseconds, title.
fn chapters_of(file: &Path) -> Vec<(f64, f64, String)> {
    let output = Command::new(ffmpeg())
        .args(["-loglevel", "error", "-i"])
        .arg(file)
        .args(["-f", "ffmetadata", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let chapter = |block: &str| {
        let of = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let base = of("TIMEBASE=1/").and_then(|base| base.parse::<f64>().ok());
        let at = |name: &str| Some(of(name)?.parse::<f64>().ok()? * 1000.0 / base?);
        Some((at("START=")?, at("END=")?, of("title=")?.to_owned()))
    };
    let blocks = text.split("[CHAPTER]").skip(1);
    blocks
        .map(|block| chapter(block).unwrap_or_else(|| panic!("{text}")))
        .collect()
}

#[tokio::test]
async fn chapters_are_embedded_only_where_that_is_asked_for() {
    let user = shared().user().await;
    let expected = [
        (0.0, 2000.0, "Ebb"),
        (2000.0, 4000.0, "Slack"),
        (4000.0, 6000.0, "Flood"),
    ];
    let expected = expected.map(|(start, end, title)| (start, end, title.to_owned()));
    for metadata in [false, true] {
        let url = media().shelf().url("chapters");
        let body = json!({ "url": url, "mode": "archive", "metadata": metadata });
        let data = user.download_with(&body).await.ok_with(202);
        let task_id = data["task_id"].as_str().expect("an id");
        user.succeeded(task_id).await;
        let file = shared().data().join(format!("{task_id}.chapters.mp4"));
        std::fs::write(&file, user.file_of_task(task_id).await.body).expect("a file");
        let found = chapters_of(&file);
        match metadata {
            true => assert_eq!(found, expected),
            false => assert_eq!(found, []),
        }
    }
}

#[tokio::test]
async fn what_lies_beside_a_file_stays_and_goes_with_it() {
    let app = sqlite()
        .config("media = { quick_ttl_s = 1, clean_interval_s = 1 }")
        .start();
    let user = app.user().await;
    let archived = finished(&user, "film", "archive").await;
    let names = || -> Vec<String> {
        let files = files_under(&app.data().join("archive"));
        let names = files.iter().filter_map(|file| file.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    };
    let main = archived["result"]["file_name"].as_str().expect("a name");
    let stem = main.strip_suffix(".mp4").expect("its extension");
    let stem = format!("{stem}_{}", id(&archived));
    let kept = [".en.vtt", ".jpg", ".mp4"].map(|suffix| format!("{stem}{suffix}"));
    assert_eq!(names(), kept);

    // A sweep takes what expires, and leaves alone what does not.
    let body = json!({
        "url": media().shelf().url("film"), "mode": "quick_download", "subtitles": ["en"],
    });
    let data = user.download_with(&body).await.ok_with(202);
    let quick = data["task_id"].as_str().expect("an id");
    user.wait_for_task(quick, "it expires", |task| task["status"] == "expired")
        .await;
    eventually("the quick download is gone", PATIENCE, async || {
        files_under(&app.data().join("tmp"))
            .is_empty()
            .then_some(())
    })
    .await;
    assert_eq!(names(), kept);

    user.delete_task(id(&archived)).await.ok();
    eventually("the archive is gone", PATIENCE, async || {
        names().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_for_a_url_may_have_a_body_and_it_must_fit() {
    let user = shared().user().await;
    let task = finished(&user, "clip.mp4", "archive").await;
    let path = format!("/api/v1/tasks/{}/url", id(&task));
    user.post(&path, &json!({})).await.ok();
    user.post(&path, &json!({ "file_name": null })).await.ok();
    user.post(&path, &json!({ "file_name": 7 }))
        .await
        .refused(40001);
    user.post(&path, &json!(["clip.mp4"])).await.refused(40001);
    user.post(&path, &json!({ "file_name": "../../keys.toml" }))
        .await
        .refused(40401);
    let other = user.send(reqwest::Method::POST, &path, |request| {
        request
            .header("content-type", "text/plain")
            .body("clip.mp4")
    });
    other.await.refused(41501);
}
