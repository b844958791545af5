//! The binary `wharf`.

use clap::{CommandFactory, Parser, Subcommand};
use runtime::client::{self, completions, help};
use runtime::command::{admin, backup, config, doctor, migrate, serve, sync, up, work};
use runtime::settings::Flags;
use std::ffi::OsString;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Media in, exports out, records in step, resources shared.
#[derive(Parser)]
#[command(name = "wharf", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    client: client::Flags,
    /// Answer in JSON where a command has something to answer
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve everything: the HTTP surface and the worker on one port
    Up {
        /// Insist on being a shop's server: refuse to start without site.upstream
        #[arg(long)]
        site: bool,
    },
    /// Serve the HTTP surface alone
    Serve,
    /// Run the worker alone
    Work,
    /// Data sync on this machine: a run at once, how it stands, its dead rows
    #[command(subcommand)]
    Sync(sync::Command),
    /// Bring the database up to date
    Migrate,
    /// Manage admins and projects
    #[command(subcommand)]
    Admin(admin::Command),
    /// Show or write configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Look at everything that Wharf needs here, and say what to do about what is wrong
    Doctor,
    /// Write database, keys and files into one file, while everything runs (SQLite)
    Backup(backup::Target),
    /// Put a backup into the data folder, whole or not at all
    Restore(backup::Origin),
    /// Client: type commands one after another, with history and completion
    Shell {
        /// Run this line alone
        #[arg(short = 'c', value_name = "LINE")]
        line: Option<String>,
        #[command(flatten)]
        client: client::Flags,
    },
    /// Explain a command
    Help { words: Vec<OsString> },
    /// Client: print a script with which bash, zsh or fish completes commands
    Completions { shell: completions::Shell },
    #[command(hide = true)]
    Complete { words: Vec<OsString> },
    #[command(external_subcommand)]
    Client(Vec<OsString>),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return help::told(Cli::command(), &error),
    };
    match cli.command {
        Command::Client(words) => {
            let own = help::own_names(&Cli::command());
            client::run(cli.client, words, cli.json, own)
        }
        Command::Shell { line, client } => client::interactive(client.or(cli.client), line),
        Command::Help { words } => help::show(Cli::command(), cli.client, &words, cli.json),
        Command::Completions { shell } => {
            completions::script(shell);
            ExitCode::SUCCESS
        }
        Command::Complete { words } => {
            let own = help::own_commands(&Cli::command());
            completions::answer(cli.client, words, own)
        }
        command => native(&cli.flags, command, cli.json),
    }
}

/// The binary's own commands, on all cores.
#[tokio::main]
async fn native(flags: &Flags, command: Command, json: bool) -> ExitCode {
    runtime::log::start();
    let done = match command {
        Command::Up { site } => up::run(flags, site).await,
        Command::Serve => serve::run(flags).await,
        Command::Work => work::run(flags).await,
        Command::Sync(command) => sync::run(flags, command, json).await,
        Command::Migrate => migrate::run(flags).await,
        Command::Admin(command) => admin::run(flags, command, json).await,
        Command::Config(command) => config::run(flags, command, json),
        Command::Doctor => doctor::run(flags, json).await,
        Command::Backup(target) => backup::backup(flags, target, json).await,
        Command::Restore(origin) => backup::restore(flags, origin, json).await,
        // They have run by now.
        Command::Shell { .. }
        | Command::Help { .. }
        | Command::Completions { .. }
        | Command::Complete { .. }
        | Command::Client(_) => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
