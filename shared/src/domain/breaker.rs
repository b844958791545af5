//! A circuit breaker for one remote service (VA-5).
//!
//! ```text
//!            more than half of more than 20 calls failed
//!  closed ───────────────────────────────────────────────► open ◄──────┐
//!    ▲                                                      │ 30 s     │ one fails
//!    └───────────────── 3 probes succeed ◄────────────── half-open ────┘
//! ```

use crate::limits::{BREAKER_CALLS_MIN, BREAKER_OPEN_MS, BREAKER_PROBES, BREAKER_WINDOW_MS};

/// What the breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    /// Nothing passes before this moment, milliseconds.
    Open {
        until: i64,
    },
    /// A few probes pass.
    HalfOpen {
        under_way: u32,
        succeeded: u32,
    },
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        }
    }
}

/// The calls of one window and what follows from them.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    window_started_at: i64,
    calls: u32,
    errors: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            window_started_at: 0,
            calls: 0,
            errors: 0,
        }
    }
}

impl Breaker {
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether a call may be made now; each `true` is answered by one [`Breaker::record`]. `Err`: the wait
    /// until it is worth asking again, milliseconds.
    pub fn admit(&mut self, now: i64) -> Result<(), i64> {
        if let State::Open { until } = self.state {
            if now < until {
                return Err(until - now);
            }
            self.state = State::HalfOpen {
                under_way: 0,
                succeeded: 0,
            };
        }
        if let State::HalfOpen {
            under_way,
            succeeded,
        } = self.state
        {
            if under_way + succeeded >= BREAKER_PROBES {
                return Err(BREAKER_OPEN_MS / 10);
            }
            self.state = State::HalfOpen {
                under_way: under_way + 1,
                succeeded,
            };
        }
        Ok(())
    }

    /// What became of an admitted call.
    pub fn record(&mut self, now: i64, is_success: bool) {
        match self.state {
            State::Closed => self.count(now, is_success),
            // A call from before the breaker opened says nothing new.
            State::Open { .. } => {}
            State::HalfOpen { .. } if !is_success => self.open(now),
            State::HalfOpen {
                under_way,
                succeeded,
            } => {
                let succeeded = succeeded + 1;
                if succeeded >= BREAKER_PROBES {
                    *self = Self::default();
                } else {
                    self.state = State::HalfOpen {
                        under_way: under_way.saturating_sub(1),
                        succeeded,
                    };
                }
            }
        }
    }

    fn count(&mut self, now: i64, is_success: bool) {
        if now - self.window_started_at >= BREAKER_WINDOW_MS {
            (self.window_started_at, self.calls, self.errors) = (now, 0, 0);
        }
        self.calls += 1;
        self.errors += u32::from(!is_success);
        if self.calls > BREAKER_CALLS_MIN && self.errors * 2 > self.calls {
            self.open(now);
        }
    }

    fn open(&mut self, now: i64) {
        *self = Self {
            state: State::Open {
                until: now + BREAKER_OPEN_MS,
            },
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..21 {
            breaker.admit(1000).unwrap();
            breaker.record(1000, false);
        }
        breaker
    }

    #[test]
    fn it_opens_when_more_than_half_of_more_than_twenty_calls_fail() {
        let mut breaker = Breaker::default();
        for n in 0..20 {
            breaker.admit(n).unwrap();
            breaker.record(n, false);
            assert_eq!(breaker.state(), State::Closed, "after {n}");
        }
        breaker.record(20, false);
        assert_eq!(breaker.state(), State::Open { until: 30_020 });
        let mut half = Breaker::default();
        for n in 0..60 {
            half.record(n, n % 2 == 0);
        }
        assert_eq!(half.state(), State::Closed, "half is not more than half");
    }

    #[test]
    fn after_its_time_three_probes_pass_and_close_it() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(30_999), Err(1));
        for _ in 0..3 {
            breaker.admit(31_000).unwrap();
        }
        assert!(breaker.admit(31_000).is_err(), "a fourth probe");
        for _ in 0..2 {
            breaker.record(31_001, true);
        }
        assert!(breaker.admit(31_001).is_err(), "a fourth probe");
        breaker.record(31_002, true);
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn one_probe_that_fails_opens_it_again() {
        let mut breaker = opened();
        breaker.admit(31_000).unwrap();
        breaker.record(31_500, false);
        assert_eq!(breaker.state(), State::Open { until: 61_500 });
    }

    #[test]
    fn old_errors_are_forgotten() {
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            breaker.record(0, false);
        }
        breaker.record(BREAKER_WINDOW_MS, false);
        assert_eq!(breaker.state(), State::Closed);
    }
}
