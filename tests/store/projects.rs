//! Projects: their secrets, their tokens, what disabling one ends (DC-1, ID-4).

use crate::{NOW, both, claim, id, new_task};
use shared::Code;
use shared::domain::page::Page;
use shared::domain::project::{AllowedHosts, Limits, Name};
use shared::domain::task::Status;
use shared::limits::CLIENT_TOKEN_S;
use shared::store::projects::{self, Change, NewProject, Project};
use shared::store::tasks::{self, NewTask};
use shared::store::tickets::Bearer;
use shared::store::{Database, claims};

/// The next whole second after [`NOW`], which is one itself.
const SECOND: i64 = NOW + 1000;

fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

fn new_project(text: &str, group: &str) -> NewProject {
    NewProject {
        project_id: id(),
        name: name(text),
        group: name(group),
        client_id: format!("client of {text}"),
        secret_hash: "first".to_owned(),
        hosts: AllowedHosts::parse(&["*.shop.example", "127.0.0.1:9000"]).unwrap(),
        limits: Limits::new(Some(2), None, Some(1000)).unwrap(),
        created_by: "ada@example.com".to_owned(),
        now: NOW,
    }
}

async fn create(database: &dyn Database, name: &str) -> Project {
    let project = new_project(name, "default");
    projects::create(database, &project).await.unwrap()
}

async fn change(database: &dyn Database, project: &Project, change: Change, now: i64) -> Project {
    let changed = projects::change(database, &project.project_id, &change, now).await;
    changed.unwrap().unwrap()
}

fn disabled(is_disabled: bool) -> Change {
    Change {
        is_disabled: Some(is_disabled),
        ..Change::default()
    }
}

/// Whether a token that was issued at this time counts.
async fn counts(database: &dyn Database, project: &Project, issued_at: i64) -> bool {
    let found = projects::of_token(database, &project.project_id, issued_at).await;
    found.unwrap().is_some()
}

