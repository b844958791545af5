//! The journal, deliveries and batches of data sync (DS-3, DS-5 to DS-9).

use crate::{Fixture, NOW, both, id};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::Code;
use shared::domain::batch::Bounds;
use shared::domain::business_type::Types;
use shared::domain::delivery::{BUSINESS, UPSTREAM};
use shared::domain::page::Page;
use shared::domain::record::{Record, Sender, group_realm, seq_of, site_realm};
use shared::store::applied::{self, Applied};
use shared::store::batches::{self, Ask, Batch, Leased, Verdict};
use shared::store::deliveries::{self, Action};
use shared::store::records::{self, CONFLICT, Outcome, Source};
use shared::store::{Database, loads, pushes, site_state};
use shared::wire::record::read;

mod kept;

const LEASE_MS: i64 = 60_000;

fn row(changes: Value) -> Record {
    let mut row = json!({ "syn_id": id(), "business_type": "member", "entity": "member:1", "data_detail": {} });
    let changes = changes.as_object().unwrap().clone();
    row.as_object_mut().unwrap().extend(changes);
    read(&RawValue::from_string(row.to_string()).unwrap()).unwrap()
}

async fn site(database: &dyn Database, site_id: &str, group: &str) {
    database
        .execute(
            "INSERT INTO sites (site_id, name, site_group, realm, tokens_from, registered_at, created_at, \
               updated_at, created_by) VALUES ($1, $1, $2, $3, 0, $4, $4, $4, 'ada')",
            &[site_id.into(), group.into(), group_realm(group).into(), NOW.into()],
        )
        .await
        .unwrap();
}

/// Three sites, two of them in one group.
async fn chains() -> Vec<Fixture> {
    let fixtures = both().await;
    for fixture in &fixtures {
        for (site_id, group) in [("a", "g"), ("b", "g"), ("c", "h")] {
            site(&*fixture.database, site_id, group).await;
        }
    }
    fixtures
}

async fn push(
    database: &dyn Database,
    site_id: &str,
    group: &str,
    rows: &[Record],
) -> Vec<Outcome> {
    push_in(database, site_id, group, 1, rows).await
}

async fn push_in(
    database: &dyn Database,
    site_id: &str,
    group: &str,
    epoch: i64,
    rows: &[Record],
) -> Vec<Outcome> {
    let types = Types::default();
    let source = Source {
        sender: Sender::Site { site_id, group },
        epoch,
        receiver: None,
        types: &types,
    };
    records::accept(database, source, rows, NOW).await.unwrap()
}

fn realms(site_id: &str) -> Vec<String> {
    let group = if site_id == "c" { "h" } else { "g" };
    vec![group_realm(group), site_realm(site_id)]
}

async fn take_as(
    database: &dyn Database,
    site_id: &str,
    rows: usize,
    pull_id: Option<&str>,
    now: i64,
) -> Option<(Batch, Vec<Leased>)> {
    let realms = realms(site_id);
    let ask = Ask {
        receiver: site_id,
        realms: &realms,
        bounds: Bounds {
            rows,
            bytes: 100_000,
        },
        batch_id: id(),
        pull_id,
        lease_ms: LEASE_MS,
        fail_max: 3,
    };
    let batch = batches::take(database, &ask, now).await.unwrap()?;
    let rows = batches::rows(database, &batch).await.unwrap();
    Some((batch, rows))
}

async fn take(database: &dyn Database, site_id: &str, rows: usize) -> Option<(Batch, Vec<Leased>)> {
    take_as(database, site_id, rows, None, NOW).await
}

fn ids(rows: &[Leased]) -> Vec<&str> {
    rows.iter().map(|leased| leased.syn_id.as_str()).collect()
}

/// Says the same of every row of a batch.
async fn settle(database: &dyn Database, batch: &Batch, verdict: &Verdict) {
    let results: Vec<_> = batch
        .records
        .iter()
        .map(|(id, _)| (*id, verdict.clone()))
        .collect();
    let is_first = batches::settle(database, batch, &results, Some("{}"), NOW)
        .await
        .unwrap();
    assert!(is_first);
}

