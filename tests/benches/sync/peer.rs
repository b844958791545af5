//! PouchDB and `pouchdb-server` of npm, set up below the target folder. What cannot be set up is said and left out.

use super::Took;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_S_MAX: u64 = 30;

/// A server of theirs. Dropped, it is stopped and its data removed.
pub struct PouchServer {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl PouchServer {
    pub fn start() -> Option<Self> {
        let folder = tests::target_dir().join("sync-peers");
        std::fs::create_dir_all(folder.join("data")).expect("a folder");
        let server = folder.join("node_modules/.bin/pouchdb-server");
        if !server.exists() {
            let install = [
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "pouchdb-server",
                "pouchdb",
            ];
            let _said = Command::new("npm")
                .args(install)
                .current_dir(&folder)
                .output();
        }
        if !server.exists() {
            println!("pouchdb-server: not on this machine and not to be had; left out");
            return None;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let process = Command::new(&server)
            .args(["--port", &port.to_string(), "--no-stdout-logs", "--dir"])
            .arg(folder.join("data"))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(START_S_MAX),
                "it does not listen"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self {
            folder,
            port,
            process,
        })
    }

    /// Replicates so many documents up and down.
    pub fn replicate(&self, rows: usize, bytes: usize, name: &str) -> Took {
        #[derive(Deserialize)]
        struct Seconds {
            up: f64,
            down: f64,
        }
        let script: &Path = &tests::workspace_root().join("tests/benches/sync/pouchdb.mjs");
        let output = Command::new("node")
            .arg(script)
            .arg(format!("http://127.0.0.1:{}/{name}", self.port))
            .args([rows.to_string(), bytes.to_string()])
            .arg(self.folder.join("local"))
            .current_dir(&self.folder)
            .output()
            .expect("node runs");
        assert!(output.status.success(), "{output:?}");
        let seconds: Seconds = serde_json::from_slice(&output.stdout).expect("JSON");
        Took {
            up: seconds.up,
            down: seconds.down,
        }
    }
}

impl Drop for PouchServer {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
        for folder in ["data", "local"] {
            let _left = std::fs::remove_dir_all(self.folder.join(folder));
        }
    }
}
