//! A JSON object whose pairs keep the order of the text; in an export that is the order of its columns.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

struct Pairs(Vec<(String, Box<RawValue>)>);

/// The pairs of an object. None where this is no JSON object.
pub fn read(json: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    serde_json::from_str::<Pairs>(json)
        .ok()
        .map(|pairs| pairs.0)
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn pairs_keep_their_order() {
        let pairs = super::read(r#"{"b":1,"a":[ 2 ],"b":"x"}"#).unwrap();
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(key, json)| (key.as_str(), json.get()))
            .collect();
        assert_eq!(pairs, [("b", "1"), ("a", "[ 2 ]"), ("b", "\"x\"")]);
        assert!(super::read("[]").is_none());
    }
}
