//! Who gets the next place: fair between owners, bounded per site and per owner.

use crate::{NOW, both, claim, new_task};
use shared::store::claims::{self, Room};
use shared::store::tasks::{self, NewTask};
use shared::store::{Database, Dialect, Row, Value, cooldowns};
use std::collections::HashSet;
use std::sync::Mutex;

async fn submit(database: &dyn Database, owner: &str, site: &str, now: i64) -> String {
    let task = NewTask {
        site: site.to_owned(),
        now,
        ..new_task(owner)
    };
    tasks::submit(database, &task).await.unwrap()
}

#[tokio::test]
async fn one_owners_hundred_tasks_do_not_starve_anothers_one() {
    for fixture in both().await {
        let database = &*fixture.database;
        for n in 0..100 {
            submit(database, "many", "a.example", NOW + n).await;
        }
        assert_eq!(
            claim(database, "w", NOW + 200, NOW, 10)
                .await
                .unwrap()
                .len(),
            10
        );
        let single = submit(database, "one", "a.example", NOW + 200).await;
        let next = claim(database, "w", NOW + 200, NOW, 2).await.unwrap();
        assert!(
            next.iter().any(|task| task.task_id == single),
            "{}: {:?}",
            fixture.name,
            next.iter().map(|task| &task.owner_id).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn three_owners_take_turns() {
    for fixture in both().await {
        let database = &*fixture.database;
        for owner in ["a", "b", "c"] {
            for n in 0..5 {
                submit(database, owner, "a.example", NOW + n).await;
            }
        }
        for _ in 0..5 {
            let three = claim(database, "w", NOW + 9, NOW, 3).await.unwrap();
            let owners: HashSet<_> = three.iter().map(|task| task.owner_id.as_str()).collect();
            assert_eq!(owners.len(), 3, "{}", fixture.name);
        }
    }
}

#[tokio::test]
async fn a_worker_runs_no_more_of_a_site_or_an_owner_than_it_may() {
    for fixture in both().await {
        let database = &*fixture.database;
        for n in 0..6 {
            submit(database, &format!("owner-{n}"), "busy.example", NOW).await;
            submit(database, "eager", &format!("site-{n}.example"), NOW).await;
        }
        let room = Room {
            per_site: 2,
            per_owner: 3,
            ..Room::any("w", "video", 50)
        };
        let mut claimed = Vec::new();
        loop {
            let more = claims::claim(database, &room, NOW, NOW + 9).await.unwrap();
            if more.is_empty() {
                break;
            }
            claimed.extend(more);
        }
        let eager = claimed.iter().filter(|task| task.owner_id == "eager");
        assert_eq!((claimed.len(), eager.count()), (5, 3), "{}", fixture.name);
        let other = Room {
            worker_id: "another",
            ..room
        };
        let of_another = claims::claim(database, &other, NOW, NOW + 9).await.unwrap();
        assert_eq!(of_another.len(), 5, "the limits are each worker's own");
    }
}

#[tokio::test]
async fn an_owner_without_room_does_not_hide_those_behind_him() {
    for fixture in both().await {
        let database = &*fixture.database;
        let room = Room {
            per_owner: 2,
            ..Room::any("w", "video", 1)
        };
        for n in 0..10 {
            submit(database, "eager", "a.example", NOW + n).await;
        }
        for _ in 0..2 {
            let claimed = claims::claim(database, &room, NOW + 20, NOW + 99).await;
            assert_eq!(claimed.unwrap().len(), 1, "{}", fixture.name);
        }
        let single = submit(database, "patient", "a.example", NOW + 20).await;
        let next = claims::claim(database, &room, NOW + 20, NOW + 99).await;
        let next = next.unwrap();
        assert_eq!(next.len(), 1, "{}", fixture.name);
        assert_eq!(next[0].task_id, single, "{}", fixture.name);
        let none = claims::claim(database, &room, NOW + 20, NOW + 99).await;
        assert!(none.unwrap().is_empty(), "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_site_that_cools_is_left_alone_and_the_others_are_not() {
    for fixture in both().await {
        let database = &*fixture.database;
        let cooling = submit(database, "a", "cool.example", NOW).await;
        let other = submit(database, "a", "warm.example", NOW).await;
        let until = cooldowns::cool(database, "cool.example", "rate_limited", NOW, 1000, 3000)
            .await
            .unwrap();
        assert_eq!(until, NOW + 1000);
        let claimed = claim(database, "w", NOW, NOW + 9, 9).await.unwrap();
        assert_eq!(claimed.len(), 1, "{}", fixture.name);
        assert_eq!(claimed[0].task_id, other);
        assert_eq!(
            claims::next_due(database, "video", NOW).await.unwrap(),
            Some(NOW + 1000)
        );
        let claimed = claim(database, "w", NOW + 1000, NOW + 9, 9).await.unwrap();
        assert_eq!(claimed[0].task_id, cooling);
    }
}

#[tokio::test]
async fn a_site_cools_twice_as_long_after_every_refusal_in_a_row() {
    for fixture in both().await {
        let database = &*fixture.database;
        let cool = async |now| {
            cooldowns::cool(database, "a.example", "forbidden", now, 1000, 3000)
                .await
                .unwrap()
                - now
        };
        assert_eq!(cool(NOW).await, 1000, "{}", fixture.name);
        assert_eq!(
            cool(NOW + 500).await,
            0,
            "an attempt that was under way is no further refusal"
        );
        assert_eq!(cool(NOW + 1000).await, 2000);
        assert_eq!(cool(NOW + 3000).await, 3000, "the longest");
        assert_eq!(cool(NOW + 6000).await, 3000);
        let listed = cooldowns::cooling(database, NOW + 8999, 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].strikes), (1, 4));
        cooldowns::forgive(database, "a.example").await.unwrap();
        assert_eq!(cool(NOW + 9000).await, 1000);
        assert_eq!(cooldowns::purge(database, NOW + 10_001).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn other_kinds_are_left_to_others() {
    for fixture in both().await {
        let database = &*fixture.database;
        let export = NewTask {
            kind: "export",
            ..new_task("project")
        };
        tasks::submit(database, &export).await.unwrap();
        assert!(
            claim(database, "w", NOW, NOW + 9, 9)
                .await
                .unwrap()
                .is_empty()
        );
        let room = Room::any("w", "export", 9);
        let claimed = claims::claim(database, &room, NOW, NOW + 9).await.unwrap();
        assert_eq!(claimed.len(), 1, "{}", fixture.name);
    }
}

/// Says how SQLite would run what it is asked, instead of running it.
pub struct Explaining<'a>(pub &'a dyn Database, pub Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Database for Explaining<'_> {
    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    async fn query(&self, sql: &str, parameters: &[Value]) -> shared::Result<Vec<Row>> {
        let rows = self
            .0
            .query(&format!("EXPLAIN QUERY PLAN {sql}"), parameters)
            .await?;
        let lines = rows.iter().map(|row| row.get("detail").unwrap());
        self.1.lock().unwrap().extend(lines);
        Ok(Vec::new())
    }

    async fn execute(&self, sql: &str, parameters: &[Value]) -> shared::Result<u64> {
        self.query(sql, parameters).await.map(|_| 0)
    }
}

/// A queue of any length costs what its sites cost.
#[tokio::test]
async fn a_claim_seeks_in_indexes_and_scans_no_tasks() {
    let fixture = crate::open("SQLite", None).await;
    let explaining = Explaining(&*fixture.database, Mutex::default());
    claim(&explaining, "w", NOW, NOW, 9).await.unwrap();
    claims::next_due(&explaining, "video", NOW).await.unwrap();
    tasks::submit(
        &explaining,
        &NewTask {
            idempotency_key: Some("k".to_owned()),
            ..new_task("a")
        },
    )
    .await
    .unwrap_err();
    let plan = explaining.1.into_inner().unwrap();
    assert!(plan.len() > 10, "{plan:#?}");
    let scans: Vec<&String> = plan
        .iter()
        .filter(|line| {
            line.starts_with("SCAN")
                && ![
                    "waiting",
                    "ready",
                    "CONSTANT",
                    "(subquery",
                    "places",
                    "ends",
                ]
                .iter()
                .any(|small| line.contains(small))
        })
        .collect();
    assert!(scans.is_empty(), "{plan:#?}");
}
