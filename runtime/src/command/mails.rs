//! `wharf admin mails`: what mail servers refused for good, and another try at it (SH-14).

use super::parts;
use crate::clock::now_ms;
use crate::settings::Flags;
use anyhow::bail;
use serde::Serialize;
use shared::domain::page::Page;
use shared::limits::PAGE_SIZE_DEFAULT;
use shared::store::Database;
use shared::store::mails::{self, DeadMail};
use shared::wire::envelope::List;
use shared::wire::time::rfc3339;

#[derive(clap::Args)]
pub struct Arguments {
    /// Send them again, or this one alone
    #[arg(long, value_name = "MAIL_ID", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "not asked for, for all, for one")]
    retry: Option<Option<String>>,
    #[arg(long, default_value = "1", conflicts_with = "retry")]
    page: String,
    #[arg(long, default_value_t = PAGE_SIZE_DEFAULT.to_string(), conflicts_with = "retry")]
    page_size: String,
}

/// A line of the list; without the address, which is read when the mail is sent.
#[derive(Serialize)]
struct Item {
    mail_id: String,
    kind: String,
    attempts: i64,
    error: Option<String>,
    created_at: String,
}

impl From<DeadMail> for Item {
    fn from(mail: DeadMail) -> Self {
        Self {
            mail_id: mail.mail_id,
            kind: mail.kind,
            attempts: mail.attempt,
            error: mail.error,
            created_at: rfc3339(mail.created_at),
        }
    }
}

pub async fn run(flags: &Flags, arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    let handle = parts::database(&settings).await?;
    let database = &*handle.database();
    match arguments.retry {
        Some(mail_id) => retry(database, mail_id.as_deref(), json).await,
        None => {
            let page = Page::parse(Some(&arguments.page), Some(&arguments.page_size))?;
            list(database, page, json).await
        }
    }
}

async fn list(database: &dyn Database, page: Page, json: bool) -> anyhow::Result<()> {
    let (dead, total) = mails::dead(database, page).await?;
    let items: Vec<Item> = dead.into_iter().map(Item::from).collect();
    if json {
        println!("{}", serde_json::to_string(&List::new(items, total, page))?);
        return Ok(());
    }
    for item in &items {
        println!(
            "{}  {}  {}  {}",
            item.created_at,
            item.mail_id,
            item.kind,
            item.error.as_deref().unwrap_or("")
        );
    }
    println!("{} of {total}", items.len());
    Ok(())
}

async fn retry(database: &dyn Database, mail_id: Option<&str>, json: bool) -> anyhow::Result<()> {
    let retried = mails::revive(database, mail_id, now_ms()).await?;
    if let (Some(mail_id), 0) = (mail_id, retried) {
        bail!("No mail that was given up has the id {mail_id}.");
    }
    match json {
        true => println!("{}", serde_json::json!({ "retried": retried })),
        false => println!("Mails that wait to be sent again: {retried}"),
    }
    Ok(())
}
