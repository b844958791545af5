//! On a cloud: a site that is new, or was restored, gets what it may see, the last row of each entity, piece by
//! piece; how far it has come stands in its row (DS-13).

use super::Lease;
use crate::clock::now_ms;
use crate::worker::Worker;
use shared::Result;
use shared::limits::SYNC_LOAD_ROWS;
use shared::store::loads;
use std::sync::Arc;
use std::time::Duration;

const DUTY: &str = "sync:load";
/// The longest wait for a wake-up that never came.
const IDLE: Duration = Duration::from_secs(1);

pub async fn run(worker: Arc<Worker>) {
    let lease = Lease::new(&worker, DUTY);
    let mut woken = worker.rows.subscribe();
    while !worker.is_stopping() {
        match run_one(&worker, &lease).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "could not load a site"),
        }
        tokio::select! {
            () = worker.stop.cancelled() => {}
            _ = woken.changed() => {
                // Every row that comes wakes this; new sites are rare.
                worker.pause(IDLE).await;
            }
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

/// One piece for one site. Returns whether there was one.
async fn run_one(worker: &Worker, lease: &Lease) -> Result<bool> {
    let database = &*worker.database;
    let Some(load) = loads::next(database).await? else {
        return Ok(false);
    };
    if !lease.hold().await? {
        return Ok(false);
    }
    let step = loads::step(database, &load, SYNC_LOAD_ROWS, now_ms()).await?;
    if step.is_last {
        tracing::info!(site_id = load.site_id, "the site has what it may see");
    }
    Ok(true)
}
