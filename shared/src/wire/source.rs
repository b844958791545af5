//! A page as a business backend sends it (DC-2):
//! `{"status":200,"data":{"data":[…],"total":n,"header"?,"footer"?,"template"?,"values"?,"next_cursor"?}}`, or
//! the inner object bare.

use crate::domain::source::PageFacts;
use crate::domain::task::Failure;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use std::hash::Hasher;

/// What a component asks the worker for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PageRequest {
    pub project_id: String,
    pub url: String,
    /// How long its caller can wait, milliseconds.
    pub wait_ms: u64,
}

/// One page, borrowed from its bytes.
#[derive(Debug)]
pub struct SourcePage<'a> {
    /// An array of objects; for tables with row heads also an object of such arrays.
    pub rows: &'a RawValue,
    pub header: Option<&'a RawValue>,
    pub footer: Option<&'a RawValue>,
    pub template: Option<&'a RawValue>,
    pub values: Option<&'a RawValue>,
    pub facts: PageFacts,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    total: Option<&'a RawValue>,
    #[serde(borrow, default)]
    header: Option<&'a RawValue>,
    #[serde(borrow, default)]
    footer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    template: Option<&'a RawValue>,
    #[serde(borrow, default)]
    values: Option<&'a RawValue>,
    #[serde(default)]
    next_cursor: Option<Cursor>,
}

impl<'a> Envelope<'a> {
    /// With a `total` of 0 the rows may be null, which is what some languages make of an empty list.
    fn rows(&self) -> Option<&'a RawValue> {
        let is_empty = self.total.and_then(|total| whole(total.get())) == Some(0);
        let none = || serde_json::from_str("[]").ok().filter(|_| is_empty);
        self.data.or_else(none)
    }
}

/// Many backends count with numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Cursor {
    Text(String),
    Number(serde_json::Number),
}

impl<'a> SourcePage<'a> {
    /// Errors: permanent failures `source_shape` and `source_status`.
    pub fn parse(body: &'a [u8]) -> Result<Self, Failure> {
        let text = std::str::from_utf8(body)
            .map_err(|_| shape("The source's page is not UTF-8."))?
            .trim_start_matches('\u{FEFF}');
        let outer: Envelope<'a> = serde_json::from_str(text).map_err(|cause| {
            shape(format!(
                "The source's page is no JSON object as agreed: {cause}."
            ))
        })?;
        if let Some(status) = outer.status.filter(|status| !is_success(status.get())) {
            let told: String = status.get().chars().take(100).collect();
            let message = format!("The source answered with status {told}.");
            return Err(Failure::permanent("source_status", message));
        }
        let page = match outer.data {
            // Bare, with row heads, `data` is an object too; then `total` stands beside it.
            Some(data) if outer.total.is_none() && data.get().starts_with('{') => {
                match serde_json::from_str::<Envelope<'a>>(data.get()) {
                    Ok(inner) if inner.rows().is_some() => inner,
                    _ => outer,
                }
            }
            _ => outer,
        };
        Self::from_envelope(page)
    }

    fn from_envelope(page: Envelope<'a>) -> Result<Self, Failure> {
        let rows = page
            .rows()
            .ok_or_else(|| shape("The source's page has no data."))?;
        let count = count_rows(rows)
            .ok_or_else(|| shape("The data of the source's page is no array of objects."))?;
        let total = match page.total.map(RawValue::get) {
            None | Some("null") => None,
            Some(text) => Some(
                whole(text).ok_or_else(|| shape("The total of the source's page is no count."))?,
            ),
        };
        let present = |part: Option<&'a RawValue>| part.filter(|it| it.get() != "null");
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(rows.get().as_bytes());
        Ok(Self {
            rows,
            header: present(page.header),
            footer: present(page.footer),
            template: present(page.template),
            values: present(page.values),
            facts: PageFacts {
                rows: count,
                total,
                digest: hasher.finish(),
                next_cursor: page.next_cursor.map(|cursor| match cursor {
                    Cursor::Text(text) => text,
                    Cursor::Number(number) => number.to_string(),
                }),
            },
        })
    }
}

