//! `/api/v1/sync/push`, `/pull` and `/ack`: the protocol as a site speaks it (DS-2 to DS-9, DS-11).

use crate::{shared, sqlite};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read as _;
use tests::{Answer, Builder, Caller, TestApp, unique};

/// A row of a member, changed where `changes` says.
fn row(syn_id: &str, changes: Value) -> Value {
    let mut row = json!({
        "syn_id": syn_id, "business_type": "member", "op": "upsert", "entity": format!("member:{syn_id}"),
        "data_detail": { "name": "茶馆" }, "create_time": "2026-11-24T00:00:00Z",
    });
    let changes = changes.as_object().expect("an object").clone();
    row.as_object_mut().expect("an object").extend(changes);
    row
}

fn plain(syn_id: &str) -> Value {
    row(syn_id, json!({}))
}

fn statuses(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().expect("results");
    results
        .iter()
        .map(|it| it["status"].as_str().expect("a status"))
        .collect()
}

fn ids(batch: &Value) -> Vec<&str> {
    let rows = batch["rows"].as_array().expect("rows");
    rows.iter()
        .map(|it| it["syn_id"].as_str().expect("an id"))
        .collect()
}

fn batch_id(batch: &Value) -> &str {
    batch["batch_id"].as_str().expect("a batch")
}

async fn pull(site: &Caller<'_>) -> Value {
    site.pull(&json!({})).await.ok()
}

/// Answers for all rows of a batch.
async fn ack(site: &Caller<'_>, batch: &Value, status: &str) -> Value {
    let rows = batch["rows"].as_array().expect("rows");
    site.ack(batch_id(batch), rows, status).await.ok()
}

async fn rows_go_up_and_come_down(builder: Builder) {
    let app = builder.start();
    let (a, b) = (app.site("g").await, app.site("g").await);
    let rows = [
        plain("1"),
        plain("2"),
        row("3", json!({ "business_type": "order" })),
    ];
    let up = a.push("up-1", &rows).await.ok();
    assert_eq!(
        (&up["batch_id"], statuses(&up)),
        (&json!("up-1"), vec!["ok"; 3])
    );
    // The same batch is answered again, the same rows in another are known.
    assert_eq!(a.push("up-1", &rows).await.ok(), up);
    a.push("up-1", &rows[..2]).await.refused(40902);
    assert_eq!(statuses(&a.push("up-2", &rows).await.ok()), ["dup"; 3]);

    let batch = pull(&b).await;
    assert_eq!(
        (ids(&batch), &batch["more"]),
        (vec!["1", "2"], &json!(false))
    );
    let seen = &batch["rows"][0];
    for (field, value) in rows[0].as_object().expect("an object") {
        assert_eq!(&seen[field], value, "{field}");
    }
    assert_eq!(
        (&seen["data_from_server_id"], &seen["fail_num"]),
        (&json!(a.site_id), &json!(0))
    );
    let answer = ack(&b, &batch, "ok").await;
    assert_eq!(answer, json!({ "accepted": 2, "retry": 0, "dead": 0 }));
    // Said again, whatever it says then, it is answered again.
    assert_eq!(ack(&b, &batch, "reject").await, answer);
    assert_eq!(ids(&pull(&b).await), Vec::<&str>::new());
    assert_eq!(ids(&pull(&a).await), Vec::<&str>::new());
}

#[tokio::test]
async fn rows_go_up_directly_and_come_down_in_two_requests_on_sqlite() {
    rows_go_up_and_come_down(sqlite()).await;
}

#[tokio::test]
async fn rows_go_up_directly_and_come_down_in_two_requests_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        rows_go_up_and_come_down(builder).await;
    }
}

#[tokio::test]
async fn a_row_reaches_those_who_may_see_it_alone() {
    let app = shared();
    let (group, other) = (unique(), unique());
    let (a, b, c) = (
        app.site(&group).await,
        app.site(&group).await,
        app.site(&other).await,
    );
    let of = |kind: &str| row(kind, json!({ "business_type": kind }));
    let rows = ["member", "member_private", "order", "stock"].map(of);
    // What a site says of whom its rows are for opens nothing.
    let aimed = row(
        "aimed",
        json!({ "business_type": "order", "data_to_server_id": c.site_id }),
    );
    a.push("1", &[rows.as_slice(), &[aimed]].concat())
        .await
        .ok();
    assert_eq!(ids(&pull(&b).await), ["member"]);
    assert_eq!(ids(&pull(&c).await), Vec::<&str>::new());
    assert_eq!(ids(&pull(&a).await), Vec::<&str>::new());
    let forged = row("forged", json!({ "data_from_server_id": b.site_id }));
    let answer = a.push("2", &[forged]).await.ok();
    assert_eq!(statuses(&answer), ["reject"]);
    assert_eq!(answer["results"][0]["code"], 40301);
}

