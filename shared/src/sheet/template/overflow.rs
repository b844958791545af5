//! Lists that go on on further sheets, where one sheet is full: the rows above the list are there again, the rows below
//! it stand on the last sheet. Only what is simple enough can go on so; everything else is refused.

use super::Template;
use super::formula::{self, Piece, Point, Reference};
use super::model::{Block, Model};
use super::repeated::{Content, Row};
use super::shift::Shift;
use crate::sheet::Result;

/// The longest name of a sheet, characters.
const NAME_CHARS_MAX: usize = 31;

/// A sheet on which a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Further {
    pub name: String,
    pub copies: u64,
}

/// How many elements of a sheet's list fit on one sheet of so many rows; none where the list has to end with it.
pub fn capacity(
    template: &Template,
    sheet: usize,
    rows: &[Row],
    rows_max: u32,
) -> Result<Option<u64>> {
    let package = &template.package;
    let sheet = &template.model.sheets[sheet];
    let [block] = sheet.blocks.as_slice() else {
        return Ok(None);
    };
    let mut relations = package.relations(&sheet.part)?.into_iter();
    let is_plain = block.lists == [""]
        && relations.all(|relation| matches!(relation.kind.as_str(), "hyperlink" | "printerSettings"))
        && !package
            .names()
            .iter()
            .any(|name| name.contains("/charts/") || name.contains("/pivot"))
        // Strict files name the kinds of their parts in another way.
        && !package.text(package.workbook())?.contains("purl.oclc.org");
    let filled: Vec<String> = template
        .model
        .sheets
        .iter()
        .filter(|sheet| !sheet.blocks.is_empty())
        .map(|sheet| sheet.name.to_lowercase())
        .collect();
    let formulas_stay = rows
        .iter()
        .flat_map(|row| &row.cells)
        .all(|cell| match &cell.content {
            Content::Formula(formula) => stays_in_row(formula, block, &filled),
            Content::Array(..) => false,
            Content::Fixed(..) | Content::Marked => true,
        });
    let around = block.first - 1 + sheet.last_row.saturating_sub(block.last);
    let copies = rows_max.saturating_sub(around) / block.height();
    Ok(Some(u64::from(copies)).filter(|copies| is_plain && formulas_stay && *copies > 0))
}

/// Whether a formula in repeated rows names only cells of its own copy, and cells that are on every sheet. `filled` has
/// the names of the sheets with lists.
fn stays_in_row(formula: &str, block: &Block, filled: &[String]) -> bool {
    let stays = |point: Point| {
        point.row.is_some_and(|row| {
            if point.is_row_fixed {
                row < block.first
            } else {
                // The rows directly above are those of the element before, which may be on another sheet.
                (block.first..=block.last).contains(&row) || row + block.height() < block.first
            }
        })
    };
    formula::pieces(formula).iter().all(|piece| match piece {
        Piece::Text(_) => true,
        Piece::Reference(reference) => match reference.sheet() {
            None => stays(reference.first) && reference.last.is_none_or(stays),
            Some(name) => !filled.contains(&name.to_lowercase()),
        },
    })
}

/// The further sheets of a list with so many elements.
pub fn further(model: &Model, sheet: usize, capacity: u64, count: u64) -> Vec<Further> {
    let mut names: Vec<String> = model.sheets.iter().map(|s| s.name.to_lowercase()).collect();
    let mut further = Vec::new();
    let mut rest = count.saturating_sub(capacity);
    let mut number = 2;
    while rest > 0 {
        let name = numbered(&model.sheets[sheet].name, number);
        number += 1;
        if names.contains(&name.to_lowercase()) {
            continue;
        }
        names.push(name.to_lowercase());
        let copies = rest.min(capacity);
        rest -= copies;
        further.push(Further { name, copies });
    }
    further
}

fn numbered(name: &str, number: u32) -> String {
    let end = format!(" ({number})");
    let kept = NAME_CHARS_MAX - end.len();
    let mut units = 0;
    let start: String = name
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= kept
        })
        .collect();
    start + &end
}

/// A sheet's name in front of a reference.
pub fn prefix_of(name: &str) -> String {
    format!("'{}'!", name.replace('\'', "''"))
}

/// How a reference is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    Plain,
    /// It is all that a function sums up, which may as well be several ranges.
    Summed,
    /// A single repeated cell means all of its copies.
    Spread,
}

/// A reference to cells of a sheet whose list goes on on others, from outside of the list; none where it cannot be
/// written.
pub fn reference(
    reference: &Reference<'_>,
    name: &str,
    shift: &Shift,
    meant: Meant,
) -> Option<String> {
    let (stretch, last_sheet) = (shift.stretches.first()?, shift.further.last()?);
    let first = reference.first.row?;
    let last = reference.last.unwrap_or(reference.first).row?;
    let is_cell = reference.last.is_none();
    let is_first_copy = is_cell && stretch.contains(first) && meant == Meant::Plain;
    let mut out = String::new();
    if last < stretch.first || is_first_copy {
        out.push_str(reference.prefix);
        write(reference, first, last, is_cell, &mut out);
    } else if first > stretch.last() {
        let added = (last_sheet.copies as u32 - 1) * stretch.height;
        out.push_str(&prefix_of(&last_sheet.name));
        write(reference, first + added, last + added, is_cell, &mut out);
    } else if meant == Meant::Summed && stretch.contains(first) && stretch.contains(last) {
        let sheets = std::iter::once((name, stretch.copies.unwrap_or(1)));
        let further = shift.further.iter().map(|f| (f.name.as_str(), f.copies));
        for (name, copies) in sheets.chain(further) {
            if !out.is_empty() {
                out.push(',');
            }
            let added = (copies as u32 - 1) * stretch.height;
            out.push_str(&prefix_of(name));
            write(reference, first, last + added, false, &mut out);
        }
    } else {
        return None;
    }
    Some(out)
}

fn write(reference: &Reference<'_>, first: u32, last: u32, is_cell: bool, out: &mut String) {
    let at = |point: Point, row: u32| Point {
        row: Some(row),
        ..point
    };
    at(reference.first, first).write(out);
    if !is_cell {
        out.push(':');
        at(reference.last.unwrap_or(reference.first), last).write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_sheet_has_a_name_of_its_own() {
        assert_eq!(numbered("Rows", 2), "Rows (2)");
        let long = "一".repeat(31);
        assert_eq!(numbered(&long, 10).chars().count(), 31);
        assert_eq!(prefix_of("It's (2)"), "'It''s (2)'!");
    }
}
