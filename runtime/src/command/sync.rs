//! `wharf sync`: what a site's operators do over HTTP, on the machine itself (DS-7, DS-10).

use super::parts;
use crate::clock::now_ms;
use crate::settings::Flags;
use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::domain::delivery::{BUSINESS, SITE_DUTY, UPSTREAM};
use shared::domain::page::Page;
use shared::limits::{PAGE_SIZE_DEFAULT, SYNC_NOW_LOOK_MS, SYNC_NOW_MS_MAX};
use shared::store::{Database, deliveries, duties, site_state};
use shared::wire::delivery::{DeadItem, DeadRequest, StatusAnswer};
use shared::wire::envelope::List;
use std::time::Duration;

#[derive(clap::Subcommand)]
pub enum Command {
    /// On a site: ask for a run and wait for its end
    Now,
    /// Show what waits and when something last moved
    Status,
    /// List the rows that were refused too often, or free one of them
    Dead(Dead),
}

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("action").args(["retry", "edit", "skip"]).requires("syn_id")))]
pub struct Dead {
    /// The row to free
    #[arg(requires = "action")]
    syn_id: Option<String>,
    /// Deliver it again
    #[arg(long)]
    retry: bool,
    /// Deliver it again with this JSON in the place of its data_detail
    #[arg(long, value_name = "JSON")]
    edit: Option<String>,
    /// Do not deliver it
    #[arg(long)]
    skip: bool,
    /// Of several rows with this syn_id, the one of this server
    #[arg(long, value_name = "SERVER", requires = "syn_id")]
    from: Option<String>,
    #[arg(long, default_value = "1")]
    page: String,
    #[arg(long, default_value_t = PAGE_SIZE_DEFAULT.to_string())]
    page_size: String,
}

pub async fn run(flags: &Flags, command: Command, json: bool) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    let is_site = settings.site.is_one();
    let receiver = if is_site { UPSTREAM } else { BUSINESS };
    let handle = parts::database(&settings).await?;
    let database = &*handle.database();
    match command {
        Command::Now if !is_site => bail!("This is the cloud: its sites call it, it calls none."),
        Command::Now => {
            now(database).await?;
            status(database, is_site, json).await
        }
        Command::Status => status(database, is_site, json).await,
        Command::Dead(dead) => match &dead.syn_id {
            Some(syn_id) => free(database, receiver, syn_id, &dead).await,
            None => list(database, receiver, &dead, json).await,
        },
    }
}

/// Asks the site's worker for a run and waits until one has ended that began since.
async fn now(database: &dyn Database) -> anyhow::Result<()> {
    let asked_at = now_ms();
    let name = site_state::RUN_REQUESTED_AT;
    site_state::set(database, name, &asked_at.to_string(), asked_at).await?;
    let until = asked_at + SYNC_NOW_MS_MAX;
    while now_ms() < until {
        let ended = site_state::number(database, site_state::RUN_ENDED_AT).await?;
        if ended.is_some_and(|ended| ended >= asked_at) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(SYNC_NOW_LOOK_MS)).await;
    }
    let wait_s = SYNC_NOW_MS_MAX / 1000;
    if !duties::is_held(database, SITE_DUTY, now_ms()).await? {
        bail!("No worker took it up within {wait_s} s: `wharf up` does not run here.");
    }
    match site_state::last(database).await?.upstream_error {
        Some(error) if !error.is_empty() => bail!("The run does not go through: {error}"),
        _ => bail!("The run has not ended within {wait_s} s; it goes on."),
    }
}

async fn status(database: &dyn Database, is_site: bool, json: bool) -> anyhow::Result<()> {
    let receiver = if is_site { UPSTREAM } else { BUSINESS };
    let counts = deliveries::counts(database, receiver).await?;
    let status = StatusAnswer::new(is_site, counts, site_state::last(database).await?);
    if json {
        return print(&status);
    }
    let (backlog, dead, held) = (status.backlog, status.dead, status.held);
    println!(
        "{}: {backlog} waiting, {dead} dead, {held} held",
        status.role
    );
    if is_site {
        let time = |time: Option<String>| time.unwrap_or_else(|| "never".to_owned());
        println!("last push: {}", time(status.last_push));
        println!("last pull: {}", time(status.last_pull));
        println!("last run:  {}", time(status.last_run));
        match (status.upstream_ok, status.upstream_error) {
            (true, _) => println!("the cloud answers"),
            (false, Some(error)) => println!("{error}"),
            (false, None) => println!("the cloud was not asked yet"),
        }
    }
    Ok(())
}

async fn list(
    database: &dyn Database,
    receiver: &str,
    asked: &Dead,
    json: bool,
) -> anyhow::Result<()> {
    let page = Page::parse(Some(&asked.page), Some(&asked.page_size))?;
    let (found, total) = deliveries::dead(database, receiver, page).await?;
    let items = found.into_iter().map(DeadItem::new);
    let items = items.collect::<shared::Result<Vec<_>>>()?;
    if json {
        return print(&List::new(items, total, page));
    }
    for item in &items {
        let (syn_id, kind, entity) = (&item.syn_id, &item.business_type, &item.entity);
        let reason = item.reason.as_deref().unwrap_or("no reason was given");
        println!("{syn_id}  {kind}  {entity}  {reason} ({} held)", item.held);
    }
    println!("{} of {total}", items.len());
    Ok(())
}

async fn free(
    database: &dyn Database,
    receiver: &str,
    syn_id: &str,
    asked: &Dead,
) -> anyhow::Result<()> {
    let edit = asked.edit.clone().map(RawValue::from_string);
    let edit = edit
        .transpose()
        .context("What --edit is given is no JSON")?;
    let action = match &edit {
        Some(_) => "edit",
        None if asked.skip => "skip",
        None => "retry",
    };
    let action = DeadRequest::new(action, edit, None).action()?;
    let origin = asked.from.as_deref();
    deliveries::free(database, receiver, syn_id, origin, &action, now_ms()).await?;
    Ok(())
}

fn print(answer: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}
