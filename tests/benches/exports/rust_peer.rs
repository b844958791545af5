//! `rust_xlsxwriter` in constant-memory mode. What it is given is typed already: reading pages does not count.

use super::rows::KEYS;
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

#[derive(Deserialize)]
struct Row<'a> {
    id: f64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    city: Cow<'a, str>,
    #[serde(borrow)]
    buyer: Cow<'a, str>,
    #[serde(borrow)]
    note: Cow<'a, str>,
    #[serde(borrow)]
    remark: Cow<'a, str>,
    amount: f64,
    count: f64,
    paid: bool,
    #[serde(borrow)]
    day: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    data: Inner<'a>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    data: Vec<Row<'a>>,
}

pub fn run(pages: &Path, folder: &Path, out: &Path) -> Duration {
    let mut pages = BufReader::new(File::open(pages).expect("the pages"));
    let mut start = Instant::now();
    let mut spent = Duration::ZERO;
    let mut book = Workbook::new();
    book.set_tempdir(folder).expect("a folder");
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let bold = Format::new().set_bold();
    let sheet = book.add_worksheet_with_constant_memory().expect("a sheet");
    for (column, key) in (0..).zip(KEYS) {
        sheet
            .write_string_with_format(0, column, key, &bold)
            .expect("a cell");
    }
    let mut line = Vec::new();
    let mut number = 1;
    loop {
        spent += start.elapsed();
        line.clear();
        if pages.read_until(b'\n', &mut line).expect("a page") == 0 {
            break;
        }
        let page: Outer<'_> = serde_json::from_slice(&line).expect("a page");
        let days: Vec<f64> = page.data.data.iter().map(|row| serial(&row.day)).collect();
        start = Instant::now();
        for (row, date) in page.data.data.iter().zip(days) {
            put(sheet, number, row, date, &day).expect("a row");
            number += 1;
        }
    }
    start = Instant::now();
    book.save(out).expect("a file");
    spent + start.elapsed()
}

fn put(
    sheet: &mut rust_xlsxwriter::Worksheet,
    number: u32,
    row: &Row<'_>,
    date: f64,
    day: &Format,
) -> Result<(), XlsxError> {
    sheet.write_number(number, 0, row.id)?;
    let texts = [&row.name, &row.city, &row.buyer, &row.note, &row.remark];
    for (column, text) in (1..).zip(texts) {
        sheet.write_string(number, column, text.as_ref())?;
    }
    sheet.write_number(number, 6, row.amount)?;
    sheet.write_number(number, 7, row.count)?;
    sheet.write_boolean(number, 8, row.paid)?;
    sheet.write_number_with_format(number, 9, date, day)?;
    Ok(())
}

/// The number that Excel has for a day of 2026.
fn serial(day: &str) -> f64 {
    const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let number = |from: usize| day[from..from + 2].parse::<u32>().expect("a day");
    f64::from(46_022 + BEFORE[number(5) as usize - 1] + number(8))
}
