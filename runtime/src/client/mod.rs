//! The user's own client (SH-15): the command language of `shared/language`, which the terminal page of the browser
//! and Node.js run too, in QuickJS on his machine. It talks to the one server that he names, keeps its logins in his
//! config folder, and runs on one thread.

pub mod completions;
mod engine;
pub mod help;
mod history;
mod http;
mod native;
mod save;
mod shell;
mod signals;
mod socket;
mod storage;
mod terminal;

pub use engine::Command;

use anyhow::{Context as _, bail};
use engine::{Language, with_language};
use native::Host;
use rquickjs::Promise;
use shared::limits::CLIENT_STOP_MS_MAX;
use signals::Signals;
use std::ffi::OsString;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use storage::Storage;

/// Where the client goes unless it is told.
const SERVER: &str = "http://127.0.0.1:3000";
/// Commands behind which their server is the one to go to.
const LOGINS: [&str; 4] = ["login", "register", "登录", "注册"];
const FAILED: u8 = 1;

/// What may stand before or behind a command of the client.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// For client commands: Wharf's address; else WHARF_SERVER, the last login's, or http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// For client commands: no colours; also with NO_COLOR
    #[arg(long)]
    pub no_color: bool,
}

impl Flags {
    /// These, and where they say nothing, the others.
    pub fn or(self, others: Self) -> Self {
        Self {
            server: self.server.or(others.server),
            no_color: self.no_color || others.no_color,
        }
    }
}

/// Runs one command of the language. `own` are the names of the binary's own commands.
pub fn run(flags: Flags, words: Vec<OsString>, json: bool, own: Vec<String>) -> ExitCode {
    on_one_thread(async move {
        let (flags, words) = read_flags(flags, words)?;
        let host = host(&flags)?;
        with_language(Rc::clone(&host), own, async move |language| {
            let mut signals = Signals::listen()?;
            let logs_in = words
                .first()
                .is_some_and(|name| LOGINS.contains(&name.as_str()));
            let code = finish(&language, language.run(words, json)?, &host, &mut signals).await?;
            if logs_in && code == 0 {
                host.storage.remember_server(&host.server).await?;
            }
            Ok(code)
        })
        .await
    })
}

/// Runs the interactive shell, or the lines of standard input where that is no terminal, or one `line`.
pub fn interactive(flags: Flags, line: Option<String>) -> ExitCode {
    on_one_thread(async move {
        let host = host(&flags)?;
        with_language(
            Rc::clone(&host),
            Vec::new(),
            async move |language| match line {
                Some(line) => shell::one(&language, &host, &line, &mut Signals::listen()?).await,
                None => shell::run(&language, &host).await,
            },
        )
        .await
    })
}

/// All commands of the language, as `wharf --help` shows them.
pub fn commands() -> anyhow::Result<Vec<Command>> {
    let runtime = one_thread()?;
    let host = Host::new(SERVER.to_owned(), Storage::of_the_user(), false);
    runtime.block_on(with_language(host, Vec::new(), async |language| {
        language.commands()
    }))
}

/// Waits for a command's exit code. A signal stops the command, a second one the waiting; when nobody reads what it
/// writes, it ends quietly.
async fn finish<'js>(
    language: &Language<'js>,
    command: Promise<'js>,
    host: &Host,
    signals: &mut Signals,
) -> anyhow::Result<u8> {
    let running = language.settled::<u8>(command);
    tokio::pin!(running);
    let code = tokio::select! {
        code = &mut running => return code.map(|code| host.terminal.end().unwrap_or(code)),
        code = signals.next() => code,
        code = host.terminal.ended() => code,
    };
    language.cancel()?;
    host.stop();
    tokio::select! {
        _ended = tokio::time::timeout(Duration::from_millis(CLIENT_STOP_MS_MAX), running) => {}
        _again = signals.next() => {}
    }
    Ok(code)
}

fn host(flags: &Flags) -> anyhow::Result<Rc<Host>> {
    let storage = Storage::of_the_user();
    let named = flags.server.clone().or_else(|| {
        std::env::var("WHARF_SERVER")
            .ok()
            .filter(|name| !name.is_empty())
    });
    let named = named.or_else(|| storage.last_server());
    let server = origin(named.as_deref().unwrap_or(SERVER))?;
    let colour =
        !flags.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Ok(Host::new(server, storage, colour && terminal::is_live()))
}

/// `https://wharf.example.com:8443`, of what the user wrote.
fn origin(server: &str) -> anyhow::Result<String> {
    let read = url::Url::parse(server).ok().filter(|url| {
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https")
            && is_bare
            && url.username().is_empty()
            && url.password().is_none()
    });
    match read {
        Some(url) => Ok(url.origin().ascii_serialization()),
        None => bail!(
            "{} is no address of a server; it should look like {SERVER}.",
            terminal::harmless(server)
        ),
    }
}

/// Takes the client's own flags out of a command's words, as far as they stand before `--`.
fn read_flags(mut flags: Flags, words: Vec<OsString>) -> anyhow::Result<(Flags, Vec<String>)> {
    let mut kept = Vec::with_capacity(words.len());
    let mut words = words.into_iter().map(|word| {
        let text = word.into_string();
        text.map_err(|word| {
            anyhow::anyhow!(
                "{} is no UTF-8.",
                terminal::harmless(&word.to_string_lossy())
            )
        })
    });
    while let Some(word) = words.next() {
        match word?.as_str() {
            "--" => {
                kept.push("--".to_owned());
                break;
            }
            "--no-color" => flags.no_color = true,
            "--server" => flags.server = Some(words.next().context("--server needs an address.")??),
            word => match word.strip_prefix("--server=") {
                Some(server) => flags.server = Some(server.to_owned()),
                None => kept.push(word.to_owned()),
            },
        }
    }
    for word in words {
        kept.push(word?);
    }
    Ok((flags, kept))
}

/// Runs to the exit code. What still waits for a terminal or a server then does not hold the process.
fn on_one_thread(work: impl Future<Output = anyhow::Result<u8>>) -> ExitCode {
    let done = one_thread().and_then(|runtime| {
        let done = runtime.block_on(work);
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    built.context("No runtime could be started.")
}

#[cfg(test)]
mod tests {
    use super::{Flags, origin, read_flags};

    #[test]
    fn a_server_is_named_by_its_origin() {
        for (written, meant) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://Wharf.example.com/", "https://wharf.example.com"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(origin(written).expect("an address"), meant);
        }
        for wrong in [
            "localhost",
            "ftp://a.example",
            "http://a.example/path",
            "http://u:p@a.example",
            "http://",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_clients_flags_stand_anywhere_before_two_dashes() {
        let words = [
            "search",
            "--server",
            "http://a",
            "x",
            "--no-color",
            "--",
            "--server",
            "b",
        ];
        let (flags, words) =
            read_flags(Flags::default(), words.map(Into::into).to_vec()).expect("flags");
        assert_eq!(flags.server.as_deref(), Some("http://a"));
        assert!(flags.no_color);
        assert_eq!(words, ["search", "x", "--", "--server", "b"]);
        let missing = ["search", "--server"].map(Into::into).to_vec();
        assert!(read_flags(Flags::default(), missing).is_err());
    }
}
