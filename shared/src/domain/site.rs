//! A site, a shop's server: the code that it registers with, and what its heartbeats give away (DS-13).

pub use super::project::{DEFAULT_GROUP, Name};
use crate::error::{Error, Result};
use crate::limits::{SYNC_EPOCH_MAX, SYNC_WORD_BYTES_MAX};
use std::fmt;

/// Hexadecimal digits of a code, 128 bits.
pub const CODE_DIGITS: usize = 32;
/// Hexadecimal digits of a secret.
const SECRET_DIGITS: usize = 64;

/// What a site registers with, once. It is typed by people: written in groups of four, read with any blanks
/// and hyphens, in any case.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// None for what was never given out.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .take(CODE_DIGITS + 1)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        is_hexadecimal(&digits, CODE_DIGITS).then_some(Self(digits))
    }

    /// Digits alone, of which the hash is kept.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, digit) in self.0.chars().enumerate() {
            let hyphen = if index > 0 && index % 4 == 0 { "-" } else { "" };
            write!(f, "{hyphen}{digit}")?;
        }
        Ok(())
    }
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == digits && text.bytes().all(is_digit)
}

/// The secret that a site proposes when it registers. Errors: 40001 for field `client_secret`.
pub fn proposed_secret(text: &str) -> Result<String> {
    if is_hexadecimal(text, SECRET_DIGITS) {
        return Ok(text.to_owned());
    }
    let message = format!("client_secret is {SECRET_DIGITS} hexadecimal digits in lower case.");
    Err(Error::invalid("client_secret", message))
}

/// A version or an id that a site names. Errors: 40001 naming `field`.
pub fn word(field: &str, text: &str) -> Result<String> {
    let is_word =
        (1..=SYNC_WORD_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_word {
        return Ok(text.to_owned());
    }
    let message =
        format!("{field} is 1 to {SYNC_WORD_BYTES_MAX} bytes without control characters.");
    Err(Error::invalid(field, message))
}

/// How far a site had come when it was last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Rises each time the site starts over: restored, or on another computer.
    pub epoch: i64,
    /// Heartbeats of this epoch, which the site counts durably.
    pub tick: i64,
    /// Of the heartbeat with this tick, so that a repeated one is no surprise.
    pub beat_id: Option<String>,
}

/// One heartbeat, as far as it is about the site's past. A client that counts nothing leaves it all out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    pub epoch: Option<i64>,
    pub tick: Option<i64>,
    pub beat_id: Option<String>,
    /// The site knows that it went back in time, and `epoch` is its next one.
    pub is_restart: bool,
}

/// What a heartbeat means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The site goes on; this is its pulse from now on.
    GoesOn(Pulse),
    /// The site has gone back in time, most likely restored from a backup. Its pulse stays.
    Restored,
    /// The site begins a new epoch with this pulse and needs everything again.
    Restarts(Pulse),
}

impl Beat {
    /// Errors: 40001 naming the field that is out of bounds.
    pub fn check(self) -> Result<Self> {
        let bounded = |field: &str, number: Option<i64>, min: i64, max: i64| match number {
            Some(number) if !(min..=max).contains(&number) => {
                let message = format!("{field} is a whole number from {min} to {max}.");
                Err(Error::invalid(field, message))
            }
            _ => Ok(()),
        };
        bounded("epoch", self.epoch, 1, SYNC_EPOCH_MAX)?;
        bounded("tick", self.tick, 0, i64::MAX)?;
        if self.is_restart && self.epoch.is_none() {
            let message = "A site that was restored names its next epoch.";
            return Err(Error::invalid("epoch", message));
        }
        if let Some(beat_id) = &self.beat_id {
            word("beat_id", beat_id)?;
        }
        Ok(self)
    }

