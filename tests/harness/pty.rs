//! A pseudo-terminal with a program on it: keys go in, what the program shows comes out.

use crate::PATIENCE;
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

const ROWS: u16 = 24;

/// A program on a terminal of its own, which a dropped one takes away from it.
pub struct Pty {
    child: Child,
    keyboard: File,
    screen: Arc<Screen>,
    /// Up to where `shows` has read.
    read: usize,
}

#[derive(Default)]
struct Screen {
    text: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Pty {
    /// Starts the program; the command has to make the terminal the controlling one, as `setsid --ctty` does.
    pub(crate) fn start(mut command: Command, columns: u16) -> Self {
        let size = Winsize {
            ws_row: ROWS,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(&size, None).expect("a pseudo-terminal");
        let end = || pair.slave.try_clone().expect("a handle of the terminal");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn();
        let child = child.expect("util-linux is there");
        // Only the program holds its end now, so that the screen ends with it.
        drop(command);
        drop(pair.slave);
        let keyboard = File::from(pair.master);
        let screen = Arc::new(Screen::default());
        let shown = Arc::clone(&screen);
        let output = keyboard.try_clone().expect("a handle of the terminal");
        std::thread::spawn(move || shown.fill(output));
        Self {
            child,
            keyboard,
            screen,
            read: 0,
        }
    }

    /// Types.
    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Waits until this shows behind what was shown before. Gives everything up to it.
    #[track_caller]
    pub fn shows(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self
            .screen
            .text
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(at) = text.0[self.read..].find(wanted) {
                let end = self.read + at + wanted.len();
                let shown = text.0[self.read..end].to_owned();
                self.read = end;
                return shown;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let is_over = left.is_zero() || text.1;
            assert!(
                !is_over,
                "{wanted:?} is not shown: {:?}",
                &text.0[self.read..]
            );
            text = wait(&self.screen.changed, text, left);
        }
    }

    /// Whether the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).expect("a terminal");
        modes.local_flags.contains(LocalFlags::ECHO)
    }

    /// Waits for the end of the program. Gives its exit code and all that it has ever shown.
    #[track_caller]
    pub fn end(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self
            .screen
            .text
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !text.1 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end: {:?}", text.0);
            text = wait(&self.screen.changed, text, left);
        }
        let all = text.0.clone();
        drop(text);
        let status = self.child.wait().expect("it has ended");
        (status.code().unwrap_or(-1), all)
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Screen {
    /// Takes over what the program shows, until it has ended.
    fn fill(&self, mut output: File) {
        let mut pending = Vec::new();
        let mut piece = [0; 4096];
        loop {
            // The kernel answers EIO once nobody holds the other end.
            let count = output.read(&mut piece).unwrap_or(0);
            pending.extend_from_slice(&piece[..count]);
            let whole = match std::str::from_utf8(&pending) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            text.0.push_str(&String::from_utf8_lossy(&pending[..whole]));
            text.1 = count == 0;
            pending.drain(..whole);
            self.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    }
}

fn wait<'a, T>(
    changed: &Condvar,
    guard: std::sync::MutexGuard<'a, T>,
    left: Duration,
) -> std::sync::MutexGuard<'a, T> {
    changed
        .wait_timeout(guard, left)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}
