//! PostgreSQL through `tokio-postgres` and `deadpool`.
//!
//! Connections are handed on without a round trip: whatever could leave state behind (an error inside
//! a script, a caller who gave up in the middle) throws its connection away instead.

use async_trait::async_trait;
use bytes::BytesMut;
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures_util::StreamExt;
use shared::limits::{
    POSTGRES_LISTEN_RETRY_MS, POSTGRES_NOTIFICATIONS_MAX, POSTGRES_WAIT_MS_MAX,
    STATEMENT_CACHE_SIZE,
};
use shared::store::{Database, Dialect, Row, Value};
use shared::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, Config, NoTls};

/// A pool of connections to one PostgreSQL; cheap to clone.
#[derive(Clone)]
pub struct PostgresDatabase {
    pool: Pool,
    config: Arc<Config>,
}

impl PostgresDatabase {
    /// A pool of at most `max_size` connections, made when they are needed. Fails on a malformed URL only.
    pub fn connect(url: &str, max_size: usize) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        // The parser's own words do not repeat the URL, which holds the password.
        let config: Config = url.parse().context("the PostgreSQL URL is malformed")?;
        let pool = open_pool(config.clone(), max_size)?;
        Ok(Self {
            pool,
            config: Arc::new(config),
        })
    }

    /// The pool's connections as they are.
    pub fn connections(&self) -> super::Pool {
        connections(&self.pool)
    }

    async fn client(&self) -> Result<Object> {
        self.pool.get().await.map_err(from_pool)
    }

    /// Runs several statements in one transaction (a migration); they hold no `BEGIN` of their own.
    pub async fn run_script(&self, sql: &str) -> Result<()> {
        // Out of the pool for good: what a half-run script leaves behind dies with it.
        let client = Object::take(self.client().await?);
        client
            .batch_execute(&format!("BEGIN;\n{sql}\n;COMMIT"))
            .await
            .map_err(from_postgres)
    }

    /// The payloads of `NOTIFY channel`. A lost connection is opened again; an empty payload after
    /// that says that notifications may have been missed.
    pub fn listen(&self, channel: &str) -> mpsc::Receiver<String> {
        let (sender, receiver) = mpsc::channel(POSTGRES_NOTIFICATIONS_MAX);
        let listen = format!("LISTEN \"{}\"", channel.replace('"', "\"\""));
        let config = self.config.clone();
        tokio::spawn(async move {
            let mut again = false;
            while !sender.is_closed() {
                if let Err(error) = listen_once(&config, &listen, &sender, again).await {
                    tracing::warn!(%error, "the PostgreSQL notifications are interrupted");
                }
                again = true;
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(POSTGRES_LISTEN_RETRY_MS)) => {}
                    () = sender.closed() => {}
                }
            }
        });
        receiver
    }
}

/// The connections of a pool as they are.
pub fn connections(pool: &Pool) -> super::Pool {
    let status = pool.status();
    super::Pool {
        idle: status.available,
        in_use: status.size.saturating_sub(status.available),
        max: status.max_size,
    }
}

/// A pool over one configuration that waits at most [`POSTGRES_WAIT_MS_MAX`] for a connection.
pub fn open_pool(mut config: Config, max_size: usize) -> anyhow::Result<Pool> {
    let wait = Some(Duration::from_millis(POSTGRES_WAIT_MS_MAX));
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_millis(POSTGRES_WAIT_MS_MAX));
    }
    let manager = Manager::from_config(
        config,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    Ok(Pool::builder(manager)
        .max_size(max_size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(wait)
        .create_timeout(wait)
        .build()?)
}

#[async_trait]
impl Database for PostgresDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await.map_err(from_postgres)?;
        let bound = bind(parameters);
        let rows = match client.query(&statement, &borrow(&bound)).await {
            Ok(rows) => rows,
            Err(error) => return Err(give_up(client, error)),
        };
        let columns: Arc<[String]> = statement
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect();
        rows.iter().map(|row| from_row(row, &columns)).collect()
    }

    async fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await.map_err(from_postgres)?;
        let bound = bind(parameters);
        match client.execute(&statement, &borrow(&bound)).await {
            Ok(count) => Ok(count),
            Err(error) => Err(give_up(client, error)),
        }
    }
}

/// A plan that a migration made stale keeps failing on its connection, so that one goes.
fn give_up(client: Object, error: tokio_postgres::Error) -> Error {
    if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) {
        drop(Object::take(client));
    }
    from_postgres(error)
}

