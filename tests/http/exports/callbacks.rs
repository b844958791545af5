//! Callbacks (DC-8): signed, told again until they are heard, and of failures too.

use super::app_for;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{Business, Manners, PATIENCE, Told, eventually};

async fn told(business: &Business, name: &str, times: usize) -> Vec<Told> {
    eventually("the callback", PATIENCE, async || {
        let told = business.told(name);
        (told.len() >= times).then_some(told)
    })
    .await
}

fn is_signed(told: &Told, secret: &str) -> bool {
    let header = |name: &str| told.headers[name].to_str().expect("text").to_owned();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(format!("{}.", header("x-wharf-timestamp")).as_bytes());
    mac.update(&told.body);
    header("x-wharf-signature") == format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn the_end_of_an_export_is_told_signed_and_once() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let body = json!({ "name": "n", "source_data": [{ "a": 1 }], "callback": business.callback_url("done") });
    let task = project.exported(&body).await;
    let first = told(&business, "done", 1).await.remove(0);
    let json = first.json();
    assert_eq!(json["task_id"], task["task_id"]);
    assert_eq!(json["status"], "succeeded");
    assert_eq!(json["result"]["sha256"], task["result"]["sha256"]);
    assert_eq!(json["error"], Value::Null);
    assert!(json["event_id"].is_string());
    assert!(is_signed(&first, &project.callback_secret), "{first:?}");
    assert!(!is_signed(&first, "another secret"));
    // The next one comes after it, and this one is not repeated.
    let body =
        json!({ "name": "n", "source_data": [{}], "callback": business.callback_url("next") });
    project.exported(&body).await;
    told(&business, "next", 1).await;
    assert_eq!(business.told("done").len(), 1);
}

#[tokio::test]
async fn a_callback_that_is_not_heard_is_told_three_times_more() {
    let business = Business::start().await;
    let app = crate::sqlite()
        .allow(&business.host())
        .config("queue = { backoff_initial_ms = 10, backoff_max_ms = 20 }")
        .start();
    let project = app.project("exports", &[&business.host()]).await;
    business.answer_callbacks("deaf", &[500, 404, 302, 500, 500]);
    business.answer_callbacks("slow", &[500, 500]);
    for name in ["deaf", "slow"] {
        let callback = business.callback_url(name);
        project
            .exported(&json!({ "name": "n", "source_data": [{ "a": 1 }], "callback": callback }))
            .await;
    }
    let heard = told(&business, "slow", 3).await;
    let deaf = told(&business, "deaf", 4).await;
    let event = deaf[0].json()["event_id"].clone();
    assert!(
        deaf.iter().all(|it| it.json()["event_id"] == event),
        "one event"
    );
    assert_ne!(heard[0].json()["event_id"], event);
    // Given up: it is in the log, and nothing more comes.
    eventually("it is given up", PATIENCE, async || {
        app.log().contains("given_up").then_some(())
    })
    .await;
    assert_eq!(business.told("deaf").len(), 4);
    assert_eq!(business.told("slow").len(), 3);
}

#[tokio::test]
async fn a_failure_and_a_cancellation_are_told_too() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("wrong", 350, Manners::Shrinks);
    let body = json!({ "name": "n", "source_url": url, "step": 100, "callback": business.callback_url("failed") });
    project.submit_export(&body).await;
    let failed = told(&business, "failed", 1).await[0].json();
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["code"], 42201);
    assert_eq!(failed["error"]["reason"], "total_shrinks");
    assert_eq!(failed["result"], Value::Null);

    let url = business.source("stuck", 350, Manners::Waits { at_page: 0 });
    let body =
        json!({ "name": "n", "source_url": url, "callback": business.callback_url("cancelled") });
    let task_id = project.submit_export(&body).await;
    project.cancel(&task_id).await.ok();
    assert_eq!(
        told(&business, "cancelled", 1).await[0].json()["status"],
        "cancelled"
    );
}

#[tokio::test]
async fn a_source_can_tell_who_asks() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("orders", 10, Manners::Good);
    project
        .exported(&json!({ "name": "n", "source_url": url }))
        .await;
    let asked = business.asked("orders").remove(0);
    let as_told = Told {
        headers: asked.headers,
        body: asked.target.into_bytes(),
    };
    assert!(is_signed(&as_told, &project.callback_secret));
}

#[tokio::test]
async fn the_end_of_an_export_comes_over_the_websocket() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("orders", 350, Manners::Waits { at_page: 2 });
    let task_id = project
        .submit_export(&json!({ "name": "n", "source_url": url, "step": 100 }))
        .await;
    let mut socket = project.progress(Some(&task_id)).await;
    business.go_on();
    let seen = socket.until(|task| task["status"] == "succeeded").await;
    let percents: Vec<f64> = seen
        .iter()
        .filter_map(|it| it["progress"]["percent"].as_f64())
        .collect();
    assert!(percents.is_sorted(), "{percents:?}");
    assert_eq!(seen.last().expect("the end")["progress"]["rows"], 350);
}
