//! The product as a subprocess on a port and with data of its own.

use crate::contract::Contract;
use crate::database::TestDatabase;
use crate::{Caller, product, tools};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, OnceLock, mpsc};
use std::time::{Duration, Instant};

/// The line on stdout that says where the product listens.
const READY: &str = "Wharf is ready on ";
/// From the start to that line; generous, because a cold start compiles the components.
const START_S_MAX: u64 = 300;
/// From SIGTERM to the end of the process.
const STOP_S_MAX: u64 = 30;
/// A file in the app's folder that says how full the disk is: half.
const DISK_USAGE: &str = "disk-usage";
/// Nobody listens there.
const NO_DRIVES: &str =
    "drives = { aliyun_base = \"http://127.0.0.1:9\", baidu_base = \"http://127.0.0.1:9\" }";
/// Lines of the log that a failure shows.
const LOG_LINES_SHOWN: usize = 40;

/// What an app is started with.
#[must_use]
pub struct Builder {
    database: Option<TestDatabase>,
    config: toml::Table,
    env: Vec<(String, String)>,
    command: &'static str,
    listen: String,
    names_ytdlp: bool,
}

/// A running product. Dropped, it is stopped and its data removed, unless the test has failed.
pub struct TestApp {
    home: PathBuf,
    /// False beside another app, whose folder it shares.
    owns_home: bool,
    command: &'static str,
    listen: String,
    env: Vec<(String, String)>,
    process: Option<Child>,
    base: String,
    contract: OnceLock<Option<Contract>>,
    // Dropped after the process, which is stopped in `drop`.
    _database: Option<TestDatabase>,
}

impl TestApp {
    /// On SQLite in its data folder.
    pub fn sqlite() -> Builder {
        Builder {
            database: None,
            config: toml::Table::new(),
            env: Vec::new(),
            command: "up",
            listen: "127.0.0.1:0".to_owned(),
            names_ytdlp: true,
        }
    }

    /// On a PostgreSQL database of its own; None where there is no server, which is said and in CI a
    /// failure.
    pub fn postgres() -> Option<Builder> {
        let database = TestDatabase::create()?;
        let mut config = toml::Table::new();
        config.insert("database_url".to_owned(), database.url().into());
        Some(Builder {
            database: Some(database),
            config,
            ..Self::sqlite()
        })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The folder of `--data`.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The app's own database, opened beside it.
    pub fn database(&self) -> std::sync::Arc<dyn shared::store::Database> {
        let url = self._database.as_ref().map(TestDatabase::url);
        let handle = runtime::database::Handle::open(&url.unwrap_or_default(), &self.data());
        handle.expect("the database opens").database()
    }

    /// The process id of the running binary.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    /// A caller without a token.
    pub fn anonymous(&self) -> Caller<'_> {
        Caller::new(self, None)
    }

    /// A caller with this token, whatever it is.
    pub fn caller(&self, token: &str) -> Caller<'_> {
        Caller::new(self, Some(token.to_owned()))
    }

    /// The OpenAPI document that this app serves; None where it serves none.
    pub(crate) async fn contract(&self) -> Option<&Contract> {
        if self.contract.get().is_none() {
            let fetched = Contract::fetch(&self.base).await;
            let _first = self.contract.set(fetched);
        }
        self.contract.get().and_then(Option::as_ref)
    }

    /// The log so far: one JSON object per line, stderr of all starts.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.home.join("stderr.jsonl")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        signal(&process, Signal::SIGTERM);
        wait(&mut process, Duration::from_secs(STOP_S_MAX)).unwrap_or_else(|| {
            let _killed = process.kill();
            panic!("still there {STOP_S_MAX} s after SIGTERM\n{}", self.tail());
        })
    }

    /// SIGKILL, and waits for the end.
    pub fn kill9(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("SIGKILL is sent");
        process.wait().expect("it ends");
    }

    /// Waits until the process has ended of its own accord, as with `WHARF_CRASH_AT`.
    pub fn wait_for_end(&mut self, patience: Duration) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        wait(&mut process, patience).unwrap_or_else(|| {
            let _killed = process.kill();
            panic!("it has not ended within {patience:?}\n{}", self.tail());
        })
    }

    /// Starts again on the same data, with this environment instead of the first one.
    pub fn restart_with(&mut self, env: &[(&str, &str)]) {
        self.env = owned(env);
        self.launch();
    }

    /// Where it listens from the next start on.
    pub fn listen_on(&mut self, address: &str) {
        address.clone_into(&mut self.listen);
    }

    /// Starts again on the same data and with the same environment.
    pub fn restart(&mut self) {
        self.launch();
    }

    /// Runs a command of the binary on this app's configuration and data, with this text on stdin.
    pub fn run(&self, arguments: &[&str], stdin: &str) -> std::process::Output {
        use std::io::Write as _;
        let mut child = self
            .binary()
            .args(arguments)
            .arg("--config")
            .arg(self.home.join("wharf.toml"))
            .arg("--data")
            .arg(self.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(stdin.as_bytes()).expect("it reads stdin");
        drop(input);
        child.wait_with_output().expect("it ends")
    }

    fn binary(&self) -> Command {
        let mut command = Command::new(product::binary());
        for (name, _) in std::env::vars() {
            // What a developer has set for his own wharf must not reach this one.
            if name.starts_with("WHARF_") || name == "DATABASE_URL" {
                command.env_remove(name);
            }
        }
        command.current_dir(product::workspace_root());
        command
    }

    fn launch(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let mut inner = self.binary();
        inner
            .arg(self.command)
            .args(["--listen", &self.listen, "--data"])
            .arg(self.data())
            .arg("--config")
            .arg(self.home.join("wharf.toml"))
            // How full this machine's own disk is must not decide what a test sees.
            .env("WHARF_DISK_USAGE_FILE", self.home.join(DISK_USAGE))
            .envs(self.env.iter().cloned());
        let mut command = dying_with_the_tests(inner);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.home.join("stderr.jsonl"))
            .expect("a log file");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process = spawn(command);
        let stdout = process.stdout.take().expect("a pipe");
        let base = wait_until_ready(stdout);
        self.process = Some(process);
        self.base = base.unwrap_or_else(|| panic!("wharf did not start\n{}", self.tail()));
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(&process, Signal::SIGTERM);
            if wait(&mut process, Duration::from_secs(5)).is_none() {
                let _gone = process.kill();
                let _reaped = process.wait();
            }
        }
        if std::thread::panicking() {
            eprintln!("{} holds\n{}", self.home.display(), self.tail());
        } else if self.owns_home {
            let _left = std::fs::remove_dir_all(&self.home);
        }
    }
}

