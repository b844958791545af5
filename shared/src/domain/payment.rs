//! What is paid for (SH-13): coins, 10 for a yuan, and months of VIP.

use super::coins::{Coins, Yuan};
use crate::error::{Error, Result};
use crate::limits::{COINS_PER_YUAN, PAYMENT_FEN_MAX, VIP_MONTHS_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Recharge,
    Vip,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recharge => "recharge",
            Self::Vip => "vip",
        }
    }

    /// Errors: 40001 for field `kind`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "recharge" => Ok(Self::Recharge),
            "vip" => Ok(Self::Vip),
            _ => Err(Error::invalid("kind", "The kind is recharge or vip.")),
        }
    }
}

/// What somebody means to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    pub kind: Kind,
    pub amount: Yuan,
    /// What the amount is worth.
    pub coins: Coins,
    /// Of VIP; a recharge: 0.
    pub months: i64,
}

impl Intent {
    /// Errors: 40001 for field `amount_yuan`, which is more than nothing.
    pub fn recharge(amount_yuan: &str) -> Result<Self> {
        let amount = Yuan::parse(
            "amount_yuan",
            amount_yuan,
            Yuan::from_hundredths(PAYMENT_FEN_MAX),
        )?;
        if amount.hundredths() == 0 {
            return Err(Error::invalid("amount_yuan", "The amount is nothing."));
        }
        Ok(Self::new(Kind::Recharge, amount, 0))
    }

    /// Errors: 40001 for field `months`.
    pub fn vip(months: i64, month: Yuan) -> Result<Self> {
        if !(1..=VIP_MONTHS_MAX).contains(&months) {
            let message = format!("VIP is bought for 1 to {VIP_MONTHS_MAX} months.");
            return Err(Error::invalid("months", message));
        }
        let amount = Yuan::from_hundredths(month.hundredths() * months);
        Ok(Self::new(Kind::Vip, amount, months))
    }

    fn new(kind: Kind, amount: Yuan, months: i64) -> Self {
        let coins = Coins::from_hundredths(amount.hundredths() * COINS_PER_YUAN);
        Self {
            kind,
            amount,
            coins,
            months,
        }
    }
}

/// What a provider says of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Paid,
    Failed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Failed => "failed",
        }
    }

    /// Errors: 40001 for field `state`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "paid" => Ok(Self::Paid),
            "failed" => Ok(Self::Failed),
            _ => Err(Error::invalid("state", "The state is paid or failed.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yuan_is_ten_coins() {
        let recharge = Intent::recharge("12.5").unwrap();
        assert_eq!(
            (recharge.amount.to_string(), recharge.coins.to_string()),
            ("12.50".into(), "125.00".into())
        );
        for bad in ["0", "0.00", "100000.01", "-5", "1.001", "x"] {
            assert!(Intent::recharge(bad).is_err(), "{bad}");
        }
        let month = Yuan::from_hundredths(1_500);
        let vip = Intent::vip(3, month).unwrap();
        assert_eq!((vip.amount.to_string(), vip.months), ("45.00".into(), 3));
        assert!(Intent::vip(0, month).is_err() && Intent::vip(37, month).is_err());
    }
}
