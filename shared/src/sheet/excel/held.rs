//! Rows of tables with row heads. They may come in any order and over several pages, so they are held, and
//! drawn when all are there.
//!
//! A row is held as a line with the number of its row head and its length in bytes, and then its JSON.

use super::draw::{Sketch, head_look, put_cell};
use super::look::Looks;
use super::pen::{Digits, height};
use super::run::Run;
use super::{ExcelTable, ExcelWriter, HELD_PARTS};
use crate::domain::heads::{Head, Placed, depth, leaves, place};
use crate::limits::{HELD_CELLS_MAX, HELD_ROWS_BYTES_MAX, SEGMENT_BYTES};
use crate::sheet::parts::{Form, Parts};
use crate::sheet::rows::{Cell, Rows};
use crate::sheet::table::Table;
use crate::sheet::{Page, Result, SheetError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How many rows are held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Held {
    /// By row head in the order of the leaves, and last those that name none of them.
    counts: Vec<u32>,
    bytes: u64,
}

impl Held {
    /// None for a table without row heads.
    pub fn of(row_heads: &[Head]) -> Option<Self> {
        (!row_heads.is_empty()).then(|| Self {
            counts: vec![0; leaves(row_heads).len() + 1],
            bytes: 0,
        })
    }
}

impl ExcelTable {
    /// Holds the rows of a page. Errors: `bad_rows`, `too_many_rows`.
    pub(super) fn hold_page(
        &mut self,
        page: &Page<'_>,
        part: u32,
        parts: &mut dyn Parts,
    ) -> Result<u64> {
        let names: HashMap<String, usize> = leaves(self.table.row_heads())
            .iter()
            .map(|head| head.name.clone())
            .zip(0..)
            .collect();
        let Some(mut held) = self.progress.held.clone() else {
            return Ok(0);
        };
        let mut text = Vec::new();
        let mut cells = Vec::new();
        let mut count = 0;
        for mut block in self.table.blocks(page.rows)? {
            while block.rows.next_row()? {
                let row_head = self.table.read(&mut block.rows, &mut cells)?;
                let name = match block.row_head.map_or(row_head, Cell::Text) {
                    Cell::Text(text) => text.decode(),
                    Cell::Number(number) => number.into(),
                    _ => "".into(),
                };
                let leaf = names.get(name.as_ref()).copied().unwrap_or(names.len());
                held.counts[leaf] += 1;
                let json = block.rows.row_text();
                let line = format!("{leaf} {}\n", json.len());
                held.bytes += (line.len() + json.len()) as u64;
                if held.bytes > HELD_ROWS_BYTES_MAX {
                    return Err(too_many_bytes());
                }
                text.extend_from_slice(line.as_bytes());
                text.extend_from_slice(json.as_bytes());
                self.see(&cells);
                count += 1;
            }
        }
        if !text.is_empty() {
            parts.append(part, Form::Plain, text)?;
        }
        self.progress.held = Some(held);
        self.progress.rows += count;
        Ok(count)
    }

    fn see(&mut self, cells: &[Cell<'_>]) {
        let levels = depth(self.table.row_heads());
        let width = self.table.width();
        if let Some(widths) = self.progress.widths.sampling() {
            for (column, cell) in cells[..width].iter().enumerate() {
                widths.see_cell(levels + column, *cell, 0);
            }
        }
    }

    /// Rows of each row head: as many as it reserves, or more where more have come.
    fn sizes(&self) -> Vec<u32> {
        let counts = self
            .progress
            .held
            .as_ref()
            .map(|held| held.counts.as_slice());
        let counts = counts.unwrap_or_default();
        let reserved = leaves(self.table.row_heads())
            .into_iter()
            .map(|head| head.row_count)
            .chain([0]);
        reserved
            .zip(counts)
            .map(|(reserved, count)| reserved.max(*count))
            .collect()
    }

    /// All rows of a table with row heads; None for one without. Errors: `too_many_rows`.
    pub(super) fn held_rows(&self) -> Result<Option<u32>> {
        if self.progress.held.is_none() {
            return Ok(None);
        }
        let rows = self
            .sizes()
            .iter()
            .fold(0_u32, |sum, size| sum.saturating_add(*size));
        let columns = self.table.width() + depth(self.table.row_heads());
        if u64::from(rows) * columns as u64 > HELD_CELLS_MAX {
            let message = format!("A table with row heads has at most {HELD_CELLS_MAX} cells.");
            return Err(SheetError::refused("too_many_rows", message));
        }
        Ok(Some(rows))
    }

    /// A sentence about rows whose row head the template does not have.
    pub(super) fn unplaced(&self) -> Option<String> {
        let count = self.progress.held.as_ref()?.counts.last()?;
        (*count > 0).then(|| {
            format!("{count} rows name no row head of the template; they stand below the others.")
        })
    }
}

fn too_many_bytes() -> SheetError {
    let mebibytes = HELD_ROWS_BYTES_MAX >> 20;
    let message = format!("A table with row heads holds at most {mebibytes} MiB of rows.");
    SheetError::refused("too_many_rows", message)
}

/// A row head, or part of one, in the column of one level.
struct Lane<'a> {
    from: usize,
    until: usize,
    /// None in the columns that a leaf covers beside its own.
    title: Option<&'a str>,
    look: u32,
}

/// The lanes of each level from top to bottom.
fn lanes<'a>(placed: &[Placed<'a>], levels: usize, looks: &mut Looks) -> Vec<Vec<Lane<'a>>> {
    let mut lanes: Vec<Vec<Lane<'a>>> = (0..levels).map(|_| Vec::new()).collect();
    for at in placed.iter().filter(|at| at.places > 0) {
        let look = looks.number(head_look(&at.head.style));
        for (offset, lane) in lanes[at.level..].iter_mut().take(at.levels).enumerate() {
            lane.push(Lane {
                from: at.place,
                until: at.place + at.places,
                title: (offset == 0).then_some(at.head.title.as_str()),
                look,
            });
        }
    }
    lanes
}

