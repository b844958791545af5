//! What a template holds: its sheets, their placeholders and the rows that are repeated.

use super::formula::Point;
use super::grid::{Cell, Grid, Item, Shared};
use super::package::Package;
use super::placeholder::{Parsed, parse};
use super::shift::Stretch;
use super::strings::{Rich, marked_strings};
use super::styles::{Styles, prefix_of};
use super::xml::{Source, attribute, attributes, broken, local_name};
use crate::limits::{
    TEMPLATE_BLOCKS_MAX, TEMPLATE_CELLS_MAX, TEMPLATE_MERGES_MAX, TEMPLATE_PART_BYTES_MAX,
    TEMPLATE_TEXT_BYTES_MAX,
};
use crate::sheet::{Result, SheetError};
use quick_xml::events::Event;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A workbook with placeholders.
#[derive(Clone)]
pub struct Model {
    pub sheets: Vec<Sheet>,
    /// The part of the styles, where the workbook has one.
    pub styles_part: Option<String>,
    pub styles: Styles,
    /// The shared strings that may hold placeholders.
    pub strings: HashMap<usize, Rich>,
    /// Whether dates are counted from 1904 on.
    pub is_1904: bool,
}

/// A sheet of cells.
#[derive(Clone, Debug)]
pub struct Sheet {
    pub name: String,
    pub part: String,
    /// The prefix of its elements with the colon; mostly empty.
    pub prefix: String,
    pub marked: BTreeMap<(u32, u32), Marked>,
    pub merges: Vec<Area>,
    pub shared: Shared,
    /// How many cells share each of these.
    sharing: HashMap<u32, usize>,
    /// From top to bottom.
    pub blocks: Vec<Block>,
    /// The last row with anything in it.
    pub last_row: u32,
}

/// A cell whose text has placeholders or escapes.
#[derive(Clone, Debug)]
pub struct Marked {
    pub parsed: Parsed,
    pub font: Option<String>,
    pub style: u32,
}

/// Cells in a rectangle, first and last row and column included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    pub first_row: u32,
    pub last_row: u32,
    pub first_column: u32,
    pub last_column: u32,
}

/// Rows that are repeated for each element of a list.
#[derive(Clone, Debug)]
pub struct Block {
    pub first: u32,
    pub last: u32,
    /// The names of the lists; several stand side by side. The unnamed one is empty.
    pub lists: Vec<String>,
    /// The merged cells that are repeated with the rows.
    pub merges: Vec<Area>,
}

impl Block {
    pub fn height(&self) -> u32 {
        self.last - self.first + 1
    }

    pub fn stretch(&self, copies: Option<u64>) -> Stretch {
        Stretch {
            first: self.first,
            height: self.height(),
            copies,
        }
    }

    pub fn is_unnamed(&self) -> bool {
        self.lists.iter().any(String::is_empty)
    }
}

impl Area {
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let (first, last) = (Point::parse(first)?, Point::parse(last)?);
        let rows = (first.row?, last.row?);
        let columns = (first.column?, last.column?);
        Some(Self {
            first_row: rows.0.min(rows.1),
            last_row: rows.0.max(rows.1),
            first_column: columns.0.min(columns.1),
            last_column: columns.0.max(columns.1),
        })
    }

    pub fn is_cell(&self) -> bool {
        self.first_row == self.last_row && self.first_column == self.last_column
    }

    pub fn has(&self, row: u32, column: u32) -> bool {
        (self.first_row..=self.last_row).contains(&row)
            && (self.first_column..=self.last_column).contains(&column)
    }
}

