//! What follows the rows: every place outside of the cells where a template names cells. Elements that are not known
//! here are copied as they are.

use super::references::{Place, Shifts};
use super::shift::Shift;
use super::xml::{Source, attribute, attributes, escape, local_name, number, put_attribute};
use crate::sheet::Result;
use quick_xml::events::{BytesStart, Event};

/// Writes the XML of one part with its references moved.
pub struct Follower<'a> {
    shifts: &'a Shifts,
    sheet: usize,
    /// Where the rows of the sheet stand.
    shift: &'a Shift,
    /// Whether the sheet is one on which a list goes on.
    is_further: bool,
    /// The repeated rows in which the formulas stand that are being read.
    stretch: Option<usize>,
    /// Breaks of columns are not moved.
    is_in_row_breaks: bool,
    /// Whether a single repeated cell means all of its copies.
    is_spread: bool,
    anchor: Anchor,
}

/// The corner cells of a drawing that is being read.
#[derive(Default)]
struct Anchor {
    edit_as: String,
    /// The row of the upper corner in the template, and by how much it moves.
    from: u32,
    moved: i64,
    is_from: bool,
}

/// What an attribute or a text names.
#[derive(Clone, Copy)]
enum Names {
    Cell,
    /// One range.
    Ranges,
    /// Perhaps several.
    Areas,
    Formula,
    /// The cells that have a name.
    Name,
    /// A row behind which something is; 0 is none.
    Row,
}

impl<'a> Follower<'a> {
    /// For a part that belongs to a sheet, counted from 0; formulas with the sheet's name in them may stand in any.
    pub fn new(shifts: &'a Shifts, sheet: usize) -> Self {
        Self {
            shifts,
            sheet,
            shift: &shifts.sheets[sheet].1,
            is_further: false,
            stretch: None,
            is_in_row_breaks: false,
            is_spread: false,
            anchor: Anchor::default(),
        }
    }

    /// For one of the sheets of a list that goes on on several.
    pub fn of_sheet(shifts: &'a Shifts, sheet: usize, shift: &'a Shift, is_further: bool) -> Self {
        Self {
            shift,
            is_further,
            ..Self::new(shifts, sheet)
        }
    }

    /// For the part of a chart, whose series are often a single cell in a template.
    pub fn of_chart(shifts: &'a Shifts, sheet: usize) -> Self {
        Self {
            is_spread: true,
            ..Self::new(shifts, sheet)
        }
    }

