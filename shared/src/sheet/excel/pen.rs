//! Rows of values as `sheetData` has them. Hundreds of thousands a second go through here, so what does not
//! change from row to row is made beforehand, and nothing is allocated for a cell.

use super::super::Result;
use super::super::rows::Cell;
use super::super::text::{escape, needs_preserve};
use super::super::value::{Content, Serial, content, typed};
use super::look::{Format, Look, Looks};
use super::width::Widths;
use crate::domain::heads::{Head, leaves};
use crate::domain::layout::Layout;
use crate::domain::style::{Style, ValueType};
use std::borrow::Cow;
use std::io::Write;

/// Digits from which on Excel's General format rounds a whole number.
const WHOLE_DIGITS: usize = 12;

/// Writes the rows of a table.
#[derive(Clone, Debug)]
pub struct Pens {
    columns: Vec<Pen>,
    /// Columns that the rows add look like this one.
    added: Pen,
    /// In front of the values, those of row heads.
    first_column: usize,
    /// Attributes of a row behind its number.
    row_attributes: Vec<u8>,
}

/// What one column has in every row.
#[derive(Clone, Debug, Default)]
struct Pen {
    /// `<c r="AB`
    open: Vec<u8>,
    text: Vec<u8>,
    preserved: Vec<u8>,
    /// A text of several lines, which Excel shows as such only where it wraps.
    wrapped: Vec<u8>,
    number: Vec<u8>,
    whole: Vec<u8>,
    boolean: Vec<u8>,
    date: Vec<u8>,
    date_time: Vec<u8>,
    /// None where an empty cell need not be written.
    empty: Option<Vec<u8>>,
    value_type: Option<ValueType>,
}

impl Pens {
    /// Pens for the columns of values of a table, and for those that its rows may add.
    pub fn new(columns: &[Head], levels: usize, layout: &Layout, looks: &mut Looks) -> Self {
        let mut pen = |style: &Style| Pen::new(style, levels > 0, layout, looks);
        let mut pens: Vec<Pen> = leaves(columns)
            .iter()
            .map(|head| pen(&head.style))
            .collect();
        let added = pen(&Style::default());
        for (column, pen) in pens.iter_mut().enumerate() {
            pen.open = opening(levels + column);
        }
        let mut row_attributes = b"\"".to_vec();
        row_attributes.extend(height(layout.default_height));
        row_attributes.push(b'>');
        Self {
            columns: pens,
            added,
            first_column: levels,
            row_attributes,
        }
    }

    /// Makes pens for columns that the rows have added.
    pub fn widen(&mut self, columns: usize) {
        while self.columns.len() < columns {
            let open = opening(self.first_column + self.columns.len());
            self.columns.push(Pen {
                open,
                ..self.added.clone()
            });
        }
    }

