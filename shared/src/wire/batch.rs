//! Pulling a batch and answering for its rows (DS-3).

use super::record::RowResult;
use super::time::rfc3339;
use crate::domain::batch::Bounds;
use crate::error::{Error, Result};
use crate::limits::SYNC_WAIT_S_MAX;
use crate::store::batches::{Batch, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// `POST /api/v1/sync/pull`; everything may be left out.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct PullRequest {
    /// Rows at the most.
    pub limit: Option<i64>,
    /// Bytes at the most, of rows and not of their envelope.
    pub max_bytes: Option<i64>,
    /// How long to wait for rows when there are none, seconds.
    pub wait_s: Option<i64>,
    /// The caller's own id of this request: sent again, it gets the same batch again at once.
    pub pull_id: Option<String>,
    /// Which of its lives the site is in.
    pub epoch: Option<i64>,
}

impl PullRequest {
    /// What is asked for, within what is allowed. Errors: 40001.
    pub fn bounds(&self, max: Bounds) -> Result<Bounds> {
        let bound = |field: &str, asked: Option<i64>, max: usize| match asked {
            None => Ok(max),
            Some(asked) => usize::try_from(asked)
                .ok()
                .filter(|asked| *asked > 0)
                .map(|asked| asked.min(max))
                .ok_or_else(|| Error::invalid(field, format!("{field} is at least 1."))),
        };
        Ok(Bounds {
            rows: bound("limit", self.limit, max.rows)?,
            bytes: bound("max_bytes", self.max_bytes, max.bytes)?,
        })
    }

    /// Milliseconds. Errors: 40001.
    pub fn wait_ms(&self) -> Result<u64> {
        let wait_s = u64::try_from(self.wait_s.unwrap_or(0)).unwrap_or(u64::MAX);
        match wait_s <= SYNC_WAIT_S_MAX {
            true => Ok(wait_s * 1000),
            false => Err(Error::invalid(
                "wait_s",
                format!("wait_s is between 0 and {SYNC_WAIT_S_MAX}."),
            )),
        }
    }
}

/// A batch as it is handed out; without rows there is none.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PullAnswer {
    pub batch_id: Option<String>,
    pub lease_expires_at: Option<String>,
    /// Whether more rows are due.
    pub more: bool,
    pub rows: Vec<Box<RawValue>>,
}

impl PullAnswer {
    pub fn new(batch: &Batch, rows: Vec<Box<RawValue>>, more: bool) -> Self {
        Self {
            batch_id: Some(batch.batch_id.clone()),
            lease_expires_at: Some(rfc3339(batch.lease_expires_at)),
            more,
            rows,
        }
    }
}

/// `POST /api/v1/sync/ack`.
#[derive(Debug, Deserialize, Serialize)]
pub struct AckRequest {
    pub batch_id: String,
    pub results: Vec<RowResult>,
}

/// How the rows of a batch stand after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckAnswer {
    pub accepted: i64,
    /// To be delivered again.
    pub retry: i64,
    /// Refused for the last time.
    pub dead: i64,
}

/// What results say of a batch's records, and the answer to that. A row without a result goes again. `named` are
/// `(record_id, syn_id, origin)`. Errors: 40001 for a row that is not in the batch and for an unknown status.
pub fn verdicts(
    batch: &Batch,
    named: &[(i64, String, String)],
    results: &[RowResult],
) -> Result<(Vec<(i64, Verdict)>, AckAnswer)> {
    let by_syn_id: HashMap<&str, i64> = named
        .iter()
        .map(|(record_id, syn_id, _)| (syn_id.as_str(), *record_id))
        .collect();
    let mut said: HashMap<i64, Verdict> = HashMap::new();
    for result in results {
        let syn_id = result.syn_id.as_deref().unwrap_or_default();
        let record_id = by_syn_id.get(syn_id).ok_or_else(|| {
            Error::invalid(
                "results",
                format!("The row {syn_id:?} is not in this batch."),
            )
        })?;
        let verdict = match result.status.as_str() {
            "ok" | "dup" => Verdict::Ok,
            "reject" => Verdict::Reject(result.reason()),
            "retry" | "held" => Verdict::Retry,
            other => {
                let message = format!("{other:?} is none of ok, dup, retry, reject, held.");
                return Err(Error::invalid("results", message));
            }
        };
        said.insert(*record_id, verdict);
    }
    let (mut verdicts, mut answer) = (Vec::new(), AckAnswer::default());
    for (record_id, fail_num) in &batch.records {
        let verdict = said.remove(record_id).unwrap_or(Verdict::Retry);
        match &verdict {
            Verdict::Ok => answer.accepted += 1,
            Verdict::Reject(_) if fail_num + 1 >= batch.fail_max => answer.dead += 1,
            Verdict::Reject(_) | Verdict::Retry => answer.retry += 1,
        }
        verdicts.push((*record_id, verdict));
    }
    Ok((verdicts, answer))
}

/// The components' call to the worker: 200 once rows are due, 204 when the time is over.
#[derive(Debug, Serialize, Deserialize)]
pub struct RowsWait {
    pub receiver: String,
    pub wait_ms: u64,
}

impl RowsWait {
    pub const ANSWER_BYTES_MAX: usize = 1024;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_held_within_what_is_allowed() {
        let max = Bounds {
            rows: 500,
            bytes: 1000,
        };
        let ask = |limit, max_bytes| {
            let request = PullRequest {
                limit,
                max_bytes,
                ..PullRequest::default()
            };
            request.bounds(max).map_err(|error| error.data.unwrap())
        };
        assert_eq!(ask(None, None), Ok(max));
        assert_eq!(ask(Some(7), Some(5000)), Ok(Bounds { rows: 7, ..max }));
        assert_eq!(ask(Some(0), None).unwrap_err()["field"], "limit");
        assert_eq!(ask(None, Some(-1)).unwrap_err()["field"], "max_bytes");
        let wait = |wait_s| PullRequest {
            wait_s,
            ..PullRequest::default()
        };
        assert_eq!(wait(Some(25)).wait_ms().unwrap(), 25_000);
        assert_eq!(wait(None).wait_ms().unwrap(), 0);
        assert!(wait(Some(26)).wait_ms().is_err() && wait(Some(-1)).wait_ms().is_err());
    }
}
