//! Python packages below the tools folder, set up with the user's own pip settings.

use crate::process::{Job, capture};
use shared::limits::{TOOL_OUTPUT_BYTES_MAX, TOOL_SETUP_S_MAX};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// An interpreter that can set packages up.
pub(super) struct Python<'a> {
    pub(super) program: PathBuf,
    /// The folder that packages are set up in.
    pub(super) tools: &'a Path,
    pub(super) may_set_up: bool,
}

/// A package that is set up, but not in its place yet. Removed again unless it is put there.
pub(super) struct Aside {
    pub(super) folder: PathBuf,
    is_placed: bool,
}

impl Python<'_> {
    /// A pinned package, set up when it is not there; the folder that holds it.
    pub(super) async fn package(&self, name: &str, version: &str) -> Result<PathBuf, String> {
        let place = self.tools.join(format!("{name}-{version}"));
        if is_whole(&place, name) {
            return Ok(place);
        }
        let aside = self.install(name, &format!("{name}=={version}")).await?;
        aside.put(&place, name).await?;
        Ok(place)
    }

    /// Sets a package up beside the others, so that a half one is never used.
    pub(super) async fn install(&self, name: &str, wanted: &str) -> Result<Aside, String> {
        if !self.may_set_up {
            return Err("it is not set up yet".to_owned());
        }
        let aside = Aside {
            folder: self.tools.join(format!(".{name}-{}", uuid::Uuid::now_v7())),
            is_placed: false,
        };
        let result = self.pip(&self.program, &aside.folder, &[wanted]).await;
        let Err(why) = result else { return Ok(aside) };
        // A Python without pip may still be able to make an environment that has it.
        let environment = self.tools.join("venv");
        let make = [
            "-m".into(),
            "venv".into(),
            environment.clone().into_os_string(),
        ];
        if !why.contains("No module named pip") || self.run(&self.program, &make).await.is_err() {
            return Err(why);
        }
        let python = environment.join("bin").join("python");
        self.pip(&python, &aside.folder, &[wanted]).await?;
        Ok(aside)
    }

    /// Adds packages to a folder, without what they depend on. What cannot be had is left out.
    pub(super) async fn add(&self, folder: &Path, wanted: &[String]) {
        for package in wanted.iter().filter(|_| self.may_set_up) {
            let arguments = ["--no-deps", "--retries", "1", package.as_str()];
            if let Err(why) = self.pip(&self.program, folder, &arguments).await {
                tracing::warn!(package, why, "could not be set up beside yt-dlp");
            }
        }
    }

    async fn pip(&self, python: &Path, target: &Path, arguments: &[&str]) -> Result<(), String> {
        let base = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ];
        let mut argv: Vec<OsString> = base.iter().map(OsString::from).collect();
        argv.extend(["--target".into(), target.as_os_str().to_owned()]);
        argv.extend(arguments.iter().map(OsString::from));
        self.run(python, &argv).await
    }

    /// Runs one step of a set-up with our whole environment: pip's index and proxies stand there.
    async fn run(&self, python: &Path, arguments: &[OsString]) -> Result<(), String> {
        let mut argv = vec![python.as_os_str().to_owned()];
        argv.extend_from_slice(arguments);
        let job = Job {
            argv: &argv,
            folder: self.tools,
            environment: std::env::vars_os().collect(),
            input: Vec::new(),
        };
        let limit = Duration::from_secs(TOOL_SETUP_S_MAX);
        let captured = timeout(limit, capture(job, TOOL_OUTPUT_BYTES_MAX))
            .await
            .map_err(|_| "setting it up took too long".to_owned())?
            .map_err(|error| error.to_string())?;
        if captured.status.success() {
            return Ok(());
        }
        let last = captured
            .stderr
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty());
        Err(last.unwrap_or("pip failed").trim().to_owned())
    }
}

impl Aside {
    /// Puts the package in its place by one rename. Another worker that shares this folder may have been
    /// first; then its one stays.
    pub(super) async fn put(mut self, place: &Path, name: &str) -> Result<(), String> {
        match tokio::fs::rename(&self.folder, place).await {
            Ok(()) => {
                self.is_placed = true;
                Ok(())
            }
            Err(_) if is_whole(place, name) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.is_placed {
            return;
        }
        let folder = std::mem::take(&mut self.folder);
        // Dropping happens on async threads too, and removing blocks.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { tokio::fs::remove_dir_all(folder).await });
        }
    }
}

/// Whether the folder holds the package of this name.
pub(super) fn is_whole(place: &Path, name: &str) -> bool {
    place.join(name.replace('-', "_")).is_dir()
}

/// Gives the wheel's binary, whose name holds platform and version, the name that yt-dlp looks for.
pub(super) async fn link_binary(package: &Path) -> std::io::Result<PathBuf> {
    let mut entries = tokio::fs::read_dir(package.join("imageio_ffmpeg").join("binaries")).await?;
    while let Some(entry) = entries.next_entry().await? {
        if entry.file_name().to_string_lossy().starts_with("ffmpeg-") {
            let link = package.join("ffmpeg");
            match tokio::fs::symlink(entry.path(), &link).await {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(error);
                }
                _ => return Ok(link),
            }
        }
    }
    Err(std::io::Error::other(
        "the wheel for this platform holds no binary",
    ))
}
