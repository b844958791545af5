//! What a project asks of an export (DC-2 to DC-6).

use super::file_name::sanitise_as;
use super::layout::FileType;
use super::source::SourceUrl;
use crate::error::{Error, Result};
use crate::limits::{
    EXPORT_NAME_CHARS_MAX, EXPORT_S_DEFAULT, EXPORT_S_MAX, INTERVAL_MS_MAX, STEP_DEFAULT, STEP_MAX,
    STEP_MIN,
};

/// Where the rows come from, one entry for each table.
#[derive(Clone, Debug)]
pub enum Source {
    /// Pulled page by page. One URL may stand for several tables, which it then tells apart by `_table`.
    Pulled(Vec<SourceUrl>),
    /// They came with the request.
    Given,
}

/// How a source is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Rows of a page that is asked for.
    pub step: u32,
    /// The pause between two pages, milliseconds.
    pub interval_ms: u32,
    /// The whole attempt, seconds.
    pub max_exec_s: u32,
}

impl Pace {
    /// Errors: 40001 for fields `step`, `interval`, `max_exec_time`.
    pub fn parse(
        step: Option<i64>,
        interval_ms: Option<i64>,
        max_exec_s: Option<i64>,
    ) -> Result<Self> {
        Ok(Self {
            step: within("step", step, STEP_DEFAULT, STEP_MIN, STEP_MAX)?,
            interval_ms: within("interval", interval_ms, 0, 0, INTERVAL_MS_MAX)?,
            max_exec_s: within(
                "max_exec_time",
                max_exec_s,
                EXPORT_S_DEFAULT,
                1,
                EXPORT_S_MAX,
            )?,
        })
    }
}

fn within(field: &str, given: Option<i64>, usual: u32, least: u32, most: u32) -> Result<u32> {
    let Some(given) = given else {
        return Ok(usual);
    };
    u32::try_from(given)
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Error::invalid(field, format!("The number is from {least} to {most}.")))
}

/// The name of an export: 1 to 200 characters, no control characters. Errors: 40001 for field `name`.
pub fn name(text: &str) -> Result<String> {
    let text = text.trim();
    let is_good = !text.is_empty()
        && text.chars().count() <= EXPORT_NAME_CHARS_MAX
        && !text.chars().any(char::is_control);
    if is_good {
        Ok(text.to_owned())
    } else {
        let message = "The name is 1 to 200 characters, none of them a control character.";
        Err(Error::invalid("name", message))
    }
}

/// What the file is called: as the caller wishes or like the export, with the one fitting extension.
pub fn file_name(wish: Option<&str>, name: &str, kind: FileType) -> String {
    let wish = wish.filter(|wish| !wish.trim().is_empty()).unwrap_or(name);
    let extension = format!(".{}", kind.extension());
    let cut = wish.len().saturating_sub(extension.len());
    let stem = match wish.get(cut..) {
        Some(end) if end.eq_ignore_ascii_case(&extension) => &wish[..cut],
        _ => wish,
    };
    format!("{}{extension}", sanitise_as("export", stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_extension_once() {
        let named = |wish, kind| file_name(wish, "订单", kind);
        assert_eq!(named(None, FileType::Csv), "订单.csv");
        assert_eq!(named(Some("a.XLSX"), FileType::Excel), "a.xlsx");
        assert_eq!(named(Some("a.xlsx"), FileType::Csv), "a.xlsx.csv");
        assert_eq!(named(Some("../../x"), FileType::Csv), "_.._x.csv");
        assert_eq!(named(Some("  "), FileType::Csv), "订单.csv");
        assert_eq!(named(Some(".."), FileType::Csv), "export.csv");
        assert_eq!(named(Some("con.csv"), FileType::Csv), "export con.csv");
    }

    #[test]
    fn a_pace_has_its_bounds() {
        let pace = Pace::parse(None, None, None).unwrap();
        assert_eq!(
            (pace.step, pace.interval_ms, pace.max_exec_s),
            (1000, 0, 3600)
        );
        assert!(Pace::parse(Some(99), None, None).is_err());
        assert!(Pace::parse(Some(5001), None, None).is_err());
        assert!(Pace::parse(None, Some(-1), None).is_err());
        assert!(Pace::parse(None, None, Some(0)).is_err());
    }
}
