//! Fills a template page by page.

use super::block::{self, Compiled};
use super::lists::part_numbers;
use super::model::Model;
use super::output;
use super::placeholder::Token;
use super::repeated;
use super::shift::{Shift, Shifts};
use super::styles::Styles;
use super::values::Scalars;
use super::{Start, Template};
use crate::sheet::columns::Columns;
use crate::sheet::parts::Parts;
use crate::sheet::{Finished, Page, Result, SheetError, Writer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// A template that is being filled.
pub struct Fill {
    template: Template,
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
    sheet: usize,
    /// Its place among the blocks of its sheet.
    index: usize,
    rows: Vec<repeated::Row>,
    /// Made ready when the first row comes, with the row in which it begins.
    pub(super) compiled: Option<(Compiled, u32)>,
    pub(super) text: Vec<u8>,
    pub(super) merges: Vec<u8>,
}

/// What a page leaves behind beside the parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// Of the unnamed list.
    pub(super) rows: u64,
    /// How long the named lists are, once that is known.
    pub(super) named: Option<BTreeMap<String, u64>>,
    scalars: Scalars,
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
            }));
        }
        Ok(Self {
            template,
            styles,
            lists: names
                .into_iter()
                .map(|(list, names)| (list, Columns::new(names)))
                .collect(),
            blocks,
            position,
            rows_max: super::formula::ROWS_MAX,
        })
    }

    fn model(&self) -> &Model {
        &self.template.model
    }

    /// How often the rows of a block stand in the file; none as long as that is not known.
    fn copies(&self, lists: &[String], when: When) -> Option<u64> {
        let mut most = 1;
        for list in lists {
            let count = match (list.as_str(), when, &self.position.named) {
                ("", When::Before(expected), _) => expected?,
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
        let sheets = self.model().sheets.iter();
        Shifts {
            sheets: sheets
                .map(|sheet| {
                    let blocks = sheet.blocks.iter();
                    let stretches = blocks
                        .map(|block| block.stretch(self.copies(&block.lists, when)))
                        .collect();
                    (sheet.name.clone(), Shift { stretches })
                })
                .collect(),
        }
    }

    pub(super) fn lists_of(&self, block: &FillBlock) -> &[String] {
        &self.model().sheets[block.sheet].blocks[block.index].lists
    }

    /// Makes a block ready, and tells in which row it begins.
    fn compile(&self, block: &FillBlock, shifts: &Shifts) -> Result<(Compiled, u32)> {
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

    /// The repeated rows of a sheet's blocks as they go into the file.
    fn filled(&self, sheet: usize, shifts: &Shifts) -> Result<Vec<super::sheet::Filled>> {
        let mut filled = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            if block.sheet != sheet {
                continue;
            }
            let lists = self.lists_of(block);
            let merges = &self.model().sheets[sheet].blocks[block.index].merges;
            let is_empty = lists.iter().all(|list| self.count(list) == 0);
            let (rows_part, merges_part) = part_numbers(index);
            filled.push(if is_empty {
                let (compiled, first) = self.compile(block, shifts)?;
                let (mut rows, mut merges) = (Vec::new(), Vec::new());
                compiled.write_empty(first, &mut rows);
                compiled.write_merges(first, &mut merges);
                super::sheet::Filled {
                    rows: super::sheet::Piece::Text(rows),
                    merges: super::sheet::Piece::Text(merges),
                    merge_count: compiled.merge_count,
                }
            } else {
                let copies = self.copies(lists, When::After).unwrap_or(1);
                super::sheet::Filled {
                    rows: super::sheet::Piece::Part(rows_part),
                    merges: super::sheet::Piece::Part(merges_part),
                    merge_count: merges.len() as u64 * copies,
                }
            });
        }
        Ok(filled)
    }

    fn count(&self, list: &str) -> u64 {
        match (list, &self.position.named) {
            ("", _) => self.position.rows,
            (name, Some(named)) => named.get(name).copied().unwrap_or_default(),
            (_, None) => 0,
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.position.warnings.clone();
        let mut missing = BTreeSet::new();
        for marked in self.model().sheets.iter().flat_map(|s| s.marked.values()) {
            for token in &marked.parsed.tokens {
                match token {
                    Token::Scalar(name) if !self.position.scalars.has(name) => {
                        missing.insert(name);
                    }
                    _ => {}
                }
            }
        }
        let missing = missing.into_iter();
        warnings.extend(missing.map(|name| format!("There is no value for {{{name}}}.")));
        warnings.truncate(crate::limits::TEMPLATE_PROBLEMS_MAX);
        warnings
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
        }
        Ok(())
    }

    fn finish(&mut self, parts: &mut dyn Parts, out: &mut dyn Write) -> Result<Finished> {
        self.check_expected()?;
        let shifts = self.shifts(When::After);
        for (sheet, (_, shift)) in self.model().sheets.iter().zip(&shifts.sheets) {
            shift.first(sheet.last_row.max(1))?;
        }
        let filled = (0..self.model().sheets.len())
            .map(|sheet| self.filled(sheet, &shifts))
            .collect::<Result<Vec<_>>>()?;
        output::write(
            &output::Setting {
                package: &self.template.package,
                model: self.model(),
                styles: &self.styles,
                shifts: &shifts,
                scalars: &self.position.scalars,
            },
            filled,
            parts,
            out,
        )?;
        let named = self.position.named.iter().flat_map(BTreeMap::values);
        Ok(Finished {
            rows: self.position.rows + named.sum::<u64>(),
            sheets: self.model().sheets.len() as u32,
            warnings: self.warnings(),
        })
    }
}
