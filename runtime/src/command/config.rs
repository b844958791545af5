//! `wharf config spin`: what real Spin needs to serve the same application (see docs/spin.md).

use super::parts;
use crate::database::SQLITE_FILE;
use crate::settings::Flags;
use anyhow::Context;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Write spin-runtime.toml and spin-variables.toml for `spin up`
    Spin,
}

pub fn run(flags: &Flags, command: Command) -> anyhow::Result<()> {
    let Command::Spin = command;
    let settings = parts::settings(flags)?;
    let worker_url = match settings.worker.url.as_str() {
        "" => parts::local_url(settings.worker.listen),
        url => url.to_owned(),
    };
    let files_url = match settings.files.url.as_str() {
        "" => worker_url.clone(),
        url => url.to_owned(),
    };
    // Absolute: Spin resolves a relative path against the folder it is started in.
    let database = settings.data_dir.join(SQLITE_FILE);
    let runtime: toml::Table = toml::from_str(&format!(
        "[sqlite_database.default]\ntype = \"spin\"\npath = {}\n",
        toml::Value::from(database.display().to_string())
    ))?;
    write(Path::new("spin-runtime.toml"), &toml::to_string(&runtime)?)?;
    let variables = parts::variables(&settings, &worker_url, &files_url);
    write(
        Path::new("spin-variables.toml"),
        &toml::to_string(&variables)?,
    )?;
    println!(
        "Wrote spin-runtime.toml and spin-variables.toml (secrets inside, readable by you alone).\n\
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
