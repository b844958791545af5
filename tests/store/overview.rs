//! Figures for operators: the queue now, the last hours, what is kept.

use crate::claims::Explaining;
use crate::queue::{ATTEMPTS, ERROR, finish_one, held};
use crate::{NOW, both, claim, id, new_task};
use runtime::database::Handle;
use shared::store::overview::{self, Backlog, Hour};
use shared::store::queue::{self, Sequel};
use shared::store::tasks::{self, NewTask};
use shared::store::{Database, files};
use std::sync::Mutex;

const HOUR: i64 = 3600 * 1000;

async fn fail(database: &dyn Database, sequel: Sequel, now: i64) {
    let task = &claim(database, "w", now, now + 9, 1).await.unwrap()[0];
    let failed = queue::fail(database, &held(task), sequel, ERROR, ATTEMPTS, now).await;
    failed.unwrap().unwrap();
}

#[tokio::test]
async fn the_backlog_counts_what_waits_runs_and_died_and_names_the_oldest() {
    for fixture in both().await {
        let database = &*fixture.database;
        let none = overview::backlog(database, NOW).await.unwrap();
        assert_eq!(none, Backlog::default(), "{}", fixture.name);
        for _ in 0..5 {
            tasks::submit(database, &new_task(&id())).await.unwrap();
        }
        fail(database, Sequel::Bury, NOW).await;
        fail(database, Sequel::Retry { run_at: NOW + 99 }, NOW).await;
        for n in 0..2 {
            let worker = format!("w{n}");
            let claimed = claim(database, &worker, NOW + n, NOW + 9, 1).await.unwrap();
            assert_eq!(claimed.len(), 1);
        }
        let expected = Backlog {
            queued: 2,
            waiting_for_retry: 1,
            running: 2,
            dead: 1,
            oldest_queued_at: Some(NOW),
        };
        let backlog = overview::backlog(database, NOW + 5).await.unwrap();
        assert_eq!(backlog, expected, "{}", fixture.name);
        let running = overview::running(database, 9).await.unwrap();
        let workers: Vec<&str> = running.iter().map(|it| it.worker_id.as_str()).collect();
        assert_eq!(workers, ["w0", "w1"], "{}", fixture.name);
        assert_eq!(overview::running(database, 1).await.unwrap().len(), 1);

        claim(database, "w", NOW + 5, NOW + 9, 9).await.unwrap();
        let backlog = overview::backlog(database, NOW + 5).await.unwrap();
        assert_eq!(
            (backlog.waiting_for_retry, backlog.oldest_queued_at),
            (1, None),
            "{}: one in back-off counts as the oldest",
            fixture.name
        );
    }
}

#[tokio::test]
async fn an_hour_holds_what_was_submitted_and_what_ended_in_it() {
    for fixture in both().await {
        let database = &*fixture.database;
        let begins = NOW - NOW % HOUR;
        let at = |now: i64| NewTask {
            now,
            ..new_task("owner")
        };
        // Submitted in the hour before the shown ones; finished in the first of them.
        tasks::submit(database, &at(begins - 2 * HOUR - 1))
            .await
            .unwrap();
        let finished = finish_one(database, begins - 2 * HOUR, Some(begins)).await;
        for _ in 0..3 {
            tasks::submit(database, &at(begins - 1)).await.unwrap();
        }
        fail(database, Sequel::Fail, begins).await;
        fail(database, Sequel::Bury, begins).await;
        let hour = |starts_at| Hour {
            starts_at,
            ..Hour::default()
        };
        let bytes: i64 = files::expire_early(database, begins, 9).await.unwrap()[0].1;
        assert!(bytes > 0, "{finished:?}");
        let hours = overview::hours(database, "video", 3, begins + HOUR - 1)
            .await
            .unwrap();
        let expected = [
            Hour {
                succeeded: 1,
                bytes,
                ..hour(begins - 2 * HOUR)
            },
            Hour {
                submitted: 3,
                ..hour(begins - HOUR)
            },
            Hour {
                failed: 2,
                ..hour(begins)
            },
        ];
        assert_eq!(hours, expected, "{}", fixture.name);

        let ended = overview::ended(database).await.unwrap();
        let ended: Vec<_> = ended
            .iter()
            .map(|it| (it.status.as_str(), it.tasks, it.bytes))
            .collect();
        assert_eq!(
            ended,
            [("dead", 1, 0), ("expired", 1, bytes), ("failed", 1, 0)],
            "{}",
            fixture.name
        );
    }
}

/// However many tasks have ended, what is asked for every few seconds reads those alone that it is about.
#[tokio::test]
async fn figures_come_from_indexes_that_hold_what_they_count() {
    let fixture = crate::open("SQLite", None).await;
    // EXPLAIN does not look whether the schema has changed since the connection read it.
    let handle = Handle::open("", fixture.folder.path()).unwrap();
    let database = handle.database();
    let explaining = Explaining(&*database, Mutex::default());
    overview::backlog(&explaining, NOW).await.unwrap();
    overview::running(&explaining, 9).await.unwrap();
    overview::hours(&explaining, "video", 3, NOW).await.unwrap();
    overview::ended(&explaining).await.unwrap();
    queue::replay_all(&explaining, NOW).await.unwrap();
    let plan = explaining.1.into_inner().unwrap();
    let scans: Vec<&String> = plan
        .iter()
        .filter(|line| line.starts_with("SCAN tasks"))
        .collect();
    assert!(scans.len() >= 4, "{plan:#?}");
    for scan in scans {
        let (_, index) = scan.split_once("INDEX ").unwrap_or_default();
        let is_partial = [
            "waiting", "due", "turns", "ready", "held", "leased", "dead", "ended",
        ]
        .iter()
        .any(|name| index.strip_prefix("tasks_") == Some(name));
        assert!(is_partial, "{scan} in {plan:#?}");
    }
}
