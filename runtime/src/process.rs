//! The one place that starts processes.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

/// Runs a program to its end in `cwd`; its output goes to ours. Dropped before the end, it is killed.
pub async fn run<A: AsRef<OsStr>>(program: &str, args: &[A], cwd: &Path) -> Result<ExitStatus> {
    tokio::process::Command::new(program)
        .args(args)
        .current_dir(cwd)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("{program} could not be started"))
}

/// What a program that succeeds prints.
pub async fn output<A: AsRef<OsStr>>(program: &str, args: &[A], cwd: &Path) -> Result<String> {
    let output = tokio::process::Command::new(program)
        .args(args)
        .current_dir(cwd)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{program} could not be started"))?;
    anyhow::ensure!(output.status.success(), "{program} failed ({})", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