    /// Writes a row of this number, counted from 1, with a cell per column. Errors: `cell_too_long`.
    pub fn row(
        &self,
        number: u32,
        cells: &[Cell<'_>],
        widths: Option<&mut Widths>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let digits = Digits::of(number);
        out.extend_from_slice(b"<row r=\"");
        out.extend_from_slice(digits.as_bytes());
        out.extend_from_slice(&self.row_attributes);
        self.cells(&digits, cells, widths, out)?;
        out.extend_from_slice(b"</row>");
        Ok(())
    }

    /// Writes the cells of a row.
    pub fn cells(
        &self,
        digits: &Digits,
        cells: &[Cell<'_>],
        mut widths: Option<&mut Widths>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        for (column, (pen, cell)) in self.columns.iter().zip(cells).enumerate() {
            let from = out.len();
            pen.cell(digits, *cell, out)?;
            if let Some(widths) = &mut widths {
                widths.see_cell(self.first_column + column, *cell, out.len() - from);
            }
        }
        Ok(())
    }
}

impl Pen {
    fn new(style: &Style, is_bordered: bool, layout: &Layout, looks: &mut Looks) -> Self {
        let base = Look {
            bold: style.bold == Some(true),
            color: style.color,
            fill: style.bg_color,
            align: style.align,
            is_middle: layout.default_height.is_some() || is_bordered,
            has_border: is_bordered,
            ..Look::default()
        };
        let custom = style.format.clone().filter(|format| format != "General");
        let is_of_dates = custom.as_deref().is_some_and(shows_dates);
        let custom = custom.map(Format::Custom);
        let mut attributes_of = |look: Look| match looks.number(look) {
            0 => String::new(),
            number => format!(" s=\"{number}\""),
        };
        let of_numbers = custom.clone().filter(|_| !is_of_dates);
        let of_dates = custom.filter(|_| is_of_dates);
        let of_plain = match style.value_type {
            Some(ValueType::Text) => Some(Format::Text),
            _ => of_numbers.clone(),
        };
        let wrapped = attributes_of(Look {
            wraps: true,
            format: of_plain.clone().unwrap_or_default(),
            ..base.clone()
        });
        let mut attributes = |format: Option<Format>| {
            attributes_of(Look {
                format: format.unwrap_or_default(),
                ..base.clone()
            })
        };
        let plain = attributes(of_plain);
        let whole = attributes(of_numbers.or(Some(Format::Whole)));
        let date = attributes(of_dates.clone().or(Some(Format::Date)));
        let date_time = attributes(of_dates.or(Some(Format::DateTime)));
        let tail = |style: &str, rest: &str| format!("\"{style}{rest}").into_bytes();
        Self {
            open: Vec::new(),
            text: tail(&plain, " t=\"inlineStr\"><is><t>"),
            preserved: tail(&plain, " t=\"inlineStr\"><is><t xml:space=\"preserve\">"),
            wrapped: tail(&wrapped, " t=\"inlineStr\"><is><t xml:space=\"preserve\">"),
            number: tail(&plain, "><v>"),
            whole: tail(&whole, "><v>"),
            boolean: tail(&plain, " t=\"b\"><v>"),
            date: tail(&date, "><v>"),
            date_time: tail(&date_time, "><v>"),
            empty: is_bordered.then(|| tail(&plain, "/>")),
            value_type: style.value_type,
        }
    }

    fn cell(&self, digits: &Digits, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<()> {
        let content = match self.value_type {
            Some(value_type) => typed(cell, value_type)?,
            None => content(cell)?,
        };
        if matches!(content, Content::Empty) && self.empty.is_none() {
            return Ok(());
        }
        out.extend_from_slice(&self.open);
        out.extend_from_slice(digits.as_bytes());
        match content {
            Content::Empty => out.extend_from_slice(self.empty.as_deref().unwrap_or_default()),
            Content::Text(text) => {
                // Only what had escapes in JSON can hold a line end.
                let has_lines = matches!(&text, Cow::Owned(text) if text.contains('\n'));
                out.extend_from_slice(if has_lines {
                    &self.wrapped
                } else if needs_preserve(&text) {
                    &self.preserved
                } else {
                    &self.text
                });
                escape(&text, out);
                out.extend_from_slice(b"</t></is></c>");
            }
            Content::Number(number) => {
                let is_long = number.len() >= WHOLE_DIGITS && is_whole(number);
                out.extend_from_slice(if is_long { &self.whole } else { &self.number });
                out.extend_from_slice(number.as_bytes());
                out.extend_from_slice(b"</v></c>");
            }
            Content::Bool(value) => {
                out.extend_from_slice(&self.boolean);
                out.push(b'0' + u8::from(value));
                out.extend_from_slice(b"</v></c>");
            }
            Content::Date(Serial { days, has_time }) => {
                out.extend_from_slice(if has_time {
                    &self.date_time
                } else {
                    &self.date
                });
                // Writing to memory does not fail.
                let _ = write!(out, "{days}");
                out.extend_from_slice(b"</v></c>");
            }
        }
        Ok(())
    }
}

fn is_whole(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.len() >= WHOLE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a number format shows dates.
fn shows_dates(format: &str) -> bool {
    let mut is_quoted = false;
    format.chars().any(|character| {
        is_quoted ^= character == '"';
        !is_quoted && matches!(character, 'y' | 'm' | 'd' | 'h' | 's')
    })
}

/// The attributes of a row's height, points.
pub fn height(points: Option<f64>) -> Vec<u8> {
    points.map_or(Vec::new(), |points| {
        format!(" ht=\"{points}\" customHeight=\"1\"").into_bytes()
    })
}

fn opening(column: usize) -> Vec<u8> {
    format!("<c r=\"{}", letters(column)).into_bytes()
}

/// The letters of a column, counted from 0.
pub fn letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// A row's number in decimal.
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    bytes: [u8; 10],
    from: usize,
}

impl Digits {
    pub fn of(number: u32) -> Self {
        let mut digits = Self {
            bytes: [b'0'; 10],
            from: 10,
        };
        let mut rest = number;
        while rest > 0 || digits.from == 10 {
            digits.from -= 1;
            digits.bytes[digits.from] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_letters() {
        for (column, expected) in [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (701, "ZZ"),
            (702, "AAA"),
            (16_383, "XFD"),
        ] {
            assert_eq!(letters(column), expected);
        }
    }

    #[test]
    fn rows_are_counted_in_digits() {
        for number in [0, 1, 9, 10, 1_048_576, u32::MAX] {
            assert_eq!(Digits::of(number).as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn a_format_of_dates_is_told_by_its_letters() {
        assert!(shows_dates("yyyy\"年\"m\"月\""));
        assert!(!shows_dates("0\"days\"") && !shows_dates("#,##0.00"));
    }
}
