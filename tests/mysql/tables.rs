//! What Wharf does with the two tables, without a server around it.

use crate::{Gate, ShopDatabase};
use mysql_async::prelude::Queryable as _;
use runtime::worker::sync::mysql::{BusinessDatabase, Refusal, SendResult, State};
use runtime::worker::sync::row::{Row, Said};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::limits::{MYSQL_TAKE_BYTES_MAX, MYSQL_TAKE_ROWS_MAX};
use std::collections::HashSet;
use tests::{PATIENCE, eventually, workspace_root};

fn open(database: &ShopDatabase) -> BusinessDatabase {
    BusinessDatabase::open(&database.url()).expect("a URL")
}

fn row(syn_id: &str, entity: &str, changes: Value) -> Row {
    let mut row = json!({
        "data_from_server_id": "b", "seq": 1, "fail_num": 0, "result_of_send_business": null,
        "create_time": "2026-01-01T00:00:00Z", "syn_id": syn_id, "business_type": "member", "op": "upsert",
        "entity": entity, "data_detail": {},
    });
    let changes = changes.as_object().expect("an object").clone();
    row.as_object_mut().expect("an object").extend(changes);
    Row::read(RawValue::from_string(row.to_string()).expect("JSON")).expect("a row")
}

async fn put(database: &ShopDatabase, syn_id: i64, data_detail: &str) {
    let sql =
        "INSERT INTO wharf_outbox (syn_id, business_type, data_detail) VALUES (?, 'order', ?)";
    let mut conn = database.conn().await;
    conn.exec_drop(sql, (syn_id, data_detail))
        .await
        .expect("it is written");
}

async fn ids(business: &BusinessDatabase) -> Vec<i64> {
    let rows = business.take().await.expect("rows");
    rows.iter().map(|row| row.syn_id).collect()
}

#[tokio::test]
async fn any_text_goes_through_the_tables_as_it_is() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let business = open(&database);
    business.check().await.expect("the tables fit");
    let long = "好".repeat(350_000);
    let texts = [
        r#"{ "名": "张三", "face": "😀👩‍👩‍👧", "n": 1.50 }"#.to_owned(),
        r#"{"quotes":"' \" ` \\ %s ?","nul":"\u0000","line":"\n"}"#.to_owned(),
        format!("\"{long}\""),
    ];
    for (syn_id, text) in (1..).zip(&texts) {
        put(&database, syn_id, text).await;
    }
    let taken = business.take().await.expect("rows");
    assert_eq!(taken.len(), texts.len());
    for (given, text) in taken.iter().zip(&texts) {
        let json = given.to_json().expect("a row");
        assert!(json.get().contains(&format!("\"data_detail\":{text}")));
    }
    let rows: Vec<Row> = (1..)
        .zip(&texts)
        .map(|(n, text)| {
            let json = format!(
                "{{\"data_from_server_id\":\"b\",\"syn_id\":\"{n}\",\"business_type\":\"会员\",\"op\":\"upsert\",\
                 \"entity\":\"会员:{n}\",\"data_detail\":{text}}}"
            );
            Row::read(RawValue::from_string(json).expect("JSON")).expect("a row")
        })
        .collect();
    let said = business.insert(&rows).await.expect("it is there");
    assert_eq!(said, [Said::Ok, Said::Ok, Said::Ok]);
    let kept: Vec<String> = database
        .rows("SELECT data_detail FROM wharf_inbox ORDER BY id")
        .await;
    assert_eq!(kept, texts);
}

#[tokio::test]
async fn a_row_that_comes_again_is_no_second_one_and_other_content_is() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let business = open(&database);
    let first = row("1", "m:1", json!({}));
    let again = row(
        "1",
        "m:1",
        json!({ "fail_num": 1, "result_of_send_business": "没有" }),
    );
    let other = row("1", "m:1", json!({ "data_detail": 2 }));
    for rows in [vec![first.clone()], vec![first, again], vec![other]] {
        let said = business.insert(&rows).await.expect("it is there");
        assert!(said.iter().all(|said| *said == Said::Ok), "{said:?}");
    }
    let kept: Vec<String> = database
        .rows("SELECT data_detail FROM wharf_inbox ORDER BY id")
        .await;
    assert_eq!(kept, ["{}", "2"]);
}

