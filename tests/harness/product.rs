//! Where the product is, and one build of it for a whole test run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder with `spin.toml`.
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
}

/// Cargo's target folder.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace_root().join(folder),
        None => workspace_root().join("target"),
    }
}

/// The release binary, built on first use together with the components. `WHARF_TEST_BINARY` names a
/// ready one instead, for whoever keeps it fresh himself.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(ready) = std::env::var_os("WHARF_TEST_BINARY") {
            return ready.into();
        }
        let _lock = lock("product");
        cargo(&["build", "--release", "--package", "runtime"]);
        let mut arguments = vec!["build", "--release", "--target", "wasm32-wasip2"];
        let components = components();
        for name in &components {
            arguments.extend(["--package", name]);
        }
        cargo(&arguments);
        target_dir().join("release/wharf")
    })
}

/// The component ids of `spin.toml`, which are also the package names.
pub fn components() -> Vec<String> {
    let manifest = std::fs::read_to_string(workspace_root().join("spin.toml"))
        .expect("spin.toml at the workspace root");
    let manifest: toml::Table = manifest.parse().expect("spin.toml is TOML");
    match manifest.get("component").and_then(toml::Value::as_table) {
        Some(components) => components.keys().cloned().collect(),
        None => panic!("spin.toml names no component"),
    }
}

fn cargo(arguments: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // Build scripts (ring's, for one) run again when these change: with what `cargo test` sets for its
    // tests, every other build of the binary would start from far below.
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        let of_this_test = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        if of_this_test.iter().any(|prefix| shown.starts_with(prefix))
            || shown == "CARGO_PRIMARY_PACKAGE"
        {
            command.env_remove(&name);
        }
    }
    let status = command
        .args(arguments)
        .current_dir(workspace_root())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "cargo {} failed", arguments.join(" "));
}

/// An exclusive lock between all test processes of this target folder, held until dropped.
pub(crate) fn lock(name: &str) -> File {
    let folder = target_dir();
    std::fs::create_dir_all(&folder).expect("the target folder can be made");
    let file = File::create(folder.join(format!(".{name}.lock"))).expect("a lock file");
    file.lock().expect("the lock file can be locked");
    file
}
