//! `POST /api/v1/download`, and the main job end to end.

use crate::{reaching, shared, sqlite};
use reqwest::Method;
use serde_json::json;
use sha2::Digest as _;
use tests::{Answer, TestApp, User, clip, media, unique};

pub async fn the_main_job(app: &TestApp) {
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

#[tokio::test]
async fn an_hls_stream_becomes_one_file_with_its_own_checksum() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let (task_id, history_id) = user.submit(&shelf.url("hls/index.m3u8")).await;
    let task = user.succeeded(&task_id).await;
    let file = user.file_of_history(&history_id).await;
    assert_eq!(file.status, 200, "{file}");
    assert_eq!(task["result"]["file_size"], file.body.len());
    let sha256 = hex::encode(sha2::Sha256::digest(&file.body));
    assert_eq!(task["result"]["sha256"], sha256.as_str());
    let segments = shelf
        .seen()
        .iter()
        .filter(|seen| seen.name.ends_with(".ts"))
        .count();
    assert!(segments >= 3, "{segments} segments were asked for");
}

#[tokio::test]
async fn sound_alone_becomes_an_audio_file() {
    let shelf = media().shelf();
    let user = shared().user().await;
    for format in ["m4a", "mp3"] {
        let body = json!({
            "url": shelf.url("clip.mp4"), "mode": "quick_download", "quality": "audio", "format": format,
        });
        let data = user.download_with(&body).await.ok_with(202);
        let task = user
            .succeeded(data["task_id"].as_str().expect("an id"))
            .await;
        let name = task["result"]["file_name"].as_str().expect("a name");
        assert!(name.ends_with(&format!(".{format}")), "{task:#}");
        let size = task["result"]["file_size"].as_u64().expect("a size");
        assert!(
            (1000..clip().bytes.len() as u64 / 2).contains(&size),
            "{task:#}"
        );
    }
}

#[tokio::test]
async fn another_container_is_made_from_the_same_streams() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let body = json!({ "url": shelf.url("clip.mp4"), "mode": "archive", "quality": "360p", "format": "mkv" });
    let data = user.download_with(&body).await.ok_with(202);
    let task_id = data["task_id"].as_str().expect("an id");
    let task = user.succeeded(task_id).await;
    assert!(
        task["result"]["file_name"]
            .as_str()
            .expect("a name")
            .ends_with(".mkv"),
        "{task:#}"
    );
    let file = user.file_of_task(task_id).await;
    // The magic number of EBML, which Matroska is written in.
    assert_eq!(&file.body[..4], [0x1a, 0x45, 0xdf, 0xa3]);
}

#[tokio::test]
async fn the_height_is_the_next_at_or_below_the_wish_and_else_the_best() {
    let user = shared().user().await;
    for (quality, height) in [("360p", 360), ("480p", 360), ("2160p", 720), ("best", 720)] {
        let shelf = media().shelf();
        let body = json!({ "url": shelf.url("ladder/main.m3u8"), "mode": "quick_download", "quality": quality });
        let data = user.download_with(&body).await.ok_with(202);
        user.succeeded(data["task_id"].as_str().expect("an id"))
            .await;
        let seen = shelf.seen();
        let mut heights: Vec<&str> = seen
            .iter()
            .filter_map(|seen| seen.name.strip_prefix("ladder/")?.strip_suffix("-0.ts"))
            .collect();
        heights.dedup();
        assert_eq!(heights, [height.to_string()], "{quality}");
    }
}

#[tokio::test]
async fn what_the_page_says_is_embedded_only_where_that_is_asked_for() {
    let user = shared().user().await;
    let holds =
        |body: &[u8], text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
    for metadata in [false, true] {
        let shelf = media().shelf();
        let url = format!("{}?signature=very-secret-query", shelf.url("page"));
        let body = json!({ "url": url, "mode": "archive", "metadata": metadata });
        let data = user.download_with(&body).await.ok_with(202);
        let task_id = data["task_id"].as_str().expect("an id");
        user.succeeded(task_id).await;
        let file = user.file_of_task(task_id).await;
        assert_eq!(file.body == clip().bytes, !metadata);
        assert_eq!(holds(&file.body, "海上的风"), metadata);
        assert!(
            !holds(&file.body, "very-secret-query"),
            "the address is embedded"
        );
    }
}

