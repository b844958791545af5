//! Coins and yuan: integer hundredths inside, a decimal text with two places outside.

use crate::error::{Error, Result};
use crate::limits::PRICE_MAX;
use std::fmt;

/// An amount in hundredths; of an entry of the ledger it may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coins(i64);

/// Yuan, in hundredths too.
pub type Yuan = Coins;

impl Coins {
    pub const fn from_hundredths(hundredths: i64) -> Self {
        Self(hundredths)
    }

    pub const fn hundredths(self) -> i64 {
        self.0
    }

    /// A whole number or a decimal one with one or two places, `0` to `max`: `12`, `12.5`, `12.50`.
    /// Errors: 40001 for `field`.
    pub fn parse(field: &str, text: &str, max: Self) -> Result<Self> {
        let refuse = || {
            let message =
                format!("This is an amount from 0.00 to {max}, with two places at the most.");
            Error::invalid(field, message)
        };
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str, digits: usize| {
            (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole, 12) || !is_number(places, 2) {
            return Err(refuse());
        }
        let number = |text: &str| text.parse::<i64>().map_err(|_| refuse());
        let tenfold = if places.len() == 1 { 10 } else { 1 };
        let amount = Self(number(whole)? * 100 + number(places)? * tenfold);
        if amount > max {
            Err(refuse())
        } else {
            Ok(amount)
        }
    }

    /// The price of a resource, 0.00 to 100.00 (SH-7). Errors: 40001 for `field`.
    pub fn price(field: &str, text: &str) -> Result<Self> {
        Self::parse(field, text, Self(PRICE_MAX))
    }
}

impl fmt::Display for Coins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let amount = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", amount / 100, amount % 100)
    }
}

impl serde::Serialize for Coins {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_two_places() {
        for (text, hundredths) in [
            ("0", 0),
            ("0.5", 50),
            ("12.50", 1250),
            ("100.00", 10_000),
            ("007", 700),
        ] {
            assert_eq!(
                Coins::price("price", text).unwrap().hundredths(),
                hundredths,
                "{text}"
            );
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "1.234",
            "-1",
            "+1",
            "1e2",
            "100.01",
            "1,5",
            " 1",
            "١",
            "99999999999999999999",
        ] {
            assert!(Coins::price("price", bad).is_err(), "{bad:?}");
        }
        assert_eq!(Coins::from_hundredths(-5).to_string(), "-0.05");
        assert_eq!(Coins::from_hundredths(1250).to_string(), "12.50");
    }
}
