//! What yt-dlp says during one run, and what that means.

use super::access::Access;
use super::download::DownloadJob;
use super::folder::finished;
use super::progress::{self, Line};
use super::sniff::is_media;
use super::{Failure, failure};
use crate::egress::ProxyTicket;
use crate::process::{Process, push_bounded};
use shared::domain::media::Format;
use shared::domain::progress::MergedProgress;
use shared::limits::{DOWNLOAD_OVERHEAD_BYTES, PROCESS_LINE_BYTES_MAX, PROCESS_STDERR_BYTES_MAX};
use shared::wire::task::Progress;
use std::path::{Path, PathBuf};

/// The exit code of yt-dlp when a `--break-match-filters` filter refuses a video.
const EXIT_FILTERED: i32 = 101;

/// What yt-dlp has said so far.
pub(super) struct Attempt<'a> {
    ticket: &'a ProxyTicket,
    max_bytes: u64,
    pub(super) merged: MergedProgress,
    is_live: Option<bool>,
    pub(super) moved: Option<Moved>,
    pub(super) stderr: String,
}

/// What yt-dlp calls the finished file.
pub(super) struct Moved {
    pub(super) title: Option<String>,
    pub(super) path: PathBuf,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(job: &DownloadJob, access: &'a Access) -> Self {
        Self {
            ticket: &access.ticket,
            max_bytes: job.max_bytes,
            merged: MergedProgress::new(),
            is_live: None,
            moved: None,
            stderr: String::new(),
        }
    }

    /// Reads both outputs to their end. Errors: what must stop the process at once.
    pub(super) async fn follow(
        &mut self,
        process: &mut Process,
        on_progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), Failure> {
        let Process { stdout, stderr, .. } = process;
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            let (line, from_stderr) = tokio::select! {
                line = stdout.line(PROCESS_LINE_BYTES_MAX), if out_open => (line, false),
                line = stderr.line(PROCESS_LINE_BYTES_MAX), if err_open => (line, true),
            };
            let Some(line) = line.map_err(failure::internal)? else {
                if from_stderr {
                    err_open = false
                } else {
                    out_open = false
                }
                continue;
            };
            match progress::parse(&line) {
                Some(line) => self.take(line, on_progress)?,
                None if from_stderr => self.hear(&line)?,
                None => {}
            }
        }
        Ok(())
    }

    /// A diagnostic.
    fn hear(&mut self, line: &str) -> Result<(), Failure> {
        // ffmpeg would take URL and cookies on its command line. It has no way out either.
        if line.contains("will be delegated to ffmpeg") {
            return Err(failure::unreadable_stream());
        }
        push_bounded(&mut self.stderr, line, PROCESS_STDERR_BYTES_MAX);
        Ok(())
    }

    fn take(
        &mut self,
        line: Line,
        on_progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), Failure> {
        match line {
            Line::Seen { is_live } => self.is_live = Some(is_live),
            Line::Planned(streams) => {
                let exact = streams.iter().filter_map(|stream| stream.exact_bytes);
                if exact.fold(0u64, u64::saturating_add) > self.max_bytes {
                    return Err(failure::too_large());
                }
                // From here on it is the file that comes in, not pages held in memory.
                self.ticket
                    .limit_bytes(self.max_bytes.saturating_add(DOWNLOAD_OVERHEAD_BYTES));
                self.merged.plan(
                    streams
                        .into_iter()
                        .map(|stream| (stream.id, stream.exact_bytes.or(stream.estimated_bytes))),
                );
            }
            Line::Stream {
                id,
                report,
                total_is_exact,
            } => {
                let position = self.merged.advance(&id, report);
                let announced = report.total_bytes.filter(|_| total_is_exact).unwrap_or(0);
                if announced > self.max_bytes || self.merged.downloaded_bytes() > self.max_bytes {
                    return Err(failure::too_large());
                }
                on_progress(progress::on_the_wire(position));
            }
            Line::Step => on_progress(progress::on_the_wire(self.merged.processing())),
            Line::Moved { title, path } => {
                self.moved = Some(Moved {
                    title,
                    path: path.into(),
                })
            }
        }
        Ok(())
    }

    /// Why yt-dlp ended without a file.
    pub(super) async fn explain(
        &self,
        exit: Option<i32>,
        folder: &Path,
        format: Format,
        access: &Access,
    ) -> Failure {
        if exit == Some(EXIT_FILTERED) {
            return match self.is_live {
                Some(true) => failure::live_stream(),
                _ => failure::playlist(),
            };
        }
        let found = failure::classify(&self.stderr, self.ticket.refusal());
        if found.code != "conversion_failed" {
            return found;
        }
        // ffmpeg only says that it does not understand what came.
        for path in finished(folder).await.unwrap_or_default() {
            if path
                .extension()
                .is_some_and(|extension| extension != format.extension())
                && is_media(&path, access).await == Ok(false)
            {
                return failure::not_media();
            }
        }
        found
    }
}
