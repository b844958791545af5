//! What a purchase costs and earns (SH-2, SH-3), and the entries of each movement (SH-6). The columns `buy_factor` and
//! `sale_factor` of `accounts`, the statement that buys and the triggers of `orders` and `payments` say the same in SQL;
//! the audit holds one against the other.

use super::coins::Coins;

/// A factor in hundredths: 125 is 1.25.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor(i64);

impl Factor {
    pub const fn from_hundredths(hundredths: i64) -> Self {
        Self(hundredths)
    }

    pub const fn hundredths(self) -> i64 {
        self.0
    }

    /// `clamp(10 × returns / count, 1.00, 2.00)`; 1.00 for who has bought nothing.
    pub fn of_buyer(count: i64, returns: i64) -> Self {
        if count == 0 {
            return Self(100);
        }
        Self(half_up(1000 * returns, count).clamp(100, 200))
    }

    /// `max(0.50, 1 − returns / count)`; 1.00 for who has sold nothing.
    pub fn of_seller(count: i64, returns: i64) -> Self {
        if count == 0 {
            return Self(100);
        }
        Self(half_up(100 * (count - returns), count).max(50))
    }

    /// The price times this, rounded half up to hundredths.
    pub fn times(self, price: Coins) -> Coins {
        Coins::from_hundredths(half_up(price.hundredths() * self.0, 100))
    }
}

impl serde::Serialize for Factor {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        Coins::from_hundredths(self.0).serialize(serializer)
    }
}

/// `dividend / divisor` for what is not negative, a half goes up.
fn half_up(dividend: i64, divisor: i64) -> i64 {
    (2 * dividend + divisor) / (2 * divisor)
}

/// Who holds what the buyers paid and the sellers did not get.
pub const PLATFORM: &str = "platform";
/// Where coins come from.
pub const RECHARGE: &str = "recharge";

/// A part of what somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Available,
    /// Earned, and may still be refunded.
    Frozen,
    /// Of [`PLATFORM`] and [`RECHARGE`], which have but one.
    Own,
}

impl Part {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Frozen => "frozen",
            Self::Own => "own",
        }
    }
}

/// One entry of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leg<'a> {
    pub holder: &'a str,
    pub part: Part,
    /// Hundredths; never 0.
    pub amount: i64,
}

/// What an order moves.
#[derive(Clone, Copy, Debug)]
pub struct Sale<'a> {
    pub buyer: &'a str,
    pub seller: &'a str,
    pub buy_cost: Coins,
    pub sale_earn: Coins,
}

impl<'a> Sale<'a> {
    /// The buyer pays, the seller earns what stays frozen for a while; the rest is the platform's, whether it is more
    /// than nothing or less.
    pub fn buy(&self) -> Vec<Leg<'a>> {
        let (cost, earn) = (self.buy_cost.hundredths(), self.sale_earn.hundredths());
        legs([
            (self.buyer, Part::Available, -cost),
            (self.seller, Part::Frozen, earn),
            (PLATFORM, Part::Own, cost - earn),
        ])
    }

    /// The mirror of [`Sale::buy`] (SH-4).
    pub fn refund(&self) -> Vec<Leg<'a>> {
        let mut legs = self.buy();
        for leg in &mut legs {
            leg.amount = -leg.amount;
        }
        legs
    }

    /// What was frozen becomes the seller's own.
    pub fn release(&self) -> Vec<Leg<'a>> {
        let earn = self.sale_earn.hundredths();
        legs([
            (self.seller, Part::Frozen, -earn),
            (self.seller, Part::Available, earn),
        ])
    }
}

/// Coins for money (SH-13).
pub fn recharge(user: &str, coins: Coins) -> Vec<Leg<'_>> {
    let coins = coins.hundredths();
    legs([
        (RECHARGE, Part::Own, -coins),
        (user, Part::Available, coins),
    ])
}

/// Months of VIP for money: it is the platform's.
pub fn vip(coins: Coins) -> Vec<Leg<'static>> {
    let coins = coins.hundredths();
    legs([(RECHARGE, Part::Own, -coins), (PLATFORM, Part::Own, coins)])
}

fn legs<'a, const N: usize>(all: [(&'a str, Part, i64); N]) -> Vec<Leg<'a>> {
    all.into_iter()
        .filter(|(_, _, amount)| *amount != 0)
        .map(|(holder, part, amount)| Leg {
            holder,
            part,
            amount,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_make_buying_dearer_and_selling_worth_less() {
        // (count, returns, buyer's, seller's)
        let table = [
            (0, 0, 100, 100),
            (32, 4, 125, 88),
            (20, 3, 150, 85),
            (1, 1, 200, 50),
            (10, 1, 100, 90),
            (9, 1, 111, 89),
            (8, 1, 125, 88),
            (100, 12, 120, 88),
            (3, 1, 200, 67),
            (1000, 1, 100, 100),
            (200, 1, 100, 100),
            (40, 39, 200, 50),
        ];
        for (count, returns, buyer, seller) in table {
            assert_eq!(
                Factor::of_buyer(count, returns).hundredths(),
                buyer,
                "{count}/{returns}"
            );
            assert_eq!(
                Factor::of_seller(count, returns).hundredths(),
                seller,
                "{count}/{returns}"
            );
        }
    }

    #[test]
    fn half_a_hundredth_goes_up() {
        let price = |hundredths| Coins::from_hundredths(hundredths);
        assert_eq!(Factor(125).times(price(1001)).hundredths(), 1251);
        assert_eq!(Factor(125).times(price(2)).hundredths(), 3);
        assert_eq!(Factor(85).times(price(1)).hundredths(), 1);
        assert_eq!(Factor(50).times(price(1)).hundredths(), 1);
        assert_eq!(Factor(200).times(price(10_000)).hundredths(), 20_000);
    }

    #[test]
    fn the_entries_of_a_movement_sum_to_nothing() {
        let sale = |cost, earn| Sale {
            buyer: "buyer",
            seller: "seller",
            buy_cost: Coins::from_hundredths(cost),
            sale_earn: Coins::from_hundredths(earn),
        };
        for sale in [
            sale(125, 85),
            sale(100, 100),
            sale(0, 90),
            sale(0, 0),
            sale(50, 100),
        ] {
            for legs in [sale.buy(), sale.refund(), sale.release()] {
                assert_eq!(legs.iter().map(|leg| leg.amount).sum::<i64>(), 0);
                assert!(legs.iter().all(|leg| leg.amount != 0));
            }
        }
        assert_eq!(sale(0, 0).buy(), []);
        assert_eq!(sale(100, 100).buy().len(), 2);
        let coins = Coins::from_hundredths(1000);
        for legs in [recharge("buyer", coins), vip(coins)] {
            assert_eq!(legs.iter().map(|leg| leg.amount).sum::<i64>(), 0);
        }
    }
}
