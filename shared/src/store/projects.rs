//! Projects of the download center and the hashes of their secrets (DC-1, ID-4).

use super::{Database, Row, Value};
use crate::auth::callback::CallbackKey;
use crate::domain::page::Page;
use crate::domain::project::{AllowedHosts, Limits, Name};
use crate::error::{Code, Error, Result};

#[derive(Clone, Debug)]
pub struct Project {
    pub project_id: String,
    pub name: String,
    pub group: String,
    pub client_id: String,
    pub hosts: AllowedHosts,
    pub limits: Limits,
    /// Of the secret that signs its callbacks: [`crate::auth::callback`].
    pub callback_generation: i64,
    /// Tokens issued before do not count; a whole second.
    pub tokens_from: i64,
    pub secret_created_at: i64,
    /// Until when the former secret is good too.
    pub old_secret_expires_at: Option<i64>,
    pub disabled_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    /// The admin's address, or what stands for the command line.
    pub created_by: String,
}

impl Project {
    /// What signs its callbacks, and the requests for its pages.
    pub fn callback_secret(&self, key: &CallbackKey) -> Result<String> {
        key.secret(&self.project_id, self.callback_generation)
    }
}

const COLUMNS: &str = "project_id, name, project_group, client_id, hosts, max_tasks, max_rows, max_bytes, \
     callback_generation, tokens_from, secret_created_at, old_secret_expires_at, disabled_at, created_at, \
     updated_at, created_by";

fn project_from(row: &Row) -> Result<Project> {
    let hosts: Vec<String> =
        serde_json::from_str(&row.get::<String>("hosts")?).map_err(Error::internal)?;
    Ok(Project {
        project_id: row.get("project_id")?,
        name: row.get("name")?,
        group: row.get("project_group")?,
        client_id: row.get("client_id")?,
        hosts: AllowedHosts::parse(&hosts).map_err(Error::internal)?,
        limits: Limits {
            max_tasks: row.get("max_tasks")?,
            max_rows: row.get("max_rows")?,
            max_bytes: row.get("max_bytes")?,
        },
        callback_generation: row.get("callback_generation")?,
        tokens_from: row.get("tokens_from")?,
        secret_created_at: row.get("secret_created_at")?,
        old_secret_expires_at: row.get("old_secret_expires_at")?,
        disabled_at: row.get("disabled_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        created_by: row.get("created_by")?,
    })
}

fn hosts_text(hosts: &AllowedHosts) -> Result<String> {
    serde_json::to_string(&hosts.to_texts()).map_err(Error::internal)
}

/// What a new project is made of.
#[derive(Clone, Debug)]
pub struct NewProject {
    pub project_id: String,
    pub name: Name,
    pub group: Name,
    pub client_id: String,
    /// SHA-256 of its first secret.
    pub secret_hash: String,
    pub hosts: AllowedHosts,
    pub limits: Limits,
    pub created_by: String,
    pub now: i64,
}

/// Adds a project. Errors: 40901 when there is one of this name.
pub async fn create(database: &dyn Database, project: &NewProject) -> Result<Project> {
    let sql = format!(
        "INSERT INTO projects (project_id, name, project_group, client_id, secret_hash, secret_created_at, \
           hosts, max_tasks, max_rows, max_bytes, tokens_from, created_at, updated_at, created_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $6, $6, $12) \
         ON CONFLICT (name) DO NOTHING RETURNING {COLUMNS}"
    );
    let rows = database
        .query(
            &sql,
            &[
                project.project_id.as_str().into(),
                project.name.as_str().into(),
                project.group.as_str().into(),
                project.client_id.as_str().into(),
                project.secret_hash.as_str().into(),
                project.now.into(),
                hosts_text(&project.hosts)?.into(),
                project.limits.max_tasks.into(),
                project.limits.max_rows.into(),
                project.limits.max_bytes.into(),
                (project.now - project.now % 1000).into(),
                project.created_by.as_str().into(),
            ],
        )
        .await?;
    rows.first().map_or_else(|| Err(name_taken()), project_from)
}

fn name_taken() -> Error {
    Error::new(Code::Conflict, "A project of this name exists already.")
        .with_data(serde_json::json!({ "field": "name" }))
}

/// The project of this id, also a disabled one.
pub async fn find(database: &dyn Database, project_id: &str) -> Result<Option<Project>> {
    let sql = format!("SELECT {COLUMNS} FROM projects WHERE project_id = $1");
    let rows = database.query(&sql, &[project_id.into()]).await?;
    rows.first().map(project_from).transpose()
}

/// The project of exactly this name, also a disabled one.
pub async fn find_by_name(database: &dyn Database, name: &str) -> Result<Option<Project>> {
    let sql = format!("SELECT {COLUMNS} FROM projects WHERE name = $1");
    let rows = database.query(&sql, &[name.into()]).await?;
    rows.first().map(project_from).transpose()
}

/// The project of a token that was issued at `issued_at`; `None` when it does not count (any more).
pub async fn of_token(
    database: &dyn Database,
    project_id: &str,
    issued_at: i64,
) -> Result<Option<Project>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM projects \
         WHERE project_id = $1 AND disabled_at IS NULL AND tokens_from <= $2"
    );
    let rows = database
        .query(&sql, &[project_id.into(), issued_at.into()])
        .await?;
    rows.first().map(project_from).transpose()
}

