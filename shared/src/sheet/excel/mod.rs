//! Excel from a tree of heads (DC-5).
//!
//! A table is, from top to bottom: title, summary, header, heads, rows, footer. Rows go to their part as they
//! come; everything else is drawn when the file is put together, because columns and their widths may still
//! change. Rows of a table with row heads may come in any order, so they are held and drawn at the end too.
//!
//! Where the rows of a table end on a full sheet, the next sheet begins with the heads. The rows of one table
//! on one sheet are a *run*; run *n* is part *n*.

mod book;
mod draw;
mod held;
mod look;
mod name;
mod pen;
mod run;
mod width;

use super::parts::{Form, Parts};
use super::rows::Cell;
use super::table::{Table, TableState};
use super::{Finished, Page, Result, SheetError, Writer};
use crate::domain::heads::depth;
use crate::domain::layout::{self, Layout, TableLayout};
use crate::limits::{SEGMENT_BYTES, SHEET_ROWS_MAX};
use held::Held;
use look::Looks;
use pen::Pens;
use run::Run;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io;
use width::Widths;

/// Held rows of table *n* are the plain part `HELD_PARTS + n`.
const HELD_PARTS: u32 = 1_000_000;

/// An Excel file that is being written.
#[derive(Clone)]
pub struct ExcelWriter {
    layout: Layout,
    /// Rows of a sheet.
    rows_max: u32,
    looks: Looks,
    tables: Vec<ExcelTable>,
    runs: Vec<Run>,
    /// The last row of the last sheet that is taken.
    end: u32,
}

/// How far a table is.
#[derive(Clone)]
struct ExcelTable {
    table: Table,
    pens: Pens,
    progress: Progress,
}

/// What of a table is kept beside its columns.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Progress {
    header: Vec<String>,
    footer: Vec<String>,
    widths: Widths,
    rows: u64,
    /// The last of its runs.
    run: Option<usize>,
    /// For a table with row heads.
    held: Option<Held>,
    is_closed: bool,
}

#[derive(Serialize, Deserialize)]
struct Position {
    tables: Vec<(TableState, Progress)>,
    runs: Vec<Run>,
    end: u32,
}

impl ExcelWriter {
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
            rows_max: SHEET_ROWS_MAX,
            looks: Looks::default(),
            tables: Vec::new(),
            runs: Vec::new(),
            end: 0,
        }
    }

    /// Begins all tables up to this one, and closes those before it.
    fn begin(&mut self, index: usize, template: Option<&RawValue>) -> Result<()> {
        let none = TableLayout::default();
        while self.tables.len() <= index {
            if !self.tables.is_empty() {
                self.close(self.tables.len() - 1)?;
            }
            let layout = self.layout.tables.get(self.tables.len()).unwrap_or(&none);
            let table = Table::begin(layout, None)?;
            let progress = Progress {
                header: layout.header.clone(),
                footer: layout.footer.clone(),
                held: Held::of(table.row_heads()),
                ..Progress::default()
            };
            self.add(table, progress);
        }
        if template.is_some() && self.tables[index].awaits_columns() {
            let table = Table::begin(&none, template)?;
            let mut progress = std::mem::take(&mut self.tables[index].progress);
            progress.held = Held::of(table.row_heads());
            self.tables[index].table = table;
            self.tables[index].progress = progress;
            self.make_pens();
        }
        Ok(())
    }

    fn add(&mut self, table: Table, progress: Progress) {
        let pens = self.pens(&table);
        self.tables.push(ExcelTable {
            table,
            pens,
            progress,
        });
    }

    fn pens(&mut self, table: &Table) -> Pens {
        let heads = table.heads();
        let levels = depth(&heads.rows);
        Pens::new(&heads.columns, levels, &self.layout, &mut self.looks)
    }

    /// Makes the pens of all tables, always in the same order, so that a look keeps its number.
    fn make_pens(&mut self) {
        self.looks = Looks::default();
        for index in 0..self.tables.len() {
            self.tables[index].pens = self.pens(&self.tables[index].table.clone());
        }
    }

    fn plain_page(&mut self, index: usize, page: &Page<'_>, parts: &mut dyn Parts) -> Result<u64> {
        let mut text = Vec::with_capacity(SEGMENT_BYTES + SEGMENT_BYTES / 8);
        let mut cells: Vec<Cell<'_>> = Vec::new();
        let before = self.tables[index].progress.rows;
        for mut block in self.tables[index].table.blocks(page.rows)? {
            while block.rows.next_row()? {
                let is_full = self.tables[index]
                    .progress
                    .run
                    .is_none_or(|run| self.runs[run].is_full(self.rows_max));
                if is_full {
                    self.hand_on(index, &mut text, parts)?;
                    self.open(index, true)?;
                }
                let table = &mut self.tables[index];
                table.table.read(&mut block.rows, &mut cells)?;
                table.pens.widen(table.table.width());
                let Some(run) = table.progress.run.map(|run| &mut self.runs[run]) else {
                    continue;
                };
                let widths = table.progress.widths.sampling();
                table.pens.row(run.next_row(), &cells, widths, &mut text)?;
                run.rows += 1;
                table.progress.rows += 1;
                if text.len() >= SEGMENT_BYTES {
                    self.hand_on(index, &mut text, parts)?;
                }
            }
        }
        self.hand_on(index, &mut text, parts)?;
        Ok(self.tables[index].progress.rows - before)
    }

    /// Hands the rows that have been written on to their part.
    fn hand_on(&self, index: usize, text: &mut Vec<u8>, parts: &mut dyn Parts) -> Result<()> {
        if let Some(run) = self.tables[index].progress.run
            && !text.is_empty()
        {
            let room = Vec::with_capacity(text.capacity());
            let part = u32::try_from(run).unwrap_or(u32::MAX);
            parts.append(part, Form::Deflated, std::mem::replace(text, room))?;
        }
        Ok(())
    }
}

