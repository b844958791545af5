//! `GET /metrics` (PF-9, VA-15), and what is deployed beside it.

mod deployed;
mod scrape;

use crate::{reaching, shared, sqlite};
use reqwest::Method;
use scrape::scrape;
pub use scrape::scrape_until;
use std::collections::{BTreeMap, BTreeSet};
use tests::{ProgressSocket, TestApp, TestDatabase, clip, media, workspace_root};

const REQUESTS: &str = "http_requests_total";
const OUTCOMES: &str = "download_task_total";

#[tokio::test]
async fn requests_are_counted_by_component_and_status() {
    let app = sqlite().start();
    let user = app.user().await;
    let anonymous = app.anonymous();
    let before = scrape(&anonymous).await;
    for _ in 0..3 {
        user.tasks("").await.ok();
    }
    anonymous.tasks("").await.refused(40101);
    for number in 0..5 {
        let path = format!("/api/v1/nothing/{number}");
        anonymous.get(&path).await.refused(40401);
    }
    let stranger = format!("/files/{}/clip.mp4", crate::UNKNOWN_ID);
    anonymous.get(&stranger).await.refused(40301);
    anonymous
        .send(Method::DELETE, &stranger, |request| request)
        .await
        .refused(40501);
    anonymous.get("/health").await;
    let after = scrape(&anonymous).await;

    let rose = |name: &str, labels: &[(&str, &str)]| {
        after.value(name, labels) - before.value(name, labels)
    };
    for (component, status, count) in [
        ("task-status", "200", 3.0),
        ("task-status", "401", 1.0),
        ("none", "404", 5.0),
        ("worker", "403", 1.0),
        ("worker", "405", 1.0),
        ("identity", "200", 0.0),
    ] {
        let labels = [("component", component), ("status", status)];
        assert_eq!(rose(REQUESTS, &labels), count, "{component} {status}");
    }
    assert_eq!(rose(REQUESTS, &[]), 11.0, "health and metrics do not count");
    let labels = [("component", "task-status")];
    assert_eq!(rose("http_request_duration_seconds_count", &labels), 4.0);
    let labels = [("component", "task-status"), ("le", "+Inf")];
    assert_eq!(rose("http_request_duration_seconds_bucket", &labels), 4.0);
    assert!(after.value("http_request_duration_seconds_sum", &labels[..1]) > 0.0);

    // Whatever is asked for, the components are those of the manifest, and two more.
    let manifest: toml::Table = std::fs::read_to_string(workspace_root().join("spin.toml"))
        .expect("a manifest")
        .parse()
        .expect("TOML");
    let components = manifest["component"].as_table().expect("a table");
    let mut expected: BTreeSet<&str> = components.keys().map(String::as_str).collect();
    expected.extend(["none", "worker"]);
    assert_eq!(after.values_of(REQUESTS, "component"), expected);
}

#[tokio::test]
async fn a_download_moves_its_counts_the_rate_and_the_bytes() {
    let app = sqlite().start();
    let user = app.user().await;
    let anonymous = app.anonymous();
    let start = scrape(&anonymous).await;
    assert_eq!(start.value("download_task_success_rate", &[]), 1.0);
    assert_eq!(start.value("worker_ready", &[]), 1.0);
    assert_eq!(start.value("database_up", &[]), 1.0);

    let shelf = media().shelf();
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    let size = clip().bytes.len() as f64;
    let done = scrape_until(&anonymous, "the success is counted", |now| {
        now.value(OUTCOMES, &[("outcome", "succeeded")]) == 1.0
    })
    .await;
    let received = done.value(
        "network_bandwidth_bytes_total",
        &[("direction", "received")],
    );
    assert!(received >= size, "{received} of {size} bytes");
    assert_eq!(
        done.value("network_bandwidth_bytes_total", &[("direction", "sent")]),
        0.0
    );
    assert_eq!(user.file_of_task(&task_id).await.status, 200);
    let sent = scrape(&anonymous).await;
    assert_eq!(
        sent.value("network_bandwidth_bytes_total", &[("direction", "sent")]),
        size
    );

    let (failed_id, _) = user.submit(&shelf.url("404.mp4")).await;
    assert_eq!(user.finished(&failed_id).await["status"], "failed");
    let failed = scrape_until(&anonymous, "the failure lowers the rate", |now| {
        now.value("download_task_success_rate", &[]) == 0.5
    })
    .await;
    assert_eq!(failed.value(OUTCOMES, &[("outcome", "failed")]), 1.0);
    for (status, count) in [("succeeded", 1.0), ("failed", 1.0), ("dead", 0.0)] {
        let labels = [("status", status)];
        assert_eq!(failed.value("download_tasks_last_hour", &labels), count);
    }

    shelf.fail(1000);
    let (dead_id, _) = user.submit(&shelf.url("flaky.mp4")).await;
    assert_eq!(user.finished(&dead_id).await["status"], "dead");
    let dead = scrape_until(&anonymous, "the dead letter is there", |now| {
        now.value("queue_depth", &[("status", "dead")]) == 1.0
    })
    .await;
    assert_eq!(dead.value(OUTCOMES, &[("outcome", "retried")]), 3.0);
    assert_eq!(dead.value(OUTCOMES, &[("outcome", "dead")]), 1.0);
}

