//! Templates as a whole: filled, and read back.

use super::*;
use crate::sheet::parts::MemoryParts;
use crate::sheet::{Finished, Page, SheetError, Writer};
use calamine::{Data, Reader, Xlsx, open_workbook_from_rs};
use std::io::{Cursor, Read};

mod damaged;
mod documents;
mod files;
mod opening;
mod overflow;
mod streaming;

/// A template of the fixtures.
fn fixture(name: &str) -> Template {
    Template::open(&fixture_bytes(name)).unwrap()
}

fn fixture_bytes(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/templates");
    std::fs::read(format!("{folder}/{name}.xlsx")).unwrap()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// What a template is filled with.
#[derive(Clone, Copy, Default)]
struct Input<'a> {
    values: &'a str,
    pages: &'a [&'a str],
    expected_rows: Option<u64>,
}

fn try_fill(template: Template, input: Input<'_>) -> Result<(Filled, Finished)> {
    let values = raw(if input.values.is_empty() {
        "{}"
    } else {
        input.values
    });
    let start = Start {
        values: Some(&values),
        expected_rows: input.expected_rows,
    };
    let mut fill = Fill::begin(template, &start)?;
    let mut parts = MemoryParts::new();
    for page in input.pages {
        fill.page(0, &Page::of_rows(&raw(page)), &mut parts)?;
    }
    let mut out = Vec::new();
    let finished = fill.finish(&mut parts, &mut out)?;
    Ok((Filled(out), finished))
}

fn fill(name: &str, input: Input<'_>) -> Filled {
    let (filled, _) = try_fill(fixture(name), input).unwrap();
    if let Ok(folder) = std::env::var("WHARF_KEEP_FILLED") {
        let index = input.pages.concat().len();
        std::fs::write(format!("{folder}/{name}-{index}.xlsx"), &filled.0).unwrap();
    }
    filled
}

/// The code of a refusal.
fn code<T>(result: Result<T>) -> &'static str {
    match result {
        Err(SheetError::Refused { code, .. }) => code,
        Err(SheetError::Io(error)) => panic!("{error}"),
        Ok(_) => "none",
    }
}

/// A finished file.
struct Filled(Vec<u8>);

impl Filled {
    fn part(&self, name: &str) -> String {
        let mut archive = zip::ZipArchive::new(Cursor::new(&self.0)).unwrap();
        let mut text = String::new();
        let mut entry = archive.by_name(name).unwrap();
        entry.read_to_string(&mut text).unwrap();
        text
    }

    fn names(&self) -> Vec<String> {
        let archive = zip::ZipArchive::new(Cursor::new(&self.0)).unwrap();
        archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect()
    }

    /// The rows of a sheet as an independent reader sees them, cells joined with `|`. Formulas begin with `=`.
    fn rows(&self, sheet: &str) -> Vec<String> {
        let mut book: Xlsx<_> = open_workbook_from_rs(Cursor::new(&self.0)).unwrap();
        let values = book.worksheet_range(sheet).unwrap();
        let formulas = book.worksheet_formula(sheet).unwrap();
        let (rows, columns) = values.end().max(formulas.end()).map_or((0, 0), |end| {
            let other = formulas.end().unwrap_or(end);
            (end.0 + 1, end.1.max(other.1) + 1)
        });
        let cell = |row, column| match formulas.get_value((row, column)) {
            Some(formula) if !formula.is_empty() => format!("={formula}"),
            _ => match values.get_value((row, column)) {
                Some(Data::DateTime(date)) => format!("@{}", date.as_f64()),
                Some(Data::String(text)) => text.clone(),
                Some(Data::Float(number)) => number.to_string(),
                Some(Data::Bool(is_true)) => is_true.to_string(),
                _ => String::new(),
            },
        };
        (0..rows)
            .map(|row| {
                let cells: Vec<String> = (0..columns).map(|column| cell(row, column)).collect();
                cells.join("|").trim_end_matches('|').to_owned()
            })
            .collect()
    }

    /// The elements of a part that begin so, each up to its `>`.
    fn tags(&self, part: &str, start: &str) -> Vec<String> {
        let text = self.part(part);
        text.split(start)
            .skip(1)
            .map(|rest| format!("{start}{}", rest.split('>').next().unwrap()))
            .map(|tag| tag.trim_end_matches('/').to_owned())
            .collect()
    }
}
