//! The task that a path or query names.

use super::http::Call;
use crate::error::{Error, Result};
use crate::store::tasks::{self, Task};
use uuid::Uuid;

/// Errors: 40001 naming `field` for what is no id, 40401.
pub async fn find_task(call: &mut Call, field: &str, id: &str) -> Result<Task> {
    let id = Uuid::try_parse(id).map_err(|_| Error::invalid(field, "This is not an id."))?;
    tasks::find(call.database().await?, &id.to_string())
        .await?
        .ok_or_else(|| Error::not_found("task"))
}

/// As [`find_task`], for its owner only. Errors: 40301 for anybody else.
pub async fn own_task(call: &mut Call, field: &str, id: &str, owner_id: &str) -> Result<Task> {
    let task = find_task(call, field, id).await?;
    if task.owner_id == owner_id {
        Ok(task)
    } else {
        Err(Error::forbidden("task"))
    }
}