/// A project with the hashes of its secrets that are good.
pub struct Credentials {
    pub project: Project,
    /// One or two, SHA-256.
    pub secret_hashes: Vec<String>,
}

/// The project that obtains tokens under this name, also a disabled one.
pub async fn find_by_client(
    database: &dyn Database,
    client_id: &str,
    now: i64,
) -> Result<Option<Credentials>> {
    let sql = format!(
        "SELECT {COLUMNS}, secret_hash, \
           CASE WHEN old_secret_expires_at > $2 THEN old_secret_hash END AS old_secret_hash \
         FROM projects WHERE client_id = $1"
    );
    let rows = database
        .query(&sql, &[client_id.into(), now.into()])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut secret_hashes = vec![row.get("secret_hash")?];
    secret_hashes.extend(row.get::<Option<String>>("old_secret_hash")?);
    Ok(Some(Credentials {
        project: project_from(row)?,
        secret_hashes,
    }))
}

/// Projects by group and name, of one group where one is given, and how many there are.
pub async fn list(
    database: &dyn Database,
    group: Option<&str>,
    page: Page,
) -> Result<(Vec<Project>, i64)> {
    let mut parameters: Vec<Value> = group.map(Value::from).into_iter().collect();
    let clause = match group {
        Some(_) => "WHERE project_group = $1",
        None => "",
    };
    let count = format!("SELECT COUNT(*) AS total FROM projects {clause}");
    let total = database
        .query(&count, &parameters)
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    parameters.push(page.limit().into());
    parameters.push(page.offset().into());
    let sql = format!(
        "SELECT {COLUMNS} FROM projects {clause} ORDER BY project_group, name LIMIT ${} OFFSET ${}",
        parameters.len() - 1,
        parameters.len()
    );
    let rows = database.query(&sql, &parameters).await?;
    Ok((rows.iter().map(project_from).collect::<Result<_>>()?, total))
}

/// What an admin may change of a project; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<Name>,
    pub group: Option<Name>,
    pub hosts: Option<AllowedHosts>,
    /// `Some(None)`, here and below: what the settings give everyone.
    pub max_tasks: Option<Option<i64>>,
    pub max_rows: Option<Option<i64>>,
    pub max_bytes: Option<Option<i64>>,
    /// Disabling ends, in the same statement, every token, and cancels what is queued or runs (trigger
    /// `projects_disable`). Its files stay until their time is over.
    pub is_disabled: Option<bool>,
}

