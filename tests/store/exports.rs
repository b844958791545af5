//! What exports leave in the store: requests, templates, callbacks; and how many of a project run at once.

use crate::{Fixture, NOW, both, id, new_task};
use shared::domain::page::Page;
use shared::domain::project::{AllowedHosts, Limits, Name};
use shared::store::callbacks::{self, Callback, Outcome};
use shared::store::claims::{self, Room};
use shared::store::projects::{self, NewProject};
use shared::store::queue::{self, Finished, Held};
use shared::store::tasks::{self, NewTask, Task};
use shared::store::templates::{self, Template};
use shared::store::{Database, exports};

const DAY_MS: i64 = 86_400_000;
const LEASE_MS: i64 = 60_000;

fn new_export(owner_id: &str, callback: Option<&str>) -> NewTask {
    NewTask {
        kind: "export",
        site: String::new(),
        callback: callback.map(str::to_owned),
        ..new_task(owner_id)
    }
}

async fn submit(database: &dyn Database, task: &NewTask) -> String {
    tasks::submit(database, task).await.unwrap()
}

async fn claim(database: &dyn Database, worker_id: &str, places: i64) -> Vec<Task> {
    let room = Room::any(worker_id, "export", places);
    let claimed = claims::claim(database, &room, NOW, NOW + LEASE_MS).await;
    claimed.unwrap()
}

async fn finish(database: &dyn Database, task: &Task) {
    let held = Held {
        task_id: task.task_id.clone(),
        fence: task.fence,
    };
    let finished = Finished {
        name: "orders".to_owned(),
        progress: r#"{"percent":100.0,"stage":"done"}"#.to_owned(),
        result: r#"{"rows":1}"#.to_owned(),
        file_path: format!("archive/{}.csv", task.task_id),
        file_size: 1,
        expires_at: None,
    };
    let done = queue::finish(database, &held, &finished, NOW).await;
    assert!(done.unwrap().is_some());
}

/// A task that has ended, whose end a callback tells.
async fn ended(database: &dyn Database) -> String {
    let task_id = submit(database, &new_export("owner", Some("http://a.example/"))).await;
    tasks::cancel(database, &task_id, NOW).await.unwrap();
    task_id
}

