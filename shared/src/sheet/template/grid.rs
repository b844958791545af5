//! The rows and cells of a sheet's XML, one after the other.

use super::formula::{self, Point};
use super::strings::{Rich, rich};
use super::xml::{Source, attributes, broken, local_name, number};
use crate::sheet::Result;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashMap;

/// What comes next inside `<sheetData>`.
pub enum Item<'a> {
    /// A row begins. Its attributes without `r`.
    Row {
        number: u32,
        attributes: Vec<(String, String)>,
    },
    Cell(Cell<'a>),
    RowEnd,
}

/// A cell.
pub struct Cell<'a> {
    pub row: u32,
    pub column: u32,
    pub style: u32,
    /// `t`, empty where it is not there.
    pub kind: String,
    /// The attributes other than `r`, `s` and `t`.
    pub others: Vec<(String, String)>,
    /// What stands inside, as it is.
    pub body: &'a str,
    pub formula: Option<Formula>,
    /// The index of a shared string.
    pub string: Option<usize>,
    /// The text of a string that stands in the cell itself.
    pub inline: Option<Rich>,
}

/// A formula, and what its element says about it.
#[derive(Clone, Debug, Default)]
pub struct Formula {
    pub attributes: Vec<(String, String)>,
    pub text: String,
}

impl Formula {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The formulas that cells share, by their number: the cell that has it, and the text.
pub type Shared = HashMap<u32, (u32, u32, String)>;

impl Cell<'_> {
    /// The cell's formula when it is one of its own, or one that it shares. Array formulas and data tables stay
    /// what they are and have none here.
    pub fn own_formula(&self, shared: &Shared) -> Result<Option<String>> {
        let Some(formula) = &self.formula else {
            return Ok(None);
        };
        match formula.attribute("t") {
            Some("shared") => {
                let index: u32 = number(formula.attribute("si").unwrap_or_default())?;
                let (row, column, text) = shared
                    .get(&index)
                    .ok_or_else(|| broken("a shared formula has no text"))?;
                let rows = i64::from(self.row) - i64::from(*row);
                let columns = i64::from(self.column) - i64::from(*column);
                Ok(Some(formula::filled(text, rows, columns)))
            }
            Some("array" | "dataTable") => Ok(None),
            _ => Ok(Some(formula.text.clone())),
        }
    }
}

/// Reads what stands inside `<sheetData>`, whose start tag was the last event.
pub struct Grid {
    row: u32,
    column: u32,
    /// An empty row has begun, whose end is still to be told.
    is_empty_row: bool,
}

impl Grid {
    pub fn new() -> Self {
        Self {
            row: 0,
            column: 0,
            is_empty_row: false,
        }
    }

    /// The next item; none at the end of the data, which has then been read.
    pub fn next<'a>(&mut self, source: &mut Source<'a>) -> Result<Option<Item<'a>>> {
        if std::mem::take(&mut self.is_empty_row) {
            return Ok(Some(Item::RowEnd));
        }
        while let Some((event, _)) = source.next()? {
            match event {
                Event::Start(tag) => match local_name(tag.name().as_ref()) {
                    "row" => return self.row(&tag).map(Some),
                    "c" => {
                        let body = source.inside()?;
                        return self.cell(&tag, body).map(Some);
                    }
                    _ => {
                        source.inside()?;
                    }
                },
                Event::Empty(tag) => match local_name(tag.name().as_ref()) {
                    "row" => {
                        self.is_empty_row = true;
                        return self.row(&tag).map(Some);
                    }
                    "c" => return self.cell(&tag, "").map(Some),
                    _ => {}
                },
                Event::End(tag) => match local_name(tag.name().as_ref()) {
                    "row" => return Ok(Some(Item::RowEnd)),
                    _ => return Ok(None),
                },
                _ => {}
            }
        }
        Err(broken("the rows of a sheet have no end"))
    }

    fn row<'a>(&mut self, tag: &BytesStart<'_>) -> Result<Item<'a>> {
        let mut number_of_row = self.row + 1;
        let mut others = Vec::new();
        for (key, value) in attributes(tag)? {
            match key.as_str() {
                "r" => number_of_row = number(&value)?,
                _ => others.push((key, value)),
            }
        }
        if number_of_row <= self.row || number_of_row > formula::ROWS_MAX {
            return Err(broken("the rows of a sheet do not rise"));
        }
        self.row = number_of_row;
        self.column = 0;
        Ok(Item::Row {
            number: number_of_row,
            attributes: others,
        })
    }

    fn cell<'a>(&mut self, tag: &BytesStart<'_>, body: &'a str) -> Result<Item<'a>> {
        let mut cell = Cell {
            row: self.row,
            column: self.column + 1,
            style: 0,
            kind: String::new(),
            others: Vec::new(),
            body,
            formula: None,
            string: None,
            inline: None,
        };
        for (key, value) in attributes(tag)? {
            match key.as_str() {
                "r" => {
                    let point = Point::parse(&value).filter(|point| point.row == Some(self.row));
                    cell.column = point
                        .and_then(|point| point.column)
                        .ok_or_else(|| broken("a cell stands in another's row"))?;
                }
                "s" => cell.style = number(&value)?,
                "t" => cell.kind = value,
                _ => cell.others.push((key, value)),
            }
        }
        if cell.column <= self.column || cell.column > formula::COLUMNS_MAX {
            return Err(broken("the cells of a row do not rise"));
        }
        self.column = cell.column;
        cell.read_body()?;
        Ok(Item::Cell(cell))
    }
}

impl Cell<'_> {
    fn read_body(&mut self) -> Result<()> {
        let mut source = Source::new(self.body);
        while let Some((event, _)) = source.next()? {
            match event {
                Event::Start(tag) => match local_name(tag.name().as_ref()) {
                    "f" => {
                        self.formula = Some(Formula {
                            attributes: attributes(&tag)?,
                            text: source.text()?,
                        });
                    }
                    "v" if self.kind == "s" => self.string = Some(number(&source.text()?)?),
                    "is" => self.inline = Some(rich(source.inside()?)?),
                    _ => {
                        source.inside()?;
                    }
                },
                Event::Empty(tag) if local_name(tag.name().as_ref()) == "f" => {
                    self.formula = Some(Formula {
                        attributes: attributes(&tag)?,
                        text: String::new(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
