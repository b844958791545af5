//! Payments (SH-13): what somebody means to pay, and what the provider said of it, each event once. What a payment
//! brings is posted by the triggers of the statement that writes the event.

use super::idempotency::{Judgement, judge};
use super::{Database, Row};
use crate::domain::coins::{Coins, Yuan};
use crate::domain::page::Page;
use crate::domain::payment::{Intent, Kind, Outcome};
use crate::error::{Code, Error, Result};
use crate::limits::IDEMPOTENCY_TRIES;

#[derive(Clone, Debug)]
pub struct Payment {
    pub payment_id: String,
    pub user_id: String,
    pub provider: String,
    pub intent: Intent,
    /// `pending`, `paid`, `failed`.
    pub state: String,
    pub created_at: i64,
    pub paid_at: Option<i64>,
    request_hash: String,
}

const COLUMNS: &str = "payment_id, user_id, provider, kind, amount, coins, months, state, request_hash, created_at, \
     paid_at";

fn payment_from(row: &Row) -> Result<Payment> {
    Ok(Payment {
        payment_id: row.get("payment_id")?,
        user_id: row.get("user_id")?,
        provider: row.get("provider")?,
        intent: Intent {
            kind: Kind::parse(&row.get::<String>("kind")?)?,
            amount: Yuan::from_hundredths(row.get("amount")?),
            coins: Coins::from_hundredths(row.get("coins")?),
            months: row.get("months")?,
        },
        state: row.get("state")?,
        created_at: row.get("created_at")?,
        paid_at: row.get("paid_at")?,
        request_hash: row.get("request_hash")?,
    })
}

#[derive(Clone, Debug)]
pub struct NewPayment {
    pub payment_id: String,
    pub user_id: String,
    pub provider: &'static str,
    pub intent: Intent,
    pub idempotency_key: Option<String>,
    /// SHA-256 of what was asked for.
    pub request_hash: String,
    pub now: i64,
}

/// Adds a payment that waits; under an idempotency key of the last 24 h, the one that the first request made.
/// Errors: 40902.
pub async fn create(database: &dyn Database, new: &NewPayment) -> Result<Payment> {
    for _ in 0..IDEMPOTENCY_TRIES {
        if let Some(payment) = insert(database, new).await? {
            return Ok(payment);
        }
        let sql =
            format!("SELECT {COLUMNS} FROM payments WHERE user_id = $1 AND idempotency_key = $2");
        let key = new.idempotency_key.as_deref();
        let rows = database
            .query(&sql, &[new.user_id.as_str().into(), key.into()])
            .await?;
        let Some(earlier) = rows.first().map(payment_from).transpose()? else {
            continue;
        };
        let judged = judge(
            &earlier.request_hash,
            earlier.created_at,
            &new.request_hash,
            new.now,
        )?;
        if judged == Judgement::Replay {
            return Ok(earlier);
        }
        database
            .execute(
                "UPDATE payments SET idempotency_key = NULL WHERE payment_id = $1",
                &[earlier.payment_id.into()],
            )
            .await?;
    }
    Err(Error::busy(1, "the idempotency key is contended"))
}

async fn insert(database: &dyn Database, new: &NewPayment) -> Result<Option<Payment>> {
    let sql = format!(
        "INSERT INTO payments (payment_id, user_id, provider, kind, amount, coins, months, state, \
           idempotency_key, request_hash, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10) \
         ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL \
         DO NOTHING RETURNING {COLUMNS}"
    );
    let rows = database
        .query(
            &sql,
            &[
                new.payment_id.as_str().into(),
                new.user_id.as_str().into(),
                new.provider.into(),
                new.intent.kind.as_str().into(),
                new.intent.amount.hundredths().into(),
                new.intent.coins.hundredths().into(),
                new.intent.months.into(),
                new.idempotency_key.as_deref().into(),
                new.request_hash.as_str().into(),
                new.now.into(),
            ],
        )
        .await?;
    rows.first().map(payment_from).transpose()
}

pub async fn find(database: &dyn Database, payment_id: &str) -> Result<Option<Payment>> {
    let sql = format!("SELECT {COLUMNS} FROM payments WHERE payment_id = $1");
    let rows = database.query(&sql, &[payment_id.into()]).await?;
    rows.first().map(payment_from).transpose()
}

/// A user's payments, newest first, and how many there are.
pub async fn of_user(
    database: &dyn Database,
    user_id: &str,
    page: Page,
) -> Result<(Vec<Payment>, i64)> {
    let total = database
        .query(
            "SELECT COUNT(*) AS total FROM payments WHERE user_id = $1",
            &[user_id.into()],
        )
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    let sql = format!(
        "SELECT {COLUMNS} FROM payments WHERE user_id = $1 \
         ORDER BY created_at DESC, payment_id DESC LIMIT $2 OFFSET $3"
    );
    let rows = database
        .query(
            &sql,
            &[user_id.into(), page.limit().into(), page.offset().into()],
        )
        .await?;
    Ok((rows.iter().map(payment_from).collect::<Result<_>>()?, total))
}

/// What a provider tells of a payment.
#[derive(Clone, Debug)]
pub struct Event {
    pub event_id: String,
    pub payment_id: String,
    pub amount: Yuan,
    pub outcome: Outcome,
}

/// Notes what a provider says, once: the same event again changes nothing. Errors: 40401 for a payment that is not
/// this provider's, 42201 when the amount is not the intent's, 40901 when the event said something else before.
pub async fn notify(
    database: &dyn Database,
    provider: &str,
    event: &Event,
    now: i64,
) -> Result<Payment> {
    let rows = database
        .query(
            "INSERT INTO payment_events (provider, event_id, payment_id, amount, state, received_at) \
             SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), payment_id, amount, CAST($5 AS TEXT), CAST($6 AS BIGINT) \
             FROM payments WHERE payment_id = $3 AND provider = $1 AND amount = $4 \
             ON CONFLICT (provider, event_id) DO NOTHING RETURNING event_id",
            &[
                provider.into(),
                event.event_id.as_str().into(),
                event.payment_id.as_str().into(),
                event.amount.hundredths().into(),
                event.outcome.as_str().into(),
                now.into(),
            ],
        )
        .await?;
    let payment = find(database, &event.payment_id).await?;
    let payment = payment
        .filter(|payment| payment.provider == provider)
        .ok_or_else(|| Error::not_found("payment"))?;
    if !rows.is_empty() {
        return Ok(payment);
    }
    if payment.intent.amount != event.amount {
        let message = "The amount is not the one of the payment.";
        return Err(Error::new(Code::Unprocessable, message)
            .with_data(serde_json::json!({ "reason": "amount_mismatch" })));
    }
    let told = database
        .query(
            "SELECT payment_id FROM payment_events WHERE provider = $1 AND event_id = $2 \
             AND payment_id = $3 AND state = $4",
            &[
                provider.into(),
                event.event_id.as_str().into(),
                event.payment_id.as_str().into(),
                event.outcome.as_str().into(),
            ],
        )
        .await?;
    if told.is_empty() {
        let message = "This event said something else before.";
        return Err(Error::new(Code::Conflict, message));
    }
    Ok(payment)
}
