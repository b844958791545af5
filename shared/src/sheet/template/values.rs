//! Values in cells: how a value of JSON is written in a cell with the template's style.

use super::styles::{NumberFormat, Styles};
use crate::limits::TEMPLATE_VALUES_BYTES_MAX;
use crate::sheet::rows::{self, Cell};
use crate::sheet::text;
use crate::sheet::value::{self, Content};
use crate::sheet::{Result, SheetError};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Days between the two systems of dates.
const DAYS_1904: f64 = 1462.0;

/// A cell's style as XML, and the elements that its content needs.
#[derive(Clone, Debug)]
pub struct Style {
    /// ` s="3"`, or nothing.
    plain: Vec<u8>,
    /// The same for a date without and with the time of day; none where no style can show it.
    dates: [Option<Vec<u8>>; 2],
    is_text: bool,
    is_1904: bool,
    prefix: String,
    /// What stands before and behind a number and a text.
    number: [Vec<u8>; 2],
    text: [Vec<u8>; 2],
}

impl Style {
    /// The style of a cell of the template. Dates get a format where the cell has none of its own.
    pub fn new(style: u32, prefix: &str, styles: &Styles, is_1904: bool) -> Self {
        let attribute = |style: u32| match style {
            0 => Vec::new(),
            style => format!(" s=\"{style}\"").into_bytes(),
        };
        let format = styles.number_format(style);
        let dates = [false, true].map(|has_time| match format {
            NumberFormat::General => styles.with_date(style, has_time).map(attribute),
            _ => Some(attribute(style)),
        });
        let plain = attribute(style);
        let with_style = |rest: String| [plain.as_slice(), rest.as_bytes()].concat();
        Self {
            number: [
                with_style(format!("><{prefix}v>")),
                format!("</{prefix}v></{prefix}c>").into(),
            ],
            text: [
                with_style(format!(" t=\"inlineStr\"><{prefix}is><{prefix}t>")),
                format!("</{prefix}t></{prefix}is></{prefix}c>").into(),
            ],
            plain,
            dates,
            is_text: format == NumberFormat::Text,
            is_1904,
            prefix: prefix.to_owned(),
        }
    }

    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// What a value is in such a cell: one that is formatted as text holds text.
    pub fn content<'a>(&self, cell: Cell<'a>) -> Result<Content<'a>> {
        if self.is_text && cell != Cell::Empty {
            return Ok(Content::Text(value::text(cell)?));
        }
        let content = value::content(cell)?;
        if let Content::Date(serial) = content
            && (self.dates[usize::from(serial.has_time)].is_none()
                || (self.is_1904 && serial.days < DAYS_1904))
        {
            return Ok(Content::Text(value::text(cell)?));
        }
        Ok(content)
    }
}

/// Writes the attributes of a cell behind `r`, its content and its end.
pub fn put_content(content: Content<'_>, style: &Style, out: &mut Vec<u8>) {
    let prefix = style.prefix.as_str();
    match content {
        Content::Empty => {
            out.extend_from_slice(&style.plain);
            out.extend_from_slice(b"/>");
        }
        Content::Bool(is_true) => {
            out.extend_from_slice(&style.plain);
            put(out, &[" t=\"b\"><", prefix, "v>"]);
            out.push(b'0' + u8::from(is_true));
            put(out, &["</", prefix, "v></", prefix, "c>"]);
        }
        Content::Number(number) => {
            out.extend_from_slice(&style.number[0]);
            out.extend_from_slice(number.as_bytes());
            out.extend_from_slice(&style.number[1]);
        }
        Content::Date(serial) => {
            let attribute = style.dates[usize::from(serial.has_time)].as_ref();
            out.extend_from_slice(attribute.unwrap_or(&style.plain));
            put(out, &["><", prefix, "v>"]);
            let days = serial.days - if style.is_1904 { DAYS_1904 } else { 0.0 };
            if days.fract() == 0.0 {
                put_number(days as i64, out);
            } else {
                // Writing to memory does not fail.
                let _ = write!(out, "{days}");
            }
            put(out, &["</", prefix, "v></", prefix, "c>"]);
        }
        Content::Text(text) => put_text_cell(&text, None, style, out),
    }
}

/// Writes a cell of text, with the properties of a run if there are any.
pub fn put_text_cell(text: &str, font: Option<&str>, style: &Style, out: &mut Vec<u8>) {
    let prefix = style.prefix.as_str();
    if text.is_empty() {
        out.extend_from_slice(&style.plain);
        out.extend_from_slice(b"/>");
        return;
    }
    if font.is_none() && !text::needs_preserve(text) {
        out.extend_from_slice(&style.text[0]);
        text::escape(text, out);
        out.extend_from_slice(&style.text[1]);
        return;
    }
    out.extend_from_slice(&style.plain);
    put(out, &[" t=\"inlineStr\"><", prefix, "is>"]);
    if let Some(font) = font {
        put(
            out,
            &[
                "<", prefix, "r><", prefix, "rPr>", font, "</", prefix, "rPr>",
            ],
        );
    }
    put(out, &["<", prefix, "t"]);
    if text::needs_preserve(text) {
        put(out, &[" xml:space=\"preserve\""]);
    }
    out.push(b'>');
    text::escape(text, out);
    put(out, &["</", prefix, "t>"]);
    if font.is_some() {
        put(out, &["</", prefix, "r>"]);
    }
    put(out, &["</", prefix, "is></", prefix, "c>"]);
}

fn put(out: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Writes a row's number.
pub fn put_number(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The scalars, each as JSON text. The first value of a name counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Scalars(BTreeMap<String, String>);

impl Scalars {
    /// Adds what an object holds. Errors: `bad_values` where it is none, `values_too_large`.
    pub fn add(&mut self, values: &RawValue) -> Result<()> {
        if values.get().trim() == "null" {
            return Ok(());
        }
        let pairs = rows::pairs(values.get()).map_err(bad_values)?;
        for (key, cell) in pairs {
            self.0
                .entry(key.decode().into_owned())
                .or_insert_with(|| json(cell));
        }
        let bytes: usize = self
            .0
            .iter()
            .map(|(key, json)| key.len() + json.len())
            .sum();
        if bytes > TEMPLATE_VALUES_BYTES_MAX {
            return Err(SheetError::refused(
                "values_too_large",
                format!("`values` has more than {TEMPLATE_VALUES_BYTES_MAX} bytes"),
            ));
        }
        Ok(())
    }

    /// The value of a name; empty where there is none.
    pub fn cell(&self, name: &str) -> Result<Cell<'_>> {
        match self.0.get(name) {
            Some(json) => {
                let value: &RawValue = serde_json::from_str(json).map_err(bad_values)?;
                rows::cell(value)
            }
            None => Ok(Cell::Empty),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Only these names.
    pub fn of(&self, names: &BTreeSet<String>) -> Self {
        let kept = self.0.iter().filter(|(name, _)| names.contains(*name));
        Self(kept.map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

fn bad_values<E>(_: E) -> SheetError {
    SheetError::refused("bad_values", "`values` is not an object of scalars")
}

fn json(cell: Cell<'_>) -> String {
    match cell {
        Cell::Empty => "null".to_owned(),
        Cell::Bool(is_true) => is_true.to_string(),
        Cell::Number(number) => number.to_owned(),
        Cell::Text(text) => format!("\"{}\"", text.raw),
        Cell::Nested(json) => json.to_owned(),
    }
}