/// The held rows of each row head, in the order in which they came.
fn by_row_head(held: &str, row_heads: usize) -> Option<Vec<Vec<&str>>> {
    let mut rows = vec![Vec::new(); row_heads];
    let mut rest = held;
    while !rest.is_empty() {
        let (line, behind) = rest.split_once('\n')?;
        let (leaf, length) = line.split_once(' ')?;
        let length: usize = length.parse().ok()?;
        rows.get_mut(leaf.parse::<usize>().ok()?)?
            .push(behind.get(..length)?);
        rest = &behind[length..];
    }
    Some(rows)
}

impl ExcelWriter {
    /// Draws the rows of a run of a table with row heads into a part, and their merges into the sketch.
    pub(super) fn draw_held(
        &self,
        run: &Run,
        looks: &mut Looks,
        sketch: &mut Sketch,
        into: u32,
        parts: &mut dyn Parts,
    ) -> Result<()> {
        let table = &self.tables[run.table];
        let sizes = table.sizes();
        let mut held = Vec::new();
        parts.copy(HELD_PARTS + run.table as u32, &mut held)?;
        let held = String::from_utf8(held).unwrap_or_default();
        let Some(rows) = by_row_head(&held, sizes.len()) else {
            return Err(SheetError::Io(std::io::ErrorKind::InvalidData.into()));
        };
        let mut heads = table.table.row_heads().to_vec();
        // Where rows stand that name none of the row heads.
        heads.push(Head::default());
        let placed = place(&heads, &|leaf| sizes[leaf] as usize);
        for at in placed.iter().filter(|at| at.places > 0) {
            let row = run.first_row + at.place as u32;
            sketch.merge(row, at.level, at.places as u32, at.levels);
        }
        let mut drawing = Drawing {
            lanes: lanes(&placed, depth(&heads), looks),
            lane_at: vec![0; depth(&heads)],
            table,
            reader: table.table.clone(),
            cells: Vec::new(),
            text: Vec::new(),
        };
        let mut offset = 0;
        for (leaf, (head, size)) in leaves(&heads).into_iter().zip(&sizes).enumerate() {
            let attributes = height(head.style.height.or(self.layout.default_height));
            for index in 0..*size as usize {
                let row = rows[leaf].get(index).copied().unwrap_or("{}");
                let number = run.first_row + offset as u32;
                drawing.row(number, offset, &attributes, row)?;
                offset += 1;
                if drawing.text.len() >= SEGMENT_BYTES {
                    parts.append(into, Form::Deflated, std::mem::take(&mut drawing.text))?;
                }
            }
        }
        if !drawing.text.is_empty() {
            parts.append(into, Form::Deflated, drawing.text)?;
        }
        Ok(())
    }
}

/// A table with row heads that is being drawn.
struct Drawing<'a> {
    lanes: Vec<Vec<Lane<'a>>>,
    /// The lane of each level that the row to come is in.
    lane_at: Vec<usize>,
    table: &'a ExcelTable,
    reader: Table,
    cells: Vec<Cell<'a>>,
    text: Vec<u8>,
}

impl<'a> Drawing<'a> {
    /// Draws the row that stands so many rows below the first.
    fn row(&mut self, number: u32, offset: usize, attributes: &[u8], row: &'a str) -> Result<()> {
        let digits = Digits::of(number);
        let text = &mut self.text;
        text.extend_from_slice(b"<row r=\"");
        text.extend_from_slice(digits.as_bytes());
        text.push(b'"');
        text.extend_from_slice(attributes);
        text.push(b'>');
        for (level, lanes) in self.lanes.iter().enumerate() {
            let at = &mut self.lane_at[level];
            while lanes.get(*at).is_some_and(|lane| lane.until <= offset) {
                *at += 1;
            }
            if let Some(lane) = lanes.get(*at) {
                let title = lane.title.filter(|_| lane.from == offset);
                put_cell(level, &digits, title.unwrap_or_default(), lane.look, text);
            }
        }
        let mut rows = Rows::of_row(row);
        rows.next_row()?;
        self.reader.read(&mut rows, &mut self.cells)?;
        self.table.pens.cells(&digits, &self.cells, None, text)?;
        text.extend_from_slice(b"</row>");
        Ok(())
    }
}