#[tokio::test]
async fn a_project_is_kept_as_it_was_made_and_its_name_is_taken_once() {
    for fixture in both().await {
        let database = &*fixture.database;
        let made = create(database, "财务").await;
        let found = projects::find(database, &made.project_id).await.unwrap();
        let found = found.unwrap();
        assert_eq!(
            (&*found.name, &*found.group, found.limits, &found.hosts),
            ("财务", "default", made.limits, &made.hosts),
            "{}",
            fixture.name
        );
        assert_eq!(
            (found.tokens_from, found.disabled_at, found.created_at),
            (NOW, None, NOW)
        );
        assert_eq!(found.hosts.to_texts(), ["*.shop.example", "127.0.0.1:9000"]);
        let again = projects::create(database, &new_project("财务", "other")).await;
        let error = again.unwrap_err();
        assert_eq!(error.code, Code::Conflict);
        assert_eq!(error.data.unwrap()["field"], "name");
        assert!(projects::find(database, &id()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    for fixture in both().await {
        let database = &*fixture.database;
        let made = create(database, "a").await;
        create(database, "b").await;
        let wanted = Change {
            group: Some(name("east")),
            hosts: Some(AllowedHosts::default()),
            max_tasks: Some(None),
            max_rows: Some(Some(7)),
            ..Change::default()
        };
        let changed = change(database, &made, wanted, NOW + 5).await;
        let limits = Limits::new(None, Some(7), Some(1000)).unwrap();
        assert_eq!(
            (&*changed.name, &*changed.group, changed.limits),
            ("a", "east", limits),
            "{}",
            fixture.name
        );
        assert!(changed.hosts.to_texts().is_empty());
        assert_eq!((changed.updated_at, changed.tokens_from), (NOW + 5, NOW));

        let renamed = Change {
            name: Some(name("b")),
            ..Change::default()
        };
        let taken = projects::change(database, &made.project_id, &renamed, NOW).await;
        assert_eq!(taken.unwrap_err().code, Code::Conflict);
        let nobody = projects::change(database, &id(), &renamed, NOW).await;
        assert!(nobody.unwrap().is_none());
        let itself = Change {
            name: Some(name("a")),
            ..Change::default()
        };
        change(database, &made, itself, NOW).await;
    }
}

#[tokio::test]
async fn projects_are_listed_by_group_and_name() {
    for fixture in both().await {
        let database = &*fixture.database;
        for (name, group) in [("c", "east"), ("a", "west"), ("b", "east"), ("d", "east")] {
            projects::create(database, &new_project(name, group))
                .await
                .unwrap();
        }
        let list = async |group, number| {
            let page = Page { number, size: 2 };
            let (found, total) = projects::list(database, group, page).await.unwrap();
            let names: Vec<String> = found.into_iter().map(|project| project.name).collect();
            (names.join(" "), total)
        };
        assert_eq!(
            list(None, 1).await,
            ("b c".to_owned(), 4),
            "{}",
            fixture.name
        );
        assert_eq!(list(None, 2).await, ("d a".to_owned(), 4));
        assert_eq!(list(Some("east"), 2).await, ("d".to_owned(), 3));
        assert_eq!(list(Some("south"), 1).await, (String::new(), 0));
    }
}

#[tokio::test]
async fn after_a_rotation_the_former_secret_is_good_for_the_overlap_and_never_more_than_two_are() {
    for fixture in both().await {
        let database = &*fixture.database;
        let made = create(database, "a").await;
        let good = async |now| {
            let found = projects::find_by_client(database, &made.client_id, now).await;
            found.unwrap().unwrap().secret_hashes.join(" ")
        };
        let rotate = async |hash, overlap_s, now| {
            let rotated =
                projects::rotate_secret(database, &made.project_id, hash, overlap_s, now).await;
            rotated.unwrap().unwrap()
        };
        assert_eq!(good(NOW).await, "first", "{}", fixture.name);
        let rotated = rotate("second", 10, NOW).await;
        assert_eq!(rotated.old_secret_expires_at, Some(NOW + 10_000));
        assert_eq!(good(NOW + 9_999).await, "second first");
        assert_eq!(good(NOW + 10_000).await, "second");
        assert_eq!(rotated.tokens_from, NOW, "an overlap ends no token");

        rotate("third", 10, NOW + 5).await;
        assert_eq!(good(NOW + 6).await, "third second");
        let rotated = rotate("fourth", 0, NOW + 7).await;
        assert_eq!(good(NOW + 8).await, "fourth");
        assert_eq!(rotated.tokens_from, SECOND, "the tokens stay");

        let nobody = projects::find_by_client(database, "nobody", NOW).await;
        assert!(nobody.unwrap().is_none());
        let unknown = projects::rotate_secret(database, &id(), "x", 1, NOW).await;
        assert!(unknown.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_callback_secret_has_a_new_generation_after_its_rotation() {
    for fixture in both().await {
        let database = &*fixture.database;
        let made = create(database, "a").await;
        for generation in 1..3 {
            let rotated = projects::rotate_callback(database, &made.project_id, NOW).await;
            let rotated = rotated.unwrap().unwrap();
            assert_eq!(rotated.callback_generation, generation, "{}", fixture.name);
        }
        let unknown = projects::rotate_callback(database, &id(), NOW).await;
        assert!(unknown.unwrap().is_none());
    }
}

#[tokio::test]
async fn disabling_ends_every_token_and_enabling_brings_none_back() {
    for fixture in both().await {
        let database = &*fixture.database;
        let made = create(database, "a").await;
        assert!(counts(database, &made, NOW).await, "{}", fixture.name);
        let off = change(database, &made, disabled(true), NOW + 1).await;
        assert_eq!(off.disabled_at, Some(NOW + 1));
        assert!(!counts(database, &made, SECOND + 60_000).await);
        let still_off = change(database, &made, disabled(true), NOW + 2).await;
        assert_eq!(still_off.disabled_at, Some(NOW + 1));

        let on = change(database, &made, disabled(false), NOW + 3).await;
        assert_eq!(on.disabled_at, None);
        assert!(!counts(database, &made, NOW).await);
        assert!(counts(database, &made, on.tokens_from).await);

        // Twice within a second: what was issued between the two ends as well.
        let between = on.tokens_from;
        change(database, &made, disabled(true), NOW + 4).await;
        let on = change(database, &made, disabled(false), NOW + 5).await;
        assert!(!counts(database, &made, between).await);
        assert!(counts(database, &made, on.tokens_from).await);
    }
}

/// A queued export of this project.
fn export(project: &Project) -> NewTask {
    NewTask {
        kind: "export",
        site: String::new(),
        ..new_task(&project.project_id)
    }
}

#[tokio::test]
async fn disabling_cancels_what_is_queued_or_runs_and_nobody_elses() {
    for fixture in both().await {
        let database = &*fixture.database;
        let (made, other) = (create(database, "a").await, create(database, "b").await);
        let running = tasks::submit(database, &export(&made)).await.unwrap();
        let room = claims::Room::any("worker", "export", 1);
        let claimed = claims::claim(database, &room, NOW, NOW + 60_000).await;
        let claimed = claimed.unwrap();
        assert_eq!(claimed[0].task_id, running, "{}", fixture.name);
        let queued = tasks::submit(database, &export(&made)).await.unwrap();
        let theirs = tasks::submit(database, &export(&other)).await.unwrap();
        change(database, &made, disabled(true), NOW + 1).await;
        let find = async |task_id: &str| tasks::find(database, task_id).await.unwrap().unwrap();
        for task_id in [&running, &queued] {
            let task = find(task_id).await;
            assert_eq!(
                (task.status, task.finished_at),
                (Status::Cancelled, Some(NOW + 1))
            );
        }
        assert!(find(&running).await.fence > claimed[0].fence);
        assert_eq!(find(&theirs).await.status, Status::Queued);

        let late = tasks::submit(database, &export(&made)).await;
        assert_eq!(late.unwrap_err().code, Code::BadToken);
        change(database, &made, disabled(false), NOW + 2).await;
        tasks::submit(database, &export(&made)).await.unwrap();
        assert!(
            claim(database, "worker", NOW, NOW + 1, 9)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn of_submissions_and_a_disabling_at_once_nothing_is_left_under_way() {
    for fixture in both().await {
        let database = &*fixture.database;
        for round in 0..5 {
            let made = create(database, &format!("round {round}")).await;
            let new: Vec<NewTask> = (0..8).map(|_| export(&made)).collect();
            let submissions = new.iter().map(|task| tasks::submit(database, task));
            let submissions = futures_util::future::join_all(submissions);
            let off = disabled(true);
            let disabling = projects::change(database, &made.project_id, &off, NOW + 1);
            let (submitted, disabled) = tokio::join!(submissions, disabling);
            disabled.unwrap().unwrap();
            for task_id in submitted.into_iter().flatten() {
                let task = tasks::find(database, &task_id).await.unwrap().unwrap();
                assert_eq!(task.status, Status::Cancelled, "{}", fixture.name);
            }
        }
    }
}

#[tokio::test]
async fn a_projects_ticket_ends_with_its_token() {
    for fixture in both().await {
        let database = &*fixture.database;
        let made = create(database, "a").await;
        let bearer = Bearer::Project {
            project_id: made.project_id.clone(),
            issued_at: NOW,
        };
        let owner = async |now| bearer.owner_id(database, now).await.unwrap();
        let ends = NOW + CLIENT_TOKEN_S * 1000;
        assert_eq!(
            owner(ends - 1).await.as_ref(),
            Some(&made.project_id),
            "{}",
            fixture.name
        );
        assert_eq!(owner(ends).await, None);
        change(database, &made, disabled(true), NOW + 1).await;
        assert_eq!(owner(NOW + 2).await, None);
        let session = Bearer::Session(id());
        assert_eq!(session.owner_id(database, NOW).await.unwrap(), None);
    }
}
