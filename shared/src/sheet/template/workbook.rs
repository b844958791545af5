//! The parts that hold the workbook together.

use super::follow::Follower;
use super::formula::{self, Piece};
use super::overflow::prefix_of;
use super::references::Shifts;
use super::shift::Shift;
use super::xml::{Source, attribute, attributes, escape, local_name, number, put_attribute};
use crate::sheet::Result;
use quick_xml::events::{BytesStart, Event};

/// A sheet that the template does not have.
pub struct NewSheet {
    pub name: String,
    pub part: String,
    /// The id of its relationship.
    pub id: String,
    /// Where its rows stand.
    pub shift: Shift,
}

/// The workbook's main part: names follow the rows, and everything is calculated when the file is opened. `new` has
/// the sheets that come behind each of the template's.
pub fn workbook(text: &str, shifts: &Shifts, new: &[Vec<NewSheet>]) -> Result<Vec<u8>> {
    let mut sheets = Sheets::read(text, shifts, new)?;
    let mut out = Vec::with_capacity(text.len() + 256);
    let mut source = Source::new(text);
    let mut follower = Follower::new(shifts, 0);
    let mut prefix = String::new();
    // Where the settings of calculation belong when the template has none.
    let mut before_settings = None;
    let mut has_settings = false;
    while let Some((event, raw)) = source.next()? {
        match &event {
            Event::Start(tag) | Event::Empty(tag)
                if local_name(tag.name().as_ref()) == "calcPr" =>
            {
                put_settings(tag, raw, &mut out)?;
                has_settings = true;
                continue;
            }
            Event::Start(tag)
                if local_name(tag.name().as_ref()) == "definedName"
                    && sheets.put_name(tag, &mut source, &mut out)? =>
            {
                continue;
            }
            Event::Start(tag) | Event::Empty(tag)
                if matches!(local_name(tag.name().as_ref()), "sheet" | "workbookView") =>
            {
                sheets.put_tag(tag, raw, &mut out)?;
                continue;
            }
            Event::Start(tag) if local_name(tag.name().as_ref()) == "workbook" => {
                prefix = super::styles::prefix_of(tag.name().as_ref()).to_owned();
            }
            _ => {}
        }
        follower.event(&mut source, &event, raw, &mut out)?;
        let ended = match &event {
            Event::End(tag) => tag.name().as_ref().to_owned(),
            Event::Empty(tag) => tag.name().as_ref().to_owned(),
            _ => continue,
        };
        if matches!(
            local_name(&ended),
            "sheets" | "functionGroups" | "definedNames"
        ) {
            before_settings = Some(out.len());
        }
    }
    if let Some(at) = before_settings.filter(|_| !has_settings) {
        let settings = format!("<{prefix}calcPr fullCalcOnLoad=\"1\"/>");
        out.splice(at..at, settings.into_bytes());
    }
    Ok(out)
}

/// The sheets of the workbook while its main part is written.
struct Sheets<'a> {
    shifts: &'a Shifts,
    new: &'a [Vec<NewSheet>],
    /// For each sheet of the template, cells or not, its index among those with cells.
    indices: Vec<Option<usize>>,
    next_id: u32,
}

impl<'a> Sheets<'a> {
    fn read(text: &str, shifts: &'a Shifts, new: &'a [Vec<NewSheet>]) -> Result<Self> {
        let mut sheets = Self {
            shifts,
            new,
            indices: Vec::new(),
            next_id: 1,
        };
        let mut source = Source::new(text);
        while let Some((event, _)) = source.next()? {
            if let Event::Start(tag) | Event::Empty(tag) = event
                && local_name(tag.name().as_ref()) == "sheet"
            {
                let name = attribute(&tag, "name")?.unwrap_or_default();
                sheets.indices.push(shifts.find(&name));
                let id = attribute(&tag, "sheetId")?.unwrap_or_default();
                let id: u32 = id.parse().unwrap_or_default();
                // Beyond this no new one can collide with it.
                if id < u32::MAX / 2 {
                    sheets.next_id = sheets.next_id.max(id + 1);
                }
            }
        }
        Ok(sheets)
    }

