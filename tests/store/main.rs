//! Every store function on both databases.

mod accounts;
mod caches;
mod checks;
mod claims;
mod exports;
mod files;
mod health;
mod ledger;
mod mails;
mod metrics;
mod operators;
mod orders;
mod overview;
mod projects;
mod queue;
mod queue_model;
mod quotas;
mod reviews;
mod search;
mod sites;
mod standings;
mod sync;
mod tasks;

use runtime::command::migrate;
use runtime::database::Handle;
use shared::Result;
use shared::store::Database;
use shared::store::claims::Room;
use shared::store::tasks::{NewTask, Task};
use std::sync::Arc;
use tests::TestDatabase;

/// A moment to count from, milliseconds.
const NOW: i64 = 1_795_336_200_000;

/// A migrated database of its own.
struct Fixture {
    name: &'static str,
    handle: Handle,
    database: Arc<dyn Database>,
    folder: tempfile::TempDir,
    _postgres: Option<TestDatabase>,
}

async fn open(name: &'static str, postgres: Option<TestDatabase>) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = postgres.as_ref().map(TestDatabase::url).unwrap_or_default();
    let handle = Handle::open(&url, folder.path()).unwrap();
    migrate::apply(&handle).await.unwrap();
    Fixture {
        name,
        database: handle.database(),
        handle,
        folder,
        _postgres: postgres,
    }
}

/// SQLite, and PostgreSQL where there is one (in CI there must be).
async fn both() -> Vec<Fixture> {
    let mut fixtures = vec![open("SQLite", None).await];
    if let Some(postgres) = TestDatabase::create() {
        fixtures.push(open("PostgreSQL", Some(postgres)).await);
    }
    fixtures
}

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A queued download of `owner_id`.
fn new_task(owner_id: &str) -> NewTask {
    NewTask {
        task_id: id(),
        kind: "video",
        owner_id: owner_id.to_owned(),
        name: "http://media.example/clip.mp4".to_owned(),
        spec: r#"{"url":"http://media.example/clip.mp4","mode":"archive","quality":"best","format":"mp4"}"#
            .to_owned(),
        idempotency_key: None,
        request_hash: "hash".to_owned(),
        request_id: "request".to_owned(),
        site: "media.example".to_owned(),
        quota: None,
        callback: None,
        now: NOW,
    }
}

/// Claims up to `places` videos, any number of a site and of an owner.
async fn claim(
    database: &dyn Database,
    worker_id: &str,
    now: i64,
    lease_expires_at: i64,
    places: i64,
) -> Result<Vec<Task>> {
    let room = Room::any(worker_id, "video", places);
    shared::store::claims::claim(database, &room, now, lease_expires_at).await
}

#[tokio::test]
async fn migrations_apply_once_and_in_order() {
    for fixture in both().await {
        assert_eq!(
            migrate::apply(&fixture.handle).await.unwrap(),
            0,
            "{}",
            fixture.name
        );
        let rows = fixture
            .database
            .query("SELECT number FROM migrations ORDER BY number", &[])
            .await
            .unwrap();
        let numbers: Vec<i64> = rows.iter().map(|row| row.get("number").unwrap()).collect();
        let expected: Vec<i64> = shared::store::migrations::MIGRATIONS
            .iter()
            .map(|migration| migration.number)
            .collect();
        assert_eq!(numbers, expected);
        assert!(expected.is_sorted_by(|a, b| a < b));
    }
}

#[tokio::test]
async fn starts_at_the_same_time_migrate_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut targets = vec![String::new()];
    let postgres = TestDatabase::create();
    targets.extend(postgres.as_ref().map(TestDatabase::url));
    for url in targets {
        let starts = (0..4).map(|_| async {
            let handle = Handle::open(&url, folder.path()).unwrap();
            migrate::apply(&handle).await.unwrap()
        });
        let applied: usize = futures_util::future::join_all(starts).await.iter().sum();
        assert_eq!(applied, shared::store::migrations::MIGRATIONS.len());
    }
}
