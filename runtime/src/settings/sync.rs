//! The sections `sync` (both sides) and `site` (a shop's server).

use serde::{Deserialize, Serialize};
use shared::domain::business_type::Types;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// Who may see the rows of a business type, and how urgent they are.
    pub types: Types,
    /// How long a batch is leased to who pulled it, seconds.
    pub lease_s: u64,
    /// Rows of one batch.
    pub max_rows: usize,
    /// One batch, bytes, inflated.
    pub max_bytes: usize,
    /// Refusals after which a row is dead.
    pub fail_max: i64,
    /// Where the cloud's own business takes rows; empty: nowhere.
    pub apply_url: String,
    /// Signs what is sent there, as callbacks are signed; empty: nothing does.
    pub apply_secret: String,
    /// How long rows are kept once everybody has them, days; of each entity the last one always.
    pub keep_days: u32,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            types: Types::default(),
            lease_s: 60,
            max_rows: 500,
            max_bytes: 4 << 20,
            fail_max: 3,
            apply_url: String::new(),
            apply_secret: String::new(),
            keep_days: 30,
        }
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// The cloud's URL; set, this is a shop's server.
    pub upstream: String,
    /// The one-time code to register with.
    pub code: String,
    /// What the site calls itself when it registers; empty: what the code's maker called it.
    pub name: String,
    /// Credentials instead of a code.
    pub client_id: String,
    pub client_secret: String,
    /// A run so often, seconds. Without it and without `times`, rows travel as they come.
    pub interval_s: Option<u64>,
    /// A run at these times of the day, `HH:MM`, in the machine's time zone.
    #[serde(deserialize_with = "super::list")]
    pub times: Vec<String>,
    /// Whether rows travel as they come beside the schedule.
    pub live: Option<bool>,
    /// Where the shop's business takes rows.
    pub apply_url: String,
    /// Signs what is sent there, as callbacks are signed; empty: nothing does.
    pub apply_secret: String,
    /// The shop's own MySQL 8 or MariaDB with the outbox and inbox tables.
    pub mysql_url: String,
    /// Whose tokens may write to the outbox and free dead rows, by e-mail address; empty: every account's here.
    #[serde(deserialize_with = "super::list")]
    pub operators: Vec<String>,
}

/// A secret stands in it.
impl std::fmt::Debug for Sync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sync(…)")
    }
}

impl Site {
    /// Whether this is a shop's server.
    pub fn is_one(&self) -> bool {
        !self.upstream.is_empty()
    }

    /// Whether rows travel as they come.
    pub fn is_live(&self) -> bool {
        self.live
            .unwrap_or(self.interval_s.is_none() && self.times.is_empty())
    }
}

/// Code, secret and MySQL's password stand in it.
impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Site(…)")
    }
}
