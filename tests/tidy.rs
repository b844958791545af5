//! The rules of the house that no compiler checks: the routes agree everywhere they stand, and things are
//! where they belong.

#[path = "tidy/routes.rs"]
mod routes;
#[path = "tidy/source.rs"]
mod source;

use std::path::{Path, PathBuf};
use tests::{files_under, workspace_root};

/// One file of the workspace.
struct Source {
    /// Relative to the workspace, such as `shared/src/lib.rs`.
    path: String,
    text: String,
}

/// The Rust sources under these folders of the workspace, without what is built.
fn rust_under(folders: &[&str]) -> Vec<Source> {
    let paths: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| files_under(&workspace_root().join(folder)))
        .collect();
    let sources: Vec<Source> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| read(path))
        .filter(|source| !source.path.contains("/target/"))
        .collect();
    assert!(!sources.is_empty(), "no Rust under {folders:?}");
    sources
}

fn read(path: &Path) -> Source {
    let relative = path.strip_prefix(workspace_root()).unwrap_or(path);
    Source {
        path: relative.display().to_string(),
        text: std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    }
}

/// A file of the workspace as TOML.
fn toml_of(path: &str) -> toml::Table {
    read(&workspace_root().join(path))
        .text
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Source {
    /// The lines of the product's code with their numbers: without comments and without unit tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Every place of `sources` outside `allowed` (path prefixes) whose code holds one of `needles`.
fn places(sources: &[Source], needles: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        if allowed.iter().any(|prefix| source.path.starts_with(prefix)) {
            continue;
        }
        for (number, line) in source.code() {
            if needles.iter().any(|needle| line.contains(needle)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    found
}

/// Fails with all places at once.
#[track_caller]
fn none(rule: &str, places: Vec<String>) {
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}
