//! A shop's server beside its cloud: rows both ways, schedule, initial load, restored backups (DS-1, DS-10 to DS-13).

use crate::sqlite;
use serde_json::{Value, json};
use tests::{Builder, Caller, PATIENCE, Shop, TestApp, eventually, standing_address};

fn row(syn_id: &str, kind: &str, entity: &str) -> Value {
    json!({
        "syn_id": syn_id, "business_type": kind, "op": "upsert", "entity": entity,
        "data_detail": { "of": syn_id },
    })
}

/// A shop's server of this cloud.
fn site(builder: Builder, cloud: &TestApp, name: &str, shop: &Shop) -> Builder {
    let made = cloud.site_code(&[name, "--group", "g"]);
    builder.site(cloud.base(), made["code"].as_str().expect("a code"), shop)
}

async fn applied(shop: &Shop, count: usize) {
    eventually(&format!("{count} rows are applied"), PATIENCE, async || {
        (shop.applied_count() >= count).then_some(())
    })
    .await;
}

async fn drained(caller: &Caller<'_>) -> Value {
    eventually("everything is sent", PATIENCE, async || {
        let status = caller.sync_status().await.ok();
        (status["backlog"] == 0).then_some(status)
    })
    .await
}

async fn two_shops_and_their_cloud(cloud: Builder, of_a: Builder) {
    let (shop_a, shop_b, head) = (
        Shop::start().await,
        Shop::start().await,
        Shop::start().await,
    );
    let cloud = cloud.cloud(&head).start();
    let a = site(of_a, &cloud, "a", &shop_a).start();
    let b = site(sqlite(), &cloud, "b", &shop_b).start();
    let (at_a, at_b, admin) = (a.user().await, b.user().await, cloud.admin().await);
    at_a.hand_in(&[row("1", "member", "m:1"), row("2", "order", "o:1")])
        .await
        .ok();
    at_b.hand_in(&[row("1", "member", "m:2"), row("2", "member_private", "p:1")])
        .await
        .ok();
    applied(&head, 4).await;
    applied(&shop_a, 1).await;
    applied(&shop_b, 1).await;
    let down = json!({
        "syn_id": "c", "business_type": "member", "op": "delete", "entity": "m:1", "entity_version": 2, "group": "g",
    });
    admin.hand_in(&[down]).await.ok();
    applied(&shop_a, 2).await;
    applied(&shop_b, 2).await;
    let status = drained(&at_a).await;
    assert_eq!(
        (&status["role"], &status["dead"], &status["upstream_ok"]),
        (&json!("site"), &json!(0), &json!(true))
    );
    assert!(status["last_push"].is_string() && status["last_pull"].is_string());
    for shop in [&shop_a, &shop_b, &head] {
        assert_eq!(shop.faults(), tests::Faults::default());
    }
    let table = shop_b.table();
    assert!(
        table["m:1"].is_deleted && !table.contains_key("o:1"),
        "{table:?}"
    );
    assert_eq!(shop_a.table().len(), 2);
    // A shop has a row before its server has said so.
    let listed = eventually("the cloud knows", PATIENCE, async || {
        let listed = admin.get("/admin/api/v1/sites").await.ok();
        let items = listed["items"].as_array().expect("items");
        let is_done = items.iter().all(|item| item["backlog"] == 0);
        is_done.then_some(listed)
    })
    .await;
    for item in listed["items"].as_array().expect("items") {
        assert_eq!((&item["backlog"], &item["dead"]), (&json!(0), &json!(0)));
        assert!(item["last_contact"].is_string() && item["version"].is_string());
    }
    for app in [&cloud, &a, &b] {
        let log = app.log();
        assert!(!log.contains("client_secret") && !log.contains("passw0rd"));
    }
}

#[tokio::test]
async fn two_shops_and_their_cloud_exchange_rows_on_sqlite() {
    two_shops_and_their_cloud(sqlite(), sqlite()).await;
}

