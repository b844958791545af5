//! Bandwidth: a token bucket for each user with transfers, shared by all of them, and one over all users. A
//! bucket serves its transfers in turn, a portion each, so that none gets more than another.

use leaky_bucket::RateLimiter;
use shared::limits::{
    BANDWIDTH_BURST_TICKS, BANDWIDTH_PORTION_BYTES_MIN, BANDWIDTH_TICK_MS, DELIVERY_CHUNK_BYTES,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub struct Bandwidth {
    user: Option<Rate>,
    total: Option<Bucket>,
    /// Of the users with transfers, and of those whose last one ended a moment ago.
    users: Mutex<HashMap<String, Tokens>>,
}

/// What one transfer takes its bytes from.
#[derive(Default)]
pub struct Share {
    buckets: Vec<Bucket>,
    /// Taken and not spent yet, bytes.
    left: usize,
}

/// Locked in turn: left to itself, the limiter lets whoever asks next overtake those who wait.
type Tokens = Arc<tokio::sync::Mutex<RateLimiter>>;

#[derive(Clone)]
struct Bucket {
    tokens: Tokens,
    /// What a transfer takes at a time, bytes.
    portion: usize,
}

#[derive(Clone, Copy)]
struct Rate {
    bytes_per_s: u64,
}

impl Bandwidth {
    /// Bytes per second; 0 is unlimited.
    pub fn new(user_bytes_per_s: u64, total_bytes_per_s: u64) -> Self {
        Self {
            user: Rate::new(user_bytes_per_s),
            total: Rate::new(total_bytes_per_s).map(|rate| rate.bucket(rate.tokens())),
            users: Mutex::default(),
        }
    }

    /// For one more transfer of this user.
    pub fn share(&self, user_id: &str) -> Share {
        let mut buckets = Vec::new();
        if let Some(rate) = self.user {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            // A full bucket is as good as a new one. One that is still filling has to stay, or whoever asks for
            // one small part after another would begin each with a full one.
            users.retain(|_, tokens| Arc::strong_count(tokens) > 1 || !is_full(tokens));
            let tokens = users
                .entry(user_id.to_owned())
                .or_insert_with(|| rate.tokens());
            buckets.push(rate.bucket(tokens.clone()));
        }
        buckets.extend(self.total.clone());
        Share { buckets, left: 0 }
    }
}

impl Share {
    /// Waits until something may be sent; gives how much, at most `wanted` bytes.
    pub async fn take(&mut self, wanted: usize) -> usize {
        if self.buckets.is_empty() {
            return wanted;
        }
        if self.left == 0 {
            let portions = self.buckets.iter().map(|bucket| bucket.portion);
            let portion = portions.fold(wanted, usize::min);
            for bucket in &self.buckets {
                bucket.tokens.lock().await.acquire(portion).await;
            }
            self.left = portion;
        }
        wanted.min(self.left)
    }

    /// So much of what was taken has been used, bytes.
    pub fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }
}

impl Rate {
    fn new(bytes_per_s: u64) -> Option<Self> {
        (bytes_per_s > 0).then_some(Self { bytes_per_s })
    }

