//! Formulas taken apart into references and all the rest. References are those of the A1 notation, which is the
//! only one that a file holds (ECMA-376 part 1, 18.17.2).

use std::fmt::Write;

/// The last row and the last column of a sheet, counted from 1.
pub const ROWS_MAX: u32 = 1_048_576;
pub const COLUMNS_MAX: u32 = 16_384;

/// A cell, a whole column or a whole row, as a reference names it. Counted from 1; `$` makes a half fixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    pub column: Option<u32>,
    pub row: Option<u32>,
    pub is_column_fixed: bool,
    pub is_row_fixed: bool,
}

/// A reference to a cell or to a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The sheet as it is written, with its quotes and its `!`; empty for the formula's own.
    pub prefix: &'a str,
    pub first: Point,
    pub last: Option<Point>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Reference(Reference<'a>),
}

impl Reference<'_> {
    /// The name of the sheet without quotes.
    pub fn sheet(&self) -> Option<String> {
        let name = self.prefix.strip_suffix('!')?;
        Some(
            match name.strip_prefix('\'').and_then(|n| n.strip_suffix('\'')) {
                Some(quoted) => quoted.replace("''", "'"),
                None => name.to_owned(),
            },
        )
    }
}

impl Point {
    /// Reads `B5`, `$B$5`, `B`, `$5` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut point = Self::default();
        let mut at = 0;
        let mut is_fixed = bytes.first() == Some(&b'$');
        at += usize::from(is_fixed);
        let letters = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        if letters > 0 {
            point.column = Some(column_of(&bytes[at..at + letters])?);
            point.is_column_fixed = is_fixed;
            at += letters;
            is_fixed = bytes.get(at) == Some(&b'$');
            at += usize::from(is_fixed);
        }
        let digits = &text[at..];
        if digits.is_empty() {
            return (point.column.is_some() && !is_fixed).then_some(point);
        }
        if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        point.row = Some(digits.parse().ok().filter(|row| *row <= ROWS_MAX)?);
        point.is_row_fixed = is_fixed;
        Some(point)
    }

    pub fn write(&self, out: &mut String) {
        self.write_column(out);
        if let Some(row) = self.row {
            if self.is_row_fixed {
                out.push('$');
            }
            let _ = write!(out, "{row}");
        }
    }

    pub fn write_column(&self, out: &mut String) {
        if let Some(column) = self.column {
            if self.is_column_fixed {
                out.push('$');
            }
            out.push_str(&column_name(column));
        }
    }

    fn is_cell(&self) -> bool {
        self.column.is_some() && self.row.is_some()
    }

    fn is_like(&self, other: &Self) -> bool {
        self.column.is_some() == other.column.is_some() && self.row.is_some() == other.row.is_some()
    }
}

/// `A` is 1, `XFD` is 16,384.
fn column_of(letters: &[u8]) -> Option<u32> {
    if letters.len() > 3 {
        return None;
    }
    let column = letters.iter().fold(0, |column, letter| {
        column * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1
    });
    (column <= COLUMNS_MAX).then_some(column)
}

/// 1 is `A`.
pub fn column_name(mut column: u32) -> String {
    let mut letters = Vec::new();
    while column > 0 {
        column -= 1;
        letters.push(char::from(b'A' + (column % 26) as u8));
        column /= 26;
    }
    letters.iter().rev().collect()
}

/// Takes a formula apart. The pieces, put one behind the other, are the formula.
pub fn pieces(formula: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while at < formula.len() {
        let rest = &formula[at..];
        match reference(rest, formula[..at].chars().next_back()) {
            Lexed::Reference(reference, length) => {
                if plain_from < at {
                    pieces.push(Piece::Text(&formula[plain_from..at]));
                }
                pieces.push(Piece::Reference(reference));
                at += length;
                plain_from = at;
            }
            Lexed::Text(length) => at += length.max(1),
        }
    }
    if plain_from < formula.len() {
        pieces.push(Piece::Text(&formula[plain_from..]));
    }
    pieces
}

enum Lexed<'a> {
    Text(usize),
    Reference(Reference<'a>, usize),
}