#[tokio::test]
async fn the_order_is_by_priority_and_then_as_the_origin_made_them() {
    let app = shared();
    let group = unique();
    let (a, b) = (app.site(&group).await, app.site(&group).await);
    let admin = app.admin().await;
    let numbered = |seq: i64| row(&seq.to_string(), json!({ "seq": seq }));
    a.push("1", &[numbered(5), numbered(2)]).await.ok();
    a.push("2", &[numbered(1), numbered(9), numbered(4)])
        .await
        .ok();
    let urgent = row(
        "urgent",
        json!({ "business_type": "order", "data_to_server_id": b.site_id }),
    );
    admin.hand_in(&[urgent]).await.ok();
    let batch = b.pull(&json!({ "limit": 4 })).await.ok();
    assert_eq!(
        (ids(&batch), &batch["more"]),
        (vec!["urgent", "1", "2", "4"], &json!(true))
    );
    assert_eq!(ids(&pull(&b).await), ["5", "9"]);
}

#[tokio::test]
async fn a_lease_that_ends_gives_the_same_batch_again() {
    let app = sqlite().start();
    let (a, b, c) = (
        app.site("g").await,
        app.site("g").await,
        app.site("h").await,
    );
    a.push("1", &[plain("1"), plain("2")]).await.ok();
    let batch = b.pull(&json!({ "pull_id": "p" })).await.ok();
    let again = b.pull(&json!({ "pull_id": "p" })).await.ok();
    assert_eq!(
        (&again["batch_id"], &again["rows"]),
        (&batch["batch_id"], &batch["rows"])
    );
    // Who asks anew has nothing until the lease has ended.
    assert_eq!(ids(&pull(&b).await), Vec::<&str>::new());
    // As its time would.
    let end = "UPDATE batches SET lease_expires_at = 1 WHERE settled_at IS NULL";
    app.database().execute(end, &[]).await.expect("it ends");
    let again = pull(&b).await;
    assert_eq!(
        (&again["batch_id"], &again["rows"]),
        (&batch["batch_id"], &batch["rows"])
    );
    c.ack(batch_id(&batch), &[], "ok").await.refused(40301);
    a.ack("unknown", &[], "ok").await.refused(40401);
    b.ack(batch_id(&batch), &[plain("7")], "ok")
        .await
        .refused_field("results");
    b.ack(batch_id(&batch), &[plain("1")], "maybe")
        .await
        .refused_field("results");
    // A row that is not answered for comes again.
    let answer = b.ack(batch_id(&batch), &[plain("1")], "ok").await.ok();
    assert_eq!(answer, json!({ "accepted": 1, "retry": 1, "dead": 0 }));
    let rest = pull(&b).await;
    assert_eq!(ids(&rest), ["2"]);
    assert_ne!(rest["batch_id"], batch["batch_id"]);
    // A smaller request gives a batch up that is too large for it; its answer comes too late.
    a.push("2", &[plain("3")]).await.ok();
    ack(&b, &rest, "retry").await;
    let two = b.pull(&json!({ "limit": 2, "pull_id": "q" })).await.ok();
    let one = b.pull(&json!({ "limit": 1, "pull_id": "q" })).await.ok();
    assert_eq!((ids(&two).len(), ids(&one).len()), (2, 1));
    let rows = two["rows"].as_array().expect("rows");
    b.ack(batch_id(&two), rows, "ok").await.refused(41001);
}

#[tokio::test]
async fn the_third_refusal_is_the_last_and_the_cloud_frees_the_row() {
    let app = shared();
    let (group, admin) = (unique(), app.admin().await);
    let (a, b) = (app.site(&group).await, app.site(&group).await);
    let of = |syn_id: &str, entity: &str| row(syn_id, json!({ "entity": entity }));
    a.push("1", &[of("1", "m:1"), of("2", "m:1"), of("3", "m:2")])
        .await
        .ok();
    for fail_num in 0..3 {
        let batch = b.pull(&json!({ "limit": 1 })).await.ok();
        assert_eq!(
            (ids(&batch), &batch["rows"][0]["fail_num"]),
            (vec!["1"], &json!(fail_num))
        );
        let results = json!([{ "syn_id": "1", "status": "reject", "message": "没有库存" }]);
        let said = json!({ "batch_id": batch["batch_id"], "results": results });
        let answer = b.post("/api/v1/sync/ack", &said).await.ok();
        assert_eq!(answer["dead"], if fail_num == 2 { 1 } else { 0 });
    }
    let batch = pull(&b).await;
    assert_eq!(ids(&batch), ["3"]);
    ack(&b, &batch, "ok").await;
    let seen = admin
        .get(&format!("/admin/api/v1/sites/{}", b.site_id))
        .await
        .ok();
    assert_eq!(
        (&seen["backlog"], &seen["held"], &seen["dead"]),
        (&json!(0), &json!(1), &json!(1))
    );
    let dead = admin.dead_rows(&b.site_id).await.ok();
    assert_eq!(dead["items"][0]["reason"], "没有库存");
    assert_eq!(dead["items"][0]["held"], 1);
    let edit = json!({ "action": "edit", "data_detail": { "name": "新" } });
    admin.free_row(&b.site_id, "1", &edit).await.ok();
    let batch = pull(&b).await;
    assert_eq!(ids(&batch), ["1", "2"]);
    assert_eq!(batch["rows"][0]["data_detail"], json!({ "name": "新" }));
    ack(&b, &batch, "ok").await;
    admin
        .free_row(&b.site_id, "1", &json!({ "action": "retry" }))
        .await
        .refused(40401);
}

