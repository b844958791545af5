//! The product scaled out (PF-5): runners and workers as processes of their own, on one PostgreSQL and one data
//! folder, behind nginx with the configuration that ships in `deploy/nginx`.

use crate::app::STOP_S_MAX;
use crate::nginx::{Nginx, nginx_around};
use crate::process::{Process, Start};
use crate::product::workspace_root;
use crate::spin;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Ports below those that Linux gives to clients: one of these stays free while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Real Spin, beside or instead of runners.
    pub spins: usize,
    pub runners: usize,
    pub workers: usize,
}

impl Shape {
    /// What the requirement is measured with.
    pub const WHOLE: Self = Self::new(2, 3);
    /// Spin and a worker on one machine.
    pub const SPIN: Self = Self {
        spins: 1,
        ..Self::new(0, 1)
    };

    pub const fn new(runners: usize, workers: usize) -> Self {
        Self {
            spins: 0,
            runners,
            workers,
        }
    }

    /// SQLite serves one machine's processes, of which the harness starts no more than two.
    pub(crate) fn needs_postgres(self) -> bool {
        self.spins + self.runners + self.workers > 2
    }
}

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `spin up`.
    Spin,
    /// `wharf serve`.
    Runner,
    /// `wharf work`.
    Worker,
}

/// All processes of one app.
pub struct Fleet {
    members: Vec<Member>,
    /// Started with the first member.
    nginx: Mutex<Option<Nginx>>,
    home: PathBuf,
    /// `host:port` for clients, and for the runners' own calls.
    public: String,
    internal: String,
}

/// One process, which may be killed and started again while others speak to the app.
pub struct Member {
    pub role: Role,
    start: Start,
    process: Mutex<Option<Process>>,
}

/// What `WHARF_TEST_TOPOLOGY` asks apps to be.
pub(crate) fn asked_for() -> Option<Shape> {
    match std::env::var("WHARF_TEST_TOPOLOGY").as_deref() {
        Ok("fleet") => Some(Shape::WHOLE),
        Ok("spin") => Some(Shape::SPIN),
        Ok("") | Err(_) => None,
        Ok(other) => panic!("WHARF_TEST_TOPOLOGY is {other:?}; there are \"fleet\" and \"spin\""),
    }
}

/// A `host:port` that nobody listens on, that no client is given while it is not listened on, and that nobody else in
/// this process is given.
pub fn standing_address() -> String {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let random = uuid::Uuid::new_v4().as_fields().1;
        let port = PORTS.start + random % (PORTS.end - PORTS.start);
        if !GIVEN.lock().expect("no panic").insert(port) {
            continue;
        }
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().expect("its address").to_string();
        }
    }
}

impl Fleet {
    /// Nothing runs yet.
    pub(crate) fn new(shape: Shape, home: &Path, env: &[(String, String)]) -> Self {
        let member = |role: Role| Member {
            role,
            start: Start {
                home: home.to_owned(),
                command: match role {
                    Role::Spin => "config",
                    Role::Runner => "serve",
                    Role::Worker => "work",
                },
                listen: standing_address(),
                env: env.to_vec(),
            },
            process: Mutex::default(),
        };
        let spins = (0..shape.spins).map(|_| member(Role::Spin));
        let runners = (0..shape.runners).map(|_| member(Role::Runner));
        let workers = (0..shape.workers).map(|_| member(Role::Worker));
        Self {
            members: spins.chain(runners).chain(workers).collect(),
            nginx: Mutex::default(),
            home: home.to_owned(),
            public: standing_address(),
            internal: standing_address(),
        }
    }

    /// What an operator sets, besides the database.
    pub(crate) fn config(&self) -> toml::Table {
        let base = self.base();
        let internal = &self.internal;
        format!(
            "public_url = \"{base}\"\ntrusted_proxies = [\"127.0.0.1\"]\n\
             files = {{ url = \"{base}\" }}\nworker = {{ url = \"http://{internal}\" }}\n"
        )
        .parse()
        .expect("TOML")
    }

    /// Where clients reach all of it, without a slash at the end.
    pub fn base(&self) -> String {
        format!("http://{}", self.public)
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.members.iter().filter_map(Member::pid)
    }

