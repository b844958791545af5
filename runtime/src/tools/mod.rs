//! yt-dlp and ffmpeg: configured, found, or set up below the data folder from the user's Python index.

use crate::process::{Job, capture};
use shared::limits::{TOOL_CHECK_S_MAX, TOOL_SETUP_S_MAX};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// The oldest yt-dlp whose options we use, and the one that is set up.
const YTDLP_OLDEST: (u32, u32, u32) = (2026, 7, 4);
const YTDLP_PINNED: &str = "2026.10.26";
/// A wheel that carries an ffmpeg binary.
const IMAGEIO_FFMPEG_PINNED: &str = "0.6.0";
/// yt-dlp needs Python 3.10.
const PYTHON_OLDEST: (u32, u32) = (3, 10);
/// What a tool may print when asked for its version, bytes.
const VERSION_BYTES_MAX: usize = 64 * 1024;

/// The tools as they are run.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    /// The program and the arguments before ours; None: neither parse nor download works.
    pub ytdlp: Option<Vec<OsString>>,
    /// None: parse works, download does not.
    pub ffmpeg: Option<PathBuf>,
}

/// The tools and what the operator should read about them.
#[derive(Debug)]
pub struct ToolsReport {
    pub tools: Tools,
    pub notes: Vec<Note>,
}

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// True: something does not work until the operator acts.
    pub is_problem: bool,
    pub text: String,
}

impl Tools {
    /// Looks for each tool in the settings, in `PATH` and in `data_dir/tools`, and sets it up there when
    /// it is nowhere. Never fails: what is missing stands in the notes.
    pub async fn find_or_set_up(
        ytdlp: Option<PathBuf>,
        ffmpeg: Option<PathBuf>,
        data_dir: &Path,
    ) -> ToolsReport {
        let folder = data_dir.join("tools");
        let mut notes = Vec::new();
        if let Err(error) = tokio::fs::create_dir_all(&folder).await {
            let text = format!("Tools cannot be set up in {}: {error}.", folder.display());
            notes.push(Note {
                is_problem: true,
                text,
            });
        }
        // A relative path would be resolved again in each task's folder.
        let folder = tokio::fs::canonicalize(&folder).await.unwrap_or(folder);
        let search = Search { folder };
        let tools = Tools {
            ytdlp: keep(search.ytdlp(ytdlp).await, &mut notes),
            ffmpeg: keep(search.ffmpeg(ffmpeg).await, &mut notes),
        };
        ToolsReport { tools, notes }
    }
}

/// Found: the tool and a sentence. Not found: what to do about it.
type Found<T> = Result<(T, String), String>;

fn keep<T>(found: Found<T>, notes: &mut Vec<Note>) -> Option<T> {
    let (tool, is_problem, text) = match found {
        Ok((tool, text)) => (Some(tool), false, text),
        Err(text) => (None, true, text),
    };
    notes.push(Note { is_problem, text });
    tool
}

struct Search {
    folder: PathBuf,
}

impl Search {
    async fn ytdlp(&self, setting: Option<PathBuf>) -> Found<Vec<OsString>> {
        if let Some(path) = setting {
            let path = std::path::absolute(&path).unwrap_or(path);
            let command = vec![path.clone().into_os_string()];
            return match self.ytdlp_version(&command).await {
                Some(version) => Ok((command, format!("yt-dlp {version} at {}.", path.display()))),
                None => Err(format!(
                    "media.ytdlp names {}, which is not yt-dlp 2026.07.04 or newer: parse and download do not work.",
                    path.display()
                )),
            };
        }
        let command = vec![OsString::from("yt-dlp")];
        if let Some(version) = self.ytdlp_version(&command).await {
            return Ok((command, format!("yt-dlp {version} from PATH.")));
        }
        let missing = |why: &str| {
            format!(
                "yt-dlp is missing ({why}): parse and download do not work. Install yt-dlp 2026.07.04 or newer, or Python 3.10 or newer with pip, and start again."
            )
        };
        let python = self
            .python()
            .await
            .ok_or_else(|| missing("no Python 3.10 or newer found"))?;
        let package = self
            .package(&python, "yt-dlp", YTDLP_PINNED)
            .await
            .map_err(|why| missing(&why))?;
        // yt-dlp's own entry point finds its package by its place, so -I keeps everything else out.
        let command = vec![
            package.python.into_os_string(),
            "-I".into(),
            package
                .folder
                .join("yt_dlp")
                .join("__main__.py")
                .into_os_string(),
        ];
        match self.ytdlp_version(&command).await {
            Some(version) => Ok((
                command,
                format!("yt-dlp {version} in {}.", self.folder.display()),
            )),
            None => Err(missing("the one that was set up does not run")),
        }
    }