impl Model {
    pub fn read(package: &Package) -> Result<Self> {
        let workbook = package.workbook();
        let relations = package.relations(workbook)?;
        let part_of = |kind: &str| {
            relations
                .iter()
                .find(|relation| relation.kind == kind && package.has(&relation.target))
                .map(|relation| relation.target.clone())
        };
        let styles_part = part_of("styles");
        let mut model = Self {
            sheets: Vec::new(),
            strings: match &part_of("sharedStrings") {
                Some(part) => marked_strings(&package.text(part)?)?,
                None => HashMap::new(),
            },
            styles: match &styles_part {
                Some(part) => Styles::read(&package.text(part)?)?,
                None => Styles::default(),
            },
            styles_part,
            is_1904: false,
        };
        let text = package.text(workbook)?;
        let mut source = Source::new(&text);
        while let Some((event, _)) = source.next()? {
            let (Event::Start(tag) | Event::Empty(tag)) = event else {
                continue;
            };
            match local_name(tag.name().as_ref()) {
                "workbookPr" => {
                    let system = attribute(&tag, "date1904")?;
                    model.is_1904 = matches!(system.as_deref(), Some("1" | "true"));
                }
                "sheet" => {
                    let id = attributes(&tag)?
                        .into_iter()
                        .find(|(key, _)| key.contains(':') && local_name(key) == "id");
                    let relation = id.and_then(|(_, id)| relations.iter().find(|r| r.id == id));
                    let relation = relation.ok_or_else(|| broken("a sheet has no part"))?;
                    if relation.kind == "worksheet" {
                        let name = attribute(&tag, "name")?.unwrap_or_default();
                        model.add_sheet(package, name, &relation.target)?;
                    }
                }
                _ => {}
            }
        }
        if model.sheets.is_empty() {
            return Err(broken("it has no sheet of cells"));
        }
        Ok(model)
    }

