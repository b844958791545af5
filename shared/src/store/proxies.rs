//! Rented proxies (VA-5, VA-16): what an admin decided about them, and what they were used for.

use super::{Database, Value};
use crate::domain::page::Page;
use crate::domain::proxy::{Mode, Policy};
use crate::error::{Error, Result};

/// A policy, and who put it in force when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub policy: Policy,
    pub updated_at: i64,
    pub updated_by: String,
}

/// The policy in force.
pub async fn policy(database: &dyn Database) -> Result<Policy> {
    let decision = decision(database).await?;
    Ok(decision.map_or_else(Policy::default, |decision| decision.policy))
}

/// What an admin has decided; `None`: nothing yet, and the default holds.
pub async fn decision(database: &dyn Database) -> Result<Option<Decision>> {
    let rows = database
        .query(
            "SELECT mode, direct_sites, updated_at, updated_by FROM proxy_policies WHERE policy = 'current'",
            &[],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let direct_sites: String = row.get("direct_sites")?;
    Ok(Some(Decision {
        policy: Policy {
            mode: Mode::parse(&row.get::<String>("mode")?)?,
            direct_sites: serde_json::from_str(&direct_sites).map_err(Error::internal)?,
        },
        updated_at: row.get("updated_at")?,
        updated_by: row.get("updated_by")?,
    }))
}

/// Replaces the policy.
pub async fn decide(database: &dyn Database, decision: &Decision) -> Result<()> {
    let policy = &decision.policy;
    let direct_sites = serde_json::to_string(&policy.direct_sites).map_err(Error::internal)?;
    database
        .execute(
            "INSERT INTO proxy_policies (policy, mode, direct_sites, updated_at, updated_by) \
             VALUES ('current', $1, $2, $3, $4) \
             ON CONFLICT (policy) DO UPDATE SET mode = excluded.mode, direct_sites = excluded.direct_sites, \
               updated_at = excluded.updated_at, updated_by = excluded.updated_by",
            &[
                policy.mode.as_str().into(),
                direct_sites.into(),
                decision.updated_at.into(),
                decision.updated_by.as_str().into(),
            ],
        )
        .await?;
    Ok(())
}

/// One use of a rented proxy, or one that the provider did not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyEvent {
    pub event_id: String,
    pub at: i64,
    pub worker_id: String,
    /// `None`: a parse.
    pub task_id: Option<String>,
    pub attempt: Option<i64>,
    pub site: String,
    /// `host:port`; `None` where the provider gave none.
    pub proxy: Option<String>,
    /// `succeeded`, or the failure's code.
    pub outcome: String,
}

const COLUMNS: &str = "event_id, at, worker_id, task_id, attempt, site, proxy, outcome";

pub async fn record(database: &dyn Database, event: &ProxyEvent) -> Result<()> {
    let sql =
        format!("INSERT INTO proxy_events ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let values: [Value; 8] = [
        event.event_id.as_str().into(),
        event.at.into(),
        event.worker_id.as_str().into(),
        event.task_id.as_deref().into(),
        event.attempt.into(),
        event.site.as_str().into(),
        event.proxy.as_deref().into(),
        event.outcome.as_str().into(),
    ];
    database.execute(&sql, &values).await?;
    Ok(())
}

/// The events, newest first, and how many there are.
pub async fn events(database: &dyn Database, page: Page) -> Result<(Vec<ProxyEvent>, i64)> {
    let total = database
        .query("SELECT COUNT(*) AS total FROM proxy_events", &[])
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    let sql = format!(
        "SELECT {COLUMNS} FROM proxy_events ORDER BY at DESC, event_id DESC LIMIT $1 OFFSET $2"
    );
    let rows = database
        .query(&sql, &[page.limit().into(), page.offset().into()])
        .await?;
    let events = rows.iter().map(|row| {
        Ok(ProxyEvent {
            event_id: row.get("event_id")?,
            at: row.get("at")?,
            worker_id: row.get("worker_id")?,
            task_id: row.get("task_id")?,
            attempt: row.get("attempt")?,
            site: row.get("site")?,
            proxy: row.get("proxy")?,
            outcome: row.get("outcome")?,
        })
    });
    Ok((events.collect::<Result<_>>()?, total))
}

/// How often each outcome came since `since`, the commonest first.
pub async fn outcomes(database: &dyn Database, since: i64) -> Result<Vec<(String, i64)>> {
    let rows = database
        .query(
            "SELECT outcome, COUNT(*) AS uses FROM proxy_events WHERE at >= $1 \
             GROUP BY outcome ORDER BY uses DESC, outcome",
            &[since.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("outcome")?, row.get("uses")?)))
        .collect()
}

/// Removes events from before `before`.
pub async fn purge(database: &dyn Database, before: i64) -> Result<u64> {
    database
        .execute("DELETE FROM proxy_events WHERE at < $1", &[before.into()])
        .await
}
