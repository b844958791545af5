//! Rows on their way from a page to the parts.

use super::fill::{Fill, FillBlock};
use super::shift::too_many_rows;
use crate::limits::{SEGMENT_BYTES, TEMPLATE_PROBLEMS_MAX, TEMPLATE_SHEETS_MAX};
use crate::sheet::columns::Columns;
use crate::sheet::parts::{Form, Parts};
use crate::sheet::rows::{self, Cell, Rows};
use crate::sheet::{Result, SheetError};
use std::collections::BTreeMap;

impl Fill {
    /// Rows of the unnamed list.
    pub(super) fn unnamed_rows(&mut self, text: &str, parts: &mut dyn Parts) -> Result<u64> {
        let mut rows = Rows::new(text)?;
        if rows.clone().next_row()? {
            if !self.lists.contains_key("") {
                return Err(SheetError::refused(
                    "no_list_in_template",
                    "There are rows, and the template has no fields such as {.name} to put them in",
                ));
            }
            // The rows below a named list could not be placed otherwise.
            self.position.named.get_or_insert_default();
        } else {
            return Ok(0);
        }
        let wanted = self.prepare(true)?;
        let mut columns = self.lists.get("").cloned().unwrap_or_default();
        let mut cells = vec![Cell::Empty; columns.len()];
        let mut count = 0;
        while next_row(&mut rows, &mut columns, &mut cells)? {
            for index in &wanted {
                let element = self.position.rows + count;
                self.blocks[*index].write(&[Some(&cells)], element, self.rows_max, parts)?;
            }
            count += 1;
        }
        for index in wanted {
            self.blocks[index].flush(parts)?;
        }
        self.position.rows += count;
        Ok(count)
    }

    /// All named lists.
    pub(super) fn named_lists(&mut self, text: &str, parts: &mut dyn Parts) -> Result<u64> {
        if self.position.named.is_some() {
            return Err(SheetError::refused(
                "lists_too_late",
                "The named lists come together in one page, before the rows of the unnamed list",
            ));
        }
        let mut lists = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for (key, cell) in rows::pairs(text)? {
            let name = key.decode().into_owned();
            let json = match cell {
                Cell::Nested(json) if json.starts_with('[') => json,
                Cell::Empty => "[]",
                _ => {
                    return Err(SheetError::refused(
                        "bad_rows",
                        format!("The list {name:?} is not an array of objects"),
                    ));
                }
            };
            if name.is_empty() || !self.lists.contains_key(&name) {
                let warnings = &mut self.position.warnings;
                if warnings.len() < TEMPLATE_PROBLEMS_MAX {
                    warnings.push(format!("The template has no place for the list {name:?}."));
                }
                continue;
            }
            let rows = Rows::new(json)?;
            counts.insert(name.clone(), count_rows(rows.clone())?);
            lists.insert(name, rows);
        }
        let count = counts.values().sum();
        self.position.named = Some(counts);
        for index in self.prepare(false)? {
            self.write_side_by_side(index, &lists, parts)?;
        }
        Ok(count)
    }

    /// The lists of one block, whose elements stand side by side.
    fn write_side_by_side(
        &mut self,
        index: usize,
        lists: &BTreeMap<String, Rows<'_>>,
        parts: &mut dyn Parts,
    ) -> Result<()> {
        let names = self.lists_of(&self.blocks[index]).to_vec();
        let mut columns: Vec<Columns> = names
            .iter()
            .map(|name| self.lists.get(name).cloned().unwrap_or_default())
            .collect();
        let mut sources: Vec<Option<Rows<'_>>> =
            names.iter().map(|name| lists.get(name).cloned()).collect();
        let mut cells: Vec<Vec<Cell<'_>>> = columns
            .iter()
            .map(|columns| vec![Cell::Empty; columns.len()])
            .collect();
        for element in 0.. {
            let mut is_any = false;
            for ((source, columns), cells) in sources.iter_mut().zip(&mut columns).zip(&mut cells) {
                if let Some(rows) = source
                    && !next_row(rows, columns, cells)?
                {
                    *source = None;
                }
                is_any |= source.is_some();
            }
            if !is_any {
                break;
            }
            let values: Vec<Option<&[Cell<'_>]>> = sources
                .iter()
                .zip(&cells)
                .map(|(source, cells)| source.is_some().then_some(cells.as_slice()))
                .collect();
            self.blocks[index].write(&values, element, self.rows_max, parts)?;
        }
        self.blocks[index].flush(parts)
    }
}

impl FillBlock {
    /// Writes one element of the block's lists, counted from 0.
    fn write(
        &mut self,
        values: &[Option<&[Cell<'_>]>],
        element: u64,
        rows_max: u32,
        parts: &mut dyn Parts,
    ) -> Result<()> {
        let (sheet, element) = match self.capacity {
            Some(capacity) => (element / capacity, element % capacity),
            None => (0, element),
        };
        if sheet >= TEMPLATE_SHEETS_MAX {
            return Err(too_many_rows());
        }
        if self.text.len() >= SEGMENT_BYTES || sheet != self.sheet_number {
            self.flush(parts)?;
            self.sheet_number = sheet;
        }
        let Some((compiled, first)) = &self.compiled else {
            return Ok(());
        };
        let row = u64::from(*first) + element * u64::from(compiled.height);
        if row + u64::from(compiled.height) - 1 > u64::from(rows_max) {
            return Err(too_many_rows());
        }
        compiled.write(values, row as u32, &mut self.text)?;
        compiled.write_merges(row as u32, &mut self.merges);
        Ok(())
    }

    fn flush(&mut self, parts: &mut dyn Parts) -> Result<()> {
        let (rows, merges) = self.part_numbers(self.sheet_number);
        for (part, text) in [(rows, &mut self.text), (merges, &mut self.merges)] {
            if !text.is_empty() {
                parts.append(part, Form::Deflated, std::mem::take(text))?;
            }
        }
        Ok(())
    }

    /// The parts of a block: its rows, and its merged cells, on one of the sheets that its list takes.
    pub fn part_numbers(&self, sheet_number: u64) -> (u32, u32) {
        let first = sheet_number as u32 * self.parts_of_sheet + self.first_part;
        (first, first + 1)
    }
}

/// Reads the next row into the cells of its columns.
fn next_row<'a>(
    rows: &mut Rows<'a>,
    columns: &mut Columns,
    cells: &mut [Cell<'a>],
) -> Result<bool> {
    if !rows.next_row()? {
        return Ok(false);
    }
    cells.fill(Cell::Empty);
    let mut place = 0;
    while let Some((key, cell)) = rows.next_pair()? {
        if let Some(column) = columns.find(place, key) {
            cells[column] = cell;
        }
        place += 1;
    }
    Ok(true)
}

fn count_rows(mut rows: Rows<'_>) -> Result<u64> {
    let mut count = 0;
    while rows.next_row()? {
        while rows.next_pair()?.is_some() {}
        count += 1;
    }
    Ok(count)
}