#[tokio::test]
async fn a_request_is_kept_as_long_as_its_task_may_run() {
    for Fixture { name, database, .. } in both().await {
        let database = &*database;
        let body = "{\"name\":\"订单\\u0000\"}";
        let waiting = submit(database, &new_export("owner", None)).await;
        let over = submit(database, &new_export("owner", None)).await;
        let never = id();
        for task_id in [&waiting, &over, &never] {
            exports::insert(database, task_id, body, NOW).await.unwrap();
        }
        let again = exports::insert(database, &waiting, "{}", NOW).await;
        assert!(again.is_err(), "{name}: a task has one request");
        assert_eq!(
            exports::find(database, &waiting).await.unwrap().as_deref(),
            Some(body),
            "{name}"
        );
        tasks::cancel(database, &over, NOW).await.unwrap();
        assert_eq!(
            exports::purge(database, NOW).await.unwrap(),
            0,
            "{name}: too young"
        );
        assert_eq!(exports::purge(database, NOW + 1).await.unwrap(), 2);
        assert!(exports::find(database, &waiting).await.unwrap().is_some());
        assert_eq!(exports::find(database, &over).await.unwrap(), None);
        exports::forget(database, &waiting).await.unwrap();
        exports::forget(database, &waiting).await.unwrap();
        assert_eq!(exports::find(database, &waiting).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_request_of_a_dead_letter_is_kept_until_the_letter_is_dropped() {
    for Fixture { name, database, .. } in both().await {
        let database = &*database;
        let task_id = submit(database, &new_export("owner", None)).await;
        exports::insert(database, &task_id, "{}", NOW)
            .await
            .unwrap();
        let task = claim(database, "worker", 1).await.remove(0);
        let held = Held {
            task_id: task_id.clone(),
            fence: task.fence,
        };
        let bury = queue::Sequel::Bury;
        let buried = queue::fail(database, &held, bury, "{}", "[]", NOW).await;
        assert!(buried.unwrap().is_some());
        assert_eq!(
            exports::purge(database, NOW + DAY_MS).await.unwrap(),
            0,
            "{name}"
        );
        assert!(queue::drop_dead(database, &task_id, NOW).await.unwrap());
        assert_eq!(exports::purge(database, NOW + DAY_MS).await.unwrap(), 1);
    }
}

fn template(project_id: &str, created_at: i64) -> Template {
    Template {
        template_id: id(),
        project_id: project_id.to_owned(),
        name: "报表.xlsx".to_owned(),
        file_size: 4,
        sha256: "0".repeat(64),
        report: "{}".to_owned(),
        created_at,
    }
}

#[tokio::test]
async fn a_project_has_so_many_templates_and_sees_its_own() {
    for Fixture { name, database, .. } in both().await {
        let database = &*database;
        let file = vec![0_u8, 255, 80, 75];
        let made: Vec<Template> = (0..3).map(|n| template("one", NOW + n)).collect();
        for (number, template) in made.iter().enumerate() {
            let added = templates::insert(database, template, file.clone(), 2).await;
            assert_eq!(added.unwrap(), number < 2, "{name}: two at the most");
        }
        let theirs = template("two", NOW);
        assert!(
            templates::insert(database, &theirs, file.clone(), 2)
                .await
                .unwrap()
        );
        let page = Page { number: 1, size: 9 };
        let list = async |project: &str| templates::list(database, project, page).await.unwrap();
        assert_eq!(
            list("one").await,
            (vec![made[1].clone(), made[0].clone()], 2),
            "{name}"
        );
        assert_eq!(list("none").await, (Vec::new(), 0));
        let second = Page { number: 2, size: 1 };
        let (found, total) = templates::list(database, "one", second).await.unwrap();
        assert_eq!((found, total), (vec![made[0].clone()], 2));

        let gone = &made[0].template_id;
        assert!(templates::delete(database, gone, NOW + 5).await.unwrap());
        assert!(!templates::delete(database, gone, NOW + 6).await.unwrap());
        assert_eq!(templates::find(database, gone).await.unwrap(), None);
        // A task that names it may still run.
        assert_eq!(
            templates::file(database, gone).await.unwrap(),
            Some(file.clone())
        );
        assert!(
            templates::insert(database, &made[2], file.clone(), 2)
                .await
                .unwrap()
        );
        assert_eq!(templates::purge(database, NOW + 5).await.unwrap(), 0);
        assert_eq!(templates::purge(database, NOW + 6).await.unwrap(), 1);
        assert_eq!(templates::file(database, gone).await.unwrap(), None);
        let kept = templates::find(database, &theirs.template_id)
            .await
            .unwrap();
        assert_eq!(kept, Some(theirs));
    }
}

async fn due(database: &dyn Database, worker_id: &str, now: i64) -> Vec<Callback> {
    let claimed = callbacks::claim(database, worker_id, now, now + LEASE_MS, 9).await;
    claimed.unwrap()
}

#[tokio::test]
async fn every_end_is_told_once_and_other_changes_are_not() {
    for Fixture { name, database, .. } in both().await {
        let database = &*database;
        let url = "http://a.example/done";
        let task_id = submit(database, &new_export("owner", Some(url))).await;
        let silent = submit(database, &new_export("owner", None)).await;
        let tasks_claimed = claim(database, "worker", 2).await;
        assert_eq!(tasks_claimed.len(), 2, "{name}");
        assert!(
            due(database, "worker", NOW).await.is_empty(),
            "{name}: it only runs"
        );
        for task in &tasks_claimed {
            finish(database, task).await;
        }
        let told = callbacks::of_task(database, &task_id).await.unwrap();
        assert_eq!(told.len(), 1, "{name}");
        let told = &told[0];
        assert_eq!(
            (&*told.url, &*told.status, &*told.project_id, told.attempt),
            (url, "succeeded", "owner", 0)
        );
        assert_eq!(told.result.as_deref(), Some(r#"{"rows":1}"#));
        assert!(
            callbacks::of_task(database, &silent)
                .await
                .unwrap()
                .is_empty()
        );
        // What has ended ends no second time.
        tasks::cancel(database, &task_id, NOW).await.ok();
        tasks::delete(database, &task_id, NOW).await.unwrap();
        assert_eq!(
            callbacks::of_task(database, &task_id).await.unwrap().len(),
            1
        );
    }
}

#[tokio::test]
async fn of_two_workers_one_gets_a_callback_and_the_other_once_the_lease_is_over() {
    for Fixture { name, database, .. } in both().await {
        let database = &*database;
        ended(database).await;
        let (one, two) = tokio::join!(due(database, "one", NOW), due(database, "two", NOW));
        assert_eq!(one.len() + two.len(), 1, "{name}");
        let (first, winner) = match one.first() {
            Some(callback) => (callback.clone(), "one"),
            None => (two[0].clone(), "two"),
        };
        assert_eq!(first.attempt, 1);
        assert!(due(database, "third", NOW + LEASE_MS - 1).await.is_empty());
        let again = due(database, "third", NOW + LEASE_MS).await;
        assert_eq!((again.len(), again[0].attempt), (1, 2), "{name}");
        assert_eq!(again[0].event_id, first.event_id);
        // The first one is too late: neither its good news nor its bad ones count.
        for outcome in [
            Outcome::Delivered,
            Outcome::GivenUp {
                why: "x".to_owned(),
            },
        ] {
            let late = callbacks::record(database, &first, winner, &outcome, NOW).await;
            assert!(!late.unwrap(), "{name}");
        }
        let outcome = Outcome::Delivered;
        let done = callbacks::record(database, &again[0], "third", &outcome, NOW + 7).await;
        assert!(done.unwrap());
        let told = callbacks::of_task(database, &first.task_id).await.unwrap();
        assert_eq!(
            (told[0].delivered_at, told[0].given_up_at),
            (Some(NOW + 7), None)
        );
        assert!(due(database, "one", NOW + DAY_MS).await.is_empty());
    }
}

#[tokio::test]
async fn a_callback_is_tried_again_at_its_time_and_given_up() {
    for Fixture { name, database, .. } in both().await {
        let database = &*database;
        let task_id = ended(database).await;
        let first = due(database, "w", NOW).await.remove(0);
        let run_at = NOW + 500;
        let why = "HTTP status 500".to_owned();
        let retry = Outcome::Retry {
            run_at,
            why: why.clone(),
        };
        assert!(
            callbacks::record(database, &first, "w", &retry, NOW)
                .await
                .unwrap()
        );
        assert!(due(database, "w", run_at - 1).await.is_empty(), "{name}");
        let second = due(database, "w", run_at).await.remove(0);
        assert_eq!(
            (second.attempt, second.last_error.as_deref()),
            (2, Some(&*why))
        );
        let end = Outcome::GivenUp { why };
        assert!(
            callbacks::record(database, &second, "w", &end, run_at)
                .await
                .unwrap()
        );
        assert!(due(database, "w", NOW + DAY_MS).await.is_empty(), "{name}");
        let told = callbacks::of_task(database, &task_id).await.unwrap();
        assert_eq!(
            (told[0].given_up_at, told[0].delivered_at),
            (Some(run_at), None)
        );
        assert_eq!(
            callbacks::purge(database, NOW).await.unwrap(),
            0,
            "{name}: too young"
        );
        assert_eq!(callbacks::purge(database, NOW + 1).await.unwrap(), 1);
        assert!(
            callbacks::of_task(database, &task_id)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

/// A project that runs so many at once; its id.
async fn project(database: &dyn Database, text: &str, max_tasks: Option<i64>) -> String {
    let new = NewProject {
        project_id: id(),
        name: Name::parse("name", text).unwrap(),
        group: Name::parse("group", "default").unwrap(),
        client_id: format!("client of {text}"),
        secret_hash: "hash".to_owned(),
        hosts: AllowedHosts::default(),
        limits: Limits::new(max_tasks, None, None).unwrap(),
        created_by: "ada@example.com".to_owned(),
        now: NOW,
    };
    projects::create(database, &new).await.unwrap().project_id
}

#[tokio::test]
async fn a_projects_limit_counts_what_runs_at_any_worker() {
    for Fixture { name, database, .. } in both().await {
        let database = &*database;
        let two = project(database, "two", Some(2)).await;
        let free = project(database, "free", None).await;
        for owner in [&two, &free] {
            for _ in 0..5 {
                submit(database, &new_export(owner, None)).await;
            }
        }
        let of = |claimed: &[Task], owner: &str| {
            claimed.iter().filter(|task| task.owner_id == owner).count()
        };
        let first = claim(database, "one", 2).await;
        assert_eq!(
            (of(&first, &two), of(&first, &free)),
            (1, 1),
            "{name}: in turns"
        );
        let second = claim(database, "two", 20).await;
        assert_eq!((of(&second, &two), of(&second, &free)), (1, 4), "{name}");
        assert!(claim(database, "three", 20).await.is_empty(), "{name}");
        finish(
            database,
            first.iter().find(|task| task.owner_id == two).unwrap(),
        )
        .await;
        let third = claim(database, "three", 20).await;
        assert_eq!(of(&third, &two), 1, "{name}: a place is free again");
        assert!(claim(database, "one", 20).await.is_empty());
    }
}
