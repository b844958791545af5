//! What stands around the rows of values: title, summary, header, heads, footer.

use super::ExcelWriter;
use super::look::{Look, Looks};
use super::pen::{Digits, height, letters};
use super::run::Run;
use super::width::characters;
use crate::domain::heads::{depth, place};
use crate::domain::style::{Align, Color, Style};
use crate::limits::ROW_POINTS_MAX;
use crate::sheet::text::{escape, needs_preserve};

/// The fill of heads whose style says nothing else.
const HEAD_FILL: Color = Color(0xDD_EBF7);
/// The font of a title, and the height of one of its lines, points.
const TITLE_POINTS: u32 = 16;
const TITLE_LINE_POINTS: f64 = 22.0;
/// The height of one line of the usual font, points.
const LINE_POINTS: f64 = 15.0;

/// Rows that are being drawn, and the merges of their sheet.
#[derive(Default)]
pub struct Sketch {
    pub text: Vec<u8>,
    pub merges: Vec<String>,
}

impl Sketch {
    /// Merges so many rows and columns from this cell on; one cell is no merge.
    pub fn merge(&mut self, row: u32, column: usize, rows: u32, columns: usize) {
        if rows > 1 || columns > 1 {
            let to = letters(column + columns - 1);
            let from = letters(column);
            self.merges
                .push(format!("{from}{row}:{to}{}", row + rows - 1));
        }
    }

    fn open_row(&mut self, digits: &Digits, points: Option<f64>) {
        self.text.extend_from_slice(b"<row r=\"");
        self.text.extend_from_slice(digits.as_bytes());
        self.text.push(b'"');
        self.text.extend_from_slice(&height(points));
        self.text.push(b'>');
    }

    /// A row with one text over all columns.
    fn line(&mut self, row: u32, text: &str, look: u32, columns: usize, points: Option<f64>) {
        let digits = Digits::of(row);
        self.open_row(&digits, points);
        put_cell(0, &digits, text, look, &mut self.text);
        self.text.extend_from_slice(b"</row>");
        self.merge(row, 0, 1, columns);
    }
}

/// How a head looks whose style says so much.
pub fn head_look(style: &Style) -> Look {
    Look {
        bold: style.bold != Some(false),
        color: style.color,
        fill: Some(style.bg_color.unwrap_or(HEAD_FILL)),
        align: Some(style.align.unwrap_or(Align::Center)),
        is_middle: true,
        wraps: true,
        has_border: true,
        ..Look::default()
    }
}

/// Writes a cell with a text, or an empty one.
pub fn put_cell(column: usize, digits: &Digits, text: &str, look: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<c r=\"");
    out.extend_from_slice(letters(column).as_bytes());
    out.extend_from_slice(digits.as_bytes());
    out.extend_from_slice(format!("\" s=\"{look}\"").as_bytes());
    if text.is_empty() {
        out.extend_from_slice(b"/>");
        return;
    }
    out.extend_from_slice(if needs_preserve(text) {
        b" t=\"inlineStr\"><is><t xml:space=\"preserve\">".as_slice()
    } else {
        b" t=\"inlineStr\"><is><t>".as_slice()
    });
    escape(text, out);
    out.extend_from_slice(b"</t></is></c>");
}

impl ExcelWriter {
    /// Columns of a table, those of row heads included.
    pub(super) fn columns_of(&self, index: usize) -> usize {
        let table = &self.tables[index].table;
        table.width() + depth(table.row_heads())
    }

    /// Draws what stands above the rows of a run. `characters` is the width of the table.
    pub(super) fn draw_opening(
        &self,
        run: &Run,
        characters: f64,
        looks: &mut Looks,
        sketch: &mut Sketch,
    ) {
        let mut row = run.top;
        if run.is_first {
            row = self.draw_banner(run, characters, looks, sketch);
        }
        if run.heads > 0 {
            self.draw_heads(run, row, looks, sketch);
        }
    }

    /// Draws title, summary and header; returns the row below.
    fn draw_banner(
        &self,
        run: &Run,
        characters: f64,
        looks: &mut Looks,
        sketch: &mut Sketch,
    ) -> u32 {
        let columns = self.columns_of(run.table);
        let layout = self.layout_of(run.table);
        let mut row = run.top;
        if let Some(title) = layout.and_then(|layout| layout.title.as_deref()) {
            let look = looks.number(Look {
                size: TITLE_POINTS,
                bold: true,
                align: Some(Align::Center),
                is_middle: true,
                wraps: true,
                ..Look::default()
            });
            // Its letters are larger than those that the width counts.
            let lines = wrapped_lines(title, characters * 11.0 / f64::from(TITLE_POINTS));
            let points = (f64::from(lines) * TITLE_LINE_POINTS).clamp(30.0, ROW_POINTS_MAX);
            sketch.line(row, title, look, columns, Some(points));
            row += 1;
        }
        if let Some(summary) = layout.and_then(|layout| layout.summary.as_deref()) {
            row = self.draw_lines(
                row,
                &[summary.to_owned()],
                columns,
                characters,
                looks,
                sketch,
            );
        }
        let header = &self.tables[run.table].progress.header;
        self.draw_lines(row, header, columns, characters, looks, sketch)
    }

