//! The outbox and inbox tables in a shop's own MySQL 8 or MariaDB (DS-12); `deploy/mysql/sync.sql` makes them.
//! Rows are taken by their state, never by a cursor: transactions commit out of the order of their ids.

mod check;
mod failure;
mod rows;

pub use rows::OutboxRow;

use super::row::{Row, Said};
use crate::clock::now_ms;
use failure::{Health, is_about_the_row};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, TxOpts, Value};
use shared::limits::{
    MYSQL_CALL_MS_MAX, MYSQL_CONNECTIONS_MAX, MYSQL_IDS_MAX, MYSQL_PACKET_SPARE_BYTES,
    MYSQL_ROW_BYTES_MAX, MYSQL_STATEMENT_S_MAX, MYSQL_TAKE_BYTES_MAX, MYSQL_TAKE_ROWS_MAX,
    SYNC_REASON_CHARS_MAX,
};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Why the business's database did not do what it was asked. Counts for no row; no password stands in it.
#[derive(Debug, thiserror::Error)]
pub enum BusinessError {
    /// Another try may succeed: no connection, a deadlock, a wait that was too long.
    #[error("the business's database is not there or busy: {0}")]
    Retry(String),
    /// An operator has to do something first: a right, a table, a column.
    #[error("the business's database cannot be used: {0}")]
    Unusable(String),
}

type Result<T> = std::result::Result<T, BusinessError>;

/// What stands in `state` of an outbox row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    New = 0,
    /// It is in the journal, on its way.
    Taken = 1,
    /// The cloud has it.
    Sent = 2,
    /// It is not tried again until somebody does something about it.
    Dead = 3,
}

/// What stands in `result_of_send_business`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendResult {
    /// Nothing is wrong.
    None = 0,
    /// The receiver refused the row.
    Refused = 1,
    /// The `syn_id` came with other content before.
    Contradicts = 2,
    /// The row is not valid.
    Invalid = 3,
    /// An operator skipped the row.
    Skipped = 4,
}

/// How a row was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub syn_id: i64,
    pub fail_num: i64,
    pub result: SendResult,
    pub reason: String,
    pub is_dead: bool,
}

/// The business's database: a pool of few connections.
#[derive(Clone)]
pub struct BusinessDatabase {
    pool: Pool,
    /// `host:port/database`, for sentences; the password does not stand in it.
    place: String,
    health: Arc<Mutex<Health>>,
}

