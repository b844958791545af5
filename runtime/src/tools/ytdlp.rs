//! Which yt-dlp runs: the one that the settings name; else the one an admin asked for, the one before
//! that, the one in `PATH`, one that is set up.

use super::package::{Python, is_whole};
use super::search::{NO_PYTHON, Search};
use super::{Found, Note, YtdlpProgram};
use shared::domain::ytdlp::{OLDEST, Release, Version};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The one that is set up where none is found.
const YTDLP_PINNED: &str = "2026.10.26";
/// With it yt-dlp decrypts HLS streams itself instead of leaving them to ffmpeg.
const PYCRYPTODOMEX_PINNED: &str = "3.24.1";
/// In the tools folder: the version that an admin asked for, and in a second line the one before it.
const CHOSEN: &str = "yt-dlp-current";
/// Versions in that file.
const CHOSEN_MAX: usize = 2;

impl Search {
    pub(super) async fn ytdlp(
        &self,
        setting: Option<PathBuf>,
        notes: &mut Vec<Note>,
    ) -> Found<YtdlpProgram> {
        if let Some(path) = setting {
            let path = std::path::absolute(&path).unwrap_or(path);
            return match self.program(vec![path.clone().into_os_string()]).await {
                Some(program) => {
                    let text = format!("yt-dlp {} at {}.", program.version, path.display());
                    Ok((program, text))
                }
                None => Err(format!(
                    "media.ytdlp names {}, which is not yt-dlp {OLDEST} or newer: parse and download do not work.",
                    path.display()
                )),
            };
        }
        for version in self.chosen().await {
            if let Some(program) = self.kept(version).await {
                let text = format!("yt-dlp {version} in {}.", self.folder.display());
                return Ok((program, text));
            }
            notes.push(Note::problem(format!(
                "yt-dlp {version}, which an admin asked for, does not run any more; another one is used."
            )));
        }
        if let Some(program) = self.program(vec![OsString::from("yt-dlp")]).await {
            let text = format!("yt-dlp {} from PATH.", program.version);
            return Ok((program, text));
        }
        self.pinned().await.map_err(|why| {
            format!(
                "yt-dlp is missing ({why}): parse and download do not work. Install yt-dlp {OLDEST} or newer, or Python 3.10 or newer with pip, and start again."
            )
        })
    }

    /// The one that is set up where there is no other.
    async fn pinned(&self) -> Found<YtdlpProgram> {
        let python = self.python().await.ok_or(NO_PYTHON)?;
        let place = python.package("yt-dlp", YTDLP_PINNED).await?;
        add_companions(&python, &place).await;
        let program = self.program(below(&python.program, &place)).await;
        let program = program.ok_or("the one that was set up does not run")?;
        let text = format!("yt-dlp {} in {}.", program.version, self.folder.display());
        Ok((program, text))
    }

    /// Sets a release up, makes sure that it runs, and remembers it. Errors: a sentence for the operator.
    pub(super) async fn update_ytdlp(&self, release: Release) -> Result<YtdlpProgram, String> {
        if let Release::Exactly(version) = release
            && let Some(program) = self.kept(version).await
        {
            self.choose(version).await?;
            return Ok(program);
        }
        let python = self.python().await.ok_or(NO_PYTHON)?;
        let wanted = match release {
            Release::Latest => "yt-dlp".to_owned(),
            Release::Exactly(version) => format!("yt-dlp=={version}"),
        };
        let aside = python.install("yt-dlp", &wanted).await?;
        add_companions(&python, &aside.folder).await;
        let version = self.version(&below(&python.program, &aside.folder)).await;
        let version = version.ok_or("It was set up, but does not run here or is too old.")?;
        let place = self.place(version);
        if is_whole(&place, "yt-dlp") && self.kept(version).await.is_none() {
            // What stands there under this name is broken.
            let removed = tokio::fs::remove_dir_all(&place).await;
            removed.map_err(|error| error.to_string())?;
        }
        aside.put(&place, "yt-dlp").await?;
        let program = self.kept(version).await;
        let program = program.ok_or("It was set up, but does not run.")?;
        self.choose(version).await?;
        Ok(program)
    }

