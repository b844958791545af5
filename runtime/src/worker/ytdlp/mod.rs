//! yt-dlp as a child process behind the forward proxy: options on its input, JSON lines back, every
//! end of it turned into a [`Failure`] that the user can read.

mod download;
mod failure;
mod options;
mod parse;
mod progress;
#[cfg(test)]
mod tests;

pub use download::{DownloadError, DownloadJob, Downloaded};

use crate::egress::{ForwardProxy, ProxyTicket, Upstream};
use crate::tools::Tools;
use shared::domain::media::MediaUrl;
use shared::domain::task::Failure;
use shared::limits::EXTRACT_BYTES_MAX;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Runs yt-dlp. Cheap to clone; every call is a process of its own.
#[derive(Clone)]
pub struct Ytdlp {
    tools: Tools,
    proxy: Arc<ForwardProxy>,
    /// Where parses get their short-lived folders.
    scratch: PathBuf,
}

impl Ytdlp {
    pub fn new(tools: Tools, proxy: Arc<ForwardProxy>, scratch: PathBuf) -> Self {
        Self {
            tools,
            proxy,
            scratch,
        }
    }

    /// Whether downloads can work here.
    pub fn is_ready(&self) -> bool {
        self.tools.ytdlp.is_some() && self.tools.ffmpeg.is_some()
    }

    /// Bytes that came in from outside since the start.
    pub fn received_bytes(&self) -> u64 {
        self.proxy.received_bytes()
    }

    /// Looks at the URL's literal host, then gives the attempt its credentials and a budget for pages.
    fn admit(
        &self,
        task_id: &str,
        url: &MediaUrl,
        upstream: Option<Upstream>,
    ) -> Result<ProxyTicket, Failure> {
        shared::domain::egress::check_literal(url.as_url(), self.proxy.allow_list())?;
        let ticket = self
            .proxy
            .admit(task_id, upstream)
            .map_err(failure::internal)?;
        ticket.limit_bytes(EXTRACT_BYTES_MAX);
        Ok(ticket)
    }

    /// The whole command line. The URL is all that a user supplies, and it stands where no option can.
    fn command(&self, url: &MediaUrl) -> Result<Vec<OsString>, Failure> {
        let mut argv = self
            .tools
            .ytdlp
            .clone()
            .ok_or_else(|| failure::tool_missing("yt-dlp"))?;
        for argument in [
            "--ignore-config",
            "--config-locations",
            "-",
            "--",
            url.as_str(),
        ] {
            argv.push(argument.into());
        }
        Ok(argv)
    }
}

/// ffmpeg, should it open a URL that a file names, has only this way out.
fn environment(ticket: &ProxyTicket) -> Vec<(OsString, OsString)> {
    let mut environment = vec![
        // A static ffmpeg dies when it loads the machine's own character set modules, which reading
        // MPEG-TS makes it do; with a path that is not there it goes without.
        ("GCONV_PATH".into(), "/nonexistent".into()),
    ];
    environment
        .extend(["http_proxy", "https_proxy"].map(|name| (name.into(), ticket.url().into())));
    environment
}
