//! The section `payments`.

use serde::{Deserialize, Serialize};
use shared::domain::coins::Yuan;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Payments {
    /// Whether the provider for trying things out is there: with it everybody pays with nothing.
    pub sandbox: bool,
    /// What a month of VIP costs, yuan with two places at the most.
    pub vip_yuan_per_month: Price,
    /// Signs what the sandbox says; empty: generated at first start and kept in `<data_dir>/keys.toml`.
    pub sandbox_secret: String,
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            sandbox: true,
            vip_yuan_per_month: Price(Yuan::from_hundredths(1_500)),
            sandbox_secret: String::new(),
        }
    }
}

impl std::fmt::Debug for Payments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payments")
            .field("sandbox", &self.sandbox)
            .field("vip_yuan_per_month", &self.vip_yuan_per_month)
            .finish_non_exhaustive()
    }
}

/// Yuan, as a number or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price(pub Yuan);

impl Serialize for Price {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Whole(u32),
            Decimal(f64),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Whole(number) => number.to_string(),
            Written::Decimal(number) => number.to_string(),
        };
        let most = Yuan::from_hundredths(shared::limits::VIP_MONTH_FEN_MAX);
        let price = Yuan::parse("vip_yuan_per_month", &text, most);
        price
            .map(Self)
            .map_err(|error| serde::de::Error::custom(error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_a_number_or_a_text() {
        let price =
            |text: &str| toml::from_str::<Payments>(&format!("vip_yuan_per_month = {text}"));
        for (text, hundredths) in [("15", 1_500), ("9.9", 990), ("\"9.90\"", 990), ("0", 0)] {
            assert_eq!(
                price(text).unwrap().vip_yuan_per_month.0.hundredths(),
                hundredths,
                "{text}"
            );
        }
        for bad in ["-1", "1.234", "\"x\"", "true"] {
            assert!(price(bad).is_err(), "{bad}");
        }
    }
}