/// Statement caches of `deadpool` know no bound; texts are fixed, so this is only a safety net.
pub fn trim_statement_cache(client: &Object) {
    if client.statement_cache.size() > STATEMENT_CACHE_SIZE {
        client.statement_cache.clear();
    }
}

async fn listen_once(
    config: &Config,
    listen: &str,
    sender: &mpsc::Sender<String>,
    again: bool,
) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = config.connect(NoTls).await?;
    let messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
    let mut messages = std::pin::pin!(messages);
    let mut listening = std::pin::pin!(client.batch_execute(listen));
    let mut ready = false;
    loop {
        tokio::select! {
            done = &mut listening, if !ready => {
                done?;
                ready = true;
                if again && sender.send(String::new()).await.is_err() {
                    return Ok(());
                }
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    if sender.send(notification.payload().to_owned()).await.is_err() {
                        return Ok(());
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            () = sender.closed() => return Ok(()),
        }
    }
}

/// A [`Value`] on its way into a statement: as strict as Spin's, except that NULL fits every type.
#[derive(Debug)]
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) => number.to_sql_checked(kind, out),
            Value::Real(number) => number.to_sql_checked(kind, out),
            Value::Text(text) => text.to_sql_checked(kind, out),
            Value::Blob(bytes) => bytes.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // The value decides, in `to_sql`.
        true
    }

    to_sql_checked!();
}

fn bind(parameters: &[Value]) -> Vec<Bound<'_>> {
    parameters.iter().map(Bound).collect()
}

fn borrow<'a>(bound: &'a [Bound<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    bound.iter().map(|value| value as _).collect()
}

fn from_row(row: &tokio_postgres::Row, columns: &Arc<[String]>) -> Result<Row> {
    let values = (0..row.len())
        .map(|index| from_column(row, index))
        .collect::<Result<_>>()?;
    Ok(Row::new(columns.clone(), values))
}

fn from_column(row: &tokio_postgres::Row, index: usize) -> Result<Value> {
    let kind = row.columns()[index].type_();
    let value = match *kind {
        Type::INT8 => row
            .try_get::<_, Option<i64>>(index)
            .map(|value| value.map(Value::Integer)),
        Type::INT4 => row
            .try_get::<_, Option<i32>>(index)
            .map(|value| value.map(|number| Value::Integer(number.into()))),
        Type::INT2 => row
            .try_get::<_, Option<i16>>(index)
            .map(|value| value.map(|number| Value::Integer(number.into()))),
        Type::BOOL => row
            .try_get::<_, Option<bool>>(index)
            .map(|value| value.map(Value::from)),
        Type::FLOAT8 => row
            .try_get::<_, Option<f64>>(index)
            .map(|value| value.map(Value::Real)),
        Type::FLOAT4 => row
            .try_get::<_, Option<f32>>(index)
            .map(|value| value.map(|number| Value::Real(number.into()))),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => row
            .try_get::<_, Option<String>>(index)
            .map(|value| value.map(Value::Text)),
        Type::BYTEA => row
            .try_get::<_, Option<Vec<u8>>>(index)
            .map(|value| value.map(Value::Blob)),
        _ => {
            let name = row.columns()[index].name();
            return Err(Error::internal(format!(
                "column {name} is a {kind}; cast it to BIGINT, DOUBLE PRECISION, TEXT or BYTEA"
            )));
        }
    };
    Ok(value.map_err(from_postgres)?.unwrap_or(Value::Null))
}

fn from_pool(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => from_postgres(error),
        other => Error::busy(1, other),
    }
}

/// A lost or refused connection and a lost race are 50301: trying again helps. All else is 50001.
fn from_postgres(error: tokio_postgres::Error) -> Error {
    let Some(answer) = error.as_db_error() else {
        let connection_lost = error.is_closed()
            || std::error::Error::source(&error)
                .is_some_and(|source| source.is::<std::io::Error>());
        // Without its source the error says only "db error" or "error connecting to server".
        let cause = std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        return if connection_lost {
            Error::busy(1, cause)
        } else {
            Error::internal(cause)
        };
    };
    let passing = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    let cause = format!("{}: {}", answer.code().code(), answer.message());
    if passing.contains(answer.code()) {
        Error::busy(1, cause)
    } else {
        Error::internal(cause)
    }
}
