//! Downloads a day (VA-11).

use serde::Serialize;

/// `GET /api/v1/user/quota`.
#[derive(Clone, Debug, Serialize)]
pub struct QuotaAnswer {
    /// Downloads a day.
    pub daily_limit: i64,
    /// Those that succeeded or still may, today.
    pub daily_used: i64,
    /// The next midnight UTC.
    pub reset_at: String,
}
