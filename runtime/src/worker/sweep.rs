//! Holds the data folder against the rows. What rows say is over is removed. What no row knows, and rows
//! whose file is gone, are findings for an operator: a file that no row knows may belong to another database
//! than the one that is open now (a mistyped URL, a restored backup), so it is left alone; only a temporary
//! folder goes when it is old.

use super::Worker;
use super::clean::{BATCH, accompanies, hold, remove};
use crate::clock::now_ms;
use shared::Result;
use shared::store::files::{self, Known};
use shared::store::findings::{self, FILE_WITHOUT_ROW, Finding, ROW_WITHOUT_FILE};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A temporary folder that no row has known for so long is rubbish.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(48 * 3600);

/// One sweep. Returns how many orphans it removed.
pub(super) async fn run_one(worker: &Worker) -> Result<usize> {
    let started_at = now_ms();
    let removed = look_at_files(worker).await?;
    look_at_rows(worker).await?;
    findings::purge(&*worker.database, started_at).await?;
    Ok(removed)
}

/// Something that lies in the data folder.
struct Candidate {
    path: PathBuf,
    /// The task that its name tells.
    task_id: Option<String>,
}

async fn look_at_files(worker: &Worker) -> Result<usize> {
    let data_dir = worker.settings.data_dir.clone();
    let found = tokio::task::spawn_blocking(move || candidates(&data_dir))
        .await
        .map_err(shared::Error::internal)?;
    let mut removed = 0;
    for batch in found.chunks(usize::try_from(BATCH).unwrap_or(100)) {
        hold(worker).await?;
        let ids: Vec<String> = batch.iter().filter_map(|it| it.task_id.clone()).collect();
        let known: HashMap<String, Known> = files::known(&*worker.database, &ids)
            .await?
            .into_iter()
            .map(|row| (row.task_id.clone(), row))
            .collect();
        for candidate in batch {
            let row = candidate.task_id.as_ref().and_then(|id| known.get(id));
            let goes = match row {
                Some(row) => is_over(worker, row, &candidate.path),
                None => is_forgotten(worker, &candidate.path).await,
            };
            if goes && remove(&candidate.path).await {
                tracing::warn!(path = %candidate.path.display(), "removed an orphan");
                removed += 1;
            } else if row.is_none() {
                note_file(worker, candidate).await?;
            }
        }
    }
    Ok(removed)
}

/// Whether a path under a task's id may go: the task is over, or it is finished and its file is elsewhere.
fn is_over(worker: &Worker, row: &Known, path: &Path) -> bool {
    match &row.file_path {
        _ if !row.in_use => true,
        Some(file) => {
            let file = worker.settings.data_dir.join(file);
            !file.starts_with(path) && !accompanies(path, &file)
        }
        None => false,
    }
}

async fn is_forgotten(worker: &Worker, path: &Path) -> bool {
    let is_temporary = path.starts_with(worker.settings.data_dir.join("tmp"));
    let modified = tokio::fs::metadata(path)
        .await
        .and_then(|found| found.modified());
    let age = modified.ok().and_then(|at| at.elapsed().ok());
    is_temporary && age.is_some_and(|age| age > FORGOTTEN_AFTER)
}

async fn note_file(worker: &Worker, candidate: &Candidate) -> Result<()> {
    let Ok(metadata) = tokio::fs::metadata(&candidate.path).await else {
        return Ok(());
    };
    let size = metadata.is_file().then_some(metadata.len());
    let path = candidate.path.strip_prefix(&worker.settings.data_dir);
    let finding = Finding {
        path: path
            .unwrap_or(&candidate.path)
            .to_string_lossy()
            .into_owned(),
        kind: FILE_WITHOUT_ROW.to_owned(),
        task_id: candidate.task_id.clone(),
        file_size: size.and_then(|bytes| i64::try_from(bytes).ok()),
        found_at: now_ms(),
        seen_at: now_ms(),
    };
    findings::note(&*worker.database, &finding).await
}

/// Every finished task's file should be there.
async fn look_at_rows(worker: &Worker) -> Result<()> {
    let mut after = String::new();
    loop {
        hold(worker).await?;
        let rows = files::present(&*worker.database, &after, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after.clone_from(&last.task_id);
        for row in rows {
            let Some(path) = row.file_path else { continue };
            let is_gone = tokio::fs::try_exists(worker.settings.data_dir.join(&path)).await;
            // Only a clear no counts; it may also have been removed with its row a moment ago.
            if !matches!(is_gone, Ok(false)) || !is_still_promised(worker, &row.task_id).await? {
                continue;
            }
            let finding = Finding {
                path,
                kind: ROW_WITHOUT_FILE.to_owned(),
                task_id: Some(row.task_id),
                file_size: None,
                found_at: now_ms(),
                seen_at: now_ms(),
            };
            findings::note(&*worker.database, &finding).await?;
        }
    }
}

async fn is_still_promised(worker: &Worker, task_id: &str) -> Result<bool> {
    let task = shared::store::tasks::find(&*worker.database, task_id).await?;
    Ok(task.is_some_and(|task| task.status == shared::domain::task::Status::Succeeded))
}

/// What lies under `tmp/<task_id>`, `archive/<user>/<day>/<title>_<task_id>.<suffix>` and
/// `exports/<project>/<day>/<name>_<task_id>.<suffix>`, with its task.
fn candidates(data_dir: &Path) -> Vec<Candidate> {
    let mut found = Vec::new();
    for folder in entries(&data_dir.join("tmp")) {
        let task_id = folder
            .file_name()
            .and_then(|name| name.to_str())
            .map(str::to_owned);
        let inner = entries(&folder);
        for path in inner
            .into_iter()
            .filter(|path| path.is_dir())
            .chain([folder])
        {
            found.push(Candidate {
                path,
                task_id: task_id.clone(),
            });
        }
    }
    let owners = ["archive", "exports"].map(|kind| entries(&data_dir.join(kind)));
    for owner in owners.into_iter().flatten() {
        for day in entries(&owner) {
            for path in entries(&day) {
                let task_id = archived_task(&path);
                found.push(Candidate { path, task_id });
            }
        }
    }
    found
}

/// Neither an id nor a suffix such as `en.vtt` holds an underscore.
fn archived_task(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let id = name.rsplit_once('_')?.1.split('.').next()?;
    Some(id.to_owned())
}

pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}
