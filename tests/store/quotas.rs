//! Downloads a day (VA-11): a place is taken with the row and given back by whatever ends the task without
//! its owner's doing.

use crate::accounts::user;
use crate::queue::{ATTEMPTS, ERROR, finished, held};
use crate::{NOW, both, claim, id, new_task};
use shared::Code;
use shared::domain::account::Role;
use shared::domain::quota::{Levels, Place, day};
use shared::domain::task::Status;
use shared::limits::RESCUES_MAX;
use shared::store::queue::{self, Sequel};
use shared::store::quotas::LevelUse;
use shared::store::tasks::{self, NewTask};
use shared::store::users::{self, Change};
use shared::store::{Database, quotas};

fn charged(owner: &str, limit: i64) -> NewTask {
    NewTask {
        quota: Some(Place {
            day: day(NOW),
            limit,
        }),
        ..new_task(owner)
    }
}

async fn used(database: &dyn Database, owner: &str) -> i64 {
    quotas::used(database, owner, day(NOW)).await.unwrap()
}

#[tokio::test]
async fn of_two_hundred_submissions_at_once_the_last_place_admits_one() {
    for fixture in both().await {
        let database = &*fixture.database;
        let owner = id();
        for _ in 0..4 {
            tasks::submit(database, &charged(&owner, 5)).await.unwrap();
        }
        let at_once =
            (0..200).map(|_| async { tasks::submit(database, &charged(&owner, 5)).await });
        let outcomes = futures_util::future::join_all(at_once).await;
        let admitted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(admitted, 1, "{}", fixture.name);
        for refused in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(refused.code, Code::QuotaExhausted, "{refused}");
        }
        assert_eq!(used(database, &owner).await, 5);
        let other = id();
        tasks::submit(database, &charged(&other, 5)).await.unwrap();
        assert_eq!(used(database, &other).await, 1, "each user has his own");
    }
}

#[tokio::test]
async fn a_repeated_request_needs_no_place() {
    for fixture in both().await {
        let database = &*fixture.database;
        let owner = id();
        let keyed = |task: NewTask| NewTask {
            idempotency_key: Some("key".to_owned()),
            ..task
        };
        let first = tasks::submit(database, &keyed(charged(&owner, 1)))
            .await
            .unwrap();
        let again = tasks::submit(database, &keyed(charged(&owner, 1)))
            .await
            .unwrap();
        assert_eq!(
            (first, used(database, &owner).await),
            (again, 1),
            "{}",
            fixture.name
        );
    }
}

#[tokio::test]
async fn a_place_is_given_back_by_failure_dead_letter_and_lost_workers_and_kept_otherwise() {
    for fixture in both().await {
        let database = &*fixture.database;
        for (sequel, left) in [
            (Sequel::Fail, 0),
            (Sequel::Bury, 0),
            (
                Sequel::Retry {
                    run_at: NOW + 99_999,
                },
                1,
            ),
        ] {
            let owner = id();
            tasks::submit(database, &charged(&owner, 9)).await.unwrap();
            let task = &claim(database, "w", NOW, NOW + 9, 1).await.unwrap()[0];
            let failed = queue::fail(database, &held(task), sequel, ERROR, ATTEMPTS, NOW).await;
            failed.unwrap().unwrap();
            assert_eq!(
                used(database, &owner).await,
                left,
                "{sequel:?} on {}",
                fixture.name
            );
        }
        let done = id();
        tasks::submit(database, &charged(&done, 9)).await.unwrap();
        let task = &claim(database, "w", NOW, NOW + 9, 1).await.unwrap()[0];
        let finish = queue::finish(database, &held(task), &finished(None), NOW).await;
        finish.unwrap().unwrap();
        let cancelled = id();
        let task_id = tasks::submit(database, &charged(&cancelled, 9))
            .await
            .unwrap();
        tasks::cancel(database, &task_id, NOW)
            .await
            .unwrap()
            .unwrap();
        let deleted = id();
        let task_id = tasks::submit(database, &charged(&deleted, 9))
            .await
            .unwrap();
        assert!(tasks::delete(database, &task_id, NOW).await.unwrap());
        for owner in [&done, &cancelled, &deleted] {
            assert_eq!(used(database, owner).await, 1, "{}", fixture.name);
        }
        let poisoned = id();
        tasks::submit(database, &charged(&poisoned, 9))
            .await
            .unwrap();
        for n in 0..=RESCUES_MAX {
            let now = NOW + n * 2000;
            assert_eq!(
                claim(database, "w", now, now + 1000, 9)
                    .await
                    .unwrap()
                    .len(),
                1
            );
            queue::rescue(database, now + 1000, ERROR).await.unwrap();
        }
        assert_eq!(used(database, &poisoned).await, 0, "{}", fixture.name);
    }
}

