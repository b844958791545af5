//! From a downloaded file, with its subtitles and thumbnail, or a written export, to a finished task, in steps
//! that can be broken off anywhere (VA-7): hash → note (`finish.json`, synced) → rename to the final place → row → remove the
//! work folder.
//! Whoever resumes finds the note and goes on from there; the final place follows from the task alone, so
//! there is never a second file.

mod disk;

use super::Worker;
use super::attempt::WORK;
use super::ytdlp::{Downloaded, FetchedExtra};
use crate::clock::now_ms;
use crate::fault;
use disk::{blocking, hash, move_to, sync_folder};
use serde::{Deserialize, Serialize};
use shared::Result;
use shared::domain::file_name::{beside, sanitise};
use shared::domain::media::Mode;
use shared::domain::task::Status;
use shared::store::queue::{self, Finished, Held};
use shared::store::tasks::{self, Task};
use shared::wire::media::DownloadSpec;
use shared::wire::task::{Extra, Progress, TaskResult};
use shared::wire::time::{day, rfc3339};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NOTE: &str = "finish.json";

/// A file that is hashed and noted, on its way to its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    title: String,
    file_name: String,
    /// In the work folder.
    source: PathBuf,
    /// Relative to the data folder.
    file_path: String,
    file_size: i64,
    md5: String,
    sha256: String,
    /// How long it is kept, milliseconds; `None`: until it is deleted.
    keep_ms: Option<i64>,
    /// Of an export.
    table: Option<TableFacts>,
    /// What goes with it.
    #[serde(default)]
    extras: Vec<ReadyExtra>,
}

/// What an export's file holds (DC-10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFacts {
    pub rows: u64,
    pub rows_declared: u64,
    pub warnings: Vec<String>,
}

/// An export's file as it was written, hashed on the way.
pub struct Written {
    pub file_name: String,
    /// In the work folder.
    pub path: PathBuf,
    pub file_size: u64,
    pub md5: String,
    pub sha256: String,
    pub table: TableFacts,
}

/// Subtitles or a thumbnail, hashed and noted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ReadyExtra {
    extra: Extra,
    /// In the work folder.
    source: PathBuf,
    /// Relative to the data folder.
    file_path: String,
}

/// Why a finish broke off.
pub enum SettleError {
    Disk(io::Error),
    Store(shared::Error),
}

/// Hashes a downloaded file and writes the note.
pub async fn prepare_video(
    worker: &Worker,
    task: &Task,
    spec: &DownloadSpec,
    folder: &Path,
    downloaded: Downloaded,
) -> io::Result<Ready> {
    let name = sanitise(&downloaded.title);
    let file_name = format!("{name}.{}", downloaded.extension);
    let file_path = match spec.mode {
        Mode::QuickDownload => format!("tmp/{}/{file_name}", task.task_id),
        Mode::Archive => format!(
            "archive/{}/{}/{name}_{}.{}",
            task.owner_id,
            day(task.created_at),
            task.task_id,
            downloaded.extension
        ),
    };
    let folder = folder.to_owned();
    // As a site says it, but no control character: PostgreSQL keeps no NUL, a terminal obeys the others.
    let title: String = downloaded
        .title
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let source = downloaded.path;
    let keep_ms = match spec.mode {
        Mode::QuickDownload => Some(milliseconds(worker.settings.media.quick_ttl_s)),
        Mode::Archive => None,
    };
    let ready = blocking(move || {
        let (file_size, md5, sha256) = hash(&source)?;
        let extras = downloaded.extras.into_iter();
        let extras = extras.map(|extra| ready_extra(extra, &file_path, &name, &file_name));
        let ready = Ready {
            extras: extras.collect::<io::Result<_>>()?,
            title,
            file_name,
            source,
            file_path,
            file_size,
            md5,
            sha256,
            keep_ms,
            table: None,
        };
        note(&folder, &ready)?;
        Ok(ready)
    })
    .await?;
    fault::point("finish:hashed");
    Ok(ready)
}

