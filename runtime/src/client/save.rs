//! A download to a file in the current folder. The file has its name once it is whole, and never takes the place of
//! another.

use super::http::{Asked, Http, HttpError, within};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use shared::limits::CLIENT_SAME_NAMES_MAX;
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("The server names the file in a way that is not safe here.")]
    Name,
    #[error("The server refuses the file with {0}.")]
    Refused(StatusCode),
    #[error("The file cannot be written: {0}.")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Where the file is, and its size in bytes.
#[derive(Debug)]
pub struct Saved {
    pub path: String,
    pub bytes: u64,
}

/// Streams what `url` gives into `folder`. If it breaks off, or the future is dropped, nothing is left.
pub async fn save(
    http: &Http,
    folder: &Path,
    name: &str,
    asked: Asked,
) -> Result<Saved, SaveError> {
    let name = safe_name(name).ok_or(SaveError::Name)?;
    let answer = http
        .open(Asked {
            method: Method::GET,
            ..asked
        })
        .await?;
    if answer.status() != StatusCode::OK {
        return Err(SaveError::Refused(answer.status()));
    }
    let partial = Partial::new(folder.join(format!("{name}.part-{}", std::process::id())));
    let mut options = OpenOptions::new();
    let file = options
        .create_new(true)
        .write(true)
        .open(&partial.path)
        .await?;
    let bytes = stream(answer.into_body(), file).await?;
    let path = reserve(folder, &name)?;
    // Over our own empty file: nobody else's can be there.
    tokio::fs::rename(&partial.path, folder.join(&path)).await?;
    Ok(Saved { path, bytes })
}

async fn stream(mut body: Incoming, mut file: File) -> Result<u64, SaveError> {
    let mut bytes = 0;
    while let Some(frame) = within(body.frame()).await? {
        let frame = frame.map_err(|_| HttpError::Broken)?;
        if let Some(piece) = frame.data_ref() {
            file.write_all(piece).await?;
            bytes += piece.len() as u64;
        }
    }
    file.flush().await?;
    Ok(bytes)
}

/// Takes the first free one of `name`, `name (2)`, `name (3)`…
fn reserve(folder: &Path, name: &str) -> Result<String, SaveError> {
    let (stem, ending) = match name.rfind('.').filter(|at| *at > 0) {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    for number in 1..=CLIENT_SAME_NAMES_MAX {
        let free = match number {
            1 => name.to_owned(),
            _ => format!("{stem} ({number}){ending}"),
        };
        match std::fs::File::create_new(folder.join(&free)) {
            Ok(_) => return Ok(free),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists).into())
}

/// The name as one component of a path, or `None`. A server must not choose folders, and not files that other
/// programs read by their name, so no name begins with a dot.
fn safe_name(name: &str) -> Option<String> {
    let harmful = |character: char| matches!(character, '/' | '\\') || character.is_control();
    if name.is_empty() || name.contains(harmful) || name.chars().all(|character| character == '.') {
        return None;
    }
    match name.strip_prefix('.') {
        Some(rest) => Some(format!("_{rest}")),
        None => Some(name.to_owned()),
    }
}

/// A file that is removed unless it was renamed.
struct Partial {
    path: PathBuf,
}

impl Partial {
    fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _renamed = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::{reserve, safe_name};

    #[test]
    fn a_name_is_one_component_that_nothing_else_reads() {
        for unsafe_name in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "/etc/passwd",
            "a\nb",
            "a\u{9b}b",
        ] {
            assert_eq!(safe_name(unsafe_name), None, "{unsafe_name:?}");
        }
        assert_eq!(safe_name(".profile").as_deref(), Some("_profile"));
        assert_eq!(
            safe_name("第一课 (2).mp4").as_deref(),
            Some("第一课 (2).mp4")
        );
    }

    #[test]
    fn a_file_that_is_there_is_stepped_aside_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken: Vec<String> = (0..3)
            .map(|_| reserve(folder.path(), "a.b.mp4").expect("a place"))
            .collect();
        assert_eq!(taken, ["a.b.mp4", "a.b (2).mp4", "a.b (3).mp4"]);
        assert_eq!(reserve(folder.path(), "bare").expect("a place"), "bare");
        assert_eq!(reserve(folder.path(), "bare").expect("a place"), "bare (2)");
    }
}
