//! A component that is stopped between two calls of the database, or before it has seen the answer of one.

use async_trait::async_trait;
use proptest::prelude::*;
use shared::store::{Database, Dialect, Row, Value};
use shared::{Error, Result};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where it is stopped.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// At this call, counted from 1.
    pub call: u32,
    /// After its statement has run.
    pub is_late: bool,
}

pub fn trap() -> impl Strategy<Value = Trap> {
    (1u32..4, any::<bool>()).prop_map(|(call, is_late)| Trap { call, is_late })
}

const TRAPPED: &str = "the component was stopped";

/// Whether this is how the trap shows. Nothing of the store goes on after an error.
pub fn trapped(error: &Error) -> bool {
    error.cause.as_deref() == Some(TRAPPED)
}

pub struct Trapping<'a> {
    database: &'a dyn Database,
    trap: Option<Trap>,
    calls: AtomicU32,
}

impl<'a> Trapping<'a> {
    pub fn new(database: &'a dyn Database, trap: Option<Trap>) -> Self {
        Self {
            database,
            trap,
            calls: AtomicU32::new(0),
        }
    }

    /// Whether the trap is at this call; then whether it is a late one.
    fn next(&self) -> Option<bool> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let trap = self.trap.filter(|trap| trap.call == call)?;
        Some(trap.is_late)
    }
}

#[async_trait]
impl Database for Trapping<'_> {
    fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    async fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let trap = self.next();
        if trap != Some(false) {
            let rows = self.database.query(sql, parameters).await?;
            if trap.is_none() {
                return Ok(rows);
            }
        }
        Err(Error::internal(TRAPPED))
    }

    async fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64> {
        let trap = self.next();
        if trap != Some(false) {
            let count = self.database.execute(sql, parameters).await?;
            if trap.is_none() {
                return Ok(count);
            }
        }
        Err(Error::internal(TRAPPED))
    }
}
