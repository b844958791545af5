//! SIGTERM (PF-10).

use crate::{processes_in, sqlite};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::{TestApp, media, standing_address};

/// Submitters at once.
const SUBMITTERS: usize = 8;
/// Accepted submissions after which the stop comes.
const ACCEPTED_BEFORE_STOP: usize = 60;
/// A log that says when a pull waits.
const LOUD: &str = "info,runtime=debug";

/// Submits until nobody answers any more; keeps the ids that were answered with 202.
async fn submit_on_and_on(
    url: String,
    token: String,
    body: Value,
    accepted: Arc<Mutex<Vec<String>>>,
) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    while let Ok(response) = client
        .post(&url)
        .bearer_auth(&token)
        .json(&body)
        .send()
        .await
    {
        let status = response.status().as_u16();
        // An answer that breaks off is none; the caller would ask again with his idempotency key.
        let Ok(answer) = response.json::<Value>().await else {
            continue;
        };
        match status {
            202 => {
                let task_id = answer["data"]["task_id"]
                    .as_str()
                    .expect("an id")
                    .to_owned();
                accepted
                    .lock()
                    .expect("nobody panics in here")
                    .push(task_id);
            }
            503 => return,
            _ => panic!("{status} {answer}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_no_accepted_task() {
    let mut app = sqlite()
        .config("media = { concurrency = 1 }")
        .config("quota = { user = 1000000 }")
        .start();
    let shelf = media().shelf();
    let token = {
        let user = app.user().await;
        user.token().to_owned()
    };
    let body = json!({ "url": shelf.url("404.mp4"), "mode": "archive" });
    let url = format!("{}/api/v1/download", app.base());
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|_| {
            let (url, token) = (url.clone(), token.clone());
            tokio::spawn(submit_on_and_on(url, token, body.clone(), accepted.clone()))
        })
        .collect();
    tests::eventually("enough tasks are accepted", tests::PATIENCE, async || {
        let count = accepted.lock().expect("nobody panics in here").len();
        (count >= ACCEPTED_BEFORE_STOP).then_some(())
    })
    .await;
    let status = app.stop();
    assert!(status.success(), "{status}");
    for submitter in submitters {
        submitter.await.expect("a submitter");
    }

    app.restart();
    let accepted = accepted.lock().expect("nobody panics in here").clone();
    let caller = app.caller(&token);
    for task_id in &accepted {
        let task = caller.task(task_id).await.ok();
        assert!(
            matches!(
                task["status"].as_str(),
                Some("queued" | "running" | "failed")
            ),
            "{task:#}"
        );
    }
    let total = caller.tasks("?page_size=1").await.ok()["total"]
        .as_u64()
        .expect("a number");
    assert!(
        total >= accepted.len() as u64,
        "{total} of {}",
        accepted.len()
    );
}

#[tokio::test]
async fn a_stop_returns_the_running_task_to_the_queue_at_once() {
    // With a lease that would outlast this test, were it left to run out.
    let mut app = sqlite().config("queue = { lease_s = 600 }").start();
    let shelf = media().shelf();
    let token = {
        let user = app.user().await;
        user.token().to_owned()
    };
    let (task_id, _) = app.caller(&token).submit(&shelf.url("slow.mp4")).await;
    app.caller(&token)
        .wait_for_task(&task_id, "bytes have arrived", |task| {
            task["progress"]["downloaded_bytes"].as_u64() > Some(0)
        })
        .await;
    let status = app.stop();
    assert!(status.success(), "{status}");
    assert_eq!(processes_in(&app), [] as [String; 0], "left behind");

    shelf.release();
    app.restart();
    let task = app.caller(&token).succeeded(&task_id).await;
    assert_eq!(task["attempt"], 1, "a stop is no failure: {task:#}");
    assert_eq!(task["result"]["sha256"], tests::clip().sha256);
}

/// A site's pull that waits at this app for rows that never come, once it waits.
async fn waiting_pull(
    app: &TestApp,
) -> tokio::task::JoinHandle<reqwest::Result<reqwest::Response>> {
    let token = app.site("g").await.token().to_owned();
    let client = reqwest::Client::builder().no_proxy().build();
    let request = client
        .expect("a client")
        .post(format!("{}/api/v1/sync/pull", app.base()))
        .bearer_auth(&token)
        .json(&json!({ "wait_s": 25 }));
    let pull = tokio::spawn(request.send());
    let waits = |line: &str| line.contains("\"waits for rows\"");
    tests::eventually("the pull waits", tests::PATIENCE, async || {
        app.log().lines().any(waits).then_some(())
    })
    .await;
    pull
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_waits_is_answered_when_the_service_stops() {
    let mut app = sqlite().env("WHARF_LOG", LOUD).start();
    let pull = waiting_pull(&app).await;
    assert!(app.stop().success());
    let answer = pull.await.expect("a task").expect("an answer");
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["data"]["rows"], json!([]));
    assert!(!app.log().contains("\"ERROR\""), "{}", app.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_whose_site_has_gone_is_no_error_when_the_runner_stops() {
    let address = standing_address();
    let mut front = sqlite()
        .command("serve")
        .config(&format!("worker = {{ listen = {address:?} }}"))
        .start();
    let worker = TestApp::sqlite().command("work").listen(&address);
    let _worker = worker.env("WHARF_LOG", LOUD).start_beside(&front);
    let pull = waiting_pull(&front).await;
    pull.abort();
    assert!(front.stop().success());
    assert!(!front.log().contains("\"ERROR\""), "{}", front.log());
}

#[tokio::test]
async fn an_idle_stop_is_quick_and_clean() {
    let mut app = sqlite().start();
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        app.user().await;
        let begun = Instant::now();
        let status = app.stop();
        assert!(status.success(), "{status}");
        quickest = quickest.min(begun.elapsed());
        app.restart();
    }
    assert!(quickest < Duration::from_secs(5), "{quickest:?}");
}

#[tokio::test]
async fn nothing_secret_is_in_the_log() {
    let app = sqlite().start();
    let shelf = media().shelf();
    let user = app.user().await;
    let url = format!("{}?signature=very-secret-query", shelf.url("clip.mp4"));
    user.parse(&url).await.ok();
    let (task_id, _) = user.submit(&url).await;
    user.succeeded(&task_id).await;
    let failing = format!("{}?signature=very-secret-query", shelf.url("404.mp4"));
    let (task_id, _) = user.submit(&failing).await;
    let task = user.finished(&task_id).await;
    assert!(
        !task["error"].to_string().contains("very-secret-query"),
        "{task:#}"
    );
    user.login(&user.email, "a wrong password 1")
        .await
        .refused(40103);
    let log = app.log();
    for secret in [
        "very-secret-query",
        user.token(),
        &user.refresh_token,
        &user.password,
        "a wrong password 1",
    ] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
    for line in log.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(
            parsed.is_ok_and(|line| line.is_object()),
            "{line} is no JSON log line"
        );
    }
}