#[tokio::test]
async fn two_shops_and_their_cloud_exchange_rows_on_postgresql() {
    if let (Some(cloud), Some(shop)) = (TestApp::postgres(), TestApp::postgres()) {
        two_shops_and_their_cloud(cloud, shop).await;
    }
}

#[tokio::test]
async fn a_site_with_a_schedule_runs_by_it_and_when_it_is_asked() {
    let shop = Shop::start().await;
    let cloud = sqlite().start();
    let (peer, admin) = (cloud.site("g").await, cloud.admin().await);
    let mut app = site(sqlite(), &cloud, "a", &shop)
        .config("site = { interval_s = 3600 }")
        .start();
    let ran = async |app: &TestApp, than: &Value| {
        let at = app.user().await;
        eventually("a run ends", PATIENCE, async || {
            let status = at.sync_status().await.ok();
            (status["last_run"].is_string() && status["last_run"] != *than).then_some(status)
        })
        .await
    };
    // The first start is a run of its own.
    let first = ran(&app, &Value::Null).await;
    let at = app.user().await;
    at.hand_in(&[row("1", "member", "m:1")]).await.ok();
    admin.hand_in(&[json!({
        "syn_id": "c", "business_type": "member", "entity": "m:2", "data_detail": 1, "group": "g",
    })])
    .await
    .ok();
    assert_eq!(at.sync_status().await.ok()["backlog"], 1);
    at.post("/api/v1/sync/now", &json!({})).await.ok_with(202);
    applied(&shop, 1).await;
    let second = ran(&app, &first["last_run"]).await;
    assert_eq!(second["backlog"], 0);
    assert_eq!(
        peer.pull(&json!({})).await.ok()["rows"]
            .as_array()
            .expect("rows")
            .len(),
        2
    );
    // A start within the interval is no run.
    app.stop();
    app.restart();
    let at = app.user().await;
    at.hand_in(&[row("2", "member", "m:1")]).await.ok();
    assert_eq!(at.sync_status().await.ok()["last_run"], second["last_run"]);
}

#[tokio::test]
async fn a_site_that_cannot_reach_its_cloud_says_so_and_loses_nothing() {
    let (shop, mut cloud) = (
        Shop::start().await,
        sqlite().listen(&standing_address()).start(),
    );
    let app = site(sqlite(), &cloud, "a", &shop).start();
    let at = app.user().await;
    drained(&at).await;
    cloud.stop();
    at.hand_in(&[row("1", "order", "o:1")]).await.ok();
    let status = eventually("it notices", PATIENCE, async || {
        let status = at.sync_status().await.ok();
        (status["upstream_ok"] == false).then_some(status)
    })
    .await;
    assert_eq!(
        (&status["backlog"], &status["dead"]),
        (&json!(1), &json!(0))
    );
    assert!(
        status["upstream_error"]
            .as_str()
            .expect("why")
            .contains("cannot be reached")
    );
    cloud.restart();
    assert_eq!(drained(&at).await["dead"], 0);
}

#[tokio::test]
async fn a_new_site_is_given_what_it_may_see_the_last_row_of_each_entity() {
    let (shop, cloud) = (Shop::start().await, sqlite().start());
    let old = cloud.site("g").await;
    for n in 0..3 {
        let rows: Vec<Value> = (0..400)
            .map(|entity| row(&format!("{n}-{entity}"), "member", &format!("m:{entity}")))
            .collect();
        old.push(&n.to_string(), &rows).await.ok();
    }
    old.push("private", &[row("p", "member_private", "p:1")])
        .await
        .ok();
    let _new = site(sqlite(), &cloud, "new", &shop).start();
    applied(&shop, 400).await;
    let admin = cloud.admin().await;
    eventually("the load is done", PATIENCE, async || {
        let items = admin.get("/admin/api/v1/sites").await.ok();
        let items = items["items"].as_array().expect("items").clone();
        let new = items
            .iter()
            .find(|item| item["name"] == "new")
            .expect("it is listed");
        (new["loading"] == false && new["backlog"] == 0).then_some(())
    })
    .await;
    assert_eq!(shop.applied_count(), 400);
    let table = shop.table();
    assert!(table.values().all(|entry| {
        entry.data_detail["of"]
            .as_str()
            .expect("of")
            .starts_with("2-")
    }));
}