impl BusinessDatabase {
    /// `mysql://user:password@host:port/database`, with `?require_ssl=true` for TLS. Connects when first used.
    /// Errors: [`BusinessError::Unusable`] when the URL is none or names no database.
    pub fn open(url: &str) -> Result<Self> {
        // The driver's own message may repeat a part of the URL, and a password stands in it.
        let unusable = |why: &str| BusinessError::Unusable(format!("site.mysql_url {why}"));
        let opts = Opts::from_url(url).map_err(|_| unusable("is not a URL of MySQL"))?;
        let name = opts.db_name().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| unusable("names no database"))?;
        let place = format!("{}:{}/{name}", opts.ip_or_hostname(), opts.tcp_port());
        let pool = PoolOpts::new()
            .with_constraints(PoolConstraints::new(0, MYSQL_CONNECTIONS_MAX).unwrap_or_default());
        let opts = OptsBuilder::from_opts(opts)
            .pool_opts(pool)
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(MYSQL_STATEMENT_S_MAX)))
            .setup(vec![session()]);
        Ok(Self {
            pool: Pool::new(opts),
            place,
            health: Arc::default(),
        })
    }

    /// Whether it can be used. After a failure both tables are looked at before anything else, now and then; what is
    /// wrong is in the log, once.
    pub async fn is_ready(&self) -> bool {
        let (is_well, is_due) = {
            let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            (health.is_well(), health.is_due())
        };
        is_well || is_due && self.check().await.is_ok()
    }

    /// Whether both tables are there and fit. Errors: a sentence for the operator.
    pub async fn check(&self) -> Result<()> {
        let checked = self.call(async |conn| check::tables(conn, &self.place).await);
        checked.await?;
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.passed(&self.place);
        Ok(())
    }

    /// The first new rows by id, as many as the limits allow. They stay new until they are [`State::Taken`].
    pub async fn take(&self) -> Result<Vec<OutboxRow>> {
        self.call(async |conn| {
            let ids = first(conn).await?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let texts = format!("IF({SIZE} <= {MYSQL_ROW_BYTES_MAX}, ");
            let sql = format!(
                "SELECT syn_id, CAST(business_type AS CHAR), op, entity, entity_version, {SIZE},
                    {texts} data_detail, NULL), {texts} data_from_detail, NULL),
                    CAST(data_from_server_id AS CHAR), CAST(data_to_server_id AS CHAR), create_time,
                    CAST(data_from_client AS CHAR)
                FROM wharf_outbox WHERE state = 0 AND id IN ({}) ORDER BY id",
                marks(ids.len())
            );
            let rows: Vec<mysql_async::Row> = conn.exec(sql, values(&ids)).await?;
            rows.into_iter().map(OutboxRow::read).collect()
        })
        .await
    }

    /// Rows of this state behind this id that were refused with this result, `(id, syn_id)`.
    pub async fn rows_in(
        &self,
        state: State,
        result: Option<SendResult>,
        after: i64,
    ) -> Result<Vec<(i64, i64)>> {
        self.call(async |conn| {
            let result = result.map(|result| result as i64);
            let sql = format!(
                "SELECT id, syn_id FROM wharf_outbox WHERE state = ? AND id > ?
                AND (? IS NULL OR result_of_send_business = ?) ORDER BY id LIMIT {MYSQL_IDS_MAX}"
            );
            let parameters = (state as i64, after, result, result);
            Ok(conn.exec(sql, parameters).await?)
        })
        .await
    }

    /// These rows are in this state now, and nothing is wrong with them.
    pub async fn set_state(&self, syn_ids: &[i64], state: State) -> Result<()> {
        if syn_ids.is_empty() {
            return Ok(());
        }
        self.call(async |conn| {
            for ids in syn_ids.chunks(MYSQL_IDS_MAX) {
                let sql = format!(
                    "UPDATE wharf_outbox SET state = {}, fail_num = 0, result_of_send_business = 0, reason = NULL
                    WHERE syn_id IN ({})",
                    state as i64,
                    marks(ids.len())
                );
                conn.exec_drop(sql, values(ids)).await?;
            }
            Ok(())
        })
        .await
    }

    /// The business sees why a row was refused, and whether it is tried again.
    pub async fn refuse(&self, refusals: &[Refusal]) -> Result<()> {
        if refusals.is_empty() {
            return Ok(());
        }
        self.call(async |conn| {
            for refusal in refusals {
                let reason = refusal.reason.chars().take(SYNC_REASON_CHARS_MAX);
                let state = match refusal.is_dead {
                    true => State::Dead,
                    false => State::Taken,
                };
                let sql = "UPDATE wharf_outbox SET fail_num = ?, result_of_send_business = ?, reason = ?, state = ?
                    WHERE syn_id = ?";
                let (fail_num, result) = (refusal.fail_num, refusal.result as i64);
                let parameters = (fail_num, result, reason.collect::<String>(), state as i64, refusal.syn_id);
                conn.exec_drop(sql, parameters).await?;
            }
            Ok(())
        })
        .await
    }

    /// Puts rows into the inbox, in one transaction; what became of each, in order. A row that is there already is
    /// `Ok`; one that the table refuses keeps out those behind it of its entity, and none of the others.
    pub async fn insert(&self, rows: &[Row]) -> Result<Vec<Said>> {
        self.call(async |conn| {
            let packet: Option<u64> = conn.query_first("SELECT @@max_allowed_packet").await?;
            let packet = packet.unwrap_or(u64::MAX);
            let (mut said, mut blocked) = (Vec::with_capacity(rows.len()), HashSet::new());
            let mut transaction = conn.start_transaction(TxOpts::default()).await?;
            for row in rows {
                if blocked.contains(row.entity.as_str()) {
                    said.push(Said::Retry);
                    continue;
                }
                let refused = match rows::inbox(row, now_ms()) {
                    // The server would hang up on a larger one, and the rows beside it would never arrive.
                    Ok(_) if row.json.get().len() as u64 + MYSQL_PACKET_SPARE_BYTES > packet => {
                        Some(format!(
                            "The row has {} bytes; the database's max_allowed_packet is {packet}.",
                            row.json.get().len()
                        ))
                    }
                    Ok(values) => match transaction.exec_drop(INSERT, values).await {
                        Ok(()) => None,
                        Err(mysql_async::Error::Server(error)) if is_about_the_row(&error) => {
                            Some(error.message)
                        }
                        Err(error) => return Err(error.into()),
                    },
                    Err(why) => Some(why),
                };
                if refused.is_some() {
                    blocked.insert(row.entity.as_str());
                }
                said.push(refused.map_or(Said::Ok, |why| Said::Reject(Some(why))));
            }
            transaction.commit().await?;
            Ok(said)
        })
        .await
    }

    /// A call on a connection of the pool, within its time. What fails is noted.
    async fn call<T>(&self, call: impl AsyncFnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let answered = tokio::time::timeout(Duration::from_millis(MYSQL_CALL_MS_MAX), async {
            call(&mut self.pool.get_conn().await?).await
        });
        let answer = answered.await.unwrap_or_else(|_| {
            let why = format!(
                "{} did not answer within {MYSQL_CALL_MS_MAX} ms",
                self.place
            );
            Err(BusinessError::Retry(why))
        });
        if let Err(error) = &answer {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            health.failed(error);
        }
        answer
    }
}

