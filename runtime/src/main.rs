//! The binary `wharf`.

use clap::{Parser, Subcommand};
use runtime::command::{admin, config, migrate, serve, sync, up, work};
use runtime::settings::Flags;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Media in, exports out, records in step, resources shared.
#[derive(Parser)]
#[command(name = "wharf", version)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
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
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::log::start();
    let flags = &cli.flags;
    let done = match cli.command {
        Command::Up { site } => up::run(flags, site).await,
        Command::Serve => serve::run(flags).await,
        Command::Work => work::run(flags).await,
        Command::Sync(command) => sync::run(flags, command, cli.json).await,
        Command::Migrate => migrate::run(flags).await,
        Command::Admin(command) => admin::run(flags, command, cli.json).await,
        Command::Config(command) => config::run(flags, command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
