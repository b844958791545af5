//! `wharf admin project …`: what the admins' routes do with projects, on the command line (DC-1).

use super::parts;
use crate::clock::now_ms;
use crate::settings::{Flags, Settings};
use anyhow::Context;
use shared::auth::callback::CallbackKey;
use shared::auth::secret;
use shared::domain::page::Page;
use shared::domain::project::Name;
use shared::limits::{PAGE_SIZE_DEFAULT, SECRET_OVERLAP_S_DEFAULT};
use shared::store::Database;
use shared::store::projects::{self, Change, Project};
use shared::wire::envelope::List;
use shared::wire::project::{
    CreatedProject, ProjectItem, ProjectRequest, Replaced, SecretAnswer, SecretRequest,
};

/// What stands for an admin's address where there is none.
pub(super) const CREATED_BY: &str = "command line";

#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a project and show its secrets, as JSON
    Create {
        /// A name that no other project has
        name: String,
        /// Its group
        #[arg(long)]
        group: Option<String>,
        /// What it may be fetched from and called back at: host, host:port or *.host
        #[arg(long, value_name = "HOST", num_args = 1.., value_delimiter = ',')]
        allow: Vec<String>,
        /// Exports that run at once
        #[arg(long, value_name = "N")]
        max_tasks: Option<i64>,
        /// Rows of one export
        #[arg(long, value_name = "N")]
        max_rows: Option<i64>,
        /// Bytes of a finished file
        #[arg(long, value_name = "N")]
        max_bytes: Option<i64>,
    },
    /// List the projects
    List {
        /// Only those of this group
        #[arg(long)]
        group: Option<String>,
        #[arg(long, default_value = "1")]
        page: String,
        #[arg(long, default_value_t = PAGE_SIZE_DEFAULT.to_string())]
        page_size: String,
    },
    /// Show one project
    Show {
        /// Its name or id
        project: String,
    },
    /// End a project's tokens and cancel what it has under way; its files stay until their time is over
    Disable {
        /// Its name or id
        project: String,
    },
    /// Replace a project's secret and show the new one, as JSON
    RotateSecret {
        /// Its name or id
        project: String,
        /// How long the former secret stays good, seconds; 0 also ends the tokens that are out
        #[arg(long, value_name = "N", default_value_t = SECRET_OVERLAP_S_DEFAULT)]
        overlap_s: i64,
        /// Replace the secret that signs callbacks instead, at once
        #[arg(long, conflicts_with = "overlap_s")]
        callback: bool,
    },
}

pub async fn run(flags: &Flags, command: Command, json: bool) -> anyhow::Result<()> {
    let settings = parts::settings(flags)?;
    let handle = parts::database(&settings).await?;
    let database = &*handle.database();
    match command {
        Command::Create {
            name,
            group,
            allow,
            max_tasks,
            max_rows,
            max_bytes,
        } => {
            let request = ProjectRequest {
                name,
                group,
                hosts: allow,
                max_tasks: max_tasks.map(Into::into),
                max_rows: max_rows.map(Into::into),
                max_bytes: max_bytes.map(Into::into),
            };
            create(&settings, database, &request).await
        }
        Command::List {
            group,
            page,
            page_size,
        } => {
            let page = Page::parse(Some(&page), Some(&page_size))?;
            list(database, group.as_deref(), page, json).await
        }
        Command::Show { project } => {
            let found = named(database, &project).await?;
            show(&ProjectItem::new(found, now_ms()), json)
        }
        Command::Disable { project } => disable(database, &project, json).await,
        Command::RotateSecret {
            project,
            overlap_s,
            callback,
        } => {
            let overlap_s = (!callback).then_some(overlap_s);
            let replaced = SecretRequest::new(overlap_s, callback).replaced()?;
            rotate(&settings, database, &project, replaced).await
        }
    }
}

async fn create(
    settings: &Settings,
    database: &dyn Database,
    request: &ProjectRequest,
) -> anyhow::Result<()> {
    let now = now_ms();
    let project_id = uuid::Uuid::now_v7().to_string();
    let (project, client_secret) = request.project(project_id, CREATED_BY, now)?;
    let key = CallbackKey::from_setting(&settings.keys.callbacks)?;
    let project = projects::create(database, &project).await?;
    print(&CreatedProject::new(project, client_secret, &key, now)?)
}

/// The project of this id or name.
async fn named(database: &dyn Database, text: &str) -> anyhow::Result<Project> {
    let found = match uuid::Uuid::try_parse(text) {
        Ok(id) => projects::find(database, &id.to_string()).await?,
        Err(_) => projects::find_by_name(database, text.trim()).await?,
    };
    found.with_context(|| format!("There is no project {text:?}."))
}

async fn list(
    database: &dyn Database,
    group: Option<&str>,
    page: Page,
    json: bool,
) -> anyhow::Result<()> {
    let group = group.map(|text| Name::parse("group", text)).transpose()?;
    let group = group.as_ref().map(Name::as_str);
    let (found, total) = projects::list(database, group, page).await?;
    let now = now_ms();
    let items: Vec<_> = found
        .into_iter()
        .map(|it| ProjectItem::new(it, now))
        .collect();
    if json {
        return print(&List::new(items, total, page));
    }
    for item in &items {
        let state = if item.disabled { " (disabled)" } else { "" };
        println!("{}  {}/{}{state}", item.project_id, item.group, item.name);
    }
    println!("{} of {total}", items.len());
    Ok(())
}

async fn disable(database: &dyn Database, project: &str, json: bool) -> anyhow::Result<()> {
    let found = named(database, project).await?;
    let disable = Change {
        is_disabled: Some(true),
        ..Change::default()
    };
    let now = now_ms();
    let changed = projects::change(database, &found.project_id, &disable, now).await?;
    let changed = changed.context("The project is gone.")?;
    show(&ProjectItem::new(changed, now), json)
}

async fn rotate(
    settings: &Settings,
    database: &dyn Database,
    project: &str,
    replaced: Replaced,
) -> anyhow::Result<()> {
    let id = named(database, project).await?.project_id;
    let gone = "The project is gone.";
    let now = now_ms();
    match replaced {
        Replaced::Client { overlap_s } => {
            let new = secret::random()?;
            let hash = secret::sha256(&new);
            let rotated = projects::rotate_secret(database, &id, &hash, overlap_s, now).await?;
            print(&SecretAnswer::of_client(rotated.context(gone)?, new))
        }
        Replaced::Callback => {
            let key = CallbackKey::from_setting(&settings.keys.callbacks)?;
            let rotated = projects::rotate_callback(database, &id, now).await?;
            print(&SecretAnswer::of_callback(rotated.context(gone)?, &key)?)
        }
    }
}

fn show(item: &ProjectItem, json: bool) -> anyhow::Result<()> {
    if json {
        return print(item);
    }
    let limit = |limit: Option<i64>| limit.map_or("default".to_owned(), |it| it.to_string());
    println!("{}/{}", item.group, item.name);
    println!("project_id  {}", item.project_id);
    println!("client_id   {}", item.client_id);
    println!("hosts       {}", item.hosts.join(", "));
    println!("max_tasks   {}", limit(item.max_tasks));
    println!("max_rows    {}", limit(item.max_rows));
    println!("max_bytes   {}", limit(item.max_bytes));
    println!("disabled    {}", if item.disabled { "yes" } else { "no" });
    Ok(())
}

fn print(answer: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}
