//! A task's life.
//!
//! ```text
//!            claim                 finish
//!  queued ──────────► running ───────────────► succeeded ──(24 h, quick)──► expired
//!    ▲                │ │ │ │
//!    └──retry, stop───┘ │ │ └── cancel ──────► cancelled   (also from queued)
//!    ▲                  │ └──── permanent ───► failed
//!    └── replay ── dead ◄── retries spent
//! ```

use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Queued,
    Running,
    Succeeded,
    /// A permanent error; trying again would not help.
    Failed,
    /// The retries are spent; an operator may replay or drop it.
    Dead,
    Cancelled,
    /// It succeeded, and its file's time is over.
    Expired,
}

impl Status {
    pub const ALL: [Status; 7] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Dead,
        Self::Cancelled,
        Self::Expired,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Errors: 40001 for field `status`.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| {
                Error::invalid(
                    "status",
                    "The status is one of queued, running, succeeded, failed, dead, cancelled, expired.",
                )
            })
    }

    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// What a site wanted of us and this server does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    JavascriptRuntime,
    /// The scripts that solve a site's JavaScript challenges (`yt-dlp-ejs`).
    ChallengeSolver,
    /// Looking like a browser (`curl_cffi`).
    Impersonation,
    /// A cookie jar of somebody whom the site knows.
    Cookies,
    /// A rented proxy, in another country or of another reputation.
    Proxy,
}

impl Lack {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JavascriptRuntime => "javascript_runtime",
            Self::ChallengeSolver => "challenge_solver",
            Self::Impersonation => "impersonation",
            Self::Cookies => "cookies",
            Self::Proxy => "proxy",
        }
    }
}

/// Why an attempt ended without a file. `code` is stable and stands in the task's `error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    /// One sentence for the user; never holds a URL's query, a token or a path of the machine.
    pub message: String,
    /// False: fail at once. True: back off and try again while retries last.
    pub retryable: bool,
    /// True: the site refused *us* (403, 429, "not a bot", another country); from another address it might
    /// answer.
    pub refused: bool,
    /// With these the site might have answered.
    pub lacks: Vec<Lack>,
}

impl Failure {
    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: false,
            refused: false,
            lacks: Vec::new(),
        }
    }

    pub fn retryable(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: true,
            refused: false,
            lacks: Vec::new(),
        }
    }

    /// The same, as the site's refusal of this address.
    pub fn by_refusal(mut self) -> Self {
        self.refused = true;
        self
    }
}

/// The wait before attempt `attempt + 1`, milliseconds: `initial × 2^(attempt − 1)`, at most `max`, of
/// which the upper half is jitter (`jitter` in 0..1), so that tasks that failed together do not return
/// together (VA-3).
pub fn backoff_ms(attempt: i64, initial_ms: i64, max_ms: i64, jitter: f64) -> i64 {
    let doublings = (attempt - 1).clamp(0, 30) as u32;
    let whole = initial_ms.saturating_mul(1 << doublings).min(max_ms);
    whole / 2 + ((whole - whole / 2) as f64 * jitter.clamp(0.0, 1.0)) as i64
}

/// What attempt number `attempt` has left of its task's time, milliseconds: a task has `limit_ms` for all its
/// attempts together (VA-4). `spent_ms` are the ended attempts in their order, also those from before a replay,
/// which begins a new count of both.
pub fn time_left_ms(limit_ms: i64, attempt: i64, spent_ms: &[i64]) -> i64 {
    let earlier = usize::try_from(attempt - 1).unwrap_or(0);
    let spent = spent_ms.iter().rev().take(earlier);
    limit_ms
        .saturating_sub(spent.fold(0, |sum: i64, ms| sum.saturating_add(*ms)))
        .max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_attempts_share_a_tasks_time_and_a_replay_has_it_anew() {
        assert_eq!(time_left_ms(1800, 1, &[]), 1800);
        assert_eq!(time_left_ms(1800, 3, &[500, 600]), 700);
        assert_eq!(time_left_ms(1800, 3, &[500, 1400]), 0);
        let before_replay = [1000, 300, 300, 100];
        assert_eq!(time_left_ms(1800, 1, &before_replay), 1800);
        assert_eq!(time_left_ms(1800, 2, &[1000, 300, 300, 100, 50]), 1750);
        assert_eq!(time_left_ms(1800, i64::MAX, &[i64::MAX, i64::MAX]), 0);
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_half_of_it_is_jitter() {
        let longest: Vec<i64> = (1..=7).map(|n| backoff_ms(n, 1000, 30_000, 1.0)).collect();
        assert_eq!(longest, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff_ms(3, 1000, 30_000, 0.0), 2000);
        assert_eq!(backoff_ms(i64::MAX, 1000, 30_000, 1.0), 30_000);
    }
}
