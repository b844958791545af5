//! `/admin/api/v1/users/…`: found, promoted, limited, blocked (VA-16, ID-5).

use super::is_logged;
use crate::{UNKNOWN_ID, reaching, shared, sqlite};
use serde_json::json;
use tests::{Builder, PATIENCE, TestApp, eventually, media, unique};

#[tokio::test]
async fn users_are_found_by_the_beginning_of_their_address_with_what_they_used() {
    let admin = shared().admin().await;
    let shelf = media().shelf();
    let mark = unique();
    for name in ["b", "a", "c"] {
        let email = format!("{mark}-{name}@example.com");
        let password = "letters4numbers";
        let data = shared().anonymous().register(&email, password).await.ok();
        let token = data["access_token"].as_str().expect("a token");
        if name == "a" {
            shared().caller(token).submit(&shelf.url("clip.mp4")).await;
        }
    }
    let path = format!(
        "/admin/api/v1/users?email={}-&page_size=2",
        mark.to_uppercase()
    );
    let list = admin.get(&path).await.ok();
    assert_eq!(list["total"], 3, "{list:#}");
    let items = list["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2);
    let first = &items[0];
    assert_eq!(first["email"], format!("{mark}-a@example.com"), "{list:#}");
    assert_eq!(
        (
            &first["role"],
            &first["daily_limit"],
            &first["daily_used"],
            &first["blocked"]
        ),
        (&json!("user"), &json!(null), &json!(1), &json!(false)),
        "{first:#}"
    );
    assert_eq!(items[1]["daily_used"], 0);
    assert_eq!(first["vip_expire_time"], json!(null), "{first:#}");
    let user_id = first["user_id"].as_str().expect("an id");
    let one = admin
        .get(&format!("/admin/api/v1/users/{user_id}"))
        .await
        .ok();
    assert_eq!(one, *first);
    let none = admin.get("/admin/api/v1/users?email=%25").await.ok();
    assert_eq!(none["total"], 0, "{none:#}");
}

#[tokio::test]
async fn a_change_that_does_not_fit_names_its_field_and_changes_nothing() {
    let (user, admin) = (shared().user().await, shared().admin().await);
    for (field, change) in [
        ("role", json!({ "role": "admin", "blocked": true })),
        ("role", json!({ "role": null })),
        ("daily_limit", json!({ "daily_limit": -1 })),
        (
            "daily_limit",
            json!({ "daily_limit": 1_000_001, "blocked": true }),
        ),
        ("daily_limit", json!({ "daily_limit": "20" })),
        ("blocked", json!({ "blocked": "yes" })),
    ] {
        admin
            .change_user(&user.user_id, &change)
            .await
            .refused_field(field);
    }
    admin
        .change_user(&user.user_id, &json!([]))
        .await
        .refused(40001);
    let path = format!("/admin/api/v1/users/{}", user.user_id);
    let item = admin.get(&path).await.ok();
    assert_eq!(
        (&item["role"], &item["daily_limit"], &item["blocked"]),
        (&json!("user"), &json!(null), &json!(false))
    );
    admin
        .get("/admin/api/v1/users/x")
        .await
        .refused_field("user_id");
    admin
        .get(&format!("/admin/api/v1/users/{UNKNOWN_ID}"))
        .await
        .refused(40401);
    let unknown = admin
        .change_user(UNKNOWN_ID, &json!({ "role": "vip" }))
        .await;
    unknown.refused(40401);
    let long = format!("/admin/api/v1/users?email={}", "a".repeat(255));
    admin.get(&long).await.refused_field("email");
}

async fn a_block_ends_everything(builder: Builder) {
    let app = reaching(builder)
        .config("media = { concurrency = 1 }")
        .start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();
    let (done, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&done).await;
    let (running, _) = user.submit(&shelf.url("stall.mp4")).await;
    user.wait_for_task(&running, "it runs", |task| task["status"] == "running")
        .await;
    let (queued, _) = user.submit(&shelf.url("a.clip.mp4")).await;
    assert_eq!(user.quota().await.ok()["daily_used"], 3);

    let block = async |blocked: bool| {
        let change = json!({ "blocked": blocked });
        admin.change_user(&user.user_id, &change).await.ok()
    };
    let item = block(true).await;
    assert_eq!(
        (&item["blocked"], &item["daily_used"]),
        (&json!(true), &json!(1))
    );
    user.profile().await.refused(40101);
    user.download(&shelf.url("b.clip.mp4")).await.refused(40101);
    let anonymous = app.anonymous();
    anonymous.refresh(&user.refresh_token).await.refused(40101);
    anonymous
        .login(&user.email, &user.password)
        .await
        .refused(40301);
    anonymous
        .login(&user.email, "wrong password 1")
        .await
        .refused(40103);
    eventually("the attempt ends", PATIENCE, async || {
        let queue = admin.get("/admin/api/v1/queue").await.ok();
        let is_idle = queue["running"] == 0 && queue["queued"] == 0;
        let free = queue["workers"][0]["running"] == 0;
        (is_idle && free).then_some(())
    })
    .await;

    assert_eq!(block(false).await["blocked"], false);
    user.profile().await.refused(40101);
    let tokens = anonymous.login(&user.email, &user.password).await.ok();
    let again = app.caller(tokens["access_token"].as_str().expect("a token"));
    for (task_id, status) in [
        (done, "succeeded"),
        (running, "cancelled"),
        (queued, "cancelled"),
    ] {
        assert_eq!(again.task(&task_id).await.ok()["status"], status);
    }
    let (task_id, _) = again.submit(&shelf.url("b.clip.mp4")).await;
    again.succeeded(&task_id).await;
    assert!(
        is_logged(&app.log(), "change_user", &user.user_id),
        "{}",
        app.log()
    );
    assert!(
        !app.log().contains(&user.email),
        "the log names him by his address"
    );
}

#[tokio::test]
async fn a_blocked_user_loses_sessions_and_tasks_and_gets_his_places_back_on_sqlite() {
    a_block_ends_everything(TestApp::sqlite()).await;
}

#[tokio::test]
async fn a_blocked_user_loses_sessions_and_tasks_and_gets_his_places_back_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        a_block_ends_everything(builder).await;
    }
}

#[tokio::test]
async fn an_admin_is_no_user() {
    let app = sqlite().start();
    let admin = app.admin().await;
    let list = admin.get("/admin/api/v1/users").await.ok();
    assert_eq!(list["total"], 0, "{list:#}");
}
