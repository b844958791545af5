//! What a purchase costs and earns (SH-2, SH-3). The columns `buy_factor` and `sale_factor` of `accounts` and the
//! statement that buys say the same in SQL.

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
}
