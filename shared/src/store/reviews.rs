//! What reviewers decide about: publications (SH-8) and reports (SH-10). What follows from a decision is part of the
//! statement that makes it (triggers `reviews_decide_resource`, `reviews_decide_report`).

use super::{Database, Dialect, Row, Value};
use crate::domain::page::Page;
use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Resource,
    Report,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Report => "report",
        }
    }

    /// Errors: 40001 for field `kind`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "resource" => Ok(Self::Resource),
            "report" => Ok(Self::Report),
            _ => Err(Error::invalid("kind", "The kind is resource or report.")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Approved,
    Rejected,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// Errors: 40001 for field `state`.
    pub fn parse(text: &str) -> Result<Self> {
        [Self::Pending, Self::Approved, Self::Rejected]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::invalid("state", "The state is pending, approved or rejected."))
    }
}

/// A row of `reviews` with its reporter's name.
#[derive(Clone, Debug)]
pub struct Review {
    pub review_id: String,
    pub kind: Kind,
    pub resource_id: String,
    pub reporter_id: Option<String>,
    pub reporter_nickname: Option<String>,
    pub reason: Option<String>,
    pub state: State,
    pub decision_reason: Option<String>,
    pub decided_by: Option<String>,
    pub decided_at: Option<i64>,
    pub created_at: i64,
}

const SELECT: &str = "SELECT v.review_id, v.kind, v.resource_id, v.reporter_id, u.nickname, v.reason, v.state, \
     v.decision_reason, v.decided_by, v.decided_at, v.created_at \
     FROM reviews v LEFT JOIN users u ON u.user_id = v.reporter_id";

fn review_from(row: &Row) -> Result<Review> {
    Ok(Review {
        review_id: row.get("review_id")?,
        kind: Kind::parse(&row.get::<String>("kind")?)?,
        resource_id: row.get("resource_id")?,
        reporter_id: row.get("reporter_id")?,
        reporter_nickname: row.get("nickname")?,
        reason: row.get("reason")?,
        state: State::parse(&row.get::<String>("state")?)?,
        decision_reason: row.get("decision_reason")?,
        decided_by: row.get("decided_by")?,
        decided_at: row.get("decided_at")?,
        created_at: row.get("created_at")?,
    })
}

pub async fn find(database: &dyn Database, review_id: &str) -> Result<Option<Review>> {
    let sql = format!("{SELECT} WHERE v.review_id = $1");
    let rows = database.query(&sql, &[review_id.into()]).await?;
    rows.first().map(review_from).transpose()
}

/// Reviews of a state, perhaps of one kind, those that have waited longest first, and how many there are.
pub async fn list(
    database: &dyn Database,
    state: State,
    kind: Option<Kind>,
    page: Page,
) -> Result<(Vec<Review>, i64)> {
    let mut values: Vec<Value> = vec![state.as_str().into()];
    let mut clause = "v.state = $1".to_owned();
    if let Some(kind) = kind {
        values.push(kind.as_str().into());
        clause.push_str(" AND v.kind = $2");
    }
    let total = database
        .query(
            &format!("SELECT COUNT(*) AS total FROM reviews v WHERE {clause}"),
            &values,
        )
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    let (limit, offset) = (values.len() + 1, values.len() + 2);
    let sql = format!(
        "{SELECT} WHERE {clause} ORDER BY v.created_at, v.review_id LIMIT ${limit} OFFSET ${offset}"
    );
    values.extend([page.limit().into(), page.offset().into()]);
    let rows = database.query(&sql, &values).await?;
    Ok((rows.iter().map(review_from).collect::<Result<_>>()?, total))
}

/// A user says that something is wrong with a resource. It stays as it is until somebody decides; a report that
/// waits is not made twice. Returns the id of the report that waits now, `None` where the resource is not public.
pub async fn report(
    database: &dyn Database,
    review_id: &str,
    resource_id: &str,
    reporter_id: &str,
    reason: &str,
    now: i64,
) -> Result<Option<String>> {
    // On PostgreSQL a takedown that is under way is waited for.
    let lock = match database.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR SHARE OF r",
    };
    let rows = database
        .query(
            &format!(
            "INSERT INTO reviews (review_id, kind, resource_id, reporter_id, reason, state, created_at) \
             SELECT CAST($1 AS TEXT), 'report', r.resource_id, CAST($3 AS TEXT), CAST($4 AS TEXT), 'pending', \
               CAST($5 AS BIGINT) \
             FROM resources r JOIN users u ON u.user_id = r.publisher_id \
             WHERE r.resource_id = $2 AND r.state IN ('ok', 'invalidated') AND r.deleted_at IS NULL \
               AND u.blocked_at IS NULL {lock} \
             ON CONFLICT (resource_id, reporter_id) WHERE kind = 'report' AND state = 'pending' \
             DO NOTHING RETURNING review_id"
            ),
            &[
                review_id.into(),
                resource_id.into(),
                reporter_id.into(),
                reason.into(),
                now.into(),
            ],
        )
        .await?;
    if let Some(row) = rows.first() {
        return row.get("review_id").map(Some);
    }
    let rows = database
        .query(
            "SELECT review_id FROM reviews WHERE resource_id = $1 AND reporter_id = $2 \
             AND kind = 'report' AND state = 'pending'",
            &[resource_id.into(), reporter_id.into()],
        )
        .await?;
    rows.first().map(|row| row.get("review_id")).transpose()
}

/// Decides a review that waits, once. Returns whether it did. On PostgreSQL the resource is locked before the review, as
/// its publisher's changes do it; SQLite has one writer.
pub async fn decide(
    database: &dyn Database,
    review_id: &str,
    state: State,
    reason: Option<&str>,
    reviewer_id: &str,
    now: i64,
) -> Result<bool> {
    let (locked, is_locked) = match database.dialect() {
        Dialect::Sqlite => ("", ""),
        Dialect::Postgres => (
            "WITH locked AS MATERIALIZED (SELECT resource_id FROM resources WHERE resource_id = \
               (SELECT resource_id FROM reviews WHERE review_id = $1) FOR UPDATE) ",
            "AND resource_id IN (SELECT resource_id FROM locked) ",
        ),
    };
    let rows = database
        .query(
            &format!(
                "{locked}UPDATE reviews SET state = $2, decision_reason = $3, decided_by = $4, decided_at = $5 \
                 WHERE review_id = $1 AND state = 'pending' {is_locked}RETURNING review_id"
            ),
            &[
                review_id.into(),
                state.as_str().into(),
                reason.into(),
                reviewer_id.into(),
                now.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}