#[tokio::test]
async fn a_site_restored_from_a_backup_begins_a_new_epoch_and_gets_back_what_it_lost() {
    let (shop, cloud) = (Shop::start().await, sqlite().start());
    let peer = cloud.site("g").await;
    let mut app = site(sqlite(), &cloud, "a", &shop).start();
    let at = app.user().await;
    at.hand_in(&[row("1", "order", "o:1")]).await.ok();
    drained(&at).await;
    let folder = tempfile::tempdir().expect("a folder");
    let backup = folder.path().join("backup.tar").display().to_string();
    let written = app.run(&["backup", &backup], "");
    assert!(written.status.success(), "{written:?}");
    // Days that the backup does not know: the shop sends, the cloud sends.
    at.hand_in(&[row("2", "member", "m:2"), row("3", "order", "o:1")])
        .await
        .ok();
    peer.push("1", &[row("x", "member", "m:9")]).await.ok();
    applied(&shop, 1).await;
    drained(&at).await;
    app.stop();
    let restored = app.run(&["restore", &backup, "--force"], "");
    assert!(restored.status.success(), "{restored:?}");
    app.restart();
    let at = app.user().await;
    // It uses an id again that it has used in its lost future.
    at.hand_in(&[
        row("4", "member", "m:4"),
        json!({
            "syn_id": "2", "business_type": "member", "entity": "m:5", "data_detail": "another",
        }),
    ])
    .await
    .ok();
    // What it lost comes back: its own order and member, and what others sent, which its shop knows already.
    applied(&shop, 3).await;
    let status = drained(&at).await;
    assert_eq!(
        (&status["dead"], &status["upstream_ok"]),
        (&json!(0), &json!(true))
    );
    let table = shop.table();
    let entities: Vec<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(entities, ["m:2", "m:9", "o:1"]);
    assert_eq!(table["o:1"].data_detail["of"], "3");
    assert!(app.log().contains("has gone back in time"));
    // Others got each row once, and two that have one id one after the other.
    let entities = async || {
        let batch = peer.pull(&json!({})).await.ok();
        let rows = batch["rows"].as_array().expect("rows").clone();
        let batch_id = batch["batch_id"].as_str().expect("a batch");
        peer.ack(batch_id, &rows, "ok").await.ok();
        let entity = |row: &Value| row["entity"].as_str().expect("an entity").to_owned();
        rows.iter().map(entity).collect::<Vec<_>>()
    };
    assert_eq!(entities().await, ["m:2", "m:4"]);
    assert_eq!(entities().await, ["m:5"]);
    assert_eq!(peer.pull(&json!({})).await.ok()["rows"], json!([]));
}

#[tokio::test]
async fn a_site_with_credentials_in_its_settings_needs_no_code() {
    let (shop, cloud) = (Shop::start().await, sqlite().start());
    let (known, peer) = (cloud.site("g").await, cloud.site("g").await);
    let settings = json!({
        "upstream": cloud.base(), "apply_url": shop.url(),
        "client_id": known.client_id, "client_secret": known.client_secret,
    });
    let settings: toml::Table = serde_json::from_value(settings).expect("TOML has these too");
    let app = sqlite().config(&format!("[site]\n{settings}")).start();
    let at = app.user().await;
    at.hand_in(&[row("1", "member", "m:1")]).await.ok();
    assert_eq!(drained(&at).await["dead"], 0);
    let batch = peer.pull(&json!({})).await.ok();
    assert_eq!(
        batch["rows"][0]["data_from_server_id"],
        json!(known.site_id)
    );
    assert!(!app.log().contains(&known.client_secret));
}