    fn add_sheet(&mut self, package: &Package, name: String, part: &str) -> Result<()> {
        let lower = name.to_lowercase();
        let mut known = self.sheets.iter();
        if known.any(|sheet| sheet.part == part || sheet.name.to_lowercase() == lower) {
            return Err(broken("two of its sheets are the same"));
        }
        let mut sheet = Sheet {
            name,
            part: part.to_owned(),
            prefix: String::new(),
            marked: BTreeMap::new(),
            merges: Vec::new(),
            shared: Shared::new(),
            sharing: HashMap::new(),
            blocks: Vec::new(),
            last_row: 0,
        };
        let text = package.text(part)?;
        let mut source = Source::new(&text);
        while let Some((event, _)) = source.next()? {
            match &event {
                Event::Start(tag) | Event::Empty(tag) => match local_name(tag.name().as_ref()) {
                    "worksheet" => sheet.prefix = prefix_of(tag.name().as_ref()).to_owned(),
                    "sheetData" if matches!(event, Event::Start(_)) => {
                        self.read_grid(&mut sheet, &mut source)?;
                    }
                    "mergeCell" => {
                        let area = attribute(tag, "ref")?.unwrap_or_default();
                        let area = Area::parse(&area)
                            .ok_or_else(|| broken("merged cells have no range"))?;
                        // Excel takes a single merged cell for damage.
                        sheet
                            .merges
                            .extend(Some(area).filter(|area| !area.is_cell()));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        let merged = sheet.merges.iter().map(|area| area.last_row).max();
        sheet.last_row = sheet.last_row.max(merged.unwrap_or_default());
        self.check_size(&sheet)?;
        sheet.find_blocks();
        self.sheets.push(sheet);
        let blocks: usize = self.sheets.iter().map(|sheet| sheet.blocks.len()).sum();
        if blocks > TEMPLATE_BLOCKS_MAX {
            return Err(too_many(format_args!(
                "lists stand in more than {TEMPLATE_BLOCKS_MAX} places"
            )));
        }
        Ok(())
    }

    /// What is small in a file can be much to work on.
    fn check_size(&self, sheet: &Sheet) -> Result<()> {
        let count = |of: fn(&Sheet) -> usize| -> usize {
            of(sheet) + self.sheets.iter().map(of).sum::<usize>()
        };
        if count(|sheet| sheet.marked.len()) > TEMPLATE_CELLS_MAX {
            return Err(too_many(format_args!(
                "more than {TEMPLATE_CELLS_MAX} cells have placeholders"
            )));
        }
        if count(|sheet| sheet.merges.len()) > TEMPLATE_MERGES_MAX {
            return Err(too_many(format_args!(
                "more than {TEMPLATE_MERGES_MAX} ranges are merged"
            )));
        }
        let shared_bytes = sheet.sharing.iter().map(|(index, cells)| {
            cells * sheet.shared.get(index).map_or(0, |(_, _, text)| text.len())
        });
        if shared_bytes.sum::<usize>() > TEMPLATE_PART_BYTES_MAX {
            return Err(too_many(format_args!("too many cells share a formula")));
        }
        Ok(())
    }

    fn read_grid(&self, sheet: &mut Sheet, source: &mut Source<'_>) -> Result<()> {
        let mut grid = Grid::new();
        let mut text_bytes = 0;
        while let Some(item) = grid.next(source)? {
            match item {
                Item::Row { number, .. } => sheet.last_row = number,
                Item::Cell(cell) => {
                    if let Some(formula) = &cell.formula
                        && formula.attribute("t") == Some("shared")
                    {
                        let index = formula.attribute("si").unwrap_or_default();
                        let index = super::xml::number(index)?;
                        *sheet.sharing.entry(index).or_default() += 1;
                        if !formula.text.is_empty() {
                            let text = formula.text.clone();
                            sheet.shared.insert(index, (cell.row, cell.column, text));
                        }
                    }
                    if let Some(rich) = self.marked_text(&cell) {
                        text_bytes += rich.text.len() + rich.font.as_ref().map_or(0, String::len);
                        if text_bytes > TEMPLATE_TEXT_BYTES_MAX {
                            return Err(too_many(format_args!(
                                "the texts with placeholders have more than {TEMPLATE_TEXT_BYTES_MAX} bytes"
                            )));
                        }
                        let marked = Marked {
                            parsed: parse(&rich.text),
                            font: rich.font.clone(),
                            style: cell.style,
                        };
                        sheet.marked.insert((cell.row, cell.column), marked);
                    }
                }
                Item::RowEnd => {}
            }
        }
        Ok(())
    }

    /// A cell's text, if it may have placeholders.
    fn marked_text<'a>(&'a self, cell: &'a Cell<'_>) -> Option<&'a Rich> {
        if cell.formula.is_some() {
            return None;
        }
        let rich = match cell.string {
            Some(index) => self.strings.get(&index)?,
            None => cell.inline.as_ref()?,
        };
        super::placeholder::is_marked(&rich.text).then_some(rich)
    }
}

impl Sheet {
    /// Rows with fields of lists make up blocks: with the rows that their merged cells reach, and with the next rows
    /// when those have a field of the same list.
    fn find_blocks(&mut self) {
        let mut rows: BTreeMap<u32, (u32, BTreeSet<String>)> = BTreeMap::new();
        for ((row, column), marked) in &self.marked {
            let lists = marked.parsed.lists();
            if lists.is_empty() {
                continue;
            }
            let merge = self.merges.iter().find(|area| area.has(*row, *column));
            let last = merge.map_or(*row, |area| area.last_row);
            let entry = rows.entry(*row).or_insert((*row, BTreeSet::new()));
            entry.0 = entry.0.max(last);
            entry.1.extend(lists.into_iter().map(str::to_owned));
        }
        let mut blocks: Vec<(u32, u32, BTreeSet<String>)> = Vec::new();
        for (row, (last, lists)) in rows {
            match blocks.last_mut() {
                Some(block)
                    if row <= block.1 || (row == block.1 + 1 && !block.2.is_disjoint(&lists)) =>
                {
                    block.1 = block.1.max(last);
                    block.2.extend(lists);
                }
                _ => blocks.push((row, last, lists)),
            }
        }
        self.blocks = blocks
            .into_iter()
            .map(|(first, last, lists)| Block {
                first,
                last,
                lists: lists.into_iter().collect(),
                merges: self
                    .merges
                    .iter()
                    .filter(|area| area.first_row >= first && area.last_row <= last)
                    .copied()
                    .collect(),
            })
            .collect();
    }

    pub fn block_of(&self, row: u32) -> Option<usize> {
        let index = self.blocks.partition_point(|block| block.last < row);
        let block = self.blocks.get(index)?;
        (block.first <= row).then_some(index)
    }
}

/// The template is too much to fill.
pub fn too_many(what: std::fmt::Arguments<'_>) -> SheetError {
    SheetError::refused(
        "template_too_complex",
        format!("The template cannot be filled: {what}"),
    )
}
