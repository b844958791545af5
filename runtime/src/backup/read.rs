//! Reading a backup: everything is checked before anything is put in place.

use super::hashing::Hashing;
use super::write::nameless;
use super::{ABOUT, About, FORMAT, Kind, MANIFEST, is_member, line, place};
use crate::data_folder;
use anyhow::{Context, anyhow, bail};
use serde::Serialize;
use shared::limits::{BACKUP_ABOUT_BYTES_MAX, BACKUP_PIECE_BYTES};
use shared::store::migrations::MIGRATIONS;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use tar::{Archive, Entry, EntryType};

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// The backup's own word.
    pub about: About,
    /// All members, bytes.
    pub bytes: u64,
}

/// Puts a backup into the data folder, whole or not at all. `has_postgres`: the settings name a PostgreSQL, which then
/// has the rows. Errors: somebody is in the folder; it is not empty and this is not `forced`; the backup is damaged,
/// or of a newer Wharf. Blocks.
pub fn read(
    source: impl Read,
    data_dir: &Path,
    has_postgres: bool,
    forced: bool,
) -> anyhow::Result<Restored> {
    let _alone = data_folder::take(data_dir)?;
    // An earlier one that was cut off comes first: what it put in place may be what is asked about next.
    place::finish(data_dir)?;
    let occupied = place::occupied(data_dir)?;
    if !occupied.is_empty() && !forced {
        bail!(
            "{} is not empty ({}); with --force what is there is moved into a folder before-restore-… of it.",
            data_dir.display(),
            occupied.join(", ")
        );
    }
    let stage = place::stage(data_dir)?;
    let restored = extract(source, &stage, has_postgres);
    let restored = restored.and_then(|restored| {
        // All of it at once is far less than a wait for each file.
        nix::unistd::sync();
        place::commit(data_dir)?;
        Ok(restored)
    });
    if restored.is_err() {
        let _left = fs::remove_dir_all(&stage);
    }
    restored
}

fn extract(source: impl Read, stage: &Path, has_postgres: bool) -> anyhow::Result<Restored> {
    let mut tar = Archive::new(BufReader::new(source));
    let mut entries = tar.entries().map_err(damaged)?;
    let mut seen = Seen {
        lines: BufWriter::new(nameless(stage).context("writing into the data folder")?),
        bytes: 0,
    };
    let first = entries.next().ok_or_else(|| damaged("it is empty"))?;
    let about = about(first.map_err(damaged)?, &mut seen)?;
    suits(&about, has_postgres)?;
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        if path == Path::new(MANIFEST) {
            compare(entry, seen.lines)?;
            if entries.next().is_some() {
                return Err(damaged("something stands behind its manifest"));
            }
            return Ok(Restored {
                about,
                bytes: seen.bytes,
            });
        }
        member(entry, &path, stage, &mut seen)?;
    }
    Err(damaged("its end is missing"))
}

fn damaged(why: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("The backup is damaged, or is none ({why}); nothing was changed.")
}

/// What came out of the archive so far, as its manifest should have it.
struct Seen {
    lines: BufWriter<File>,
    bytes: u64,
}

impl Seen {
    fn note(&mut self, path: &Path, read: Hashing<impl Read>) -> anyhow::Result<()> {
        let (sha256, bytes) = read.finish();
        self.bytes += bytes;
        let noted = self.lines.write_all(&line(&sha256, path));
        noted.context("writing into the data folder")
    }
}

fn about(entry: Entry<'_, impl Read>, seen: &mut Seen) -> anyhow::Result<About> {
    if entry.path().map_err(damaged)? != Path::new(ABOUT) {
        return Err(damaged("it does not begin as one of Wharf's"));
    }
    let mut read = Hashing::new(entry.take(BACKUP_ABOUT_BYTES_MAX));
    let mut text = Vec::new();
    read.read_to_end(&mut text).map_err(damaged)?;
    seen.note(Path::new(ABOUT), read)?;
    serde_json::from_slice(&text).map_err(damaged)
}

/// Whether this Wharf, so configured, can use it.
fn suits(about: &About, has_postgres: bool) -> anyhow::Result<()> {
    let newest = MIGRATIONS.last().map_or(0, |it| it.number);
    if about.format > FORMAT || about.migration > newest {
        bail!(
            "The backup is of Wharf {}, which is newer than this one; restore it with that version.",
            about.version
        );
    }
    match (about.database, has_postgres) {
        (Kind::Sqlite, true) => bail!(
            "The backup holds a SQLite database, and database_url names a PostgreSQL; take that setting away, or \
             restore the dump of PostgreSQL."
        ),
        (Kind::Postgresql, false) => bail!(
            "The backup is of a Wharf on PostgreSQL and holds no rows; set database_url to the database that pg_restore \
             has filled."
        ),
        _ => Ok(()),
    }
}

fn member(
    mut entry: Entry<'_, impl Read>,
    path: &Path,
    stage: &Path,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    if entry.header().entry_type() != EntryType::Regular || !is_member(path) {
        let why = format!("{} does not belong into a data folder", path.display());
        return Err(damaged(why));
    }
    let changed = UNIX_EPOCH + Duration::from_secs(entry.header().mtime().map_err(damaged)?);
    let context = || format!("writing {}", path.display());
    let mut file = create(&stage.join(path)).with_context(context)?;
    let size = entry.size();
    let mut read = Hashing::new(&mut entry);
    let mut buffer = vec![0; BACKUP_PIECE_BYTES];
    loop {
        let count = read.read(&mut buffer).map_err(damaged)?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).with_context(context)?;
    }
    if read.count() != size {
        return Err(damaged(format!("{} ends too early", path.display())));
    }
    // Nothing depends on it.
    let _kept = file.set_modified(changed);
    seen.note(path, read)
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Whether the manifest says what came before it.
fn compare(manifest: impl Read, lines: BufWriter<File>) -> anyhow::Result<()> {
    let lines = lines.into_inner().map_err(|error| error.into_error());
    let mut lines = lines.context("writing into the data folder")?;
    lines.rewind()?;
    let (mut said, mut seen) = (
        BufReader::new(manifest).bytes(),
        BufReader::new(lines).bytes(),
    );
    loop {
        let said = said.next().transpose().map_err(damaged)?;
        match (said, seen.next().transpose()?) {
            (None, None) => return Ok(()),
            (said, seen) if said == seen => {}
            _ => return Err(damaged("a checksum does not hold")),
        }
    }
}
