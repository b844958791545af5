//! Puts the XML of a sheet together: what the template has, with its references moved and its scalars filled in, and
//! the repeated rows in their places.

use super::follow::Follower;
use super::formula::column_name;
use super::grid::{Cell, Grid, Item};
use super::model::{Area, Model, Sheet, too_many};
use super::placeholder::Token;
use super::references::{Place, Shifts};
use super::shift::Shift;
use super::styles::Styles;
use super::values::{Scalars, Style, put_content, put_text_cell};
use super::xml::{Source, attribute, escape, local_name, put_attribute};
use crate::limits::TEMPLATE_SHEET_BYTES_MAX;
use crate::sheet::{Result, value};
use quick_xml::events::Event;

/// A piece of a sheet's XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(Vec<u8>),
    Part(u32),
}

/// The repeated rows of one block.
pub struct Filled {
    pub rows: Piece,
    pub merges: Piece,
    pub merge_count: u64,
}

/// What a sheet is put together from.
pub struct Setting<'a> {
    pub model: &'a Model,
    pub styles: &'a Styles,
    pub shifts: &'a Shifts,
    pub scalars: &'a Scalars,
    /// Where the rows of this sheet stand.
    pub shift: &'a Shift,
    /// Whether a list of another sheet goes on on this one, and whether it ends here.
    pub is_further: bool,
    pub is_last: bool,
}

/// The XML of a sheet in pieces, `text` being the template's.
pub fn pieces(
    setting: &Setting<'_>,
    sheet_index: usize,
    text: &str,
    mut blocks: Vec<Filled>,
) -> Result<Vec<Piece>> {
    let sheet = &setting.model.sheets[sheet_index];
    let mut pieces = Pieces::default();
    let mut source = Source::new(text);
    let mut follower = Follower::of_sheet(
        setting.shifts,
        sheet_index,
        setting.shift,
        setting.is_further,
    );
    while let Some((event, raw)) = source.next()? {
        if let Event::Start(tag) = &event {
            match local_name(tag.name().as_ref()) {
                "sheetData" => {
                    pieces.text.extend_from_slice(raw.as_bytes());
                    let mut writer = Writer {
                        setting,
                        sheet_index,
                        pieces: &mut pieces,
                        blocks: &mut blocks,
                        next_block: 0,
                    };
                    writer.grid(&mut source)?;
                    let prefix = &sheet.prefix;
                    pieces
                        .text
                        .extend_from_slice(format!("</{prefix}sheetData>").as_bytes());
                    continue;
                }
                "mergeCells" => {
                    let inside = source.inside()?;
                    merges(setting, sheet_index, inside, &mut blocks, &mut pieces)?;
                    continue;
                }
                _ => {}
            }
        }
        follower.event(&mut source, &event, raw, &mut pieces.text)?;
    }
    Ok(pieces.done())
}

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    text: Vec<u8>,
}

impl Pieces {
    fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.text.extend_from_slice(&text),
            part => {
                self.flush();
                self.done.push(part);
            }
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done.push(Piece::Text(std::mem::take(&mut self.text)));
        }
    }

    fn done(mut self) -> Vec<Piece> {
        self.flush();
        self.done
    }
}

/// Writes the merged cells outside of the repeated rows, and then those that were repeated.
fn merges(
    setting: &Setting<'_>,
    sheet_index: usize,
    inside: &str,
    blocks: &mut [Filled],
    pieces: &mut Pieces,
) -> Result<()> {
    let sheet = &setting.model.sheets[sheet_index];
    let shift = setting.shift;
    let mut fixed = Vec::new();
    let mut count: u64 = blocks.iter().map(|block| block.merge_count).sum();
    let mut source = Source::new(inside);
    let prefix = &sheet.prefix;
    while let Some((event, _)) = source.next()? {
        let (Event::Start(tag) | Event::Empty(tag)) = event else {
            continue;
        };
        if local_name(tag.name().as_ref()) != "mergeCell" {
            continue;
        }
        let cells = attribute(&tag, "ref")?.unwrap_or_default();
        let area = Area::parse(&cells);
        let is_elsewhere = area.is_some_and(|area| {
            let mut blocks = sheet.blocks.iter();
            area.is_cell() || blocks.any(|block| block.merges.contains(&area))
        });
        if !is_elsewhere {
            fixed.extend_from_slice(format!("<{prefix}mergeCell").as_bytes());
            put_attribute("ref", &shift.ranges(&cells)?, &mut fixed);
            fixed.extend_from_slice(b"/>");
            count += 1;
        }
    }
    if count == 0 {
        return Ok(());
    }
    pieces.push(Piece::Text(
        format!("<{prefix}mergeCells count=\"{count}\">").into(),
    ));
    pieces.push(Piece::Text(fixed));
    for block in blocks {
        pieces.push(std::mem::replace(
            &mut block.merges,
            Piece::Text(Vec::new()),
        ));
    }
    pieces.push(Piece::Text(format!("</{prefix}mergeCells>").into()));
    Ok(())
}

/// Writes the rows of a sheet.
struct Writer<'a, 'b> {
    setting: &'a Setting<'b>,
    sheet_index: usize,
    pieces: &'a mut Pieces,
    blocks: &'a mut [Filled],
    next_block: usize,
}

