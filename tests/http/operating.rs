//! The commands of who operates the product: what is configured, what is wrong, backups.

mod backup;
mod config;
mod deployed;
mod doctor;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use tests::binary;

/// A command of the binary in this folder, with this environment beside the settings that the folder's
/// `wharf.toml` holds.
fn wharf(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars() {
        if name.starts_with("WHARF_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(arguments)
        .envs(env.iter().copied())
        .current_dir(folder)
        .output();
    output.expect("the binary starts")
}

/// What a command that must succeed says in JSON.
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}