    fn place(&self, version: Version) -> PathBuf {
        self.folder.join(format!("yt-dlp-{version}"))
    }

    /// A version that was set up earlier, if it still runs.
    async fn kept(&self, version: Version) -> Option<YtdlpProgram> {
        let place = self.place(version);
        if !is_whole(&place, "yt-dlp") {
            return None;
        }
        let python = self.python().await?;
        let program = self.program(below(&python.program, &place)).await?;
        (program.version == version).then_some(program)
    }

    /// The versions that an admin asked for, the latest wish first.
    async fn chosen(&self) -> Vec<Version> {
        let text = tokio::fs::read_to_string(self.folder.join(CHOSEN)).await;
        let text = text.unwrap_or_default();
        text.lines()
            .filter_map(Version::read)
            .take(CHOSEN_MAX)
            .collect()
    }

    async fn choose(&self, version: Version) -> Result<(), String> {
        let mut chosen = self.chosen().await;
        chosen.retain(|earlier| *earlier != version);
        chosen.insert(0, version);
        chosen.truncate(CHOSEN_MAX);
        let text: String = chosen
            .iter()
            .map(|version| format!("{version}\n"))
            .collect();
        let fresh = self
            .folder
            // Not by the process: workers in containers that share this folder all have the same number.
            .join(format!(".{CHOSEN}-{}", uuid::Uuid::now_v7()));
        let written = async {
            tokio::fs::write(&fresh, text).await?;
            tokio::fs::rename(&fresh, self.folder.join(CHOSEN)).await
        };
        written.await.map_err(|error| error.to_string())
    }

    /// A program that is a yt-dlp we can use.
    async fn program(&self, command: Vec<OsString>) -> Option<YtdlpProgram> {
        let version = self.version(&command).await?;
        let abilities = self.abilities(&command).await;
        Some(YtdlpProgram {
            command,
            version,
            abilities,
        })
    }

    /// The version, when it runs and is new enough.
    async fn version(&self, command: &[OsString]) -> Option<Version> {
        let arguments = ["--ignore-config", "--no-plugin-dirs", "--version"];
        let text = self.ask(command, &arguments).await?;
        Version::read(text.trim()).filter(|version| *version >= OLDEST)
    }
}

/// The command of a yt-dlp in a folder of packages. Its own entry point finds its package by its place,
/// so -I keeps everything else out.
fn below(python: &Path, folder: &Path) -> Vec<OsString> {
    vec![
        python.as_os_str().to_owned(),
        "-I".into(),
        folder.join("yt_dlp").join("__main__.py").into_os_string(),
    ]
}

/// Adds what yt-dlp uses where it is there: the challenge solver in the version that this yt-dlp wants,
/// and what decrypts.
async fn add_companions(python: &Python<'_>, folder: &Path) {
    let mut wanted = Vec::new();
    if !folder.join("yt_dlp_ejs").is_dir()
        && let Some(version) = solver_version(folder).await
    {
        wanted.push(format!("yt-dlp-ejs=={version}"));
    }
    if !folder.join("Cryptodome").is_dir() {
        wanted.push(format!("pycryptodomex=={PYCRYPTODOMEX_PINNED}"));
    }
    python.add(folder, &wanted).await;
}

/// The version of `yt-dlp-ejs` that the package's own metadata asks for.
async fn solver_version(folder: &Path) -> Option<String> {
    let mut entries = tokio::fs::read_dir(folder).await.ok()?;
    while let Some(entry) = entries.next_entry().await.ok()? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("yt_dlp-") && name.ends_with(".dist-info") {
            let metadata = tokio::fs::read_to_string(entry.path().join("METADATA")).await;
            return solver_in(&metadata.unwrap_or_default());
        }
    }
    None
}

fn solver_in(metadata: &str) -> Option<String> {
    let requirement = metadata
        .lines()
        .find_map(|line| line.strip_prefix("Requires-Dist: yt-dlp-ejs=="))?;
    let is_version = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let version: String = requirement.chars().take_while(|c| is_version(*c)).collect();
    (!version.is_empty()).then_some(version)
}
