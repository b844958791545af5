//! One attempt at one export (DC-2): pages are fetched ahead ([`pull`]) while a thread writes the ones before
//! ([`write`]) into parts ([`parts`]) from which the file is put together. What is written is noted now and
//! then ([`checkpoint`]), so that an attempt after a crash goes on at the last good page.

mod checkpoint;
pub mod hash;
pub mod parts;
pub mod pull;
mod write;

use super::Worker;
use super::attempt::{Ended, Reporter, disk_failure, settle};
use super::finish::{self, Written};
use pull::Pull;
use shared::Result;
use shared::domain::export::Source;
use shared::domain::source::Bounds;
use shared::domain::task::Failure;
use shared::sheet::SheetError;
use shared::store::projects::Project;
use shared::store::queue::Held;
use shared::store::tasks::Task;
use shared::store::{exports, projects, templates};
use shared::wire::export::Export;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use write::{Job, Piece};

/// Pages that wait to be written. With the one being fetched and the one being written, a few are in memory.
const PAGES_AHEAD: usize = 1;

/// Why there is no file.
pub(super) enum Broken {
    Failure(Failure),
    Disk(std::io::Error),
    /// The claim is lost or the worker stops.
    Stopped,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<SheetError> for Broken {
    fn from(error: SheetError) -> Self {
        match error {
            SheetError::Refused { code, message } => {
                Self::Failure(Failure::permanent(code, message))
            }
            SheetError::Io(error) => Self::Disk(error),
        }
    }
}

pub(super) async fn attempt(
    worker: &Arc<Worker>,
    task: &Task,
    claim: &Held,
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<Ended> {
    let plan = match plan(worker, task).await? {
        Ok(plan) => plan,
        Err(failure) => return Ok(Ended::Failed(failure)),
    };
    match make(worker, task, claim, &plan, folder, cancel).await {
        Ok(written) => {
            let ready = finish::prepare_export(worker, task, folder, written).await;
            match ready {
                // The request stays until the cleaner takes it: where the claim is lost, another attempt needs it.
                Ok(ready) => settle(worker, task, claim, ready).await,
                Err(error) => Ok(Ended::Failed(disk_failure(&error))),
            }
        }
        Err(Broken::Failure(failure)) => Ok(Ended::Failed(failure)),
        Err(Broken::Disk(error)) => Ok(Ended::Failed(disk_failure(&error))),
        Err(Broken::Stopped) => Ok(Ended::Stopped),
    }
}

/// What an attempt needs to know.
struct Plan {
    export: Arc<Export>,
    project: Project,
    /// The uploaded template's file.
    template: Option<Vec<u8>>,
    bounds: Bounds,
    bytes_max: u64,
}

async fn plan(worker: &Worker, task: &Task) -> Result<std::result::Result<Plan, Failure>> {
    let database = &*worker.database;
    let Some(body) = exports::find(database, &task.task_id).await? else {
        let failure = Failure::permanent("internal", "The request of this export is gone.");
        return Ok(Err(failure));
    };
    let export = Export::parse(body.as_bytes())?;
    let project = projects::find(database, &task.owner_id).await?;
    let Some(project) = project.filter(|project| project.disabled_at.is_none()) else {
        let failure = Failure::permanent("project_disabled", "The project is disabled.");
        return Ok(Err(failure));
    };
    let template = match &export.template_id {
        None => None,
        Some(id) => match templates::file(database, id).await? {
            Some(file) => Some(file),
            None => {
                let failure = Failure::permanent("template_gone", "The template was deleted.");
                return Ok(Err(failure));
            }
        },
    };
    let settings = &worker.settings.exports;
    let least = |ours: u64, its: Option<i64>| match its.and_then(|it| u64::try_from(it).ok()) {
        Some(its) => its.min(ours),
        None => ours,
    };
    Ok(Ok(Plan {
        bounds: Bounds {
            step: export.pace.step.into(),
            rows_max: least(settings.max_rows, project.limits.max_rows),
        },
        bytes_max: least(settings.max_bytes, project.limits.max_bytes),
        export: Arc::new(export),
        project,
        template,
    }))
}

/// Fetches and writes side by side, until the file is there.
async fn make(
    worker: &Arc<Worker>,
    task: &Task,
    claim: &Held,
    plan: &Plan,
    folder: &Path,
    cancel: &CancellationToken,
) -> std::result::Result<Written, Broken> {
    let (reporter, rows) = Reporter::new(worker, task, claim, cancel);
    // Cancelled when either side ends early, so that the other does not go on for nothing.
    let stop = cancel.child_token();
    let job = Job {
        export: plan.export.clone(),
        template: plan.template.clone(),
        folder: folder.to_owned(),
        bytes_max: plan.bytes_max,
        reporter,
        rows_counter: worker.counts.export_rows.clone(),
        stop: stop.clone(),
    };
    let (sender, pieces) = mpsc::channel(PAGES_AHEAD);
    let (started, reading) = tokio::sync::oneshot::channel();
    let writer = tokio::task::spawn_blocking(move || write::run(job, pieces, started));
    let limit = Duration::from_secs(plan.export.pace.max_exec_s.into());
    let feed = async {
        let Ok(reading) = reading.await else {
            // The writer says what is wrong.
            return Ok(());
        };
        feed(worker, task, plan, reading, &sender).await
    };
    let fed = tokio::select! {
        fed = tokio::time::timeout(limit, feed) => fed.unwrap_or_else(|_| Err(overtime())),
        () = stop.cancelled() => Err(Broken::Stopped),
    };
    // Without its last piece the writer notes where it is and ends.
    drop(sender);
    let written = writer.await;
    let _ = rows.await;
    let written = written.unwrap_or_else(|error| Err(Broken::Disk(std::io::Error::other(error))));
    match (fed, written) {
        (Ok(()), written) => written,
        // A stop on the writer's side has a cause, unless the whole attempt was stopped.
        (Err(Broken::Stopped), Err(broken)) => Err(broken),
        (Err(broken), _) => Err(broken),
    }
}

fn overtime() -> Broken {
    let message = "The export took longer than its max_exec_time.";
    Failure::permanent("timeout", message).into()
}

/// Sends every piece from `reading` on, and the end behind the last.
async fn feed(
    worker: &Worker,
    task: &Task,
    plan: &Plan,
    reading: pull::Reading,
    sender: &mpsc::Sender<Piece>,
) -> std::result::Result<(), Broken> {
    match &plan.export.source {
        Source::Given => {
            for table in 0..plan.export.tables() {
                send(sender, Piece::Given(table)).await?;
            }
        }
        Source::Pulled(_) => {
            let pull = Pull {
                worker,
                task,
                project: &plan.project,
                export: &plan.export,
                bounds: plan.bounds,
            };
            pull.run(reading, sender).await?;
        }
    }
    send(sender, Piece::End).await
}

/// The writer is gone when it has failed, and tells why itself.
async fn send(sender: &mpsc::Sender<Piece>, piece: Piece) -> std::result::Result<(), Broken> {
    sender.send(piece).await.map_err(|_| Broken::Stopped)
}