#[tokio::test]
async fn a_quick_download_expires_and_an_archive_does_not() {
    let shelf = media().shelf();
    let user = shared().user().await;
    for (mode, expires) in [("quick_download", true), ("archive", false)] {
        let body = json!({ "url": shelf.url("clip.mp4"), "mode": mode });
        let data = user.download_with(&body).await.ok_with(202);
        let task = user
            .succeeded(data["task_id"].as_str().expect("an id"))
            .await;
        assert_eq!(
            task["result"]["expires_at"].is_string(),
            expires,
            "{task:#}"
        );
    }
}

#[tokio::test]
async fn a_submission_names_the_field_that_is_wrong() {
    let user = shared().user().await;
    let url = "http://example.com/a.mp4";
    for (body, field) in [
        (json!({ "url": url }), "mode"),
        (json!({ "url": url, "mode": "keep" }), "mode"),
        (
            json!({ "url": url, "mode": "archive", "quality": "1081p" }),
            "quality",
        ),
        (
            json!({ "url": url, "mode": "archive", "quality": "best[height<=?1080]" }),
            "quality",
        ),
        (
            json!({ "url": url, "mode": "archive", "format": "exe" }),
            "format",
        ),
        (
            json!({ "url": url, "mode": "archive", "format": "mp3" }),
            "format",
        ),
        (
            json!({ "url": url, "mode": "archive", "quality": "audio", "format": "mp4" }),
            "format",
        ),
        (
            json!({ "url": url, "mode": "archive", "subtitles": ["en", ".*"] }),
            "subtitles",
        ),
        (
            json!({ "url": url, "mode": "archive", "subtitles": ["all"] }),
            "subtitles",
        ),
        (
            json!({ "url": url, "mode": "archive", "subtitles": ["a", "b", "c", "d", "e", "f", "g", "h", "i"] }),
            "subtitles",
        ),
    ] {
        let answer = user.download_with(&body).await.refused(40001);
        if body.get("mode").is_some() {
            answer.refused_field(field);
        }
    }
}

#[tokio::test]
async fn submitting_needs_a_token() {
    let shelf = media().shelf();
    shared()
        .anonymous()
        .download(&shelf.url("clip.mp4"))
        .await
        .refused(40101);
    assert_eq!(shelf.seen(), []);
}

/// `POST /api/v1/download` under this idempotency key.
async fn under_key(user: &User<'_>, key: &str, body: &serde_json::Value) -> Answer {
    user.send(Method::POST, "/api/v1/download", |request| {
        request.header("idempotency-key", key).json(body)
    })
    .await
}

#[tokio::test]
async fn an_idempotency_key_replays_the_first_answer() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let body = json!({ "url": shelf.url("clip.mp4"), "mode": "archive" });
    let key = unique();
    let first = under_key(&user, &key, &body).await.ok_with(202);
    assert_eq!(under_key(&user, &key, &body).await.ok_with(202), first);
    user.succeeded(first["task_id"].as_str().expect("an id"))
        .await;
    assert_eq!(under_key(&user, &key, &body).await.ok_with(202), first);
    assert_eq!(user.tasks("").await.ok()["total"], 1);

    let other = json!({ "url": shelf.url("clip.mp4"), "mode": "quick_download" });
    under_key(&user, &key, &other).await.refused(40902);

    // Another user's key is another key.
    let stranger = shared().user().await;
    let data = under_key(&stranger, &key, &body).await.ok_with(202);
    assert_ne!(data["task_id"], first["task_id"]);

    for key in ["", "\t", &"k".repeat(201)] {
        under_key(&user, key, &body).await.refused(40001);
    }
}

#[tokio::test]
async fn one_key_sent_many_times_at_once_makes_one_task() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let body = json!({ "url": shelf.url("clip.mp4"), "mode": "archive" });
    let key = unique();
    let tries = (0..12).map(|_| under_key(&user, &key, &body));
    let answers = futures_util::future::join_all(tries).await;
    let mut ids: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.ok_with(202)["task_id"].clone().to_string())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(user.tasks("").await.ok()["total"], 1);
}
