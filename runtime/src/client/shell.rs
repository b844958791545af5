//! The interactive shell: lines of the user, one after another, with history and completion. The editor waits for
//! keys on a thread of its own; the language stays where it is and answers it.

use super::engine::{Completion, Language};
use super::native::Host;
use super::signals::Signals;
use super::terminal::{Restored, harmless, piped_line};
use super::{LOGINS, finish, history};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use shared::limits::{CLIENT_COMPLETE_MS_MAX, CLIENT_HISTORY_LINES_MAX};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::mpsc as threads;
use std::time::Duration;
use tokio::sync::mpsc;

const PROMPT: &str = "wharf> ";
/// Words that end the shell, beside Ctrl-D.
const ENDS: [&str; 2] = ["exit", "quit"];

/// What the editor's thread asks of the language.
enum Request {
    /// Run this; an answer on the channel of `run` is wanted when it has ended.
    Line(String),
    Complete {
        line: String,
        /// Bytes.
        cursor: usize,
        answer: threads::Sender<Completion>,
    },
}

/// Reads and runs until the end of input. Gives the exit code of the last command.
pub async fn run(language: &Language<'_>, host: &Host) -> anyhow::Result<u8> {
    let mut signals = Signals::listen()?;
    if std::io::stdin().is_terminal() {
        let _modes = Restored::remember();
        edited(language, host, &mut signals).await
    } else {
        piped(language, host, &mut signals).await
    }
}

async fn piped(language: &Language<'_>, host: &Host, signals: &mut Signals) -> anyhow::Result<u8> {
    let mut code = 0;
    loop {
        let reading = tokio::task::spawn_blocking(piped_line);
        let line = tokio::select! {
            line = reading => line??,
            code = signals.next() => return Ok(code),
        };
        match line {
            Some(line) if ENDS.contains(&line.trim()) => return Ok(code),
            Some(line) => code = one(language, host, &line, signals).await?,
            None => return Ok(code),
        }
    }
}

async fn edited(language: &Language<'_>, host: &Host, signals: &mut Signals) -> anyhow::Result<u8> {
    let history = host.storage.place("history").ok();
    let (asks, mut asked) = mpsc::channel(1);
    let (runs, ran) = threads::channel();
    let editor = std::thread::spawn(move || edit(history, asks, &ran));
    let mut code = 0;
    loop {
        let request = tokio::select! {
            request = asked.recv() => request,
            signal = signals.next() => match signal {
                // Ctrl-C at the prompt is the editor's.
                130 => continue,
                signal => return Ok(signal),
            },
        };
        match request {
            Some(Request::Line(line)) => {
                code = one(language, host, &line, signals).await?;
                let _editor_is_gone = runs.send(());
            }
            Some(Request::Complete {
                line,
                cursor,
                answer,
            }) => {
                let none = Completion {
                    from: cursor,
                    ..Completion::default()
                };
                let _too_late = answer.send(language.complete(&line, cursor).await.unwrap_or(none));
            }
            None => break,
        }
    }
    let ended = tokio::task::spawn_blocking(move || editor.join()).await?;
    ended.map_err(|_| anyhow::anyhow!("The line editor failed."))??;
    Ok(code)
}

/// Runs one line.
pub async fn one(
    language: &Language<'_>,
    host: &Host,
    line: &str,
    signals: &mut Signals,
) -> anyhow::Result<u8> {
    let code = finish(language, language.line(line)?, host, signals).await?;
    let first = line.split_whitespace().next().unwrap_or_default();
    if code == 0 && LOGINS.contains(&first) {
        host.storage.remember_server(&host.server).await?;
    }
    Ok(code)
}

/// The editor's thread. Ends with Ctrl-D, `exit`, or when the shell has gone.
fn edit(
    history: Option<PathBuf>,
    asks: mpsc::Sender<Request>,
    ran: &threads::Receiver<()>,
) -> anyhow::Result<()> {
    let config = Config::builder()
        .max_history_size(CLIENT_HISTORY_LINES_MAX)?
        .history_ignore_dups(true)?
        .completion_type(CompletionType::List)
        .build();
    let mut editor: Editor<Completing, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Completing { asks: asks.clone() }));
    if let Some(path) = &history {
        let _none_yet = editor.load_history(path);
    }
    loop {
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if history::is_kept(&line) && editor.add_history_entry(&line)? {
            // A history that cannot be written is no reason to end.
            let _unwritten = history.as_ref().map(|path| editor.append_history(path));
        }
        let ends = ENDS.contains(&line.trim());
        if ends || asks.blocking_send(Request::Line(line)).is_err() || ran.recv().is_err() {
            return Ok(());
        }
    }
}

struct Completing {
    asks: mpsc::Sender<Request>,
}

impl Completer for Completing {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (answer, answered) = threads::channel();
        let request = Request::Complete {
            line: line.to_owned(),
            cursor,
            answer,
        };
        let none = (cursor, Vec::new());
        if self.asks.blocking_send(request).is_err() {
            return Ok(none);
        }
        let patience = Duration::from_millis(CLIENT_COMPLETE_MS_MAX);
        let Ok(found) = answered.recv_timeout(patience) else {
            return Ok(none);
        };
        let mut candidates: Vec<Pair> = found.items.into_iter().map(candidate).collect();
        if let [only] = candidates.as_mut_slice() {
            only.replacement.push(' ');
        }
        Ok((found.from, candidates))
    }
}

fn candidate((text, hint): (String, String)) -> Pair {
    let display = match hint.is_empty() {
        true => harmless(&text),
        false => format!("{}  {}", harmless(&text), harmless(&hint)),
    };
    Pair {
        display,
        replacement: harmless(&text),
    }
}

impl Helper for Completing {}
impl Hinter for Completing {
    type Hint = String;
}
impl Highlighter for Completing {}
impl Validator for Completing {}
