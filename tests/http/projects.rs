//! Projects as callers: `/api/v1/auth/token`, their own tasks and nobody else's (DC-1, ID-3, ID-4).

mod tasks;

use crate::{reaching, shared, sqlite};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::{Answer, Caller, Project, TestApp};

const TOKEN: &str = "/api/v1/auth/token";

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer} is no JSON"))
}

/// Panics unless this is the refusal with this code in the envelope and this word of RFC 6749, which no
/// cache keeps.
#[track_caller]
fn refused(answer: Answer, code: i64, word: &str) -> Answer {
    let answer = answer.refused(code);
    let body = body(&answer);
    assert_eq!(body["error"], word, "{answer}");
    assert_eq!(body["error_description"], body["message"], "{answer}");
    assert_eq!(answer.header("cache-control"), "no-store", "{answer}");
    answer
}

async fn ask(caller: &Caller<'_>, finish: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Answer {
    caller.send(Method::POST, TOKEN, finish).await
}

fn credentials(project: &Project<'_>) -> Value {
    json!({
        "grant_type": "client_credentials",
        "client_id": project.client_id,
        "client_secret": project.client_secret,
    })
}

async fn a_token_by_every_way(app: &TestApp) {
    let project = app.project("finance", &["erp.example.com"]).await;
    let anonymous = app.anonymous();
    let json = credentials(&project);
    for answer in [
        anonymous
            .grant(&project.client_id, &project.client_secret)
            .await,
        anonymous
            .grant_by_basic(&project.client_id, &project.client_secret)
            .await,
        ask(&anonymous, |request| request.json(&json)).await,
    ] {
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        let granted = body(&answer);
        let mut fields: Vec<_> = granted.as_object().expect("an object").keys().collect();
        fields.sort();
        assert_eq!(fields, ["access_token", "expires_in", "token_type"]);
        assert_eq!(
            (&granted["token_type"], &granted["expires_in"]),
            (&json!("Bearer"), &json!(86_400))
        );
        let token = granted["access_token"].as_str().expect("a token");
        assert_eq!(app.caller(token).tasks("").await.ok()["total"], 0);
    }
}

#[tokio::test]
async fn a_project_obtains_a_token_by_form_basic_and_json_on_sqlite() {
    a_token_by_every_way(shared()).await;
}

#[tokio::test]
async fn a_project_obtains_a_token_by_form_basic_and_json_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        a_token_by_every_way(&reaching(builder).start()).await;
    }
}

#[tokio::test]
async fn who_is_no_client_is_told_so_and_no_more() {
    let app = sqlite().start();
    let project = app.project("finance", &[]).await;
    let other = app.project("other", &[]).await;
    let off = app.project("off", &[]).await;
    app.admin_project(&["disable", &off.name]);
    let anonymous = app.anonymous();
    let unknown = format!("project-{}", "0".repeat(32));
    let mut sentences = Vec::new();
    for (client_id, client_secret) in [
        (project.client_id.as_str(), other.client_secret.as_str()),
        (&project.client_id, ""),
        (&project.client_id, "x"),
        (&unknown, &project.client_secret),
        ("", ""),
        ("a\0b", "x"),
        ("财务", "x"),
        (&off.client_id, &off.client_secret),
    ] {
        let answer = anonymous.grant(client_id, client_secret).await;
        let answer = refused(answer, 40103, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "", "{answer}");
        sentences.push(answer.message);
        let answer = anonymous.grant_by_basic(client_id, client_secret).await;
        let answer = refused(answer, 40103, "invalid_client");
        assert!(
            answer.header("www-authenticate").starts_with("Basic "),
            "{answer}"
        );
    }
    sentences.dedup();
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    for authorization in ["Basic", "Basic !", "basic eA=="] {
        let grant = [("grant_type", "client_credentials")];
        let answer = ask(&anonymous, |request| {
            request.header("authorization", authorization).form(&grant)
        });
        refused(answer.await, 40103, "invalid_client");
    }
}

#[tokio::test]
async fn what_is_no_request_for_a_token_is_refused() {
    let anonymous = shared().anonymous();
    let project = shared().project("finance", &[]).await;
    for (kind, body) in [
        ("application/x-www-form-urlencoded", ""),
        (
            "application/x-www-form-urlencoded",
            "client_id=a&client_secret=b",
        ),
        (
            "application/x-www-form-urlencoded",
            "grant_type=client_credentials&client_id=a&client_id=b",
        ),
        ("application/json", "grant_type=client_credentials"),
        ("application/json", "{}"),
        ("application/json", "[]"),
        ("text/plain", "grant_type=client_credentials"),
    ] {
        let answer = ask(&anonymous, |request| {
            request.header("content-type", kind).body(body)
        });
        let answer = answer.await;
        let code = answer.code;
        assert!(matches!(code, 40001 | 40002), "{answer}");
        refused(answer, code, "invalid_request");
    }
    let twice = [
        ("grant_type", "client_credentials"),
        ("client_secret", &project.client_secret),
    ];
    let answer = ask(&anonymous, |request| {
        request
            .basic_auth(&project.client_id, Some(&project.client_secret))
            .form(&twice)
    });
    refused(answer.await, 40001, "invalid_request");

    for grant in ["password", "refresh_token", "authorization_code"] {
        let mut request = credentials(&project);
        request["grant_type"] = json!(grant);
        let answer = ask(&anonymous, |it| it.json(&request)).await;
        refused(answer, 40001, "unsupported_grant_type");
    }
    anonymous.get(TOKEN).await.refused(40501);
    let large = vec![b'x'; 5 * 1024 * 1024];
    ask(&anonymous, |request| request.body(large))
        .await
        .refused(41301);
}