impl<'b> Writer<'_, 'b> {
    fn sheet(&self) -> &'b Sheet {
        &self.setting.model.sheets[self.sheet_index]
    }

    fn grid(&mut self, source: &mut Source<'_>) -> Result<()> {
        let mut grid = Grid::new();
        let sheet = self.sheet();
        let shift = self.setting.shift;
        let end = sheet.blocks.last().map_or(0, |block| block.last);
        let mut is_elsewhere = false;
        let mut moved = 0;
        while let Some(item) = grid.next(source)? {
            match item {
                Item::Row { number, attributes } => {
                    let block = sheet.block_of(number);
                    // What stands below a list that goes on is on its last sheet.
                    is_elsewhere = block.is_some() || (number > end && !self.setting.is_last);
                    if let Some(block) = block {
                        self.write_blocks(block + 1);
                        continue;
                    }
                    if is_elsewhere {
                        continue;
                    }
                    let above = sheet.blocks.iter().filter(|b| b.last < number).count();
                    self.write_blocks(above);
                    moved = shift.first(number)?;
                    let out = &mut self.pieces.text;
                    out.extend_from_slice(format!("<{}row", sheet.prefix).as_bytes());
                    put_attribute("r", &moved.to_string(), out);
                    for (key, value) in &attributes {
                        put_attribute(key, value, out);
                    }
                    out.push(b'>');
                }
                Item::Cell(_) | Item::RowEnd if is_elsewhere => {}
                Item::Cell(cell) => {
                    self.cell(&cell, moved)?;
                    if self.pieces.text.len() > TEMPLATE_SHEET_BYTES_MAX {
                        return Err(too_many(format_args!(
                            "what stands outside of the lists becomes too large"
                        )));
                    }
                }
                Item::RowEnd => {
                    let end = format!("</{}row>", sheet.prefix);
                    self.pieces.text.extend_from_slice(end.as_bytes());
                }
            }
        }
        self.write_blocks(sheet.blocks.len());
        Ok(())
    }

    /// Writes the blocks before this one that are not written yet.
    fn write_blocks(&mut self, end: usize) {
        while self.next_block < end {
            let rows = &mut self.blocks[self.next_block].rows;
            self.pieces
                .push(std::mem::replace(rows, Piece::Text(Vec::new())));
            self.next_block += 1;
        }
    }

    fn cell(&mut self, cell: &Cell<'_>, row: u32) -> Result<()> {
        let prefix = &self.sheet().prefix;
        let is_marked = self.sheet().marked.contains_key(&(cell.row, cell.column));
        let out = &mut self.pieces.text;
        out.extend_from_slice(format!("<{prefix}c").as_bytes());
        put_attribute("r", &format!("{}{row}", column_name(cell.column)), out);
        if is_marked {
            return self.marked(cell);
        }
        if cell.style != 0 {
            put_attribute("s", &cell.style.to_string(), out);
        }
        if !cell.kind.is_empty() && cell.formula.is_none() {
            put_attribute("t", &cell.kind, out);
        }
        for (key, value) in &cell.others {
            put_attribute(key, value, out);
        }
        if cell.formula.is_some() {
            out.push(b'>');
            self.formula(cell)?;
        } else if cell.body.is_empty() {
            out.extend_from_slice(b"/>");
            return Ok(());
        } else {
            out.push(b'>');
            out.extend_from_slice(cell.body.as_bytes());
        }
        let end = format!("</{prefix}c>");
        self.pieces.text.extend_from_slice(end.as_bytes());
        Ok(())
    }

    /// A formula without the value that it had in the template.
    fn formula(&mut self, cell: &Cell<'_>) -> Result<()> {
        let sheet = self.sheet();
        let shift = self.setting.shift;
        let own = cell.own_formula(&sheet.shared)?;
        let Some(formula) = &cell.formula else {
            return Ok(());
        };
        let out = &mut self.pieces.text;
        out.extend_from_slice(format!("<{}f", sheet.prefix).as_bytes());
        if own.is_none() {
            for (key, value) in &formula.attributes {
                match key.as_str() {
                    "ref" => put_attribute(key, &shift.ranges(value)?, out),
                    "r1" | "r2" => put_attribute(key, &shift.cell(value)?, out),
                    _ => put_attribute(key, value, out),
                }
            }
        }
        out.push(b'>');
        let place = Place::outside(self.sheet_index);
        let text = own.as_ref().unwrap_or(&formula.text);
        escape(&self.setting.shifts.formula(text, place)?, out);
        out.extend_from_slice(format!("</{}f>", sheet.prefix).as_bytes());
        Ok(())
    }

    /// A cell with scalars, behind its `r`.
    fn marked(&mut self, cell: &Cell<'_>) -> Result<()> {
        let sheet = self.sheet();
        let is_1904 = self.setting.model.is_1904;
        let style = Style::new(cell.style, &sheet.prefix, self.setting.styles, is_1904);
        let scalars = self.setting.scalars;
        let out = &mut self.pieces.text;
        let Some(marked) = sheet.marked.get(&(cell.row, cell.column)) else {
            return Ok(());
        };
        if let Some(Token::Scalar(name)) = marked.parsed.only() {
            put_content(style.content(scalars.cell(name)?)?, &style, out);
            return Ok(());
        }
        let mut text = String::new();
        for token in &marked.parsed.tokens {
            match token {
                Token::Text(plain) => text.push_str(plain),
                Token::Scalar(name) => text.push_str(&value::text(scalars.cell(name)?)?),
                Token::Field { .. } => {}
            }
        }
        put_text_cell(
            &value::bounded(text.into())?,
            marked.font.as_deref(),
            &style,
            out,
        );
        Ok(())
    }
}
