//! Reading the XML of a template: events together with the text that they stand in, so that what a reader does
//! not know is copied as it is.

use crate::sheet::{Result, SheetError};
use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};

/// The events of one XML text.
pub struct Source<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    /// Where the last event ends, bytes.
    at: usize,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        Self {
            reader,
            text,
            at: 0,
        }
    }

    /// The next event and its own text; none at the end.
    pub fn next(&mut self) -> Result<Option<(Event<'a>, &'a str)>> {
        let event = self
            .reader
            .read_event()
            .map_err(|error| broken(error.to_string()))?;
        let from = std::mem::replace(&mut self.at, self.reader.buffer_position() as usize);
        match event {
            Event::Eof => Ok(None),
            Event::DocType(_) => Err(dtd()),
            event => Ok(Some((event, &self.text[from..self.at]))),
        }
    }

    /// Where the last event ends, bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What follows the last event.
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The text of the element whose start tag was the last event, with its end tag read. Texts of elements inside
    /// it are joined.
    pub fn text(&mut self) -> Result<String> {
        let mut text = String::new();
        let mut depth = 1;
        while let Some((event, _)) = self.next()? {
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                event => push_text(&event, &mut text)?,
            }
            if depth == 0 {
                return Ok(text);
            }
        }
        Err(broken("an element has no end"))
    }

    /// What stands between the start tag that was the last event and its end tag, as it is, with the end tag read.
    pub fn inside(&mut self) -> Result<&'a str> {
        let from = self.at;
        let mut depth = 1;
        while let Some((event, raw)) = self.next()? {
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(&self.text[from..self.at - raw.len()]);
            }
        }
        Err(broken("an element has no end"))
    }
}

/// Adds what an event holds of its element's text.
pub fn push_text(event: &Event<'_>, text: &mut String) -> Result<()> {
    match event {
        Event::Text(part) => text.push_str(&part.xml10_content()),
        Event::CData(part) => text.push_str(part),
        Event::GeneralRef(name) => {
            let character = name
                .resolve_char_ref()
                .map_err(|error| broken(error.to_string()))?;
            match (character, resolve_predefined_entity(name)) {
                (Some(character), _) => text.push(character),
                (None, Some(entity)) => text.push_str(entity),
                (None, None) => return Err(broken("an entity is not known")),
            }
        }
        _ => {}
    }
    Ok(())
}

/// An attribute by its whole name, with its references resolved.
pub fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>> {
    for (key, value) in attributes(tag)? {
        if key == name {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The attributes in their order, with their references resolved.
pub fn attributes(tag: &BytesStart<'_>) -> Result<Vec<(String, String)>> {
    tag.attributes()
        .map(|attribute| {
            let attribute = attribute.map_err(|error| broken(error.to_string()))?;
            let value = unescape(&attribute.value).map_err(|error| broken(error.to_string()))?;
            Ok((attribute.key.as_ref().to_owned(), value.into_owned()))
        })
        .collect()
}

/// The name without its prefix.
pub fn local_name(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// A whole number in an attribute.
pub fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.trim()
        .parse()
        .map_err(|_| broken(format!("{text:?} is not a number that can stand there")))
}

/// Writes a text as the content of an element. Unlike [`crate::sheet::text::escape`] it leaves `_x0001_` alone,
/// for texts that come out of such an element.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(quick_xml::escape::partial_escape(text).as_bytes());
}

/// Writes an attribute with the space before it.
pub fn put_attribute(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for character in value.chars() {
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\n' => out.extend_from_slice(b"&#10;"),
            '\r' => out.extend_from_slice(b"&#13;"),
            '\t' => out.extend_from_slice(b"&#9;"),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// The template's XML is not what it should be.
pub fn broken(why: impl std::fmt::Display) -> SheetError {
    SheetError::refused(
        "broken_template",
        format!("The template cannot be read: {why}"),
    )
}

/// Document types can hold entities that grow without end or name other files.
pub fn dtd() -> SheetError {
    SheetError::refused(
        "dtd",
        "A part of the template has a document type definition",
    )
}
