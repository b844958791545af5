//! Fills a template page by page.

use super::block::{self, Compiled};
use super::model::Model;
use super::output;
use super::overflow;
use super::placeholder::Token;
use super::references::Shifts;
use super::repeated;
use super::shift::Shift;
use super::styles::Styles;
use super::values::Scalars;
use super::{Start, Template};
use crate::limits::TEMPLATE_SHEETS_MAX;
use crate::sheet::columns::Columns;
use crate::sheet::parts::Parts;
use crate::sheet::{Finished, Page, Result, SheetError, Writer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// A template that is being filled.
pub struct Fill {
    pub(super) template: Template,
    styles: Styles,
    /// The columns of each list; the unnamed one's name is empty.
    pub(super) lists: BTreeMap<String, Columns>,
    /// The blocks of all sheets in their order.
    pub(super) blocks: Vec<FillBlock>,
    pub(super) position: Position,
    /// The last row of a sheet.
    pub(super) rows_max: u32,
}

/// A block that is being filled.
pub(super) struct FillBlock {
    pub(super) sheet: usize,
    /// Its place among the blocks of its sheet.
    pub(super) index: usize,
    rows: Vec<repeated::Row>,
    /// Made ready when the first row comes, with the row in which it begins.
    pub(super) compiled: Option<(Compiled, u32)>,
    pub(super) text: Vec<u8>,
    pub(super) merges: Vec<u8>,
    /// How many elements a sheet takes, where the list may go on on further ones.
    pub(super) capacity: Option<u64>,
    /// Which of those is being written, counted from 0.
    pub(super) sheet_number: u64,
    /// The numbers of its parts on the first sheet begin here; on each further one they are so much higher.
    pub(super) first_part: u32,
    pub(super) parts_of_sheet: u32,
}

/// What a page leaves behind beside the parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// Of the unnamed list.
    pub(super) rows: u64,
    /// How long the named lists are, once that is known.
    pub(super) named: Option<BTreeMap<String, u64>>,
    pub(super) scalars: Scalars,
    /// The scalars in repeated rows, which stay what they were when the first row was written.
    row_scalars: Option<Scalars>,
    expected_rows: Option<u64>,
    /// Whether what is written depends on it.
    is_expected: bool,
    pub(super) warnings: Vec<String>,
}

/// When the number of rows is asked for.
#[derive(Clone, Copy)]
enum When {
    /// While rows come, without or with what the source promised.
    Before(Option<u64>),
    /// When all have come.
    After,
}

impl Fill {
    /// Begins to fill a template. Errors: `mixed_lists`, `block_too_high`, and those of the scalars.
    pub fn begin(template: Template, start: &Start<'_>) -> Result<Self> {
        super::check::refuse_fatal(&template)?;
        let mut position = Position {
            expected_rows: start.expected_rows,
            ..Position::default()
        };
        if let Some(values) = start.values {
            position.scalars.add(values)?;
        }
        let mut styles = template.model.styles.clone();
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut blocks = Vec::new();
        for (sheet_index, sheet) in template.model.sheets.iter().enumerate() {
            for marked in sheet.marked.values() {
                styles.add_dates(marked.style);
                for token in &marked.parsed.tokens {
                    if let Token::Field { list, name } = token {
                        let known = names.entry(list.clone()).or_default();
                        if !known.contains(name) {
                            known.push(name.clone());
                        }
                    }
                }
            }
            let rows = repeated::rows(&template.package, sheet)?;
            blocks.extend(rows.into_iter().enumerate().map(|(index, rows)| FillBlock {
                sheet: sheet_index,
                index,
                rows,
                compiled: None,
                text: Vec::new(),
                merges: Vec::new(),
                capacity: None,
                sheet_number: 0,
                first_part: 0,
                parts_of_sheet: 0,
            }));
        }
        let mut fill = Self {
            template,
            styles,
            lists: names
                .into_iter()
                .map(|(list, names)| (list, Columns::new(names)))
                .collect(),
            blocks,
            position,
            rows_max: super::formula::ROWS_MAX,
        };
        let parts = fill.blocks.len() as u32 * 2;
        for (block, first_part) in fill.blocks.iter_mut().zip((0..).step_by(2)) {
            (block.first_part, block.parts_of_sheet) = (first_part, parts);
        }
        fill.limit_rows(super::formula::ROWS_MAX)?;
        Ok(fill)
    }

