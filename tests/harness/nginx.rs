//! nginx on a port and with a folder of its own.

use crate::process::{dying_with_the_tests, spawn};
use crate::tools::on_path;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// From the start until it listens.
const START_MAX: Duration = Duration::from_secs(60);

pub struct Nginx {
    master: Child,
    address: String,
}

impl Nginx {
    /// Starts with this configuration, in which it listens on `address`, in `folder`; None where there is no nginx.
    pub fn start(folder: &Path, address: &str, configuration: &str) -> Option<Self> {
        let program = program()?;
        let conf = folder.join("nginx.conf");
        std::fs::write(&conf, configuration).expect("a configuration");
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(&conf);
        let mut command = dying_with_the_tests(command);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut master = spawn(command);
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(address).is_err() {
            let ended = master.try_wait().expect("a child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "nginx does not listen ({ended:?}); see {}",
                folder.join("error.log").display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            master,
            address: address.to_owned(),
        })
    }

    /// Whether this machine has one.
    pub fn is_there() -> bool {
        program().is_some()
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Of the workers; of nginx itself where it has none.
    pub fn pids(&self) -> Vec<u32> {
        let id = self.master.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let pids = children.split_whitespace().map(str::parse);
        let pids: Vec<u32> = pids.collect::<Result<_, _>>().expect("process ids");
        if pids.is_empty() { vec![id] } else { pids }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = kill(Pid::from_raw(self.master.id() as i32), Signal::SIGTERM);
        let _reaped = self.master.wait();
    }
}

fn program() -> Option<PathBuf> {
    let beside = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
    on_path("nginx").or_else(|| beside.into_iter().find(|program| program.is_file()))
}

/// The settings of nginx around the servers: everything below `folder`, nothing of the machine's own. As many
/// `processes` as are said, or one that needs no other.
pub fn nginx_around(folder: &Path, processes: Option<&str>, servers: &str) -> String {
    let folder = folder.display();
    let processes = match processes {
        Some(count) => format!("worker_processes {count};"),
        None => "master_process off;".to_owned(),
    };
    // Who starts it as root lets its workers read what only root may; elsewhere the line counts for nothing.
    format!(
        "user root;
daemon off;
{processes}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{servers}
}}
"
    )
}
