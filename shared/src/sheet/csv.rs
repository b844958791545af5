//! CSV (RFC 4180): one line of heads, one line per row, CRLF.
//!
//! The title of a head stands in the line of heads behind those of its parents, joined by `/`. Row heads are
//! columns in front, one for each of their levels, repeated in every row, and rows keep the order in which they
//! came. Several tables stand one below the other, an empty line between them, each under its title. Summary,
//! header and footer are for readers, not for programs, and are left out.

use super::parts::{Form, Parts};
use super::rows::{Cell, compact};
use super::table::{Table, TableState};
use super::value::is_number;
use super::{Finished, Page, Result, SheetError, Writer};
use crate::domain::heads::{depth, leaves, paths};
use crate::domain::layout::{Layout, TableLayout};
use crate::limits::SEGMENT_BYTES;
use memchr::{memchr, memchr2, memchr3};
use padding::{Growth, Padding};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, Write};

mod padding;

/// A CSV file that is being written. The rows of table *n* are part *n*, plain.
pub struct CsvWriter {
    layout: Layout,
    tables: Vec<CsvTable>,
}

struct CsvTable {
    table: Table,
    /// The titles of each row head by its name.
    row_heads: HashMap<String, Vec<String>>,
    /// Levels of row heads: columns in front of the values.
    levels: usize,
    rows: u64,
    /// Bytes of its part.
    bytes: u64,
    growth: Vec<Growth>,
}

/// What is kept of each table.
#[derive(Serialize, Deserialize)]
struct Position {
    table: TableState,
    rows: u64,
    bytes: u64,
    growth: Vec<Growth>,
}

impl CsvWriter {
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
            tables: Vec::new(),
        }
    }

    /// Begins all tables up to this one.
    fn begin(&mut self, table: usize, page: &Page<'_>) -> Result<()> {
        while self.tables.len() <= table {
            let none = TableLayout::default();
            let layout = self.layout.tables.get(self.tables.len()).unwrap_or(&none);
            self.tables.push(CsvTable::new(Table::begin(layout, None)?));
        }
        let begun = &mut self.tables[table];
        if begun.rows == 0 && begun.table.width() == 0 {
            *begun = CsvTable::new(Table::begin(&TableLayout::default(), page.template)?);
        }
        Ok(())
    }

    /// What stands above the rows of a table.
    fn opening(&self, index: usize) -> Vec<u8> {
        let mut out = Vec::new();
        if index > 0 {
            out.extend_from_slice(b"\r\n");
        }
        let escape = self.layout.escape_formulas;
        let layout = self.layout.tables.get(index);
        if self.layout.multi_type.is_some()
            && let Some(title) = layout.and_then(|layout| layout.title.as_deref())
        {
            put_text(title, escape, &mut out);
            out.extend_from_slice(b"\r\n");
        }
        let begun = self.tables.get(index);
        let heads = match (begun, layout.and_then(|layout| layout.heads.as_ref())) {
            (Some(begun), _) => begun.table.heads().into_owned(),
            (None, Some(heads)) => heads.clone(),
            (None, None) => return out,
        };
        let levels = depth(&heads.rows);
        let titles: Vec<String> = vec![String::new(); levels]
            .into_iter()
            .chain(paths(&heads.columns).iter().map(|path| path.join("/")))
            .collect();
        if titles.is_empty() {
            return out;
        }
        for (column, title) in titles.iter().enumerate() {
            if column > 0 {
                out.push(b',');
            }
            put_text(title, escape, &mut out);
        }
        end_line(titles.len(), 0, &mut out);
        out
    }
}

impl Writer for CsvWriter {
    fn page(&mut self, table: usize, page: &Page<'_>, parts: &mut dyn Parts) -> Result<u64> {
        self.begin(table, page)?;
        let escape = self.layout.escape_formulas;
        let part = u32::try_from(table).unwrap_or(u32::MAX);
        self.tables[table].page(page, escape, part, parts)
    }

    fn position(&self) -> Result<serde_json::Value> {
        let positions: Vec<Position> = self
            .tables
            .iter()
            .map(|table| Position {
                table: table.table.state(),
                rows: table.rows,
                bytes: table.bytes,
                growth: table.growth.clone(),
            })
            .collect();
        serde_json::to_value(positions).map_err(|error| SheetError::Io(error.into()))
    }

    fn resume(&mut self, position: serde_json::Value) -> Result<()> {
        let positions: Vec<Position> =
            serde_json::from_value(position).map_err(|error| SheetError::Io(error.into()))?;
        let none = TableLayout::default();
        self.tables = positions
            .into_iter()
            .zip(self.layout.tables.iter().chain(std::iter::repeat(&none)))
            .map(|(position, layout)| CsvTable {
                rows: position.rows,
                bytes: position.bytes,
                growth: position.growth,
                ..CsvTable::new(Table::resume(position.table, layout))
            })
            .collect();
        Ok(())
    }

