//! A field that may have any shape, for what is looked at only afterwards.

use crate::limits::SHORT_JSON_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// JSON of [`SHORT_JSON_BYTES_MAX`] at the most; longer text is refused before it becomes a tree, which would not fit a
/// component's memory.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Box<RawValue>")]
pub struct ShortJson(pub Value);

impl TryFrom<Box<RawValue>> for ShortJson {
    type Error = String;

    fn try_from(json: Box<RawValue>) -> Result<Self, String> {
        if json.get().len() > SHORT_JSON_BYTES_MAX {
            return Err(format!(
                "a field is longer than {SHORT_JSON_BYTES_MAX} bytes"
            ));
        }
        let value = serde_json::from_str(json.get());
        value.map(Self).map_err(|cause| cause.to_string())
    }
}

impl From<i64> for ShortJson {
    fn from(number: i64) -> Self {
        Self(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_refused_whatever_it_is() {
        for short in ["null", "7", r#"{"a":[1]}"#] {
            let read: ShortJson = serde_json::from_str(short).unwrap();
            assert_eq!(read.0.to_string(), short);
        }
        let objects = format!("[{}0]", r#"{"":0},"#.repeat(SHORT_JSON_BYTES_MAX / 7 + 1));
        assert!(serde_json::from_str::<ShortJson>(&objects).is_err());
    }
}
