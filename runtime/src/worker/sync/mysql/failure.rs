//! What the business's database says when it does not do something, and what follows from it.

use super::BusinessError;
use shared::limits::{MYSQL_CHECK_MS, MYSQL_LOOK_MS};
use std::time::{Duration, Instant};

/// How the database is.
#[derive(Default)]
pub(super) struct Health {
    is_well: bool,
    /// Not looked at before.
    not_before: Option<Instant>,
    /// What the log has heard last.
    said: String,
}

impl Health {
    pub fn is_well(&self) -> bool {
        self.is_well
    }

    /// Whether it is time to look whether it can be used.
    pub fn is_due(&self) -> bool {
        self.not_before.is_none_or(|at| at <= Instant::now())
    }

    pub fn passed(&mut self, place: &str) {
        tracing::info!(place, "the business's database is there");
        self.is_well = true;
        self.said.clear();
    }

    pub fn failed(&mut self, error: &BusinessError) {
        let wait = match error {
            BusinessError::Retry(_) => MYSQL_LOOK_MS,
            BusinessError::Unusable(_) => MYSQL_CHECK_MS,
        };
        self.is_well = false;
        self.not_before = Some(Instant::now() + Duration::from_millis(wait));
        let why = error.to_string();
        if why != self.said {
            tracing::warn!(
                why,
                "rows are neither taken from the business's database nor put there"
            );
            self.said = why;
        }
    }
}

/// Data exceptions, constraints, and what a trigger of the business signals. Some have no state of their own:
/// a value that was cut, a text of another character set, a broken CHECK, bad JSON.
pub(super) fn is_about_the_row(error: &mysql_async::ServerError) -> bool {
    const CODES: [u16; 5] = [1265, 1366, 3819, 3140, 4025];
    let is_of = |class: &&str| error.state.starts_with(*class);
    ["22", "23", "45"].iter().any(is_of) || CODES.contains(&error.code)
}

/// Rights, databases, tables and columns that are not there; a server that only reads.
fn is_for_the_operator(code: u16) -> bool {
    const CODES: [u16; 13] = [
        1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1193, 1290, 1364, 1698, 1836,
    ];
    CODES.contains(&code)
}

impl From<mysql_async::Error> for BusinessError {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(error) if is_for_the_operator(error.code) => {
                Self::Unusable(error.message)
            }
            // A part of the URL may stand in its message.
            mysql_async::Error::Url(_) => Self::Unusable("site.mysql_url does not fit".to_owned()),
            error => Self::Retry(error.to_string()),
        }
    }
}
