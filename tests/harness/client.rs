//! The user's own client: the binary with a home of its own, run as a person or a script runs it.

use crate::pty::Pty;
use crate::{TestApp, product};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A home folder and a server.
pub struct Client {
    home: tempfile::TempDir,
    server: String,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Client {
    pub fn of(app: &TestApp) -> Self {
        Self::at(app.base())
    }

    /// For a server that is no Wharf, or is not there.
    pub fn at(server: &str) -> Self {
        Self {
            home: tempfile::tempdir().expect("a home"),
            server: server.to_owned(),
        }
    }

    /// One that has registered as this address, with a password on standard input.
    pub fn registered(app: &TestApp, email: &str, password: &str) -> Self {
        let client = Self::of(app);
        client
            .run_with(&["register", email], &format!("{password}\n"))
            .ok();
        client
    }

    /// The home, which is the current folder too.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The file that holds the logins.
    pub fn store(&self) -> PathBuf {
        self.home().join(".config/wharf/client.json")
    }

    /// Runs a command to its end; there is nobody to ask.
    pub fn run(&self, words: &[&str]) -> Ran {
        self.run_with(words, "")
    }

    /// The same with this on standard input.
    pub fn run_with(&self, words: &[&str], input: &str) -> Ran {
        Ran::of(self.command(words), input)
    }

    /// A command, not yet started.
    pub fn command(&self, words: &[&str]) -> Command {
        self.program(&product::binary().display().to_string(), words)
    }

    /// Another program in the same surroundings.
    pub fn program(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars() {
            if name.starts_with("WHARF_") || name.starts_with("XDG_") || name.starts_with("LC_") {
                command.env_remove(name);
            }
        }
        command
            .args(words)
            .current_dir(self.home())
            .env("HOME", self.home())
            .env("WHARF_SERVER", &self.server)
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR");
        command
    }

    /// A command on a terminal of this many columns.
    pub fn terminal(&self, words: &[&str], columns: u16) -> Pty {
        let mut command = self.program("setsid", &["--ctty", "--wait"]);
        command.arg(product::binary()).args(words);
        Pty::start(command, columns)
    }
}

impl Ran {
    /// Runs to the end with this on standard input.
    pub fn of(mut command: Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // It may end without having read all.
        let _unread = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code().expect("it ends by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// What a success has written. Panics unless the exit code is 0 and nothing was complained of.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == 0 && self.err.is_empty(), "{self:#?}");
        self.out
    }

    /// The same as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What a failure has complained of. Panics unless it ended with this exit code and a sentence.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert!(
            self.code == code && !self.err.trim().is_empty(),
            "{self:#?}"
        );
        self.err
    }
}