impl ExcelTable {
    /// Whether nothing says yet what the columns are.
    fn awaits_columns(&self) -> bool {
        self.progress.rows == 0 && self.table.width() == 0
    }

    /// Takes the lines that a page brings along: the first header, the last footer.
    fn take_lines(&mut self, page: &Page<'_>) -> Result<()> {
        let lines = |json, name| {
            layout::lines(json, name).map_err(|error| {
                let message = format!("The source's {name} is wrong: {}", error.message);
                SheetError::refused("bad_lines", message)
            })
        };
        let progress = &mut self.progress;
        if progress.header.is_empty() && progress.run.is_none() {
            progress.header = lines(page.header, "header")?;
        }
        let footer = lines(page.footer, "footer")?;
        if !footer.is_empty() {
            progress.footer = footer;
        }
        Ok(())
    }
}

impl Writer for ExcelWriter {
    fn page(&mut self, table: usize, page: &Page<'_>, parts: &mut dyn Parts) -> Result<u64> {
        let template = page.template.filter(|json| json.get() != "null");
        self.begin(table, template)?;
        if self.tables[table].progress.is_closed {
            // What stands below it has its place already.
            return Err(SheetError::Io(io::ErrorKind::InvalidInput.into()));
        }
        self.tables[table].take_lines(page)?;
        if self.tables[table].progress.held.is_some() {
            let part = HELD_PARTS.saturating_add(u32::try_from(table).unwrap_or(u32::MAX));
            return self.tables[table].hold_page(page, part, parts);
        }
        self.plain_page(table, page, parts)
    }

    fn position(&self) -> Result<serde_json::Value> {
        let tables = self.tables.iter();
        let position = Position {
            tables: tables
                .map(|table| (table.table.state(), table.progress.clone()))
                .collect(),
            runs: self.runs.clone(),
            end: self.end,
        };
        serde_json::to_value(position).map_err(|error| SheetError::Io(error.into()))
    }

    fn resume(&mut self, position: serde_json::Value) -> Result<()> {
        let position: Position =
            serde_json::from_value(position).map_err(|error| SheetError::Io(error.into()))?;
        self.looks = Looks::default();
        self.tables.clear();
        let none = TableLayout::default();
        for (index, (state, progress)) in position.tables.into_iter().enumerate() {
            let layout = self.layout_of(index).unwrap_or(&none);
            let table = Table::resume(state, layout);
            self.add(table, progress);
        }
        self.runs = position.runs;
        self.end = position.end;
        Ok(())
    }

    fn finish(&mut self, parts: &mut dyn Parts, out: &mut dyn io::Write) -> Result<Finished> {
        // Finishing again has to begin where this did.
        let mut whole = self.clone();
        whole.close_all()?;
        book::write(&mut whole, parts, out)
    }
}

#[cfg(test)]
mod tests;