#[tokio::test]
async fn ten_failures_close_a_client_for_a_while_and_no_other() {
    let app = sqlite().start();
    let (project, other) = (app.project("a", &[]).await, app.project("b", &[]).await);
    let anonymous = app.anonymous();
    let fail = async || anonymous.grant(&project.client_id, "wrong").await;
    // A good one in between takes the failures back.
    for _ in 0..9 {
        refused(fail().await, 40103, "invalid_client");
    }
    app.token(&project.client_id, &project.client_secret).await;
    let answers = futures_util::future::join_all((0..20).map(|_| fail())).await;
    let wrong = answers.iter().filter(|answer| answer.code == 40103);
    assert_eq!(wrong.count(), 10, "of those at once ten were looked at");
    for answer in [
        fail().await,
        anonymous
            .grant_by_basic(&project.client_id, &project.client_secret)
            .await,
    ] {
        let answer = refused(answer, 42901, "temporarily_unavailable");
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((1..=900).contains(&wait), "{answer}");
    }
    app.token(&other.client_id, &other.client_secret).await;
    project.tasks("").await.ok();
}

#[tokio::test]
async fn a_hundred_failures_close_an_address_to_every_client() {
    let app = sqlite().start();
    let project = app.project("a", &[]).await;
    let anonymous = app.anonymous();
    for n in 0..100 {
        let unknown = format!("project-{n:032x}");
        let answer = anonymous.grant(&unknown, "wrong").await;
        refused(answer, 40103, "invalid_client");
    }
    let answer = anonymous
        .grant(&project.client_id, &project.client_secret)
        .await;
    refused(answer, 42901, "temporarily_unavailable");
    // People are counted apart.
    app.user().await;
}

#[tokio::test]
async fn a_projects_token_is_no_users_and_no_admins() {
    let project = shared().project("finance", &[]).await;
    project.profile().await.refused(40101);
    project.logout().await.refused(40101);
    project.quota().await.refused(40101);
    project.history("").await.refused(40101);
    project.get("/api/v1/user/stats").await.refused(40101);
    project.parse("http://example.com/").await.refused(40101);
    project.download("http://example.com/").await.refused(40101);
    let (unknown, token) = (crate::UNKNOWN_ID, project.token());
    project.file_of_history(unknown).await.refused(40101);
    project.get("/admin/api/v1/projects").await.refused(40101);
    project.get("/admin/api/v1/queue").await.refused(40101);
    project.refresh(token).await.refused(40101);
    let admin = shared().admin().await;
    admin.tasks("").await.refused(40101);
    admin.ticket().await.refused(40101);
}

#[tokio::test]
async fn nothing_secret_of_a_project_is_in_log_or_database() {
    let app = sqlite().start();
    let project = app.project("finance", &["erp.example.com"]).await;
    let admin = app.admin().await;
    let anonymous = app.anonymous();
    let (client_id, client_secret) = (&project.client_id, &project.client_secret);
    let mut secrets = vec![
        client_secret.clone(),
        project.callback_secret.clone(),
        project.token().to_owned(),
    ];
    let answer = anonymous.grant_by_basic(client_id, client_secret).await;
    secrets.push(
        body(&answer)["access_token"]
            .as_str()
            .expect("a token")
            .to_owned(),
    );
    anonymous
        .grant(client_id, &format!("{client_secret}x"))
        .await;
    let path = format!("/admin/api/v1/projects/{}/secret", project.project_id);
    let rotated = admin.post(&path, &json!({})).await.ok();
    secrets.push(
        rotated["client_secret"]
            .as_str()
            .expect("a secret")
            .to_owned(),
    );
    let rotated = admin.post(&path, &json!({ "callback": true })).await.ok();
    secrets.push(
        rotated["callback_secret"]
            .as_str()
            .expect("a secret")
            .to_owned(),
    );

    let log = app.log();
    assert!(log.contains("rotate_project_secret"), "{log}");
    let mut database = Vec::new();
    for file in ["wharf.db", "wharf.db-wal"] {
        database.extend(std::fs::read(app.data().join(file)).unwrap_or_default());
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} is in the log");
        let bytes = secret.as_bytes();
        let is_kept = database.windows(bytes.len()).any(|window| window == bytes);
        assert!(!is_kept, "{secret} is in the database");
    }
    let is_kept = |text: &str| {
        let bytes = text.as_bytes();
        database.windows(bytes.len()).any(|window| window == bytes)
    };
    assert!(is_kept(client_id), "the database was read");
}
