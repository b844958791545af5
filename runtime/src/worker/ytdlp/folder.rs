//! A task's work folder: what earlier attempts left in it, and what yt-dlp made.

use super::download::DownloadJob;
use std::path::{Path, PathBuf};

/// Makes the folder and removes what an interrupted conversion left: yt-dlp would take it for the
/// finished file. Parts and finished streams stay and are continued.
pub(super) async fn prepare(job: &DownloadJob) -> std::io::Result<PathBuf> {
    tokio::fs::create_dir_all(&job.folder).await?;
    let folder = tokio::fs::canonicalize(&job.folder).await?;
    let target = folder.join(format!("media.{}", job.format.extension()));
    let files = finished(&folder).await?;
    let sources = files.iter().filter(|path| **path != target).count();
    for path in &files {
        let stem = path.file_stem().unwrap_or_default();
        let half = Path::new(stem)
            .extension()
            .is_some_and(|extension| extension == "temp");
        // ffmpeg writes the wanted container directly while its source still lies beside it.
        if half || (*path == target && sources > 0) || tokio::fs::metadata(path).await?.len() == 0 {
            tokio::fs::remove_file(path).await?;
        }
    }
    Ok(folder)
}

/// The files `media.*` that yt-dlp has given their final names.
pub(super) async fn finished(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let unfinished = [".part", ".ytdl", ".meta"]
            .iter()
            .any(|end| name.ends_with(end))
            || name.contains(".part-Frag");
        if name.starts_with("media.") && !unfinished {
            found.push(entry.path());
        }
    }
    Ok(found)
}