/// What ends all tokens that are out: `tokens_from` rises to the next whole second, or beyond what it is.
/// A token's time is in seconds, so that one issued from now on is no older than this.
pub(super) fn end_tokens(parameters: &mut Vec<Value>, now: i64) -> String {
    parameters.push((now - now % 1000 + 1000).into());
    let next = parameters.len();
    format!("CASE WHEN tokens_from + 1000 > ${next} THEN tokens_from + 1000 ELSE ${next} END")
}

/// Changes a project. `None` when there is no such project. Errors: 40901 when the name is another's.
pub async fn change(
    database: &dyn Database,
    project_id: &str,
    change: &Change,
    now: i64,
) -> Result<Option<Project>> {
    let mut sets = vec!["updated_at = $2".to_owned()];
    let mut parameters: Vec<Value> = vec![project_id.into(), now.into()];
    let hosts = change.hosts.as_ref().map(hosts_text).transpose()?;
    let columns: [(&str, Option<Value>); 6] = [
        ("name", change.name.as_ref().map(|it| it.as_str().into())),
        (
            "project_group",
            change.group.as_ref().map(|it| it.as_str().into()),
        ),
        ("hosts", hosts.map(Value::from)),
        ("max_tasks", change.max_tasks.map(Value::from)),
        ("max_rows", change.max_rows.map(Value::from)),
        ("max_bytes", change.max_bytes.map(Value::from)),
    ];
    for (column, value) in columns {
        if let Some(value) = value {
            parameters.push(value);
            sets.push(format!("{column} = ${}", parameters.len()));
        }
    }
    match change.is_disabled {
        Some(true) => {
            let next = end_tokens(&mut parameters, now);
            sets.push("disabled_at = COALESCE(disabled_at, $2)".to_owned());
            sets.push(format!("tokens_from = {next}"));
        }
        Some(false) => sets.push("disabled_at = NULL".to_owned()),
        None => {}
    }
    let sql = format!(
        "UPDATE projects SET {} WHERE project_id = $1 RETURNING {COLUMNS}",
        sets.join(", ")
    );
    let rows = database.query(&sql, &parameters).await.map_err(|error| {
        // The unique index: SQLite names its columns, PostgreSQL the index.
        let cause = error.cause.as_deref().unwrap_or_default();
        match cause.contains("projects.name") || cause.contains("projects_by_name") {
            true => name_taken(),
            false => error,
        }
    })?;
    rows.first().map(project_from).transpose()
}

/// Makes `secret_hash` the secret. The former one stays good for `overlap_s` seconds, one before it no
/// longer. Without an overlap every token that is out ends too: whoever obtained them may not be the
/// project. `None` when there is no such project.
pub async fn rotate_secret(
    database: &dyn Database,
    project_id: &str,
    secret_hash: &str,
    overlap_s: i64,
    now: i64,
) -> Result<Option<Project>> {
    let mut parameters: Vec<Value> = vec![project_id.into(), now.into(), secret_hash.into()];
    let old = if overlap_s > 0 {
        parameters.push((now + overlap_s * 1000).into());
        "old_secret_hash = secret_hash, old_secret_expires_at = $4".to_owned()
    } else {
        let next = end_tokens(&mut parameters, now);
        format!("old_secret_hash = NULL, old_secret_expires_at = NULL, tokens_from = {next}")
    };
    let sql = format!(
        "UPDATE projects SET secret_hash = $3, secret_created_at = $2, updated_at = $2, {old} \
         WHERE project_id = $1 RETURNING {COLUMNS}"
    );
    let rows = database.query(&sql, &parameters).await?;
    rows.first().map(project_from).transpose()
}

/// Gives a project another callback secret; the former one signs nothing from now on. `None` when there is
/// no such project.
pub async fn rotate_callback(
    database: &dyn Database,
    project_id: &str,
    now: i64,
) -> Result<Option<Project>> {
    let sql = format!(
        "UPDATE projects SET callback_generation = callback_generation + 1, updated_at = $2 \
         WHERE project_id = $1 RETURNING {COLUMNS}"
    );
    let rows = database
        .query(&sql, &[project_id.into(), now.into()])
        .await?;
    rows.first().map(project_from).transpose()
}
