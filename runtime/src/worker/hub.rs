//! Who listens to whose tasks. Changes are published here by this worker's own tasks at once, and by
//! `changes` for what happened elsewhere, which finds the own ones in their rows again.
//!
//! A thousand listeners cost what they are told: a change is made into text once, goes to those alone who
//! listen to its task, and not twice.

use axum::extract::ws::Utf8Bytes;
use shared::limits::{HUB_BACKLOG_ALL, HUB_BACKLOG_ONE, HUB_REMEMBERED_MAX, HUB_REMEMBERED_MS};
use shared::store::tasks::Task;
use shared::wire::task::TaskAnswer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

type Sender = broadcast::Sender<Arc<Change>>;

/// A task as it now is.
#[derive(Debug)]
pub struct Change {
    pub task_id: String,
    /// The fence, then the time: a cancelled or newly claimed task has a higher fence than whatever its
    /// former worker still reports. An older version never follows a newer one to a client.
    pub version: (i64, i64),
    /// The task's JSON; clones share it.
    pub json: Utf8Bytes,
    percent: f64,
    is_final: bool,
}

/// The listeners by owner.
#[derive(Default)]
pub struct Hub(Mutex<HashMap<String, Owner>>);

struct Owner {
    /// Who listens to all tasks.
    all: Sender,
    /// Who listens to one, by task.
    tasks: HashMap<String, Sender>,
    /// What was told last of each task.
    told: HashMap<String, Arc<Change>>,
}

impl Change {
    pub fn from_task(task: &Task) -> shared::Result<Self> {
        let answer = TaskAnswer::from_task(task)?;
        let json = serde_json::to_string(&answer).map_err(shared::Error::internal)?;
        Ok(Self {
            task_id: task.task_id.clone(),
            version: (task.fence, task.updated_at),
            json: json.into(),
            percent: answer.progress.percent,
            is_final: task.status.is_final(),
        })
    }

    /// The same with the bar where it stood in `last`, had it fallen: what a worker told last may stand in no row,
    /// and the next one begins at the row (VA-6). What was over begins anew.
    pub fn not_below(self: Arc<Self>, last: &Self) -> Arc<Self> {
        if last.is_final || self.percent >= last.percent {
            return self;
        }
        let Ok(mut answer) = serde_json::from_str::<TaskAnswer>(&self.json) else {
            return self;
        };
        answer.progress.percent = last.percent;
        let Ok(json) = serde_json::to_string(&answer) else {
            return self;
        };
        Arc::new(Self {
            task_id: self.task_id.clone(),
            version: self.version,
            json: json.into(),
            percent: last.percent,
            is_final: self.is_final,
        })
    }

    /// Whether this tells nothing to who has been told `last`: it is older, or the same.
    pub fn is_known_after(&self, last: &Self) -> bool {
        last.version > self.version || (last.version == self.version && last.json == self.json)
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self {
            all: broadcast::channel(HUB_BACKLOG_ALL).0,
            tasks: HashMap::new(),
            told: HashMap::new(),
        }
    }
}

impl Owner {
    fn listeners(&self) -> usize {
        let each = self.tasks.values().map(broadcast::Sender::receiver_count);
        self.all.receiver_count() + each.sum::<usize>()
    }

    fn tell(&mut self, change: Arc<Change>) {
        let told = self.told.get(&change.task_id);
        if told.is_some_and(|told| change.is_known_after(told)) {
            return;
        }
        if self.told.len() >= HUB_REMEMBERED_MAX {
            // What is forgotten may be told once more, and the client leaves it out.
            let since = change.version.1 - HUB_REMEMBERED_MS;
            self.told.retain(|_, told| told.version.1 > since);
        }
        self.told.insert(change.task_id.clone(), change.clone());
        if let Some(listeners) = self.tasks.get(&change.task_id) {
            let _ = listeners.send(change.clone());
        }
        let _ = self.all.send(change);
    }
}

impl Hub {
    /// Changes of one task, or of all tasks of the owner. Who lags behind is told so and reads the state.
    pub fn subscribe(
        &self,
        owner_id: &str,
        task_id: Option<&str>,
    ) -> broadcast::Receiver<Arc<Change>> {
        let mut owners = self.owners();
        owners.retain(|_, owner| owner.listeners() > 0);
        let owner = owners.entry(owner_id.to_owned()).or_default();
        owner.tasks.retain(|_, task| task.receiver_count() > 0);
        match task_id {
            None => owner.all.subscribe(),
            Some(task_id) => owner
                .tasks
                .entry(task_id.to_owned())
                .or_insert_with(|| broadcast::channel(HUB_BACKLOG_ONE).0)
                .subscribe(),
        }
    }

    /// What the owner's listeners were told last of this task, if it is newer than its row, which is not told
    /// again once it has caught up.
    pub fn newest(&self, owner_id: &str, row: Change) -> Arc<Change> {
        let owners = self.owners();
        let told = owners
            .get(owner_id)
            .and_then(|owner| owner.told.get(&row.task_id));
        match told {
            Some(told) if told.version > row.version => told.clone(),
            _ => Arc::new(row),
        }
    }

