//! Cookie jars per site (VA-16): sealed, used for their site alone, never given out.

use crate::sqlite;
use reqwest::Method;
use tests::{Answer, Caller, TestApp, media};

const JAR: &str = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tmember\n\
                   .elsewhere.example\tTRUE\t/\tTRUE\t1801440000\tother\tleft-out-5d1e\n";

async fn keep(admin: &Caller<'_>, site: &str, kind: &'static str, body: &str) -> Answer {
    let path = format!("/admin/api/v1/cookies/{site}");
    let body = body.to_owned();
    let finish =
        move |request: reqwest::RequestBuilder| request.header("content-type", kind).body(body);
    admin.send(Method::PUT, &path, finish).await
}

async fn a_members_video(app: &TestApp) {
    let shelf = media().shelf();
    let (user, admin) = (app.user().await, app.admin().await);
    let url = shelf.url("members.mp4");
    let (refused, _) = user.submit(&url).await;
    let task = user.finished(&refused).await;
    assert_eq!(task["error"]["code"], "forbidden", "{task:#}");

    let kept = keep(&admin, "127.0.0.1", "text/plain", JAR).await.ok();
    assert_eq!(
        (&kept["cookies"], &kept["expires_at"]),
        (&1.into(), &serde_json::Value::Null)
    );
    let (task_id, _) = user.submit(&url).await;
    user.succeeded(&task_id).await;
    user.parse(&url).await.ok();

    let listed = admin.get("/admin/api/v1/cookies").await;
    let text = listed.to_string();
    assert_eq!(listed.ok()["items"][0]["site"], "127.0.0.1");
    for secret in ["member", "left-out-5d1e"] {
        assert!(!text.contains(secret), "{text}");
        assert!(!app.log().contains(&format!("\t{secret}")));
    }
    let left = tests::files_under(&app.data());
    assert!(
        left.iter()
            .all(|path| !path.to_string_lossy().contains("cookie")),
        "{left:#?}"
    );
    admin.delete("/admin/api/v1/cookies/127.0.0.1").await.ok();
    let (again, _) = user.submit(&url).await;
    assert_eq!(user.finished(&again).await["status"], "failed");
}

#[tokio::test]
async fn a_members_video_is_had_with_the_jar_of_its_site_and_without_it_no_more_on_sqlite() {
    let app = sqlite().start();
    a_members_video(&app).await;
    for file in ["wharf.db", "wharf.db-wal"] {
        let bytes = std::fs::read(app.data().join(file)).unwrap_or_default();
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(
            !holds(b"session\tmember"),
            "{file} holds the cookie as it is"
        );
    }
}

#[tokio::test]
async fn a_members_video_is_had_with_the_jar_of_its_site_and_without_it_no_more_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        a_members_video(&crate::reaching(builder).start()).await;
    }
}

#[tokio::test]
async fn what_is_no_jar_is_refused_without_repeating_it() {
    let app = crate::shared();
    let admin = app.admin().await;
    for (site, kind, body, status) in [
        ("example.com", "text/plain", "secret-4b7d", 400),
        ("example.com", "text/plain", "", 400),
        ("elsewhere.test", "text/plain", JAR, 400),
        ("no-host", "text/plain", JAR, 400),
        ("example.com", "application/json", "{}", 415),
    ] {
        let refused = keep(&admin, site, kind, body).await;
        assert_eq!(refused.status, status, "{site}: {refused}");
        assert!(!refused.to_string().contains("4b7d"), "{refused}");
    }
    assert_eq!(
        admin
            .delete("/admin/api/v1/cookies/unknown.example")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn jars_are_for_admins() {
    let app = crate::shared();
    let user = app.user().await;
    for (method, path) in [
        (Method::GET, "/admin/api/v1/cookies"),
        (Method::PUT, "/admin/api/v1/cookies/example.com"),
        (Method::DELETE, "/admin/api/v1/cookies/example.com"),
    ] {
        for caller in [&app.anonymous(), &user.caller] {
            let refused = caller.send(method.clone(), path, |request| request).await;
            assert_eq!(refused.status, 401, "{method} {path}: {refused}");
        }
    }
}
