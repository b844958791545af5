//! The queue against a model: whatever workers do in whatever order, a task is in one state, ends once, and
//! only the newest claim writes.

use crate::queue::{finished, held};
use crate::{NOW, both, new_task};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared::domain::task::Status;
use shared::limits::RESCUES_MAX;
use shared::store::queue::{self, Held, Sequel};
use shared::store::{Database, tasks};
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Step {
    Submit,
    Claim {
        worker: u8,
        limit: u8,
    },
    Finish {
        claim: usize,
    },
    Fail {
        claim: usize,
        bury: bool,
    },
    Cancel {
        task: usize,
    },
    Delete {
        task: usize,
    },
    Replay {
        task: usize,
    },
    Release {
        worker: u8,
    },
    /// Time goes by: leases end, retries come due.
    Wait {
        ms: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Submit),
        4 => (0u8..3, 1u8..4).prop_map(|(worker, limit)| Step::Claim { worker, limit }),
        3 => any::<usize>().prop_map(|claim| Step::Finish { claim }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(claim, bury)| Step::Fail { claim, bury }),
        1 => any::<usize>().prop_map(|task| Step::Cancel { task }),
        1 => any::<usize>().prop_map(|task| Step::Delete { task }),
        1 => any::<usize>().prop_map(|task| Step::Replay { task }),
        1 => (0u8..3).prop_map(|worker| Step::Release { worker }),
        2 => (1u16..1500).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// What a task must be.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    status: Status,
    /// The claim that may write.
    fence: Option<i64>,
    worker: u8,
    lease_ends: i64,
    rescues: i64,
    deleted: bool,
}

struct Run<'a> {
    database: &'a dyn Database,
    now: i64,
    tasks: Vec<String>,
    claims: Vec<Held>,
    model: HashMap<String, Model>,
}