/// The two texts of a row that may be long, bytes.
const SIZE: &str =
    "(COALESCE(OCTET_LENGTH(data_detail), 0) + COALESCE(OCTET_LENGTH(data_from_detail), 0))";

/// A row that is there already changes nothing; IGNORE would also swallow what does not fit.
const INSERT: &str =
    "INSERT INTO wharf_inbox (syn_id, data_detail, data_from_detail, business_type,
        data_from_server_id, data_to_server_id, fail_num, result_of_send_business, create_time,
        data_from_client, op, entity, entity_version, received_at, reason, sha256)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON DUPLICATE KEY UPDATE id = id";

/// What holds for every connection. Each server passes over the comment that is meant for the other.
fn session() -> String {
    format!(
        "SET SESSION sql_mode = 'STRICT_TRANS_TABLES', innodb_lock_wait_timeout = {MYSQL_STATEMENT_S_MAX}
            /*M!100101 , max_statement_time = {MYSQL_STATEMENT_S_MAX} */
            /*!50708 , max_execution_time = {MYSQL_STATEMENT_S_MAX}000 */"
    )
}

/// The first new ids whose rows fit together; a row that is too large by itself counts nothing, for it is
/// read without its texts.
async fn first(conn: &mut Conn) -> Result<Vec<i64>> {
    let sql = format!(
        "SELECT id, {SIZE} FROM wharf_outbox WHERE state = 0 ORDER BY id LIMIT {MYSQL_TAKE_ROWS_MAX}"
    );
    let sizes: Vec<(i64, u64)> = conn.query(sql).await?;
    let mut bytes = 0;
    let fits = |&(_, size): &(i64, u64)| {
        if size <= MYSQL_ROW_BYTES_MAX as u64 {
            bytes += size;
        }
        bytes <= MYSQL_TAKE_BYTES_MAX as u64
    };
    let ids = sizes.into_iter().take_while(fits).map(|(id, _)| id);
    Ok(ids.collect())
}

fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn values(ids: &[i64]) -> Vec<Value> {
    ids.iter().map(|id| Value::from(*id)).collect()
}
