//! `/admin/api/v1/tools/…`: which yt-dlp the workers should use.

use super::is_logged;
use serde_json::json;
use tests::{PATIENCE, TestApp, eventually, media};

#[tokio::test]
async fn a_version_of_ytdlp_is_asked_for_and_the_last_word_counts() {
    // Without a worker, which would set to work.
    let app = TestApp::sqlite().command("serve").start();
    let admin = app.admin().await;
    let tools = admin.get("/admin/api/v1/tools").await.ok();
    assert_eq!(
        tools,
        json!({ "yt-dlp": { "requested": null, "workers": [] } })
    );
    let ask = async |version: &str| {
        let body = json!({ "version": version });
        admin.put("/admin/api/v1/tools/yt-dlp", &body).await
    };
    ask("latest").await.ok_with(202);
    let asked = ask("2026.10.26").await.ok_with(202);
    assert_eq!(asked["version"], "2026.10.26");
    assert!(
        asked["requested_by"]
            .as_str()
            .is_some_and(|by| by.contains('@')),
        "{asked}"
    );
    for bad in [
        "",
        "newest",
        "2026.10",
        "2026.10.26 --index-url x",
        "../yt-dlp",
        "2020.1.1",
    ] {
        ask(bad).await.refused_field("version");
    }
    let body = json!({ "version": 5 });
    admin
        .put("/admin/api/v1/tools/yt-dlp", &body)
        .await
        .refused(40001);
    admin
        .put("/admin/api/v1/tools/ffmpeg", &body)
        .await
        .refused(40401);
    let tools = admin.get("/admin/api/v1/tools").await.ok();
    assert_eq!(tools["yt-dlp"]["requested"], asked);
    assert!(is_logged(&app.log(), "request_tool", "2026.10.26"));
}

#[tokio::test]
async fn a_worker_that_cannot_have_the_version_says_why_and_keeps_what_worked() {
    // The harness names its yt-dlp in the settings, and then nobody else chooses one.
    let app = crate::sqlite().start();
    let admin = app.admin().await;
    let body = json!({ "version": "2026.7.4" });
    let path = "/admin/api/v1/tools/yt-dlp";
    admin.put(path, &body).await.ok_with(202);
    let worker = eventually("the worker says why", PATIENCE, async || {
        let tools = admin.get("/admin/api/v1/tools").await.ok();
        let worker = tools["yt-dlp"]["workers"][0].clone();
        worker["error"].is_string().then_some(worker)
    })
    .await;
    let why = worker["error"].as_str().expect("a sentence");
    assert!(why.contains("media.ytdlp"), "{worker:#}");
    assert!(worker["version"].is_string(), "{worker:#}");
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;
}