fn rejected() -> Verdict {
    Verdict::Reject(Some("没有库存".to_owned()))
}

#[tokio::test]
async fn a_row_goes_to_who_may_see_it_and_not_back_to_who_sent_it() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let sent = ["member", "member_private", "order", "stock"].map(|kind| {
            row(json!({ "business_type": kind, "syn_id": kind, "entity": format!("{kind}:1") }))
        });
        let outcomes = push(database, "a", "g", &sent).await;
        assert_eq!(outcomes, vec![Outcome::Taken; 4], "{}", fixture.name);
        let (_, rows) = take(database, "b", 10).await.unwrap();
        assert_eq!(ids(&rows), ["member"]);
        assert!(take(database, "a", 10).await.is_none() && take(database, "c", 10).await.is_none());
        // What the cloud addresses goes to that site alone, whatever its type.
        let types = Types::default();
        let source = Source {
            sender: Sender::Cloud { group: "h" },
            epoch: 1,
            receiver: Some(BUSINESS),
            types: &types,
        };
        let sent = [
            row(json!({ "syn_id": "to a", "business_type": "stock", "data_to_server_id": "a" })),
            row(json!({ "syn_id": "to h" })),
            row(json!({ "syn_id": "to g", "group": "g", "entity": "member:2" })),
            row(json!({ "syn_id": "to nobody", "business_type": "order" })),
        ];
        records::accept(database, source, &sent, NOW).await.unwrap();
        assert_eq!(
            ids(&take(database, "a", 10).await.unwrap().1),
            ["to g", "to a"]
        );
        assert_eq!(ids(&take(database, "b", 10).await.unwrap().1), ["to g"]);
        assert_eq!(ids(&take(database, "c", 10).await.unwrap().1), ["to h"]);
        assert_eq!(
            deliveries::counts(database, BUSINESS)
                .await
                .unwrap()
                .backlog,
            4
        );
    }
}

#[tokio::test]
async fn an_id_counts_once_and_other_content_under_it_is_refused() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let first = row(json!({ "syn_id": "1", "data_detail": {"a": 1, "b": [2]} }));
        let again = row(json!({ "syn_id": "1", "data_detail": {"b": [2], "a": 1} }));
        let other = row(json!({ "syn_id": "1", "data_detail": {"a": 2} }));
        let behind = row(json!({ "syn_id": "2" }));
        let elsewhere = row(json!({ "syn_id": "3", "entity": "member:9" }));
        assert_eq!(
            push(database, "a", "g", std::slice::from_ref(&first)).await,
            [Outcome::Taken]
        );
        assert_eq!(
            push(database, "a", "g", std::slice::from_ref(&first)).await,
            [Outcome::Duplicate]
        );
        // The same content in another order of fields.
        assert_eq!(
            push(database, "a", "g", &[again]).await,
            [Outcome::Duplicate]
        );
        let outcomes = push(database, "a", "g", &[other.clone(), behind, elsewhere]).await;
        let expected = [Outcome::Refused(CONFLICT), Outcome::Held, Outcome::Taken];
        assert_eq!(outcomes, expected, "{}", fixture.name);
        // Another origin has ids of its own, and so has a later life of the same one.
        assert_eq!(
            push(database, "b", "g", std::slice::from_ref(&other)).await,
            [Outcome::Taken]
        );
        assert_eq!(
            push_in(database, "a", "g", 2, &[other]).await,
            [Outcome::Taken]
        );
        assert_eq!(
            push_in(database, "a", "g", 2, &[first]).await,
            [Outcome::Duplicate]
        );
        // One batch to b does not hold two rows of one id: results name rows by it.
        let (_, rows) = take(database, "b", 10).await.unwrap();
        assert_eq!(ids(&rows), ["1", "3"]);
        let foreign = row(json!({ "data_from_server_id": "b" }));
        let outcomes = push(database, "a", "g", &[foreign]).await;
        assert_eq!(outcomes, [Outcome::Refused(records::NOT_YOURS)]);
    }
}

