//! The durable queue.

use crate::{NOW, both, claim, id, new_task};
use shared::domain::page::Page;
use shared::domain::task::Status;
use shared::limits::RESCUES_MAX;
use shared::store::queue::{self, Finished, Held, Sequel};
use shared::store::tasks::{self, Task};
use shared::store::{Database, claims};
use std::collections::HashSet;

pub const ERROR: &str = r#"{"code":"network","message":"No answer."}"#;
pub const ATTEMPTS: &str = r#"[{"attempt":1,"error":{"code":"network","message":"No answer."},"at":"2026-11-22T08:30:00.000Z"}]"#;

pub fn finished(expires_at: Option<i64>) -> Finished {
    Finished {
        name: "A clip".to_owned(),
        progress: r#"{"percent":100.0,"stage":"done"}"#.to_owned(),
        result: r#"{"file_name":"a.mp4","file_size":42,"md5":"m","sha256":"s"}"#.to_owned(),
        file_path: "archive/u/20261122/a.mp4".to_owned(),
        file_size: 42,
        expires_at,
    }
}

pub fn held(task: &Task) -> Held {
    Held {
        task_id: task.task_id.clone(),
        fence: task.fence,
    }
}

async fn claim_one(database: &dyn Database, worker: &str, now: i64) -> Task {
    let mut claimed = claim(database, worker, now, now + 1000, 1).await.unwrap();
    claimed.pop().expect("a task was due")
}

/// Claims one due task and finishes it.
pub async fn finish_one(database: &dyn Database, now: i64, expires_at: Option<i64>) -> Task {
    let task = claim_one(database, "finisher", now).await;
    let done = queue::finish(database, &held(&task), &finished(expires_at), now).await;
    done.unwrap().expect("the claim held")
}

#[tokio::test]
async fn a_task_is_claimed_once_however_many_workers_ask() {
    for fixture in both().await {
        let database = &*fixture.database;
        for _ in 0..64 {
            tasks::submit(database, &new_task(&id())).await.unwrap();
        }
        let workers: Vec<String> = (0..8).map(|n| format!("w{n}")).collect();
        let rounds = workers.iter().map(|worker| async move {
            let mut mine = Vec::new();
            loop {
                let claimed = claim(database, worker, NOW, NOW + 1000, 3).await.unwrap();
                assert!(claimed.len() <= 3, "more than the limit");
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|task| task.task_id));
            }
        });
        let claimed: Vec<String> = futures_util::future::join_all(rounds).await.concat();
        let distinct: HashSet<&String> = claimed.iter().collect();
        assert_eq!(
            (claimed.len(), distinct.len()),
            (64, 64),
            "{}",
            fixture.name
        );
    }
}

#[tokio::test]
async fn tasks_are_claimed_in_the_order_in_which_they_are_due() {
    for fixture in both().await {
        let database = &*fixture.database;
        let mut ids = Vec::new();
        for n in [3, 1, 2] {
            let task = shared::store::tasks::NewTask {
                now: NOW + n,
                ..new_task(&id())
            };
            ids.push((n, tasks::submit(database, &task).await.unwrap()));
        }
        assert!(
            claim(database, "w", NOW, NOW + 9, 9)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            claims::next_due(database, "video", NOW).await.unwrap(),
            Some(NOW + 1),
            "{}",
            fixture.name
        );
        ids.sort();
        for (_, expected) in ids {
            assert_eq!(claim_one(database, "w", NOW + 5).await.task_id, expected);
        }
        assert_eq!(
            claims::next_due(database, "video", NOW).await.unwrap(),
            None
        );
    }
}

