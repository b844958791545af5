//! Waiting for a condition with a deadline, instead of sleeping.

use std::time::{Duration, Instant};

/// How long a test waits for something that takes a loaded machine a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

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
