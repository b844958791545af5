//! Builds the components whose sources are newer than their Wasm, so that one command serves a checkout.

use super::manifest::{self, Component, Problems};
use crate::process;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const TARGET: &str = "wasm32-wasip2";

/// When the sources lie beside the manifest, builds all stale components with one call of cargo.
/// Components are named like their packages.
pub async fn build_stale(manifest: &Path) -> Result<()> {
    let path = std::path::absolute(manifest)?;
    let folder = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    if !folder.join("Cargo.toml").exists() {
        return Ok(());
    }
    // What is wrong with the manifest is reported when it is loaded.
    let manifest = manifest::read(&path, &mut Problems::default())?;
    let stale = tokio::task::spawn_blocking(move || {
        let stale = manifest.components.into_iter();
        stale
            .filter(|(_, component)| is_stale(component))
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    })
    .await?;
    if stale.is_empty() {
        return Ok(());
    }
    tracing::info!(components = stale.join(", "), "building what is stale");
    add_target(&folder).await?;
    cargo_build(&folder, &stale).await
}

/// What there is of the components.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// How many the manifest names.
    pub all: usize,
    /// Without a Wasm.
    pub missing: Vec<String>,
    /// With one that is older than its sources.
    pub stale: Vec<String>,
    /// The sources lie beside the manifest, so that [`build_stale`] builds.
    pub has_sources: bool,
}

/// Looks, and builds nothing. Errors: the manifest cannot be read.
pub async fn look(manifest: &Path) -> Result<State> {
    let path = std::path::absolute(manifest)?;
    let manifest = manifest::read(&path, &mut Problems::default())?;
    let state = tokio::task::spawn_blocking(move || {
        let mut state = State {
            all: manifest.components.len(),
            has_sources: path.with_file_name("Cargo.toml").exists(),
            ..State::default()
        };
        for (id, component) in manifest.components {
            if modified(&component.source).is_none() {
                state.missing.push(id);
            } else if state.has_sources && is_stale(&component) {
                state.stale.push(id);
            }
        }
        state
    });
    Ok(state.await?)
}

fn is_stale(component: &Component) -> bool {
    let Some(build) = &component.build else {
        return false;
    };
    let Some(built) = modified(&component.source) else {
        return true;
    };
    build
        .watch
        .iter()
        .flat_map(|pattern| watched(&build.workdir, pattern))
        .filter_map(|file| modified(&file))
        .any(|changed| changed > built)
}

fn watched(workdir: &Path, pattern: &str) -> Vec<PathBuf> {
    // The folder is no pattern, whatever characters it has.
    let folder = glob::Pattern::escape(&workdir.to_string_lossy());
    match glob::glob(&format!("{folder}/{pattern}")) {
        Ok(files) => files.flatten().collect(),
        Err(error) => {
            tracing::warn!(pattern, %error, "`build.watch` has a malformed pattern");
            Vec::new()
        }
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}

/// Quick when it is there. Without rustup, cargo will say what is missing.
async fn add_target(folder: &Path) -> Result<()> {
    match process::run("rustup", &["target", "add", TARGET], folder).await {
        Ok(status) if !status.success() => bail!(
            "the Rust target {TARGET} could not be added; run `rustup target add {TARGET}` and look at its message"
        ),
        _ => Ok(()),
    }
}

/// Builds components of the workspace in `folder` into its own `target` folder, in release mode.
pub async fn cargo_build(folder: &Path, packages: &[String]) -> Result<()> {
    // Given, since the manifest names files below it, whatever CARGO_TARGET_DIR says.
    let target_dir = folder.join("target");
    let mut arguments = ["build", "--release", "--target", TARGET, "--target-dir"]
        .map(std::ffi::OsString::from)
        .to_vec();
    arguments.push(target_dir.into());
    for package in packages {
        arguments.extend(["-p".into(), package.into()]);
    }
    let status = process::run("cargo", &arguments, folder)
        .await
        .context("Rust is needed to build the components; see https://rustup.rs")?;
    if !status.success() {
        bail!(
            "the components could not be built ({status}); see cargo's messages above (they need the Rust target {TARGET})"
        );
    }
    Ok(())
}
