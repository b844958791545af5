//! The product as a subprocess on a port and with data of its own.

use crate::contract::Contract;
use crate::database::TestDatabase;
use crate::fleet::{self, Fleet, Shape};
use crate::nginx::Nginx;
use crate::process::{self, Process, Start};
use crate::{Caller, product, tools};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// From SIGTERM to the end of the process.
pub(crate) const STOP_S_MAX: u64 = 30;
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
    fleet: Option<Shape>,
    is_alone: bool,
}

/// A running product. Dropped, it is stopped and its data removed, unless the test has failed.
pub struct TestApp {
    start: Start,
    /// False beside another app, whose folder it shares.
    owns_home: bool,
    process: Option<Process>,
    /// Many processes in the place of one.
    fleet: Option<Fleet>,
    base: String,
    contract: OnceLock<Option<Contract>>,
    // Dropped after the processes, which are stopped in `drop`.
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
            fleet: None,
            is_alone: false,
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

    /// So many runners and workers on a PostgreSQL database of their own, behind nginx; None where one of the two is
    /// missing, which is said and in CI a failure.
    pub fn scaled_out(shape: Shape) -> Option<Builder> {
        if !Nginx::is_there() {
            let line = "NOT COVERED: there is no nginx";
            assert!(std::env::var_os("CI").is_none(), "{line}");
            eprintln!("{line}");
            return None;
        }
        Some(Builder {
            fleet: Some(shape),
            ..Self::postgres()?
        })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The folder of `--data`.
    pub fn data(&self) -> PathBuf {
        self.start.home.join("data")
    }

    /// The app's own database, opened beside it.
    pub fn database(&self) -> std::sync::Arc<dyn shared::store::Database> {
        let url = self._database.as_ref().map(TestDatabase::url);
        let handle = runtime::database::Handle::open(&url.unwrap_or_default(), &self.data());
        handle.expect("the database opens").database()
    }

    /// The process id of the running binary; of a fleet's none.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// The process ids of everything of the product that runs.
    pub fn pids(&self) -> Vec<u32> {
        let one = self.process.iter().map(Process::pid);
        let many = self.fleet.iter().flat_map(Fleet::pids);
        one.chain(many).collect()
    }

    /// Its processes one by one. Panics where it is one alone.
    pub fn fleet(&self) -> &Fleet {
        self.fleet.as_ref().expect("it is a fleet")
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

    /// The log so far: one JSON object per line, stderr of all processes and starts.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.start.home.join(process::LOG)).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// SIGTERM, and waits for the end. Of a fleet, a status that is no success if there is one.
    pub fn stop(&mut self) -> ExitStatus {
        let ended = match &self.fleet {
            Some(fleet) => fleet.stop(),
            None => {
                let process = self.process.take().expect("it runs");
                process.signal(Signal::SIGTERM);
                process.ended(Duration::from_secs(STOP_S_MAX))
            }
        };
        ended.unwrap_or_else(|| panic!("still there {STOP_S_MAX} s after SIGTERM\n{}", self.tail()))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill9(&mut self) {
        match &self.fleet {
            Some(fleet) => fleet.kill9(),
            None => self.process.take().expect("it runs").kill9(),
        }
    }

    /// Waits until the process has ended of its own accord, as with `WHARF_CRASH_AT`.
    pub fn wait_for_end(&mut self, patience: Duration) -> ExitStatus {
        let ended = self.process.take().expect("it runs").ended(patience);
        ended.unwrap_or_else(|| panic!("it has not ended within {patience:?}\n{}", self.tail()))
    }

    /// Starts again on the same data, with this environment instead of the first one.
    pub fn restart_with(&mut self, env: &[(&str, &str)]) {
        self.start.env = owned(env);
        if let Some(fleet) = &mut self.fleet {
            fleet.set_env(&self.start.env);
        }
        self.launch();
    }

    /// Starts again on the same data and with the same environment.
    pub fn restart(&mut self) {
        self.launch();
    }

    /// Runs a command of the binary on this app's configuration and data, with this text on stdin.
    pub fn run(&self, arguments: &[&str], stdin: &str) -> std::process::Output {
        use std::io::Write as _;
        let mut child = process::binary()
            .args(arguments)
            .arg("--config")
            .arg(self.start.home.join("wharf.toml"))
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

    fn launch(&mut self) {
        if let Some(fleet) = &self.fleet {
            let is_up = fleet.start();
            assert!(is_up, "the fleet did not start\n{}", self.tail());
            fleet.base().clone_into(&mut self.base);
            return;
        }
        assert!(self.process.is_none(), "it runs already");
        let process = self.start.start();
        let process = process.unwrap_or_else(|| panic!("wharf did not start\n{}", self.tail()));
        self.base.clone_from(&process.base);
        self.process = Some(process);
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal(Signal::SIGTERM);
            process.ended(Duration::from_secs(5));
        }
        drop(self.fleet.take());
        let home = &self.start.home;
        if std::thread::panicking() {
            eprintln!("{} holds\n{}", home.display(), self.tail());
        } else if self.owns_home {
            let _left = std::fs::remove_dir_all(home);
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

    /// One process also where `WHARF_TEST_TOPOLOGY` asks for fleets; the reason stands at the test.
    pub fn alone(mut self, _why: &'static str) -> Self {
        self.is_alone = true;
        self
    }

    /// Starts on the data and with the configuration of another app.
    pub fn start_beside(self, other: &TestApp) -> TestApp {
        self.launch_at(other.start.home.clone(), false, None)
    }

    /// Starts, and waits until it serves.
    pub fn start(mut self) -> TestApp {
        let home = new_home();
        if self.fleet.is_none() && self.command == "up" && !self.is_alone {
            self.fleet = fleet::asked_for();
        }
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
        let fleet = self.fleet.map(|shape| {
            if shape.needs_postgres() && self.database.is_none() {
                let database = TestDatabase::create().expect("a fleet needs PostgreSQL");
                config.insert("database_url".to_owned(), database.url().into());
                self.database = Some(database);
            }
            let fleet = Fleet::new(shape, &home, &self.env);
            merge(&mut config, fleet.config());
            fleet
        });
        merge(&mut config, self.config.clone());
        std::fs::write(home.join("wharf.toml"), config.to_string()).expect("the configuration");
        std::fs::write(home.join(process::DISK_USAGE), "50").expect("the disk's stand-in");
        share_the_cache(&home);
        self.launch_at(home, true, fleet)
    }

    fn launch_at(self, home: PathBuf, owns_home: bool, fleet: Option<Fleet>) -> TestApp {
        let mut app = TestApp {
            start: Start {
                home,
                command: self.command,
                listen: self.listen,
                env: self.env,
            },
            owns_home,
            process: None,
            fleet,
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