    /// A whole part.
    pub fn part(&mut self, text: &str) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(text.len() + text.len() / 8);
        let mut source = Source::new(text);
        while let Some((event, raw)) = source.next()? {
            self.event(&mut source, &event, raw, &mut out)?;
        }
        Ok(out)
    }

    /// One event, and what belongs to it.
    pub fn event(
        &mut self,
        source: &mut Source<'_>,
        event: &Event<'_>,
        raw: &str,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match event {
            Event::Start(tag) => {
                self.enter(tag, source)?;
                self.tag(tag, raw, out)?;
                let name = tag.name();
                let local = local_name(name.as_ref());
                // Beside those that hold a text there are some of the same name that hold elements.
                let has_text = !source.rest().starts_with('<');
                if local == "row" && has_text {
                    let text = source.text()?;
                    self.anchor_row(&text, out)?;
                } else if let Some(names) = names_of_text(local).filter(|_| has_text) {
                    let text = source.text()?;
                    escape(&self.moved(names, &text, self.sheet)?, out);
                } else {
                    return Ok(());
                }
                out.extend_from_slice(format!("</{}>", name.as_ref()).as_bytes());
            }
            Event::Empty(tag) => self.tag(tag, raw, out)?,
            Event::End(tag) => {
                match local_name(tag.name().as_ref()) {
                    "conditionalFormatting" | "dataValidation" => self.stretch = None,
                    "rowBreaks" => self.is_in_row_breaks = false,
                    _ => {}
                }
                out.extend_from_slice(raw.as_bytes());
            }
            _ => out.extend_from_slice(raw.as_bytes()),
        }
        Ok(())
    }

    fn enter(&mut self, tag: &BytesStart<'_>, source: &Source<'_>) -> Result<()> {
        match local_name(tag.name().as_ref()) {
            "conditionalFormatting" | "dataValidation" => {
                // An extension names its cells behind the formulas.
                let cells = attribute(tag, "sqref")?.or_else(|| {
                    let (_, after) = start_of(source.rest()).split_once("sqref>")?;
                    Some(after.split('<').next()?.to_owned())
                });
                self.stretch = cells.and_then(|cells| self.stretch_of(&cells));
            }
            "rowBreaks" => self.is_in_row_breaks = true,
            "twoCellAnchor" | "oneCellAnchor" | "anchor" => {
                self.anchor = Anchor {
                    edit_as: attribute(tag, "editAs")?.unwrap_or_default(),
                    ..Anchor::default()
                };
                let moves = attribute(tag, "moveWithCells")?;
                let sizes = attribute(tag, "sizeWithCells")?;
                if local_name(tag.name().as_ref()) == "anchor" && sizes.is_none() {
                    let moves = matches!(moves.as_deref(), Some("1" | "true"));
                    self.anchor.edit_as = if moves { "oneCell" } else { "absolute" }.to_owned();
                }
            }
            "from" => self.anchor.is_from = true,
            "to" => self.anchor.is_from = false,
            _ => {}
        }
        Ok(())
    }

    /// The repeated rows in which the first of some ranges begins.
    fn stretch_of(&self, ranges: &str) -> Option<usize> {
        let first = ranges.split([' ', ':']).next()?;
        let row = super::formula::Point::parse(first)?.row?;
        self.shift.stretch_of(row)
    }

    /// A tag, with the attributes moved that name cells.
    fn tag(&self, tag: &BytesStart<'_>, raw: &str, out: &mut Vec<u8>) -> Result<()> {
        let name = tag.name();
        let local = local_name(name.as_ref());
        if !has_names(local) {
            out.extend_from_slice(raw.as_bytes());
            return Ok(());
        }
        let attributes = attributes(tag)?;
        let get = |wanted: &str| {
            let found = attributes.iter().find(|(key, _)| key == wanted);
            found.map(|(_, value)| value.as_str())
        };
        let is_formula = get("type") == Some("formula");
        let sheet = match local {
            "worksheetSource" => get("sheet").and_then(|name| self.shifts.find(name)),
            _ => Some(self.sheet),
        };
        out.push(b'<');
        out.extend_from_slice(name.as_ref().as_bytes());
        for (key, value) in &attributes {
            let names = match (local, key.as_str()) {
                ("comment" | "threadedComment", "ref") => Names::Cell,
                (_, "ref") => Names::Ranges,
                (_, "sqref") => Names::Areas,
                (_, "activeCell" | "topLeftCell") | ("cellWatch", "r") => Names::Cell,
                ("hyperlink", "location") => Names::Formula,
                ("cfvo", "val") if is_formula => Names::Formula,
                ("brk", "id") if self.is_in_row_breaks => Names::Row,
                // Several selected sheets would be changed together.
                ("sheetView", "tabSelected") if self.is_further => continue,
                _ => {
                    put_attribute(key, value, out);
                    continue;
                }
            };
            match sheet {
                Some(sheet) => put_attribute(key, &self.moved(names, value, sheet)?, out),
                None => put_attribute(key, value, out),
            }
        }
        out.extend_from_slice(if raw.ends_with("/>") { b"/>" } else { b">" });
        Ok(())
    }

    fn moved(&self, names: Names, text: &str, sheet: usize) -> Result<String> {
        let shift = match sheet == self.sheet {
            true => self.shift,
            false => &self.shifts.sheets[sheet].1,
        };
        match names {
            Names::Cell => shift.cell(text),
            Names::Ranges => shift.ranges(text),
            Names::Areas => shift.areas(text),
            Names::Formula | Names::Name => {
                let is_spread = self.is_spread || matches!(names, Names::Name);
                let place = Place::inside(sheet, self.stretch);
                self.shifts.formula(text, Place { is_spread, ..place })
            }
            Names::Row => Ok(match number(text)? {
                0 => "0".to_owned(),
                row => shift.last(row)?.to_string(),
            }),
        }
    }

    /// The row of a drawing's corner, counted from 0.
    fn anchor_row(&mut self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let row: u32 = number::<u32>(text)?.saturating_add(1);
        let shift = self.shift;
        let moved = if self.anchor.edit_as == "absolute" {
            row
        } else if self.anchor.is_from {
            let moved = shift.first(row)?;
            self.anchor.from = row;
            self.anchor.moved = i64::from(moved) - i64::from(row);
            moved
        } else if self.anchor.edit_as == "oneCell"
            || shift.stretch_of(row).is_some()
                && shift.stretch_of(row) == shift.stretch_of(self.anchor.from)
        {
            // What keeps its size, or stands inside the repeated rows, moves as a whole.
            u32::try_from(i64::from(row) + self.anchor.moved).unwrap_or(row)
        } else {
            shift.last(row)?
        };
        out.extend_from_slice((moved - 1).to_string().as_bytes());
        Ok(())
    }
}