    async fn ffmpeg(&self, setting: Option<PathBuf>) -> Found<PathBuf> {
        if let Some(path) = setting {
            let path = std::path::absolute(&path).unwrap_or(path);
            return if self.is_ffmpeg(&path).await {
                let text = format!("ffmpeg at {}.", path.display());
                Ok((path, text))
            } else {
                Err(format!(
                    "media.ffmpeg names {}, which is not ffmpeg: downloads do not work.",
                    path.display()
                ))
            };
        }
        if let Some(path) = in_path("ffmpeg").await
            && self.is_ffmpeg(&path).await
        {
            let text = format!("ffmpeg at {}.", path.display());
            return Ok((path, text));
        }
        let missing = |why: &str| {
            format!(
                "ffmpeg is missing ({why}): downloads do not work. Install ffmpeg, or Python 3.10 or newer with pip, and start again."
            )
        };
        let python = self
            .python()
            .await
            .ok_or_else(|| missing("no Python 3.10 or newer found"))?;
        let package = self
            .package(&python, "imageio-ffmpeg", IMAGEIO_FFMPEG_PINNED)
            .await
            .map_err(|why| missing(&why))?;
        let link = link_binary(&package.folder)
            .await
            .map_err(|error| missing(&error.to_string()))?;
        if !self.is_ffmpeg(&link).await {
            return Err(missing("the one that was set up does not run"));
        }
        let text = format!("ffmpeg at {}.", link.display());
        Ok((link, text))
    }

    /// The version, when it runs and is new enough.
    async fn ytdlp_version(&self, command: &[OsString]) -> Option<String> {
        let arguments = ["--ignore-config", "--no-plugin-dirs", "--version"];
        let version = self.ask(command, &arguments).await?.trim().to_owned();
        (parse_date_version(&version)? >= YTDLP_OLDEST).then_some(version)
    }

    async fn is_ffmpeg(&self, path: &Path) -> bool {
        let command = [path.as_os_str().to_owned()];
        self.ask(&command, &["-version"])
            .await
            .is_some_and(|text| text.starts_with("ffmpeg version"))
    }

    /// A real interpreter: what a shim in `PATH` starts, named by itself.
    async fn python(&self) -> Option<PathBuf> {
        const SCRIPT: &str = "import sys; print(*sys.version_info[:2]); print(sys.executable)";
        for name in [
            "python3",
            "python3.14",
            "python3.13",
            "python3.12",
            "python3.11",
            "python3.10",
            "python",
        ] {
            let Some(text) = self.ask(&[name.into()], &["-I", "-c", SCRIPT]).await else {
                continue;
            };
            let mut lines = text.lines();
            let version = lines.next().and_then(|line| line.split_once(' '));
            let version =
                version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
            if let (Some(version), Some(path)) = (version, lines.next())
                && version >= PYTHON_OLDEST
                && !path.is_empty()
            {
                return Some(PathBuf::from(path));
            }
        }
        None
    }