    /// What it says of a site that was last heard of with `kept`.
    pub fn judge(&self, kept: &Pulse) -> Verdict {
        let epoch = self.epoch.unwrap_or(kept.epoch);
        if self.is_restart && epoch > kept.epoch {
            return Verdict::Restarts(Pulse {
                epoch,
                tick: self.tick.unwrap_or(0),
                beat_id: self.beat_id.clone(),
            });
        }
        if epoch != kept.epoch {
            return Verdict::Restored;
        }
        match self.tick {
            None => Verdict::GoesOn(kept.clone()),
            Some(tick) if tick > kept.tick => Verdict::GoesOn(Pulse {
                epoch,
                tick,
                beat_id: self.beat_id.clone(),
            }),
            Some(tick) if tick == kept.tick && self.beat_id == kept.beat_id => {
                Verdict::GoesOn(kept.clone())
            }
            Some(_) => Verdict::Restored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_was_typed() {
        let digits = "0123456789abcdef".repeat(2);
        let code = OneTimeCode::parse(&digits).unwrap();
        assert_eq!(code.digits(), digits);
        let written = code.to_string();
        assert_eq!(written, "0123-4567-89ab-cdef-0123-4567-89ab-cdef");
        for typed in [
            &written,
            &written.to_uppercase(),
            &written.replace('-', " "),
            &format!("  {written}\n"),
        ] {
            assert!(
                OneTimeCode::parse(typed).is_some_and(|it| it == code),
                "{typed}"
            );
        }
        let long = format!("{digits}0");
        for bad in ["", "-", "0123", "g", &digits[1..], &long, "\0", "财务"] {
            assert!(OneTimeCode::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_proposed_secret_has_256_bits() {
        let good = "0f".repeat(32);
        assert_eq!(proposed_secret(&good).unwrap(), good);
        for bad in ["", "0f", &good.to_uppercase(), &format!("{good}0")] {
            let error = proposed_secret(bad).unwrap_err();
            assert_eq!(error.data.unwrap()["field"], "client_secret", "{bad:?}");
        }
    }

    fn pulse(epoch: i64, tick: i64, beat_id: &str) -> Pulse {
        Pulse {
            epoch,
            tick,
            beat_id: Some(beat_id.to_owned()),
        }
    }

    fn beat(epoch: i64, tick: i64, beat_id: &str) -> Beat {
        Beat {
            epoch: Some(epoch),
            tick: Some(tick),
            beat_id: Some(beat_id.to_owned()),
            is_restart: false,
        }
    }

    #[test]
    fn a_site_that_counts_on_goes_on_and_a_repeated_heartbeat_is_no_surprise() {
        let kept = pulse(2, 7, "g");
        let goes_on = |beat: Beat, pulse: Pulse| {
            assert_eq!(beat.judge(&kept), Verdict::GoesOn(pulse), "{beat:?}");
        };
        goes_on(beat(2, 8, "h"), pulse(2, 8, "h"));
        goes_on(beat(2, 100, "h"), pulse(2, 100, "h"));
        goes_on(beat(2, 7, "g"), kept.clone());
    }

    #[test]
    fn a_site_that_counts_what_was_counted_before_has_gone_back_in_time() {
        let kept = pulse(2, 7, "g");
        for back in [
            beat(2, 6, "f"),
            beat(2, 0, "g"),
            beat(2, 7, "other"),
            beat(1, 8, "h"),
            beat(3, 8, "h"),
        ] {
            assert_eq!(back.judge(&kept), Verdict::Restored, "{back:?}");
        }
        let nameless = Beat {
            beat_id: None,
            ..beat(2, 7, "")
        };
        assert_eq!(nameless.judge(&kept), Verdict::Restored);
    }

    #[test]
    fn a_restored_site_begins_the_next_epoch_once() {
        let kept = pulse(2, 7, "g");
        let restart = |epoch, tick| Beat {
            is_restart: true,
            ..beat(epoch, tick, "r")
        };
        let next = pulse(3, 1, "r");
        assert_eq!(
            restart(3, 1).judge(&kept),
            Verdict::Restarts(next.clone()),
            "whatever the tick"
        );
        assert_eq!(restart(3, 1).judge(&next), Verdict::GoesOn(next.clone()));
        assert_eq!(restart(2, 8).judge(&next), Verdict::Restored);
        // The cloud was restored: the site is ahead, and what it says holds.
        let ahead = restart(9, 1).judge(&kept);
        assert_eq!(ahead, Verdict::Restarts(pulse(9, 1, "r")));
    }

    #[test]
    fn a_client_that_counts_nothing_is_never_taken_for_restored() {
        let kept = pulse(2, 7, "g");
        let silent = Beat::default();
        assert_eq!(silent.judge(&kept), Verdict::GoesOn(kept.clone()));
        let only_epoch = Beat {
            epoch: Some(1),
            ..Beat::default()
        };
        assert_eq!(only_epoch.judge(&kept), Verdict::Restored);
    }

    #[test]
    fn what_a_heartbeat_counts_is_bounded() {
        let restart_without_epoch = Beat {
            is_restart: true,
            ..Beat::default()
        };
        for (field, wrong) in [
            ("epoch", beat(0, 1, "a")),
            ("epoch", beat(SYNC_EPOCH_MAX + 1, 1, "a")),
            ("tick", beat(1, -1, "a")),
            ("beat_id", beat(1, 1, "")),
            ("beat_id", beat(1, 1, "a\0")),
            ("epoch", restart_without_epoch),
        ] {
            let error = wrong.clone().check().unwrap_err();
            assert_eq!(error.data.unwrap()["field"], field, "{wrong:?}");
        }
        beat(SYNC_EPOCH_MAX, i64::MAX, "a").check().unwrap();
        Beat::default().check().unwrap();
    }
}
