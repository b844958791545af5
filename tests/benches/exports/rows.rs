//! The rows of the benchmark: 10 columns, five of them Chinese texts of which no two are alike. Whoever writes
//! them reads them as pages of JSON, one page a line, from a file that was made before.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// In the order in which they stand in a row.
pub const KEYS: [&str; 10] = [
    "id", "name", "city", "buyer", "note", "remark", "amount", "count", "paid", "day",
];
/// Rows of a page.
pub const STEP: u64 = 5000;

/// A body as a source sends it.
pub fn page(page: u64, rows: u64) -> String {
    let mut body = String::from(r#"{"status":200,"data":{"data":["#);
    for number in page * STEP..((page + 1) * STEP).min(rows) {
        if number % STEP > 0 {
            body.push(',');
        }
        put_row(number, &mut body);
    }
    let _ = write!(body, r#"],"total":{rows}}}}}"#);
    body
}

pub fn pages(rows: u64) -> u64 {
    rows.div_ceil(STEP)
}

fn put_row(number: u64, out: &mut String) {
    let _ = write!(out, r#"{{"id":{number}"#);
    for (column, key) in KEYS.iter().enumerate().take(6).skip(1) {
        let _ = write!(out, r#","{key}":""#);
        put_text(number * 8 + column as u64, out);
        out.push('"');
    }
    let _ = write!(
        out,
        r#","amount":{}.{:02},"count":{},"paid":{},"day":"2026-{:02}-{:02}"}}"#,
        number * 7 % 100_003,
        number % 100,
        number % 1009,
        number.is_multiple_of(3),
        number % 12 + 1,
        number % 28 + 1,
    );
}

/// Seven characters that say this number, and up to seven more.
fn put_text(number: u64, out: &mut String) {
    // An odd factor, so that no two numbers below 2^48 have the same product.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4b) & 0xffff_ffff_ffff;
    let characters = 7 + number % 8;
    for place in 0..characters {
        let digit = (mixed >> (place * 7 % 49)) & 0x7f;
        let character = 0x4e00 + (digit as u32) * 3 + place as u32;
        out.push(char::from_u32(character).unwrap_or('一'));
    }
}

/// Writes all pages into a file, a line each.
pub fn prepare(path: &Path, rows: u64) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    for number in 0..pages(rows) {
        writeln!(file, "{}", page(number, rows)).expect("it is written");
    }
    file.flush().expect("it is written");
}