    fn new_of(&self, place: usize) -> &'a [NewSheet] {
        let index = self.indices.get(place).copied().flatten();
        index
            .and_then(|index| self.new.get(index))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Where a sheet of the template stands now.
    fn moved(&self, place: usize) -> usize {
        let before = 0..place.min(self.indices.len());
        let new: usize = before.map(|before| self.new_of(before).len()).sum();
        place.saturating_add(new)
    }

    /// A sheet with its new ones, or the view that names sheets by their place.
    fn put_tag(&mut self, tag: &BytesStart<'_>, raw: &str, out: &mut Vec<u8>) -> Result<()> {
        let all = attributes(tag)?;
        let mut put = |replaced: &dyn Fn(&str, &str) -> Option<String>| {
            out.push(b'<');
            out.extend_from_slice(tag.name().as_ref().as_bytes());
            for (key, value) in &all {
                let replacement = replaced(key, value);
                put_attribute(key, replacement.as_deref().unwrap_or(value), out);
            }
            out.extend_from_slice(if raw.ends_with("/>") { b"/>" } else { b">" });
        };
        if local_name(tag.name().as_ref()) == "workbookView" {
            put(&|key, value| {
                let place = value.parse().ok()?;
                matches!(key, "activeTab" | "firstSheet").then(|| self.moved(place).to_string())
            });
            return Ok(());
        }
        put(&|_, _| None);
        let name = attribute(tag, "name")?.unwrap_or_default();
        let index = self.shifts.find(&name);
        let new = index.and_then(|index| self.new.get(index));
        for sheet in new.into_iter().flatten() {
            let id = self.next_id.to_string();
            self.next_id += 1;
            put(&|key, _| match key {
                "name" => Some(sheet.name.clone()),
                "sheetId" => Some(id.clone()),
                key if local_name(key) == "id" => Some(sheet.id.clone()),
                _ => None,
            });
        }
        Ok(())
    }

    /// A name that belongs to a sheet: its place may be another, and those that Excel itself gives, such as the print
    /// area, each new sheet needs as well. False where the name is like any other.
    fn put_name(
        &self,
        tag: &BytesStart<'_>,
        source: &mut Source<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let Some(place) = attribute(tag, "localSheetId")? else {
            return Ok(false);
        };
        let place: usize = number(&place)?;
        let new = self.new_of(place);
        let is_own = attribute(tag, "name")?.is_some_and(|name| name.starts_with("_xlnm."));
        let text = source.text()?;
        let mut put = |place: usize, text: &str| -> Result<()> {
            out.push(b'<');
            out.extend_from_slice(tag.name().as_ref().as_bytes());
            for (key, value) in attributes(tag)? {
                match key.as_str() {
                    "localSheetId" => put_attribute(&key, &place.to_string(), out),
                    _ => put_attribute(&key, &value, out),
                }
            }
            out.push(b'>');
            escape(text, out);
            out.extend_from_slice(format!("</{}>", tag.name().as_ref()).as_bytes());
            Ok(())
        };
        let index = self.indices.get(place).copied().flatten();
        let (Some(index), true, false) = (index, is_own, new.is_empty()) else {
            let place_in_formula = super::references::Place {
                is_spread: true,
                ..super::references::Place::outside(index.unwrap_or_default())
            };
            put(
                self.moved(place),
                &self.shifts.formula(&text, place_in_formula)?,
            )?;
            return Ok(true);
        };
        let (name, shift) = &self.shifts.sheets[index];
        put(self.moved(place), &on_sheet(&text, name, shift)?)?;
        for (number, sheet) in new.iter().enumerate() {
            let text = on_sheet(&text, &sheet.name, &sheet.shift)?;
            put(self.moved(place).saturating_add(number + 1), &text)?;
        }
        Ok(true)
    }
}

