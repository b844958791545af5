//! `spin:postgres`: pooled connections per address, to the hosts that `allowed_outbound_hosts` grants.
//!
//! A connection that a component may have left in a transaction, in the middle of a query or with
//! changed settings is closed, not handed on.
#![expect(clippy::result_large_err, reason = "the interface's own error")]

use super::Grants;
use super::bindings::spin::postgres::postgres::{
    Column, DbError, DbValue, Error, Host, HostConnection, HostConnectionBuilder,
    HostConnectionBuilderWithStore, HostConnectionWithStore, ParameterValue, QueryError, Row,
    RowSet,
};
use super::postgres_value::{Parameter, column_of, payload_bytes, value_of};
use crate::database::{postgres as native, script};
use crate::fault;
use crate::host::instance::InstanceState;
use deadpool_postgres::{Object, Pool};
use futures_util::TryStreamExt;
use shared::limits::{GUEST_RESULT_BYTES_MAX, POSTGRES_ADDRESSES_MAX, POSTGRES_POOL_SIZE};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_postgres::config::Host as Address;
use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

type Rows = (
    Vec<Column>,
    StreamReader<Row>,
    FutureReader<Result<(), Error>>,
);

/// Statements that leave nothing behind on their connection.
const CLEAN: [&str; 7] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "NOTIFY",
];
/// Functions that do, in the middle of a clean statement.
const SESSION_FUNCTIONS: [&str; 2] = ["set_config", "pg_advisory_lock"];

/// The pools of all addresses that components have opened.
#[derive(Default)]
pub struct Pools(Mutex<HashMap<String, Pool>>);

impl Pools {
    fn of(&self, address: &str) -> Result<Pool, Error> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(address) {
            return Ok(pool.clone());
        }
        if pools.len() >= POSTGRES_ADDRESSES_MAX {
            return Err(Error::ConnectionFailed("too many addresses".into()));
        }
        let config = address.parse().map_err(connection_failed)?;
        let pool = native::open_pool(config, POSTGRES_POOL_SIZE).map_err(connection_failed)?;
        pools.insert(address.to_owned(), pool.clone());
        Ok(pool)
    }

    /// The connections of all of them.
    pub fn connections(&self) -> crate::database::Pool {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = pools.values().map(native::connections);
        each.fold(crate::database::Pool::default(), std::ops::Add::add)
    }
}

/// An address waiting to be opened.
pub struct ConnectionBuilder(String);

/// A component's connection.
#[derive(Clone)]
pub struct GuestConnection(Arc<Connection>);

struct Connection {
    /// `None` only while dropping.
    client: Option<Object>,
    /// Whether something ran that could leave a trace.
    traces: AtomicBool,
    /// Queries that have begun and not ended.
    running: AtomicUsize,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let unfinished = self.running.load(Ordering::Relaxed) > 0;
        if let Some(client) = self.client.take()
            && (unfinished || self.traces.load(Ordering::Relaxed))
        {
            drop(Object::take(client));
        }
    }
}

impl GuestConnection {
    async fn open(grants: Arc<Grants>, address: String) -> Result<Self, Error> {
        check_address(&grants, &address)?;
        let pool = grants.postgres.of(&address)?;
        let client = pool.get().await.map_err(connection_failed)?;
        native::trim_statement_cache(&client);
        Ok(Self(Arc::new(Connection {
            client: Some(client),
            traces: AtomicBool::new(false),
            running: AtomicUsize::new(0),
        })))
    }

    fn begin(&self, sql: &str) -> Result<&Object, Error> {
        if !script::begins_with(sql, &CLEAN)
            || SESSION_FUNCTIONS.iter().any(|name| sql.contains(name))
        {
            self.0.traces.store(true, Ordering::Relaxed);
        }
        self.0.running.fetch_add(1, Ordering::Relaxed);
        let gone = || Error::ConnectionFailed("no connection found".into());
        self.0.client.as_ref().ok_or_else(gone)
    }

    fn end(&self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }

