//! Reads rows from JSON text without building trees: keys and cells are borrowed from the text.
//!
//! The text is a [`RawValue`], hence JSON for certain; it is not checked a second time. Should it be none all
//! the same, reading ends with an error.

use super::{Result, SheetError};
use memchr::memchr2;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A JSON string, as it stands between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// With its escapes.
    pub raw: &'a str,
    /// Whether it has any.
    pub is_escaped: bool,
}

impl<'a> Text<'a> {
    /// The text that is meant; half a surrogate pair is U+FFFD.
    pub fn decode(self) -> Cow<'a, str> {
        if !self.is_escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(at) = rest.find('\\') {
            text.push_str(&rest[..at]);
            let (character, length) = unescape(&rest.as_bytes()[at..]);
            text.push(character);
            rest = rest.get(at + length..).unwrap_or_default();
        }
        text.push_str(rest);
        Cow::Owned(text)
    }
}

/// The character of the escape that these bytes begin with, and its length in bytes.
fn unescape(bytes: &[u8]) -> (char, usize) {
    let character = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_unicode(bytes),
        Some(byte) => char::from(*byte),
        None => char::REPLACEMENT_CHARACTER,
    };
    (character, 2)
}

fn unescape_unicode(bytes: &[u8]) -> (char, usize) {
    let first = unit(bytes);
    if let (0xD800..0xDC00, second @ 0xDC00..0xE000) =
        (first, unit(bytes.get(6..).unwrap_or_default()))
    {
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or_default(), 12);
    }
    let character = char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
    (character, 6)
}

/// The UTF-16 unit of `\uHHHH` at the start of these bytes; 0 where there is none.
fn unit(bytes: &[u8]) -> u32 {
    let [b'\\', b'u', digits @ ..] = bytes else {
        return 0;
    };
    digits.iter().take(4).fold(0, |unit, digit| {
        unit << 4 | char::from(*digit).to_digit(16).unwrap_or_default()
    })
}

/// A JSON value of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Null, or not there.
    #[default]
    Empty,
    Bool(bool),
    /// As written.
    Number(&'a str),
    Text(Text<'a>),
    /// An object or an array, as written.
    Nested(&'a str),
}

/// A place in a JSON text.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no white space; it is not passed.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Passes this byte if it is the next.
    fn pass(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// The string whose first quote is the next byte.
    fn string(&mut self) -> Result<Text<'a>> {
        if !self.pass(b'"') {
            return Err(malformed());
        }
        let from = self.at;
        let mut is_escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let step = memchr2(b'"', b'\\', rest).ok_or_else(malformed)?;
            self.at += step;
            if rest[step] == b'"' {
                break;
            }
            is_escaped = true;
            self.at += 2;
        }
        let raw = self.text.get(from..self.at).ok_or_else(malformed)?;
        self.at += 1;
        Ok(Text { raw, is_escaped })
    }

    fn cell(&mut self) -> Result<Cell<'a>> {
        let first = self.peek().ok_or_else(malformed)?;
        let from = self.at;
        match first {
            b'"' => return Ok(Cell::Text(self.string()?)),
            b'{' | b'[' => self.pass_nested()?,
            _ => self.pass_word(),
        }
        let word = &self.text[from..self.at];
        Ok(match first {
            b'{' | b'[' => Cell::Nested(word),
            b'n' => Cell::Empty,
            b't' | b'f' => Cell::Bool(first == b't'),
            _ => Cell::Number(word),
        })
    }

    /// Passes a number, `true`, `false` or `null`.
    fn pass_word(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = rest.iter().position(|byte| !is_part(byte));
        self.at += length.unwrap_or(rest.len());
    }

    /// Passes an object or an array, whatever its depth, without recursion.
    fn pass_nested(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            match self.text.as_bytes().get(self.at).ok_or_else(malformed)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

fn malformed() -> SheetError {
    SheetError::refused("bad_rows", "The rows are no JSON text.")
}

/// The rows of a page: an array of objects.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    cursor: Cursor<'a>,
    /// How many rows have been begun.
    count: u64,
    /// Where the row begins that was begun last.
    from: usize,
    /// Whether the pair to come is the first of its row.
    is_first: bool,
}

