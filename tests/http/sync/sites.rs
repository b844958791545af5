//! `/api/v1/sync/register`, `/api/v1/sync/heartbeat` and a site's tokens (DS-13, ID-3, ID-4).

use crate::{UNKNOWN_ID, reaching, shared, sqlite};
use serde_json::{Value, json};
use tests::{Builder, TestApp, unique};

const REGISTER: &str = "/api/v1/sync/register";

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    match value[field].as_str() {
        Some(text) => text,
        None => panic!("no {field} in {value:#}"),
    }
}

async fn a_sites_life(builder: Builder) {
    let app = reaching(builder).start();
    let anonymous = app.anonymous();
    let name = unique();
    let made = app.site_code(&[&name, "--group", "east"]);
    let answer = anonymous.register_site(&made).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let registered = answer.ok();
    assert_eq!(registered["site_id"], made["site_id"]);
    assert_eq!(registered["epoch"], 1);
    anonymous.register_site(&made).await.refused(41001);

    let (id, secret) = (
        text(&registered, "client_id"),
        text(&registered, "client_secret"),
    );
    let site = app.caller(&app.token(id, secret).await);
    let beat = json!({ "backlog": 7, "dead": 1, "version": "0.1.0", "epoch": 1, "tick": 3, "beat_id": "c" });
    let heard = site.heartbeat(&beat).await.ok();
    assert_eq!(
        (&heard["epoch"], &heard["tick"], &heard["restored"]),
        (&json!(1), &json!(3), &json!(false))
    );
    let config = json!({ "max_rows": 500, "max_bytes": 4_194_304, "group": "east", "name": name, "site_id": made["site_id"] });
    assert_eq!(heard["config"], config);
    assert!(text(&heard, "server_time").ends_with('Z'));

    let admin = app.admin().await;
    let path = format!("/admin/api/v1/sites/{}", text(&made, "site_id"));
    let seen = admin.get(&path).await.ok();
    assert_eq!(seen["report"], json!({ "backlog": 7, "dead": 1 }));
    assert_eq!(
        (&seen["version"], &seen["registered"]),
        (&json!("0.1.0"), &json!(true))
    );
    assert!(seen["last_contact"].is_string());

    // A backup from before the third heartbeat is restored.
    let back = json!({ "epoch": 1, "tick": 2, "beat_id": "other" });
    let heard = site.heartbeat(&back).await.ok();
    assert_eq!(
        (&heard["restored"], &heard["tick"]),
        (&json!(true), &json!(3))
    );
    let restart = json!({ "epoch": 2, "tick": 2, "beat_id": "d", "restored": true });
    for _ in 0..2 {
        let heard = site.heartbeat(&restart).await.ok();
        assert_eq!(
            (&heard["epoch"], &heard["tick"], &heard["restored"]),
            (&json!(2), &json!(2), &json!(false))
        );
    }

    let revoked = admin.revoke_site(text(&made, "site_id")).await.ok();
    assert_eq!(revoked["revoked"], true);
    site.heartbeat(&beat).await.refused(40101);
    anonymous.grant(id, secret).await.refused(40103);
}

#[tokio::test]
async fn a_site_registers_beats_goes_back_in_time_and_is_revoked_on_sqlite() {
    a_sites_life(TestApp::sqlite()).await;
}

#[tokio::test]
async fn a_site_registers_beats_goes_back_in_time_and_is_revoked_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        a_sites_life(builder).await;
    }
}

#[tokio::test]
async fn a_site_with_a_secret_of_its_own_may_repeat_its_registration() {
    let anonymous = shared().anonymous();
    let made = shared().site_code(&[&unique()]);
    let own = unique().repeat(2);
    let request = json!({ "code": made["code"], "name": unique(), "client_secret": own });
    let first = anonymous.post(REGISTER, &request).await.ok();
    assert_eq!(first["client_secret"], own);
    assert_eq!(anonymous.post(REGISTER, &request).await.ok(), first);
    let other = json!({ "code": made["code"], "client_secret": unique().repeat(2) });
    anonymous.post(REGISTER, &other).await.refused(41001);
    anonymous.register_site(&made).await.refused(41001);
    shared().token(text(&first, "client_id"), &own).await;
}