#[tokio::test]
async fn a_deletion_wins_over_a_late_row_of_a_lower_version() {
    let app = shared();
    let group = unique();
    let (a, b, c) = (
        app.site(&group).await,
        app.site(&group).await,
        app.site(&group).await,
    );
    let of = |syn_id: &str, op: &str, version: i64| {
        row(
            syn_id,
            json!({ "op": op, "entity": "m:1", "entity_version": version }),
        )
    };
    a.push("1", &[of("gone", "delete", 5)]).await.ok();
    let late = b
        .push("2", &[of("late", "upsert", 4), of("new", "upsert", 6)])
        .await
        .ok();
    assert_eq!(statuses(&late), ["ok", "ok"]);
    let message = late["results"][0]["message"].as_str().expect("a message");
    assert!(message.starts_with("Superseded"), "{message}");
    assert_eq!(ids(&pull(&c).await), ["gone", "new"]);
}

#[tokio::test]
async fn a_bad_row_is_refused_for_itself_and_holds_its_entity() {
    let app = shared();
    let a = app.site(&unique()).await;
    let of = |syn_id: &str, changes: Value| {
        let mut row = row(syn_id, json!({ "entity": "m:1" }));
        row.as_object_mut()
            .expect("an object")
            .extend(changes.as_object().expect("one").clone());
        row
    };
    let rows = [
        of("1", json!({ "op": "insert" })),
        of("2", json!({})),
        plain("3"),
        json!({ "entity": "m:9" }),
        json!(7),
    ];
    let answer = a.push("1", &rows).await.ok();
    assert_eq!(
        statuses(&answer),
        ["reject", "held", "ok", "reject", "reject"]
    );
    assert_eq!(
        (
            &answer["results"][0]["syn_id"],
            &answer["results"][0]["code"]
        ),
        (&json!("1"), &json!(40001))
    );
    assert_eq!(answer["results"][4]["syn_id"], Value::Null);
    // The same id with other content.
    let answer = a
        .push("2", &[row("3", json!({ "data_detail": 1 }))])
        .await
        .ok();
    assert_eq!(
        (statuses(&answer), &answer["results"][0]["code"]),
        (vec!["reject"], &json!(40901))
    );
    for (body, field) in [
        (json!({ "batch_id": "", "rows": [] }), "batch_id"),
        (
            json!({ "batch_id": "x".repeat(101), "rows": [] }),
            "batch_id",
        ),
    ] {
        a.post("/api/v1/sync/push", &body)
            .await
            .refused_field(field);
    }
    a.post("/api/v1/sync/push", &json!({ "batch_id": "x" }))
        .await
        .refused(40001);
    let other_epoch = json!({ "batch_id": "x", "epoch": 7, "rows": [] });
    let refused = a
        .post("/api/v1/sync/push", &other_epoch)
        .await
        .refused(40901);
    assert_eq!(refused.data["epoch"], 1);
    for ask in [
        json!({ "limit": 0 }),
        json!({ "max_bytes": -1 }),
        json!({ "wait_s": 26 }),
        json!({ "pull_id": "" }),
    ] {
        a.pull(&ask).await.refused(40001);
    }
}

/// A body that is sent compressed.
async fn zipped(caller: &Caller<'_>, path: &str, body: &[u8]) -> Answer {
    let mut encoder = flate2::read::GzEncoder::new(body, flate2::Compression::best());
    let mut zipped = Vec::new();
    encoder.read_to_end(&mut zipped).expect("memory");
    encoded(caller, path, "gzip", zipped).await
}