#[tokio::test]
async fn what_is_under_way_is_shown_and_a_cancelled_task_is_counted() {
    let app = sqlite().config("media.concurrency = 1").start();
    let user = app.user().await;
    let anonymous = app.anonymous();
    let shelf = media().shelf();
    let (task_id, _) = user.submit(&shelf.url("slow.mp4")).await;
    user.wait_for_task(&task_id, "the start", |task| task["status"] == "running")
        .await;
    let (waiting_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    let ticket = user.ticket().await.ok();
    let query = format!("?ticket={}", ticket["ticket"].as_str().expect("a ticket"));
    let socket = ProgressSocket::open(app.base(), &query).await;
    let busy = scrape_until(&anonymous, "one runs and one waits", |now| {
        now.value("queue_depth", &[("status", "running")]) == 1.0
            && now.value("queue_depth", &[("status", "queued")]) == 1.0
            && now.value("queue_wait_seconds", &[]) > 0.0
    })
    .await;
    assert_eq!(busy.value("active_download_count", &[]), 1.0);
    assert_eq!(busy.value("active_download_limit", &[]), 1.0);
    assert_eq!(busy.value("websocket_clients", &[]), 1.0);

    drop(socket);
    user.cancel(&task_id).await.ok();
    scrape_until(&anonymous, "the cancelled task is counted", |now| {
        now.value(OUTCOMES, &[("outcome", "cancelled")]) == 1.0
            && now.value("websocket_clients", &[]) == 0.0
    })
    .await;
    user.succeeded(&waiting_id).await;
    let after = scrape_until(&anonymous, "nothing is under way", |now| {
        now.value("active_download_count", &[]) == 0.0 && now.value("queue_depth", &[]) == 0.0
    })
    .await;
    assert_eq!(after.value("queue_wait_seconds", &[]), 0.0);
}

#[tokio::test]
async fn the_quota_in_use_is_that_of_the_users_who_use_it() {
    let app = sqlite().config("quota.user = 4").start();
    let anonymous = app.anonymous();
    let start = scrape(&anonymous).await;
    assert_eq!(start.value("user_quota_usage", &[]), 0.0);
    let (_idle, user) = (app.user().await, app.user().await);
    let (task_id, _) = user.submit(&media().shelf().url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    scrape_until(&anonymous, "one place in four is used", |now| {
        now.value("user_quota_usage", &[("level", "user")]) == 0.25
            && now.value("user_quota_usage", &[("level", "vip")]) == 0.0
    })
    .await;
}

#[tokio::test]
async fn a_task_that_a_killed_worker_had_counts_as_rescued() {
    let mut app = sqlite().config("queue.lease_s = 1").start();
    let token = app.user().await.token().to_owned();
    let shelf = media().shelf();
    let (task_id, _) = app.caller(&token).submit(&shelf.url("slow.mp4")).await;
    app.caller(&token)
        .wait_for_task(&task_id, "the start", |task| task["status"] == "running")
        .await;
    app.kill9();
    app.restart();
    scrape_until(&app.anonymous(), "the rescue is counted", |now| {
        now.value("tasks_rescued_total", &[]) == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_second_parse_is_a_hit() {
    let app = sqlite().start();
    let user = app.user().await;
    let url = media().shelf().url("clip.mp4");
    let cache = |answer: tests::Answer| {
        let said = answer.header("x-cache").to_owned();
        answer.ok();
        said
    };
    assert_eq!(cache(user.parse(&url).await), "miss");
    assert_eq!(cache(user.parse(&url).await), "hit");
    assert_eq!(cache(user.parse(&url).await), "hit");
    // Refused before anybody looks.
    user.parse("ftp://example.com/").await.refused(40001);
    let now = scrape(&app.anonymous()).await;
    let requests = |result| now.value("parse_cache_requests_total", &[("result", result)]);
    assert_eq!((requests("hit"), requests("miss")), (2.0, 1.0));
    let rate = now.value("cache_hit_rate", &[]);
    assert!((rate - 2.0 / 3.0).abs() < 1e-9, "{rate}");
}

/// Name → type, labels, and the commands that serve it, as `docs/metrics.md` has them.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>, String)> {
    let words = |cell: &str| -> BTreeSet<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let text = std::fs::read_to_string(workspace_root().join("docs/metrics.md")).expect("a page");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, _unit, place, ..] = cells[..] else {
            return None;
        };
        let name = name.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        let is_metric = ["counter", "gauge", "histogram"].contains(&kind);
        is_metric.then(|| (name, (kind.to_owned(), words(labels), place.to_owned())))
    });
    rows.collect()
}

/// Fails unless this is what the documentation promises of this command.
#[track_caller]
fn is_documented(command: &str, served: BTreeMap<String, (String, BTreeSet<String>)>) {
    let promised: BTreeMap<_, _> = documented()
        .into_iter()
        .filter(|(_, (_, _, place))| {
            place.starts_with("all") || place.contains(&format!("`{command}`"))
        })
        .map(|(name, (kind, labels, _))| (name, (kind, labels)))
        .collect();
    assert_eq!(served, promised, "wharf {command}, docs/metrics.md");
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_is_served() {
    is_documented("up", scrape(&shared().anonymous()).await.metrics());
}

#[tokio::test]
async fn front_and_worker_each_serve_what_they_know() {
    let front = reaching(TestApp::sqlite()).command("serve").start();
    let worker = TestApp::sqlite().command("work").start_beside(&front);
    is_documented("serve", scrape(&front.anonymous()).await.metrics());
    is_documented("work", scrape(&worker.anonymous()).await.metrics());
    let before = scrape(&worker.anonymous()).await;
    worker.anonymous().get("/api/v1/tasks").await.refused(40401);
    let after = scrape(&worker.anonymous()).await;
    let labels = [("component", "none"), ("status", "404")];
    let rose = after.value(REQUESTS, &labels) - before.value(REQUESTS, &labels);
    assert_eq!(rose, 1.0);
}

#[tokio::test]
async fn no_metric_holds_a_token_an_address_or_a_url() {
    let app = sqlite().start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();
    let url = shelf.url("clip.mp4");
    user.parse(&url).await.ok();
    let (task_id, _) = user.submit(&url).await;
    user.succeeded(&task_id).await;
    user.file_of_task(&task_id).await;
    admin.get("/admin/api/v1/dead-letters").await.ok();
    let odd = "/api/v1/tasks/ada@example.com/cancel?token=secret";
    user.send(Method::POST, odd, |request| request).await;
    user.get("/http://example.com/").await.refused(40401);
    let now = scrape_until(&app.anonymous(), "the task is counted", |now| {
        now.value("download_tasks_last_hour", &[]) == 1.0
    })
    .await;
    let [good, resetting] = media().addresses();
    for secret in [
        user.token(),
        admin.token(),
        &user.user_id,
        &task_id,
        &good,
        &resetting,
        "://",
        "@",
        "secret",
        "127.0.0.1",
    ] {
        assert!(!now.text.contains(secret), "{secret} in\n{}", now.text);
    }
}

#[tokio::test]
async fn with_a_token_set_only_who_shows_it_sees_the_metrics() {
    let token = "the-operators-own-token";
    let app = sqlite()
        .config(&format!("metrics.token = {token:?}"))
        .start();
    app.anonymous().get("/metrics").await.refused(40101);
    let user = app.user().await;
    user.get("/metrics").await.refused(40101);
    app.caller(&token[1..]).get("/metrics").await.refused(40101);
    scrape(&app.caller(token)).await;
    app.caller(token)
        .post("/metrics", &serde_json::json!({}))
        .await
        .refused(40501);
    assert!(!app.log().contains(token));
}

#[tokio::test]
async fn who_accepts_openmetrics_gets_it() {
    let accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3";
    let answer = shared()
        .anonymous()
        .send(Method::GET, "/metrics", |request| {
            request.header("accept", accept)
        })
        .await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
    assert!(text.contains("\n# TYPE http_requests counter\nhttp_requests_total{"));
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_fails_no_scrape() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let config = format!("database_url = {:?}", database.url());
    let app = sqlite().config(&config).start();
    let anonymous = app.anonymous();
    let there = scrape(&anonymous).await;
    assert_eq!(there.value("database_up", &[]), 1.0);
    let max = there.value("database_connection_pool", &[("state", "max")]);
    assert!(max >= 32.0, "{max}");
    drop(database);
    let away = scrape_until(&anonymous, "the loss is told", |now| {
        now.value("database_up", &[]) == 0.0
    })
    .await;
    assert!(!away.text.contains("queue_depth"), "{}", away.text);
    assert!(away.text.contains("worker_up"), "{}", away.text);
}
