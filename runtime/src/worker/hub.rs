//! Who listens to whose tasks. Changes are published here by this worker's own tasks at once, and by
//! `changes` for what happened elsewhere.

use shared::store::tasks::Task;
use shared::wire::task::TaskAnswer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Changes that a slow listener may lag behind before it is sent the current state anew.
const BACKLOG: usize = 256;

/// A task as it now is.
#[derive(Debug)]
pub struct Change {
    pub task_id: String,
    /// The fence, then the time: a cancelled or newly claimed task has a higher fence than whatever its
    /// former worker still reports. An older version never follows a newer one to a client.
    pub version: (i64, i64),
    /// The task's JSON.
    pub json: String,
}

/// The listeners by owner.
#[derive(Default)]
pub struct Hub(Mutex<HashMap<String, broadcast::Sender<Arc<Change>>>>);

impl Change {
    pub fn from_task(task: &Task) -> shared::Result<Self> {
        let answer = TaskAnswer::from_task(task)?;
        Ok(Self {
            task_id: task.task_id.clone(),
            version: (task.fence, task.updated_at),
            json: serde_json::to_string(&answer).map_err(shared::Error::internal)?,
        })
    }
}

impl Hub {
    pub fn subscribe(&self, owner_id: &str) -> broadcast::Receiver<Arc<Change>> {
        let mut owners = self.owners();
        owners.retain(|_, sender| sender.receiver_count() > 0);
        owners
            .entry(owner_id.to_owned())
            .or_insert_with(|| broadcast::channel(BACKLOG).0)
            .subscribe()
    }

    /// Ends every subscription: changes may have been missed, and who subscribes again reads the state.
    pub fn reset(&self) {
        self.owners().clear();
    }

    /// How many listen to this owner's tasks.
    pub fn listeners(&self, owner_id: &str) -> usize {
        let owners = self.owners();
        owners
            .get(owner_id)
            .map_or(0, broadcast::Sender::receiver_count)
    }

    /// Whether anybody listens at all.
    pub fn is_idle(&self) -> bool {
        self.owners()
            .values()
            .all(|sender| sender.receiver_count() == 0)
    }

    /// Tells the owner's listeners. Costs nothing where there is none.
    pub fn publish(&self, task: &Task) {
        let Some(sender) = self.owners().get(&task.owner_id).cloned() else {
            return;
        };
        match Change::from_task(task) {
            Ok(change) => drop(sender.send(Arc::new(change))),
            Err(error) => tracing::error!(%error, task_id = task.task_id, "unreadable task"),
        }
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<Arc<Change>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
