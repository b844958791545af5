//! What is shared, without its link ([`super::links`]) and its files ([`super::directories`]).

use super::idempotency::{Judgement, judge};
use super::{Database, Row, Value};
use crate::domain::coins::Coins;
use crate::domain::drive::Drive;
use crate::domain::page::Page;
use crate::domain::resource::State;
use crate::error::{Code, Error, Result};
use crate::limits::{IDEMPOTENCY_TRIES, RESOURCES_PENDING_MAX};
use serde_json::json;

/// A row of `resources` with its publisher's name.
#[derive(Clone, Debug)]
pub struct Resource {
    pub resource_id: String,
    pub publisher_id: String,
    pub publisher_nickname: String,
    pub is_publisher_blocked: bool,
    pub drive: Drive,
    pub title: String,
    pub bio: String,
    pub price: Coins,
    /// Bytes.
    pub total_size: i64,
    pub link_id: String,
    /// The link that was approved before `link_id`; it counts while that one is not.
    pub former_link_id: Option<String>,
    pub directory_id: String,
    /// When the drive said what the link holds.
    pub listed_at: Option<i64>,
    pub state: State,
    pub reason: Option<String>,
    pub last_check_at: Option<i64>,
    /// Of the last check: `ok`, `bad`, `locked`, `uncertain`.
    pub verdict: Option<String>,
    pub is_check_pending: bool,
    pub sale_count: i64,
    pub refund_count: i64,
    pub created_at: i64,
    pub published_at: Option<i64>,
    pub deleted_at: Option<i64>,
}

impl Resource {
    /// Whether everybody may see it (SH-8).
    pub fn is_public(&self) -> bool {
        self.state.is_public() && self.deleted_at.is_none() && !self.is_publisher_blocked
    }

    /// Whether its publisher still says which files there are: until a reviewer has seen them, or the drive has listed
    /// them.
    pub fn takes_directory(&self) -> bool {
        self.listed_at.is_none() && matches!(self.state, State::Pending | State::Rejected)
    }

    /// The link that reviewers approved last, which its buyers open; none of what was taken down.
    pub fn approved_link_id(&self) -> Option<&str> {
        match self.state {
            State::Ok | State::Invalidated => Some(&self.link_id),
            State::Pending | State::Rejected => self.former_link_id.as_deref(),
            State::TakenDown => None,
        }
    }
}

const SELECT: &str = "SELECT r.resource_id, r.publisher_id, u.nickname, u.blocked_at, r.drive, r.title, r.bio, \
     r.price, r.total_size, r.link_id, r.former_link_id, r.directory_id, r.listed_at, r.state, r.reason, \
     r.last_check_at, r.verdict, \
     CASE WHEN c.resource_id IS NULL THEN 0 ELSE 1 END AS check_pending, r.sale_count, r.refund_count, \
     r.created_at, r.published_at, r.deleted_at \
     FROM resources r JOIN users u ON u.user_id = r.publisher_id \
     LEFT JOIN checks c ON c.resource_id = r.resource_id";

fn resource_from(row: &Row) -> Result<Resource> {
    let flag = |name: &str| -> Result<bool> {
        // A CASE of PostgreSQL comes as its INTEGER; the adapters make both an i64.
        Ok(row.get::<i64>(name)? != 0)
    };
    Ok(Resource {
        resource_id: row.get("resource_id")?,
        publisher_id: row.get("publisher_id")?,
        publisher_nickname: row.get("nickname")?,
        is_publisher_blocked: row.get::<Option<i64>>("blocked_at")?.is_some(),
        drive: Drive::parse(&row.get::<String>("drive")?)?,
        title: row.get("title")?,
        bio: row.get("bio")?,
        price: Coins::from_hundredths(row.get("price")?),
        total_size: row.get("total_size")?,
        link_id: row.get("link_id")?,
        former_link_id: row.get("former_link_id")?,
        directory_id: row.get("directory_id")?,
        listed_at: row.get("listed_at")?,
        state: State::parse(&row.get::<String>("state")?)?,
        reason: row.get("reason")?,
        last_check_at: row.get("last_check_at")?,
        verdict: row.get("verdict")?,
        is_check_pending: flag("check_pending")?,
        sale_count: row.get("sale_count")?,
        refund_count: row.get("refund_count")?,
        created_at: row.get("created_at")?,
        published_at: row.get("published_at")?,
        deleted_at: row.get("deleted_at")?,
    })
}

