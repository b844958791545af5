//! Writing a backup.

use super::copy::Copy;
use super::hashing::Hashing;
use super::{ABOUT, About, FORMAT, Kind, MANIFEST, is_member, line};
use crate::clock::now_ms;
use crate::database::SQLITE_FILE;
use crate::keys;
use crate::worker::clean::accompanies;
use anyhow::{Context, bail};
use serde::Serialize;
use shared::limits::BACKUP_ROWS;
use shared::store::{Database, files, health};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tar::{Builder, EntryType, Header};

/// Where the rows are.
pub enum Source {
    /// In `wharf.db` of the data folder; they are copied.
    Sqlite,
    /// In PostgreSQL; they name the files, and are saved by other means.
    Postgres(Arc<dyn Database>),
}

/// What a backup holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Written {
    /// Beside database and keys.
    pub files: u64,
    /// Of all members together.
    pub bytes: u64,
    /// Files of rows that had been removed meanwhile, or were missing before.
    pub missing: u64,
}

/// Writes a backup of the data folder. Nothing of it is in memory but a piece of one file. Blocks; asks the database
/// on the runtime that it is called from.
pub fn write(data_dir: &Path, source: &Source, target: impl Write) -> anyhow::Result<Written> {
    let copy = match source {
        Source::Sqlite => Some(Copy::make(data_dir)?),
        Source::Postgres(_) => None,
    };
    let (database, kind): (&dyn Database, _) = match (&copy, source) {
        (Some(copy), _) => (copy.database(), Kind::Sqlite),
        (None, Source::Postgres(database)) => (&**database, Kind::Postgresql),
        (None, Source::Sqlite) => bail!("There is no copy of the database."),
    };
    let runtime = tokio::runtime::Handle::current();
    let applied = runtime.block_on(health::applied(database))?;
    let about = About {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: now_ms(),
        database: kind,
        migration: applied.last().copied().unwrap_or(0),
    };
    let mut archive = Archive::new(target, data_dir)?;
    archive.add_bytes(ABOUT, &serde_json::to_vec_pretty(&about)?)?;
    if let Some(copy) = &copy {
        let file = File::open(copy.path()).context("reading the copy of the database")?;
        archive.add(Path::new(SQLITE_FILE), file)?;
    }
    if let Ok(file) = File::open(keys::file(data_dir)) {
        archive.add(Path::new(keys::FILE), file)?;
    }
    let mut after = String::new();
    loop {
        let rows = runtime.block_on(files::present(database, &after, BACKUP_ROWS))?;
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.task_id);
        for path in rows.into_iter().filter_map(|row| row.file_path) {
            archive.add_with_companions(data_dir, Path::new(&path))?;
        }
    }
    archive.finish()
}

/// A tar with a manifest.
struct Archive<W: Write> {
    tar: Builder<W>,
    /// Grows with every member, and so lies on the disk.
    manifest: File,
    written: Written,
}

impl<W: Write> Archive<W> {
    fn new(target: W, data_dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            tar: Builder::new(target),
            manifest: nameless(data_dir).context("writing into the data folder")?,
            written: Written::default(),
        })
    }

    /// A finished file with its subtitles and its thumbnail.
    fn add_with_companions(&mut self, data_dir: &Path, path: &Path) -> anyhow::Result<()> {
        if !is_member(path) {
            bail!(
                "A row names {}, which is no file of the data folder.",
                path.display()
            );
        }
        let whole = data_dir.join(path);
        let Ok(file) = File::open(&whole) else {
            self.written.missing += 1;
            return Ok(());
        };
        self.add(path, file)?;
        self.written.files += 1;
        if path.starts_with("exports") {
            // They are alone, and many may lie in one folder.
            return Ok(());
        }
        let folder = whole.parent().unwrap_or(data_dir);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let beside = entry.path();
            if !accompanies(&beside, &whole) {
                continue;
            }
            if let (Ok(file), Ok(name)) = (File::open(&beside), beside.strip_prefix(data_dir)) {
                self.add(name, file)?;
                self.written.files += 1;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, file: File) -> anyhow::Result<()> {
        let found = file.metadata()?;
        if !found.is_file() {
            bail!("{} is no file.", path.display());
        }
        let mut header = header(found.len());
        let changed = found
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        header.set_mtime(changed.map_or(0, |since| since.as_secs()));
        let context = || format!("backing up {}", path.display());
        let sha256 = self.append(header, path, file).with_context(context)?;
        self.note(&sha256, path)
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let sha256 = self.append(header(bytes.len() as u64), Path::new(name), bytes)?;
        self.note(&sha256, Path::new(name))
    }

    /// Gives the SHA-256.
    fn append(
        &mut self,
        mut header: Header,
        path: &Path,
        data: impl Read,
    ) -> anyhow::Result<Vec<u8>> {
        let size = header.size()?;
        let mut data = Hashing::new(data.take(size));
        self.tar.append_data(&mut header, path, &mut data)?;
        let (sha256, bytes) = data.finish();
        if bytes != size {
            bail!("it has become shorter while it was read");
        }
        self.written.bytes += bytes;
        Ok(sha256)
    }

    fn note(&mut self, sha256: &[u8], path: &Path) -> anyhow::Result<()> {
        let noted = self.manifest.write_all(&line(sha256, path));
        noted.context("writing into the data folder")
    }

    fn finish(mut self) -> anyhow::Result<Written> {
        let size = self.manifest.stream_position()?;
        self.manifest.rewind()?;
        let manifest = self.manifest.try_clone()?;
        self.append(header(size), Path::new(MANIFEST), manifest)?;
        self.tar.into_inner()?.flush()?;
        Ok(self.written)
    }
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(size);
    header
}

/// A file that nobody else sees.
pub(super) fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!(".manifest-{}", uuid::Uuid::now_v7()));
    let mut options = fs::OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