#[tokio::test]
async fn rows_come_by_priority_and_then_in_the_order_of_their_origin() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let types = Types::parse(r#"{"urgent":{"scope":"group","priority":0}}"#).unwrap();
        let accept = async |rows: &[Record]| {
            let sender = Sender::Site {
                site_id: "a",
                group: "g",
            };
            let source = Source {
                sender,
                epoch: 1,
                receiver: None,
                types: &types,
            };
            records::accept(database, source, rows, NOW).await.unwrap();
        };
        let numbered = |seq: i64, kind: &str, entity: &str| {
            row(
                json!({ "syn_id": seq.to_string(), "seq": seq, "business_type": kind, "entity": entity }),
            )
        };
        accept(&[numbered(5, "member", "m:5"), numbered(3, "member", "m:3")]).await;
        accept(&[
            numbered(4, "member", "m:4"),
            numbered(9, "member", "m:9"),
            numbered(1, "member", "m:1"),
        ])
        .await;
        accept(&[
            numbered(10, "urgent", "m:10"),
            numbered(11, "urgent", "m:9"),
        ])
        .await;
        accept(&[numbered(12, "urgent", "m:12")]).await;
        accept(&[numbered(2, "member", "m:12")]).await;
        let (_, rows) = take(database, "b", 100).await.unwrap();
        // 11 may not pass 9, which is of its entity; 2 comes late, before 12 of its entity, and so with its urgency.
        assert_eq!(
            ids(&rows),
            ["2", "10", "12", "1", "3", "4", "5", "9", "11"],
            "{}",
            fixture.name
        );
    }
}