#[tokio::test]
async fn a_late_writer_with_an_old_fence_is_refused() {
    for fixture in both().await {
        let database = &*fixture.database;
        tasks::submit(database, &new_task(&id())).await.unwrap();
        let first = held(&claim_one(database, "a", NOW).await);
        assert_eq!(queue::rescue(database, NOW + 999, ERROR).await.unwrap(), 0);
        assert_eq!(queue::rescue(database, NOW + 1000, ERROR).await.unwrap(), 1);
        let second = held(&claim_one(database, "b", NOW + 1000).await);
        assert_eq!(second.task_id, first.task_id);
        assert!(second.fence > first.fence, "{}", fixture.name);
        let late = finished(None);
        assert!(
            queue::finish(database, &first, &late, NOW)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            !queue::set_progress(database, &first, "{}", NOW)
                .await
                .unwrap()
        );
        let failed = queue::fail(database, &first, Sequel::Fail, ERROR, ATTEMPTS, NOW).await;
        assert!(failed.unwrap().is_none());
        assert!(
            queue::set_progress(database, &second, "{}", NOW + 1)
                .await
                .unwrap()
        );
        let done = queue::finish(database, &second, &late, NOW + 2)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (done.status, done.finished_at),
            (Status::Succeeded, Some(NOW + 2))
        );
        assert!(
            queue::finish(database, &second, &late, NOW + 3)
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_lease_is_extended_only_for_its_owner() {
    for fixture in both().await {
        let database = &*fixture.database;
        tasks::submit(database, &new_task(&id())).await.unwrap();
        tasks::submit(database, &new_task(&id())).await.unwrap();
        let mine = held(&claim_one(database, "a", NOW).await);
        claim_one(database, "b", NOW).await;
        let extend = |claims| queue::extend(database, "a", claims, NOW + 5000);
        assert!(extend(&[]).await.unwrap().is_empty());
        let extended = extend(std::slice::from_ref(&mine)).await.unwrap();
        assert_eq!(extended, std::slice::from_ref(&mine), "{}", fixture.name);
        assert_eq!(queue::rescue(database, NOW + 2000, ERROR).await.unwrap(), 1);
        assert_eq!(queue::held(database, "a").await.unwrap(), [mine]);
        assert!(queue::held(database, "b").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_row_that_nobody_works_on_is_not_extended() {
    for fixture in both().await {
        let database = &*fixture.database;
        tasks::submit(database, &new_task(&id())).await.unwrap();
        tasks::submit(database, &new_task(&id())).await.unwrap();
        let worked_on = held(&claim_one(database, "a", NOW).await);
        let forgotten = held(&claim_one(database, "a", NOW).await);
        let claims = std::slice::from_ref(&worked_on);
        queue::extend(database, "a", claims, NOW + 5000)
            .await
            .unwrap();
        assert_eq!(queue::rescue(database, NOW + 1000, ERROR).await.unwrap(), 1);
        assert_eq!(
            queue::held(database, "a").await.unwrap(),
            [worked_on],
            "{}",
            fixture.name
        );
        let rescued = tasks::find(database, &forgotten.task_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(rescued.status, Status::Queued);
    }
}

#[tokio::test]
async fn neither_a_stop_nor_a_crash_uses_up_an_attempt() {
    for fixture in both().await {
        let database = &*fixture.database;
        tasks::submit(database, &new_task(&id())).await.unwrap();
        assert_eq!(claim_one(database, "a", NOW).await.attempt, 1);
        assert_eq!(queue::release(database, "a", NOW).await.unwrap(), 1);
        assert_eq!(
            claim_one(database, "b", NOW).await.attempt,
            1,
            "{}",
            fixture.name
        );
        queue::rescue(database, NOW + 1000, ERROR).await.unwrap();
        let third = claim_one(database, "c", NOW + 1000).await;
        assert_eq!((third.attempt, third.rescues), (1, 1));
    }
}

#[tokio::test]
async fn a_task_that_outlives_ten_workers_is_buried() {
    for fixture in both().await {
        let database = &*fixture.database;
        let task_id = tasks::submit(database, &new_task(&id())).await.unwrap();
        for n in 0..=RESCUES_MAX {
            let now = NOW + n * 2000;
            claim_one(database, "w", now).await;
            assert_eq!(queue::rescue(database, now + 1000, ERROR).await.unwrap(), 1);
        }
        let task = tasks::find(database, &task_id).await.unwrap().unwrap();
        assert_eq!(task.status, Status::Dead, "{}", fixture.name);
        assert_eq!(task.error.as_deref(), Some(ERROR));
    }
}

#[tokio::test]
async fn a_failure_is_retried_failed_or_buried() {
    for fixture in both().await {
        let database = &*fixture.database;
        tasks::submit(database, &new_task(&id())).await.unwrap();
        let claim = held(&claim_one(database, "w", NOW).await);
        let retry = Sequel::Retry { run_at: NOW + 500 };
        let waiting = queue::fail(database, &claim, retry, ERROR, ATTEMPTS, NOW).await;
        let waiting = waiting.unwrap().unwrap();
        assert_eq!(
            (waiting.status, waiting.finished_at),
            (Status::Queued, None)
        );
        assert_eq!(waiting.attempts, ATTEMPTS);
        assert!(
            crate::claim(database, "w", NOW + 499, NOW, 1)
                .await
                .unwrap()
                .is_empty()
        );
        let second = claim_one(database, "w", NOW + 500).await;
        assert_eq!(second.attempt, 2, "{}", fixture.name);
        let second = held(&second);
        let buried = queue::fail(database, &second, Sequel::Bury, ERROR, ATTEMPTS, NOW);
        assert_eq!(buried.await.unwrap().unwrap().status, Status::Dead);
        tasks::submit(database, &new_task(&id())).await.unwrap();
        let third = held(&claim_one(database, "w", NOW).await);
        let failed = queue::fail(database, &third, Sequel::Fail, ERROR, ATTEMPTS, NOW).await;
        assert_eq!(failed.unwrap().unwrap().status, Status::Failed);
    }
}

#[tokio::test]
async fn a_dead_letter_is_listed_replayed_and_dropped() {
    for fixture in both().await {
        let database = &*fixture.database;
        let page = Page { number: 1, size: 2 };
        let mut ids = Vec::new();
        for n in 0..3 {
            let task_id = tasks::submit(database, &new_task(&id())).await.unwrap();
            let claim = held(&claim_one(database, "w", NOW).await);
            let buried = queue::fail(database, &claim, Sequel::Bury, ERROR, ATTEMPTS, NOW + n);
            buried.await.unwrap().unwrap();
            ids.push(task_id);
        }
        let (letters, total) = queue::dead_letters(database, page).await.unwrap();
        let listed: Vec<&String> = letters.iter().map(|task| &task.task_id).collect();
        assert_eq!(
            (listed, total),
            (vec![&ids[2], &ids[1]], 3),
            "{}",
            fixture.name
        );
        let replayed = queue::replay(database, &ids[0], NOW + 9)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((replayed.status, replayed.attempt), (Status::Queued, 0));
        assert_eq!(replayed.attempts, ATTEMPTS, "the history was lost");
        assert!(
            queue::replay(database, &ids[0], NOW + 9)
                .await
                .unwrap()
                .is_none()
        );
        assert!(!queue::drop_dead(database, &ids[0], NOW + 9).await.unwrap());
        assert!(queue::drop_dead(database, &ids[1], NOW + 9).await.unwrap());
        assert_eq!(queue::dead_letters(database, page).await.unwrap().1, 1);
    }
}

#[tokio::test]
async fn all_dead_letters_are_replayed_at_once_and_stand_behind_nobody_and_before_nobody() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (many, one) = (id(), id());
        for owner in [&many, &many, &many, &one] {
            tasks::submit(database, &new_task(owner)).await.unwrap();
        }
        for task in claim(database, "w", NOW, NOW + 9, 9).await.unwrap() {
            let bury = Sequel::Bury;
            queue::fail(database, &held(&task), bury, ERROR, ATTEMPTS, NOW)
                .await
                .unwrap();
        }
        let waiting = id();
        tasks::submit(database, &new_task(&waiting)).await.unwrap();
        assert_eq!(queue::replay_all(database, NOW + 1).await.unwrap(), 4);
        assert_eq!(queue::replay_all(database, NOW + 1).await.unwrap(), 0);
        let mut owners = Vec::new();
        for _ in 0..5 {
            let task = &claim(database, "w", NOW + 1, NOW + 9, 1).await.unwrap()[0];
            assert_eq!(task.attempt, 1, "{}", fixture.name);
            owners.push(task.owner_id.clone());
        }
        let mut first: Vec<&String> = owners[..3].iter().collect();
        first.sort();
        let mut each = [&many, &one, &waiting];
        each.sort();
        assert_eq!(first, each, "{}: {owners:?}", fixture.name);
    }
}
