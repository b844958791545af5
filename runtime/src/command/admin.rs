//! `wharf admin create`: the first admin comes from here, never from a default password (ID-7).
//! `wharf admin project`: [`super::project`]; `wharf admin site-code`: [`super::site`]; `wharf admin audit`:
//! [`super::audit`]; `wharf admin mails`: [`super::mails`]. `wharf admin reindex`: SH-11.

use super::{audit, mails, parts, project, site};
use crate::clock::now_ms;
use crate::settings::Flags;
use anyhow::{Context, bail};
use shared::auth::{password, secret};
use shared::domain::account::{Audience, Email, Password, Role, nickname};
use shared::store::documents;
use shared::store::users::{self, User};
use std::io::{BufRead, IsTerminal};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Create an admin or a reviewer
    Create {
        /// E-mail address to log in with
        email: String,
        /// admin or reviewer
        #[arg(long, default_value = "admin")]
        role: String,
        /// Read the password from standard input instead of making one
        #[arg(long)]
        password_stdin: bool,
    },
    /// Manage the projects that export
    #[command(subcommand)]
    Project(project::Command),
    /// Make a one-time code that a shop's server registers with and show it, as JSON
    SiteCode {
        /// The site's name; one that exists already registers anew, on another computer
        name: String,
        /// Whose shared rows it sees
        #[arg(long)]
        group: Option<String>,
    },
    /// Recompute every balance of the ledger from its entries and say what differs
    Audit,
    /// List the mail that was given up, or try it again
    Mails(mails::Arguments),
    /// Build the search index anew; what is there serves meanwhile
    Reindex,
}

pub async fn run(flags: &Flags, command: Command, json: bool) -> anyhow::Result<()> {
    match command {
        Command::Create {
            email,
            role,
            password_stdin,
        } => create(flags, &email, &role, password_stdin, json).await,
        Command::Project(command) => project::run(flags, command, json).await,
        Command::SiteCode { name, group } => site::make_code(flags, name, group).await,
        Command::Audit => audit::run(flags, json).await,
        Command::Mails(arguments) => mails::run(flags, arguments, json).await,
        Command::Reindex => reindex(flags).await,
    }
}

async fn create(
    flags: &Flags,
    email: &str,
    role: &str,
    password_stdin: bool,
    json: bool,
) -> anyhow::Result<()> {
    let role = match Role::parse(role) {
        Ok(role) if role.audience() == Audience::Admins => role,
        _ => bail!("The role is admin or reviewer."),
    };
    let email = Email::parse(email)?;
    let chosen = if password_stdin {
        read_password()?
    } else {
        // 20 hexadecimal digits with a letter and a digit for certain.
        format!("w7-{}", &secret::random()?[..20])
    };
    let user = User {
        user_id: uuid::Uuid::now_v7().to_string(),
        audience: Audience::Admins,
        nickname: nickname(None, &email)?,
        email: email.as_str().to_owned(),
        password_hash: password::hash(&Password::parse("password", &chosen)?)?,
        role,
        daily_limit: None,
        blocked_at: None,
        created_at: now_ms(),
    };
    let settings = parts::settings(flags)?;
    let handle = parts::database(&settings).await?;
    users::insert(&*handle.database(), &user).await?;
    let made = (!password_stdin).then_some(chosen);
    if json {
        println!(
            "{}",
            serde_json::json!({ "user_id": user.user_id, "email": user.email, "role": user.role.as_str(), "password": made })
        );
    } else {
        println!("Created the {} {}.", user.role.as_str(), user.email);
        if let Some(password) = made {
            println!("Password (shown once): {password}");
        }
    }
    Ok(())
}

/// Marks every resource; the worker's duty `index` does the rest.
async fn reindex(flags: &Flags) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    let handle = parts::database(&settings).await?;
    let mut from = Some(0);
    while let Some(number) = from {
        from = documents::reindex(&*handle.database(), number).await?;
    }
    println!("The worker builds the search index anew.");
    Ok(())
}

fn read_password() -> anyhow::Result<String> {
    let input = std::io::stdin();
    if input.is_terminal() {
        eprint!("Password: ");
    }
    let mut line = String::new();
    input
        .lock()
        .read_line(&mut line)
        .context("reading the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
