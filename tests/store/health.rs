//! What operators ask the database about itself.

use crate::{NOW, both, new_task};
use runtime::database::{SqliteLook, copy};
use shared::store::migrations::MIGRATIONS;
use shared::store::{Dialect, health, tasks};
use tests::TestDatabase;

#[tokio::test]
async fn the_newest_change_and_the_applied_migrations_are_known() {
    for fixture in both().await {
        let database = &*fixture.database;
        assert_eq!(health::newest_change(database).await.unwrap(), None);
        tasks::submit(database, &new_task("owner")).await.unwrap();
        let newest = health::newest_change(database).await.unwrap();
        assert_eq!(newest, Some(NOW), "{}", fixture.name);
        let applied = health::applied(database).await.unwrap();
        let expected: Vec<i64> = MIGRATIONS.iter().map(|it| it.number).collect();
        assert_eq!(applied, expected, "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_database_without_tables_has_no_migrations() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = TestDatabase::create();
    let mut urls = vec![String::new()];
    urls.extend(postgres.as_ref().map(TestDatabase::url));
    for url in urls {
        let handle = runtime::database::Handle::open(&url, folder.path()).unwrap();
        let applied = health::applied(&*handle.database()).await.unwrap();
        assert!(applied.is_empty(), "{url}");
    }
}

#[tokio::test]
async fn each_database_tells_how_it_is() {
    for fixture in both().await {
        let database = &*fixture.database;
        match database.dialect() {
            Dialect::Sqlite => {
                assert!(health::sqlite_damage(database).await.unwrap().is_empty());
                assert_eq!(health::sqlite_journal(database).await.unwrap(), "wal");
            }
            Dialect::Postgres => {
                let server = health::postgres_server(database).await.unwrap().unwrap();
                assert!(
                    server.version >= 120_000 && server.max_connections > 0,
                    "{server:?}"
                );
                assert!(
                    server.connections >= 1 && !server.is_read_only,
                    "{server:?}"
                );
                assert_eq!(server.encoding, "UTF8");
                let apart = server.now - runtime::clock::now_ms();
                assert!(apart.abs() < 3_600_000, "{apart}");
            }
        }
    }
}

#[tokio::test]
async fn a_look_reads_what_others_have_open_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let handle = runtime::database::Handle::open("", folder.path()).unwrap();
    runtime::command::migrate::apply(&handle).await.unwrap();
    let database = handle.database();
    tasks::submit(&*database, &new_task("owner")).await.unwrap();
    let file = folder.path().join("wharf.db");
    let look = SqliteLook::open(&file).unwrap();
    assert_eq!(health::newest_change(&look).await.unwrap(), Some(NOW));
    tasks::submit(&*database, &new_task("other")).await.unwrap();
    let refused = tasks::submit(&look, &new_task("third")).await;
    assert!(refused.is_err());

    let target = folder.path().join("copy.db");
    std::fs::write(&target, "").unwrap();
    copy(&file, &target).unwrap();
    let copied = SqliteLook::open(&target).unwrap();
    assert_eq!(health::newest_change(&copied).await.unwrap(), Some(NOW));
    assert!(health::sqlite_damage(&copied).await.unwrap().is_empty());
    assert!(SqliteLook::open(&folder.path().join("missing.db")).is_err());
}