#[tokio::test]
async fn another_computer_takes_the_place_of_the_former_one() {
    let app = sqlite().start();
    let former = app.site("east").await;
    former.heartbeat(&json!({})).await.ok();
    let made = app.site_code(&[&former.name]);
    assert_eq!(
        (text(&made, "site_id"), text(&made, "group")),
        (former.site_id.as_str(), "east")
    );
    former.heartbeat(&json!({})).await.ok();
    let typed = text(&made, "code").to_uppercase().replace('-', " ");
    let anonymous = app.anonymous();
    let typed = json!({ "code": typed });
    let registered = anonymous.register_site(&typed).await.ok();
    assert_eq!(registered["epoch"], 2);
    assert_ne!(text(&registered, "client_id"), former.client_id);
    former.heartbeat(&json!({})).await.refused(40101);
    anonymous
        .grant(&former.client_id, &former.client_secret)
        .await
        .refused(40103);
    let token = app.token(
        text(&registered, "client_id"),
        text(&registered, "client_secret"),
    );
    let site = app.caller(&token.await);
    let heard = site.heartbeat(&json!({ "epoch": 2, "tick": 1 })).await.ok();
    assert_eq!(heard["restored"], false, "{heard:#}");
}

#[tokio::test]
async fn what_does_not_fit_names_its_field_and_uses_up_no_code() {
    let app = sqlite().start();
    let (anonymous, site) = (app.anonymous(), app.site("east").await);
    let made = app.site_code(&[&unique()]);
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a\0")),
        ("client_secret", json!("short")),
        ("client_secret", json!("F".repeat(64))),
    ] {
        let mut request = json!({ "code": made["code"] });
        request[field] = value;
        let answer = anonymous.post(REGISTER, &request).await;
        answer.refused_field(field);
    }
    anonymous.post(REGISTER, &json!({})).await.refused(40001);
    let taken = json!({ "code": made["code"], "name": site.name });
    let answer = anonymous.post(REGISTER, &taken).await.refused(40901);
    assert_eq!(answer.data["field"], "name");
    anonymous.register_site(&made).await.ok();

    for (field, value) in [
        ("backlog", json!(-1)),
        ("dead", json!(-1)),
        ("version", json!("x".repeat(129))),
        ("version", json!("\0")),
        ("epoch", json!(0)),
        ("tick", json!(-1)),
        ("beat_id", json!("")),
    ] {
        let answer = site.heartbeat(&json!({ field: value })).await;
        answer.refused_field(field);
    }
    site.heartbeat(&json!({ "restored": true }))
        .await
        .refused_field("epoch");
    site.heartbeat(&json!([])).await.refused(40001);
    site.get("/api/v1/sync/heartbeat").await.refused(40501);
}

#[tokio::test]
async fn a_sites_token_is_no_users_no_projects_and_no_admins() {
    let site = shared().site("east").await;
    site.heartbeat(&json!({})).await.ok();
    site.profile().await.refused(40101);
    site.tasks("").await.refused(40101);
    site.get("/admin/api/v1/sites").await.refused(40101);
    let (user, admin) = (shared().user().await, shared().admin().await);
    let project = shared().project("finance", &[]).await;
    let anonymous = shared().anonymous();
    for caller in [&user.caller, &admin, &project.caller, &anonymous] {
        caller.heartbeat(&json!({})).await.refused(40101);
    }
}

#[tokio::test]
async fn a_code_is_not_guessed() {
    let app = sqlite().start();
    let anonymous = app.anonymous();
    for code in ["", "x", "\0", UNKNOWN_ID, &unique()] {
        let guess = json!({ "code": code });
        anonymous.register_site(&guess).await.refused(40103);
    }
    let same = json!({ "code": unique() });
    for _ in 0..10 {
        anonymous.register_site(&same).await.refused(40103);
    }
    let closed = anonymous.register_site(&same).await.refused(42901);
    assert!(!closed.header("retry-after").is_empty());
    let made = app.site_code(&[&unique()]);
    anonymous.register_site(&made).await.ok();
    for _ in 0..85 {
        anonymous
            .register_site(&json!({ "code": unique() }))
            .await
            .refused(40103);
    }
    let made = app.site_code(&[&unique()]);
    anonymous.register_site(&made).await.refused(42901);
}

#[tokio::test]
async fn neither_code_nor_secret_is_in_log_or_database() {
    let app = sqlite().start();
    let admin = app.admin().await;
    let made = admin
        .post("/admin/api/v1/sites", &json!({ "name": "a" }))
        .await;
    let made = made.ok_with(201);
    let registered = app.anonymous().register_site(&made).await.ok();
    let digits = text(&made, "code").replace('-', "");
    let mut kept = app.log().into_bytes();
    for file in tests::files_under(&app.data()) {
        kept.extend(std::fs::read(file).unwrap_or_default());
    }
    let secret = text(&registered, "client_secret");
    for hidden in [text(&made, "code"), &digits, secret] {
        let is_kept = kept.windows(hidden.len()).any(|it| it == hidden.as_bytes());
        assert!(!is_kept, "{hidden}");
    }
}
