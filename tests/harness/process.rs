//! One process of the product: how it is started, what it says when it serves, how it ends.

use crate::product;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

/// The line on stdout that says where the product listens.
const READY: &str = "Wharf is ready on ";
/// From the start to that line; generous, because a cold start compiles the components.
const START_S_MAX: u64 = 900;
/// A file in the app's folder that says how full the disk is.
pub(crate) const DISK_USAGE: &str = "disk-usage";
/// A file in the app's folder: the log of all its processes and starts.
pub(crate) const LOG: &str = "stderr.jsonl";

/// How a process is started, and again.
#[derive(Clone)]
pub(crate) struct Start {
    /// The app's folder, with `wharf.toml` and the data folder.
    pub home: PathBuf,
    pub command: &'static str,
    pub listen: String,
    pub env: Vec<(String, String)>,
}

/// A process that serves.
pub(crate) struct Process {
    child: Child,
    /// Where it says that it can be reached, without a slash at the end.
    pub base: String,
    /// Whether what it has started is signalled with it.
    leads_a_group: bool,
}

impl Start {
    /// Starts, and waits until it serves. None: it did not.
    pub fn start(&self) -> Option<Process> {
        let mut inner = binary();
        inner
            .arg(self.command)
            .args(["--listen", &self.listen, "--data"])
            .arg(self.home.join("data"))
            .arg("--config")
            .arg(self.home.join("wharf.toml"))
            // How full this machine's own disk is must not decide what a test sees.
            .env("WHARF_DISK_USAGE_FILE", self.home.join(DISK_USAGE))
            .envs(self.env.iter().cloned());
        let mut command = dying_with_the_tests(inner);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log());
        let mut child = spawn(command);
        let stdout = child.stdout.take().expect("a pipe");
        match wait_until_ready(stdout) {
            Some(base) => Some(Process {
                child,
                base,
                leads_a_group: false,
            }),
            None => {
                let _gone = child.kill();
                let _reaped = child.wait();
                None
            }
        }
    }

    /// The log of all the app's processes, to be written to.
    pub fn log(&self) -> std::fs::File {
        std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.home.join(LOG))
            .expect("a log file")
    }
}

impl Process {
    /// Another program that serves, with all the processes that it starts.
    pub fn of_group(mut command: Command, base: String) -> Self {
        command.process_group(0);
        Self {
            child: spawn(command),
            base,
            leads_a_group: true,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let id = self.child.id() as i32;
        let to = if self.leads_a_group { -id } else { id };
        let _gone = kill(Pid::from_raw(to), signal);
    }

    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait().expect("a child can be waited for");
        status.is_some()
    }

    /// Waits for the end; None when it does not come in time, and then it is killed.
    pub fn ended(mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill9();
        None
    }

    /// SIGKILL, and waits for the end.
    pub fn kill9(mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().expect("it ends");
    }
}

/// The product's binary without what a developer has set for his own wharf.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(product::binary());
    for (name, _) in std::env::vars() {
        if name.starts_with("WHARF_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command.current_dir(product::workspace_root());
    command
}

/// Where util-linux is there, the kernel kills the process with the tests, also when these are killed or
/// when the app is a shared one that nobody drops.
pub(crate) fn dying_with_the_tests(inner: Command) -> Command {
    static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .output()
            .is_ok_and(|output| output.status.success())
    });
    if !*SETPRIV {
        return inner;
    }
    let mut outer = Command::new("setpriv");
    outer.args(["--pdeathsig", "KILL"]);
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.current_dir(product::workspace_root());
    outer
}

/// Spawns on one thread that lives as long as the tests: the kernel's parent-death signal is about the
/// parent *thread*, and a test's own thread ends with its test.
pub(crate) fn spawn(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, received) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in received {
                let _gone = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    SPAWNER.send((command, reply)).expect("the spawner lives");
    answer
        .recv()
        .expect("the spawner answers")
        .expect("the program starts")
}

/// The base URL from the line of readiness; None when stdout ends or the time is over first.
fn wait_until_ready(stdout: std::process::ChildStdout) -> Option<String> {
    let (ready, base) = mpsc::channel();
    std::thread::spawn(move || {
        // Read to the end, so that the product never blocks on a full pipe.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, base)) = line.split_once(READY) {
                let _gone = ready.send(base.trim().trim_end_matches('/').to_owned());
            }
        }
    });
    base.recv_timeout(Duration::from_secs(START_S_MAX)).ok()
}
