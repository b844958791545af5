//! `wharf backup` and `wharf restore`: one tar with the database, the keys and every file that a row names.
//!
//! The database is copied first, and then the files that the rows of this copy name: a file does not change once it
//! is there, so the two fit, whatever goes on meanwhile. The last member holds the SHA-256 of all others.
//!
//! | member | what it is |
//! | --- | --- |
//! | `wharf-backup.json` | [`About`] |
//! | `wharf.db` | the copy; missing where the rows are in PostgreSQL |
//! | `keys.toml` | the generated keys |
//! | `archive/…`, `exports/…`, `tmp/…` | files, under the names that they have in the data folder |
//! | `MANIFEST.sha256` | a line for each of them in this order, as `sha256sum` writes it |

mod copy;
mod hashing;
pub mod place;
mod read;
mod write;

pub use read::{Restored, read};
pub use write::{Source, Written, write};

use serde::{Deserialize, Serialize};
use std::path::{Component, Path};

/// Raised when what is written changes so that an older Wharf would not understand it.
const FORMAT: u32 = 1;
const ABOUT: &str = "wharf-backup.json";
const MANIFEST: &str = "MANIFEST.sha256";
/// Folders of files that rows name.
const FOLDERS: [&str; 3] = ["archive", "exports", "tmp"];

/// What a backup says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    format: u32,
    /// Of the Wharf that wrote it.
    pub version: String,
    /// Milliseconds.
    pub created_at: i64,
    pub database: Kind,
    /// The last migration of its database.
    pub migration: i64,
}

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// In the backup.
    Sqlite,
    /// Elsewhere, in what `pg_dump` wrote.
    Postgresql,
}

/// Whether a path is one that a backup has, and leads nowhere else.
fn is_member(path: &Path) -> bool {
    let mut parts = path.components();
    let first = parts.next();
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let Some(Component::Normal(first)) = first else {
        return false;
    };
    let is_below = FOLDERS.iter().any(|folder| first == *folder);
    is_plain && (is_below == parts.next().is_some())
}

/// The line of a member in the manifest.
fn line(sha256: &[u8], path: &Path) -> Vec<u8> {
    let mut line = hex::encode(sha256).into_bytes();
    line.extend(b"  ");
    line.extend(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_lies_where_the_data_folder_has_it() {
        for good in [
            "wharf.db",
            "keys.toml",
            "archive/u/20260101/a_1.mp4",
            "tmp/1/a.mp4",
        ] {
            assert!(is_member(Path::new(good)), "{good}");
        }
        for bad in [
            "",
            ".",
            "/",
            "archive",
            "tmp",
            "/etc/passwd",
            "../keys.toml",
            "archive/../../x",
            "tools/x",
            "wharf.db/x",
            "/archive/x",
        ] {
            assert!(!is_member(Path::new(bad)), "{bad}");
        }
    }
}