#[tokio::test]
async fn all_get_the_rows_of_an_entity_that_several_write_in_one_order() {
    for fixture in chains().await {
        let database = &*fixture.database;
        for site_id in ["d", "e"] {
            site(database, site_id, "g").await;
        }
        let numbered = |syn_id: &str, seq: i64, entity: &str| {
            row(json!({ "syn_id": syn_id, "seq": seq, "entity": entity }))
        };
        push(database, "a", "g", &[numbered("a3", 3, "m:1")]).await;
        push(database, "b", "g", &[numbered("b1", 1, "shared")]).await;
        let (_, early) = take(database, "d", 100).await.unwrap();
        // What site a wrote before its third row comes late, as what is less urgent does.
        push(
            database,
            "a",
            "g",
            &[numbered("a1", 1, "shared"), numbered("a2", 2, "shared")],
        )
        .await;
        let (_, late) = take(database, "e", 100).await.unwrap();
        assert_eq!(ids(&early), ["a3", "b1"], "{}", fixture.name);
        assert_eq!(ids(&late), ["a3", "b1", "a1", "a2"], "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_lease_that_ends_gives_the_same_batch_and_the_same_bytes() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let sent: Vec<Record> = (0..5)
            .map(|n| row(json!({ "syn_id": n.to_string(), "entity": format!("m:{n}") })))
            .collect();
        push(database, "a", "g", &sent).await;
        let bytes = |rows: &[Leased]| {
            rows.iter()
                .map(|it| it.row.to_json().unwrap())
                .collect::<Vec<_>>()
        };
        let (first, rows) = take_as(database, "b", 3, Some("p1"), NOW).await.unwrap();
        assert_eq!(ids(&rows), ["0", "1", "2"]);
        // The same request again, at once; another one has the other rows.
        let (again, same) = take_as(database, "b", 3, Some("p1"), NOW + 1)
            .await
            .unwrap();
        assert_eq!(
            (&again.batch_id, bytes(&same)),
            (&first.batch_id, bytes(&rows))
        );
        let (second, others) = take_as(database, "b", 3, None, NOW + 2).await.unwrap();
        assert_eq!(ids(&others), ["3", "4"]);
        assert!(take_as(database, "b", 3, None, NOW + 3).await.is_none());
        let late = NOW + 2 * LEASE_MS;
        let (again, same) = take_as(database, "b", 3, None, late).await.unwrap();
        assert_eq!(
            (&again.batch_id, bytes(&same)),
            (&first.batch_id, bytes(&rows))
        );
        settle(database, &first, &Verdict::Ok).await;
        assert!(
            !batches::settle(database, &first, &[], None, late)
                .await
                .unwrap()
        );
        let kept = batches::find(database, &first.batch_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (kept.is_settled, kept.answer.as_deref()),
            (true, Some("{}"))
        );
        // A smaller request does not get a batch that is too large for it.
        let (small, rows) = take_as(database, "b", 1, None, late).await.unwrap();
        assert_eq!(ids(&rows), ["3"], "{}", fixture.name);
        assert_ne!(small.batch_id, second.batch_id);
        let given_up = batches::find(database, &second.batch_id)
            .await
            .unwrap()
            .unwrap();
        assert!(given_up.is_settled && given_up.answer.is_none());
        settle(database, &small, &Verdict::Retry).await;
        let (last, rows) = take_as(database, "b", 9, None, late).await.unwrap();
        assert_eq!(ids(&rows), ["3", "4"]);
        assert_eq!(rows[0].row.fail_num, 0);
        settle(database, &last, &Verdict::Ok).await;
        assert_eq!(
            deliveries::counts(database, "b").await.unwrap(),
            deliveries::Counts::default()
        );
        assert_eq!(batches::purge(database, NOW).await.unwrap(), 0);
        assert_eq!(batches::purge(database, late + 1).await.unwrap(), 4);
    }
}

#[tokio::test]
async fn the_third_refusal_is_the_last_and_holds_the_entity_until_somebody_decides() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let sent = ["1", "2", "3"].map(|n| row(json!({ "syn_id": n, "data_detail": {"n": n} })));
        push(database, "a", "g", &sent).await;
        push(
            database,
            "a",
            "g",
            &[row(json!({ "syn_id": "x", "entity": "m:2" }))],
        )
        .await;
        for fail_num in 0..3 {
            let (batch, rows) = take(database, "b", 1).await.unwrap();
            assert_eq!((ids(&rows), rows[0].row.fail_num), (vec!["1"], fail_num));
            settle(database, &batch, &rejected()).await;
        }
        // Later rows of that entity wait, also those that come now; the others flow.
        push(database, "a", "g", &[row(json!({ "syn_id": "4" }))]).await;
        let (batch, rows) = take(database, "b", 10).await.unwrap();
        assert_eq!(ids(&rows), ["x"], "{}", fixture.name);
        settle(database, &batch, &Verdict::Ok).await;
        assert!(!deliveries::is_any_due(database, "b", NOW).await.unwrap());
        let counts = deliveries::counts(database, "b").await.unwrap();
        assert_eq!((counts.backlog, counts.held, counts.dead), (0, 3, 1));
        let page = Page::parse(None, None).unwrap();
        let (dead, total) = deliveries::dead(database, "b", page).await.unwrap();
        assert_eq!((total, dead[0].held, dead[0].fail_num), (1, 3, 3));
        assert_eq!(dead[0].reason.as_deref(), Some("没有库存"));
        let free = async |syn_id: &str, origin: Option<&str>, action: &Action| {
            deliveries::free(database, "b", syn_id, origin, action, NOW).await
        };
        assert_eq!(
            free("2", None, &Action::Retry).await.unwrap_err().code,
            Code::NotFound
        );
        assert_eq!(
            free("1", Some("c"), &Action::Retry).await.unwrap_err().code,
            Code::NotFound
        );
        free("1", Some("a"), &Action::Edit("{\"n\":\"new\"}".to_owned()))
            .await
            .unwrap();
        let (batch, rows) = take(database, "b", 10).await.unwrap();
        assert_eq!(ids(&rows), ["1", "2", "3", "4"]);
        let json: Value = serde_json::from_str(&rows[0].row.to_json().unwrap()).unwrap();
        assert_eq!(
            (&json["data_detail"]["n"], &json["fail_num"]),
            (&json!("new"), &json!(0))
        );
        // Only the first is refused: the rest goes again with it, uncounted.
        let results = [(batch.records[0].0, rejected())];
        batches::settle(database, &batch, &results, None, NOW)
            .await
            .unwrap();
        for _ in 0..2 {
            let (batch, rows) = take(database, "b", 1).await.unwrap();
            assert_eq!(ids(&rows), ["1"]);
            settle(database, &batch, &rejected()).await;
        }
        assert!(take(database, "b", 10).await.is_none());
        free("1", None, &Action::Skip).await.unwrap();
        let (_, rows) = take(database, "b", 10).await.unwrap();
        assert_eq!(ids(&rows), ["2", "3", "4"]);
        assert_eq!(rows[0].row.fail_num, 0);
    }
}