#[tokio::test]
async fn a_row_that_does_not_fit_keeps_out_those_behind_it_and_no_others() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let business = open(&database);
    let long = "x".repeat(300);
    let rows = [
        row("1", "m:1", json!({})),
        row("2", "m:2", json!({ "data_from_client": long })),
        row("3", "m:2", json!({})),
        row(
            "4",
            "m:3",
            json!({ "op": "delete", "data_detail": null, "entity_version": 4 }),
        ),
    ];
    let said = business.insert(&rows).await.expect("it is there");
    let Said::Reject(Some(why)) = &said[1] else {
        panic!("{said:?}");
    };
    assert!(why.contains("data_from_client"), "{why}");
    assert_eq!(
        (&said[0], &said[2], &said[3]),
        (&Said::Ok, &Said::Retry, &Said::Ok)
    );
    let kept: Vec<(String, Option<String>, Option<i64>)> = database
        .rows("SELECT syn_id, data_detail, entity_version FROM wharf_inbox ORDER BY id")
        .await;
    let kept_of =
        |id: &str, data: Option<&str>, version| (id.to_owned(), data.map(str::to_owned), version);
    assert_eq!(
        kept,
        [kept_of("1", Some("{}"), None), kept_of("4", None, Some(4))]
    );
}

#[tokio::test]
async fn what_the_businesss_own_trigger_refuses_is_refused_with_its_sentence() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let trigger = "CREATE TRIGGER no_orders BEFORE INSERT ON wharf_inbox FOR EACH ROW IF NEW.business_type = 'order' \
        THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '没有这件商品'; END IF";
    database.run(trigger).await;
    let rows = [
        row("1", "o:1", json!({ "business_type": "order" })),
        row("2", "m:1", json!({})),
    ];
    let said = open(&database).insert(&rows).await.expect("it is there");
    assert_eq!(
        said,
        [Said::Reject(Some("没有这件商品".to_owned())), Said::Ok]
    );
}

#[tokio::test]
async fn a_row_that_is_committed_late_is_taken_late_and_not_forgotten() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let business = open(&database);
    let mut slow = database.conn().await;
    slow.query_drop("BEGIN").await.expect("it begins");
    let insert = "INSERT INTO wharf_outbox (syn_id, business_type) VALUES (1, 'order')";
    slow.query_drop(insert).await.expect("it is written");
    put(&database, 2, "{}").await;
    assert_eq!(ids(&business).await, [2]);
    business
        .set_state(&[2], State::Taken)
        .await
        .expect("it is marked");
    slow.query_drop("COMMIT").await.expect("it is committed");
    assert_eq!(ids(&business).await, [1]);
    // What is rolled back never was.
    slow.query_drop("BEGIN").await.expect("it begins");
    let insert = "INSERT INTO wharf_outbox (syn_id, business_type) VALUES (3, 'order')";
    slow.query_drop(insert).await.expect("it is written");
    slow.query_drop("ROLLBACK").await.expect("it is undone");
    assert_eq!(ids(&business).await, [1]);
}

#[tokio::test]
async fn businesses_that_write_at_once_lose_no_row() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let business = open(&database);
    let writers = (0..8).map(|writer: i64| {
        let database = &database;
        async move {
            for n in 0..25 {
                put(database, writer * 100 + n, "{}").await;
            }
        }
    });
    let mut seen = HashSet::new();
    let reader = async {
        eventually("all rows are taken", PATIENCE, async || {
            let new = ids(&business).await;
            business
                .set_state(&new, State::Taken)
                .await
                .expect("marked");
            for id in new {
                assert!(seen.insert(id), "{id} came twice");
            }
            (seen.len() == 200).then_some(())
        })
        .await;
    };
    tokio::join!(futures_util::future::join_all(writers), reader);
}

