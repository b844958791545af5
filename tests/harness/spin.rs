//! Real Spin in the place of the bundled runner, started as `docs/spin.md` says. Its program is named by
//! `WHARF_TEST_SPIN`, or found on the PATH.

use crate::process::{self, Process, Start};
use crate::product::workspace_root;
use crate::tools::on_path;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// From the start until it listens: the first start compiles all components.
const START_MAX: Duration = Duration::from_secs(300);

/// The program; None where this machine has none.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WHARF_TEST_SPIN").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    on_path("spin")
}

/// Starts Spin on the configuration and data of `wharf`, and waits until it listens. None: it does not.
pub(crate) fn start(wharf: &Start) -> Option<Process> {
    let program = program().expect("there is no spin; WHARF_TEST_SPIN names its program");
    let home = &wharf.home;
    let written = process::binary()
        .args([wharf.command, "spin", "--data"])
        .arg(home.join("data"))
        .arg("--config")
        .arg(home.join("wharf.toml"))
        .envs(wharf.env.iter().cloned())
        .current_dir(home)
        .output()
        .expect("wharf starts");
    assert!(
        written.status.success(),
        "wharf config spin: {}",
        String::from_utf8_lossy(&written.stderr)
    );
    let mut command = Command::new(program);
    command
        .args(["up", "--disable-pooling", "--from"])
        .arg(workspace_root().join("spin.toml"))
        .args(["--listen", &wharf.listen, "--runtime-config-file"])
        .arg(home.join("spin-runtime.toml"))
        .arg("--variable")
        .arg(format!("@{}", home.join("spin-variables.toml").display()))
        .arg("--state-dir")
        .arg(home.join("spin"))
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(wharf.log())
        .stderr(wharf.log());
    let mut process = Process::of_group(command, format!("http://{}", wharf.listen));
    let deadline = Instant::now() + START_MAX;
    while TcpStream::connect(&wharf.listen).is_err() {
        if Instant::now() > deadline || process.has_ended() {
            process.kill9();
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(process)
}