    async fn execute(&self, sql: &str, parameters: Vec<ParameterValue>) -> Result<u64, Error> {
        let client = self.begin(sql)?;
        let parameters = parameters.into_iter().map(Parameter).collect::<Vec<_>>();
        let run = async {
            let statement = client.prepare_cached(sql).await?;
            client.execute_raw(&statement, &parameters).await
        };
        let count = run.await;
        self.end();
        count.map_err(query_failed)
    }

    /// What is wrong with the statement or its parameters fails at once, what goes wrong while it
    /// runs comes with the second result, as on Spin.
    async fn query(
        &self,
        sql: &str,
        parameters: Vec<ParameterValue>,
    ) -> Result<(Vec<Column>, Result<Vec<Row>, Error>), Error> {
        let client = self.begin(sql)?;
        let parameters = parameters.into_iter().map(Parameter).collect::<Vec<_>>();
        let run = async {
            let statement = client.prepare_cached(sql).await?;
            let stream = client.query_raw(&statement, &parameters).await?;
            Ok((statement, stream))
        };
        let started = run.await;
        let answer = match started {
            Ok((statement, stream)) => {
                let columns = statement.columns().iter().map(column_of).collect();
                Ok((columns, collect(stream).await))
            }
            Err(error) => Err(query_failed(error)),
        };
        self.end();
        answer
    }
}

async fn collect(stream: tokio_postgres::RowStream) -> Result<Vec<Row>, Error> {
    let mut stream = std::pin::pin!(stream);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = stream.try_next().await.map_err(query_failed)? {
        let mut values = Vec::with_capacity(row.len());
        for index in 0..row.len() {
            let value = value_of(&row, index)
                .map_err(|error| Error::ValueConversionFailed(error.to_string()))?;
            bytes += size_of::<DbValue>() + payload_bytes(&value);
            values.push(value);
        }
        if bytes > GUEST_RESULT_BYTES_MAX {
            let text = format!("query result exceeds limit of {GUEST_RESULT_BYTES_MAX} bytes");
            return Err(Error::QueryFailed(QueryError::Text(text)));
        }
        rows.push(values);
    }
    Ok(rows)
}

fn check_address(grants: &Grants, address: &str) -> Result<(), Error> {
    let config: tokio_postgres::Config = address.parse().map_err(connection_failed)?;
    let ports = config.get_ports();
    for (index, host) in config.get_hosts().iter().enumerate() {
        let Address::Tcp(host) = host else {
            return Err(Error::ConnectionFailed(
                "Unix sockets are not supported on WebAssembly".into(),
            ));
        };
        let port = ports.get(index).or(ports.first()).copied();
        if !grants.allowed_hosts.allows("postgres", host, port) {
            tracing::warn!(component = %grants.component, host, port,
                "a PostgreSQL connection is denied; see allowed_outbound_hosts");
            return Err(Error::ConnectionFailed(format!(
                "address postgres://{host}:{} is not permitted",
                port.unwrap_or(5432)
            )));
        }
    }
    Ok(())
}

fn connection_failed(error: impl std::fmt::Display) -> Error {
    Error::ConnectionFailed(format!("{error:#}"))
}

fn query_failed(error: tokio_postgres::Error) -> Error {
    let as_text = format!("{error:?}");
    let Some(answer) = error.as_db_error() else {
        return Error::QueryFailed(QueryError::Text(as_text));
    };
    let extras = [
        ("column", answer.column()),
        ("constraint", answer.constraint()),
        ("hint", answer.hint()),
        ("table", answer.table()),
        ("schema", answer.schema()),
    ];
    Error::QueryFailed(QueryError::DbError(DbError {
        severity: answer.severity().to_owned(),
        code: answer.code().code().to_owned(),
        message: answer.message().to_owned(),
        detail: answer.detail().map(str::to_owned),
        extras: extras
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect(),
        as_text,
    }))
}

impl InstanceState {
    fn postgres(&self, connection: &Resource<GuestConnection>) -> Result<GuestConnection, Error> {
        let found = self.table.get(connection).cloned();
        found.map_err(|_| Error::ConnectionFailed("no connection found".into()))
    }

