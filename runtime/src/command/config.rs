//! `wharf config show`: the settings as they are. `wharf config spin`: what real Spin needs to serve the same
//! application (see docs/spin.md).

use super::parts;
use crate::database::SQLITE_FILE;
use crate::keys;
use crate::settings::{Flags, Settings, Shown};
use anyhow::Context;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Print every setting with where it comes from; secrets are hidden
    Show,
    /// Write spin-runtime.toml, spin-variables.toml and spin-variables.env for Spin
    Spin,
}

pub fn run(flags: &Flags, command: Command, json: bool) -> anyhow::Result<()> {
    match command {
        Command::Show => show(flags, json),
        Command::Spin => spin(flags),
    }
}

/// Makes neither folder nor keys. As text it is TOML that says the same as what is in force.
fn show(flags: &Flags, json: bool) -> anyhow::Result<()> {
    let (mut settings, mut origins) = Settings::load_with_origins(flags)?;
    let generated = keys::complete_from_file(&mut settings)?;
    origins.set_generated(generated, keys::file(&settings.data_dir));
    let shown = settings.shown(&origins);
    if json {
        let all: Vec<_> = shown.iter().map(as_json).collect();
        return Ok(parts::say(&(serde_json::to_string_pretty(&all)? + "\n"))?);
    }
    let lines: String = shown.iter().map(as_line).collect();
    Ok(parts::say(&lines)?)
}

fn as_line(shown: &Shown) -> String {
    let origin = match shown.origin.parts() {
        (kind, Some(which)) => format!("{kind} {which}"),
        (kind, None) => kind.to_owned(),
    };
    match toml::Value::try_from(&shown.value) {
        Ok(value) => format!("{} = {value}  # {origin}\n", shown.key),
        Err(_) => format!("# {} is not set  # {origin}\n", shown.key),
    }
}

fn as_json(shown: &Shown) -> serde_json::Value {
    let (origin, at) = shown.origin.parts();
    serde_json::json!({ "key": shown.key, "value": shown.value, "origin": origin, "at": at })
}

fn spin(flags: &Flags) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    // Absolute: Spin resolves a relative path against the folder it is started in.
    let database = settings.data_dir.join(SQLITE_FILE);
    let runtime: toml::Table = toml::from_str(&format!(
        "[sqlite_database.default]\ntype = \"spin\"\npath = {}\n",
        toml::Value::from(database.display().to_string())
    ))?;
    write(Path::new("spin-runtime.toml"), &toml::to_string(&runtime)?)?;
    let variables = parts::variables(
        &settings,
        &settings.worker_url(),
        &settings.worker_files_url(),
    );
    write(
        Path::new("spin-variables.toml"),
        &toml::to_string(&variables)?,
    )?;
    // The same for what reads lines, such as `kubectl create secret generic --from-env-file`.
    let lines = variables
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"));
    write(Path::new("spin-variables.env"), &lines.collect::<String>())?;
    println!(
        "Wrote spin-runtime.toml, spin-variables.toml and spin-variables.env (secrets inside, readable by you alone).\n\
         Start: spin up --runtime-config-file spin-runtime.toml --variable @spin-variables.toml\n\
         and beside it: wharf work"
    );
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("writing {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