    /// Ends every subscription: changes may have been missed, and who subscribes again reads the state.
    pub fn reset(&self) {
        self.owners().clear();
    }

    /// How many listen to this owner's tasks.
    pub fn listeners(&self, owner_id: &str) -> usize {
        self.owners().get(owner_id).map_or(0, Owner::listeners)
    }

    /// Whether anybody listens at all.
    pub fn is_idle(&self) -> bool {
        self.owners().values().all(|owner| owner.listeners() == 0)
    }

    /// Tells the owner's listeners what they have not been told. Costs nothing where there is none.
    pub fn publish(&self, task: &Task) {
        if self.listeners(&task.owner_id) == 0 {
            return;
        }
        let change = match Change::from_task(task) {
            Ok(change) => Arc::new(change),
            Err(error) => {
                tracing::error!(%error, task_id = task.task_id, "unreadable task");
                return;
            }
        };
        if let Some(owner) = self.owners().get_mut(&task.owner_id) {
            owner.tell(change);
        }
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::domain::task::Status;
    use tokio::sync::broadcast::error::TryRecvError;

    fn task(task_id: &str, updated_at: i64, percent: u8) -> Task {
        Task {
            task_id: task_id.to_owned(),
            kind: "video".to_owned(),
            owner_id: "ada".to_owned(),
            status: Status::Running,
            name: "clip".to_owned(),
            spec: "{}".to_owned(),
            request_id: "request".to_owned(),
            site: "media.example".to_owned(),
            attempt: 1,
            rescues: 0,
            fence: 1,
            progress: format!(r#"{{"percent":{percent}.0,"stage":"downloading"}}"#),
            error: None,
            attempts: "[]".to_owned(),
            result: None,
            file_path: None,
            expires_at: None,
            created_at: 0,
            updated_at,
            started_at: Some(0),
            finished_at: None,
        }
    }

    #[test]
    fn a_listener_hears_of_its_task_alone_and_nothing_twice() {
        let hub = Hub::default();
        let mut one = hub.subscribe("ada", Some("a"));
        let mut all = hub.subscribe("ada", None);
        let mut other = hub.subscribe("bob", None);
        assert_eq!((hub.listeners("ada"), hub.listeners("bob")), (2, 1));
        hub.publish(&task("a", 10, 1));
        hub.publish(&task("b", 10, 1));
        // Found again in its row, an older state, and two states within one millisecond.
        hub.publish(&task("a", 10, 1));
        hub.publish(&task("a", 9, 0));
        hub.publish(&task("a", 10, 2));
        let heard = |receiver: &mut broadcast::Receiver<Arc<Change>>| {
            let mut heard = Vec::new();
            while let Ok(change) = receiver.try_recv() {
                let percent = ["1.0", "2.0"]
                    .iter()
                    .position(|percent| change.json.contains(&format!("\"percent\":{percent}")));
                heard.push((change.task_id.clone(), percent.expect("a percentage") + 1));
            }
            heard
        };
        let of_a = [("a".to_owned(), 1), ("a".to_owned(), 2)];
        assert_eq!(heard(&mut one), of_a);
        let [first, last] = of_a;
        assert_eq!(heard(&mut all), [first, ("b".to_owned(), 1), last]);
        assert_eq!(other.try_recv().unwrap_err(), TryRecvError::Empty);
    }

    #[test]
    fn a_bar_stays_where_it_stood_until_its_task_begins_anew() {
        let told = |task: &Task| Arc::new(Change::from_task(task).expect("a task"));
        let last = told(&task("a", 10, 80));
        let fallen = told(&task("a", 11, 79)).not_below(&last);
        assert_eq!(fallen.version, (1, 11));
        assert!(fallen.json.contains("\"percent\":80.0"), "{}", fallen.json);
        assert!(fallen.clone().not_below(&last).is_known_after(&fallen));
        let risen = told(&task("a", 12, 81)).not_below(&fallen);
        assert!(risen.json.contains("\"percent\":81.0"), "{}", risen.json);
        let mut over = task("a", 13, 81);
        over.status = Status::Dead;
        let anew = told(&task("a", 14, 0)).not_below(&told(&over));
        assert!(anew.json.contains("\"percent\":0.0"), "{}", anew.json);
    }

    #[test]
    fn who_comes_next_hears_what_is_newer_than_the_row() {
        let hub = Hub::default();
        let row = || Change::from_task(&task("a", 10, 1)).expect("a task");
        assert_eq!(hub.newest("ada", row()).version, (1, 10));
        let _first = hub.subscribe("ada", Some("a"));
        hub.publish(&task("a", 11, 2));
        assert_eq!(hub.newest("ada", row()).version, (1, 11));
        hub.publish(&task("b", 12, 2));
        assert_eq!(hub.newest("ada", row()).version, (1, 11));
        assert_eq!(hub.newest("bob", row()).version, (1, 10));
    }
}
