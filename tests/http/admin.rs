//! `/admin/api/v1/…`: the admins' own realm (ID-3, ID-7), dead letters (VA-3).

mod overview;
mod projects;
mod proxies;
mod queue;
mod sites;
mod tools;
mod users;

use crate::{UNKNOWN_ID, shared, sqlite};
use reqwest::Method;
use tests::media;

#[tokio::test]
async fn an_admin_is_made_by_the_command_line_and_logs_in_to_the_admin_realm_only() {
    let email = format!("admin-{}@example.com", tests::unique());
    let create = [
        "admin",
        "create",
        &email,
        "--role",
        "admin",
        "--password-stdin",
    ];
    let made = shared().run(&create, "letters4numbers\n");
    assert!(made.status.success(), "{made:?}");

    let anonymous = shared().anonymous();
    let login = anonymous.admin_login(&email, "letters4numbers").await.ok();
    assert!(login["access_token"].is_string(), "{login}");
    anonymous
        .login(&email, "letters4numbers")
        .await
        .refused(40103);
    anonymous
        .admin_login(&email, "wrong password 1")
        .await
        .refused(40103);

    let user = shared().user().await;
    anonymous
        .admin_login(&user.email, &user.password)
        .await
        .refused(40103);
}

#[tokio::test]
async fn an_admin_needs_a_strong_password_too() {
    let create = ["admin", "create", "weak@example.com", "--password-stdin"];
    let made = shared().run(&create, "weak\n");
    assert!(!made.status.success(), "{made:?}");
    assert!(
        !String::from_utf8_lossy(&made.stderr).contains("panicked"),
        "{made:?}"
    );
}

#[tokio::test]
async fn a_token_of_one_realm_is_refused_by_the_other() {
    let user = shared().user().await;
    let admin = shared().admin().await;
    user.get("/admin/api/v1/dead-letters").await.refused(40101);
    admin.profile().await.refused(40101);
    admin.tasks("").await.refused(40101);
    shared()
        .anonymous()
        .get("/admin/api/v1/dead-letters")
        .await
        .refused(40101);
    admin.get("/admin/api/v1/dead-letters").await.ok();
}

