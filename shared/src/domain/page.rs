//! Which part of a list a caller wants.

use crate::error::{Error, Result};
use crate::limits::{PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Counts from 1.
    pub number: u32,
    pub size: u32,
}

impl Page {
    /// From the query's `page` and `page_size`. Errors: 40001 for what is no number or out of bounds.
    pub fn parse(number: Option<&str>, size: Option<&str>) -> Result<Self> {
        Ok(Self {
            number: bounded("page", number, 1, PAGE_MAX)?,
            size: bounded("page_size", size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)?,
        })
    }

    pub fn limit(self) -> i64 {
        self.size.into()
    }

    pub fn offset(self) -> i64 {
        i64::from(self.number - 1) * i64::from(self.size)
    }
}

fn bounded(field: &str, text: Option<&str>, default: u32, max: u32) -> Result<u32> {
    let Some(text) = text else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(|| Error::invalid(field, format!("{field} is a whole number from 1 to {max}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded() {
        assert_eq!(
            Page::parse(None, None).unwrap(),
            Page {
                number: 1,
                size: 20
            }
        );
        assert_eq!(Page::parse(Some("3"), Some("100")).unwrap().offset(), 200);
        for (number, size) in [
            ("0", "20"),
            ("1", "101"),
            ("-1", "20"),
            ("x", "20"),
            ("1", ""),
        ] {
            assert!(Page::parse(Some(number), Some(size)).is_err());
        }
    }
}