    /// Sets how many rows a sheet has.
    pub(super) fn limit_rows(&mut self, rows_max: u32) -> Result<()> {
        self.rows_max = rows_max;
        for block in &mut self.blocks {
            block.capacity =
                overflow::capacity(&self.template, block.sheet, &block.rows, rows_max)?;
        }
        Ok(())
    }

    pub(super) fn model(&self) -> &Model {
        &self.template.model
    }

    /// How often the rows of a block stand in the file; none as long as that is not known.
    fn copies(&self, lists: &[String], when: When) -> Option<u64> {
        let mut most = 1;
        for list in lists {
            let count = match (list.as_str(), when, &self.position.named) {
                // More than that fits nowhere, and calculates badly.
                ("", When::Before(expected), _) => expected?.min(u64::from(u32::MAX)),
                ("", When::After, _) => self.position.rows,
                (name, _, Some(named)) => named.get(name).copied().unwrap_or_default(),
                (_, When::Before(_), None) => return None,
                (_, When::After, None) => 0,
            };
            most = most.max(count);
        }
        Some(most)
    }

    fn shifts(&self, when: When) -> Shifts {
        let sheets = self.model().sheets.iter().enumerate();
        Shifts::new(
            sheets
                .map(|(index, sheet)| (sheet.name.clone(), self.shift(index, when)))
                .collect(),
        )
    }

    fn shift(&self, index: usize, when: When) -> Shift {
        let sheet = &self.model().sheets[index];
        let blocks = sheet.blocks.iter();
        let mut shift = Shift {
            stretches: blocks
                .map(|block| block.stretch(self.copies(&block.lists, when)))
                .collect(),
            further: Vec::new(),
        };
        let mut blocks = self.blocks.iter().filter(|block| block.sheet == index);
        if let Some(capacity) = blocks.next().and_then(|block| block.capacity)
            && let [stretch] = shift.stretches.as_mut_slice()
            && let Some(copies) = stretch.copies
        {
            let copies = copies.min(capacity.saturating_mul(TEMPLATE_SHEETS_MAX));
            shift.further = overflow::further(self.model(), index, capacity, copies);
            stretch.copies = Some(copies.min(capacity));
        }
        shift
    }

    pub(super) fn lists_of(&self, block: &FillBlock) -> &[String] {
        &self.model().sheets[block.sheet].blocks[block.index].lists
    }

    /// Makes a block ready, and tells in which row it begins.
    pub(super) fn compile(&self, block: &FillBlock, shifts: &Shifts) -> Result<(Compiled, u32)> {
        let columns = |list: &str, name: &str| {
            let columns = self.lists.get(list).map(Columns::names).unwrap_or_default();
            columns
                .iter()
                .position(|known| known == name)
                .unwrap_or_default()
        };
        let scalars = self.position.row_scalars.as_ref();
        let setting = block::Setting {
            model: self.model(),
            styles: &self.styles,
            shifts,
            scalars: scalars.unwrap_or(&self.position.scalars),
            columns: &columns,
        };
        let compiled = block::compile(&setting, block.sheet, block.index, &block.rows)?;
        let first = self.model().sheets[block.sheet].blocks[block.index].first;
        Ok((compiled, shifts.sheets[block.sheet].1.first(first)?))
    }

