//! What the filled lists make of the references in formulas.

use super::formula::{self, Piece, Point, Reference};
use super::overflow;
use super::shift::{Shift, Stretch, too_many_rows};
use crate::sheet::{Result, SheetError};
use std::collections::HashMap;
use std::fmt::Write;

/// The sheets of a workbook by their names.
#[derive(Clone, Debug, Default)]
pub struct Shifts {
    pub sheets: Vec<(String, Shift)>,
    by_name: HashMap<String, usize>,
}

/// Where a formula stands: its sheet, and its repeated rows if it is in some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub sheet: usize,
    pub stretch: Option<usize>,
    /// Whether a single repeated cell means all of its copies, as in the series of a chart.
    pub is_spread: bool,
}

impl Place {
    pub fn outside(sheet: usize) -> Self {
        Self {
            sheet,
            stretch: None,
            is_spread: false,
        }
    }

    pub fn inside(sheet: usize, stretch: Option<usize>) -> Self {
        Self {
            stretch,
            ..Self::outside(sheet)
        }
    }
}

/// A piece of a formula that is copied with the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    /// The number of the copy's first row plus this.
    Row(i64),
}

impl Shifts {
    pub fn new(sheets: Vec<(String, Shift)>) -> Self {
        let names = sheets.iter().enumerate();
        Self {
            by_name: names
                .map(|(index, (name, _))| (name.to_lowercase(), index))
                .collect(),
            sheets,
        }
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.to_lowercase()).copied()
    }

    /// A formula as it stands in the first copy of its rows, or outside of any.
    pub fn formula(&self, formula: &str, place: Place) -> Result<String> {
        let shift = &self.sheets[place.sheet].1;
        let mut out = String::new();
        let first = match place.stretch {
            Some(stretch) => i64::from(shift.first(shift.stretches[stretch].first)?),
            None => 0,
        };
        for part in self.parts(formula, place)? {
            match part {
                Part::Text(text) => out.push_str(&text),
                Part::Row(offset) => {
                    let _ = write!(out, "{}", first + offset);
                }
            }
        }
        Ok(out)
    }

    /// A formula in pieces, of which those move that belong to the rows in which it stands.
    pub fn parts(&self, formula: &str, place: Place) -> Result<Vec<Part>> {
        let mut parts = Parts::default();
        let pieces = formula::pieces(formula);
        for (index, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) => parts.text.push_str(text),
                Piece::Reference(reference) => {
                    let before = index.checked_sub(1).and_then(|before| pieces.get(before));
                    let is_summed = is_summed(before, pieces.get(index + 1));
                    self.reference(reference, place, is_summed, &mut parts)?;
                }
            }
        }
        Ok(parts.done())
    }

    fn reference(
        &self,
        reference: &Reference<'_>,
        place: Place,
        is_summed: bool,
        parts: &mut Parts,
    ) -> Result<()> {
        let sheet = match reference.sheet() {
            None => Some(place.sheet),
            Some(name) => self.find(&name),
        };
        let Some(sheet) = sheet else {
            parts.text.push_str(reference.prefix);
            // Not a sheet of this workbook, so nothing of it moves.
            parts.fixed(reference.first, reference.first.row);
            if let Some(last) = reference.last {
                parts.text.push(':');
                parts.fixed(last, last.row);
            }
            return Ok(());
        };
        let (name, shift) = &self.sheets[sheet];
        let home = place
            .stretch
            .filter(|_| sheet == place.sheet)
            .map(|stretch| shift.stretches[stretch]);
        let is_of_row = home.is_some_and(|home| is_relative_in(reference, home));
        if !shift.further.is_empty() && !is_of_row {
            // Neither a chart nor a name takes cells of several sheets.
            let meant = match (place.is_spread, is_summed) {
                (true, _) => overflow::Meant::Spread,
                (false, true) => overflow::Meant::Summed,
                (false, false) => overflow::Meant::Plain,
            };
            let written = overflow::reference(reference, name, shift, meant);
            parts.text.push_str(&written.ok_or_else(too_many_rows)?);
            return Ok(());
        }
        parts.text.push_str(reference.prefix);
        let is_spread = (place.is_spread || is_summed) && home.is_none();
        let is_many = |row: u32| Ok::<_, SheetError>(shift.first(row)? < shift.last(row)?);
        let last = match (reference.last, reference.first.row) {
            (None, Some(row)) if is_spread && is_many(row)? => Some(reference.first),
            (last, _) => last,
        };
        let Some(last) = last else {
            return parts.point(reference.first, shift, home, End::First);
        };
        // A range of fixed rows that covers all of the repeated ones means the whole list.
        let is_whole = home.is_some_and(|home| {
            (reference.first.is_row_fixed && last.is_row_fixed)
                && reference.first.row.is_some_and(|row| row <= home.first)
                && last.row.is_some_and(|row| row >= home.last())
        });
        let home = home.filter(|_| !is_whole);
        parts.point(reference.first, shift, home, End::First)?;
        parts.text.push(':');
        parts.point(last, shift, home, End::Last)
    }
}

