//! `/admin/api/v1/tools/…`: which yt-dlp the workers should use.

use super::is_logged;
use serde_json::json;
use tests::TestApp;

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
