//! Figures for operators.

use crate::claims::Explaining;
use crate::{Fixture, NOW, both, new_task};
use runtime::database::Handle;
use shared::domain::quota::Levels;
use shared::store::metrics::{self, Ended};
use shared::store::overview::{self, Backlog};
use shared::store::queue::{self, Finished, Held, Sequel};
use shared::store::{files, quotas, tasks};
use std::sync::Mutex;

const HOUR: i64 = 3_600_000;

/// The id of a task that is queued.
async fn queue_one(fixture: &Fixture) -> String {
    let task = new_task("owner");
    tasks::submit(&*fixture.database, &task).await.unwrap()
}

/// A task that is claimed; the queue was empty before.
async fn claim_one(fixture: &Fixture) -> Held {
    let task_id = queue_one(fixture).await;
    let claimed = crate::claim(&*fixture.database, "worker", NOW, NOW + HOUR, 1)
        .await
        .unwrap();
    assert_eq!(claimed[0].task_id, task_id);
    Held {
        task_id,
        fence: claimed[0].fence,
    }
}

async fn succeed(fixture: &Fixture, at: i64) {
    let claim = claim_one(fixture).await;
    let finished = Finished {
        name: "clip".to_owned(),
        progress: "{}".to_owned(),
        result: "{}".to_owned(),
        file_path: format!("tmp/{}/clip.mp4", claim.task_id),
        file_size: 7,
        expires_at: Some(at + 1),
    };
    let done = queue::finish(&*fixture.database, &claim, &finished, at).await;
    assert!(done.unwrap().is_some(), "the claim holds");
}

async fn fail(fixture: &Fixture, sequel: Sequel, at: i64) -> String {
    let claim = claim_one(fixture).await;
    let failed = queue::fail(&*fixture.database, &claim, sequel, "{}", "[]", at).await;
    failed.unwrap().expect("the claim holds").task_id
}

#[tokio::test]
async fn the_depth_is_what_waits_runs_and_is_dead() {
    for fixture in both().await {
        let database = &*fixture.database;
        assert_eq!(
            overview::backlog(database, NOW).await.unwrap(),
            Backlog::default(),
            "{}",
            fixture.name
        );
        claim_one(&fixture).await;
        fail(&fixture, Sequel::Bury, NOW).await;
        let dropped = fail(&fixture, Sequel::Bury, NOW).await;
        assert!(queue::drop_dead(database, &dropped, NOW).await.unwrap());
        succeed(&fixture, NOW).await;
        queue_one(&fixture).await;
        let cancelled = queue_one(&fixture).await;
        tasks::cancel(database, &cancelled, NOW).await.unwrap();
        assert_eq!(
            overview::backlog(database, NOW).await.unwrap(),
            Backlog {
                queued: 1,
                waiting_for_retry: 0,
                running: 1,
                dead: 1,
                oldest_queued_at: Some(NOW),
            },
            "{}",
            fixture.name
        );
    }
}

#[tokio::test]
async fn the_success_rate_is_that_of_the_tasks_that_had_their_try_within_the_hour() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ended = metrics::ended_since(database, "video", NOW - HOUR).await;
        assert_eq!(ended.unwrap().success_rate(), 1.0, "{}", fixture.name);

        succeed(&fixture, NOW - HOUR - 1).await;
        // What has expired since had succeeded.
        succeed(&fixture, NOW - 2).await;
        let expired = files::expire(database, NOW, 10).await.unwrap();
        assert_eq!(expired.len(), 2, "{}", fixture.name);
        succeed(&fixture, NOW - 1).await;
        fail(&fixture, Sequel::Fail, NOW - 3).await;
        fail(&fixture, Sequel::Bury, NOW - 4).await;
        let cancelled = queue_one(&fixture).await;
        tasks::cancel(database, &cancelled, NOW).await.unwrap();
        let retried = fail(&fixture, Sequel::Retry { run_at: NOW }, NOW).await;
        assert!(tasks::delete(database, &retried, NOW).await.unwrap());

        let ended = metrics::ended_since(database, "video", NOW - HOUR).await;
        let expected = Ended {
            succeeded: 2,
            failed: 1,
            dead: 1,
            cancelled: 2,
        };
        assert_eq!(ended.unwrap(), expected, "{}", fixture.name);
        assert_eq!(expected.success_rate(), 0.5);
        let other = metrics::ended_since(database, "export", NOW - HOUR).await;
        assert_eq!(other.unwrap(), Ended::default(), "{}", fixture.name);
    }
}

/// However many tasks there have been, a scrape reads those alone that it counts.
#[tokio::test]
async fn what_a_scrape_asks_for_comes_from_indexes() {
    let fixture = crate::open("SQLite", None).await;
    // EXPLAIN does not look whether the schema has changed since the connection read it.
    let handle = Handle::open("", fixture.folder.path()).unwrap();
    let database = handle.database();
    let explaining = Explaining(&*database, Mutex::default());
    let levels = Levels { user: 20, vip: 200 };
    overview::backlog(&explaining, NOW).await.unwrap();
    metrics::ended_since(&explaining, "video", NOW)
        .await
        .unwrap();
    quotas::by_level(&explaining, 1, levels, NOW).await.unwrap();
    let plan = explaining.1.into_inner().unwrap();
    assert!(
        plan.iter()
            .any(|line| line.starts_with("SEARCH tasks USING INDEX tasks_finished")),
        "{plan:#?}"
    );
    for line in plan.iter().filter(|line| line.starts_with("SCAN ")) {
        // The index of one status, which holds nothing else.
        let is_of_one_status = line.starts_with("SCAN tasks USING ");
        assert!(
            is_of_one_status || line.starts_with("SCAN CONSTANT"),
            "{line} in {plan:#?}"
        );
    }
}