    /// Draws the lines below a table.
    pub(super) fn draw_footer(
        &self,
        run: &Run,
        characters: f64,
        looks: &mut Looks,
        sketch: &mut Sketch,
    ) {
        let columns = self.columns_of(run.table);
        let footer = &self.tables[run.table].progress.footer;
        self.draw_lines(run.next_row(), footer, columns, characters, looks, sketch);
    }

    /// Draws a row for each of these texts; returns the row below.
    fn draw_lines(
        &self,
        mut row: u32,
        lines: &[String],
        columns: usize,
        characters: f64,
        looks: &mut Looks,
        sketch: &mut Sketch,
    ) -> u32 {
        if lines.is_empty() {
            return row;
        }
        let look = looks.number(Look {
            align: Some(Align::Left),
            is_middle: true,
            wraps: true,
            ..Look::default()
        });
        for text in lines {
            // Excel does not find the height of a merged cell by itself.
            let wrapped = wrapped_lines(text, characters);
            let points =
                (wrapped > 1).then(|| (f64::from(wrapped) * LINE_POINTS).min(ROW_POINTS_MAX));
            sketch.line(row, text, look, columns, points);
            row += 1;
        }
        row
    }

    fn draw_heads(&self, run: &Run, first: u32, looks: &mut Looks, sketch: &mut Sketch) {
        let table = &self.tables[run.table].table;
        let heads = table.heads();
        let levels = depth(&heads.rows);
        let width = table.width();
        let placed = place(&heads.columns, &|_| 1);
        let plain = looks.number(head_look(&Style::default()));
        // Which head covers each cell of the block.
        let rows = run.heads as usize;
        let mut covering = vec![None; rows * width];
        for (index, at) in placed.iter().enumerate() {
            for row in at.level..at.level + at.levels {
                covering[row * width + at.place..][..at.places].fill(Some(index));
            }
            let row = first + at.level as u32;
            sketch.merge(row, levels + at.place, at.levels as u32, at.places);
        }
        if levels > 0 {
            sketch.merge(first, 0, run.heads, levels);
        }
        let numbers: Vec<u32> = placed
            .iter()
            .map(|at| looks.number(head_look(&at.head.style)))
            .collect();
        for row in 0..rows {
            let digits = Digits::of(first + row as u32);
            let of_row = placed.iter().filter(|at| at.level == row);
            let points = of_row
                .filter_map(|at| at.head.style.height)
                .reduce(f64::max);
            sketch.open_row(&digits, points.or(self.layout.default_height));
            for column in 0..levels {
                put_cell(column, &digits, "", plain, &mut sketch.text);
            }
            for column in 0..width {
                let (title, look) = match covering[row * width + column] {
                    Some(index) => {
                        let at = &placed[index];
                        let is_origin = at.level == row && at.place == column;
                        let title = if is_origin {
                            at.head.title.as_str()
                        } else {
                            ""
                        };
                        (title, numbers[index])
                    }
                    None => ("", plain),
                };
                put_cell(levels + column, &digits, title, look, &mut sketch.text);
            }
            sketch.text.extend_from_slice(b"</row>");
        }
    }
}

/// Lines that a text takes in a cell of so many characters.
fn wrapped_lines(text: &str, width: f64) -> u32 {
    let lines = text.split('\n').map(|line| {
        // A long line is measured in pieces, for a width is bounded.
        let measured: u32 = line
            .chars()
            .collect::<Vec<char>>()
            .chunks(20)
            .map(|piece| u32::from(characters(&piece.iter().collect::<String>())))
            .sum();
        ((f64::from(measured) / width.max(1.0)).ceil() as u32).max(1)
    });
    lines.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_covers_more_than_one_cell() {
        let mut sketch = Sketch::default();
        sketch.merge(1, 0, 1, 1);
        sketch.merge(2, 25, 3, 2);
        assert_eq!(sketch.merges, ["Z2:AA4"]);
    }

    #[test]
    fn a_long_line_wraps() {
        assert_eq!(wrapped_lines("", 10.0), 1);
        assert_eq!(wrapped_lines("a\nb", 10.0), 2);
        assert_eq!(wrapped_lines(&"字".repeat(50), 40.0), 3);
    }
}
