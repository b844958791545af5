//! yt-dlp and ffmpeg for the tests: found, or set up once under the target folder and shared by all.

use crate::product::{lock, target_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The version that is set up where none is found.
const YTDLP: &str = "yt-dlp==2026.10.26";
const FFMPEG: &str = "imageio-ffmpeg==0.6.0";

/// `WHARF_TEST_YTDLP`, or the one on `PATH`, or one set up from PyPI.
pub fn ytdlp() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        std::env::var_os("WHARF_TEST_YTDLP")
            .map(PathBuf::from)
            .or_else(|| on_path("yt-dlp"))
            .unwrap_or_else(|| {
                let _lock = lock("tools");
                let program = venv().join("bin/yt-dlp");
                if !program.exists() {
                    pip_install(YTDLP);
                }
                program
            })
    })
}

/// `WHARF_TEST_FFMPEG`, or the one on `PATH`, or the binary of a wheel from PyPI.
pub(crate) fn ffmpeg() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        std::env::var_os("WHARF_TEST_FFMPEG")
            .map(PathBuf::from)
            .or_else(|| on_path("ffmpeg"))
            .unwrap_or_else(|| {
                let _lock = lock("tools");
                let link = venv().join("bin/ffmpeg");
                if !link.exists() {
                    pip_install(FFMPEG);
                    let script = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
                    let output = Command::new(venv().join("bin/python"))
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

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

fn venv() -> PathBuf {
    target_dir().join("test-tools")
}

fn pip_install(package: &str) {
    if !venv().join("bin/pip").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(venv()));
    }
    run(Command::new(venv().join("bin/pip")).args(["install", "--quiet", package]));
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}; the tests need yt-dlp and ffmpeg on PATH, or python3 with venv and PyPI"
    );
}
