//! The rows that are repeated, as the template has them.

use super::grid::{Cell, Grid, Item};
use super::model::{Sheet, too_many};
use super::package::Package;
use super::xml::{Source, local_name};
use crate::limits::TEMPLATE_CELLS_MAX;
use crate::sheet::Result;
use quick_xml::events::Event;

/// The rows of all blocks of a sheet, as the template has them.
pub type Rows = Vec<Vec<Row>>;

/// A row of a block.
pub struct Row {
    pub number: u32,
    pub attributes: Vec<(String, String)>,
    pub cells: Vec<TemplateCell>,
}

/// A cell of such a row.
pub struct TemplateCell {
    pub column: u32,
    pub style: u32,
    pub others: Vec<(String, String)>,
    pub content: Content,
}

/// What stands in such a cell.
pub enum Content {
    /// The cell's `t`, and what stands inside.
    Fixed(String, String),
    Formula(String),
    /// A formula over several cells: the cells, and the text.
    Array(String, String),
    /// A text with placeholders.
    Marked,
}

/// Reads the rows of a sheet's blocks.
pub fn rows(package: &Package, sheet: &Sheet) -> Result<Rows> {
    let mut blocks: Rows = sheet.blocks.iter().map(|_| Vec::new()).collect();
    if blocks.is_empty() {
        return Ok(blocks);
    }
    let text = package.text(&sheet.part)?;
    let mut source = Source::new(&text);
    let mut cells = 0;
    while let Some((event, _)) = source.next()? {
        let Event::Start(tag) = event else {
            continue;
        };
        if local_name(tag.name().as_ref()) != "sheetData" {
            continue;
        }
        let mut grid = Grid::new();
        let mut block = None;
        while let Some(item) = grid.next(&mut source)? {
            match item {
                Item::Row { number, attributes } => {
                    block = sheet.block_of(number);
                    if let Some(block) = block {
                        blocks[block].push(Row {
                            number,
                            attributes,
                            cells: Vec::new(),
                        });
                    }
                }
                Item::Cell(cell) => {
                    if let Some(row) = block.and_then(|block| blocks[block].last_mut()) {
                        row.cells.push(template_cell(sheet, cell)?);
                        cells += 1;
                    }
                }
                Item::RowEnd => {}
            }
        }
        break;
    }
    if cells > TEMPLATE_CELLS_MAX {
        return Err(too_many(format_args!(
            "the repeated rows have more than {TEMPLATE_CELLS_MAX} cells"
        )));
    }
    Ok(blocks)
}

fn template_cell(sheet: &Sheet, cell: Cell<'_>) -> Result<TemplateCell> {
    let content = if sheet.marked.contains_key(&(cell.row, cell.column)) {
        Content::Marked
    } else if let Some(formula) = cell.own_formula(&sheet.shared)? {
        Content::Formula(formula)
    } else {
        match &cell.formula {
            Some(formula) if formula.attribute("t") == Some("array") => Content::Array(
                formula.attribute("ref").unwrap_or_default().to_owned(),
                formula.text.clone(),
            ),
            _ => Content::Fixed(cell.kind, cell.body.to_owned()),
        }
    };
    Ok(TemplateCell {
        column: cell.column,
        style: cell.style,
        others: cell.others,
        content,
    })
}
