//! `wharf --help` and `wharf help`: the binary's own commands and those of the command language, side by side.

use super::{Flags, commands, run};
use clap::error::{ContextKind, ErrorKind};
use std::ffi::OsString;
use std::process::ExitCode;

/// A line that was wrong.
const MISUSE: u8 = 2;

/// The names of the binary's own commands.
pub fn own_names(cli: &clap::Command) -> Vec<String> {
    own_commands(cli)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

/// The binary's own commands that are shown, each with what it does.
pub fn own_commands(cli: &clap::Command) -> Vec<(String, String)> {
    let shown = cli
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    shown
        .map(|command| {
            let about = command.get_about().map(ToString::to_string);
            (command.get_name().to_owned(), about.unwrap_or_default())
        })
        .collect()
}

/// `wharf help [COMMAND…]`.
pub fn show(mut cli: clap::Command, flags: Flags, words: &[OsString], json: bool) -> ExitCode {
    cli.build();
    let own = own_names(&cli);
    let mut found = Some(&cli);
    for word in words {
        found =
            found.and_then(|command| word.to_str().and_then(|name| command.find_subcommand(name)));
    }
    match found.cloned() {
        Some(command) if words.is_empty() => {
            print(whole(command).render_long_help(), ExitCode::SUCCESS)
        }
        Some(mut command) => print(command.render_long_help(), ExitCode::SUCCESS),
        None => {
            let words = std::iter::once("help".into()).chain(words.iter().cloned());
            run(flags, words.collect(), json, own)
        }
    }
}

/// What clap has to say of a command line: a version, a help, a mistake.
pub fn told(mut cli: clap::Command, error: &clap::Error) -> ExitCode {
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(MISUSE));
    let of_all = |cli: &mut clap::Command| {
        let text = error.render().to_string();
        text == cli.render_help().to_string() || text == cli.render_long_help().to_string()
    };
    match error.kind() {
        ErrorKind::DisplayHelp if of_all(&mut cli) => print(whole(cli).render_help(), code),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if error.get(ContextKind::InvalidSubcommand).is_none() =>
        {
            match of_all(&mut cli) {
                true => eprint!("{}", whole(cli).render_help()),
                false => eprint!("{}", error.render()),
            }
            code
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => print(error.render(), code),
        _ => {
            eprint!("{}", error.render());
            code
        }
    }
}

/// The help of the whole binary, the language's commands behind its own.
fn whole(cli: clap::Command) -> clap::Command {
    match commands() {
        Ok(commands) => {
            let widest = commands
                .iter()
                .map(|command| command.name.len())
                .max()
                .unwrap_or_default();
            let lines = commands
                .iter()
                .map(|command| format!("  {:widest$}  {}", command.name, command.summary));
            let lines: Vec<String> = lines.collect();
            cli.after_help(format!(
                "Client commands, the same as on the terminal page in the browser:\n{}\n\nOne of them in full: wharf help COMMAND",
                lines.join("\n")
            ))
        }
        Err(error) => cli.after_help(format!(
            "The client's commands could not be read: {error:#}"
        )),
    }
}

/// A pipe that nobody reads any more is no mistake.
fn print(text: impl std::fmt::Display, code: ExitCode) -> ExitCode {
    use std::io::Write as _;
    match write!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("The output cannot be written: {error}.");
            ExitCode::FAILURE
        }
        _ => code,
    }
}
