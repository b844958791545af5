//! Waiting for a condition with a deadline, instead of sleeping.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a test waits for something that takes a few seconds, and a loaded machine ten times as long.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// No test begins so near the end of the day, UTC, in which quotas count.
const BEFORE_MIDNIGHT: Duration = Duration::from_secs(300);

const POLL: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer. Panics with `what` when `patience` is over.
pub async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "it did not happen within {patience:?}: {what}"
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Waits for the next day where this one is nearly over.
pub(crate) async fn away_from_midnight() {
    const DAY_S: u64 = 24 * 3600;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let left = Duration::from_secs(DAY_S - now.as_secs() % DAY_S);
    if left < BEFORE_MIDNIGHT {
        tokio::time::sleep(left + POLL).await;
    }
}
