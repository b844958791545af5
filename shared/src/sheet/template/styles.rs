//! The cell formats of a template, and those that dates need in addition.

use super::xml::{Source, attribute, attributes, local_name, number, put_attribute};
use crate::sheet::Result;
use quick_xml::events::Event;
use std::collections::BTreeMap;

/// How dates look where the template does not say it; the second has the time of day.
const DATE_FORMATS: [&str; 2] = ["yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"];
/// The first number format that is not built in.
const OWN_FORMATS_FROM: u32 = 164;

/// What a cell's own number format asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFormat {
    General,
    /// Whatever stands in the cell is text.
    Text,
    Other,
}

/// The cell formats of a workbook.
#[derive(Clone, Debug, Default)]
pub struct Styles {
    /// The number format and the XML of each `xf` in `cellXfs`.
    formats: Vec<(u32, String)>,
    /// The number formats of the template that are not built in, those of conditional formats among them.
    codes: BTreeMap<u32, String>,
    /// How many of them stand in the list of number formats.
    listed: usize,
    /// The formats from which two were made with [`DATE_FORMATS`], and where the first of these stands.
    added: BTreeMap<u32, usize>,
}

impl Styles {
    pub fn read(text: &str) -> Result<Self> {
        let mut styles = Self::default();
        let mut source = Source::new(text);
        let mut is_inside = false;
        let mut is_list = false;
        while let Some((event, raw)) = source.next()? {
            match &event {
                Event::Start(tag) | Event::Empty(tag) => match local_name(tag.name().as_ref()) {
                    "cellXfs" => is_inside = matches!(event, Event::Start(_)),
                    "numFmts" => is_list = matches!(event, Event::Start(_)),
                    "numFmt" => {
                        let id = attribute(tag, "numFmtId")?.unwrap_or_default();
                        let code = attribute(tag, "formatCode")?.unwrap_or_default();
                        styles.codes.insert(number(&id)?, code);
                        styles.listed += usize::from(is_list);
                    }
                    "xf" if is_inside => {
                        let id = attribute(tag, "numFmtId")?.unwrap_or_else(|| "0".to_owned());
                        let mut xml = raw.to_owned();
                        if let Event::Start(_) = event {
                            let from = source.at();
                            source.inside()?;
                            xml.push_str(&text[from..source.at()]);
                        }
                        styles.formats.push((number(&id)?, xml));
                    }
                    _ => {}
                },
                Event::End(tag) => match local_name(tag.name().as_ref()) {
                    "cellXfs" => is_inside = false,
                    "numFmts" => is_list = false,
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(styles)
    }

    /// The number format of a cell format.
    pub fn number_format(&self, style: u32) -> NumberFormat {
        let id = self.formats.get(style as usize).map_or(0, |(id, _)| *id);
        match (id, self.codes.get(&id).map(String::as_str)) {
            (0, None) | (_, Some("General")) => NumberFormat::General,
            (49, None) | (_, Some("@")) => NumberFormat::Text,
            _ => NumberFormat::Other,
        }
    }

    /// Adds the cell formats that look like this one and show a date, if it shows none by itself.
    pub fn add_dates(&mut self, style: u32) {
        let is_known = (style as usize) < self.formats.len();
        if is_known
            && self.number_format(style) == NumberFormat::General
            && self.with_date(style, false).is_none()
        {
            let next = self.formats.len() + self.added.len() * DATE_FORMATS.len();
            self.added.insert(style, next);
        }
    }

    /// The cell format that looks the same and shows a date; none where it was not added.
    pub fn with_date(&self, style: u32, has_time: bool) -> Option<u32> {
        let first = self.added.get(&style)?;
        Some((first + usize::from(has_time)) as u32)
    }

    /// The numbers that the added number formats get.
    fn added_codes(&self) -> [u32; 2] {
        let next = self
            .codes
            .last_key_value()
            .map_or(OWN_FORMATS_FROM, |(id, _)| {
                id.saturating_add(1).max(OWN_FORMATS_FROM)
            });
        [next, next.saturating_add(1)]
    }

    /// The part with what was added.
    pub fn rewritten(&self, text: &str) -> Result<Vec<u8>> {
        if self.added.is_empty() {
            return Ok(text.into());
        }
        let mut out = Vec::with_capacity(text.len() + 1024);
        let mut source = Source::new(text);
        let has_codes = self.listed > 0;
        while let Some((event, raw)) = source.next()? {
            match &event {
                Event::Start(tag) => match local_name(tag.name().as_ref()) {
                    "numFmts" if has_codes => with_count(tag, self.listed + 2, &mut out)?,
                    "cellXfs" => {
                        with_count(
                            tag,
                            self.formats.len() + self.added.len() * DATE_FORMATS.len(),
                            &mut out,
                        )?;
                    }
                    "styleSheet" => {
                        out.extend_from_slice(raw.as_bytes());
                        if !has_codes {
                            let name = tag.name();
                            let prefix = prefix_of(name.as_ref());
                            out.extend_from_slice(
                                format!("<{prefix}numFmts count=\"2\">").as_bytes(),
                            );
                            self.put_codes(prefix, &mut out);
                            out.extend_from_slice(format!("</{prefix}numFmts>").as_bytes());
                        }
                    }
                    _ => out.extend_from_slice(raw.as_bytes()),
                },
                // An empty list, beside the one that was put in.
                Event::Empty(tag) if local_name(tag.name().as_ref()) == "numFmts" => {}
                Event::End(tag) => {
                    let prefix = prefix_of(tag.name().as_ref()).to_owned();
                    match local_name(tag.name().as_ref()) {
                        "numFmts" if has_codes => {
                            self.put_codes(&prefix, &mut out);
                            out.extend_from_slice(raw.as_bytes());
                        }
                        "cellXfs" => {
                            self.put_formats(&mut out)?;
                            out.extend_from_slice(raw.as_bytes());
                        }
                        _ => out.extend_from_slice(raw.as_bytes()),
                    }
                }
                _ => out.extend_from_slice(raw.as_bytes()),
            }
        }
        Ok(out)
    }

    fn put_codes(&self, prefix: &str, out: &mut Vec<u8>) {
        for (id, code) in self.added_codes().iter().zip(DATE_FORMATS) {
            out.extend_from_slice(format!("<{prefix}numFmt").as_bytes());
            put_attribute("numFmtId", &id.to_string(), out);
            put_attribute("formatCode", code, out);
            out.extend_from_slice(b"/>");
        }
    }

    fn put_formats(&self, out: &mut Vec<u8>) -> Result<()> {
        let codes = self.added_codes();
        let mut added: Vec<(&usize, &u32)> = self.added.iter().map(|(s, at)| (at, s)).collect();
        added.sort();
        let copies = added
            .iter()
            .flat_map(|(_, style)| codes.map(|code| (**style, code)));
        for (style, code) in copies {
            let Some((_, xml)) = self.formats.get(style as usize) else {
                continue;
            };
            let mut source = Source::new(xml);
            if let Some((Event::Start(tag) | Event::Empty(tag), raw)) = source.next()? {
                out.push(b'<');
                out.extend_from_slice(tag.name().as_ref().as_bytes());
                for (key, value) in attributes(&tag)? {
                    if key != "numFmtId" && key != "applyNumberFormat" {
                        put_attribute(&key, &value, out);
                    }
                }
                put_attribute("numFmtId", &code.to_string(), out);
                put_attribute("applyNumberFormat", "1", out);
                out.extend_from_slice(if raw.ends_with("/>") { b"/>" } else { b">" });
                out.extend_from_slice(source.rest().as_bytes());
            }
        }
        Ok(())
    }
}

fn with_count(
    tag: &quick_xml::events::BytesStart<'_>,
    count: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    out.push(b'<');
    out.extend_from_slice(tag.name().as_ref().as_bytes());
    for (key, value) in attributes(tag)? {
        if key != "count" {
            put_attribute(&key, &value, out);
        }
    }
    put_attribute("count", &count.to_string(), out);
    out.push(b'>');
    Ok(())
}

/// The prefix of a name with its colon.
pub fn prefix_of(name: &str) -> &str {
    &name[..name.find(':').map_or(0, |at| at + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLES: &str = "<styleSheet><numFmts count=\"1\"><numFmt numFmtId=\"170\" formatCode=\"@\"/></numFmts>\
        <cellStyleXfs><xf numFmtId=\"0\"/></cellStyleXfs><cellXfs count=\"3\"><xf numFmtId=\"0\" fontId=\"1\">\
        <alignment/></xf><xf numFmtId=\"4\"/><xf numFmtId=\"170\"/></cellXfs></styleSheet>";

    #[test]
    fn a_format_for_dates_is_added_once() {
        let mut styles = Styles::read(STYLES).unwrap();
        let formats = [0, 1, 2].map(|style| styles.number_format(style));
        assert_eq!(
            formats,
            [
                NumberFormat::General,
                NumberFormat::Other,
                NumberFormat::Text
            ]
        );
        assert_eq!(styles.rewritten(STYLES).unwrap(), STYLES.as_bytes());
        for style in [0, 0, 1, 9] {
            styles.add_dates(style);
        }
        assert_eq!(styles.with_date(0, false), Some(3));
        assert_eq!(styles.with_date(0, true), Some(4));
        assert_eq!(styles.with_date(1, true), None);
        assert_eq!(styles.with_date(9, true), None);
        let out = String::from_utf8(styles.rewritten(STYLES).unwrap()).unwrap();
        assert!(out.contains("<cellXfs count=\"5\">"), "{out}");
        assert!(out.contains(
            "<numFmts count=\"3\"><numFmt numFmtId=\"170\" formatCode=\"@\"/><numFmt numFmtId=\"171\" \
             formatCode=\"yyyy-mm-dd\"/>"
        ));
        assert!(out.contains(
            "<xf numFmtId=\"170\"/><xf fontId=\"1\" numFmtId=\"171\" applyNumberFormat=\"1\"><alignment/></xf>"
        ));
    }

    #[test]
    fn a_template_without_number_formats_gets_some() {
        let text = "<x:styleSheet><x:cellXfs count=\"1\"><x:xf/></x:cellXfs></x:styleSheet>";
        let mut styles = Styles::read(text).unwrap();
        styles.add_dates(0);
        let out = String::from_utf8(styles.rewritten(text).unwrap()).unwrap();
        assert!(
            out.starts_with("<x:styleSheet><x:numFmts count=\"2\"><x:numFmt numFmtId=\"164\""),
            "{out}"
        );
    }
}
