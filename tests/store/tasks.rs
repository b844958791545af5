//! Tasks as their owners see them.

use crate::{NOW, both, claim, id, new_task};
use shared::Code;
use shared::domain::page::Page;
use shared::domain::task::Status;
use shared::limits::IDEMPOTENCY_S;
use shared::store::queue;
use shared::store::tasks::{self, Filter, NewTask, Totals};

const PAGE: Page = Page {
    number: 1,
    size: 20,
};

fn keyed(owner: &str, hash: &str, now: i64) -> NewTask {
    NewTask {
        idempotency_key: Some("key".to_owned()),
        request_hash: hash.to_owned(),
        now,
        ..new_task(owner)
    }
}

#[tokio::test]
async fn a_key_makes_one_task_for_a_day() {
    for fixture in both().await {
        let database = &*fixture.database;
        let owner = id();
        let first = tasks::submit(database, &keyed(&owner, "a", NOW))
            .await
            .unwrap();
        let again = tasks::submit(database, &keyed(&owner, "a", NOW + 1))
            .await
            .unwrap();
        assert_eq!(first, again, "{}", fixture.name);
        let other = tasks::submit(database, &keyed(&owner, "b", NOW + 1)).await;
        assert_eq!(other.unwrap_err().code, Code::IdempotencyKeyReused);
        let somebody = tasks::submit(database, &keyed(&id(), "b", NOW))
            .await
            .unwrap();
        assert_ne!(somebody, first);
        let next_day = NOW + IDEMPOTENCY_S * 1000;
        let fresh = tasks::submit(database, &keyed(&owner, "b", next_day))
            .await
            .unwrap();
        assert_ne!(fresh, first);
    }
}

#[tokio::test]
async fn one_key_at_once_makes_one_task() {
    for fixture in both().await {
        let database = &*fixture.database;
        let owner = id();
        let submissions: Vec<NewTask> = (0..16).map(|_| keyed(&owner, "a", NOW)).collect();
        let attempts = submissions.iter().map(|task| tasks::submit(database, task));
        let mut ids: Vec<String> = futures_util::future::join_all(attempts)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{}", fixture.name);
        let (_, total) = tasks::list(database, &owner, &Filter::default(), PAGE)
            .await
            .unwrap();
        assert_eq!(total, 1);
    }
}

#[tokio::test]
async fn a_list_is_the_owners_newest_first_and_filtered() {
    for fixture in both().await {
        let database = &*fixture.database;
        let owner = id();
        let mut ids = Vec::new();
        for n in 0..5 {
            let task = NewTask {
                now: NOW + n,
                name: format!("clip {}", n % 2),
                ..new_task(&owner)
            };
            ids.push(tasks::submit(database, &task).await.unwrap());
        }
        tasks::submit(database, &new_task(&id())).await.unwrap();
        tasks::cancel(database, &ids[0], NOW + 9)
            .await
            .unwrap()
            .unwrap();
        let list = async |filter: Filter, page| {
            let (found, total) = tasks::list(database, &owner, &filter, page).await.unwrap();
            (
                found
                    .into_iter()
                    .map(|task| task.task_id)
                    .collect::<Vec<_>>(),
                total,
            )
        };
        let newest_first: Vec<String> = ids.iter().rev().cloned().collect();
        assert_eq!(
            list(Filter::default(), PAGE).await,
            (newest_first.clone(), 5)
        );
        let second = Page { number: 2, size: 2 };
        assert_eq!(
            list(Filter::default(), second).await,
            (newest_first[2..4].to_vec(), 5)
        );
        let queued = Filter {
            statuses: vec![Status::Queued, Status::Running],
            ..Filter::default()
        };
        assert_eq!(list(queued, PAGE).await.1, 4, "{}", fixture.name);
        let named = Filter {
            name: Some("clip 1".to_owned()),
            kind: Some("video".to_owned()),
            ..Filter::default()
        };
        assert_eq!(list(named, PAGE).await.0, [ids[3].clone(), ids[1].clone()]);
        let exports = Filter {
            kind: Some("export".to_owned()),
            ..Filter::default()
        };
        assert_eq!(list(exports, PAGE).await.1, 0);
        let changed = async |after: (i64, &str), limit| {
            let found = tasks::changed_since(database, after, limit).await.unwrap();
            found
                .into_iter()
                .map(|task| task.task_id)
                .collect::<Vec<_>>()
        };
        let first = changed((NOW + 3, &ids[3]), 1).await;
        assert_eq!(first, [ids[4].clone()]);
        assert_eq!(changed((NOW + 4, &first[0]), 9).await, [ids[0].clone()]);
        let changed = changed((NOW + 4, ""), 9).await;
        assert_eq!(changed, [ids[4].clone(), ids[0].clone()]);
    }
}

#[tokio::test]
async fn only_what_has_not_ended_can_be_cancelled() {
    for fixture in both().await {
        let database = &*fixture.database;
        let task = new_task(&id());
        let task_id = tasks::submit(database, &task).await.unwrap();
        claim(database, "w", NOW, NOW + 1000, 1).await.unwrap();
        let cancelled = tasks::cancel(database, &task_id, NOW + 1)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(cancelled.status, Status::Cancelled, "{}", fixture.name);
        assert_eq!(cancelled.finished_at, Some(NOW + 1));
        assert!(
            tasks::cancel(database, &task_id, NOW + 2)
                .await
                .unwrap()
                .is_none()
        );
        assert!(queue::held(database, "w").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_deleted_task_is_gone_for_its_owner() {
    for fixture in both().await {
        let database = &*fixture.database;
        let owner = id();
        let task_id = tasks::submit(database, &new_task(&owner)).await.unwrap();
        assert!(tasks::delete(database, &task_id, NOW).await.unwrap());
        assert!(!tasks::delete(database, &task_id, NOW).await.unwrap());
        assert!(
            tasks::find(database, &task_id).await.unwrap().is_none(),
            "{}",
            fixture.name
        );
        let (found, total) = tasks::list(database, &owner, &Filter::default(), PAGE)
            .await
            .unwrap();
        assert!(found.is_empty() && total == 0);
        assert!(
            claim(database, "w", NOW, NOW + 1, 9)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn totals_count_what_an_owner_has() {
    for fixture in both().await {
        let database = &*fixture.database;
        let owner = id();
        let empty = tasks::totals(database, &owner, "video").await.unwrap();
        assert_eq!(empty, Totals::default(), "{}", fixture.name);
        tasks::submit(database, &new_task(&owner)).await.unwrap();
        tasks::submit(database, &new_task(&owner)).await.unwrap();
        crate::queue::finish_one(database, NOW, None).await;
        let totals = tasks::totals(database, &owner, "video").await.unwrap();
        let expected = Totals {
            total: 2,
            succeeded: 1,
            failed: 0,
            bytes: 42,
        };
        assert_eq!(totals, expected);
    }
}
