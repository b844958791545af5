//! `/api/v1/sync/outbox`, `/status`, `/now` and `/dead`: the business's side (DS-7, DS-12).

use crate::{shared, sqlite};
use serde_json::{Value, json};
use tests::{PATIENCE, Shop, eventually, unique};

fn row(syn_id: &str, changes: Value) -> Value {
    let mut row = json!({
        "syn_id": syn_id, "business_type": "member", "op": "upsert", "entity": format!("m:{syn_id}"),
        "data_detail": { "n": 1 },
    });
    let changes = changes.as_object().expect("an object").clone();
    row.as_object_mut().expect("an object").extend(changes);
    row
}

#[tokio::test]
async fn the_cloud_writes_to_groups_and_to_single_sites() {
    let app = shared();
    let (group, admin) = (unique(), app.admin().await);
    let (a, b) = (app.site(&group).await, app.site(&group).await);
    let rows = [
        row("to all", json!({ "group": group })),
        row(
            "to a",
            json!({ "data_to_server_id": a.site_id, "business_type": "stock" }),
        ),
    ];
    let answer = admin.hand_in(&rows).await.ok();
    assert_eq!(answer["accepted"], 2);
    // Handed in again they are known; with other content they are refused.
    assert_eq!(admin.hand_in(&rows).await.ok()["accepted"], 0);
    let other = admin
        .hand_in(&[row("to all", json!({ "group": group, "data_detail": 2 }))])
        .await
        .ok();
    assert_eq!(other["results"][0]["status"], "reject");
    let got = |batch: &Value| -> Vec<String> {
        let rows = batch["rows"].as_array().expect("rows");
        rows.iter()
            .map(|row| row["syn_id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(got(&b.pull(&json!({})).await.ok()), ["to all"]);
    let batch = a.pull(&json!({})).await.ok();
    assert_eq!(got(&batch), ["to all", "to a"]);
    assert_eq!(batch["rows"][0]["data_from_server_id"], "cloud");
    // One row that cannot be read, and nothing is taken.
    let bad = [
        row("good", json!({})),
        row("bad", json!({ "op": "insert" })),
    ];
    let refused = admin.hand_in(&bad).await.refused_field("op");
    assert_eq!(refused.data["row"], 1);
    let twice = [row("twice", json!({})), row("twice", json!({}))];
    admin.hand_in(&twice).await.refused_field("syn_id");
    let lost = row("lost", json!({ "data_to_server_id": "nowhere" }));
    admin
        .hand_in(&[lost])
        .await
        .refused_field("data_to_server_id");
    assert_eq!(
        admin.hand_in(&[row("good", json!({}))]).await.ok()["accepted"],
        1
    );
}

#[tokio::test]
async fn a_project_writes_to_its_own_group_and_decides_nothing() {
    let app = shared();
    let project = app.project("sync", &["127.0.0.1"]).await;
    let (own, foreign) = (app.site("default").await, app.site(&unique()).await);
    let id = unique();
    project
        .hand_in(&[row(&id, json!({ "data_to_server_id": own.site_id }))])
        .await
        .ok();
    let aimed = row(&unique(), json!({ "data_to_server_id": foreign.site_id }));
    project.hand_in(&[aimed]).await.refused(40301);
    let grouped = row(&unique(), json!({ "group": foreign.group }));
    project.hand_in(&[grouped]).await.refused(40301);
    project.sync_status().await.refused(40301);
    project.get("/api/v1/sync/dead").await.refused(40301);
    let free = json!({ "action": "skip" });
    project.free_own_row("x", &free).await.refused(40301);
    let user = app.user().await;
    user.hand_in(&[]).await.refused(40101);
    app.anonymous().hand_in(&[]).await.refused(40101);
}

#[tokio::test]
async fn the_clouds_business_is_one_more_receiver_with_three_strikes() {
    let shop = Shop::start().await;
    let app = sqlite().cloud(&shop).start();
    let (site, admin) = (app.site("g").await, app.admin().await);
    shop.refuse("2", 3);
    let of = |syn_id: &str| row(syn_id, json!({ "business_type": "order", "entity": "o:1" }));
    site.push("1", &[of("1"), of("2"), of("3"), row("4", json!({}))])
        .await
        .ok();
    let dead = eventually("the row is dead", PATIENCE, async || {
        let dead = admin.get("/api/v1/sync/dead").await.ok();
        (dead["total"] == 1).then_some(dead)
    });
    let dead = dead.await;
    assert_eq!(
        (&dead["items"][0]["syn_id"], &dead["items"][0]["held"]),
        (&json!("2"), &json!(1))
    );
    let status = admin.sync_status().await.ok();
    assert_eq!(
        (
            &status["role"],
            &status["backlog"],
            &status["held"],
            &status["dead"]
        ),
        (&json!("cloud"), &json!(0), &json!(1), &json!(1))
    );
    assert_eq!(shop.applied_count(), 2);
    admin
        .post("/api/v1/sync/now", &json!({}))
        .await
        .refused(40901);
    let retry = json!({ "action": "retry" });
    admin.free_own_row("2", &retry).await.ok();
    eventually("the rest follows", PATIENCE, async || {
        (shop.applied_count() == 4).then_some(())
    })
    .await;
    assert_eq!(shop.faults(), tests::Faults::default());
    admin.free_own_row("2", &retry).await.refused(40401);
    for request in [
        json!({ "action": "drop" }),
        json!({ "action": "retry", "data_detail": 1 }),
        json!({ "action": "edit" }),
    ] {
        admin.free_own_row("2", &request).await.refused(40001);
    }
}

#[tokio::test]
async fn a_site_is_its_users_or_its_operators_alone() {
    let shop = Shop::start().await;
    let cloud = sqlite().start();
    let made = cloud.site_code(&["shop"]);
    let code = made["code"].as_str().expect("a code");
    let site = sqlite()
        .site(cloud.base(), code, &shop)
        .config("site = { operators = [\"boss@example.com\"], interval_s = 3600 }")
        .start();
    let user = site.user().await;
    user.hand_in(&[row("1", json!({}))]).await.refused(40301);
    user.sync_status().await.refused(40301);
    let boss = site
        .anonymous()
        .register("boss@example.com", "passw0rd")
        .await
        .ok_with(201);
    let boss = site.caller(boss["access_token"].as_str().expect("a token"));
    assert_eq!(boss.sync_status().await.ok()["role"], "site");
    boss.hand_in(&[row("1", json!({}))]).await.ok();
    site.anonymous().sync_status().await.refused(40101);
    site.admin().await.sync_status().await.refused(40101);
}
