//! The shop takes rows once, refuses on request, and sees what a sender does wrong.

use serde_json::{Value, json};
use std::time::Duration;
use tests::{PATIENCE, Shop, Trouble};

fn row(syn_id: &str, entity: &str) -> Value {
    json!({ "syn_id": syn_id, "data_from_server_id": "a", "entity": entity, "op": "upsert",
        "entity_version": 1, "data_detail": { "n": syn_id } })
}

async fn send(shop: &Shop, rows: &[Value]) -> Option<Vec<String>> {
    send_within(PATIENCE, shop, rows).await
}

/// The statuses; None for no answer that can be read.
async fn send_within(patience: Duration, shop: &Shop, rows: &[Value]) -> Option<Vec<String>> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(patience)
        .build()
        .expect("a client");
    let body = json!({ "batch_id": "b", "rows": rows });
    let answer = client.post(shop.url()).json(&body).send().await.ok()?;
    let answer: Value = answer.error_for_status().ok()?.json().await.ok()?;
    let results = answer["results"].as_array()?.iter();
    Some(
        results
            .map(|it| it["status"].as_str().expect("a status").to_owned())
            .collect(),
    )
}

fn statuses(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

#[tokio::test]
async fn a_shop_applies_each_row_once() {
    let shop = Shop::start().await;
    let rows = [row("1", "m:1"), row("2", "m:2")];
    assert_eq!(send(&shop, &rows).await, statuses(&["ok", "ok"]));
    assert_eq!(send(&shop, &rows[..1]).await, statuses(&["ok"]));
    assert_eq!((shop.applied_count(), shop.repeats()), (2, 1));
    assert_eq!((shop.calls(), shop.sent().len()), (2, 3));
    assert_eq!(shop.table()["m:1"].data_detail["n"], "1");
    assert_eq!(shop.faults(), tests::Faults::default());
}

#[tokio::test]
async fn a_shop_refuses_as_often_as_it_is_told() {
    let shop = Shop::start().await;
    shop.refuse("m:1", 1);
    shop.put_off("2", 1);
    let rows = [row("1", "m:1"), row("2", "m:2")];
    assert_eq!(send(&shop, &rows).await, statuses(&["reject", "retry"]));
    assert_eq!(send(&shop, &rows).await, statuses(&["ok", "ok"]));
    assert_eq!(shop.faults(), tests::Faults::default());
}

#[tokio::test]
async fn a_shop_in_trouble_says_nothing_useful() {
    let shop = Shop::start().await;
    use Trouble::{AnswersHalf, Busy, Fails, FailsLate, Hangs, Nonsense};
    shop.trouble(&[Hangs, Fails, Nonsense, Busy, AnswersHalf, FailsLate]);
    let rows = [row("1", "m:1"), row("2", "m:2")];
    let hanging = send_within(Duration::from_millis(500), &shop, &rows);
    assert_eq!(hanging.await, None);
    for _ in 0..2 {
        assert_eq!(send(&shop, &rows).await, None);
    }
    assert_eq!(send(&shop, &rows).await, statuses(&["retry", "retry"]));
    assert_eq!(shop.applied_count(), 0);
    assert_eq!(send(&shop, &rows).await, statuses(&["ok"]));
    assert_eq!(shop.applied_count(), 1);
    assert_eq!(send(&shop, &rows).await, None);
    assert_eq!((shop.applied_count(), shop.repeats()), (2, 1));
}

#[tokio::test]
async fn a_shop_sees_what_its_sender_must_not_do() {
    let shop = Shop::start().await;
    shop.refuse("1", 1);
    send(&shop, &[row("1", "m:1"), row("3", "m:2")]).await;
    send(&shop, &[row("2", "m:1")]).await;
    assert_eq!(shop.faults().overtaking.len(), 1, "{:?}", shop.faults());
    // What was taken before is only told again.
    shop.refuse("7", 1);
    send(&shop, &[row("7", "m:2")]).await;
    send(&shop, &[row("3", "m:2")]).await;
    assert_eq!(shop.faults().overtaking.len(), 1, "{:?}", shop.faults());
    send(&shop, &[row("4", "m:3"), row("5", "m:3")]).await;
    assert_eq!(shop.faults().double.len(), 1, "{:?}", shop.faults());
    let mut other = row("4", "m:3");
    other["data_detail"] = json!("other");
    send(&shop, &[other, json!({ "syn_id": "6" })]).await;
    assert_eq!(shop.faults().odd.len(), 2, "{:?}", shop.faults());
}
