//! Where the tools are.

use super::package::{Python, link_binary};
use super::{Found, Note};
use crate::process::{Captured, Job, capture};
use shared::limits::{TOOL_CHECK_S_MAX, TOOL_OUTPUT_BYTES_MAX};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// A wheel that carries an ffmpeg binary.
const IMAGEIO_FFMPEG_PINNED: &str = "0.6.0";
/// yt-dlp needs Python 3.10.
const PYTHON_OLDEST: (u32, u32) = (3, 10);

/// A look around this machine, and the folder in which tools are set up.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) folder: PathBuf,
    /// False: what is not there stays so.
    may_set_up: bool,
}

impl Search {
    pub(super) async fn below(data_dir: &Path, notes: &mut Vec<Note>) -> Self {
        let folder = data_dir.join("tools");
        if let Err(error) = tokio::fs::create_dir_all(&folder).await {
            notes.push(Note::problem(format!(
                "Tools cannot be set up in {}: {error}.",
                folder.display()
            )));
        }
        // A relative path would be resolved again in each task's folder.
        let folder = tokio::fs::canonicalize(&folder).await.unwrap_or(folder);
        Self {
            folder,
            may_set_up: true,
        }
    }

    /// Sets nothing up.
    pub(super) async fn looking(data_dir: &Path) -> Self {
        let folder = data_dir.join("tools");
        let folder = tokio::fs::canonicalize(&folder).await.unwrap_or(folder);
        Self {
            folder,
            may_set_up: false,
        }
    }

    pub(super) async fn ffmpeg(&self, setting: Option<PathBuf>) -> Found<PathBuf> {
        if let Some(path) = setting {
            let path = std::path::absolute(&path).unwrap_or(path);
            return if self.is_ffmpeg(&path).await {
                let text = format!("ffmpeg at {}.", path.display());
                Ok((path, text))
            } else {
                Err(format!(
                    "media.ffmpeg names {}, which is not ffmpeg: downloads do not work.",
                    path.display()
                ))
            };
        }
        if let Some(path) = in_path("ffmpeg").await
            && self.is_ffmpeg(&path).await
        {
            let text = format!("ffmpeg at {}.", path.display());
            return Ok((path, text));
        }
        let missing = |why: &str| {
            format!(
                "ffmpeg is missing ({why}): downloads do not work. Install ffmpeg, or Python 3.10 or newer with pip, and start again."
            )
        };
        let python = self.python().await.ok_or_else(|| missing(NO_PYTHON))?;
        let package = python
            .package("imageio-ffmpeg", IMAGEIO_FFMPEG_PINNED)
            .await
            .map_err(|why| missing(&why))?;
        let link = link_binary(&package)
            .await
            .map_err(|error| missing(&error.to_string()))?;
        if !self.is_ffmpeg(&link).await {
            return Err(missing("the one that was set up does not run"));
        }
        let text = format!("ffmpeg at {}.", link.display());
        Ok((link, text))
    }

    async fn is_ffmpeg(&self, path: &Path) -> bool {
        let command = [path.as_os_str().to_owned()];
        self.ask(&command, &["-version"])
            .await
            .is_some_and(|text| text.starts_with("ffmpeg version"))
    }

    /// A real interpreter: what a shim in `PATH` starts, named by itself.
    pub(super) async fn python(&self) -> Option<Python<'_>> {
        const SCRIPT: &str = "import sys; print(*sys.version_info[:2]); print(sys.executable)";
        for name in [
            "python3",
            "python3.14",
            "python3.13",
            "python3.12",
            "python3.11",
            "python3.10",
            "python",
        ] {
            let Some(text) = self.ask(&[name.into()], &["-I", "-c", SCRIPT]).await else {
                continue;
            };
            let mut lines = text.lines();
            let version = lines.next().and_then(|line| line.split_once(' '));
            let version =
                version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
            if let (Some(version), Some(path)) = (version, lines.next())
                && version >= PYTHON_OLDEST
                && !path.is_empty()
            {
                return Some(Python {
                    program: PathBuf::from(path),
                    tools: &self.folder,
                    may_set_up: self.may_set_up,
                });
            }
        }
        None
    }

    /// What a program prints on success.
    pub(super) async fn ask(&self, command: &[OsString], arguments: &[&str]) -> Option<String> {
        let captured = self.look(command, arguments).await?;
        let stdout = captured.status.success().then_some(captured.stdout)??;
        Some(String::from_utf8_lossy(&stdout).into_owned())
    }

    /// What a program says, however it ends; None when it does not run or takes too long.
    pub(super) async fn look(&self, command: &[OsString], arguments: &[&str]) -> Option<Captured> {
        let mut argv = command.to_vec();
        argv.extend(arguments.iter().map(OsString::from));
        // Programs run in a folder, also where none was made yet.
        let folder = match self.folder.is_dir() {
            true => &*self.folder,
            false => Path::new("/"),
        };
        let job = Job {
            argv: &argv,
            folder,
            environment: Vec::new(),
            input: Vec::new(),
        };
        let limit = Duration::from_secs(TOOL_CHECK_S_MAX);
        timeout(limit, capture(job, TOOL_OUTPUT_BYTES_MAX))
            .await
            .ok()?
            .ok()
    }
}

/// Why nothing can be set up.
pub(super) const NO_PYTHON: &str = "no Python 3.10 or newer found";

/// The file of this name in `PATH`.
pub(super) async fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    for folder in std::env::split_paths(&path) {
        let candidate = folder.join(name);
        if folder.is_absolute()
            && tokio::fs::metadata(&candidate)
                .await
                .is_ok_and(|meta| meta.is_file())
        {
            return Some(candidate);
        }
    }
    None
}