    fn finish(&mut self, parts: &mut dyn Parts, out: &mut dyn io::Write) -> Result<Finished> {
        if self.layout.csv_bom {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let mut finished = Finished {
            rows: 0,
            sheets: 1,
            warnings: Vec::new(),
        };
        for index in 0..self.layout.tables.len().max(self.tables.len()) {
            out.write_all(&self.opening(index))?;
            let Some(table) = self.tables.get(index) else {
                continue;
            };
            let part = u32::try_from(index).unwrap_or(u32::MAX);
            if table.growth.len() > 1 {
                let mut padded = Padding::new(out, &table.growth);
                parts.copy(part, &mut padded)?;
                padded.flush()?;
            } else {
                parts.copy(part, out)?;
            }
            finished.rows += table.rows;
            finished.warnings.extend(table.table.warning());
        }
        Ok(finished)
    }
}

impl CsvTable {
    fn new(table: Table) -> Self {
        let titles = paths(table.row_heads());
        let names = leaves(table.row_heads());
        let levels = depth(table.row_heads());
        let row_heads = names.iter().zip(titles).map(|(head, path)| {
            let mut path: Vec<String> = path.into_iter().map(str::to_owned).collect();
            path.resize(levels, String::new());
            (head.name.clone(), path)
        });
        Self {
            row_heads: row_heads.collect(),
            levels,
            table,
            rows: 0,
            bytes: 0,
            growth: Vec::new(),
        }
    }

    fn page(
        &mut self,
        page: &Page<'_>,
        escape: bool,
        part: u32,
        parts: &mut dyn Parts,
    ) -> Result<u64> {
        let mut text = Vec::with_capacity(SEGMENT_BYTES + SEGMENT_BYTES / 8);
        let mut cells = Vec::new();
        let before = self.rows;
        for mut block in self.table.blocks(page.rows)? {
            while block.rows.next_row()? {
                let row_head = self.table.read(&mut block.rows, &mut cells)?;
                let row_head = block.row_head.map_or(row_head, Cell::Text);
                self.note_width(text.len());
                self.put_row(row_head, &cells, escape, &mut text);
                self.rows += 1;
                if text.len() >= SEGMENT_BYTES {
                    self.bytes += text.len() as u64;
                    let full = std::mem::replace(&mut text, Vec::with_capacity(SEGMENT_BYTES));
                    parts.append(part, Form::Plain, full)?;
                }
            }
        }
        if !text.is_empty() {
            self.bytes += text.len() as u64;
            parts.append(part, Form::Plain, text)?;
        }
        Ok(self.rows - before)
    }

    /// Notes from which byte on rows are wider than before.
    fn note_width(&mut self, pending_bytes: usize) {
        // A row without fields is written as one empty field.
        let columns = self.table.width().max(1);
        if self.growth.last().map(|growth| growth.columns) != Some(columns) {
            let from = self.bytes + pending_bytes as u64;
            self.growth.push(Growth { from, columns });
        }
    }

    fn put_row(&self, row_head: Cell<'_>, cells: &[Cell<'_>], escape: bool, out: &mut Vec<u8>) {
        let from = out.len();
        if self.levels > 0 {
            self.put_row_head(row_head, escape, out);
        }
        let width = self.table.width();
        for (column, cell) in cells[..width].iter().enumerate() {
            if column > 0 {
                out.push(b',');
            }
            put_cell(*cell, escape, out);
        }
        end_line(self.levels + width, from, out);
    }

    /// The titles of a row head; of one that the template does not have, what the row says.
    fn put_row_head(&self, row_head: Cell<'_>, escape: bool, out: &mut Vec<u8>) {
        let name = match row_head {
            Cell::Text(text) => text.decode(),
            Cell::Number(number) => number.into(),
            _ => "".into(),
        };
        let titles = self.row_heads.get(name.as_ref());
        for level in 0..self.levels {
            match titles {
                Some(titles) => put_text(&titles[level], escape, out),
                None if level == 0 => put_text(&name, escape, out),
                None => {}
            }
            out.push(b',');
        }
    }
}

/// Ends a line of so many fields that began there. One empty field alone would be no record at all.
fn end_line(fields: usize, from: usize, out: &mut Vec<u8>) {
    if fields <= 1 && out.len() == from {
        out.extend_from_slice(b"\"\"");
    }
    out.extend_from_slice(b"\r\n");
}

fn put_cell(cell: Cell<'_>, escape: bool, out: &mut Vec<u8>) {
    match cell {
        Cell::Empty => {}
        Cell::Bool(true) => out.extend_from_slice(b"true"),
        Cell::Bool(false) => out.extend_from_slice(b"false"),
        Cell::Number(number) => out.extend_from_slice(number.as_bytes()),
        // Between its quotes JSON has neither quotes nor line ends but escaped, so a comma is all there can be.
        Cell::Text(text)
            if !text.is_escaped
                && !is_risky(text.raw)
                && memchr(b',', text.raw.as_bytes()).is_none() =>
        {
            out.extend_from_slice(text.raw.as_bytes());
        }
        Cell::Text(text) => put_text(&text.decode(), escape, out),
        Cell::Nested(json) => put_text(&compact(json), escape, out),
    }
}

/// Writes a field, quoted where it has to be. A text that a spreadsheet would run is made harmless (DC-11).
fn put_text(text: &str, escape: bool, out: &mut Vec<u8>) {
    let is_formula = escape && is_risky(text) && !is_number(text);
    let bytes = text.as_bytes();
    let is_quoted =
        memchr3(b',', b'"', b'\n', bytes).is_some() || memchr2(b'\r', b'\n', bytes).is_some();
    if is_quoted {
        out.push(b'"');
    }
    if is_formula {
        out.push(b'\'');
    }
    let mut rest = bytes;
    while let Some(at) = memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    if is_quoted {
        out.push(b'"');
    }
}

/// Whether a text begins as a formula may.
fn is_risky(text: &str) -> bool {
    matches!(
        text.as_bytes().first(),
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')
    )
}

#[cfg(test)]
mod tests;