    /// What accrues in so many milliseconds, bytes.
    fn bytes_in(self, ms: u64) -> usize {
        let bytes = u128::from(self.bytes_per_s) * u128::from(ms) / 1000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn tokens(self) -> Tokens {
        // Whole bytes a tick: a low rate has longer ticks instead of a rounded rate.
        let is_low = self.bytes_in(BANDWIDTH_TICK_MS) < BANDWIDTH_PORTION_BYTES_MIN;
        let tick_ms = if is_low { 1000 } else { BANDWIDTH_TICK_MS };
        let refill = self.bytes_in(tick_ms);
        let burst = refill.saturating_mul(BANDWIDTH_BURST_TICKS);
        let limiter = RateLimiter::builder()
            .interval(Duration::from_millis(tick_ms))
            .refill(refill)
            .max(burst)
            .initial(burst)
            .build();
        Arc::new(tokio::sync::Mutex::new(limiter))
    }

    fn bucket(self, tokens: Tokens) -> Bucket {
        let portion = self.bytes_in(BANDWIDTH_TICK_MS);
        Bucket {
            tokens,
            portion: portion.clamp(BANDWIDTH_PORTION_BYTES_MIN, DELIVERY_CHUNK_BYTES),
        }
    }
}

/// Empties it where it is.
fn is_full(tokens: &Tokens) -> bool {
    let limiter = tokens.try_lock();
    limiter.is_ok_and(|limiter| limiter.try_acquire(limiter.max()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, timeout};

    const RATE: u64 = 1_000_000;
    const SECONDS: u64 = 20;
    const WHOLE: usize = 1 << 30;

    /// What a transfer takes in [`SECONDS`] of the paused clock, bytes.
    async fn taken(mut share: Share) -> u64 {
        let mut taken = 0;
        let taking = async {
            loop {
                let bytes = share.take(WHOLE).await;
                share.spend(bytes);
                taken += bytes as u64;
            }
        };
        let _over: Result<(), _> = timeout(Duration::from_secs(SECONDS), taking).await;
        taken
    }

    /// What a rate gives in [`SECONDS`], and the burst at the beginning, give or take a hundredth.
    #[track_caller]
    fn assert_rate(taken: u64, bytes_per_s: u64) {
        let burst_ms = BANDWIDTH_TICK_MS * BANDWIDTH_BURST_TICKS as u64;
        let expected = bytes_per_s * SECONDS + bytes_per_s * burst_ms / 1000;
        assert!(
            taken.abs_diff(expected) < expected / 100,
            "{taken} of {expected}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_transfers_of_a_user_share_his_rate_evenly() {
        let bandwidth = Bandwidth::new(RATE, 0);
        let of = |user| taken(bandwidth.share(user));
        let (first, second, third, other) =
            tokio::join!(of("ada"), of("ada"), of("ada"), of("bob"));
        assert_rate(first + second + third, RATE);
        assert_rate(other, RATE);
        // Whoever comes first has the burst.
        let least = first.min(second).min(third);
        let most = first.max(second).max(third);
        assert!(most - least < RATE / 2, "{first} {second} {third}");
    }

    #[tokio::test(start_paused = true)]
    async fn all_users_share_the_total_rate() {
        let bandwidth = Bandwidth::new(RATE, RATE + RATE / 2);
        let of = |user| taken(bandwidth.share(user));
        let (first, second) = tokio::join!(of("ada"), of("bob"));
        assert_rate(first + second, RATE + RATE / 2);
        assert!(first.abs_diff(second) < RATE, "{first} {second}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_below_a_chunk_is_kept_and_any_rate_is_possible() {
        for bytes_per_s in [100, 999, 30_000] {
            let bandwidth = Bandwidth::new(bytes_per_s, 0);
            let taken = taken(bandwidth.share("ada")).await;
            let expected = bytes_per_s * SECONDS;
            let burst = bytes_per_s * BANDWIDTH_BURST_TICKS as u64;
            let portion = BANDWIDTH_PORTION_BYTES_MIN as u64;
            assert!(taken <= expected + burst, "{taken} at {bytes_per_s}");
            assert!(
                taken + bytes_per_s + portion >= expected,
                "{taken} at {bytes_per_s}"
            );
        }
        let mut share = Bandwidth::new(u64::MAX, u64::MAX).share("ada");
        assert_eq!(share.take(WHOLE).await, DELIVERY_CHUNK_BYTES);
        assert_eq!(Bandwidth::new(0, 0).share("ada").take(WHOLE).await, WHOLE);
    }

    #[tokio::test(start_paused = true)]
    async fn one_small_transfer_after_another_is_no_faster() {
        let bandwidth = Bandwidth::new(RATE, 0);
        let start = Instant::now();
        let mut taken = 0;
        while start.elapsed() < Duration::from_secs(SECONDS) {
            taken += bandwidth.share("ada").take(WHOLE).await as u64;
        }
        assert_rate(taken, RATE);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_users_without_transfers() {
        let bandwidth = Bandwidth::new(RATE, 0);
        for number in 0..100 {
            bandwidth.share(&format!("user-{number}")).take(WHOLE).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _share = bandwidth.share("ada");
        let users = bandwidth.users.lock().expect("nobody panics in here");
        assert_eq!(users.keys().collect::<Vec<_>>(), ["ada"]);
    }
}
