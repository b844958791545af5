//! `/admin/api/v1/sites/…` and `wharf admin site-code`: codes made, sites listed, revoked, reloaded (DS-13).

use super::is_logged;
use crate::{UNKNOWN_ID, shared, sqlite};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::domain::business_type::Types;
use shared::domain::record::{Record, Sender};
use shared::store::records::{self, Source};
use shared::wire::record;
use tests::{Site, TestApp, unique};

const SITES: &str = "/admin/api/v1/sites";

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    match value[field].as_str() {
        Some(text) => text,
        None => panic!("no {field} in {value:#}"),
    }
}

#[tokio::test]
async fn a_code_is_made_shown_once_and_made_anew_for_the_same_site() {
    let app = sqlite().start();
    let (admin, anonymous) = (app.admin().await, app.anonymous());
    let request = json!({ "name": " 东店 ", "group": "east" });
    let answer = admin.post(SITES, &request).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let made = answer.ok_with(201);
    assert_eq!(
        (text(&made, "name"), text(&made, "group")),
        ("东店", "east")
    );
    let path = format!("{SITES}/{}", text(&made, "site_id"));
    let seen = admin.get(&path).await.ok();
    assert_eq!(
        (
            &seen["code_expires_at"],
            &seen["registered"],
            &seen["last_contact"]
        ),
        (&made["expires_at"], &json!(false), &Value::Null)
    );
    assert!(text(&seen, "created_by").contains('@'));
    let site_id = text(&made, "site_id");
    admin.reload_site(site_id).await.refused(40901);

    let again = admin
        .post(SITES, &json!({ "name": "东店" }))
        .await
        .ok_with(201);
    assert_eq!(
        (&again["site_id"], &again["group"]),
        (&made["site_id"], &json!("east"))
    );
    anonymous.register_site(&made).await.refused(40103);
    anonymous.register_site(&again).await.ok();
    let seen = admin.get(&path).await.ok();
    assert_eq!(
        (
            &seen["code_expires_at"],
            &seen["registered"],
            &seen["loading"]
        ),
        (&Value::Null, &json!(true), &json!(true))
    );
    let moved = json!({ "name": "东店", "group": "west" });
    let answer = admin.post(SITES, &moved).await.refused(40901);
    assert_eq!(answer.data["field"], "group");

    assert_eq!(admin.reload_site(site_id).await.ok()["loading"], true);
    for _ in 0..2 {
        let revoked = admin.revoke_site(site_id).await.ok();
        assert_eq!(
            (&revoked["revoked"], &revoked["loading"]),
            (&json!(true), &json!(false))
        );
    }
    admin.reload_site(site_id).await.refused(40901);
    let back = admin
        .post(SITES, &json!({ "name": "东店" }))
        .await
        .ok_with(201);
    assert_eq!(admin.get(&path).await.ok()["revoked"], true);
    assert_eq!(anonymous.register_site(&back).await.ok()["epoch"], 2);
    assert_eq!(admin.get(&path).await.ok()["revoked"], false);
    for action in ["make_site_code", "reload_site", "revoke_site"] {
        assert!(is_logged(&app.log(), action, site_id), "{action}");
    }
}

#[tokio::test]
async fn sites_are_listed_by_group_and_name_without_their_secrets() {
    let app = sqlite().start();
    let admin = app.admin().await;
    for (name, group) in [("b", "east"), ("c", "west"), ("a", "east")] {
        app.site_code(&[name, "--group", group]);
    }
    let list = admin.get(&format!("{SITES}?page_size=2")).await;
    assert!(!list.to_string().contains("code\":\""), "{list}");
    let list = list.ok();
    assert_eq!(list["total"], 3, "{list:#}");
    let items = list["items"].as_array().expect("a list");
    let names: Vec<&str> = items.iter().map(|item| text(item, "name")).collect();
    assert_eq!(names, ["a", "b"]);
    for count in ["backlog", "dead", "held", "lag_s"] {
        assert_eq!(items[0][count], 0, "{list:#}");
    }
    let rest = format!("{SITES}?page_size=2&page=2");
    let rest = admin.get(&rest).await.ok();
    assert_eq!(rest["items"][0]["name"], "c");
    assert_eq!(rest["items"][0]["created_by"], "command line");
    let too_many = format!("{SITES}?page_size=101");
    admin.get(&too_many).await.refused_field("page_size");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_only_admins_may() {
    let admin = shared().admin().await;
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a\nb")),
        ("name", json!("x".repeat(101))),
        ("group", json!(" ")),
    ] {
        let mut request = json!({ "name": unique() });
        request[field] = value;
        admin.post(SITES, &request).await.refused_field(field);
    }
    admin.post(SITES, &json!({})).await.refused(40001);
    for (id, code) in [(UNKNOWN_ID, 40401), ("x", 40001), ("business", 40001)] {
        admin.get(&format!("{SITES}/{id}")).await.refused(code);
        admin.revoke_site(id).await.refused(code);
        admin.reload_site(id).await.refused(code);
    }
    let (user, reviewer) = (shared().user().await, shared().reviewer().await);
    let anonymous = shared().anonymous();
    for (caller, code) in [
        (&user.caller, 40101),
        (&anonymous, 40101),
        (&reviewer, 40301),
    ] {
        caller.get(SITES).await.refused(code);
        let request = json!({ "name": unique() });
        caller.post(SITES, &request).await.refused(code);
        let path = format!("{SITES}/{UNKNOWN_ID}");
        caller.get(&path).await.refused(code);
        caller.revoke_site(UNKNOWN_ID).await.refused(code);
        caller.reload_site(UNKNOWN_ID).await.refused(code);
    }
    let path = format!("{SITES}/{UNKNOWN_ID}/revoke");
    admin.get(&path).await.refused(40501);
}