impl Builder {
    /// Adds to the configuration file; tables are merged, later values win.
    pub fn config(mut self, text: &str) -> Self {
        let more: toml::Table = text.parse().expect("the configuration is TOML");
        merge(&mut self.config, more);
        self
    }

    /// Opens this `host:port` in the egress door.
    pub fn allow(mut self, address: &str) -> Self {
        let egress = self
            .config
            .entry("egress")
            .or_insert_with(|| toml::Table::new().into());
        let allow = egress
            .as_table_mut()
            .expect("a table")
            .entry("allow")
            .or_insert_with(|| toml::value::Array::new().into());
        allow.as_array_mut().expect("a list").push(address.into());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves it to the product to find a yt-dlp, which an admin may then replace.
    pub fn finding_ytdlp(mut self) -> Self {
        self.names_ytdlp = false;
        self
    }

    /// `serve` for the HTTP functions alone, `work` for the worker alone; `up`, both, without this.
    pub fn command(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    /// Listens here instead of on a port of the system's choice.
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = address.to_owned();
        self
    }

    /// Starts on the data and with the configuration of another app.
    pub fn start_beside(self, other: &TestApp) -> TestApp {
        self.start_at(other.home.clone(), false)
    }

    /// Starts, and waits until it serves.
    pub fn start(self) -> TestApp {
        let home = new_home();
        let mut config: toml::Table = "queue = { backoff_initial_ms = 50, backoff_max_ms = 200 }"
            .parse()
            .expect("TOML");
        // No test asks the real drives.
        merge(&mut config, NO_DRIVES.parse().expect("TOML"));
        let mut media = toml::Table::new();
        let mut name = |setting: &str, program: &Path| {
            media.insert(setting.to_owned(), program.display().to_string().into())
        };
        name("ffmpeg", tools::ffmpeg());
        if self.names_ytdlp {
            name("ytdlp", tools::ytdlp());
        }
        config.insert("media".to_owned(), media.into());
        merge(&mut config, self.config.clone());
        std::fs::write(home.join("wharf.toml"), config.to_string()).expect("the configuration");
        std::fs::write(home.join(DISK_USAGE), "50").expect("the disk's stand-in");
        share_the_cache(&home);
        self.start_at(home, true)
    }

    fn start_at(self, home: PathBuf, owns_home: bool) -> TestApp {
        let mut app = TestApp {
            home,
            owns_home,
            command: self.command,
            listen: self.listen,
            env: self.env,
            process: None,
            base: String::new(),
            contract: OnceLock::new(),
            _database: self.database,
        };
        app.launch();
        app
    }
}

fn owned(env: &[(&str, &str)]) -> Vec<(String, String)> {
    env.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// A new folder `<target>/test-data/<pid of the tests>-<n>`. What killed test runs have left is removed.
fn new_home() -> PathBuf {
    static TIDIED: OnceLock<PathBuf> = OnceLock::new();
    let all = TIDIED.get_or_init(|| {
        let all = product::target_dir().join("test-data");
        std::fs::create_dir_all(&all).expect("a folder for test data");
        for entry in std::fs::read_dir(&all).expect("it is a folder").flatten() {
            if !belongs_to_a_living_process(&entry.path()) {
                let _left = std::fs::remove_dir_all(entry.path());
            }
        }
        all
    });
    let home = all.join(format!("{}-{}", std::process::id(), crate::unique()));
    std::fs::create_dir_all(home.join("data")).expect("a folder for the app");
    home
}

/// Compiling the components takes seconds, so all apps share what one has compiled.
fn share_the_cache(home: &Path) {
    let cache = product::target_dir().join("test-cache");
    std::fs::create_dir_all(&cache).expect("a folder for compiled components");
    let link = home.join("data/cache");
    std::os::unix::fs::symlink(cache, link).expect("a link to the cache");
}

fn belongs_to_a_living_process(folder: &Path) -> bool {
    let name = folder.file_name().and_then(std::ffi::OsStr::to_str);
    let pid = name.and_then(|name| name.split('-').next()?.parse().ok());
    pid.is_some_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
}

/// Where util-linux is there, the kernel kills the product with the tests, also when these are killed or
/// when the app is a shared one that nobody drops.
fn dying_with_the_tests(inner: Command) -> Command {
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
fn spawn(command: Command) -> Child {
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
        .expect("the binary starts")
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

fn signal(process: &Child, signal: Signal) {
    let _gone = kill(Pid::from_raw(process.id() as i32), signal);
}

fn wait(process: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}
