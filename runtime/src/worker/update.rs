//! Brings yt-dlp to the version that an admin asked for (VA-16). Where that cannot be had, the one that
//! worked stays and the worker says why.

use super::Worker;
use crate::clock::now_ms;
use shared::Result;
use shared::domain::ytdlp::Release;
use shared::limits::WORKER_BEAT_MS;
use shared::store::tools;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

const YTDLP: &str = "yt-dlp";

pub async fn run(worker: Arc<Worker>) {
    let started_at = now_ms();
    // When the request was made that was answered last.
    let mut answered_at = 0;
    loop {
        match run_one(&worker, started_at, answered_at).await {
            Ok(at) => answered_at = at,
            Err(error) => tracing::error!(%error, "could not read which tools are asked for"),
        }
        if !worker.pause(Duration::from_millis(WORKER_BEAT_MS)).await {
            return;
        }
    }
}

/// Returns when the request was made that is answered now.
async fn run_one(worker: &Worker, started_at: i64, answered_at: i64) -> Result<i64> {
    let Some(request) = tools::requested(&*worker.database, YTDLP).await? else {
        return Ok(answered_at);
    };
    if request.requested_at == answered_at {
        return Ok(answered_at);
    }
    let release = Release::parse(&request.version)?;
    let is_due = match release {
        // What was newest when somebody asked was installed then and is remembered in the data folder.
        Release::Latest => request.requested_at > started_at,
        Release::Exactly(version) => worker.ytdlp_version() != Some(version.to_string()),
    };
    if is_due {
        let updated = tokio::select! {
            updated = worker.ytdlp.tools().update_ytdlp(release) => updated,
            () = worker.stop.cancelled() => return Ok(answered_at),
        };
        match &updated {
            Ok(version) => tracing::info!(%version, "yt-dlp was replaced"),
            Err(why) => tracing::error!(why, version = request.version, "yt-dlp was not replaced"),
        }
        worker.set_update_error(updated.err());
        worker.wake();
    }
    Ok(request.requested_at)
}

impl Worker {
    /// The version of yt-dlp that attempts use from now on.
    pub fn ytdlp_version(&self) -> Option<String> {
        let tools = self.ytdlp.tools().now();
        tools.ytdlp.as_ref().map(|it| it.version.to_string())
    }

    /// Why the last version that was asked for is not in use.
    pub fn update_error(&self) -> Option<String> {
        let error = self.update_error.lock();
        error.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_update_error(&self, error: Option<String>) {
        let mut kept = self
            .update_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = error;
    }
}
