//! The section `market`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Market {
    /// How long a purchase may be refunded, and its earnings are frozen, seconds.
    pub refund_window_s: u32,
    /// After so long without a check a link may be checked again, seconds (SH-9).
    pub recheck_after_s: u32,
}

impl Default for Market {
    fn default() -> Self {
        Self {
            refund_window_s: 24 * 3600,
            recheck_after_s: 3600,
        }
    }
}
