//! Notices what others wrote: new tasks wake the queue, changed ones go to the WebSockets. SQLite tells by
//! `PRAGMA data_version`, PostgreSQL by `NOTIFY wharf_tasks`.

use super::Worker;
use crate::clock::now_ms;
use crate::database::Handle;
use shared::Result;
use shared::store::tasks;
use std::sync::Arc;

/// Changed tasks read in one go.
const BATCH: i64 = 500;
const CHANNEL: &str = "wharf_tasks";

pub async fn run(worker: Arc<Worker>) {
    match worker.handle.clone() {
        Handle::Sqlite(pool) => {
            let mut versions = pool.watch();
            let mut seen_until = now_ms();
            loop {
                tokio::select! {
                    () = worker.stop.cancelled() => return,
                    changed = versions.changed() => if changed.is_err() { return },
                }
                worker.wake.notify_one();
                match publish_since(&worker, seen_until).await {
                    Ok(until) => seen_until = until,
                    Err(error) => tracing::error!(%error, "could not read changed tasks"),
                }
            }
        }
        Handle::Postgres(database) => {
            let mut notices = database.listen(CHANNEL);
            loop {
                let task_id = tokio::select! {
                    () = worker.stop.cancelled() => return,
                    notice = notices.recv() => match notice {
                        Some(task_id) => task_id,
                        None => return,
                    },
                };
                worker.wake.notify_one();
                if let Err(error) = publish_one(&worker, &task_id).await {
                    tracing::error!(%error, "could not read a changed task");
                }
            }
        }
    }
}

/// Publishes what changed since, and returns up to when that was.
async fn publish_since(worker: &Worker, since: i64) -> Result<i64> {
    if worker.hub.is_idle() {
        return Ok(now_ms());
    }
    let mut until = since;
    for task in tasks::changed_since(&*worker.database, since, BATCH).await? {
        until = until.max(task.updated_at);
        worker.hub.publish(&task);
    }
    Ok(until)
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
