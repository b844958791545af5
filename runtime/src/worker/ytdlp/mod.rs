//! yt-dlp as a child process behind the forward proxy: options and URL on its input, JSON lines back, every
//! end of it turned into a [`Failure`] that the user can read.

mod access;
mod attempt;
mod download;
mod extras;
mod failure;
mod folder;
mod options;
mod parse;
mod progress;
mod scratch;
mod sniff;
#[cfg(test)]
mod tests;

pub use download::{DownloadError, DownloadJob, Downloaded};
pub use extras::FetchedExtra;

use crate::egress::ForwardProxy;
use crate::tools::Tools;
use scratch::Scratch;
use shared::domain::task::Failure;
use std::path::PathBuf;
use std::sync::Arc;

/// Runs yt-dlp. Cheap to clone; every call is a process of its own.
#[derive(Clone)]
pub struct Ytdlp {
    tools: Tools,
    proxy: Arc<ForwardProxy>,
    /// Where parses get their short-lived folders, and cookie jars their files.
    scratch: Arc<Scratch>,
}

impl Ytdlp {
    /// Makes a scratch folder of this process below `scratch`. Errors: the disk refuses.
    pub async fn open(
        tools: Tools,
        proxy: Arc<ForwardProxy>,
        scratch: PathBuf,
    ) -> std::io::Result<Self> {
        let opened = tokio::task::spawn_blocking(move || Scratch::open(&scratch)).await;
        Ok(Self {
            tools,
            proxy,
            scratch: Arc::new(opened.map_err(std::io::Error::other)??),
        })
    }

    /// Whether downloads can work here.
    pub fn is_ready(&self) -> bool {
        let tools = self.tools.now();
        tools.ytdlp.is_some() && tools.ffmpeg.is_some()
    }

    /// Bytes that came in from outside since the start.
    pub fn received_bytes(&self) -> u64 {
        self.proxy.received_bytes()
    }

    /// What runs; attempts that start after a replacement use the new one.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }
}
