//! Writers in other languages, set up below the target folder: Python's `xlsxwriter` and `openpyxl`, and
//! `exceljs` of npm. What cannot be set up is said and left out.

use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "tests/benches/exports";

/// Where the others are; None where they are not.
pub struct Peers {
    python: Option<PathBuf>,
    npm: Option<PathBuf>,
}

impl Peers {
    pub fn set_up() -> Self {
        let folder = tests::target_dir().join("export-peers");
        std::fs::create_dir_all(folder.join("npm")).expect("a folder");
        let python = python(&folder.join("venv"));
        let npm = npm(&folder.join("npm"));
        for (is_there, name) in [(&python, "Python's writers"), (&npm, "exceljs")] {
            if is_there.is_none() {
                println!("{name}: not on this machine and not to be had; left out");
            }
        }
        Self { python, npm }
    }

    /// A command that writes a file and prints what it took; None where it is not there.
    pub fn command(&self, name: &str, pages: &Path, folder: &Path, out: &Path) -> Option<Command> {
        let scripts = tests::workspace_root().join(FOLDER);
        let mut command = match name {
            "exceljs" => {
                let mut command = Command::new("node");
                command.arg(scripts.join("exceljs.mjs"));
                command.current_dir(self.npm.as_ref()?);
                command.arg(pages).arg(out);
                command
            }
            _ => {
                let mut command = Command::new(self.python.as_ref()?);
                command.arg(scripts.join("peers.py")).arg(name);
                command.args([pages, folder, out]);
                command
            }
        };
        command.env("TMPDIR", folder);
        Some(command)
    }
}

fn python(venv: &Path) -> Option<PathBuf> {
    let python = venv.join("bin/python");
    let has_both = || succeeds(Command::new(&python).args(["-c", "import openpyxl, xlsxwriter"]));
    if !has_both() {
        succeeds(Command::new("python3").args(["-m", "venv"]).arg(venv));
        let install = ["-m", "pip", "install", "--quiet", "openpyxl", "xlsxwriter"];
        succeeds(Command::new(&python).args(install));
    }
    has_both().then_some(python)
}

fn npm(folder: &Path) -> Option<PathBuf> {
    let installed = folder.join("node_modules/exceljs");
    if !installed.exists() {
        let install = ["install", "--silent", "--no-audit", "--no-fund", "exceljs"];
        succeeds(Command::new("npm").args(install).current_dir(folder));
    }
    let has_node = succeeds(Command::new("node").arg("--version"));
    (has_node && installed.exists()).then(|| folder.to_owned())
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
