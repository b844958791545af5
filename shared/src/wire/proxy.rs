//! Rented proxies as admins see and decide about them (VA-5, VA-16).

use super::time::rfc3339;
use crate::domain::proxy::{Mode, Policy};
use crate::error::Result;
use crate::store::proxies::{Decision, ProxyEvent};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /admin/api/v1/proxies`.
#[derive(Clone, Debug, Serialize)]
pub struct ProxiesAnswer {
    /// Whether a worker has a provider; `None`: no worker is there to say so.
    pub configured: Option<bool>,
    pub policy: PolicyAnswer,
    pub breakers: Vec<BreakerAnswer>,
    /// How often each outcome came in the last 24 hours.
    pub last_day: BTreeMap<String, i64>,
}

/// The policy in force.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyAnswer {
    pub mode: Mode,
    pub direct_sites: Vec<String>,
    /// `None`: nobody has decided yet, and this is the default.
    pub updated_at: Option<String>,
    /// The admin's address.
    pub updated_by: Option<String>,
}

impl PolicyAnswer {
    pub fn new(decision: Option<Decision>) -> Self {
        let (updated_at, updated_by, policy) = match decision {
            None => (None, None, Policy::default()),
            Some(decision) => (
                Some(rfc3339(decision.updated_at)),
                Some(decision.updated_by),
                decision.policy,
            ),
        };
        Self {
            mode: policy.mode,
            direct_sites: policy.direct_sites,
            updated_at,
            updated_by,
        }
    }
}

/// The breaker that one worker has in front of the provider.
#[derive(Clone, Debug, Serialize)]
pub struct BreakerAnswer {
    pub worker_id: String,
    /// `closed`, `open`, `half_open`.
    pub state: String,
}

/// `PUT /admin/api/v1/proxies/policy`; it replaces the former policy.
#[derive(Debug, Deserialize)]
pub struct PolicyRequest {
    mode: String,
    direct_sites: Vec<String>,
}

impl PolicyRequest {
    /// Errors: 40001 for field `mode` or `direct_sites`.
    pub fn policy(&self) -> Result<Policy> {
        Policy::new(Mode::parse(&self.mode)?, &self.direct_sites)
    }
}

/// One use of a rented proxy, or one that the provider did not give.
#[derive(Clone, Debug, Serialize)]
pub struct ProxyEventItem {
    pub event_id: String,
    pub at: String,
    pub worker_id: String,
    /// `None`: a parse.
    pub task_id: Option<String>,
    pub attempt: Option<i64>,
    pub site: String,
    /// `host:port`; `None`: the provider gave none.
    pub proxy: Option<String>,
    /// `succeeded`, or the failure's code.
    pub outcome: String,
}

impl From<ProxyEvent> for ProxyEventItem {
    fn from(event: ProxyEvent) -> Self {
        Self {
            event_id: event.event_id,
            at: rfc3339(event.at),
            worker_id: event.worker_id,
            task_id: event.task_id,
            attempt: event.attempt,
            site: event.site,
            proxy: event.proxy,
            outcome: event.outcome,
        }
    }
}
