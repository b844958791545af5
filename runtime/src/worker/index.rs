//! Keeps the search index in step: what was approved, changed or left behind by a crash is indexed within half a
//! second. By one worker at a time.

use super::Worker;
use crate::clock::now_ms;
use shared::Result;
use shared::limits::{INDEX_LEASE_MS, INDEX_POLL_MS};
use shared::store::{documents, duties};
use std::sync::Arc;
use std::time::Duration;

const DUTY: &str = "index";

pub async fn run(worker: Arc<Worker>) {
    loop {
        match run_one(&worker).await {
            // There may be more.
            Ok(1..) if !worker.is_stopping() => continue,
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "could not index resources"),
        }
        if !worker.pause(Duration::from_millis(INDEX_POLL_MS)).await {
            return;
        }
    }
}

/// Indexes some of what is behind, if no other worker has the duty, and says how many it has looked at.
async fn run_one(worker: &Worker) -> Result<usize> {
    let database = &*worker.database;
    // A look costs no write where nothing is behind.
    if !documents::is_behind(database).await? {
        return Ok(0);
    }
    let now = now_ms();
    if !duties::hold(database, DUTY, &worker.id, now, now + INDEX_LEASE_MS).await? {
        return Ok(0);
    }
    documents::index_behind(database).await
}