#[tokio::test]
async fn the_command_line_makes_codes_in_the_cloud_alone() {
    let app = sqlite().start();
    let made = app.run(&["admin", "site-code", "东店", "--group", "east"], "");
    assert!(made.status.success(), "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON, also without --json");
    assert_eq!(
        (text(&made, "name"), text(&made, "group")),
        ("东店", "east")
    );
    app.anonymous().register_site(&made).await.ok();

    let site = sqlite().config("site = { upstream = \"http://127.0.0.1:9\" }");
    let refused = site.start().run(&["admin", "site-code", "a"], "");
    assert!(!refused.status.success(), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("cloud") && !said.contains("panicked"),
        "{said}"
    );
    for wrong in [vec![""], vec!["东店", "--group", "west"], vec![]] {
        let arguments = [vec!["admin", "site-code"], wrong].concat();
        let output = app.run(&arguments, "");
        assert!(!output.status.success(), "{output:?}");
    }
}

fn row(syn_id: &str, level: i64) -> Record {
    let row = json!({
        "syn_id": syn_id, "business_type": "member", "entity": "member:7", "data_detail": { "level": level },
    });
    record::read(&RawValue::from_string(row.to_string()).expect("JSON")).expect("a row")
}

/// Rows of one entity that wait for the site, of which the first is dead and holds the others.
async fn dead_rows(app: &TestApp, site: &Site<'_>, syn_ids: &[&str]) {
    let database = app.database();
    let types = Types::default();
    let source = Source {
        sender: Sender::Cloud { group: &site.group },
        epoch: 1,
        receiver: None,
        types: &types,
    };
    let rows: Vec<Record> = syn_ids.iter().map(|it| row(it, 9)).collect();
    let accepted = records::accept(&*database, source, &rows, 1_795_336_200_000).await;
    assert_eq!(accepted.expect("they are taken").len(), syn_ids.len());
    let sql = "UPDATE deliveries SET state = CASE WHEN record_id = (SELECT min(record_id) FROM deliveries \
         WHERE receiver = $1) THEN 'dead' ELSE 'held' END, fail_num = 3, reason = 'no such level' \
         WHERE receiver = $1";
    let parameters = [site.site_id.as_str().into()];
    let changed = database.execute(sql, &parameters).await;
    assert_eq!(changed.expect("they are dead"), syn_ids.len() as u64);
}

#[tokio::test]
async fn a_dead_row_is_shown_with_what_it_holds_and_freed() {
    let app = sqlite().start();
    let (admin, site) = (app.admin().await, app.site("east").await);
    dead_rows(&app, &site, &["1/1", "2", "3"]).await;
    let dead = async || admin.dead_rows(&site.site_id).await.ok();
    let list = dead().await;
    assert_eq!(list["total"], 1, "{list:#}");
    let first = &list["items"][0];
    assert_eq!(
        (
            text(first, "syn_id"),
            text(first, "data_from_server_id"),
            text(first, "entity"),
            text(first, "reason")
        ),
        ("1/1", "cloud", "member:7", "no such level")
    );
    assert_eq!((&first["held"], &first["fail_num"]), (&json!(2), &json!(3)));
    assert_eq!(first["row"]["data_detail"]["level"], 9, "{first:#}");
    let seen = admin.get(&format!("{SITES}/{}", site.site_id)).await.ok();
    assert_eq!(
        (
            &seen["backlog"],
            &seen["dead"],
            &seen["held"],
            &seen["lag_s"]
        ),
        (&json!(0), &json!(1), &json!(2), &json!(0))
    );

    let free = async |request: Value| admin.free_row(&site.site_id, "1%2F1", &request).await;
    for (field, request) in [
        ("action", json!({ "action": "drop" })),
        ("data_detail", json!({ "action": "edit" })),
        ("data_detail", json!({ "action": "skip", "data_detail": 1 })),
        (
            "data_from_server_id",
            json!({ "action": "skip", "data_from_server_id": "\0" }),
        ),
    ] {
        free(request).await.refused_field(field);
    }
    let elsewhere = json!({ "action": "skip", "data_from_server_id": "other" });
    free(elsewhere).await.refused(40401);
    let edit = json!({ "action": "edit", "data_detail": { "level": 3 } });
    free(edit).await.ok();
    assert_eq!(dead().await["total"], 0);
    free(json!({ "action": "retry" })).await.refused(40401);
    let seen = admin.get(&format!("{SITES}/{}", site.site_id)).await.ok();
    assert_eq!((&seen["backlog"], &seen["held"]), (&json!(3), &json!(0)));
    assert!(seen["lag_s"].as_i64() > Some(0), "{seen:#}");
    assert!(is_logged(&app.log(), "free_dead_row", &site.site_id));
}

#[tokio::test]
async fn dead_rows_are_a_known_sites_or_the_business_and_an_admins_alone() {
    let admin = shared().admin().await;
    assert_eq!(admin.dead_rows("business").await.ok()["total"], 0);
    let skip = json!({ "action": "skip" });
    let of_business = admin.free_row("business", "1", &skip).await;
    of_business.refused(40401);
    for (id, code) in [(UNKNOWN_ID, 40401), ("upstream", 40001)] {
        admin.dead_rows(id).await.refused(code);
        admin.free_row(id, "1", &skip).await.refused(code);
    }
    let bad = admin.free_row("business", "%ff", &skip).await;
    bad.refused_field("syn_id");
    let reviewer = shared().reviewer().await;
    for (caller, code) in [(&reviewer, 40301), (&shared().anonymous(), 40101)] {
        caller.dead_rows("business").await.refused(code);
        let freed = caller.free_row("business", "1", &skip).await;
        freed.refused(code);
    }
}
