//! Transfers of finished files (VA-9): a place for each, the bandwidth they share, what was delivered.

mod bandwidth;
mod body;
mod chunks;

pub use body::{Piece, body};

use crate::settings;
use bandwidth::{Bandwidth, Share};
use shared::limits::DELIVERY_RETRY_S;
use shared::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Every transfer of one worker.
pub struct Delivery {
    places: Arc<Semaphore>,
    transfers_max: usize,
    bandwidth: Bandwidth,
    delivered: Arc<AtomicU64>,
    refused: AtomicU64,
}

impl Delivery {
    pub fn new(settings: &settings::Delivery) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.max_transfers)),
            transfers_max: settings.max_transfers,
            bandwidth: Bandwidth::new(settings.user_bytes_per_s, settings.total_bytes_per_s),
            delivered: Arc::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// A place for one body, and its part of the owner's bandwidth. Errors: 50301 when all are taken.
    pub fn begin(&self, owner_id: &str) -> Result<Transfer> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.refused.fetch_add(1, Relaxed);
            return Err(Error::busy(DELIVERY_RETRY_S, "all transfers are taken"));
        };
        Ok(Transfer {
            share: self.bandwidth.share(owner_id),
            delivered: self.delivered.clone(),
            _place: place,
        })
    }

    /// Transfers under way.
    pub fn active(&self) -> usize {
        self.transfers_max - self.places.available_permits()
    }

    /// Bytes of files handed to connections since the start.
    pub fn delivered_bytes(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Transfers refused since the start, because all places were taken.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

/// A body under way; dropped with it, when it has ended or the client has gone.
pub struct Transfer {
    share: Share,
    delivered: Arc<AtomicU64>,
    _place: OwnedSemaphorePermit,
}
