//! Where tables stand: sheets, and the runs of rows on them.

use super::ExcelWriter;
use crate::domain::heads::depth;
use crate::domain::layout::{MultiType, TableLayout};
use crate::limits::SHEETS_MAX;
use crate::sheet::{Result, SheetError};
use serde::{Deserialize, Serialize};

/// Rows of one table on one sheet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub table: usize,
    pub sheet: usize,
    /// The first row of all that belongs to the run, counted from 1.
    pub top: u32,
    /// Rows of heads.
    pub heads: u32,
    /// The first row of values.
    pub first_row: u32,
    pub rows: u32,
    /// Whether title, summary and header stand above the heads.
    pub is_first: bool,
}

impl Run {
    pub fn next_row(&self) -> u32 {
        self.first_row.saturating_add(self.rows)
    }

    pub fn is_full(&self, rows_max: u32) -> bool {
        self.next_row() > rows_max
    }
}

impl ExcelWriter {
    pub(super) fn layout_of(&self, index: usize) -> Option<&TableLayout> {
        self.layout.tables.get(index)
    }

    /// Rows above the heads of a table.
    fn banner_rows(&self, index: usize) -> u32 {
        let layout = self.layout_of(index);
        let title = layout.is_some_and(|layout| layout.title.is_some());
        let summary = layout.is_some_and(|layout| layout.summary.is_some());
        let header = self.tables[index].progress.header.len() as u32;
        u32::from(title) + u32::from(summary) + header
    }

    /// Rows of heads of a table; one that has rows has heads.
    fn head_rows(&self, index: usize, has_rows: bool) -> u32 {
        let heads = depth(&self.tables[index].table.heads().columns) as u32;
        heads.max(u32::from(has_rows))
    }

    /// Opens the next run of a table: where the table begins, or on a new sheet.
    pub(super) fn open(&mut self, index: usize, has_rows: bool) -> Result<()> {
        let rows = u32::from(has_rows);
        self.open_for(index, has_rows, rows)
    }

    /// The same with room for so many rows, if a sheet has it.
    pub(super) fn open_for(&mut self, index: usize, has_rows: bool, rows: u32) -> Result<()> {
        let is_first = self.tables[index].progress.run.is_none();
        let heads = self.head_rows(index, has_rows);
        let banner = if is_first { self.banner_rows(index) } else { 0 };
        let (mut sheet, mut top) = match self.runs.last() {
            None => (0, 1),
            Some(last) if is_first && self.layout.multi_type != Some(MultiType::Tab) => {
                (last.sheet, self.end.saturating_add(2))
            }
            Some(last) => (last.sheet + 1, 1),
        };
        let needed = banner + heads + rows;
        if top > 1 && u64::from(top) + u64::from(needed) > u64::from(self.rows_max) + 1 {
            (sheet, top) = (sheet + 1, 1);
        }
        if sheet >= SHEETS_MAX {
            let message = format!("The rows fill more than {SHEETS_MAX} sheets.");
            return Err(SheetError::refused("too_many_sheets", message));
        }
        self.tables[index].progress.run = Some(self.runs.len());
        self.runs.push(Run {
            table: index,
            sheet,
            top,
            heads,
            first_row: top + banner + heads,
            rows: 0,
            is_first,
        });
        Ok(())
    }

    /// Ends a table: what stands below it is known now.
    pub(super) fn close(&mut self, index: usize) -> Result<()> {
        if self.tables[index].progress.is_closed {
            return Ok(());
        }
        self.tables[index].progress.is_closed = true;
        let footer = self.tables[index].progress.footer.len() as u32;
        if let Some(rows) = self.tables[index].held_rows()? {
            self.open_for(index, true, rows)?;
            let run = self.runs.len() - 1;
            self.runs[run].rows = rows;
            if u64::from(self.runs[run].next_row()) > u64::from(self.rows_max) + 1 {
                let message = "The rows of a table with row heads do not fit on one sheet.";
                return Err(SheetError::refused("too_many_rows", message));
            }
        } else if self.tables[index].progress.run.is_none() {
            let is_empty = self.banner_rows(index) + self.head_rows(index, false) + footer == 0;
            // Between other tables one without anything takes no place.
            if is_empty && self.layout.multi_type == Some(MultiType::Page) {
                return Ok(());
            }
            self.open(index, false)?;
        }
        let Some(run) = self.tables[index].progress.run else {
            return Ok(());
        };
        self.end = self.runs[run].next_row() - 1;
        if u64::from(self.end) + u64::from(footer) > u64::from(self.rows_max) {
            self.open(index, false)?;
            self.end = self.runs.last().map_or(0, |run| run.next_row() - 1);
        }
        self.end += footer;
        Ok(())
    }

    /// Ends all tables, those too of which no page came.
    pub(super) fn close_all(&mut self) -> Result<()> {
        let last = self.layout.tables.len().max(self.tables.len()).max(1) - 1;
        self.begin(last, None)?;
        self.close(last)?;
        // A workbook has a sheet.
        if self.runs.is_empty() {
            self.open(last, false)?;
        }
        Ok(())
    }
}
