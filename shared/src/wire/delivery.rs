//! Dead rows, what an operator does with them, and how a node of data sync stands.

use super::time::rfc3339;
use crate::error::{Error, Result};
use crate::limits::SYNC_EDIT_BYTES_MAX;
use crate::store::deliveries::{Action, Counts, Dead};
use crate::store::site_state::Last;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A dead row as an operator sees it.
#[derive(Debug, Serialize)]
pub struct DeadItem {
    pub syn_id: String,
    pub data_from_server_id: String,
    pub business_type: String,
    pub entity: String,
    pub fail_num: i64,
    pub reason: Option<String>,
    /// Rows of its entity that wait behind it.
    pub held: i64,
    pub dead_since: String,
    /// The row as it was delivered the last time.
    pub row: Box<RawValue>,
}

impl DeadItem {
    pub fn new(dead: Dead) -> Result<Self> {
        let row = RawValue::from_string(dead.row.to_json()?).map_err(Error::internal)?;
        Ok(Self {
            syn_id: dead.syn_id,
            data_from_server_id: dead.origin,
            business_type: dead.business_type,
            entity: dead.entity,
            fail_num: dead.fail_num,
            reason: dead.reason,
            held: dead.held,
            dead_since: rfc3339(dead.dead_since),
            row,
        })
    }
}

/// What is to be done with a dead row.
#[derive(Debug, Deserialize)]
pub struct DeadRequest {
    action: String,
    data_detail: Option<Box<RawValue>>,
    /// Of several rows with one `syn_id`, the one that came from there.
    pub data_from_server_id: Option<String>,
}

impl DeadRequest {
    pub fn new(
        action: &str,
        data_detail: Option<Box<RawValue>>,
        data_from_server_id: Option<String>,
    ) -> Self {
        Self {
            action: action.to_owned(),
            data_detail,
            data_from_server_id,
        }
    }

    /// Errors: 40001 for `action` and `data_detail`.
    pub fn action(&self) -> Result<Action> {
        match (self.action.as_str(), &self.data_detail) {
            ("retry", None) => Ok(Action::Retry),
            ("skip", None) => Ok(Action::Skip),
            ("edit", Some(data)) if data.get().len() <= SYNC_EDIT_BYTES_MAX => {
                Ok(Action::Edit(data.get().to_owned()))
            }
            ("edit", Some(_)) => Err(Error::invalid(
                "data_detail",
                format!("The data_detail has at most {SYNC_EDIT_BYTES_MAX} bytes."),
            )),
            ("edit", None) => Err(Error::invalid("data_detail", "An edit has a data_detail.")),
            ("retry" | "skip", Some(_)) => Err(Error::invalid(
                "data_detail",
                "Only an edit has a data_detail.",
            )),
            _ => Err(Error::invalid(
                "action",
                "The action is retry, edit or skip.",
            )),
        }
    }
}

/// How a site, or the cloud's own business, stands.
#[derive(Debug, Serialize)]
pub struct StatusAnswer {
    /// `site` | `cloud`.
    pub role: &'static str,
    pub backlog: i64,
    pub dead: i64,
    pub held: i64,
    /// When rows last went up and came down.
    pub last_push: Option<String>,
    pub last_pull: Option<String>,
    /// Whether the cloud answered the last time; of the cloud itself always.
    pub upstream_ok: bool,
    /// Why it did not.
    pub upstream_error: Option<String>,
    /// When the last run ended.
    pub last_run: Option<String>,
}

impl StatusAnswer {
    pub fn new(is_site: bool, counts: Counts, last: Last) -> Self {
        Self {
            role: if is_site { "site" } else { "cloud" },
            backlog: counts.backlog,
            dead: counts.dead,
            held: counts.held,
            last_push: last.push.map(rfc3339),
            last_pull: last.pull.map(rfc3339),
            // Before the first contact nobody knows.
            upstream_ok: !is_site || last.upstream_error.as_deref() == Some(""),
            upstream_error: last.upstream_error.filter(|error| !error.is_empty()),
            last_run: last.run.map(rfc3339),
        }
    }
}

/// The answer to a run that is asked for.
#[derive(Debug, Serialize)]
pub struct NowAnswer {
    pub requested_at: String,
}