/// Notes an export's file, which comes hashed.
pub async fn prepare_export(
    worker: &Worker,
    task: &Task,
    folder: &Path,
    written: Written,
) -> io::Result<Ready> {
    let (stem, extension) = written
        .file_name
        .rsplit_once('.')
        .ok_or(io::ErrorKind::InvalidInput)?;
    let days = worker.settings.exports.retention_days;
    let ready = Ready {
        title: task.name.clone(),
        file_path: format!(
            "exports/{}/{}/{stem}_{}.{extension}",
            task.owner_id,
            day(task.created_at),
            task.task_id
        ),
        file_name: written.file_name.clone(),
        source: written.path,
        file_size: i64::try_from(written.file_size).map_err(io::Error::other)?,
        md5: written.md5,
        sha256: written.sha256,
        keep_ms: Some(milliseconds(u64::from(days) * 24 * 3600)),
        table: Some(written.table),
        extras: Vec::new(),
    };
    let folder = folder.to_owned();
    let ready = blocking(move || note(&folder, &ready).map(|()| ready)).await?;
    fault::point("finish:hashed");
    Ok(ready)
}

fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// Writes the note, so that it outlives a power cut.
fn note(folder: &Path, ready: &Ready) -> io::Result<()> {
    let fresh = folder.join("finish.json.new");
    let mut note = File::create(&fresh)?;
    note.write_all(&serde_json::to_vec(ready)?)?;
    note.sync_all()?;
    fs::rename(&fresh, folder.join(NOTE))?;
    sync_folder(folder)
}

/// Hashes what goes with a file of this path and name.
fn ready_extra(
    fetched: FetchedExtra,
    file_path: &str,
    stem: &str,
    file_name: &str,
) -> io::Result<ReadyExtra> {
    let name = format!("{stem}.{}", fetched.suffix());
    let (file_size, _, sha256) = hash(&fetched.path)?;
    let file_path = beside(file_path, file_name, &name).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(ReadyExtra {
        extra: Extra {
            kind: fetched.kind,
            file_name: name,
            file_size,
            sha256,
            language: fetched.language.map(String::from),
        },
        source: fetched.path,
        file_path,
    })
}

/// What an earlier attempt left ready, if its file is still whole.
pub async fn resumable(worker: &Worker, task: &Task, folder: &Path) -> Result<Option<Ready>> {
    let note = folder.join(NOTE);
    let data_dir = worker.settings.data_dir.clone();
    let found = blocking(move || {
        let Ok(text) = fs::read(&note) else {
            return Ok(None);
        };
        let Ok(mut ready) = serde_json::from_slice::<Ready>(&text) else {
            return Ok(None);
        };
        if is_whole(&ready.source, &data_dir, &ready.file_path, &ready.sha256)? {
            let mut extras = Vec::new();
            for it in ready.extras {
                // Without them the file is still what was asked for.
                if is_whole(&it.source, &data_dir, &it.file_path, &it.extra.sha256)? {
                    extras.push(it);
                }
            }
            ready.extras = extras;
            return Ok(Some(ready));
        }
        fs::remove_file(&note)?;
        Ok(None)
    })
    .await;
    Ok(found.unwrap_or_else(|error| {
        tracing::warn!(%error, task_id = task.task_id, "an unreadable note; downloading anew");
        None
    }))
}

