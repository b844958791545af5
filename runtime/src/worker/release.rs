//! Makes earnings the sellers' own when the time to refund them is over (SH-3). By one worker at a time; were it two,
//! the guard of each order would still let it happen once.

use super::Worker;
use crate::clock::now_ms;
use shared::Result;
use shared::limits::{RELEASE_DUE_MAX, RELEASE_LEASE_MS, RELEASE_LOOK_MS, RELEASE_ORDERS_MAX};
use shared::store::{duties, orders};
use std::sync::Arc;
use std::time::Duration;

const DUTY: &str = "release";

pub async fn run(worker: Arc<Worker>) {
    loop {
        if let Err(error) = run_one(&worker).await {
            tracing::error!(%error, "could not release earnings");
        }
        if !worker.pause(Duration::from_millis(RELEASE_LOOK_MS)).await {
            return;
        }
    }
}

/// Releases what is due, if no other worker has the duty.
async fn run_one(worker: &Worker) -> Result<()> {
    let database = &*worker.database;
    while !worker.is_stopping() {
        let now = now_ms();
        let sellers = orders::due_sellers(database, now, RELEASE_DUE_MAX).await?;
        if sellers.is_empty()
            || !duties::hold(database, DUTY, &worker.id, now, now + RELEASE_LEASE_MS).await?
        {
            return Ok(());
        }
        let mut released = 0;
        for seller in &sellers {
            released += orders::release(database, seller, now, RELEASE_ORDERS_MAX).await?;
        }
        if released == 0 {
            // They were refunded meanwhile, or something is wrong that a tight loop would not mend.
            return Ok(());
        }
        tracing::info!(released, "released earnings");
    }
    Ok(())
}
