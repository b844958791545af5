//! The rows that are repeated, made ready so that one element after the other can be written without looking at the
//! template's XML again.

use super::formula::column_name;
use super::model::{Block, Model, Sheet};
use super::placeholder::Token;
use super::references::{Part, Place, Shifts};
use super::repeated::{Content, Row, TemplateCell};
use super::styles::Styles;
use super::values::{Scalars, Style, put_content, put_number, put_text_cell};
use super::xml::{escape, put_attribute};
use crate::limits::TEMPLATE_ELEMENT_BYTES_MAX;
use crate::sheet::rows::Cell;
use crate::sheet::{Result, SheetError, value};

/// A block that is ready to be written.
pub struct Compiled {
    segments: Vec<Segment>,
    /// The same rows with nothing in their cells, for a list without elements.
    empty: Vec<Segment>,
    merges: Vec<Segment>,
    pub merge_count: u64,
    pub height: u32,
}

enum Segment {
    Text(Vec<u8>),
    /// The number of the copy's first row plus this.
    Row(i64),
    /// The attributes and the content of a cell that is one field.
    Field {
        field: Field,
        style: Style,
    },
    /// A cell of text with fields in it.
    Mixed {
        tokens: Vec<Mixed>,
        font: Option<String>,
        style: Style,
    },
}

/// A field: which list of the block, and which of its columns.
#[derive(Clone, Copy)]
struct Field {
    list: usize,
    column: usize,
}

enum Mixed {
    Text(String),
    Field(Field),
}

/// What a block is made ready with.
pub struct Setting<'a> {
    pub model: &'a Model,
    pub styles: &'a Styles,
    pub shifts: &'a Shifts,
    pub scalars: &'a Scalars,
    /// The names of the columns of each of the block's lists.
    pub columns: &'a dyn Fn(&str, &str) -> usize,
}

/// Makes a block ready. Errors: `expected_rows_needed` where a formula needs to know how long lists are.
pub fn compile(
    setting: &Setting<'_>,
    sheet_index: usize,
    block_index: usize,
    rows: &[Row],
) -> Result<Compiled> {
    let model = setting.model;
    let sheet = &model.sheets[sheet_index];
    let block = &sheet.blocks[block_index];
    let mut compiler = Compiler {
        sheet,
        block,
        place: Place::inside(sheet_index, Some(block_index)),
        segments: Vec::new(),
        empty: Vec::new(),
        is_1904: model.is_1904,
    };
    for row in rows {
        compiler.row(setting, row)?;
    }
    let text_bytes = compiler.segments.iter().map(|segment| match segment {
        Segment::Text(text) => text.len(),
        _ => 0,
    });
    if text_bytes.sum::<usize>() > TEMPLATE_ELEMENT_BYTES_MAX {
        return Err(element_too_large());
    }
    Ok(Compiled {
        merges: merges(sheet, block),
        merge_count: block.merges.len() as u64,
        height: block.height(),
        segments: compiler.segments,
        empty: compiler.empty,
    })
}

fn element_too_large() -> SheetError {
    SheetError::refused(
        "element_too_large",
        "The template makes too much of one element of a list",
    )
}

fn merges(sheet: &Sheet, block: &Block) -> Vec<Segment> {
    let mut segments = Vec::new();
    for area in &block.merges {
        let mut point = |before: &str, column: u32, row: u32| {
            push_text(
                &mut segments,
                format!("{before}{}", column_name(column)).as_bytes(),
            );
            segments.push(Segment::Row(i64::from(row) - i64::from(block.first)));
        };
        let before = format!("<{}mergeCell ref=\"", sheet.prefix);
        point(&before, area.first_column, area.first_row);
        point(":", area.last_column, area.last_row);
        push_text(&mut segments, b"\"/>");
    }
    segments
}

fn push_text(segments: &mut Vec<Segment>, text: &[u8]) {
    match segments.last_mut() {
        Some(Segment::Text(last)) => last.extend_from_slice(text),
        _ => segments.push(Segment::Text(text.to_owned())),
    }
}

struct Compiler<'a> {
    sheet: &'a Sheet,
    block: &'a Block,
    place: Place,
    segments: Vec<Segment>,
    empty: Vec<Segment>,
    is_1904: bool,
}