/// What a publication writes; link and directory stand already.
#[derive(Clone, Debug)]
pub struct NewResource {
    pub resource_id: String,
    pub publisher_id: String,
    pub drive: Drive,
    pub title: String,
    pub bio: String,
    pub price: Coins,
    pub total_size: i64,
    pub link_id: String,
    pub directory_id: String,
    pub review_id: String,
    pub idempotency_key: Option<String>,
    /// SHA-256 of what was asked for.
    pub request_hash: String,
    pub now: i64,
}

/// Whether another resource of the publisher may wait for a reviewer. Requests at once may go beyond the limit by as many
/// as they are. Errors: 42902 when [`RESOURCES_PENDING_MAX`] wait.
pub async fn admit(database: &dyn Database, publisher_id: &str) -> Result<()> {
    let rows = database
        .query(
            "SELECT COUNT(*) AS waiting FROM resources \
             WHERE publisher_id = $1 AND state = 'pending' AND deleted_at IS NULL",
            &[publisher_id.into()],
        )
        .await?;
    let waiting: i64 = rows.first().map_or(Ok(0), |row| row.get("waiting"))?;
    if waiting < RESOURCES_PENDING_MAX {
        return Ok(());
    }
    Err(Error::new(
        Code::QuotaExhausted,
        format!(
            "{waiting} of your resources wait for a reviewer; others can follow when some are decided."
        ),
    )
    .with_data(json!({ "reason": "many_pending" })))
}

/// What was published under this idempotency key in the last 24 h. Errors: 40902.
pub async fn published(database: &dyn Database, new: &NewResource) -> Result<Option<String>> {
    Ok(match earlier(database, new).await? {
        Some((resource_id, Judgement::Replay)) => Some(resource_id),
        _ => None,
    })
}

/// Adds a resource, its review and its first check (trigger `resources_publish`), and returns its id; under an
/// idempotency key of the last 24 h, the id that the first request made. Errors: 40902.
pub async fn publish(database: &dyn Database, new: &NewResource) -> Result<String> {
    for _ in 0..IDEMPOTENCY_TRIES {
        if insert(database, new).await? {
            return Ok(new.resource_id.clone());
        }
        match earlier(database, new).await? {
            None => {}
            Some((resource_id, Judgement::Replay)) => return Ok(resource_id),
            Some((resource_id, Judgement::Expired)) => {
                database
                    .execute(
                        "UPDATE resources SET idempotency_key = NULL WHERE resource_id = $1",
                        &[resource_id.into()],
                    )
                    .await?;
            }
        }
    }
    Err(Error::busy(1, "the idempotency key is contended"))
}

