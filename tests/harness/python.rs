//! Files of exports as others see them: openpyxl, from an environment below the target folder, and
//! LibreOffice, where it is installed.

use crate::product::workspace_root;
use crate::tools::set_up;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

const OPENPYXL: &str = "openpyxl==3.1.5";

/// What openpyxl finds in a workbook, as `tests/fixtures/workbook.py` says. A file that it cannot open fails the
/// test.
#[track_caller]
pub fn openpyxl(file: &[u8]) -> Value {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let python = PYTHON.get_or_init(|| set_up("test-openpyxl", "python", &[OPENPYXL]));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.xlsx");
    std::fs::write(&path, file).expect("the file is written");
    let script = workspace_root().join("tests/fixtures/workbook.py");
    let output = Command::new(python).arg(script).arg(&path).output();
    let output = output.expect("python runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

const SCHEMAS: [&str; 3] = [
    "compose-spec==0.2.1",
    "kubernetes-validate==1.37.0",
    "PyYAML==6.0.4",
];

/// Holds the files of a folder such as `deploy/` against the schemas of their kinds, with
/// `tests/fixtures/deployed.py`; what does not fit stands on its standard output.
pub fn deployment_schemas(folder: &Path) -> Output {
    let python = set_up("test-schemas", "python", &SCHEMAS);
    let script = workspace_root().join("tests/fixtures/deployed.py");
    let output = Command::new(python).arg(script).arg(folder).output();
    output.expect("python runs")
}

/// LibreOffice makes a PDF of this file, named in `folder`; the path of the PDF. None where there is no
/// LibreOffice, which is said and in CI a failure.
#[track_caller]
pub fn to_pdf(folder: &Path, name: &str, file: &[u8]) -> Option<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, file).expect("the file is written");
    let output = soffice(folder, &path)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {output:?}");
    // It ends with 0 also when it cannot read a file.
    assert!(!said.contains("Error:"), "{name}: {said}");
    let pdf = path.with_extension("pdf");
    let begins = std::fs::read(&pdf).unwrap_or_else(|error| panic!("{name}: {error}: {output:?}"));
    assert!(begins.starts_with(b"%PDF-"), "{name} is no PDF");
    Some(pdf)
}

/// With a profile of its own: two at once would wait for each other.
fn soffice(folder: &Path, path: &Path) -> Option<Output> {
    let profile = folder.join("profile");
    let found = Command::new("soffice")
        .arg(format!(
            "-env:UserInstallation=file://{}",
            profile.display()
        ))
        .args(["--headless", "--convert-to", "pdf", "--outdir"])
        .arg(folder)
        .arg(path)
        .stdin(Stdio::null())
        .output();
    match found {
        Ok(output) => Some(output),
        Err(error) => {
            let line = format!("NOT COVERED: no soffice ({error}); install libreoffice-calc-nogui");
            assert!(std::env::var_os("CI").is_none(), "{line}");
            eprintln!("{line}");
            None
        }
    }
}
