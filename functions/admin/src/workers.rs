//! The workers that are there, as they say of themselves.

use shared::Result;
use shared::limits::{OPERATOR_ITEMS_MAX, WORKER_GONE_MS};
use shared::spin::http::Call;
use shared::store::workers;
use shared::wire::worker::WorkerAnswer;

pub async fn present(call: &mut Call, now: i64) -> Result<Vec<WorkerAnswer>> {
    let database = call.database().await?;
    let rows = workers::list(database, now - WORKER_GONE_MS, OPERATOR_ITEMS_MAX).await?;
    rows.into_iter().map(WorkerAnswer::from_row).collect()
}
