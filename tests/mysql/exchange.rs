//! A shop whose business has no other connection than its database, and the cloud.

use crate::{Gate, ShopDatabase};
use mysql_async::prelude::Queryable as _;
use serde_json::{Value, json};
use std::time::Duration;
use tests::{Builder, PATIENCE, Site, TestApp, eventually};

/// A shop's server of this cloud with this database.
fn site(cloud: &TestApp, mysql_url: &str) -> Builder {
    let made = cloud.site_code(&["a", "--group", "g"]);
    let text = |text: &str| toml::Value::from(text).to_string();
    let (upstream, mysql_url) = (text(cloud.base()), text(mysql_url));
    let code = text(made["code"].as_str().expect("a code"));
    TestApp::sqlite().config(&format!(
        "site = {{ upstream = {upstream}, code = {code}, mysql_url = {mysql_url} }}"
    ))
}

/// Pulls and takes rows until there are so many.
async fn pulled(peer: &Site<'_>, count: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    eventually(&format!("{count} rows come"), PATIENCE, async || {
        let batch = peer.pull(&json!({ "wait_s": 5 })).await.ok();
        let new = batch["rows"].as_array().cloned().unwrap_or_default();
        if !new.is_empty() {
            let batch_id = batch["batch_id"].as_str().expect("an id");
            peer.ack(batch_id, &new, "ok").await.ok();
        }
        rows.extend(new);
        (rows.len() >= count).then_some(())
    })
    .await;
    rows
}

/// Waits until the row of the outbox table is in this state.
async fn in_state(database: &ShopDatabase, syn_id: i64, state: i64) {
    let sql = format!("SELECT state FROM wharf_outbox WHERE syn_id = {syn_id}");
    eventually(
        &format!("{syn_id} is in state {state}"),
        PATIENCE,
        async || {
            let found: Vec<i64> = database.rows(&sql).await;
            (found == [state]).then_some(())
        },
    )
    .await;
}

async fn inbox(database: &ShopDatabase, count: usize) -> Vec<(String, String, String, String)> {
    let sql =
        "SELECT syn_id, entity, data_from_server_id, data_detail FROM wharf_inbox ORDER BY id";
    eventually(&format!("{count} rows arrive"), PATIENCE, async || {
        let found: Vec<(String, String, String, String)> = database.rows(sql).await;
        (found.len() >= count).then_some(found)
    })
    .await
}

fn ids(rows: &[Value]) -> Vec<&str> {
    let ids = rows
        .iter()
        .map(|row| row["syn_id"].as_str().expect("an id"));
    ids.collect()
}

#[tokio::test]
async fn a_shop_whose_only_connection_is_its_database_exchanges_rows_with_a_peer() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let cloud = TestApp::sqlite().start();
    let (peer, admin) = (cloud.site("g").await, cloud.admin().await);
    let _app = site(&cloud, &database.url()).start();
    let mut business = database.conn().await;
    let member = r#"{ "name": "张三", "face": "😀", "points": 1.50 }"#;
    let insert = "INSERT INTO wharf_outbox (syn_id, business_type, data_detail, data_from_detail, create_time, \
        data_from_client) VALUES (?, 'member', ?, ?, 1526641483, 2)";
    business.query_drop("BEGIN").await.expect("it begins");
    for (syn_id, from) in [(1, "members:17"), (2, r#"{"members":[18]}"#)] {
        let written = business.exec_drop(insert, (syn_id, member, from)).await;
        written.expect("it is written");
    }
    business
        .query_drop("COMMIT")
        .await
        .expect("it is committed");
    let rows = pulled(&peer, 2).await;
    assert_eq!(ids(&rows), ["1", "2"]);
    assert_eq!(rows[0]["entity"], "members:17");
    assert_eq!(rows[1]["entity"], "members:18");
    assert_eq!(
        rows[0]["data_detail"],
        serde_json::from_str::<Value>(member).expect("JSON")
    );
    assert_eq!(
        (
            &rows[0]["create_time"],
            &rows[0]["data_from_client"],
            &rows[1]["data_from_detail"]
        ),
        (
            &json!(1_526_641_483),
            &json!(2),
            &json!({ "members": [18] })
        )
    );
    in_state(&database, 1, 2).await;
    in_state(&database, 2, 2).await;

    let row = json!({
        "syn_id": "p-1", "business_type": "member", "op": "upsert", "entity": "会员:9", "data_detail": "你好 😀",
    });
    for batch_id in ["first", "again"] {
        peer.push(batch_id, std::slice::from_ref(&row)).await.ok();
    }
    let kept = inbox(&database, 1).await;
    let expected = (
        "p-1".to_owned(),
        "会员:9".to_owned(),
        peer.site_id.clone(),
        "\"你好 😀\"".to_owned(),
    );
    assert_eq!(kept, [expected]);
    // Everything again, and one more row to see the end of it.
    let own = rows[0]["data_from_server_id"]
        .as_str()
        .expect("the shop's id");
    admin.reload_site(own).await.ok();
    let last =
        json!({ "syn_id": "p-2", "business_type": "member", "entity": "m:1", "data_detail": 1 });
    peer.push("last", &[last]).await.ok();
    let kept = inbox(&database, 2).await;
    assert_eq!(kept.len(), 2, "{kept:?}");
}

