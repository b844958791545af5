//! The native adapters of the store, on both databases.

use crate::postgres_url;
use runtime::database::{Handle, SqlitePool};
use shared::store::Value;
use std::time::Duration;

/// A handle on each database; the second with a schema of its own.
fn both(folder: &std::path::Path) -> [Handle; 2] {
    [
        Handle::open("", folder).expect("SQLite"),
        Handle::open(&postgres_url(), folder).expect("PostgreSQL"),
    ]
}

fn table() -> String {
    format!("adapter_{}", uuid::Uuid::now_v7().simple())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_value_goes_there_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    for handle in both(folder.path()) {
        let (database, table) = (handle.database(), table());
        let blob = match handle {
            Handle::Sqlite(_) => "BLOB",
            Handle::Postgres(_) => "BYTEA",
        };
        let sql = format!(
            "CREATE TABLE {table} (i BIGINT, r DOUBLE PRECISION, t TEXT, b {blob}, n TEXT)"
        );
        database.execute(&sql, &[]).await.expect("a table");
        let values = [
            Value::Integer(i64::MIN),
            Value::Real(0.25),
            Value::Text("grün".into()),
            Value::Blob(vec![0, 255]),
            Value::Null,
        ];
        let sql = format!("INSERT INTO {table} VALUES ($1, $2, $3, $4, $5)");
        assert_eq!(database.execute(&sql, &values).await.expect("a row"), 1);
        let sql = format!("SELECT i, r, t, n FROM {table} WHERE i = $1 AND t = $2");
        let parameters = [values[0].clone(), values[2].clone()];
        let rows = database.query(&sql, &parameters).await.expect("rows");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get::<i64>("i").expect("i"), i64::MIN);
        assert_eq!(rows[0].get::<f64>("r").expect("r"), 0.25);
        assert_eq!(rows[0].get::<String>("t").expect("t"), "grün");
        assert_eq!(rows[0].get::<Option<String>>("n").expect("n"), None);
        let sql = format!("UPDATE {table} SET t = $1 WHERE i = $2");
        let parameters = [Value::from("x"), Value::from(7)];
        assert_eq!(database.execute(&sql, &parameters).await.expect("none"), 0);
        let sql = format!("DROP TABLE {table}");
        database.execute(&sql, &[]).await.expect("gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for handle in both(folder.path()) {
        let table = table();
        let script = format!("CREATE TABLE {table} (i BIGINT); INSERT INTO nowhere VALUES (1);");
        assert!(handle.run_script(&script).await.is_err());
        let script = format!("CREATE TABLE {table} (i BIGINT); DROP TABLE {table};");
        handle.run_script(&script).await.expect("it was not there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_queue_up_instead_of_failing() {
    let folder = tempfile::tempdir().expect("a folder");
    let pool = SqlitePool::open(folder.path().join("queue.db")).expect("a pool");
    pool.run("CREATE TABLE counter (n INTEGER)", vec![])
        .await
        .expect("a table");
    pool.run("INSERT INTO counter VALUES (0)", vec![])
        .await
        .expect("a row");
    let mut transaction = pool.begin("BEGIN").await.expect("a turn");
    let writers: Vec<_> = (0..200)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                pool.run("UPDATE counter SET n = n + 1", vec![])
                    .await
                    .expect("a turn");
            })
        })
        .collect();
    transaction
        .run("UPDATE counter SET n = n * 10", vec![])
        .await
        .expect("in it");
    let seen = pool
        .run("SELECT n FROM counter", vec![])
        .await
        .expect("a reader never waits");
    assert_eq!(seen.rows, [[Value::Integer(0)]]);
    transaction.run("COMMIT", vec![]).await.expect("the end");
    assert!(transaction.is_over());
    for writer in writers {
        writer.await.expect("it wrote");
    }
    let seen = pool
        .run("SELECT n FROM counter", vec![])
        .await
        .expect("a row");
    assert_eq!(seen.rows, [[Value::Integer(200)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction_is_rolled_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let pool = SqlitePool::open(folder.path().join("drop.db")).expect("a pool");
    let mut transaction = pool.begin("SAVEPOINT here").await.expect("a turn");
    transaction
        .run("CREATE TABLE t (i INTEGER)", vec![])
        .await
        .expect("in it");
    drop(transaction);
    pool.run("CREATE TABLE t (i INTEGER)", vec![])
        .await
        .expect("it was not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_the_commits_of_another_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("watch.db");
    let pool = SqlitePool::open(&path).expect("a pool");
    let mut watch = pool.watch();
    let other = rusqlite::Connection::open(&path).expect("as another process has one");
    let write = async {
        // The watcher needs one look before it can see a change.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            other
                .execute_batch("CREATE TABLE IF NOT EXISTS t (i); INSERT INTO t VALUES (1)")
                .expect("written");
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(5), watch.changed());
    let (seen, ()) = tokio::join!(seen, write);
    assert!(seen.is_ok_and(|seen| seen.is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_notifications() {
    let handle = Handle::open(&postgres_url(), std::path::Path::new("")).expect("PostgreSQL");
    let Handle::Postgres(postgres) = &handle else {
        panic!("that is PostgreSQL");
    };
    let channel = table();
    let mut heard = postgres.listen(&channel);
    let database = handle.database();
    let notify = async {
        loop {
            let parameters = [Value::from(channel.as_str()), Value::from("hello")];
            database
                .query("SELECT pg_notify($1, $2)::TEXT", &parameters)
                .await
                .expect("sent");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let payload = tokio::select! {
        payload = heard.recv() => payload,
        () = notify => None,
        () = tokio::time::sleep(Duration::from_secs(5)) => None,
    };
    assert_eq!(payload.as_deref(), Some("hello"));
}
