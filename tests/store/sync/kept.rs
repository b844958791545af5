//! What is kept and for how long, and what is loaded and sent again (DS-5, DS-9, DS-13).

use super::*;

/// Runs the initial load of `b` to its end, in small pieces, and returns the ids that it brought, in order.
async fn loaded(database: &dyn Database, epoch: i64) -> Vec<String> {
    let begin = "UPDATE sites SET load_after = 0, load_epoch = $1, \
         load_until = (SELECT MAX(record_id) FROM records) WHERE site_id = 'b'";
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
