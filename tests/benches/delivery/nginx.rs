//! nginx on a port and with a folder of its own, its workers as many as the machine has cores.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// From the start until it listens.
const START_MAX: Duration = Duration::from_secs(10);

pub struct Nginx {
    master: Child,
    address: String,
}

impl Nginx {
    /// Serves the files of `root`; None where there is no nginx.
    pub fn start(root: &Path, folder: &Path) -> Option<Self> {
        let program = program()?;
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        let conf = folder.join("nginx.conf");
        std::fs::write(&conf, configuration(&address, root, folder)).expect("a configuration");
        let mut master = Command::new(program)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&conf)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(&address).is_err() {
            let ended = master.try_wait().expect("a child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "nginx does not listen ({ended:?}); see {}",
                folder.join("error.log").display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { master, address })
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Of the workers.
    pub fn pids(&self) -> Vec<u32> {
        let id = self.master.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let pids = children.split_whitespace().map(str::parse);
        pids.collect::<Result<_, _>>().expect("process ids")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = kill(Pid::from_raw(self.master.id() as i32), Signal::SIGTERM);
        let _reaped = self.master.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("nginx"))
        .find(|program| program.is_file())
}

fn configuration(address: &str, root: &Path, folder: &Path) -> String {
    let (root, folder) = (root.display(), folder.display());
    // Who starts it as root lets its workers read what only root may; elsewhere the line counts for nothing.
    format!(
        "user root;
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen {address}; root {root}; }}
}}
"
    )
}