async fn encoded(caller: &Caller<'_>, path: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let finish = |request: reqwest::RequestBuilder| {
        let request = request.header("content-type", "application/json");
        request.header("content-encoding", encoding).body(body)
    };
    caller.send(Method::POST, path, finish).await
}

#[tokio::test]
async fn batches_travel_compressed_and_are_bounded() {
    let app = sqlite()
        .config("sync = { max_rows = 10, max_bytes = 65536 }")
        .start();
    let (a, b) = (app.site("g").await, app.site("g").await);
    let path = "/api/v1/sync/push";
    let body =
        json!({ "batch_id": "1", "rows": [row("1", json!({ "data_detail": "茶".repeat(5000) }))] });
    let answer = zipped(&a, path, body.to_string().as_bytes()).await;
    assert_eq!(answer.header("accept-encoding"), "gzip");
    assert_eq!(statuses(&answer.ok()), ["ok"]);
    // A bomb, something that is no gzip, another encoding.
    let bomb = format!(
        "{{\"batch_id\":\"2\",\"rows\":[\"{}\"]}}",
        " ".repeat(50_000_000)
    );
    zipped(&a, path, bomb.as_bytes()).await.refused(41301);
    encoded(&a, path, "gzip", b"no".to_vec())
        .await
        .refused(40002);
    encoded(&a, path, "br", b"{}".to_vec()).await.refused(41501);
    let many: Vec<Value> = (0..11).map(|n| plain(&format!("m{n}"))).collect();
    a.push("3", &many).await.refused(41301);
    a.push("4", &many[..10]).await.ok();
    // Down: one row always, more only as far as they fit.
    let small = b.pull(&json!({ "max_bytes": 1 })).await.ok();
    assert_eq!(ids(&small), ["1"]);
    ack(&b, &small, "ok").await;
    // The harness reads no gzip, so this one is sent by hand.
    let request = reqwest::Client::new().post(format!("{}/api/v1/sync/pull", app.base()));
    let request = request
        .bearer_auth(b.token())
        .header("accept-encoding", "gzip");
    let answer = request
        .json(&json!({ "limit": 1000 }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let zipped = answer.bytes().await.expect("a body");
    let mut body = String::new();
    flate2::read::GzDecoder::new(&zipped[..])
        .read_to_string(&mut body)
        .expect("gzip");
    let batch: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(ids(&batch["data"]).len(), 10);
}

#[tokio::test]
async fn a_pull_that_waits_gets_rows_as_they_come_and_ends_when_there_are_none() {
    let app = shared();
    let group = unique();
    let (a, b) = (app.site(&group).await, app.site(&group).await);
    let ask = json!({ "wait_s": 25 });
    let waiting = async { b.pull(&ask).await.ok() };
    let pushing = async { a.push("1", &[plain("1")]).await.ok() };
    let (batch, _) = tokio::join!(waiting, pushing);
    assert_eq!(ids(&batch), ["1"]);
    let none = a.pull(&json!({ "wait_s": 1 })).await.ok();
    assert_eq!(
        (&none["batch_id"], &none["rows"]),
        (&Value::Null, &json!([]))
    );
}

#[tokio::test]
async fn a_pull_that_waits_takes_nothing_from_its_sites_next_epoch() {
    let app = shared();
    let group = unique();
    let (a, b) = (app.site(&group).await, app.site(&group).await);
    let ask = json!({ "wait_s": 25, "epoch": 1 });
    let goes_on = async {
        let restart = json!({ "epoch": 2, "tick": 1, "beat_id": "r", "restored": true });
        b.heartbeat(&restart).await.ok();
        a.push("1", &[plain("1")]).await.ok();
    };
    let (former, ()) = tokio::join!(b.pull(&ask), goes_on);
    former.refused(40901);
    let batch = b.pull(&json!({ "wait_s": 25, "epoch": 2 })).await.ok();
    assert_eq!(ids(&batch), ["1"]);
}

#[tokio::test]
async fn rows_are_for_sites_alone_and_not_for_one_that_is_revoked() {
    let app = shared();
    let (site, user, admin) = (
        app.site(&unique()).await,
        app.user().await,
        app.admin().await,
    );
    let project = app.project("sync", &["127.0.0.1"]).await;
    for path in ["/api/v1/sync/push", "/api/v1/sync/pull", "/api/v1/sync/ack"] {
        let body = json!({ "batch_id": "1", "rows": [], "results": [] });
        for caller in [&app.anonymous(), &user.caller, &admin, &project.caller] {
            caller.post(path, &body).await.refused(40101);
        }
        site.get(path).await.refused(40501);
    }
    site.tasks("").await.refused(40101);
    admin.revoke_site(&site.site_id).await.ok();
    site.push("1", &[plain("1")]).await.refused(40101);
    site.pull(&json!({})).await.refused(40101);
}
