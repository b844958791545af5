//! Reads workbooks with calamine and openpyxl, and shows their sheets as lines of text.

use calamine::{Data, Reader as _};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use tests::openpyxl;

/// What openpyxl sees, once calamine has seen the same values.
pub fn opened(file: &[u8]) -> Value {
    let found = openpyxl(file);
    let mut book: calamine::Xlsx<_> =
        calamine::open_workbook_from_rs(std::io::Cursor::new(file.to_vec())).expect("a workbook");
    for sheet in found["sheets"].as_array().expect("sheets") {
        let name = sheet["name"].as_str().expect("a name");
        let range = book.worksheet_range(name).expect("the sheet");
        for (place, cell) in cells(sheet) {
            if cell["type"] == "f" {
                continue;
            }
            let seen = range.get_value(position(place)).unwrap_or(&Data::Empty);
            assert!(is_same(seen, cell), "{name}!{place}: {seen:?} and {cell}");
        }
    }
    found
}

fn cells(sheet: &Value) -> &Map<String, Value> {
    sheet["cells"].as_object().expect("cells")
}

/// Row and column of a cell such as `AB7`, counted from 0.
fn position(place: &str) -> (u32, u32) {
    let digits = place.find(|c: char| c.is_ascii_digit()).expect("a row");
    let column = place[..digits].bytes().fold(0, |column, letter| {
        column * 26 + u32::from(letter - b'A') + 1
    });
    let row: u32 = place[digits..].parse().expect("a row");
    (row - 1, column - 1)
}

fn is_same(seen: &Data, cell: &Value) -> bool {
    match (seen, &cell["value"]) {
        (Data::Empty, value) => value.is_null(),
        // openpyxl leaves escapes as they are.
        (Data::String(seen), Value::String(text)) => seen == text || text.contains("_x"),
        (Data::Bool(seen), value) => value == seen,
        (Data::Int(seen), value) => value.as_i64() == Some(*seen),
        (Data::Float(seen), value) => value.as_f64() == Some(*seen),
        (Data::DateTime(seen), Value::String(text)) => {
            let (year, month, day, hour, minute, second, _) = seen.to_ymd_hms_milli();
            // Perhaps with a fraction behind.
            text.starts_with(&format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
            ))
        }
        _ => false,
    }
}

/// A sheet, a row in a line: its cells with everything that is not usual about them.
fn shown(sheet: &Value) -> String {
    let mut sorted: Vec<_> = cells(sheet).iter().collect();
    sorted.sort_by_key(|(place, _)| position(place));
    let mut text = String::new();
    let mut last = 0;
    for (place, cell) in sorted {
        let (row, _) = position(place);
        let _ = match row == last || text.is_empty() {
            true => write!(text, "{}", if text.is_empty() { "" } else { " | " }),
            false => writeln!(text),
        };
        last = row;
        let _ = write!(text, "{place}");
        if !cell["value"].is_null() {
            let _ = write!(text, " {}", cell["value"]);
        }
        for (name, usual) in [
            ("format", json!("General")),
            ("bold", json!(false)),
            ("color", Value::Null),
            ("fill", Value::Null),
            ("align", Value::Null),
            ("border", Value::Null),
        ] {
            match &cell[name] {
                value if *value == usual => {}
                Value::Bool(_) => text += " bold",
                Value::String(value) => {
                    let _ = write!(text, " {value}");
                }
                value => panic!("{name} is {value}"),
            }
        }
    }
    text
}

/// The sheet has these rows, and no others.
#[track_caller]
pub fn shows(sheet: &Value, lines: &[&str]) {
    let shown = shown(sheet);
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines, "{shown}");
}