/// A count, also as a text or as languages without whole numbers write it: `2`, `"2"`, `2.0`.
fn whole(json: &str) -> Option<u64> {
    let number = json.trim_matches('"');
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_whole = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    whole.parse().ok().filter(|_| is_whole)
}

fn is_success(status: &str) -> bool {
    matches!(status.trim_matches('"'), "200" | "null")
}

fn shape(message: impl Into<String>) -> Failure {
    Failure::permanent("source_shape", message)
}

/// How many rows an array of objects, or an object of such arrays, holds; `None` for anything else.
pub fn count_rows(rows: &RawValue) -> Option<u64> {
    let mut deserializer = serde_json::Deserializer::from_str(rows.get());
    serde::Deserializer::deserialize_any(&mut deserializer, Count { depth: 0 }).ok()
}

/// Counts without keeping anything.
struct Count {
    depth: u8,
}

impl<'de> serde::de::DeserializeSeed<'de> for Count {
    type Value = u64;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while rows.next_element::<Row>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        if self.depth > 0 {
            return Err(serde::de::Error::custom("nested too deeply"));
        }
        let mut count = 0;
        while map.next_key::<IgnoredAny>()?.is_some() {
            count += map.next_value_seed(Count { depth: 1 })?;
        }
        Ok(count)
    }
}

/// Any object.
struct Row;

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Row)
    }
}

impl<'de> Visitor<'de> for Row {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_in_its_envelope_and_bare() {
        for body in [
            r#"{"status":200,"data":{"data":[{"a":1},{"a":2}],"total":2,"header":"h"}}"#,
            r#"{"data":[{"a":1},{"a":2}],"total":"2","header":"h","status":200}"#,
            r#"{"total":2,"data":{"x":[{"a":1}],"data":[{"a":2}]},"header":"h"}"#,
        ] {
            let page = SourcePage::parse(body.as_bytes()).unwrap();
            assert_eq!((page.facts.rows, page.facts.total), (2, Some(2)), "{body}");
            assert_eq!(page.header.unwrap().get(), "\"h\"");
        }
        for body in [
            r#"{"data":[{}],"total":1.0}"#,
            r#"{"data":[{}],"total":"1"}"#,
            r#"{"status":200,"data":{"data":[{}],"total":1}}"#,
        ] {
            let page = SourcePage::parse(body.as_bytes()).unwrap();
            assert_eq!(page.facts.total, Some(1), "{body}");
        }
        for body in [
            r#"{"data":null,"total":0}"#,
            r#"{"status":200,"data":{"data":null,"total":0}}"#,
        ] {
            let page = SourcePage::parse(body.as_bytes()).unwrap();
            assert_eq!((page.rows.get(), page.facts.rows), ("[]", 0), "{body}");
        }
        let body = r#"{"data":{"data":[],"next_cursor":7}}"#;
        let page = SourcePage::parse(body.as_bytes()).unwrap();
        assert_eq!(page.facts.next_cursor.as_deref(), Some("7"));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (body, code) in [
            ("", "source_shape"),
            ("[]", "source_shape"),
            ("{}", "source_shape"),
            (r#"{"data":[1]}"#, "source_shape"),
            (r#"{"data":"x"}"#, "source_shape"),
            (r#"{"data":{"a":{"b":[]}}}"#, "source_shape"),
            (r#"{"data":[],"total":-1}"#, "source_shape"),
            (r#"{"data":[],"total":1.5}"#, "source_shape"),
            (r#"{"data":[],"total":1e3}"#, "source_shape"),
            (r#"{"data":null}"#, "source_shape"),
            (r#"{"data":null,"total":1}"#, "source_shape"),
            (r#"{"status":500,"data":{"data":[]}}"#, "source_status"),
        ] {
            let failure = SourcePage::parse(body.as_bytes()).unwrap_err();
            assert_eq!(failure.code, code, "{body}");
        }
    }
}
