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
            push(database, "a", "g", &[first.clone()]).await,
            [Outcome::Taken]
        );
        assert_eq!(
            push(database, "a", "g", &[first.clone()]).await,
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
            push(database, "b", "g", &[other.clone()]).await,
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

/// Runs the initial load of `b` to its end, in small pieces, and returns the ids that it brought, in order.
async fn loaded(database: &dyn Database, epoch: i64) -> Vec<String> {
    let begin = "UPDATE sites SET load_after = 0, load_epoch = $1 WHERE site_id = 'b'";
    database.execute(begin, &[epoch.into()]).await.unwrap();
    let mut pieces = 0;
    while let Some(load) = loads::next(database).await.unwrap() {
        loads::step(database, &load, 2, NOW).await.unwrap();
        // A crash between its two statements repeats a piece.
        loads::step(database, &load, 2, NOW).await.unwrap();
        pieces += 1;
    }
    assert!(pieces > 2);
    let (batch, rows) = take(database, "b", 100).await.unwrap();
    let found = ids(&rows).into_iter().map(str::to_owned).collect();
    settle(database, &batch, &Verdict::Ok).await;
    found
}

#[tokio::test]
async fn a_load_brings_the_last_row_of_each_entity_that_the_site_may_see() {
    for fixture in chains().await {
        let database = &*fixture.database;
        database
            .execute("DELETE FROM sites WHERE site_id = 'b'", &[])
            .await
            .unwrap();
        let of = |syn_id: &str, kind: &str, entity: &str| {
            row(json!({ "syn_id": syn_id, "business_type": kind, "entity": entity }))
        };
        let sent = [
            of("1", "member", "m:1"),
            of("2", "member", "m:2"),
            of("3", "order", "o:1"),
            of("4", "member", "m:1"),
            row(json!({ "syn_id": "5", "op": "delete", "entity": "m:2", "entity_version": 9 })),
            row(json!({ "syn_id": "6", "entity": "m:2", "entity_version": 1 })),
        ];
        push(database, "a", "g", &sent).await;
        push(database, "c", "h", &[of("7", "member", "m:7")]).await;
        site(database, "b", "g").await;
        push(
            database,
            "b",
            "g",
            &[of("own", "member", "m:8"), of("mine", "order", "o:8")],
        )
        .await;
        assert_eq!(loaded(database, 1).await, ["4", "5"], "{}", fixture.name);
        // Restored, it gets its own rows of before too; those that it sends now it has.
        push_in(database, "b", "g", 2, &[of("now", "member", "m:9")]).await;
        assert_eq!(loaded(database, 2).await, ["mine", "4", "5", "own"]);
        assert_eq!(loaded(database, 3).await, ["mine", "4", "5", "own", "now"]);
    }
}

#[tokio::test]
async fn what_everybody_has_is_kept_as_long_as_it_must_be() {
    for fixture in chains().await {
        let database = &*fixture.database;
        let of = |syn_id: &str, op: &str, entity: &str| {
            row(json!({ "syn_id": syn_id, "op": op, "entity": entity, "entity_version": 2 }))
        };
        let sent = [
            of("old", "upsert", "m:1"),
            of("last", "upsert", "m:1"),
            of("gone", "delete", "m:2"),
            row(json!({ "syn_id": "late", "entity": "m:2", "entity_version": 1 })),
        ];
        push(database, "a", "g", &sent).await;
        let kept = async |before: i64| {
            let mut after = Some(0);
            while let Some(from) = after {
                after = records::purge(database, before, from, 2).await.unwrap();
            }
            let rows = database
                .query("SELECT syn_id FROM records ORDER BY record_id", &[])
                .await
                .unwrap();
            rows.iter()
                .map(|row| row.get::<String>("syn_id").unwrap())
                .collect::<Vec<_>>()
        };
        // What waits for somebody stays; what nobody gets goes.
        assert_eq!(
            kept(NOW + 1).await,
            ["old", "last", "gone"],
            "{}",
            fixture.name
        );
        let (batch, _) = take(database, "b", 10).await.unwrap();
        let verdicts: Vec<_> = batch
            .records
            .iter()
            .map(|(id, _)| (*id, Verdict::Ok))
            .collect();
        batches::settle(database, &batch, &verdicts, None, NOW + 10)
            .await
            .unwrap();
        // A deletion counts from when the last receiver had it, and the last row of an entity stays for ever.
        assert_eq!(kept(NOW + 1).await, ["last", "gone"]);
        assert_eq!(kept(NOW + 11).await, ["last"]);
    }
}

#[tokio::test]
async fn a_restored_site_keeps_its_order_and_sends_again_what_it_kept() {
    for fixture in both().await {
        let database = &*fixture.database;
        let types = Types::default();
        let accept = async |epoch: i64, syn_id: &str| {
            let source = Source {
                sender: Sender::Shop,
                epoch,
                receiver: Some(UPSTREAM),
                types: &types,
            };
            records::accept(database, source, &[row(json!({ "syn_id": syn_id }))], NOW)
                .await
                .unwrap();
        };
        let ask = || Ask {
            receiver: UPSTREAM,
            realms: &[],
            bounds: Bounds {
                rows: 10,
                bytes: 100_000,
            },
            batch_id: id(),
            pull_id: None,
            lease_ms: 0,
            fail_max: 3,
        };
        accept(1, "sent").await;
        let batch = batches::take(database, &ask(), NOW).await.unwrap().unwrap();
        settle(database, &batch, &Verdict::Ok).await;
        accept(1, "waiting").await;
        records::begin_epoch(database, 2).await.unwrap();
        accept(2, "new").await;
        let batch = batches::take(database, &ask(), NOW).await.unwrap().unwrap();
        let rows = batches::rows(database, &batch).await.unwrap();
        assert_eq!(ids(&rows), ["waiting", "new"], "{}", fixture.name);
        let seqs: Vec<i64> = rows.iter().map(|it| seq_of(it.row.position)).collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
        settle(database, &batch, &Verdict::Ok).await;
        assert_eq!(
            records::send_again(database, UPSTREAM, NOW).await.unwrap(),
            3
        );
        let bodies = records::bodies(database, "self", &["sent", "unknown"])
            .await
            .unwrap();
        assert_eq!(bodies.len(), 1);
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

#[tokio::test]
async fn what_was_applied_is_known_again_and_deletions_are_remembered() {
    for fixture in both().await {
        let database = &*fixture.database;
        let op = |text: &str| shared::domain::record::Op::parse(text).unwrap();
        let applied = |syn_id: &str, word: &str, entity: &str, version: Option<i64>| Applied {
            origin: "b".to_owned(),
            syn_id: syn_id.to_owned(),
            hash: format!("hash of {syn_id}"),
            entity: entity.to_owned(),
            op: op(word),
            version,
        };
        let first = applied("1", "delete", "m:1", Some(5));
        applied::note(database, std::slice::from_ref(&first), NOW)
            .await
            .unwrap();
        applied::note(database, std::slice::from_ref(&first), NOW)
            .await
            .unwrap();
        let rows = [
            applied("0", "upsert", "m:1", Some(4)),
            first.clone(),
            applied("2", "upsert", "m:1", Some(5)),
            applied("3", "upsert", "m:1", None),
            Applied {
                hash: "other".to_owned(),
                ..first.clone()
            },
            applied("4", "delete", "m:1", Some(1)),
        ];
        let known = applied::known(database, &rows).await.unwrap();
        assert_eq!(
            known,
            [false, true, false, false, false, false],
            "{}",
            fixture.name
        );
        let superseded = applied::superseded(database, &rows).await.unwrap();
        assert_eq!(superseded, [true, false, false, false, false, false]);
        // The site's own deletions count too.
        let types = Types::default();
        let source = Source {
            sender: Sender::Shop,
            epoch: 1,
            receiver: Some("upstream"),
            types: &types,
        };
        let delete = row(json!({ "op": "delete", "entity": "m:2", "entity_version": 3 }));
        records::accept(database, source, &[delete], NOW)
            .await
            .unwrap();
        let late = [applied("5", "upsert", "m:2", Some(2))];
        assert_eq!(applied::superseded(database, &late).await.unwrap(), [true]);
        assert_eq!(applied::purge(database, NOW + 1).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn answers_and_states_are_kept() {
    for fixture in both().await {
        let database = &*fixture.database;
        pushes::insert(database, "a", "b1", "hash", "first", NOW)
            .await
            .unwrap();
        pushes::insert(database, "a", "b1", "hash", "second", NOW)
            .await
            .unwrap();
        let found = pushes::find(database, "a", "b1").await.unwrap();
        assert_eq!(
            found,
            Some(("hash".to_owned(), "first".to_owned())),
            "{}",
            fixture.name
        );
        assert_eq!(pushes::find(database, "c", "b1").await.unwrap(), None);
        assert_eq!(pushes::purge(database, NOW + 1).await.unwrap(), 1);
        assert_eq!(
            site_state::get(database, site_state::EPOCH).await.unwrap(),
            None
        );
        site_state::set(database, site_state::EPOCH, "1", NOW)
            .await
            .unwrap();
        site_state::set(database, site_state::EPOCH, "2", NOW)
            .await
            .unwrap();
        assert_eq!(
            site_state::number(database, site_state::EPOCH)
                .await
                .unwrap(),
            Some(2)
        );
        for expected in 1..4 {
            let tick = site_state::count_up(database, site_state::TICK, NOW)
                .await
                .unwrap();
            assert_eq!(tick, expected);
        }
    }
}
