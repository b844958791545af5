//! From a downloaded file to a finished task, in steps that can be broken off anywhere (VA-7):
//! hash → note (`finish.json`, synced) → rename to the final place → row → remove the work folder.
//! Whoever resumes finds the note and goes on from there; the final place follows from the task alone, so
//! there is never a second file.

use super::Worker;
use super::ytdlp::Downloaded;
use crate::clock::now_ms;
use crate::fault;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::Result;
use shared::domain::file_name::sanitise;
use shared::domain::media::Mode;
use shared::domain::task::Status;
use shared::store::queue::{self, Finished, Held};
use shared::store::tasks::{self, Task};
use shared::wire::media::DownloadSpec;
use shared::wire::task::{Progress, TaskResult};
use shared::wire::time::{day, rfc3339};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const NOTE: &str = "finish.json";
const READ_BYTES: usize = 1 << 20;

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
}

/// Why a finish broke off.
pub enum SettleError {
    Disk(io::Error),
    Store(shared::Error),
}

/// Hashes the file and writes the note.
pub async fn prepare(
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
    let ready = blocking(move || {
        let (file_size, md5, sha256) = hash(&source)?;
        let ready = Ready {
            title,
            file_name,
            source,
            file_path,
            file_size,
            md5,
            sha256,
        };
        let fresh = folder.join("finish.json.new");
        let mut note = File::create(&fresh)?;
        note.write_all(&serde_json::to_vec(&ready)?)?;
        note.sync_all()?;
        fs::rename(&fresh, folder.join(NOTE))?;
        sync_folder(&folder)?;
        Ok(ready)
    })
    .await?;
    fault::point("finish:hashed");
    Ok(ready)
}

/// What an earlier attempt left ready, if its file is still whole.
pub async fn resumable(worker: &Worker, task: &Task, folder: &Path) -> Result<Option<Ready>> {
    let note = folder.join(NOTE);
    let data_dir = worker.settings.data_dir.clone();
    let found = blocking(move || {
        let Ok(text) = fs::read(&note) else {
            return Ok(None);
        };
        let Ok(ready) = serde_json::from_slice::<Ready>(&text) else {
            return Ok(None);
        };
        for place in [ready.source.clone(), data_dir.join(&ready.file_path)] {
            if place.is_file() && hash(&place)?.2 == ready.sha256 {
                return Ok(Some(ready));
            }
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

/// Moves the file to its place, writes the row, removes the work folder. False when the claim was lost; the
/// file is then removed unless the task has succeeded through somebody else.
pub async fn settle(
    worker: &Worker,
    task: &Task,
    claim: &Held,
    ready: &Ready,
) -> std::result::Result<bool, SettleError> {
    let target = worker.settings.data_dir.join(&ready.file_path);
    let source = ready.source.clone();
    let place = target.clone();
    blocking(move || move_to(&source, &place))
        .await
        .map_err(SettleError::Disk)?;
    fault::point("finish:renamed");
    let now = now_ms();
    let finished = finished(worker, task, ready, now).map_err(SettleError::Store)?;
    let recorded = queue::finish(&*worker.database, claim, &finished, now)
        .await
        .map_err(SettleError::Store)?;
    let Some(done) = recorded else {
        return lost(worker, claim, &target).await;
    };
    fault::point("finish:recorded");
    worker.hub.publish(&done);
    let work = worker.task_folder(&task.task_id).join("work");
    let is_archive = finished.expires_at.is_none();
    let folder = worker.task_folder(&task.task_id);
    let removed = blocking(move || {
        fs::remove_dir_all(&work)?;
        fs::remove_file(folder.join(super::video::LOCK))?;
        if is_archive {
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

async fn lost(
    worker: &Worker,
    claim: &Held,
    target: &Path,
) -> std::result::Result<bool, SettleError> {
    let task = tasks::find(&*worker.database, &claim.task_id)
        .await
        .map_err(SettleError::Store)?;
    // Queued or running again: the next attempt finds the note and this very file.
    let is_over =
        task.is_none_or(|task| task.status.is_final() && task.status != Status::Succeeded);
    if is_over {
        let _ = tokio::fs::remove_file(target).await;
    }
    Ok(false)
}

fn finished(worker: &Worker, task: &Task, ready: &Ready, now: i64) -> Result<Finished> {
    let spec = DownloadSpec::from_json(&task.spec)?;
    let ttl_ms = i64::try_from(worker.settings.media.quick_ttl_s.saturating_mul(1000));
    let expires_at = match spec.mode {
        Mode::QuickDownload => Some(now.saturating_add(ttl_ms.unwrap_or(i64::MAX))),
        Mode::Archive => None,
    };
    let result = TaskResult {
        file_name: ready.file_name.clone(),
        file_size: ready.file_size,
        md5: ready.md5.clone(),
        sha256: ready.sha256.clone(),
        rows: None,
        expires_at: expires_at.map(rfc3339),
    };
    let progress = Progress {
        percent: 100.0,
        stage: "done".to_owned(),
        downloaded_bytes: Some(ready.file_size),
        total_bytes: Some(ready.file_size),
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

/// Size, MD5 and SHA-256 in one pass.
fn hash(path: &Path) -> io::Result<(i64, String, String)> {
    let mut file = File::open(path)?;
    let mut md5 = Md5::new();
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        size += i64::try_from(count).map_err(io::Error::other)?;
        md5.update(&buffer[..count]);
        sha256.update(&buffer[..count]);
    }
    file.sync_all()?;
    Ok((
        size,
        hex::encode(md5.finalize()),
        hex::encode(sha256.finalize()),
    ))
}

/// A rename; where an earlier attempt did it already, nothing.
fn move_to(source: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    if source.is_file() {
        fs::rename(source, target)?;
    } else if !target.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    sync_folder(folder)
}

/// Makes names in a folder outlive a power cut.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