    /// Makes those blocks ready that the rows which come now go to.
    pub(super) fn prepare(&mut self, is_unnamed: bool) -> Result<Vec<usize>> {
        if self.position.row_scalars.is_none() {
            let names = self.row_scalar_names();
            self.position.row_scalars = Some(self.position.scalars.of(&names));
        }
        let mut wanted = Vec::new();
        for index in 0..self.blocks.len() {
            let block = &self.blocks[index];
            if self.lists_of(block).iter().any(String::is_empty) != is_unnamed {
                continue;
            }
            wanted.push(index);
            // Whatever a page that failed has left.
            self.blocks[index].text.clear();
            self.blocks[index].merges.clear();
            let block = &self.blocks[index];
            if block.compiled.is_some() {
                continue;
            }
            let unknown = self.compile(block, &self.shifts(When::Before(None)));
            let expected = self.position.expected_rows;
            let compiled = match (unknown, expected) {
                (
                    Err(SheetError::Refused {
                        code: "expected_rows_needed",
                        ..
                    }),
                    Some(_),
                ) => {
                    let compiled = self.compile(block, &self.shifts(When::Before(expected)))?;
                    self.position.is_expected = true;
                    compiled
                }
                (compiled, _) => compiled?,
            };
            self.blocks[index].compiled = Some(compiled);
        }
        Ok(wanted)
    }

    /// The scalars that stand in repeated rows.
    fn row_scalar_names(&self) -> BTreeSet<String> {
        let sheets = self.model().sheets.iter();
        sheets
            .flat_map(|sheet| {
                let marked = sheet.marked.iter();
                marked.filter(|((row, _), _)| sheet.block_of(*row).is_some())
            })
            .flat_map(|(_, marked)| &marked.parsed.tokens)
            .filter_map(|token| match token {
                Token::Scalar(name) => Some(name.clone()),
                _ => None,
            })
            .collect()
    }

    fn check_expected(&self) -> Result<()> {
        let expected = self.position.expected_rows.unwrap_or_default();
        if self.position.is_expected && expected.max(1) != self.position.rows.max(1) {
            return Err(SheetError::refused(
                "rows_differ_from_total",
                format!(
                    "The template needed the number of rows beforehand; {expected} were promised and {} came",
                    self.position.rows
                ),
            ));
        }
        Ok(())
    }
}

impl Writer for Fill {
    fn page(&mut self, table: usize, page: &Page<'_>, parts: &mut dyn Parts) -> Result<u64> {
        if table > 0 {
            return Err(SheetError::refused(
                "one_table_only",
                "An uploaded template takes one table; further lists have names",
            ));
        }
        if let Some(values) = page.values {
            self.position.scalars.add(values)?;
        }
        let text = page.rows.get();
        match text.trim_start().as_bytes().first() {
            Some(b'{') => self.named_lists(text, parts),
            Some(b'n') => Ok(0),
            _ => self.unnamed_rows(text, parts),
        }
    }

    fn position(&self) -> Result<serde_json::Value> {
        serde_json::to_value(&self.position).map_err(|error| SheetError::Io(error.into()))
    }

    fn resume(&mut self, position: serde_json::Value) -> Result<()> {
        self.position =
            serde_json::from_value(position).map_err(|error| SheetError::Io(error.into()))?;
        for block in &mut self.blocks {
            block.compiled = None;
            block.text.clear();
            block.merges.clear();
            block.sheet_number = 0;
        }
        Ok(())
    }

    fn finish(&mut self, parts: &mut dyn Parts, out: &mut dyn Write) -> Result<Finished> {
        self.check_expected()?;
        let shifts = self.shifts(When::After);
        for (sheet, (_, shift)) in self.model().sheets.iter().zip(&shifts.sheets) {
            shift.first(sheet.last_row.max(1))?;
        }
        let plans = (0..self.model().sheets.len())
            .map(|sheet| self.plans(sheet, &shifts))
            .collect::<Result<Vec<_>>>()?;
        let sheets = plans.iter().map(Vec::len).sum::<usize>();
        output::write(
            &output::Setting {
                package: &self.template.package,
                model: self.model(),
                styles: &self.styles,
                shifts: &shifts,
                scalars: &self.position.scalars,
            },
            plans,
            parts,
            out,
        )?;
        let named = self.position.named.iter().flat_map(BTreeMap::values);
        Ok(Finished {
            rows: self.position.rows + named.sum::<u64>(),
            sheets: sheets as u32,
            warnings: self.warnings(),
        })
    }
}
