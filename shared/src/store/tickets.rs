//! One-use tickets that open a WebSocket; only their hashes are stored.

use super::{Database, Row, projects, sessions};
use crate::error::{Error, Result};
use crate::limits::CLIENT_TOKEN_S;

/// Whose a ticket is. What ends it ends the WebSocket too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A user's session.
    Session(String),
    /// A project, by a token that was issued at this time.
    Project { project_id: String, issued_at: i64 },
}

impl Bearer {
    /// Whose tasks it shows: the user's or the project's id, while session or token counts.
    pub async fn owner_id(&self, database: &dyn Database, now: i64) -> Result<Option<String>> {
        match self {
            Self::Session(session_id) => {
                let user = sessions::user_of(database, session_id, now).await?;
                Ok(user.map(|user| user.user_id))
            }
            Self::Project { issued_at, .. } if issued_at + CLIENT_TOKEN_S * 1000 <= now => Ok(None),
            Self::Project {
                project_id,
                issued_at,
            } => {
                let project = projects::of_token(database, project_id, *issued_at).await?;
                Ok(project.map(|project| project.project_id))
            }
        }
    }

    fn from_row(row: &Row) -> Result<Self> {
        let session_id: Option<String> = row.get("session_id")?;
        let project_id: Option<String> = row.get("project_id")?;
        match (session_id, project_id) {
            (Some(session_id), None) => Ok(Self::Session(session_id)),
            (None, Some(project_id)) => Ok(Self::Project {
                project_id,
                issued_at: row.get("issued_at")?,
            }),
            _ => Err(Error::internal("a ticket is nobody's")),
        }
    }
}

pub async fn insert(
    database: &dyn Database,
    ticket_hash: &str,
    bearer: &Bearer,
    expires_at: i64,
) -> Result<()> {
    let (session_id, project_id, issued_at) = match bearer {
        Bearer::Session(session_id) => (Some(session_id.as_str()), None, None),
        Bearer::Project {
            project_id,
            issued_at,
        } => (None, Some(project_id.as_str()), Some(*issued_at)),
    };
    database
        .execute(
            "INSERT INTO tickets (ticket_hash, session_id, project_id, issued_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
            &[
                ticket_hash.into(),
                session_id.into(),
                project_id.into(),
                issued_at.into(),
                expires_at.into(),
            ],
        )
        .await?;
    Ok(())
}

/// Uses a ticket up and returns whose it is; a second use finds nothing.
pub async fn redeem(
    database: &dyn Database,
    ticket_hash: &str,
    now: i64,
) -> Result<Option<Bearer>> {
    let rows = database
        .query(
            "DELETE FROM tickets WHERE ticket_hash = $1 AND expires_at > $2 \
             RETURNING session_id, project_id, issued_at",
            &[ticket_hash.into(), now.into()],
        )
        .await?;
    rows.first().map(Bearer::from_row).transpose()
}

pub async fn purge(database: &dyn Database, now: i64) -> Result<u64> {
    database
        .execute("DELETE FROM tickets WHERE expires_at <= $1", &[now.into()])
        .await
}