/// Whether a reference names only cells of the rows in which it stands, and moves with them.
fn is_relative_in(reference: &Reference<'_>, home: Stretch) -> bool {
    let is_in = |point: Point| !point.is_row_fixed && point.row.is_some_and(|r| home.contains(r));
    is_in(reference.first) && reference.last.is_none_or(is_in)
}

/// Whether a reference between these pieces is all that a function sums up. Of a single row Excel itself writes
/// `SUM(E6)`.
fn is_summed(before: Option<&Piece<'_>>, after: Option<&Piece<'_>>) -> bool {
    const FUNCTIONS: [&str; 9] = [
        "SUM",
        "AVERAGE",
        "COUNT",
        "COUNTA",
        "MIN",
        "MAX",
        "PRODUCT",
        "SUBTOTAL",
        "AGGREGATE",
    ];
    let (Some(Piece::Text(before)), Some(Piece::Text(after))) = (before, after) else {
        return false;
    };
    // In front of the range of a subtotal stands which one it is.
    let is_argument = |c: char| c.is_ascii_digit() || c == ',' || c == ' ';
    let Some(before) = before.trim_end_matches(is_argument).strip_suffix('(') else {
        return false;
    };
    let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '.' && c != '_');
    after.starts_with(')') && name.take(1).any(|name| FUNCTIONS.contains(&name))
}

/// Which end of a range a point is; a cell is a first one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

#[derive(Default)]
struct Parts {
    done: Vec<Part>,
    text: String,
}

impl Parts {
    fn fixed(&mut self, point: Point, row: Option<u32>) {
        Point { row, ..point }.write(&mut self.text);
    }

    fn point(
        &mut self,
        point: Point,
        shift: &Shift,
        home: Option<Stretch>,
        end: End,
    ) -> Result<()> {
        let Some(row) = point.row else {
            self.fixed(point, None);
            return Ok(());
        };
        if let Some(home) = home
            && !point.is_row_fixed
            // The rows directly above are those of the element before, such as in a running balance.
            && (home.first.saturating_sub(home.height).max(1)..=home.last()).contains(&row)
        {
            point.write_column(&mut self.text);
            self.flush();
            self.done
                .push(Part::Row(i64::from(row) - i64::from(home.first)));
            return Ok(());
        }
        let is_home = home.is_some_and(|home| home.contains(row));
        let row = match end {
            End::Last if !is_home => shift.last(row)?,
            _ => shift.first(row)?,
        };
        self.fixed(point, Some(row));
        Ok(())
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done.push(Part::Text(std::mem::take(&mut self.text)));
        }
    }

    fn done(mut self) -> Vec<Part> {
        self.flush();
        self.done
    }
}

#[cfg(test)]
mod tests;