    fn push_postgres(
        &mut self,
        connection: GuestConnection,
    ) -> Result<Resource<GuestConnection>, Error> {
        let pushed = self.table.push(connection);
        pushed.map_err(|_| Error::ConnectionFailed("too many connections".into()))
    }

    fn address_of(&self, builder: &Resource<ConnectionBuilder>) -> Result<String, Error> {
        let found = self.table.get(builder);
        let found = found.map_err(|_| Error::ConnectionFailed("no builder found".into()))?;
        Ok(found.0.clone())
    }
}

impl Host for InstanceState {}

impl HostConnectionBuilder for InstanceState {
    async fn new(&mut self, address: String) -> Resource<ConnectionBuilder> {
        // A full table would trap the component at its next call.
        self.table
            .push(ConnectionBuilder(address))
            .unwrap_or_else(|_| Resource::new_own(u32::MAX))
    }

    async fn set_ca_root(
        &mut self,
        _: Resource<ConnectionBuilder>,
        _: String,
    ) -> Result<(), Error> {
        Err(Error::Other(
            "this runner speaks to PostgreSQL without TLS".into(),
        ))
    }

    async fn build(
        &mut self,
        builder: Resource<ConnectionBuilder>,
    ) -> Result<Resource<GuestConnection>, Error> {
        let address = self.address_of(&builder)?;
        HostConnection::open(self, address).await
    }

    async fn drop(&mut self, builder: Resource<ConnectionBuilder>) -> wasmtime::Result<()> {
        self.table.delete(builder)?;
        Ok(())
    }
}

impl<T: 'static> HostConnectionBuilderWithStore<T> for HasSelf<InstanceState> {
    async fn build_async(
        accessor: &Accessor<T, Self>,
        builder: Resource<ConnectionBuilder>,
    ) -> Result<Resource<GuestConnection>, Error> {
        let address = accessor.with(|mut store| store.get().address_of(&builder))?;
        <Self as HostConnectionWithStore<T>>::open_async(accessor, address).await
    }
}

impl HostConnection for InstanceState {
    async fn open(&mut self, address: String) -> Result<Resource<GuestConnection>, Error> {
        let connection = GuestConnection::open(self.grants.clone(), address).await?;
        self.push_postgres(connection)
    }

    async fn query(
        &mut self,
        connection: Resource<GuestConnection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<RowSet, Error> {
        let connection = self.postgres(&connection)?;
        let (columns, rows) = connection.query(&statement, parameters).await?;
        Ok(RowSet {
            columns,
            rows: rows?,
        })
    }

    async fn execute(
        &mut self,
        connection: Resource<GuestConnection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<u64, Error> {
        let connection = self.postgres(&connection)?;
        connection.execute(&statement, parameters).await
    }

    async fn drop(&mut self, connection: Resource<GuestConnection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl<T: 'static> HostConnectionWithStore<T> for HasSelf<InstanceState> {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        address: String,
    ) -> Result<Resource<GuestConnection>, Error> {
        let grants = accessor.with(|mut store| store.get().grants.clone());
        let connection = GuestConnection::open(grants, address).await?;
        accessor.with(|mut store| store.get().push_postgres(connection))
    }

    async fn query_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<GuestConnection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<Rows, Error>> {
        let run = async {
            let connection = accessor.with(|mut store| store.get().postgres(&connection))?;
            let (columns, rows) = connection.query(&statement, parameters).await?;
            let (rows, result) = match rows {
                Ok(rows) => (rows, Ok(())),
                Err(error) => (Vec::new(), Err(error)),
            };
            let (stream, result) = accessor
                .with(|mut store| {
                    let stream = StreamReader::new(&mut store, rows)?;
                    let result =
                        FutureReader::new(&mut store, async move { wasmtime::error::Ok(result) })?;
                    wasmtime::error::Ok((stream, result))
                })
                .map_err(|error| Error::Other(error.to_string()))?;
            Ok((columns, stream, result))
        };
        fault::statement(run).await
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<GuestConnection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let run = async {
            let connection = accessor.with(|mut store| store.get().postgres(&connection))?;
            connection.execute(&statement, parameters).await
        };
        fault::statement(run).await
    }
}