    /// Starts all members at once, as machines do that come up together. Returns whether all serve.
    pub(crate) fn start(&self) -> bool {
        let started = std::thread::scope(|scope| {
            let starts: Vec<_> = self
                .members
                .iter()
                .map(|member| scope.spawn(|| member.start()))
                .collect();
            let started = starts.into_iter().map(|start| start.join());
            started.collect::<Vec<_>>()
        });
        let mut nginx = self.nginx.lock().expect("nobody panics in here");
        if nginx.is_none() {
            let started = Nginx::start(&self.home, &self.public, &self.nginx_conf());
            *nginx = Some(started.expect("a fleet needs nginx"));
        }
        started.into_iter().all(|is_up| is_up.unwrap_or(false))
    }

    /// SIGTERM to all, and waits for their ends: a failure if there is one. None when one does not end in time.
    pub(crate) fn stop(&self) -> Option<ExitStatus> {
        let running: Vec<Process> = self.members.iter().filter_map(Member::take).collect();
        for process in &running {
            process.signal(Signal::SIGTERM);
        }
        let patience = Duration::from_secs(STOP_S_MAX);
        let ended = running.into_iter().map(|process| process.ended(patience));
        let ended: Option<Vec<ExitStatus>> = ended.collect();
        let failed = ended?.into_iter().find(|status| !status.success());
        Some(failed.unwrap_or_else(|| ExitStatus::from_raw(0)))
    }

    pub(crate) fn kill9(&self) {
        for process in self.members.iter().filter_map(Member::take) {
            process.kill9();
        }
    }

    pub(crate) fn set_env(&mut self, env: &[(String, String)]) {
        for member in &mut self.members {
            member.start.env = env.to_vec();
        }
    }

    /// The configuration that ships, with the addresses of this fleet.
    fn nginx_conf(&self) -> String {
        let template = workspace_root().join("deploy/nginx/wharf.conf");
        let template = std::fs::read_to_string(template).expect("the template");
        let members = |are_workers: bool| {
            let members = self.members.iter();
            let members = members.filter(move |it| (it.role == Role::Worker) == are_workers);
            members.map(|member| member.start.listen.as_str()).collect()
        };
        let mut servers = template;
        for (opening, addresses) in [
            ("upstream wharf_runners {", members(false)),
            ("upstream wharf_workers {", members(true)),
        ] {
            servers = with_servers(&servers, opening, &addresses);
        }
        for (shipped, ours) in [
            ("listen 80;", &self.public),
            ("listen 10.0.0.10:3002;", &self.internal),
        ] {
            assert_eq!(servers.matches(shipped).count(), 1, "{shipped}");
            servers = servers.replace(shipped, &format!("listen {ours};"));
        }
        nginx_around(&self.home, None, &servers)
    }
}

/// Puts other servers into an upstream of the template; what stands behind their addresses stays.
fn with_servers(template: &str, opening: &str, addresses: &Vec<&str>) -> String {
    let (before, rest) = template.split_once(opening).expect("the upstream");
    let (inner, after) = rest.split_once('}').expect("its end");
    let is_server = |line: &&str| line.trim_start().starts_with("server ");
    let first = inner.lines().find(is_server).expect("a server");
    let shipped = first.split_whitespace().nth(1).expect("its address");
    let others = inner.lines().filter(|line| !is_server(line));
    let ours = addresses.iter().map(|ours| first.replace(shipped, ours));
    let lines: Vec<String> = others.map(str::to_owned).chain(ours).collect();
    format!("{before}{opening}{}\n}}{after}", lines.join("\n"))
}

impl Member {
    /// Starts, and waits until it serves. Returns whether it does.
    pub fn start(&self) -> bool {
        let process = match self.role {
            Role::Spin => spin::start(&self.start),
            Role::Runner | Role::Worker => self.start.start(),
        };
        let is_up = process.is_some();
        *self.process() = process;
        is_up
    }

    /// SIGTERM, and waits for the end; None when it does not come in time.
    pub fn stop(&self) -> Option<ExitStatus> {
        let process = self.take().expect("it runs");
        process.signal(Signal::SIGTERM);
        process.ended(Duration::from_secs(STOP_S_MAX))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill9(&self) {
        self.take().expect("it runs").kill9();
    }

    /// `http://host:port` of this one alone.
    pub fn base(&self) -> String {
        format!("http://{}", self.start.listen)
    }

    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    fn take(&self) -> Option<Process> {
        self.process().take()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().expect("nobody panics in here")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let running: Vec<Process> = self.members.iter().filter_map(Member::take).collect();
        for process in &running {
            process.signal(Signal::SIGTERM);
        }
        // Its data is nobody's any more; waiting for a pull to end would be for nothing.
        for process in running {
            process.ended(Duration::from_secs(5));
        }
    }
}
