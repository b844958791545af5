//! Heartbeats of a site: how it is, and whether it or its cloud has gone back in time (DS-13).

use super::site::Site;
use super::upstream::Failure;
use crate::clock::now_ms;
use serde::Deserialize;
use shared::domain::delivery::UPSTREAM;
use shared::store::{deliveries, records, site_state};
use std::time::Duration;

/// The answer to a heartbeat.
#[derive(Deserialize)]
struct Greeting {
    #[serde(default)]
    epoch: Option<i64>,
    /// The tick that the cloud had kept before this one.
    #[serde(default)]
    last_tick: Option<i64>,
    #[serde(default)]
    restored: bool,
    #[serde(default)]
    config: Config,
}

/// What the cloud says of the site.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    site_id: String,
}

impl Site {
    /// A heartbeat. Each has a number, one more than the last and noted before it is sent; a cloud that has seen
    /// this one or a later one knows a future that this site has lost.
    pub async fn greet(&self) -> Result<(), Failure> {
        let database = self.database();
        let epoch = self.epoch().await?;
        let tick = site_state::count_up(database, site_state::TICK, now_ms()).await?;
        let greeting = self.send_beat(epoch, tick, false).await?;
        if greeting.restored {
            let next = greeting.epoch.unwrap_or(epoch).max(epoch) + 1;
            return self.begin_anew(next, tick).await;
        }
        let answered = site_state::number(database, site_state::TICK_ANSWERED).await?;
        if greeting.last_tick.is_some() && greeting.last_tick < answered {
            let rows = records::send_again(database, UPSTREAM, now_ms()).await?;
            tracing::warn!(
                rows,
                "the cloud has gone back in time: it gets again what is kept here"
            );
        }
        self.note(site_state::TICK_ANSWERED, &tick.to_string())
            .await
    }

    /// This site was restored from a backup (or copied): it says so, gets again whatever it may see, and sends in a
    /// new epoch, so that ids which it uses a second time are not taken for those of its lost future.
    async fn begin_anew(&self, epoch: i64, tick: i64) -> Result<(), Failure> {
        tracing::warn!(
            epoch,
            "this site has gone back in time: it begins a new epoch"
        );
        let greeting = self.send_beat(epoch, tick, true).await?;
        let epoch = greeting.epoch.unwrap_or(epoch);
        self.note(site_state::EPOCH, &epoch.to_string()).await?;
        let database = self.database();
        records::begin_epoch(database, epoch).await?;
        // The other side may be the one that went back; what it has it knows again.
        records::send_again(database, UPSTREAM, now_ms()).await?;
        self.note(site_state::TICK_ANSWERED, &tick.to_string())
            .await
    }

    async fn send_beat(&self, epoch: i64, tick: i64, restored: bool) -> Result<Greeting, Failure> {
        let counts = deliveries::counts(self.database(), UPSTREAM).await?;
        let beat = serde_json::json!({
            "backlog": counts.backlog + counts.held,
            "dead": counts.dead,
            "version": env!("CARGO_PKG_VERSION"),
            "epoch": epoch,
            "tick": tick,
            "beat_id": uuid::Uuid::now_v7().to_string(),
            "restored": restored,
        });
        let body = beat.to_string().into_bytes();
        let path = "/api/v1/sync/heartbeat";
        let wait = Duration::ZERO;
        let greeting: Greeting = self
            .upstream
            .call(self.database(), path, body, wait)
            .await?;
        self.note(site_state::SITE_ID, &greeting.config.site_id)
            .await?;
        Ok(greeting)
    }
}
