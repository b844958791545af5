//! What reviewers see and decide (SH-8, SH-10). Neither link nor code is part of it.

use super::resource::{Person, ResourceAnswer};
use super::time::rfc3339;
use crate::domain::resource::reason;
use crate::error::{Error, Result};
use crate::store::reviews::{Review, State};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize)]
pub struct ReviewItem {
    pub review_id: String,
    /// `resource` or `report`.
    pub kind: &'static str,
    /// `pending`, `approved`, `rejected`.
    pub state: &'static str,
    /// `None` once the resource is gone.
    pub resource: Option<ResourceAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporter: Option<Person>,
    /// The reporter's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_reason: Option<String>,
    /// The reviewer's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
    pub created_at: String,
}

impl ReviewItem {
    pub fn new(review: Review, resource: Option<ResourceAnswer>) -> Self {
        let person = |user_id| Person {
            user_id,
            nickname: review.reporter_nickname.unwrap_or_default(),
        };
        Self {
            review_id: review.review_id,
            kind: review.kind.as_str(),
            state: review.state.as_str(),
            resource,
            reporter: review.reporter_id.map(person),
            reason: review.reason,
            decision_reason: review.decision_reason,
            decided_by: review.decided_by,
            decided_at: review.decided_at.map(rfc3339),
            created_at: rfc3339(review.created_at),
        }
    }
}

/// `POST /admin/api/v1/reviews/{review_id}`.
#[derive(Debug, Deserialize)]
pub struct DecisionRequest {
    decision: String,
    #[serde(default)]
    reason: Option<String>,
}

impl DecisionRequest {
    /// The state that follows, and the reason. Errors: 40001 for fields `decision` and `reason`.
    pub fn decision(&self) -> Result<(State, Option<String>)> {
        let state = match self.decision.as_str() {
            "approve" => State::Approved,
            "reject" => State::Rejected,
            _ => {
                return Err(Error::invalid(
                    "decision",
                    "The decision is approve or reject.",
                ));
            }
        };
        let given = self.reason.as_deref().map(reason).transpose()?;
        Ok((state, given.filter(|text| !text.is_empty())))
    }
}
