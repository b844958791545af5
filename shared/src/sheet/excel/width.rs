//! How wide columns are.

use super::super::rows::Cell;
use crate::limits::WIDTH_SAMPLE_ROWS;
use serde::{Deserialize, Serialize};

/// The narrowest and the widest column that nobody gave a width, in characters.
const MIN: u16 = 9;
const MAX: u16 = 60;
/// A date, and a date with its time.
const DATE: u16 = 11;
const DATE_TIME: u16 = 20;

/// The widest text of each column among the first rows, in characters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Widths {
    columns: Vec<u16>,
    rows: u64,
}

impl Widths {
    /// Itself while there are rows to look at.
    pub fn sampling(&mut self) -> Option<&mut Self> {
        self.rows += 1;
        (self.rows <= WIDTH_SAMPLE_ROWS).then_some(self)
    }

    pub fn see(&mut self, column: usize, characters: u16) {
        if self.columns.len() <= column {
            self.columns.resize(column + 1, 0);
        }
        let width = &mut self.columns[column];
        *width = characters.max(*width);
    }

    /// Looks at a cell, of which so many bytes were written.
    pub fn see_cell(&mut self, column: usize, cell: Cell<'_>, written: usize) {
        let characters = match cell {
            Cell::Empty => return,
            Cell::Bool(_) => 5,
            Cell::Number(text) => text.len().min(usize::from(MAX)) as u16,
            Cell::Text(text) => match super::super::value::serial(text.raw) {
                Some(serial) if serial.has_time => DATE_TIME,
                Some(_) => DATE,
                None => characters(text.raw),
            },
            Cell::Nested(_) => written.min(usize::from(MAX)) as u16,
        };
        self.see(column, characters);
    }

    /// The width of a column, in characters.
    pub fn of(&self, column: usize) -> f64 {
        let seen = self.columns.get(column).copied().unwrap_or(0);
        // Room for the cell's padding, and for the wider of the letters.
        f64::from((seen + 2).clamp(MIN, MAX))
    }
}

/// How wide the widest line of a text is: CJK and other wide characters count two.
pub fn characters(text: &str) -> u16 {
    let line = |line: &str| {
        let width: usize = line.chars().take(usize::from(MAX)).map(width_of).sum();
        width.min(usize::from(MAX))
    };
    text.lines().map(line).max().unwrap_or(0) as u16
}

/// A character's width: of East Asian wide and fullwidth ones two.
fn width_of(character: char) -> usize {
    let is_wide = matches!(u32::from(character),
        0x1100..=0x115F | 0x2E80..=0x303E | 0x3041..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1F64F | 0x1F900..=0x1F9FF
        | 0x20000..=0x3FFFD);
    1 + usize::from(is_wide)
}

/// The `width` that a file has for a column of so many characters: 7 pixels for each and 5 of padding, all in
/// units of 7 pixels (ECMA-376 part 1, 18.3.1.13).
pub fn of_characters(characters: f64) -> f64 {
    of_pixels(characters * 7.0 + 5.0)
}

/// The `width` that a file has for a column of so many points, at 96 dots per inch.
pub fn of_points(points: f64) -> f64 {
    of_pixels(points * 96.0 / 72.0)
}

fn of_pixels(pixels: f64) -> f64 {
    (pixels / 7.0 * 256.0).trunc() / 256.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_become_the_units_of_a_file() {
        // 48 points are 64 pixels, the width of Excel's own columns of 8.43 characters.
        assert_eq!(of_points(48.0), 9.140625);
        assert_eq!(of_characters(10.0), 10.7109375);
    }

    #[test]
    fn a_wide_character_counts_two() {
        for (text, expected) in [("", 0), ("ab", 2), ("姓名，", 6), ("ｦé", 2), ("a\n姓名", 4)]
        {
            assert_eq!(characters(text), expected, "{text}");
        }
        assert_eq!(characters(&"字".repeat(100_000)), MAX);
    }
}