impl<'a> Rows<'a> {
    /// Errors: `bad_rows` where this is no array.
    pub fn new(rows: &'a str) -> Result<Self> {
        let mut cursor = Cursor::new(rows);
        if !cursor.pass(b'[') {
            let message = "The rows are an array of objects.";
            return Err(SheetError::refused("bad_rows", message));
        }
        Ok(Self {
            cursor,
            count: 0,
            from: 0,
            is_first: true,
        })
    }

    /// One row: an object.
    pub fn of_row(row: &'a str) -> Self {
        Self {
            cursor: Cursor::new(row),
            count: 0,
            from: 0,
            is_first: true,
        }
    }

    /// Begins the next row; false after the last. All pairs of the row before must have been read.
    /// Errors: `bad_rows` where the row is no object.
    pub fn next_row(&mut self) -> Result<bool> {
        let is_next = if self.count == 0 {
            self.cursor.peek() != Some(b']')
        } else {
            self.cursor.pass(b',')
        };
        if !is_next {
            return Ok(false);
        }
        self.count += 1;
        self.cursor.peek();
        self.from = self.cursor.at;
        if !self.cursor.pass(b'{') {
            let message = format!("Row {} of the page is no object.", self.count);
            return Err(SheetError::refused("bad_rows", message));
        }
        self.is_first = true;
        Ok(true)
    }

    /// The next key and cell of the row that has been begun.
    pub fn next_pair(&mut self) -> Result<Option<(Text<'a>, Cell<'a>)>> {
        if self.cursor.pass(b'}') {
            return Ok(None);
        }
        if !self.is_first && !self.cursor.pass(b',') {
            return Err(malformed());
        }
        self.is_first = false;
        let key = self.cursor.string()?;
        if !self.cursor.pass(b':') {
            return Err(malformed());
        }
        Ok(Some((key, self.cursor.cell()?)))
    }

    /// The JSON of the row all of whose pairs have been read.
    pub fn row_text(&self) -> &'a str {
        let text = self.cursor.text.get(self.from..self.cursor.at);
        text.unwrap_or_default()
    }
}

/// The keys and cells of one object, in their order. Errors: `bad_rows` where this is no object.
pub fn pairs(object: &str) -> Result<Vec<(Text<'_>, Cell<'_>)>> {
    let mut rows = Rows::of_row(object);
    if !rows.cursor.pass(b'{') {
        return Err(SheetError::refused("bad_rows", "This is no JSON object."));
    }
    let mut pairs = Vec::new();
    while let Some(pair) = rows.next_pair()? {
        pairs.push(pair);
    }
    Ok(pairs)
}

/// The elements of one array, in their order. Errors: `bad_rows` where this is no array.
pub fn elements(array: &str) -> Result<Vec<Cell<'_>>> {
    let mut cursor = Rows::new(array)?.cursor;
    let mut elements = Vec::new();
    if cursor.pass(b']') {
        return Ok(elements);
    }
    loop {
        elements.push(cursor.cell()?);
        if !cursor.pass(b',') {
            return Ok(elements);
        }
    }
}

/// A JSON value as a cell.
pub fn cell(value: &RawValue) -> Result<Cell<'_>> {
    Cursor::new(value.get()).cell()
}

/// A JSON value without the white space between its parts.
pub fn compact(json: &str) -> Cow<'_, str> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
    if !json.bytes().any(is_space) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    let mut is_inside = false;
    let mut is_escaped = false;
    for character in json.chars() {
        if is_inside {
            is_inside = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
        } else if character == '"' {
            is_inside = true;
        } else if character.is_ascii() && is_space(character as u8) {
            continue;
        }
        text.push(character);
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests;