#[tokio::test]
async fn a_dead_letter_is_listed_replayed_and_dropped() {
    let app = sqlite().start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();
    shelf.fail(1000);
    let (task_id, _) = user.submit(&shelf.url("flaky.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(task["status"], "dead", "{task:#}");
    assert_eq!(
        task["attempt"], 4,
        "one attempt and three retries: {task:#}"
    );

    let list = admin.get("/admin/api/v1/dead-letters").await.ok();
    assert_eq!(list["total"], 1, "{list:#}");
    assert_eq!(list["items"][0]["task_id"], task_id.as_str());
    assert_eq!(
        list["items"][0]["attempts"].as_array().map(Vec::len),
        Some(4),
        "{list:#}"
    );

    shelf.fail(0);
    let replay = format!("/admin/api/v1/dead-letters/{task_id}/replay");
    admin
        .send(Method::POST, &replay, |request| request)
        .await
        .ok();
    user.succeeded(&task_id).await;
    let list = admin.get("/admin/api/v1/dead-letters").await.ok();
    assert_eq!(list["total"], 0, "{list:#}");

    shelf.fail(1000);
    let (task_id, _) = user.submit(&shelf.url("flaky.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(task["status"], "dead", "{task:#}");
    let drop = format!("/admin/api/v1/dead-letters/{task_id}");
    admin.delete(&drop).await.ok();
    let list = admin.get("/admin/api/v1/dead-letters").await.ok();
    assert_eq!(list["total"], 0, "{list:#}");
    admin.delete(&drop).await.refused(40401);
}

#[tokio::test]
async fn dead_letters_refuse_bad_input_and_users() {
    let user = shared().user().await;
    let admin = shared().admin().await;
    admin
        .get("/admin/api/v1/dead-letters?page_size=101")
        .await
        .refused_field("page_size");
    let replay = |id: &str| format!("/admin/api/v1/dead-letters/{id}/replay");
    let drop = |id: &str| format!("/admin/api/v1/dead-letters/{id}");
    let post = |path: String| async move {
        shared()
            .admin()
            .await
            .send(Method::POST, &path, |r| r)
            .await
    };
    post(replay(UNKNOWN_ID)).await.refused(40401);
    post(replay("not-an-id")).await.refused(40001);
    admin.delete(&drop(UNKNOWN_ID)).await.refused(40401);
    admin.delete(&drop("not-an-id")).await.refused(40001);
    user.delete(&drop(UNKNOWN_ID)).await.refused(40101);
    user.send(Method::POST, &replay(UNKNOWN_ID), |request| request)
        .await
        .refused(40101);
}

/// Every route of the admins' realm but its login.
const ADMINS_ROUTES: [(Method, &str); 22] = [
    (Method::GET, "/admin/api/v1/queue"),
    (Method::GET, "/admin/api/v1/dead-letters"),
    (Method::POST, "/admin/api/v1/dead-letters/replay"),
    (Method::DELETE, "/admin/api/v1/dead-letters/{id}"),
    (Method::POST, "/admin/api/v1/dead-letters/{id}/replay"),
    (Method::GET, "/admin/api/v1/users"),
    (Method::GET, "/admin/api/v1/users/{id}"),
    (Method::PUT, "/admin/api/v1/users/{id}"),
    (Method::GET, "/admin/api/v1/proxies"),
    (Method::PUT, "/admin/api/v1/proxies/policy"),
    (Method::GET, "/admin/api/v1/proxies/events"),
    (Method::GET, "/admin/api/v1/overview"),
    (Method::GET, "/admin/api/v1/findings"),
    (Method::GET, "/admin/api/v1/tools"),
    (Method::PUT, "/admin/api/v1/tools/yt-dlp"),
    (Method::GET, "/admin/api/v1/projects"),
    (Method::POST, "/admin/api/v1/projects"),
    (Method::GET, "/admin/api/v1/projects/{id}"),
    (Method::PUT, "/admin/api/v1/projects/{id}"),
    (Method::DELETE, "/admin/api/v1/projects/{id}"),
    (Method::POST, "/admin/api/v1/projects/{id}/secret"),
    (Method::PATCH, "/admin/api/v1/queue"),
];

#[tokio::test]
async fn only_admins_come_in_and_only_by_the_methods_that_there_are() {
    let (anonymous, user) = (shared().anonymous(), shared().user().await);
    let (reviewer, admin) = (shared().reviewer().await, shared().admin().await);
    for (method, path) in ADMINS_ROUTES {
        let path = path.replace("{id}", UNKNOWN_ID);
        if method == Method::PATCH {
            admin
                .send(method, &path, |request| request)
                .await
                .refused(40501);
            continue;
        }
        for (caller, code) in [(&anonymous, 40101), (&*user, 40101), (&reviewer, 40301)] {
            let answer = caller.send(method.clone(), &path, |request| request).await;
            answer.refused(code);
        }
    }
    admin.get("/admin/api/v1/nothing").await.refused(40401);
}

/// Whether the log says that this admin did this.
fn is_logged(log: &str, action: &str, what: &str) -> bool {
    log.lines()
        .any(|line| line.contains(action) && line.contains("admin_id") && line.contains(what))
}

#[tokio::test]
async fn all_dead_letters_are_replayed_at_once() {
    let app = sqlite().config("queue = { max_retries = 0 }").start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();
    shelf.fail(1000);
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let (task_id, _) = user.submit(&shelf.url("flaky.mp4")).await;
        assert_eq!(user.finished(&task_id).await["status"], "dead");
        tasks.push(task_id);
    }
    shelf.fail(0);
    let replay = async || {
        let path = "/admin/api/v1/dead-letters/replay";
        admin.send(Method::POST, path, |request| request).await.ok()["replayed"].clone()
    };
    assert_eq!(replay().await, 3);
    for task_id in &tasks {
        user.succeeded(task_id).await;
    }
    assert_eq!(replay().await, 0);
    assert!(is_logged(&app.log(), "replay_dead_letters", "admin"));
}