    /// A pinned package below `tools/`, set up with the user's own pip settings when it is not there. It
    /// is prepared aside and put in place by one rename, so that a half one is never used.
    async fn package(&self, python: &Path, name: &str, version: &str) -> Result<Package, String> {
        let place = self.folder.join(format!("{name}-{version}"));
        let module = name.replace('-', "_");
        if place.join(&module).is_dir() {
            return Ok(Package {
                folder: place,
                python: python.to_owned(),
            });
        }
        let aside = self
            .folder
            .join(format!(".{name}-{version}-{}", std::process::id()));
        let wanted = format!("{name}=={version}");
        let base = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ];
        let mut arguments: Vec<OsString> = base.iter().map(OsString::from).collect();
        arguments.extend([
            "--target".into(),
            aside.clone().into_os_string(),
            wanted.into(),
        ]);
        let mut why = self.set_up(python, &arguments).await;
        if why.is_err() {
            // A Python without pip may still be able to make an environment that has it.
            let environment = self.folder.join("venv");
            let make = [
                "-m".into(),
                "venv".into(),
                environment.clone().into_os_string(),
            ];
            if self.set_up(python, &make).await.is_ok() {
                why = self
                    .set_up(&environment.join("bin").join("python"), &arguments)
                    .await;
            }
        }
        if let Err(why) = why {
            let _ = tokio::fs::remove_dir_all(&aside).await;
            return Err(why);
        }
        if let Err(error) = tokio::fs::rename(&aside, &place).await {
            // Another worker that shares this folder may have been first.
            let _ = tokio::fs::remove_dir_all(&aside).await;
            if !place.join(&module).is_dir() {
                return Err(error.to_string());
            }
        }
        Ok(Package {
            folder: place,
            python: python.to_owned(),
        })
    }

    /// Runs one step of a set-up with our whole environment: pip's index and proxies stand there.
    async fn set_up(&self, python: &Path, arguments: &[OsString]) -> Result<(), String> {
        let mut argv = vec![python.as_os_str().to_owned()];
        argv.extend_from_slice(arguments);
        let job = Job {
            argv: &argv,
            folder: &self.folder,
            environment: std::env::vars_os().collect(),
            input: Vec::new(),
        };
        let limit = Duration::from_secs(TOOL_SETUP_S_MAX);
        let captured = timeout(limit, capture(job, VERSION_BYTES_MAX))
            .await
            .map_err(|_| "setting it up took too long".to_owned())?
            .map_err(|error| error.to_string())?;
        if captured.status.success() {
            return Ok(());
        }
        let last = captured
            .stderr
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty());
        Err(last.unwrap_or("pip failed").trim().to_owned())
    }

    /// What a program prints on success.
    async fn ask(&self, command: &[OsString], arguments: &[&str]) -> Option<String> {
        let mut argv = command.to_vec();
        argv.extend(arguments.iter().map(OsString::from));
        let job = Job {
            argv: &argv,
            folder: &self.folder,
            environment: Vec::new(),
            input: Vec::new(),
        };
        let limit = Duration::from_secs(TOOL_CHECK_S_MAX);
        let captured = timeout(limit, capture(job, VERSION_BYTES_MAX))
            .await
            .ok()?
            .ok()?;
        let stdout = captured.status.success().then_some(captured.stdout)??;
        Some(String::from_utf8_lossy(&stdout).into_owned())
    }
}

struct Package {
    folder: PathBuf,
    python: PathBuf,
}

/// `2026.10.26`, possibly with a fourth part (nightly builds).
fn parse_date_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some((next()?, next()?, next()?))
}

/// Gives the wheel's binary, whose name holds platform and version, the name that yt-dlp looks for.
async fn link_binary(package: &Path) -> std::io::Result<PathBuf> {
    let mut entries = tokio::fs::read_dir(package.join("imageio_ffmpeg").join("binaries")).await?;
    while let Some(entry) = entries.next_entry().await? {
        if entry.file_name().to_string_lossy().starts_with("ffmpeg-") {
            let link = package.join("ffmpeg");
            match tokio::fs::symlink(entry.path(), &link).await {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(error);
                }
                _ => return Ok(link),
            }
        }
    }
    Err(std::io::Error::other(
        "the wheel for this platform holds no binary",
    ))
}

async fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    for folder in std::env::split_paths(&path) {
        let candidate = folder.join(name);
        if folder.is_absolute()
            && tokio::fs::metadata(&candidate)
                .await
                .is_ok_and(|meta| meta.is_file())
        {
            return Some(candidate);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_dates_in_order() {
        assert!(parse_date_version("2026.10.26").unwrap() > YTDLP_OLDEST);
        assert!(parse_date_version("2026.07.04.232811").unwrap() >= YTDLP_OLDEST);
        assert!(parse_date_version("2025.12.31").unwrap() < YTDLP_OLDEST);
        assert_eq!(parse_date_version("ffmpeg version 5"), None);
    }

    #[tokio::test]
    async fn a_wrong_setting_is_one_clear_line_and_no_tool() {
        let data = tempfile::tempdir().unwrap();
        let wrong = Some(PathBuf::from("/bin/false"));
        let report = Tools::find_or_set_up(wrong.clone(), wrong, data.path()).await;
        assert!(report.tools.ytdlp.is_none() && report.tools.ffmpeg.is_none());
        assert_eq!(
            report.notes.iter().filter(|note| note.is_problem).count(),
            2
        );
        assert!(
            report.notes[0].text.contains("media.ytdlp"),
            "{:?}",
            report.notes
        );
    }
}
