//! The columns of one table, and its rows read into them; the same for CSV and Excel.

use super::columns::Columns;
use super::rows::{Cell, Rows, Text, pairs};
use super::{Result, SheetError};
use crate::domain::heads::{Head, HeadTree, ROW_HEAD_KEY, leaves};
use crate::domain::layout::TableLayout;
use crate::limits::{COLUMNS_MAX, HEAD_CHARS_MAX};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The columns of one table: those of its template, else the keys of the first row, to which later rows add
/// theirs.
#[derive(Clone, Debug)]
pub struct Table {
    /// None where the rows say what the columns are.
    heads: Option<HeadTree>,
    /// Whether the source sent the heads; else they are the layout's.
    is_sent: bool,
    columns: Columns,
    /// Columns that the first row had.
    first_columns: usize,
    /// Where a row names its row head.
    row_head: Option<usize>,
}

/// What of a [`Table`] has to be kept to go on.
#[derive(Debug, Serialize, Deserialize)]
pub struct TableState {
    /// Those that the source sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    heads: Option<HeadTree>,
    /// The keys of the rows; empty where a template has them.
    names: Vec<String>,
    first_columns: usize,
}

/// Rows of one page that belong together.
pub struct Block<'a> {
    /// The row head of all of them; None where each row may name its own.
    pub row_head: Option<Text<'a>>,
    pub rows: Rows<'a>,
}

impl Table {
    /// A table with the template of the request, else the one that the source sends along.
    /// Errors: `bad_template` for the source's.
    pub fn begin(layout: &TableLayout, sent: Option<&RawValue>) -> Result<Self> {
        let sent = sent.filter(|json| json.get() != "null");
        let heads = match (&layout.heads, sent) {
            (Some(heads), _) => Some(heads.clone()),
            (None, Some(json)) => Some(HeadTree::parse(json, "template").map_err(|error| {
                let data = error.data.unwrap_or_default();
                let field = data["field"].as_str().unwrap_or("template");
                let message = format!("The source's {field} is wrong: {}", error.message);
                SheetError::refused("bad_template", message)
            })?),
            (None, None) => None,
        };
        let is_sent = layout.heads.is_none() && heads.is_some();
        Ok(Self::of(heads, is_sent, Vec::new(), 0))
    }

    fn of(
        heads: Option<HeadTree>,
        is_sent: bool,
        names: Vec<String>,
        first_columns: usize,
    ) -> Self {
        let Some(tree) = &heads else {
            return Self {
                heads,
                is_sent,
                columns: Columns::new(names),
                first_columns,
                row_head: None,
            };
        };
        let leaves = leaves(&tree.columns);
        let mut columns = Columns::new(leaves.iter().map(|head| head.name.clone()));
        let row_head = (!tree.rows.is_empty()).then(|| {
            let own = leaves.iter().position(|head| head.name == ROW_HEAD_KEY);
            own.unwrap_or_else(|| columns.push(ROW_HEAD_KEY.to_owned()))
        });
        Self {
            first_columns: leaves.len(),
            columns,
            row_head,
            heads,
            is_sent,
        }
    }

    pub fn state(&self) -> TableState {
        let names = match self.heads {
            Some(_) => Vec::new(),
            None => self.columns.names().to_vec(),
        };
        TableState {
            heads: self.heads.clone().filter(|_| self.is_sent),
            names,
            first_columns: self.first_columns,
        }
    }

    /// The table of a state, with the layout that it had.
    pub fn resume(state: TableState, layout: &TableLayout) -> Self {
        let is_sent = state.heads.is_some();
        let heads = state.heads.or_else(|| layout.heads.clone());
        Self::of(heads, is_sent, state.names, state.first_columns)
    }

    /// The tree of heads; where the rows say what the columns are, one level of their keys.
    pub fn heads(&self) -> Cow<'_, HeadTree> {
        match &self.heads {
            Some(heads) => Cow::Borrowed(heads),
            None => Cow::Owned(HeadTree::of_names(self.columns.names())),
        }
    }

    pub fn row_heads(&self) -> &[Head] {
        self.heads.as_ref().map_or(&[], |heads| &heads.rows)
    }

    /// Columns of values, without those of row heads.
    pub fn width(&self) -> usize {
        match self.heads {
            Some(_) => self.first_columns,
            None => self.columns.len(),
        }
    }

    /// The rows of a page. Errors: `bad_rows`.
    pub fn blocks<'a>(&self, rows: &'a RawValue) -> Result<Vec<Block<'a>>> {
        let json = rows.get();
        match json.as_bytes().first() {
            Some(b'{') if self.row_head.is_some() => {
                let mut blocks = Vec::new();
                for (key, cell) in pairs(json)? {
                    let rows = match cell {
                        Cell::Nested(rows) => Rows::new(rows)?,
                        Cell::Empty => continue,
                        _ => return Err(no_rows_of(key)),
                    };
                    blocks.push(Block {
                        row_head: Some(key),
                        rows,
                    });
                }
                Ok(blocks)
            }
            // What some languages make of no rows at all.
            Some(b'n') => Ok(Vec::new()),
            _ => Ok(vec![Block {
                row_head: None,
                rows: Rows::new(json)?,
            }]),
        }
    }

    /// Reads the row that has been begun into one cell per column, and returns the cell that names its row
    /// head. Errors: `bad_rows`, `too_many_columns`, `key_too_long`.
    pub fn read<'a>(&mut self, rows: &mut Rows<'a>, cells: &mut Vec<Cell<'a>>) -> Result<Cell<'a>> {
        cells.clear();
        cells.resize(self.columns.len(), Cell::Empty);
        let mut place = 0;
        while let Some((key, cell)) = rows.next_pair()? {
            match self.columns.find(place, key) {
                Some(column) => cells[column] = cell,
                None if self.heads.is_none() => {
                    self.add(key)?;
                    cells.push(cell);
                }
                None => {}
            }
            place += 1;
        }
        if self.first_columns == 0 && self.heads.is_none() {
            self.first_columns = self.columns.len();
        }
        Ok(self.row_head.map_or(Cell::Empty, |column| cells[column]))
    }

    fn add(&mut self, key: Text<'_>) -> Result<()> {
        if self.columns.len() == COLUMNS_MAX {
            let message = format!("The rows have more than {COLUMNS_MAX} different keys.");
            return Err(SheetError::refused("too_many_columns", message));
        }
        let name = key.decode().into_owned();
        if name.chars().count() > HEAD_CHARS_MAX {
            let message = format!("A key of the rows has more than {HEAD_CHARS_MAX} characters.");
            return Err(SheetError::refused("key_too_long", message));
        }
        self.columns.push(name);
        Ok(())
    }

    /// A sentence about columns that the first row did not have.
    pub fn warning(&self) -> Option<String> {
        const NAMED_MAX: usize = 10;
        let added = self.columns.names().get(self.first_columns..)?;
        if added.is_empty() || self.heads.is_some() {
            return None;
        }
        let mut names: Vec<String> = added
            .iter()
            .take(NAMED_MAX)
            .map(|name| format!("{name:?}"))
            .collect();
        if added.len() > NAMED_MAX {
            names.push(format!("and {} more", added.len() - NAMED_MAX));
        }
        let names = names.join(", ");
        Some(format!(
            "Keys that the first row does not have were added as columns: {names}."
        ))
    }
}

fn no_rows_of(key: Text<'_>) -> SheetError {
    let message = format!("The rows of the row head {:?} are no array.", key.decode());
    SheetError::refused("bad_rows", message)
}