#[tokio::test]
async fn a_deletion_is_not_undone_by_a_late_row_of_a_lower_version() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let delete = row(json!({ "op": "delete", "entity_version": 5, "syn_id": "d" }));
        let late = row(json!({ "entity_version": 4, "syn_id": "late" }));
        let newer = row(json!({ "entity_version": 6, "syn_id": "newer" }));
        push(database, "a", "g", &[delete]).await;
        assert_eq!(
            push(database, "b", "g", &[late, newer]).await,
            [Outcome::Superseded, Outcome::Taken]
        );
        let (_, rows) = take(database, "a", 10).await.unwrap();
        assert_eq!(ids(&rows), ["newer"], "{}", fixture.name);
        let (_, rows) = take(database, "b", 10).await.unwrap();
        assert_eq!(ids(&rows), ["d"]);
        // What stands beside it in another realm is another entity.
        let private = row(json!({ "business_type": "member_private", "entity_version": 1 }));
        assert_eq!(push(database, "a", "g", &[private]).await, [Outcome::Taken]);
    }
}

#[tokio::test]
async fn requests_at_once_never_share_a_row() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let sent: Vec<Record> = (0..60)
            .map(|n| row(json!({ "syn_id": n.to_string(), "entity": format!("m:{}", n % 20) })))
            .collect();
        push(database, "a", "g", &sent).await;
        let taking = (0..8).map(|_| async {
            let realms = realms("b");
            let ask = Ask {
                receiver: "b",
                realms: &realms,
                bounds: Bounds {
                    rows: 10,
                    bytes: 100_000,
                },
                batch_id: id(),
                pull_id: None,
                lease_ms: LEASE_MS,
                fail_max: 3,
            };
            batches::take(database, &ask, NOW).await.ok().flatten()
        });
        let taken = futures_util::future::join_all(taking).await;
        let mut records: Vec<i64> = taken
            .iter()
            .flatten()
            .flat_map(|it| it.records.iter().map(|(id, _)| *id))
            .collect();
        let count = records.len();
        records.sort_unstable();
        records.dedup();
        assert_eq!(records.len(), count, "{}", fixture.name);
        // No entity is in two batches.
        assert!(count >= 10);
    }
}

#[tokio::test]
async fn a_site_that_is_revoked_has_nothing_waiting() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let sent = ["1", "2"].map(|n| row(json!({ "syn_id": n, "entity": n })));
        push(database, "a", "g", &sent).await;
        let (batch, _) = take(database, "b", 1).await.unwrap();
        let revoke = "UPDATE sites SET revoked_at = $1 WHERE site_id = 'b'";
        database.execute(revoke, &[NOW.into()]).await.unwrap();
        assert_eq!(
            deliveries::counts(database, "b").await.unwrap(),
            deliveries::Counts::default()
        );
        assert!(
            batches::find(database, &batch.batch_id)
                .await
                .unwrap()
                .unwrap()
                .is_settled
        );
        push(database, "a", "g", &[row(json!({}))]).await;
        assert!(take(database, "b", 10).await.is_none(), "{}", fixture.name);
    }
}