#[tokio::test]
async fn the_use_of_a_level_is_held_against_the_limits_of_its_users() {
    for fixture in both().await {
        let database = &*fixture.database;
        for (email, role, own) in [
            ("a@a.test", Role::User, None),
            ("b@a.test", Role::User, Some(5)),
            ("v@a.test", Role::Vip, None),
        ] {
            let mut user = crate::accounts::user(email, role);
            user.daily_limit = own;
            users::insert(database, &user).await.unwrap();
            let change = users::Change {
                daily_limit: Some(own),
                ..users::Change::default()
            };
            users::change(database, &user.user_id, change, NOW)
                .await
                .unwrap()
                .unwrap();
            tasks::submit(database, &charged(&user.user_id, 5))
                .await
                .unwrap();
        }
        let levels = Levels { user: 20, vip: 200 };
        let used = quotas::by_level(database, day(NOW), levels, NOW)
            .await
            .unwrap();
        let of = |role: &str, used, limit| LevelUse {
            role: role.to_owned(),
            used,
            limit,
        };
        assert_eq!(
            used,
            [of("user", 2, 25), of("vip", 1, 200)],
            "{}",
            fixture.name
        );
    }
}

#[tokio::test]
async fn a_new_day_starts_anew_and_old_days_are_forgotten() {
    for fixture in both().await {
        let database = &*fixture.database;
        let owner = id();
        tasks::submit(database, &charged(&owner, 1)).await.unwrap();
        let mut tomorrow = charged(&owner, 1);
        tomorrow.quota = Some(Place {
            day: day(NOW) + 1,
            limit: 1,
        });
        tasks::submit(database, &tomorrow).await.unwrap();
        assert_eq!(quotas::purge(database, day(NOW) + 1).await.unwrap(), 1);
        assert_eq!(used(database, &owner).await, 0, "{}", fixture.name);
    }
}

#[tokio::test]
async fn the_use_of_several_users_is_read_at_once() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (busy, idle, other) = (id(), id(), id());
        for owner in [&busy, &busy, &other] {
            tasks::submit(database, &charged(owner, 9)).await.unwrap();
        }
        let used = quotas::used_by(database, &[&busy, &idle], day(NOW))
            .await
            .unwrap();
        assert_eq!(used, [(busy, 2)].into(), "{}", fixture.name);
        let none = quotas::used_by(database, &[], day(NOW)).await.unwrap();
        assert!(none.is_empty());
    }
}

const BLOCK: Change = Change {
    is_blocked: Some(true),
    role: None,
    daily_limit: None,
};

#[tokio::test]
async fn blocking_a_user_cancels_what_is_under_way_and_gives_its_places_back() {
    for fixture in both().await {
        let database = &*fixture.database;
        let eve = user("eve@a.test", Role::User);
        users::insert(database, &eve).await.unwrap();
        let owner = eve.user_id.as_str();
        let submit = async |task: NewTask| tasks::submit(database, &task).await;

        let done = submit(charged(owner, 9)).await.unwrap();
        let task = &claim(database, "w", NOW, NOW + 9, 1).await.unwrap()[0];
        let finish = queue::finish(database, &held(task), &finished(None), NOW).await;
        finish.unwrap().unwrap();
        let running = submit(charged(owner, 9)).await.unwrap();
        let claimed = claim(database, "w", NOW, NOW + 9, 1).await.unwrap();
        let queued = submit(charged(owner, 9)).await.unwrap();
        let others = submit(charged(&id(), 9)).await.unwrap();
        assert_eq!(used(database, owner).await, 3);

        let blocked = users::change(database, owner, BLOCK, NOW + 1).await;
        assert!(blocked.unwrap().unwrap().blocked_at.is_some());
        let status = async |task_id: &str| {
            let task = tasks::find(database, task_id).await.unwrap().unwrap();
            (task.status, task.finished_at)
        };
        for task_id in [&running, &queued] {
            assert_eq!(
                status(task_id).await,
                (Status::Cancelled, Some(NOW + 1)),
                "{}",
                fixture.name
            );
        }
        assert_eq!(status(&done).await.0, Status::Succeeded);
        assert_eq!(status(&others).await.0, Status::Queued);
        assert_eq!(used(database, owner).await, 1, "{}", fixture.name);
        let late = queue::set_progress(database, &held(&claimed[0]), "{}", NOW + 2).await;
        assert!(!late.unwrap(), "the worker still holds its claim");

        let refused = submit(charged(owner, 9)).await.unwrap_err();
        assert_eq!(refused.code, Code::BadToken, "{refused}");
        let free = Change {
            is_blocked: Some(false),
            ..Change::default()
        };
        users::change(database, owner, free, NOW + 3).await.unwrap();
        submit(charged(owner, 9)).await.unwrap();
        assert_eq!(status(&queued).await.0, Status::Cancelled);
        assert_eq!(used(database, owner).await, 2, "{}", fixture.name);
    }
}

#[tokio::test]
async fn of_submissions_and_a_block_at_once_nothing_is_left_under_way() {
    for fixture in both().await {
        let database = &*fixture.database;
        let eve = user("eve@a.test", Role::User);
        users::insert(database, &eve).await.unwrap();
        let owner = eve.user_id.as_str();
        let submissions =
            (0..50).map(|_| async { tasks::submit(database, &charged(owner, 99)).await });
        let block = users::change(database, owner, BLOCK, NOW);
        let (_, blocked) = tokio::join!(futures_util::future::join_all(submissions), block);
        blocked.unwrap().unwrap();
        let left = claim(database, "w", NOW, NOW + 9, 99).await.unwrap();
        assert!(left.is_empty(), "{}: {left:?}", fixture.name);
        assert_eq!(used(database, owner).await, 0, "{}", fixture.name);
    }
}
