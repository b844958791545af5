//! `wharf backup` and `wharf restore`.

use crate::backup::{self, Source, Written};
use crate::data_folder;
use crate::database::Handle;
use crate::keys;
use crate::settings::{Flags, Settings};
use anyhow::{Context, bail};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where a backup goes, or comes from, instead of a file.
const STANDARD: &str = "-";

#[derive(clap::Args)]
pub struct Target {
    /// A tar file, or - for standard output
    file: PathBuf,
}

#[derive(clap::Args)]
pub struct Origin {
    /// A tar file that `wharf backup` wrote, or - for standard input
    file: PathBuf,
    /// Move what is in the data folder aside
    #[arg(long)]
    force: bool,
}

pub async fn backup(flags: &Flags, target: Target, json: bool) -> anyhow::Result<()> {
    let settings = Settings::load(flags)?;
    if !settings.data_dir.is_dir() {
        bail!(
            "There is no data folder {} to back up.",
            settings.data_dir.display()
        );
    }
    data_folder::enter(&settings.data_dir)?;
    let source = match settings.database_url.as_str() {
        "" => Source::Sqlite,
        url => Source::Postgres(Handle::open(url, &settings.data_dir)?.database()),
    };
    say_what_is_not_in_it(&settings, &source);
    let data_dir = settings.data_dir.clone();
    let done = tokio::task::spawn_blocking(move || {
        if target.file == Path::new(STANDARD) {
            to_standard_output(&data_dir, &source)
        } else {
            to_file(&data_dir, &source, &target.file, json)
        }
    });
    done.await?
}

fn say_what_is_not_in_it(settings: &Settings, source: &Source) {
    if let Source::Postgres(_) = source {
        eprintln!(
            "The rows are in PostgreSQL and are not in this backup: dump them with pg_dump before you run this. It holds \
             the keys and the files that the rows name now."
        );
    }
    let elsewhere = keys::names_of_set(settings);
    if !elsewhere.is_empty() {
        eprintln!(
            "These keys come from the settings, which are not in the backup; keep them too: {}.",
            elsewhere.join(", ")
        );
    }
}

fn to_standard_output(data_dir: &Path, source: &Source) -> anyhow::Result<()> {
    let output = io::stdout().lock();
    if output.is_terminal() {
        bail!("A backup is not for a terminal; name a file, or send the output somewhere.");
    }
    let written = backup::write(data_dir, source, BufWriter::new(output))?;
    eprintln!("{}", summary(&written));
    Ok(())
}

/// Under another name until it is whole.
fn to_file(data_dir: &Path, source: &Source, path: &Path, json: bool) -> anyhow::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let context = || format!("writing {}", path.display());
    let written = into_new(&partial, |file| backup::write(data_dir, source, file));
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            let _left = fs::remove_file(&partial);
            return Err(error.context(context()));
        }
    };
    fs::rename(&partial, path).with_context(context)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .with_context(context)?;
    match json {
        true => println!("{}", serde_json::to_string(&written)?),
        false => println!("{}", summary(&written)),
    }
    Ok(())
}

/// A file that is readable by its owner only: keys are in it.
fn into_new<T>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // A new one, not one that others may have open.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut file = BufWriter::new(file);
    let done = write(&mut file)?;
    file.flush()?;
    file.into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()?;
    Ok(done)
}

fn summary(written: &Written) -> String {
    let Written {
        files,
        bytes,
        missing,
    } = written;
    let missing = match missing {
        0 => String::new(),
        count => format!("; {count} files that rows name are gone"),
    };
    format!("Backed up: {files} files beside database and keys, {bytes} bytes in all{missing}.")
}

pub async fn restore(flags: &Flags, origin: Origin, json: bool) -> anyhow::Result<()> {
    let settings = Settings::load(flags)?;
    let done = tokio::task::spawn_blocking(move || {
        let has_postgres = !settings.database_url.is_empty();
        let data_dir = &settings.data_dir;
        let restored = if origin.file == Path::new(STANDARD) {
            backup::read(io::stdin().lock(), data_dir, has_postgres, origin.force)
        } else {
            let file = File::open(&origin.file);
            let file = file.with_context(|| format!("opening {}", origin.file.display()))?;
            backup::read(file, data_dir, has_postgres, origin.force)
        }?;
        if json {
            println!("{}", serde_json::to_string(&restored)?);
        } else {
            let at = shared::wire::time::rfc3339(restored.about.created_at);
            println!(
                "Restored into {} what was there at {at}; start Wharf.",
                data_dir.display()
            );
        }
        Ok(())
    });
    done.await?
}