/// Whether a file lies where it came from or where it goes, with these bytes.
fn is_whole(source: &Path, data_dir: &Path, file_path: &str, sha256: &str) -> io::Result<bool> {
    for place in [source, &data_dir.join(file_path)] {
        if place.is_file() && hash(place)?.2 == sha256 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Moves the files to their places, writes the row, removes the work folder. False when the claim was lost;
/// the files are then removed unless the task has succeeded through somebody else.
pub async fn settle(
    worker: &Worker,
    task: &Task,
    claim: &Held,
    ready: &Ready,
) -> std::result::Result<bool, SettleError> {
    let moves = ready.moves(&worker.settings.data_dir);
    let targets: Vec<PathBuf> = moves.iter().map(|(_, target)| target.clone()).collect();
    let moved = blocking(move || moves.iter().try_for_each(|(from, to)| move_to(from, to)));
    moved.await.map_err(SettleError::Disk)?;
    fault::point("finish:renamed");
    let now = now_ms();
    let finished = finished(ready, now).map_err(SettleError::Store)?;
    let recorded = queue::finish(&*worker.database, claim, &finished, now)
        .await
        .map_err(SettleError::Store)?;
    let Some(done) = recorded else {
        return lost(worker, claim, &targets).await;
    };
    fault::point("finish:recorded");
    worker.hub.publish(&done);
    let work = worker.task_folder(&task.task_id).join(WORK);
    let is_elsewhere = !ready.file_path.starts_with("tmp/");
    let folder = worker.task_folder(&task.task_id);
    let removed = blocking(move || {
        fs::remove_dir_all(&work)?;
        fs::remove_file(folder.join(super::attempt::LOCK))?;
        if is_elsewhere {
            fs::remove_dir(&folder)?;
        }
        Ok(())
    });
    if let Err(error) = removed.await {
        // The cleaner takes it with the next sweep.
        tracing::warn!(%error, task_id = task.task_id, "could not remove the work folder");
    }
    Ok(true)
}

impl Ready {
    /// From where to where; the file itself comes last.
    fn moves(&self, data_dir: &Path) -> Vec<(PathBuf, PathBuf)> {
        let extras = self.extras.iter().map(|it| (&it.source, &it.file_path));
        extras
            .chain([(&self.source, &self.file_path)])
            .map(|(source, path)| (source.clone(), data_dir.join(path)))
            .collect()
    }
}

async fn lost(
    worker: &Worker,
    claim: &Held,
    targets: &[PathBuf],
) -> std::result::Result<bool, SettleError> {
    let task = tasks::find(&*worker.database, &claim.task_id)
        .await
        .map_err(SettleError::Store)?;
    // Queued or running again: the next attempt finds the note and this very file.
    let is_over =
        task.is_none_or(|task| task.status.is_final() && task.status != Status::Succeeded);
    if is_over {
        for target in targets {
            let _ = tokio::fs::remove_file(target).await;
        }
    }
    Ok(false)
}

fn finished(ready: &Ready, now: i64) -> Result<Finished> {
    let expires_at = ready.keep_ms.map(|keep_ms| now.saturating_add(keep_ms));
    let rows = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let table = ready.table.as_ref();
    let result = TaskResult {
        file_name: ready.file_name.clone(),
        file_size: ready.file_size,
        md5: ready.md5.clone(),
        sha256: ready.sha256.clone(),
        rows: table.map(|table| rows(table.rows)),
        rows_declared: table.map(|table| rows(table.rows_declared)),
        warnings: table
            .map(|table| table.warnings.clone())
            .unwrap_or_default(),
        expires_at: expires_at.map(rfc3339),
        extras: ready.extras.iter().map(|it| it.extra.clone()).collect(),
    };
    let progress = Progress {
        percent: 100.0,
        stage: "done".to_owned(),
        downloaded_bytes: Some(ready.file_size),
        total_bytes: Some(ready.file_size),
        rows: table.map(|table| rows(table.rows)),
        ..Progress::default()
    };
    let json = |value: serde_json::Result<String>| value.map_err(shared::Error::internal);
    Ok(Finished {
        name: ready.title.clone(),
        progress: json(serde_json::to_string(&progress))?,
        result: json(serde_json::to_string(&result))?,
        file_path: ready.file_path.clone(),
        file_size: ready.file_size,
        expires_at,
    })
}
