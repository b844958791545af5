//! yt-dlp and ffmpeg for the tests: found, or set up once under the target folder and shared by all.

use crate::product::{lock, target_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What is set up where no yt-dlp is found, in the versions that the product sets up.
const YTDLP: [&str; 3] = [
    "yt-dlp==2026.10.26",
    "yt-dlp-ejs==0.8.0",
    "pycryptodomex==3.24.1",
];
/// With it yt-dlp looks like a browser.
const BROWSER: &str = "curl_cffi==0.16.3";
const FFMPEG: &str = "imageio-ffmpeg==0.6.0";

/// `WHARF_TEST_YTDLP`, or the one on `PATH`, or one set up from PyPI.
pub fn ytdlp() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        std::env::var_os("WHARF_TEST_YTDLP")
            .map(PathBuf::from)
            .or_else(|| on_path("yt-dlp"))
            .unwrap_or_else(|| plain_ytdlp().to_owned())
    })
}

/// A yt-dlp from PyPI that cannot look like a browser.
pub fn plain_ytdlp() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| set_up("test-ytdlp", "yt-dlp", &YTDLP))
}

/// A yt-dlp from PyPI that can.
pub fn browsing_ytdlp() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let packages: Vec<&str> = YTDLP.iter().copied().chain([BROWSER]).collect();
    MADE.get_or_init(|| set_up("test-browser", "yt-dlp", &packages))
}

/// `WHARF_TEST_FFMPEG`, or the one on `PATH`, or the binary of a wheel from PyPI.
pub fn ffmpeg() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        std::env::var_os("WHARF_TEST_FFMPEG")
            .map(PathBuf::from)
            .or_else(|| on_path("ffmpeg"))
            .unwrap_or_else(|| {
                let python = set_up("test-tools", "python", &[FFMPEG]);
                let _lock = lock("tools");
                let link = python.with_file_name("ffmpeg");
                if !link.exists() {
                    let script = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
                    let output = Command::new(&python)
                        .args(["-c", script])
                        .output()
                        .expect("python runs");
                    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                    std::os::unix::fs::symlink(found, &link).expect("a link to the wheel's ffmpeg");
                }
                link
            })
    })
}

/// A program that this machine has.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// A program of an environment below the target folder with these packages, made once.
pub(crate) fn set_up(environment: &str, program: &str, packages: &[&str]) -> PathBuf {
    let _lock = lock("tools");
    let folder = target_dir().join(environment);
    let complete = folder.join("complete");
    if !complete.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet"])
            .args(packages));
        std::fs::write(complete, "").expect("the mark of completeness");
    }
    folder.join("bin").join(program)
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}; the tests need python3 with venv and PyPI, and without these yt-dlp and ffmpeg on PATH"
    );
}
