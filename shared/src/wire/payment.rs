//! Payments (SH-13).

use super::time::rfc3339;
use crate::domain::coins::{Coins, Yuan};
use crate::domain::payment::{Intent, Kind, Outcome};
use crate::error::{Error, Result};
use crate::limits::{PAYMENT_EVENT_ID_BYTES_MAX, PAYMENT_FEN_MAX};
use crate::store::payments::{Event, Payment};
use serde::{Deserialize, Serialize};

/// `POST /api/v1/payments`.
#[derive(Debug, Deserialize, Serialize)]
pub struct PaymentRequest {
    kind: String,
    #[serde(default)]
    amount_yuan: Option<String>,
    #[serde(default)]
    months: Option<i64>,
}

impl PaymentRequest {
    /// With the price of a month of VIP. Errors: 40001 naming the field.
    pub fn intent(&self, month: Yuan) -> Result<Intent> {
        match Kind::parse(&self.kind)? {
            Kind::Recharge => Intent::recharge(self.amount_yuan.as_deref().unwrap_or_default()),
            Kind::Vip => Intent::vip(self.months.unwrap_or(0), month),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct PaymentAnswer {
    pub payment_id: String,
    /// `recharge` or `vip`.
    pub kind: &'static str,
    pub amount_yuan: Yuan,
    /// What a recharge brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coins: Option<Coins>,
    /// Of VIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub months: Option<i64>,
    /// `pending`, `paid`, `failed`.
    pub state: String,
    /// Where it is paid, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_url: Option<String>,
    pub created_at: String,
    pub paid_at: Option<String>,
}

impl PaymentAnswer {
    pub fn new(payment: Payment, pay_url: Option<String>) -> Self {
        let intent = payment.intent;
        let is_vip = intent.kind == Kind::Vip;
        Self {
            payment_id: payment.payment_id,
            kind: intent.kind.as_str(),
            amount_yuan: intent.amount,
            coins: (!is_vip).then_some(intent.coins),
            months: is_vip.then_some(intent.months),
            state: payment.state,
            pay_url,
            created_at: rfc3339(payment.created_at),
            paid_at: payment.paid_at.map(rfc3339),
        }
    }
}

/// `POST /api/v1/payments/notify/{provider}`.
#[derive(Debug, Deserialize, Serialize)]
pub struct EventRequest {
    pub event_id: String,
    pub payment_id: String,
    pub amount_yuan: String,
    pub state: String,
}

impl EventRequest {
    /// Errors: 40001 naming the field.
    pub fn event(&self) -> Result<Event> {
        let is_id = (1..=PAYMENT_EVENT_ID_BYTES_MAX).contains(&self.event_id.len())
            && !self.event_id.chars().any(char::is_control);
        if !is_id {
            return Err(Error::invalid(
                "event_id",
                "An event's id has 1 to 200 bytes.",
            ));
        }
        let payment_id = uuid::Uuid::try_parse(&self.payment_id)
            .map_err(|_| Error::invalid("payment_id", "This is not an id."))?;
        let most = Yuan::from_hundredths(PAYMENT_FEN_MAX);
        Ok(Event {
            event_id: self.event_id.clone(),
            payment_id: payment_id.to_string(),
            amount: Yuan::parse("amount_yuan", &self.amount_yuan, most)?,
            outcome: Outcome::parse(&self.state)?,
        })
    }
}