#[tokio::test]
async fn what_is_taken_at_once_is_bounded_in_rows_and_bytes() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let business = open(&database);
    let megabyte = format!("\"{}\"", "x".repeat(1 << 20));
    for syn_id in 1..=10 {
        put(&database, syn_id, &megabyte).await;
    }
    let huge = format!("\"{}\"", "x".repeat(4 << 20));
    put(&database, 11, &huge).await;
    let taken = business.take().await.expect("rows");
    assert_eq!(taken.len(), MYSQL_TAKE_BYTES_MAX / megabyte.len());
    business
        .set_state(&(1..=10).collect::<Vec<_>>(), State::Sent)
        .await
        .expect("marked");
    let taken = business.take().await.expect("rows");
    let why = taken[0].to_json().expect_err("it is too large");
    assert!(taken.len() == 1 && why.ends_with("are allowed."), "{why}");
    let refusal = Refusal {
        syn_id: 11,
        fail_num: 1,
        result: SendResult::Invalid,
        reason: why.repeat(50),
        is_dead: true,
    };
    business.refuse(&[refusal]).await.expect("it is marked");
    let marked: Vec<(i64, i64, i64, usize)> = database
        .rows("SELECT state, fail_num, result_of_send_business, CHAR_LENGTH(reason) FROM wharf_outbox WHERE syn_id = 11")
        .await;
    assert_eq!(marked, [(3, 1, 3, 500)]);
    let many: Vec<String> = (100..1100).map(|id| format!("({id}, 'order')")).collect();
    let insert = format!(
        "INSERT INTO wharf_outbox (syn_id, business_type) VALUES {}",
        many.join(", ")
    );
    database.run(&insert).await;
    assert_eq!(ids(&business).await.len(), MYSQL_TAKE_ROWS_MAX);
}

#[tokio::test]
async fn tables_that_do_not_fit_are_named_with_the_place_of_the_right_ones() {
    let Some(database) = ShopDatabase::empty().await else {
        return;
    };
    let business = open(&database);
    let complaint = async || {
        business
            .check()
            .await
            .expect_err("it does not fit")
            .to_string()
    };
    let why = complaint().await;
    for part in [
        "wharf_outbox is missing",
        "wharf_inbox is missing",
        "deploy/mysql/sync.sql",
    ] {
        assert!(why.contains(part), "{why}");
    }
    assert!(
        !business.is_ready().await,
        "it is not looked at again at once"
    );
    database.run(crate::DDL).await;
    business.check().await.expect("the tables fit");
    assert!(business.is_ready().await);
    for (change, part) in [
        (
            "wharf_outbox DROP COLUMN reason",
            "wharf_outbox.reason is missing",
        ),
        (
            "wharf_outbox MODIFY data_detail TEXT",
            "wharf_outbox.data_detail is text, not longtext",
        ),
        (
            "wharf_inbox MODIFY business_type VARCHAR(128) CHARACTER SET latin1 NOT NULL",
            "is not utf8mb4",
        ),
        (
            "wharf_inbox DROP KEY wharf_inbox_once",
            "has no unique key (data_from_server_id,syn_id,sha256)",
        ),
        ("wharf_inbox ENGINE = MyISAM", "another engine than InnoDB"),
    ] {
        database.run(&format!("ALTER TABLE {change}")).await;
        let why = complaint().await;
        assert!(why.contains(part), "{change}: {why}");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_used_again_when_it_is_back() {
    let Some(database) = ShopDatabase::create().await else {
        return;
    };
    let gate = Gate::before(&database).await;
    let business = BusinessDatabase::open(&database.url_at(gate.address)).expect("a URL");
    put(&database, 1, "{}").await;
    assert!(business.is_ready().await);
    assert_eq!(ids(&business).await, [1]);
    gate.shut();
    assert!(business.take().await.is_err());
    assert!(!business.is_ready().await);
    assert!(
        business
            .insert(&[row("1", "m:1", json!({}))])
            .await
            .is_err()
    );
    gate.open();
    eventually("it is ready", PATIENCE, async || {
        business.is_ready().await.then_some(())
    })
    .await;
    assert_eq!(ids(&business).await, [1]);
}

#[test]
fn no_message_repeats_a_password() {
    for url in [
        "mysql://shop:geheim@127.0.0.1:3306",
        "mysql://shop:geheim@127.0.0.1:port/shop",
        "mysql://shop:geheim@127.0.0.1/shop?geheim=geheim",
        "postgres://shop:geheim@127.0.0.1/shop",
    ] {
        let Err(error) = BusinessDatabase::open(url) else {
            panic!("{url} is no URL");
        };
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("site.mysql_url") && !text.contains("geheim"),
            "{text}"
        );
    }
}

#[test]
fn the_documentation_has_every_column_of_the_tables() {
    let documentation =
        std::fs::read_to_string(workspace_root().join("docs/sync-mysql.md")).expect("it is there");
    assert!(documentation.contains("deploy/mysql/sync.sql"));
    let columns = crate::DDL
        .lines()
        .filter_map(|line| line.strip_prefix("    "));
    for column in columns.filter_map(|line| line.split(' ').next()) {
        let is_key = column.chars().any(char::is_uppercase);
        assert!(
            is_key || documentation.contains(&format!("`{column}`")),
            "{column}"
        );
    }
}