/// The resource of the same key, and whether it is the answer. Errors: 40902.
async fn earlier(
    database: &dyn Database,
    new: &NewResource,
) -> Result<Option<(String, Judgement)>> {
    let rows = database
        .query(
            "SELECT resource_id, request_hash, created_at FROM resources \
             WHERE publisher_id = $1 AND idempotency_key = $2",
            &[
                new.publisher_id.as_str().into(),
                new.idempotency_key.as_deref().into(),
            ],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (hash, created_at): (String, i64) = (row.get("request_hash")?, row.get("created_at")?);
    let judgement = judge(&hash, created_at, &new.request_hash, new.now)?;
    Ok(Some((row.get("resource_id")?, judgement)))
}

async fn insert(database: &dyn Database, new: &NewResource) -> Result<bool> {
    let rows = database
        .query(
            "INSERT INTO resources (resource_id, publisher_id, drive, title, bio, price, total_size, link_id, \
               directory_id, state, review_id, idempotency_key, request_hash, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $12, $13, $13) \
             ON CONFLICT (publisher_id, idempotency_key) WHERE idempotency_key IS NOT NULL \
             DO NOTHING RETURNING resource_id",
            &[
                new.resource_id.as_str().into(),
                new.publisher_id.as_str().into(),
                new.drive.as_str().into(),
                new.title.as_str().into(),
                new.bio.as_str().into(),
                new.price.hundredths().into(),
                new.total_size.into(),
                new.link_id.as_str().into(),
                new.directory_id.as_str().into(),
                new.review_id.as_str().into(),
                new.idempotency_key.as_deref().into(),
                new.request_hash.as_str().into(),
                new.now.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// The resource of this id, also a deleted one.
pub async fn find(database: &dyn Database, resource_id: &str) -> Result<Option<Resource>> {
    let sql = format!("{SELECT} WHERE r.resource_id = $1");
    let rows = database.query(&sql, &[resource_id.into()]).await?;
    rows.first().map(resource_from).transpose()
}

/// What a user has published, newest first, and how much that is.
pub async fn of_publisher(
    database: &dyn Database,
    publisher_id: &str,
    page: Page,
) -> Result<(Vec<Resource>, i64)> {
    let total = database
        .query(
            "SELECT COUNT(*) AS total FROM resources WHERE publisher_id = $1 AND deleted_at IS NULL",
            &[publisher_id.into()],
        )
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    let sql = format!(
        "{SELECT} WHERE r.publisher_id = $1 AND r.deleted_at IS NULL ORDER BY r.number DESC LIMIT $2 OFFSET $3"
    );
    let rows = database
        .query(
            &sql,
            &[
                publisher_id.into(),
                page.limit().into(),
                page.offset().into(),
            ],
        )
        .await?;
    Ok((
        rows.iter().map(resource_from).collect::<Result<_>>()?,
        total,
    ))
}

/// What its publisher changes; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub title: Option<String>,
    pub bio: Option<String>,
    pub price: Option<Coins>,
    /// Another tree that stands already, and its size.
    pub directory: Option<(String, i64)>,
    /// Another link that stands already, and its drive.
    pub link: Option<(String, Drive)>,
    /// Of the review that another link needs, any change of what was rejected, and another text of what waits for its
    /// first decision.
    pub review_id: String,
    pub now: i64,
}

/// Changes a resource that is neither deleted nor taken down. Another link goes to review and check again, in this
/// statement (trigger `resources_publish_again`), and what was rejected goes to review. A review that waits is of the
/// texts that were there when it began: with others another one takes its place. Another tree is for another link, or
/// for what neither a reviewer has approved nor the drive has listed. Returns whether there was such a resource.
pub async fn change(
    database: &dyn Database,
    resource_id: &str,
    publisher_id: &str,
    change: &Change,
) -> Result<bool> {
    let (directory_id, total_size) = change.directory.clone().unzip();
    let (link_id, drive) = change.link.clone().unzip();
    let changed = database
        .execute(
            "UPDATE resources SET title = COALESCE($3, title), bio = COALESCE($4, bio), \
               price = COALESCE($5, price), directory_id = COALESCE($6, directory_id), \
               total_size = COALESCE($7, total_size), link_id = COALESCE($8, link_id), \
               former_link_id = CASE WHEN CAST($8 AS TEXT) IS NOT NULL AND state IN ('ok', 'invalidated') \
                 THEN link_id ELSE former_link_id END, \
               drive = COALESCE($9, drive), version = version + 1, updated_at = $11, \
               review_id = CASE WHEN CAST($8 AS TEXT) IS NOT NULL OR state = 'rejected' \
                 OR state = 'pending' AND COALESCE($3, $4, $6) IS NOT NULL THEN $10 ELSE review_id END, \
               state = CASE WHEN CAST($8 AS TEXT) IS NOT NULL OR state = 'rejected' THEN 'pending' ELSE state END, \
               verdict = CASE WHEN CAST($8 AS TEXT) IS NULL THEN verdict END, \
               bad_at = CASE WHEN CAST($8 AS TEXT) IS NULL THEN bad_at END, \
               last_check_at = CASE WHEN CAST($8 AS TEXT) IS NULL THEN last_check_at END, \
               listed_at = CASE WHEN CAST($8 AS TEXT) IS NULL THEN listed_at END \
             WHERE resource_id = $1 AND publisher_id = $2 AND deleted_at IS NULL AND state <> 'taken_down' \
               AND (CAST($6 AS TEXT) IS NULL OR CAST($8 AS TEXT) IS NOT NULL \
                 OR listed_at IS NULL AND state IN ('pending', 'rejected'))",
            &[
                resource_id.into(),
                publisher_id.into(),
                change.title.as_deref().into(),
                change.bio.as_deref().into(),
                change.price.map(Coins::hundredths).into(),
                directory_id.into(),
                total_size.into(),
                link_id.into(),
                drive.map(Drive::as_str).into(),
                change.review_id.as_str().into(),
                change.now.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// Takes a resource out of sight for good; who has bought it keeps the order. Returns whether it was there.
pub async fn delete(
    database: &dyn Database,
    resource_id: &str,
    publisher_id: &str,
    now: i64,
) -> Result<bool> {
    let changed = database
        .execute(
            "UPDATE resources SET deleted_at = $3, updated_at = $3 \
             WHERE resource_id = $1 AND publisher_id = $2 AND deleted_at IS NULL",
            &[resource_id.into(), publisher_id.into(), now.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Whether a user has bought it and not given it back.
pub async fn is_bought(database: &dyn Database, resource_id: &str, buyer_id: &str) -> Result<bool> {
    let parameters: [Value; 2] = [buyer_id.into(), resource_id.into()];
    let rows = database
        .query(
            "SELECT order_id FROM orders WHERE buyer_id = $1 AND resource_id = $2 AND refunded_at IS NULL",
            &parameters,
        )
        .await?;
    Ok(!rows.is_empty())
}
