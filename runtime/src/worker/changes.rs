//! Notices what others wrote: new tasks wake the queue, changed ones go to the WebSockets. SQLite tells by
//! `PRAGMA data_version`, PostgreSQL by `NOTIFY wharf_tasks` with the task's id and status, and by `NOTIFY wharf_sync`.

use super::Worker;
use crate::clock::now_ms;
use crate::database::{Handle, PostgresDatabase, SqlitePool};
use shared::Result;
use shared::store::tasks;
use std::sync::Arc;

/// Changed tasks read in one go.
const BATCH: usize = 500;
/// A row may be committed a little after the time that it carries: each look goes back so far.
const LOOK_BACK_MS: i64 = 5000;
const CHANNEL: &str = "wharf_tasks";
const ROWS_CHANNEL: &str = "wharf_sync";

pub async fn run(worker: Arc<Worker>) {
    match worker.handle.clone() {
        Handle::Sqlite(pool) => watch(&worker, &pool).await,
        Handle::Postgres(database) => {
            tokio::join!(
                listen(&worker, &database),
                listen_for_rows(&worker, &database)
            );
        }
    }
}

async fn watch(worker: &Worker, pool: &SqlitePool) {
    let mut versions = pool.watch();
    let mut seen_until = now_ms();
    loop {
        tokio::select! {
            () = worker.stop.cancelled() => return,
            changed = versions.changed() => if changed.is_err() { return },
        }
        worker.wake();
        worker.rows.send_replace(());
        match publish_since(worker, seen_until - LOOK_BACK_MS).await {
            Ok(until) => seen_until = until.max(seen_until),
            Err(error) => tracing::error!(%error, "could not read changed tasks"),
        }
    }
}

/// Publishes what changed since, and returns up to when that was. What a client has had already is left
/// out on its way there.
async fn publish_since(worker: &Worker, since: i64) -> Result<i64> {
    if worker.hub.is_idle() {
        return Ok(now_ms());
    }
    let mut after = (since, String::new());
    loop {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let changed = tasks::changed_since(&*worker.database, (after.0, &after.1), limit).await?;
        for task in &changed {
            worker.hub.publish(task);
        }
        match changed.last() {
            Some(last) => after = (last.updated_at, last.task_id.clone()),
            None => return Ok(after.0),
        }
        if changed.len() < BATCH {
            return Ok(after.0);
        }
    }
}

async fn listen(worker: &Worker, database: &PostgresDatabase) {
    let mut notices = database.listen(CHANNEL);
    loop {
        let notice = tokio::select! {
            () = worker.stop.cancelled() => return,
            notice = notices.recv() => match notice {
                Some(notice) => notice,
                None => return,
            },
        };
        let Some((task_id, status)) = notice.split_once(' ') else {
            // The connection was lost and is back: whatever was said meanwhile is unknown.
            worker.wake();
            worker.hub.reset();
            continue;
        };
        if status == "queued" {
            worker.wake();
        }
        if let Err(error) = publish_one(worker, task_id).await {
            tracing::error!(%error, "could not read a changed task");
        }
    }
}

/// Rows of data sync that wait for somebody, and runs that somebody asks for.
async fn listen_for_rows(worker: &Worker, database: &PostgresDatabase) {
    let mut notices = database.listen(ROWS_CHANNEL);
    loop {
        tokio::select! {
            () = worker.stop.cancelled() => return,
            notice = notices.recv() => if notice.is_none() { return },
        }
        worker.rows.send_replace(());
    }
}

async fn publish_one(worker: &Worker, task_id: &str) -> Result<()> {
    if worker.hub.is_idle() {
        return Ok(());
    }
    if let Some(task) = tasks::find(&*worker.database, task_id).await? {
        worker.hub.publish(&task);
    }
    Ok(())
}