impl Compiler<'_> {
    fn text(&mut self, text: &[u8]) {
        push_text(&mut self.segments, text);
    }

    fn both(&mut self, text: &[u8]) {
        push_text(&mut self.segments, text);
        push_text(&mut self.empty, text);
    }

    fn row_number(&mut self, row: u32) {
        let offset = i64::from(row) - i64::from(self.block.first);
        self.segments.push(Segment::Row(offset));
        self.empty.push(Segment::Row(offset));
    }

    fn row(&mut self, setting: &Setting<'_>, row: &Row) -> Result<()> {
        let prefix = &self.sheet.prefix;
        self.both(format!("<{prefix}row r=\"").as_bytes());
        self.row_number(row.number);
        let mut tag = b"\"".to_vec();
        for (key, value) in &row.attributes {
            put_attribute(key, value, &mut tag);
        }
        tag.push(b'>');
        self.both(&tag);
        for cell in &row.cells {
            self.both(format!("<{prefix}c r=\"{}", column_name(cell.column)).as_bytes());
            self.row_number(row.number);
            self.both(b"\"");
            self.cell(setting, row.number, cell)?;
        }
        self.both(format!("</{prefix}row>").as_bytes());
        Ok(())
    }

    /// The attributes of a cell behind `r`, and its content.
    fn cell(&mut self, setting: &Setting<'_>, row: u32, cell: &TemplateCell) -> Result<()> {
        let prefix = &self.sheet.prefix;
        let style = Style::new(cell.style, prefix, setting.styles, self.is_1904);
        let mut bare = Vec::new();
        put_content(value::Content::Empty, &style, &mut bare);
        push_text(&mut self.empty, &bare);
        let mut tag = style.plain().to_owned();
        for (key, value) in &cell.others {
            put_attribute(key, value, &mut tag);
        }
        match &cell.content {
            Content::Fixed(_, body) if body.is_empty() => {
                tag.extend_from_slice(b"/>");
                self.text(&tag);
            }
            Content::Fixed(kind, body) => {
                if !kind.is_empty() {
                    put_attribute("t", kind, &mut tag);
                }
                tag.extend_from_slice(format!(">{body}</{prefix}c>").as_bytes());
                self.text(&tag);
            }
            Content::Formula(formula) => {
                tag.extend_from_slice(format!("><{prefix}f>").as_bytes());
                self.text(&tag);
                self.formula(setting.shifts, formula)?;
                self.text(format!("</{prefix}f></{prefix}c>").as_bytes());
            }
            Content::Array(area, formula) => {
                tag.extend_from_slice(format!("><{prefix}f t=\"array\" ref=\"").as_bytes());
                self.text(&tag);
                self.formula(setting.shifts, area)?;
                self.text(b"\">");
                self.formula(setting.shifts, formula)?;
                self.text(format!("</{prefix}f></{prefix}c>").as_bytes());
            }
            Content::Marked => self.marked(setting, row, cell.column, style)?,
        }
        Ok(())
    }

    fn formula(&mut self, shifts: &Shifts, formula: &str) -> Result<()> {
        for part in shifts.parts(formula, self.place)? {
            match part {
                Part::Text(text) => {
                    let mut escaped = Vec::new();
                    escape(&text, &mut escaped);
                    self.text(&escaped);
                }
                Part::Row(offset) => self.segments.push(Segment::Row(offset)),
            }
        }
        Ok(())
    }

    fn marked(&mut self, setting: &Setting<'_>, row: u32, column: u32, style: Style) -> Result<()> {
        let Some(marked) = self.sheet.marked.get(&(row, column)) else {
            return Ok(());
        };
        let field = |list: &str, name: &str| Field {
            list: self
                .block
                .lists
                .iter()
                .position(|known| known == list)
                .unwrap_or_default(),
            column: (setting.columns)(list, name),
        };
        match marked.parsed.only() {
            Some(Token::Field { list, name }) => {
                let field = field(list, name);
                self.segments.push(Segment::Field { field, style });
                return Ok(());
            }
            Some(Token::Scalar(name)) => {
                let mut text = Vec::new();
                let content = style.content(setting.scalars.cell(name)?)?;
                put_content(content, &style, &mut text);
                self.text(&text);
                return Ok(());
            }
            _ => {}
        }
        let mut tokens = Vec::new();
        for token in &marked.parsed.tokens {
            tokens.push(match token {
                Token::Text(text) => Mixed::Text(text.clone()),
                Token::Scalar(name) => {
                    Mixed::Text(value::text(setting.scalars.cell(name)?)?.into_owned())
                }
                Token::Field { list, name } => Mixed::Field(field(list, name)),
            });
        }
        self.segments.push(Segment::Mixed {
            tokens,
            font: marked.font.clone(),
            style,
        });
        Ok(())
    }
}

impl Compiled {
    /// Writes one element. `values` has the cells of each list's columns, none where the list has ended.
    pub fn write(&self, values: &[Option<&[Cell<'_>]>], row: u32, out: &mut Vec<u8>) -> Result<()> {
        let cell = |field: Field| match values.get(field.list) {
            Some(Some(cells)) => cells.get(field.column).copied().unwrap_or_default(),
            _ => Cell::Empty,
        };
        let bytes_max = out.len() + TEMPLATE_ELEMENT_BYTES_MAX;
        for segment in &self.segments {
            if out.len() > bytes_max {
                return Err(element_too_large());
            }
            match segment {
                Segment::Text(text) => out.extend_from_slice(text),
                Segment::Row(offset) => put_number(i64::from(row) + offset, out),
                Segment::Field { field, style } => {
                    put_content(style.content(cell(*field))?, style, out);
                }
                Segment::Mixed {
                    tokens,
                    font,
                    style,
                } => {
                    // What stands beside the fields of a list that has ended is left out with them.
                    let mut lists = tokens.iter().filter_map(|token| match token {
                        Mixed::Field(field) => Some(field.list),
                        Mixed::Text(_) => None,
                    });
                    let is_over = lists.clone().next().is_some()
                        && lists.all(|list| values.get(list).copied().flatten().is_none());
                    let mut text = String::new();
                    for token in tokens.iter().filter(|_| !is_over) {
                        match token {
                            Mixed::Text(plain) => text.push_str(plain),
                            Mixed::Field(field) => text.push_str(&value::text(cell(*field))?),
                        }
                    }
                    put_text_cell(&value::bounded(text.into())?, font.as_deref(), style, out);
                }
            }
        }
        Ok(())
    }

    /// Writes the rows of a list without elements.
    pub fn write_empty(&self, row: u32, out: &mut Vec<u8>) {
        write_fixed(&self.empty, row, out);
    }

    /// Writes the merged cells of the copy that begins in this row.
    pub fn write_merges(&self, row: u32, out: &mut Vec<u8>) {
        write_fixed(&self.merges, row, out);
    }
}

fn write_fixed(segments: &[Segment], row: u32, out: &mut Vec<u8>) {
    for segment in segments {
        match segment {
            Segment::Text(text) => out.extend_from_slice(text),
            Segment::Row(offset) => put_number(i64::from(row) + offset, out),
            Segment::Field { .. } | Segment::Mixed { .. } => {}
        }
    }
}