/// The elements with attributes that name cells.
fn has_names(local: &str) -> bool {
    matches!(
        local,
        "dimension"
            | "sheetView"
            | "pane"
            | "selection"
            | "protectedRange"
            | "autoFilter"
            | "sortState"
            | "sortCondition"
            | "mergeCell"
            | "conditionalFormatting"
            | "cfvo"
            | "dataValidation"
            | "hyperlink"
            | "brk"
            | "cellWatch"
            | "ignoredError"
            | "table"
            | "comment"
            | "threadedComment"
            | "location"
            | "worksheetSource"
    )
}

/// What the text of an element names.
fn names_of_text(local: &str) -> Option<Names> {
    match local {
        "formula"
        | "formula1"
        | "formula2"
        | "f"
        | "calculatedColumnFormula"
        | "totalsRowFormula" => Some(Names::Formula),
        "definedName" => Some(Names::Name),
        "sqref" => Some(Names::Areas),
        _ => None,
    }
}

/// As much of a text as the formulas of a format take.
fn start_of(text: &str) -> &str {
    const BYTES: usize = 8 * 1024;
    let end = (0..=BYTES.min(text.len())).rfind(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

/// Moves the notes of a sheet in its VML drawing, which is not always XML (ECMA-376 part 4, 19.4.2).
pub fn vml(text: &str, shift: &Shift) -> Result<Vec<u8>> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("<x:") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let tag = ["<x:Anchor>", "<x:Row>", "<x:"];
        let tag = tag.into_iter().find(|tag| rest.starts_with(tag));
        let tag = tag.unwrap_or_default();
        out.push_str(tag);
        rest = &rest[tag.len()..];
        if tag.ends_with('>') {
            let length = rest.find('<').unwrap_or(rest.len());
            out.push_str(&vml_rows(&rest[..length], tag == "<x:Row>", shift)?);
            rest = &rest[length..];
        }
    }
    out.push_str(rest);
    Ok(out.into_bytes())
}

fn vml_rows(text: &str, is_row: bool, shift: &Shift) -> Result<String> {
    let moved =
        |row: u32| Ok::<_, crate::sheet::SheetError>(shift.first(row.saturating_add(1))? - 1);
    if is_row {
        return match text.trim().parse::<u32>() {
            Ok(row) => Ok(moved(row)?.to_string()),
            Err(_) => Ok(text.to_owned()),
        };
    }
    let mut numbers: Vec<String> = text.split(',').map(|n| n.trim().to_owned()).collect();
    let (Some(Ok(top)), Some(Ok(bottom))) = (
        numbers.get(2).map(|row| row.parse::<u32>()),
        numbers.get(6).map(|row| row.parse::<u32>()),
    ) else {
        return Ok(text.to_owned());
    };
    let new_top = moved(top)?;
    numbers[2] = new_top.to_string();
    numbers[6] = (new_top.saturating_add(bottom.saturating_sub(top))).to_string();
    Ok(numbers.join(", "))
}

#[cfg(test)]
mod tests;