#[tokio::test]
async fn the_outbox_table_says_which_rows_were_refused_and_why() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let cloud = TestApp::sqlite()
        .config("sync = { max_bytes = 65536 }")
        .start();
    let peer = cloud.site("g").await;
    let app = site(&cloud, &database.url()).start();
    let large = format!("\"{}\"", "x".repeat(200_000));
    let rows = [
        (1, "m:1", large.as_str()),
        (2, "m:1", "2"),
        (3, "m:3", "{'no': json}"),
        (4, "m:4", "4"),
    ];
    let insert = "INSERT INTO wharf_outbox (syn_id, business_type, entity, data_detail) VALUES (?, 'member', ?, ?)";
    let mut business = database.conn().await;
    business
        .exec_batch(insert, rows)
        .await
        .expect("they are written");
    // Three refusals count; what stands behind the row waits, what does not goes.
    in_state(&database, 1, 3).await;
    in_state(&database, 3, 3).await;
    assert_eq!(ids(&pulled(&peer, 1).await), ["4"]);
    let marks: Vec<(i64, i64, i64, Option<String>)> = database
        .rows("SELECT state, fail_num, result_of_send_business, reason FROM wharf_outbox WHERE syn_id < 4 ORDER BY id")
        .await;
    let why = "The row is larger than the cloud takes.";
    assert_eq!(marks[0], (3, 3, 1, Some(why.to_owned())));
    assert_eq!(marks[1], (1, 0, 0, None));
    let (state, fail_num, result, why) = &marks[2];
    assert_eq!((state, fail_num, result), (&3, &1, &3));
    assert!(
        why.as_ref()
            .expect("a reason")
            .contains("data_detail is not JSON"),
        "{why:?}"
    );
    // An operator skips the one, the business corrects the other.
    let skip = json!({ "action": "skip" });
    let operator = app.user().await;
    operator.post("/api/v1/sync/dead/1", &skip).await.ok();
    database
        .run("UPDATE wharf_outbox SET data_detail = '3', state = 0 WHERE syn_id = 3")
        .await;
    let mut rows = pulled(&peer, 2).await;
    rows.sort_by_key(|row| row["syn_id"].to_string());
    assert_eq!(ids(&rows), ["2", "3"]);
    in_state(&database, 3, 2).await;
    let sql = "SELECT state, result_of_send_business FROM wharf_outbox WHERE syn_id = 1";
    eventually("it is known that it was skipped", PATIENCE, async || {
        (database.rows::<(i64, i64)>(sql).await == [(3, 4)]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_committed_after_a_later_one_arrives_too() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let cloud = TestApp::sqlite().start();
    let peer = cloud.site("g").await;
    let _app = site(&cloud, &database.url()).start();
    let insert = |syn_id: i64| {
        format!(
            "INSERT INTO wharf_outbox (syn_id, business_type, data_detail) VALUES ({syn_id}, 'member', '1')"
        )
    };
    let mut slow = database.conn().await;
    slow.query_drop("BEGIN").await.expect("it begins");
    slow.query_drop(insert(1)).await.expect("it is written");
    database.run(&insert(2)).await;
    assert_eq!(ids(&pulled(&peer, 1).await), ["2"]);
    in_state(&database, 2, 2).await;
    slow.query_drop("COMMIT").await.expect("it is committed");
    assert_eq!(ids(&pulled(&peer, 1).await), ["1"]);
    in_state(&database, 1, 2).await;
}

#[tokio::test]
async fn a_crash_between_journal_and_mark_sends_no_row_twice_and_forgets_none() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let cloud = TestApp::sqlite().start();
    let peer = cloud.site("g").await;
    let insert =
        "INSERT INTO wharf_outbox (syn_id, business_type, data_detail) VALUES (1, 'member', '1')";
    database.run(insert).await;
    let mut app = site(&cloud, &database.url())
        .env("WHARF_CRASH_AT", "outbox:journaled")
        .start();
    app.wait_for_end(PATIENCE);
    in_state(&database, 1, 0).await;
    app.restart_with(&[]);
    in_state(&database, 1, 2).await;
    // What a crash leaves between the cloud's answer and its mark, and a lost journal before that.
    database.run("UPDATE wharf_outbox SET state = 1").await;
    database
        .run("INSERT INTO wharf_outbox (syn_id, business_type, data_detail, state) VALUES (2, 'member', '2', 1)")
        .await;
    in_state(&database, 1, 2).await;
    in_state(&database, 2, 2).await;
    assert_eq!(ids(&pulled(&peer, 2).await), ["1", "2"]);
}

#[tokio::test]
async fn a_database_that_goes_away_holds_up_nothing_else_and_is_used_again() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let gate = Gate::before(&database).await;
    let cloud = TestApp::sqlite().start();
    let peer = cloud.site("g").await;
    let user = format!("u{}", &tests::unique()[20..]);
    database
        .run(&format!("CREATE USER {user} IDENTIFIED BY 'geheim77'"))
        .await;
    database
        .run(&format!("GRANT SELECT, INSERT, UPDATE ON *.* TO {user}"))
        .await;
    let url = database.url_at(gate.address);
    let (_, place) = url.rsplit_once('@').expect("user@host");
    let app = site(&cloud, &format!("mysql://{user}:geheim77@{place}")).start();
    let insert = |syn_id: i64| {
        format!(
            "INSERT INTO wharf_outbox (syn_id, business_type, data_detail) VALUES ({syn_id}, 'member', '1')"
        )
    };
    database.run(&insert(1)).await;
    assert_eq!(ids(&pulled(&peer, 1).await), ["1"]);
    in_state(&database, 1, 2).await;
    gate.shut();
    database.run(&insert(2)).await;
    let by_http =
        json!({ "syn_id": "h", "business_type": "member", "entity": "m:1", "data_detail": 1 });
    app.user().await.hand_in(&[by_http]).await.ok();
    assert_eq!(ids(&pulled(&peer, 1).await), ["h"]);
    let row =
        json!({ "syn_id": "p", "business_type": "member", "entity": "m:2", "data_detail": 1 });
    peer.push("one", &[row]).await.ok();
    eventually("the log says so", PATIENCE, async || {
        app.log().contains("not there or busy").then_some(())
    })
    .await;
    gate.open();
    assert_eq!(ids(&pulled(&peer, 1).await), ["2"]);
    assert_eq!(inbox(&database, 1).await[0].0, "p");
    let log = app.log();
    assert!(!log.contains("geheim77"), "{log}");
    drop(app);
    database.run(&format!("DROP USER {user}")).await;
}

#[tokio::test]
async fn tables_that_are_missing_are_said_to_be_and_nothing_is_taken() {
    let Some(database) = ShopDatabase::empty().await else {
        return;
    };
    let cloud = TestApp::sqlite().start();
    let app = site(&cloud, &database.url()).start();
    eventually("the log says so", PATIENCE, async || {
        let log = app.log();
        (log.contains("wharf_outbox is missing") && log.contains("deploy/mysql/sync.sql"))
            .then_some(())
    })
    .await;
    // It is looked at again without a restart.
    database.run(crate::DDL).await;
    let insert =
        "INSERT INTO wharf_outbox (syn_id, business_type, data_detail) VALUES (1, 'member', '1')";
    database.run(insert).await;
    let sql = "SELECT state FROM wharf_outbox";
    eventually("it is sent", Duration::from_secs(120), async || {
        (database.rows::<i64>(sql).await == [2]).then_some(())
    })
    .await;
}
