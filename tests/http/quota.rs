//! `/api/v1/user/quota`: downloads a day (VA-11, ID-5).

use crate::{reaching, shared, sqlite};
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::quota::{day, reset_at};
use shared::wire::time::rfc3339;
use std::time::{SystemTime, UNIX_EPOCH};
use tests::{Answer, Builder, TestApp, User, media};

/// `daily_limit` and `daily_used`.
async fn quota(user: &User<'_>) -> (i64, i64) {
    let quota = user.quota().await.ok();
    let number = |name: &str| quota[name].as_i64().expect("a number");
    (number("daily_limit"), number("daily_used"))
}

/// The midnight UTC that ends this day.
fn midnight() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    rfc3339(reset_at(day(now.as_millis() as i64)))
}

async fn places_are_taken_and_given_back(builder: Builder) {
    let app = reaching(builder).config("quota = { user = 3 }").start();
    let user = app.user().await;
    let shelf = media().shelf();
    let before = midnight();
    let fresh = user.quota().await.ok();
    assert_eq!(
        (&fresh["daily_limit"], &fresh["daily_used"]),
        (&json!(3), &json!(0))
    );
    let reset_at = fresh["reset_at"].as_str().expect("a time").to_owned();
    assert!([before, midnight()].contains(&reset_at), "{reset_at}");

    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    assert_eq!(quota(&user).await, (3, 1));
    user.succeeded(&task_id).await;
    let (task_id, _) = user.submit(&shelf.url("404.mp4")).await;
    assert_eq!(user.finished(&task_id).await["status"], "failed");
    assert_eq!(quota(&user).await, (3, 1), "a failed one was charged");

    // What its owner cancels stays charged: he chose to.
    let (task_id, _) = user.submit(&shelf.url("stall.mp4")).await;
    user.cancel(&task_id).await.ok();
    user.submit(&shelf.url("a.clip.mp4")).await;
    assert_eq!(quota(&user).await, (3, 3));
    let refused = user.download(&shelf.url("b.clip.mp4")).await.refused(42902);
    assert_eq!(refused.status, 429);
    let wait_s: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=24 * 3600 + 1).contains(&wait_s), "{wait_s}");
    assert_eq!(
        user.tasks("").await.ok()["total"],
        4,
        "it was queued all the same"
    );
    assert_eq!(quota(&app.user().await).await, (3, 0), "each has his own");
}

#[tokio::test]
async fn a_download_takes_a_place_and_a_failed_one_gives_it_back_on_sqlite() {
    places_are_taken_and_given_back(TestApp::sqlite()).await;
}

#[tokio::test]
async fn a_download_takes_a_place_and_a_failed_one_gives_it_back_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        places_are_taken_and_given_back(builder).await;
    }
}

async fn the_last_place_admits_one(builder: Builder) {
    let app = reaching(builder).config("quota = { user = 2 }").start();
    let user = app.user().await;
    let shelf = media().shelf();
    user.submit(&shelf.url("clip.mp4")).await;
    let urls: Vec<String> = (0..200)
        .map(|n| shelf.url(&format!("{n}.clip.mp4")))
        .collect();
    let answers = futures_util::future::join_all(urls.iter().map(|url| user.download(url))).await;
    let (admitted, refused): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 202);
    assert_eq!(admitted.len(), 1, "{}", refused[0]);
    for answer in refused {
        answer.refused(42902);
    }
    assert_eq!(quota(&user).await, (2, 2));
    assert_eq!(user.tasks("").await.ok()["total"], 2);
}

#[tokio::test]
async fn of_two_hundred_submissions_at_once_the_last_place_admits_one_on_sqlite() {
    the_last_place_admits_one(TestApp::sqlite()).await;
}

#[tokio::test]
async fn of_two_hundred_submissions_at_once_the_last_place_admits_one_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        the_last_place_admits_one(builder).await;
    }
}

#[tokio::test]
async fn a_repeated_idempotency_key_needs_no_place() {
    let app = sqlite().config("quota = { user = 1 }").start();
    let user = app.user().await;
    let shelf = media().shelf();
    let body = json!({ "url": shelf.url("clip.mp4"), "mode": "archive" });
    let under = async |key: &str| {
        user.send(Method::POST, "/api/v1/download", |request| {
            request.header("idempotency-key", key).json(&body)
        })
        .await
    };
    let first = under("one").await.ok_with(202);
    assert_eq!(under("one").await.ok_with(202), first);
    under("two").await.refused(42902);
    assert_eq!(quota(&user).await, (1, 1));
}

#[tokio::test]
async fn the_level_decides_unless_an_admin_gives_a_limit_of_his_own() {
    let app = sqlite().config("quota = { user = 1, vip = 2 }").start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();
    let change = async |change: Value| {
        admin.change_user(&user.user_id, &change).await.ok();
        quota(&user).await
    };
    assert_eq!(quota(&user).await, (1, 0));
    assert_eq!(change(json!({ "role": "vip" })).await, (2, 0));
    user.submit(&shelf.url("a.clip.mp4")).await;
    user.submit(&shelf.url("b.clip.mp4")).await;
    user.download(&shelf.url("c.clip.mp4")).await.refused(42902);
    assert_eq!(change(json!({ "daily_limit": 3 })).await, (3, 2));
    user.submit(&shelf.url("c.clip.mp4")).await;
    assert_eq!(change(json!({ "daily_limit": 0 })).await, (0, 3));
    user.download(&shelf.url("d.clip.mp4")).await.refused(42902);
    assert_eq!(change(json!({ "daily_limit": null })).await, (2, 3));
    assert_eq!(change(json!({ "role": "user" })).await, (1, 3));
    let profile = user.profile().await.ok();
    assert_eq!(profile["role"], "user", "{profile}");
}

#[tokio::test]
async fn the_quota_needs_a_users_token() {
    shared().anonymous().quota().await.refused(40101);
    shared().admin().await.quota().await.refused(40101);
    let user = shared().user().await;
    user.post("/api/v1/user/quota", &json!({}))
        .await
        .refused(40501);
}
