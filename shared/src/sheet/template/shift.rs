//! Where the cells of a template stand once the lists are filled.

use super::formula::{Point, ROWS_MAX};
use super::overflow::Further;
use crate::limits::TEMPLATE_AREAS_MAX;
use crate::sheet::{Result, SheetError};

/// Rows of the template that are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first row in the template, counted from 1, and how many.
    pub first: u32,
    pub height: u32,
    /// How often they stand in the file, at least once; none as long as it is not known.
    pub copies: Option<u64>,
}

impl Stretch {
    pub fn last(&self) -> u32 {
        self.first + self.height - 1
    }

    pub fn contains(&self, row: u32) -> bool {
        (self.first..=self.last()).contains(&row)
    }
}

/// The repeated rows of one sheet from top to bottom.
#[derive(Clone, Debug, Default)]
pub struct Shift {
    pub stretches: Vec<Stretch>,
    /// The sheets on which the only list of this one goes on.
    pub further: Vec<Further>,
}

impl Shift {
    pub fn stretch_of(&self, row: u32) -> Option<usize> {
        self.stretches
            .iter()
            .position(|stretch| stretch.contains(row))
    }

    /// Rows that the lists above a row of the template add.
    fn added_above(&self, row: u32) -> Result<u64> {
        let mut added = 0;
        for stretch in self.stretches.iter().filter(|s| s.last() < row) {
            added += (copies(stretch)? - 1) * u64::from(stretch.height);
        }
        Ok(added)
    }

    /// Where a row of the template stands; of a repeated one its first copy.
    pub fn first(&self, row: u32) -> Result<u32> {
        in_sheet(u64::from(row) + self.added_above(row)?)
    }

    /// The same, at most at the end of the sheet: formats may reach far below the last cell.
    fn within(&self, row: u32) -> Result<u32> {
        let first = u64::from(row) + self.added_above(row)?;
        Ok(first.min(u64::from(ROWS_MAX)) as u32)
    }

    /// Where the last copy of a row stands, at most at the end of the sheet.
    pub fn last(&self, row: u32) -> Result<u32> {
        let mut last = u64::from(row) + self.added_above(row)?;
        if let Some(stretch) = self.stretches.iter().find(|s| s.contains(row)) {
            last += (copies(stretch)? - 1) * u64::from(stretch.height);
        }
        Ok(last.min(u64::from(ROWS_MAX)) as u32)
    }

    /// A cell, such as `B7`. What is none stays as it is.
    pub fn cell(&self, text: &str) -> Result<String> {
        let mut out = String::new();
        match Point::parse(text) {
            Some(mut point) => {
                point.row = point.row.map(|row| self.within(row)).transpose()?;
                point.write(&mut out);
            }
            None => out.push_str(text),
        }
        Ok(out)
    }

    /// The same where there may be several ranges: one that covers only some rows of an element becomes as many as
    /// there are elements, unless these are too many.
    pub fn areas(&self, text: &str) -> Result<String> {
        let mut areas = Vec::new();
        for range in text.split_ascii_whitespace() {
            match self.area_of_copies(range)? {
                Some(mut ranges) => areas.append(&mut ranges),
                None => areas.push(self.ranges(range)?),
            }
        }
        Ok(areas.join(" "))
    }

    fn area_of_copies(&self, range: &str) -> Result<Option<Vec<String>>> {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let (Some(first), Some(last)) = (Point::parse(first), Point::parse(last)) else {
            return Ok(None);
        };
        let (Some(from), Some(to)) = (first.row, last.row) else {
            return Ok(None);
        };
        let part_of = |s: &&Stretch| s.contains(from) && s.contains(to) && to - from + 1 < s.height;
        let Some(stretch) = self.stretches.iter().filter(|_| from <= to).find(part_of) else {
            return Ok(None);
        };
        let copies = copies(stretch)?;
        if copies > TEMPLATE_AREAS_MAX {
            return Ok(None);
        }
        let (from, to) = (self.within(from)?, self.within(to)?);
        let at = |point: Point, row: u32| Point {
            row: Some(row.min(ROWS_MAX)),
            ..point
        };
        let ranges = (0..copies as u32).map(|copy| {
            let mut out = String::new();
            at(first, from + copy * stretch.height).write(&mut out);
            if range.contains(':') {
                out.push(':');
                at(last, to + copy * stretch.height).write(&mut out);
            }
            out
        });
        Ok(Some(ranges.collect()))
    }

    /// A range, such as `B7:C9`, or several with spaces between them. Ranges over repeated rows grow with them.
    pub fn ranges(&self, text: &str) -> Result<String> {
        let mut out = String::new();
        for range in text.split_ascii_whitespace() {
            if !out.is_empty() {
                out.push(' ');
            }
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            let (Some(mut first), Some(mut last)) = (Point::parse(first), Point::parse(last))
            else {
                out.push_str(range);
                continue;
            };
            first.row = first.row.map(|row| self.within(row)).transpose()?;
            last.row = last.row.map(|row| self.last(row)).transpose()?;
            first.write(&mut out);
            if first != last || range.contains(':') {
                out.push(':');
                last.write(&mut out);
            }
        }
        Ok(out)
    }
}

fn copies(stretch: &Stretch) -> Result<u64> {
    stretch.copies.ok_or_else(|| {
        SheetError::refused(
            "expected_rows_needed",
            "The template refers to cells below a list, so the number of rows has to be known before the first one; \
             the source does not tell it",
        )
    })
}

fn in_sheet(row: u64) -> Result<u32> {
    if row > u64::from(ROWS_MAX) {
        return Err(too_many_rows());
    }
    Ok(row as u32)
}

/// The lists do not fit onto the sheet.
pub fn too_many_rows() -> SheetError {
    SheetError::refused(
        "too_many_rows_for_template",
        format!("The filled template would have more than {ROWS_MAX} rows on a sheet"),
    )
}
