//! All SQL, behind one small facade that four adapters implement: Spin SQLite and Spin PostgreSQL
//! ([`crate::spin`]), `rusqlite` and `tokio-postgres` (the native binary).
//!
//! The rules:
//! - placeholders are `$1`, `$2` … in both dialects ([`sqlite_placeholders`] rewrites them for SQLite);
//! - times are integer milliseconds UTC, flags are 0 and 1, JSON is text;
//! - every state change is one statement, atomic on its own, so that it stays whole when a component
//!   is stopped between two host calls and when a pooled connection is handed on;
//! - one text serves both databases; where it can't, the two stand side by side with the reason.

use crate::error::{Error, Result};
use async_trait::async_trait;
use std::borrow::Cow;
use std::sync::Arc;

pub mod accounts;
pub mod applied;
pub mod audit;
pub mod batches;
pub mod callbacks;
pub mod checks;
pub mod claims;
pub mod cookies;
pub mod cooldowns;
pub mod deliveries;
pub mod directories;
pub mod documents;
pub mod duties;
pub mod entries;
pub mod exports;
pub mod files;
pub mod findings;
pub mod health;
pub mod idempotency;
pub mod links;
pub mod loads;
pub mod logins;
pub mod mails;
pub mod metrics;
pub mod migrations;
pub mod orders;
pub mod overview;
pub mod parses;
pub mod payments;
pub mod projects;
pub mod proxies;
pub mod pushes;
pub mod queue;
pub mod quotas;
pub mod records;
pub mod resources;
pub mod reviews;
pub mod search;
pub mod sessions;
pub mod site_state;
pub mod sites;
pub mod tasks;
pub mod templates;
pub mod tickets;
pub mod tools;
pub mod users;
pub mod workers;

/// Which SQL a database speaks, where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// One row of an answer; columns are read by name.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

/// A database. Implementations give every call a connection that nobody else uses meanwhile.
///
/// In a component futures stay on their one thread; natively they move between threads.
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
pub trait Database: Send + Sync {
    fn dialect(&self) -> Dialect;

    /// Runs one statement and returns its rows (a `SELECT`, or a change with `RETURNING`).
    async fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>>;

    /// Runs one statement and returns how many rows it changed.
    async fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64>;
}

impl Row {
    pub fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The column of this name as `T`; a missing column or another type is our own bug: 50001.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T> {
        let index = self
            .columns
            .iter()
            .position(|name| name == column)
            .ok_or_else(|| Error::internal(format!("no column {column} in the answer")))?;
        T::from_value(&self.values[index])
            .ok_or_else(|| Error::internal(format!("column {column} has an unexpected type")))
    }
}

/// What a column can be read as.
pub trait FromValue: Sized {
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Real(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Real(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Integer(flag.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A query for the texts in the JSON list that is this parameter.
fn json_texts(dialect: Dialect, parameter: u8) -> String {
    match dialect {
        Dialect::Sqlite => format!("SELECT value FROM json_each(${parameter})"),
        // json_array_elements_text is PostgreSQL's json_each.
        Dialect::Postgres => {
            format!("SELECT value FROM json_array_elements_text(${parameter}::TEXT::JSON)")
        }
    }
}

/// The same for integers.
fn json_integers(dialect: Dialect, parameter: u8) -> String {
    let texts = json_texts(dialect, parameter);
    match dialect {
        Dialect::Sqlite => texts,
        // json_each keeps the type; what comes as text must be cast.
        Dialect::Postgres => format!("SELECT CAST(value AS BIGINT) FROM ({texts}) texts"),
    }
}

/// Rewrites `$1` to `?1`: SQLite numbers only the latter (`$1` is a *name* there, counted by first
/// appearance; <https://sqlite.org/lang_expr.html#parameters>). Statements hold no `$digit` in literals.
pub fn sqlite_placeholders(sql: &str) -> Cow<'_, str> {
    if !sql.contains('$') {
        return Cow::Borrowed(sql);
    }
    let mut rewritten = String::with_capacity(sql.len());
    let mut characters = sql.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next) if character == '$' && next.is_ascii_digit() => rewritten.push('?'),
            _ => rewritten.push(character),
        }
    }
    Cow::Owned(rewritten)
}
