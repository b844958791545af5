//! What a worker counts of data sync.

use super::page::Page;
use crate::worker::sync::row::Said;
use prometheus_client::metrics::counter::Counter;

/// Counted as it happens.
#[derive(Default)]
pub struct SyncCounts {
    /// Rows that the cloud took from this site.
    pub sent: Counter,
    /// Rows that the business here took, refused, or could not take at the time.
    taken: Counter,
    refused: Counter,
    postponed: Counter,
    /// Runs of this site.
    pub runs: Counter,
    pub runs_failed: Counter,
}

impl SyncCounts {
    /// Counts what the business said of each row.
    pub fn applied(&self, said: &[Said]) {
        for said in said {
            let counter = match said {
                Said::Ok => &self.taken,
                Said::Reject(_) => &self.refused,
                Said::Retry => &self.postponed,
            };
            counter.inc();
        }
    }
}

/// A line per metric.
pub(super) fn write(page: &mut Page, counts: &SyncCounts) {
    page.counters(
        "sync_rows",
        "Rows of data sync: sent to the cloud; taken, refused, postponed by the business here",
        "outcome",
        [
            ("sent", counts.sent.get()),
            ("taken", counts.taken.get()),
            ("refused", counts.refused.get()),
            ("postponed", counts.postponed.get()),
        ],
    );
    page.counters(
        "sync_runs",
        "Runs of this site's data sync",
        "outcome",
        [
            ("succeeded", counts.runs.get()),
            ("failed", counts.runs_failed.get()),
        ],
    );
}