impl Run<'_> {
    fn task(&self, index: usize) -> Option<String> {
        (!self.tasks.is_empty()).then(|| self.tasks[index % self.tasks.len()].clone())
    }

    fn claim(&self, index: usize) -> Option<Held> {
        (!self.claims.is_empty()).then(|| self.claims[index % self.claims.len()].clone())
    }

    /// Whether the model lets this claim write.
    fn holds(&self, claim: &Held) -> bool {
        let model = &self.model[&claim.task_id];
        model.status == Status::Running && model.fence == Some(claim.fence)
    }

    fn end(&mut self, task_id: &str, status: Status) {
        let model = self.model.get_mut(task_id).expect("a known task");
        model.status = status;
        model.fence = None;
    }

    async fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let database = self.database;
        match step {
            Step::Submit => {
                let mut task = new_task("owner");
                task.now = self.now;
                let id = tasks::submit(database, &task).await.expect("submit");
                let model = Model {
                    status: Status::Queued,
                    fence: None,
                    worker: 0,
                    lease_ends: 0,
                    rescues: 0,
                    deleted: false,
                };
                self.model.insert(id.clone(), model);
                self.tasks.push(id);
            }
            Step::Claim { worker, limit } => self.claim_some(*worker, *limit).await?,
            Step::Finish { claim } => {
                let Some(claim) = self.claim(*claim) else {
                    return Ok(());
                };
                let done = queue::finish(database, &claim, &finished(None), self.now).await;
                prop_assert_eq!(done.expect("finish").is_some(), self.holds(&claim));
                if self.holds(&claim) {
                    self.end(&claim.task_id, Status::Succeeded);
                }
            }
            Step::Fail { claim, bury } => {
                let Some(claim) = self.claim(*claim) else {
                    return Ok(());
                };
                let (sequel, status) = match bury {
                    true => (Sequel::Bury, Status::Dead),
                    false => (Sequel::Retry { run_at: self.now }, Status::Queued),
                };
                let failed = queue::fail(database, &claim, sequel, "{}", "[]", self.now).await;
                prop_assert_eq!(failed.expect("fail").is_some(), self.holds(&claim));
                if self.holds(&claim) {
                    self.end(&claim.task_id, status);
                }
            }
            Step::Cancel { task } => {
                let Some(id) = self.task(*task) else {
                    return Ok(());
                };
                let may = !self.model[&id].deleted && !self.model[&id].status.is_final();
                let cancelled = tasks::cancel(database, &id, self.now)
                    .await
                    .expect("cancel");
                prop_assert_eq!(cancelled.is_some(), may);
                if may {
                    self.end(&id, Status::Cancelled);
                }
            }
            Step::Delete { task } => {
                let Some(id) = self.task(*task) else {
                    return Ok(());
                };
                let may = !self.model[&id].deleted;
                let deleted = tasks::delete(database, &id, self.now)
                    .await
                    .expect("delete");
                prop_assert_eq!(deleted, may);
                if may {
                    if !self.model[&id].status.is_final() {
                        self.end(&id, Status::Cancelled);
                    }
                    self.model.get_mut(&id).expect("known").deleted = true;
                }
            }
            Step::Replay { task } => {
                let Some(id) = self.task(*task) else {
                    return Ok(());
                };
                let may = self.model[&id].status == Status::Dead && !self.model[&id].deleted;
                let replayed = queue::replay(database, &id, self.now)
                    .await
                    .expect("replay");
                prop_assert_eq!(replayed.is_some(), may);
                if may {
                    self.end(&id, Status::Queued);
                    self.model.get_mut(&id).expect("known").rescues = 0;
                }
            }
            Step::Release { worker } => {
                let owner = format!("w{worker}");
                queue::release(database, &owner, self.now)
                    .await
                    .expect("release");
                for model in self.model.values_mut() {
                    if model.status == Status::Running && model.worker == *worker {
                        model.status = Status::Queued;
                        model.fence = None;
                    }
                }
            }
            Step::Wait { ms } => {
                self.now += i64::from(*ms);
                queue::rescue(database, self.now, "{}")
                    .await
                    .expect("rescue");
                for model in self.model.values_mut() {
                    if model.status == Status::Running && model.lease_ends <= self.now {
                        model.status = match model.rescues >= RESCUES_MAX {
                            true => Status::Dead,
                            false => Status::Queued,
                        };
                        model.rescues += 1;
                        model.fence = None;
                    }
                }
            }
        }
        Ok(())
    }

    async fn claim_some(&mut self, worker: u8, limit: u8) -> Result<(), TestCaseError> {
        let lease_ends = self.now + 1000;
        let owner = format!("w{worker}");
        let claimed = crate::claim(self.database, &owner, self.now, lease_ends, limit.into())
            .await
            .expect("claim");
        let waiting = self
            .model
            .values()
            .filter(|model| model.status == Status::Queued);
        prop_assert_eq!(claimed.len(), waiting.count().min(limit.into()));
        for task in claimed {
            let model = self.model.get_mut(&task.task_id).expect("a known task");
            prop_assert_eq!(model.status, Status::Queued);
            model.status = Status::Running;
            model.fence = Some(task.fence);
            model.worker = worker;
            model.lease_ends = lease_ends;
            self.claims.push(held(&task));
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        for (id, model) in &self.model {
            let task = tasks::find(self.database, id).await.expect("find");
            prop_assert_eq!(task.is_none(), model.deleted);
            if let Some(task) = task {
                prop_assert_eq!(task.status, model.status);
            }
        }
        Ok(())
    }
}

#[test]
fn whatever_workers_do_the_queue_keeps_to_its_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fixtures = runtime.block_on(both());
    for fixture in fixtures {
        let config = Config {
            cases: 24,
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&vec(step(), 1..60), |steps| {
            runtime.block_on(async {
                let database = &*fixture.database;
                database
                    .execute("DELETE FROM tasks", &[])
                    .await
                    .expect("an empty queue");
                let mut run = Run {
                    database,
                    now: NOW,
                    tasks: Vec::new(),
                    claims: Vec::new(),
                    model: HashMap::new(),
                };
                for step in &steps {
                    run.apply(step).await?;
                }
                run.check().await
            })
        });
        if let Err(error) = outcome {
            panic!("{}: {error}", fixture.name);
        }
    }
}
