//! The user's terminal: what is written to it, and what is asked of him.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use shared::limits::{CLIENT_ASK_POLL_MS, CLIENT_LINE_BYTES_MAX};
use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;
use tokio::sync::Notify;

/// Columns where nobody says how many there are.
const COLUMNS: u16 = 80;

/// Standard input, output and error.
#[derive(Default)]
pub struct Terminal {
    /// The exit code that writing has come to, once nothing can be written any more.
    end: Cell<Option<u8>>,
    ended: Notify,
}

impl Terminal {
    /// Writes to standard output. Once that has failed this does nothing more, and `ended` ends.
    pub fn write(&self, text: &str) {
        if self.end.get().is_some() {
            return;
        }
        let mut out = io::stdout().lock();
        if let Err(error) = out
            .write_all(escaped(text).as_bytes())
            .and_then(|()| out.flush())
        {
            // Nobody reads it any more: he has seen enough.
            let is_enough = error.kind() == io::ErrorKind::BrokenPipe;
            if !is_enough {
                self.write_error(&format!("The output cannot be written: {error}.\n"));
            }
            self.end.set(Some(u8::from(!is_enough)));
            self.ended.notify_one();
        }
    }

    /// Writes to standard error; where that is closed there is nobody to tell.
    pub fn write_error(&self, text: &str) {
        let _nobody = io::stderr().lock().write_all(escaped(text).as_bytes());
    }

    /// The exit code, if nothing can be written any more.
    pub fn end(&self) -> Option<u8> {
        self.end.get()
    }

    /// Waits until nothing can be written any more. Gives the exit code.
    pub async fn ended(&self) -> u8 {
        loop {
            match self.end.get() {
                Some(code) => return code,
                None => self.ended.notified().await,
            }
        }
    }

    /// A line of the user, without showing what he types if it is `hidden`. What is hidden is also read where
    /// standard input is no terminal, a line for each question; everything else has nobody to ask then.
    pub async fn ask(&self, question: &str, hidden: bool) -> io::Result<Option<String>> {
        if io::stdin().is_terminal() {
            return typed(question, hidden).await;
        }
        if !hidden {
            return Ok(None);
        }
        let reading = tokio::task::spawn_blocking(piped_line);
        reading.await.map_err(io::Error::other)?
    }
}

/// The next line of standard input, without its end.
pub fn piped_line() -> io::Result<Option<String>> {
    let mut line = String::new();
    let limit = CLIENT_LINE_BYTES_MAX as u64;
    let read = io::stdin().lock().take(limit).read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Looks for a line now and then: a thread that waits for it would go on waiting behind Ctrl-C, and take the next.
async fn typed(question: &str, hidden: bool) -> io::Result<Option<String>> {
    let input = rustix::stdio::stdin();
    let _silence = hidden.then(Silence::begin).transpose()?;
    let mut shown = io::stderr();
    write!(shown, "{}", harmless(question)).and_then(|()| shown.flush())?;
    let mut line = Vec::new();
    while line.len() < CLIENT_LINE_BYTES_MAX && !line.ends_with(b"\n") {
        let mut ready = [PollFd::new(&input, PollFlags::IN)];
        if poll(&mut ready, Some(&Timespec::default()))? == 0 {
            tokio::time::sleep(Duration::from_millis(CLIENT_ASK_POLL_MS)).await;
            continue;
        }
        let mut piece = [0; 1024];
        let count = rustix::io::read(input, &mut piece)?;
        if count == 0 {
            break;
        }
        line.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8_lossy(&line);
    Ok((!line.is_empty()).then(|| text.trim_end_matches(['\n', '\r']).to_owned()))
}

/// While this lives, the terminal does not show what is typed.
struct Silence {
    before: Termios,
}

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // The end of his line was not shown either.
        let _nobody = writeln!(io::stderr());
        let _gone = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Gives the terminal back as it was, whatever state the line editor had it in.
pub struct Restored {
    before: Option<Termios>,
}

impl Restored {
    pub fn remember() -> Self {
        Self {
            before: tcgetattr(rustix::stdio::stdin()).ok(),
        }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _gone = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// How wide the terminal of standard output is; `None` where it is none, so that nothing need be cut.
pub fn columns() -> Option<u16> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let told = tcgetwinsize(rustix::stdio::stdout()).map(|size| size.ws_col);
    Some(told.ok().filter(|columns| *columns > 0).unwrap_or(COLUMNS))
}

/// Whether lines of standard output can be written over.
pub fn is_live() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}

/// Text for one line of a terminal: no control characters, none that turn its direction or that nobody sees. The
/// command language does the same for all that it shows; this is for what does not pass its screen.
pub fn harmless(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => ' ',
        _ if character.is_control() || is_hidden(character) => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    text.chars().map(shown).collect()
}

/// What the screen writes, with such characters written out as JSON has it. Only answers in JSON still hold any, and
/// they mean the same so. The screen's own sequences, which begin with ESC, pass.
fn escaped(text: &str) -> Cow<'_, str> {
    let harmful =
        |character: char| !character.is_ascii() && (character.is_control() || is_hidden(character));
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match harmful(character) {
            true => shown.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Marks of direction, and blanks and marks without a look.
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
    ) || ('\u{2028}'..='\u{202e}').contains(&character)
        || ('\u{2060}'..='\u{2069}').contains(&character)
        || ('\u{fff9}'..='\u{fffb}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::{escaped, harmless};

    #[test]
    fn nothing_turns_or_drives_the_terminal() {
        let turned = "a\u{202e}b\u{1b}[2Jc\u{9b}31md\u{7}\r\ne";
        assert_eq!(
            harmless(turned),
            "a\u{fffd}b\u{fffd}[2Jc\u{fffd}31md\u{fffd}\u{fffd} e"
        );
        assert_eq!(harmless("三体 é “x”"), "三体 é “x”");
    }

    #[test]
    fn json_keeps_its_meaning_without_driving_the_terminal() {
        let shown = escaped("\u{1b}[2m{\"title\":\"a\u{9b}31m\u{202e}三\"}\u{1b}[0m\n");
        assert_eq!(
            shown,
            "\u{1b}[2m{\"title\":\"a\\u009b31m\\u202e三\"}\u{1b}[0m\n"
        );
    }
}
