//! Sites that want more than a plain request, and what this server says it lacked.

use crate::sqlite;
use serde_json::json;
use std::path::Path;
use tests::{Builder, browsing_ytdlp, clip, media, plain_ytdlp};

fn with(ytdlp: &Path) -> Builder {
    sqlite().config(&format!("media = {{ ytdlp = \"{}\" }}", ytdlp.display()))
}

#[tokio::test]
async fn a_site_that_wants_a_browser_is_asked_by_one_where_that_is_installed() {
    let app = with(browsing_ytdlp()).start();
    let shelf = media().shelf();
    let user = app.user().await;
    user.parse(&shelf.url("challenge.mp4")).await.ok();
    let (task_id, _) = user.submit(&shelf.url("challenge.mp4")).await;
    let task = user.succeeded(&task_id).await;
    assert_eq!(task["result"]["sha256"], clip().sha256, "{task:#}");
    assert_eq!(task["attempt"], 1);
}

#[tokio::test]
async fn what_a_site_wanted_and_did_not_get_is_said() {
    let app = with(plain_ytdlp()).start();
    let shelf = media().shelf();
    let user = app.user().await;
    let answer = user.parse(&shelf.url("challenge.mp4")).await.refused(42201);
    let wanted = json!({ "reason": "forbidden", "lacks": ["impersonation"] });
    assert_eq!(answer.data, wanted, "{answer}");
    let (task_id, _) = user.submit(&shelf.url("challenge.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(task["error"]["lacks"], json!(["impersonation"]), "{task:#}");

    let answer = user.parse(&shelf.url("403.mp4")).await.refused(42201);
    assert_eq!(answer.data, json!({ "reason": "forbidden" }), "{answer}");
    let (task_id, _) = user.submit(&shelf.url("404.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(task["error"].get("lacks"), None, "{task:#}");

    // An operator reads at the start what there is.
    let log = app.log();
    assert!(log.contains("yt-dlp sees the JavaScript runtimes"), "{log}");
    assert!(log.contains("curl_cffi"), "{log}");
}
