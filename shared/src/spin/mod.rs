//! What a component needs of Spin: the handler prelude ([`http`]), the caller ([`caller`]), logins ([`login`]),
//! machine clients ([`client`]), variables,
//! the clock, and the Spin adapters of the store.

pub mod caller;
pub mod client;
pub mod database;
pub mod export;
pub mod gzip;
pub mod http;
pub mod login;
mod postgres;
pub mod quota;
mod sqlite;
pub mod sync;
pub mod task;
pub mod upload;
pub mod worker;

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The id of a resource in a path. Errors: 40001 for field `resource_id`.
pub fn resource_id(text: &str) -> Result<String> {
    uuid::Uuid::try_parse(text)
        .map(|id| id.to_string())
        .map_err(|_| Error::invalid("resource_id", "This is not an id."))
}

/// A variable that is a number. Errors: 50001, which settings that were checked do not give.
pub async fn number<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str) -> Result<T> {
    let value = variable(name).await?;
    value
        .parse()
        .map_err(|cause| Error::internal(format!("variable {name}: {cause}")))
}

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A fresh UUIDv7.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Variables that this instance has asked for. They are the application's, the same for every caller.
static VARIABLES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// A variable that `spin.toml` grants to this component; asked of the host once in an instance's life.
pub async fn variable(name: &str) -> Result<String> {
    let variables = || VARIABLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(value) = variables().get(name) {
        return Ok(value.clone());
    }
    let value = spin_sdk::variables::get(name)
        .await
        .map_err(|cause| Error::internal(format!("variable {name}: {cause}")))?;
    variables().insert(name.to_owned(), value.clone());
    Ok(value)
}
