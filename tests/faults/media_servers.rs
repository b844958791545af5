//! Media servers that misbehave: each has its own clear error, retried only where that helps (VA-3).

use crate::sqlite;
use std::collections::BTreeMap;
use tests::{clip, files_under, media};

/// The attempts of a task whose failures are worth a retry: one and three more.
const ATTEMPTS_MAX: u64 = 4;

struct Case {
    name: &'static str,
    code: &'static str,
    is_retried: bool,
}

const fn permanent(name: &'static str, code: &'static str) -> Case {
    Case {
        name,
        code,
        is_retried: false,
    }
}

const fn retried(name: &'static str, code: &'static str) -> Case {
    Case {
        name,
        code,
        is_retried: true,
    }
}

const CASES: [Case; 15] = [
    permanent("404.mp4", "not_found"),
    permanent("403.mp4", "forbidden"),
    permanent("html.mp4", "unsupported_url"),
    permanent("playlist", "playlist"),
    permanent("live.m3u8", "live_stream"),
    permanent("redirect-metadata", "blocked_address"),
    permanent("redirect-loopback", "blocked_address"),
    permanent("endless.mp4", "too_large"),
    retried("500.mp4", "server_error"),
    // Behind the egress door a reset reaches yt-dlp as an early end; the door knows better.
    retried("reset.mp4", "network"),
    retried("truncated.mp4", "truncated"),
    permanent("empty.mp4", "empty_file"),
    permanent("text.mp4", "not_media"),
    permanent("key.m3u8", "blocked_address"),
    // The page is given out and the video's address refused: it may have expired.
    retried("refusing", "forbidden"),
];

#[tokio::test]
async fn each_misbehaviour_has_its_own_error_and_is_retried_only_where_that_helps() {
    let app = sqlite()
        // A site that refuses is left alone for seconds and not for minutes.
        .config("media = { max_bytes = 4000000, clean_interval_s = 1, site_cooldown_s = 1, concurrency = 4 }")
        .start();
    let shelf = media().shelf();
    let user = app.user().await;
    let mut wrong = BTreeMap::new();
    let mut submitted = Vec::new();
    let mut dead = Vec::new();
    for case in &CASES {
        submitted.push((case, user.submit(&shelf.url(case.name)).await.0));
    }
    for (case, task_id) in submitted {
        let task = user.finished(&task_id).await;
        let (status, attempts) = match case.is_retried {
            true => ("dead", ATTEMPTS_MAX),
            false => ("failed", 1),
        };
        if case.is_retried {
            dead.push(task_id.clone());
        }
        let found = (&task["status"], &task["attempt"], &task["error"]["code"]);
        if (found.0 != status) || (found.1 != attempts) || (found.2 != case.code) {
            wrong.insert(case.name, task.to_string());
        }
        let message = task["error"]["message"].as_str().unwrap_or_default();
        if message.is_empty() || message.contains("://") || message.contains("Traceback") {
            wrong.insert(case.name, format!("the message {message:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A dead letter keeps its folder, so that a replay goes on where it ended.
    tests::eventually(
        "nothing is left of what failed for good",
        tests::PATIENCE,
        async || {
            let left = files_under(&app.data().join("tmp"));
            let is_kept = |path: &std::path::PathBuf| {
                dead.iter().any(|id| {
                    path.components()
                        .any(|part| part.as_os_str() == id.as_str())
                })
            };
            left.iter().all(is_kept).then_some(())
        },
    )
    .await;
    assert_eq!(
        files_under(&app.data().join("archive")),
        [] as [std::path::PathBuf; 0]
    );
    assert_eq!(
        shelf.seen_of("clip.mp4"),
        [],
        "the forbidden listener was reached"
    );
}

#[tokio::test]
async fn a_passing_failure_is_retried_until_it_has_passed() {
    let app = sqlite().start();
    let shelf = media().shelf();
    shelf.fail(1);
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("flaky.mp4")).await;
    let task = user.succeeded(&task_id).await;
    assert_eq!(task["attempt"], 2, "{task:#}");
    assert_eq!(task["result"]["sha256"], clip().sha256);
}

#[tokio::test]
async fn a_stalled_download_ends_with_the_tasks_time() {
    let app = sqlite().config("media = { task_timeout_s = 4 }").start();
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("stall.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(task["error"]["code"], "timeout", "{task:#}");
    assert_eq!(
        (&task["status"], &task["attempt"]),
        (&"failed".into(), &1.into()),
        "{task:#}"
    );
}

#[tokio::test]
async fn all_attempts_at_a_task_share_its_time() {
    // Each takes three seconds at least, and there are more of them than fit.
    let app = sqlite()
        .config("media = { task_timeout_s = 25 }")
        .config("queue = { max_retries = 12, backoff_initial_ms = 10, backoff_max_ms = 10 }")
        .start();
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("tardy.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(
        (&task["status"], &task["error"]["code"]),
        (&"failed".into(), &"timeout".into()),
        "{task:#}"
    );
    assert!(task["attempt"].as_u64() > Some(1), "{task:#}");
    assert_eq!(user.quota().await.ok()["daily_used"], 0);
}