/// The ranges of a name as one of several sheets has them.
fn on_sheet(text: &str, name: &str, shift: &Shift) -> Result<String> {
    let mut out = String::new();
    for piece in formula::pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Reference(reference) => {
                out.push_str(&prefix_of(name));
                let mut range = String::new();
                reference.first.write(&mut range);
                range.push(':');
                reference.last.unwrap_or(reference.first).write(&mut range);
                out.push_str(&shift.ranges(&range)?);
            }
        }
    }
    Ok(out)
}

fn put_settings(tag: &BytesStart<'_>, raw: &str, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'<');
    out.extend_from_slice(tag.name().as_ref().as_bytes());
    for (key, value) in attributes(tag)? {
        if key != "fullCalcOnLoad" {
            put_attribute(&key, &value, out);
        }
    }
    put_attribute("fullCalcOnLoad", "1", out);
    out.extend_from_slice(if raw.ends_with("/>") { b"/>" } else { b">" });
    Ok(())
}

/// Adds entries before the end of a list of parts or of relationships. `entry` writes one with the prefix of the list.
pub fn with(text: Vec<u8>, entries: &[String]) -> Vec<u8> {
    let Some(end) = text.windows(2).rposition(|pair| pair == b"</") else {
        return text;
    };
    let name = String::from_utf8_lossy(&text[end + 2..]).into_owned();
    let prefix = super::styles::prefix_of(name.trim_end().trim_end_matches('>')).to_owned();
    let mut out = text[..end].to_owned();
    for entry in entries {
        out.extend_from_slice(format!("<{prefix}{entry}/>").as_bytes());
    }
    out.extend_from_slice(&text[end..]);
    out
}

/// A list of parts or of relationships without the entries for which `is_dropped` holds; it is given an attribute's
/// value.
pub fn without(text: &str, key: &str, is_dropped: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut source = Source::new(text);
    while let Some((event, raw)) = source.next()? {
        if let Event::Start(tag) | Event::Empty(tag) = &event
            && attribute(tag, key)?.is_some_and(|value| is_dropped(&value))
        {
            if let Event::Start(_) = event {
                source.inside()?;
            }
            continue;
        }
        out.extend_from_slice(raw.as_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        let shifts = Shifts::new(vec![Default::default()]);
        String::from_utf8(workbook(text, &shifts, &[]).unwrap()).unwrap()
    }

    #[test]
    fn everything_is_calculated_when_the_file_is_opened() {
        for (text, expected) in [
            (
                "<workbook><sheets><sheet/></sheets><calcPr calcId=\"1\" fullCalcOnLoad=\"0\"/></workbook>",
                "<workbook><sheets><sheet/></sheets><calcPr calcId=\"1\" fullCalcOnLoad=\"1\"/></workbook>",
            ),
            (
                "<workbook><workbookView activeTab=\"18446744073709551615\"/><sheets><sheet/></sheets><calcPr/></workbook>",
                "<workbook><workbookView activeTab=\"18446744073709551615\"/><sheets><sheet/></sheets>\
                 <calcPr fullCalcOnLoad=\"1\"/></workbook>",
            ),
            (
                "<x:workbook><x:sheets/><x:definedNames/><x:oleSize/></x:workbook>",
                "<x:workbook><x:sheets/><x:definedNames/><x:calcPr fullCalcOnLoad=\"1\"/><x:oleSize/></x:workbook>",
            ),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }

    #[test]
    fn an_entry_is_dropped() {
        let text = "<T><O P=\"/a\"/><O P=\"/b\"></O><D E=\"/a\"/></T>";
        let out = without(text, "P", |name| name != "/c").unwrap();
        assert_eq!(out, b"<T><D E=\"/a\"/></T>");
    }
}