/// What stands at the start of a text, `before` being the character in front of it.
fn reference(text: &str, before: Option<char>) -> Lexed<'_> {
    let Some(first) = text.chars().next() else {
        return Lexed::Text(0);
    };
    match first {
        '"' => Lexed::Text(quoted(text, '"')),
        '\'' => {
            let length = quoted(text, '\'');
            match text[length..].starts_with('!') {
                true => on_sheet(text, length + 1, before),
                false => Lexed::Text(length),
            }
        }
        '[' => Lexed::Text(bracketed(text)),
        '#' => Lexed::Text(error_value(text)),
        '0'..='9' => rows_or_number(text),
        c if is_word(c) => {
            let length = word(text);
            match text[length..].chars().next() {
                Some('!') => on_sheet(text, length + 1, before),
                Some('(' | '[') => Lexed::Text(length),
                _ => match area(text, "") {
                    Some((reference, length)) => Lexed::Reference(reference, length),
                    None => Lexed::Text(length),
                },
            }
        }
        other => Lexed::Text(other.len_utf8()),
    }
}

/// A reference behind a sheet's name that takes `length` bytes with its `!`.
fn on_sheet(text: &str, length: usize, before: Option<char>) -> Lexed<'_> {
    // Of `First:Last!A1`, which goes through several sheets, and of `[1]Sheet1!A1` only the end would be seen here.
    let is_whole = !matches!(before, Some(':' | ']'));
    match area(&text[length..], &text[..length]) {
        Some((reference, area)) if is_whole => Lexed::Reference(reference, length + area),
        Some((_, area)) => Lexed::Text(length + area),
        None => Lexed::Text(length),
    }
}

/// A cell or a range at the start of a text.
fn area<'a>(text: &'a str, prefix: &'a str) -> Option<(Reference<'a>, usize)> {
    let length = word(text);
    let first = Point::parse(&text[..length])?;
    let last = text[length..].strip_prefix(':').and_then(|after| {
        let end = word(after);
        let follows = after[end..].chars().next();
        let last = Point::parse(&after[..end]).filter(|last| last.is_like(&first))?;
        (!matches!(follows, Some('!' | '('))).then_some((last, length + 1 + end))
    });
    let reference = |last| Reference {
        prefix,
        first,
        last,
    };
    match last {
        Some((last, length)) => Some((reference(Some(last)), length)),
        None => first.is_cell().then(|| (reference(None), length)),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '?' | '\\') || !c.is_ascii()
}

fn word(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// The length of a text in quotes, in which a doubled quote stands for one.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The length of what stands in brackets, in which `'` makes the next character plain.
fn bracketed(text: &str) -> usize {
    let mut depth = 0;
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            '\'' => {
                characters.next();
            }
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

fn error_value(text: &str) -> usize {
    const VALUES: [&str; 8] = [
        "#REF!", "#N/A", "#NAME?", "#DIV/0!", "#VALUE!", "#NUM!", "#NULL!", "#SPILL!",
    ];
    VALUES
        .iter()
        .find(|value| text.starts_with(**value))
        .map_or(1, |value| value.len())
}

/// `5:7` or a number such as `1.5E+10`.
fn rows_or_number(text: &str) -> Lexed<'_> {
    if let Some((reference, length)) = area(text, "") {
        return Lexed::Reference(reference, length);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let exponent = text[digits..].strip_prefix(['e', 'E']).and_then(|after| {
        let unsigned = after.strip_prefix(['+', '-']).unwrap_or(after);
        let length = unsigned
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(unsigned.len());
        (length > 0).then_some(1 + after.len() - unsigned.len() + length)
    });
    Lexed::Text(digits + exponent.unwrap_or(0))
}

/// The formula as it reads when it is filled so many rows down and columns to the right: what a shared formula
/// says in the cells that share it.
pub fn filled(formula: &str, rows: i64, columns: i64) -> String {
    let mut out = String::new();
    for piece in pieces(formula) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Reference(reference) => {
                let first = shifted(reference.first, rows, columns);
                let last = reference.last.map(|last| shifted(last, rows, columns));
                let (Some(first), Some(last)) = (first, last.map_or(Some(None), |l| l.map(Some)))
                else {
                    out.push_str("#REF!");
                    continue;
                };
                out.push_str(reference.prefix);
                first.write(&mut out);
                if let Some(last) = last {
                    out.push(':');
                    last.write(&mut out);
                }
            }
        }
    }
    out
}

fn shifted(mut point: Point, rows: i64, columns: i64) -> Option<Point> {
    let add = |value: Option<u32>, is_fixed: bool, by: i64, max: u32| match value {
        Some(value) if !is_fixed => u32::try_from(i64::from(value) + by)
            .ok()
            .filter(|value| (1..=max).contains(value))
            .map(Some),
        other => Some(other),
    };
    point.row = add(point.row, point.is_row_fixed, rows, ROWS_MAX)?;
    point.column = add(point.column, point.is_column_fixed, columns, COLUMNS_MAX)?;
    Some(point)
}

#[cfg(test)]
mod tests;
