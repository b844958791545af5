//! The examples of the users' document.

use super::opening::zipped;
use super::*;
use crate::domain::heads::HeadTree;
use crate::sheet::template::formula::column_name;
use std::path::Path;

const DOCUMENT: &str = "../docs/export-templates.md";

/// A fenced block: what is behind its language, and its text.
fn blocks(document: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let text: Vec<&str> = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .collect();
        let kind = info.split(' ').nth(1).unwrap_or_default().to_owned();
        blocks.push((kind, text.join("\n")));
    }
    blocks
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn cells(line: &str) -> Vec<&str> {
    line.split('|').map(str::trim).collect()
}

/// The workbook that a drawing in the document stands for.
fn workbook(drawing: &str) -> Vec<u8> {
    let mut rows = String::new();
    let mut merges = String::new();
    for (row, line) in drawing.lines().enumerate() {
        if let Some(cells) = line.strip_prefix("merged ") {
            merges = format!("<mergeCells><mergeCell ref=\"{cells}\"/></mergeCells>");
            continue;
        }
        let row = row + 1;
        rows.push_str(&format!("<row r=\"{row}\">"));
        for (column, text) in cells(line).into_iter().enumerate() {
            let cell = format!("{}{row}", column_name(column as u32 + 1));
            let content = match text.strip_prefix('=') {
                Some(formula) => format!("><f>{formula}</f>"),
                None if text.parse::<f64>().is_ok() => format!("><v>{text}</v>"),
                None => format!(" t=\"inlineStr\"><is><t>{text}</t></is>"),
            };
            if !text.is_empty() {
                rows.push_str(&format!("<c r=\"{cell}\"{content}</c>"));
            }
        }
        rows.push_str("</row>");
    }
    let namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let sheet = format!(
        "<worksheet xmlns=\"{namespace}\"><sheetData>{rows}</sheetData>{merges}</worksheet>"
    );
    let template = Filled(fixture_bytes("simple"));
    let texts: Vec<(String, String)> = template
        .names()
        .into_iter()
        .map(|name| {
            let text = match name.as_str() {
                "xl/worksheets/sheet1.xml" => sheet.clone(),
                _ => template.part(&name),
            };
            (name, text)
        })
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    zipped(&files)
}

/// A date instead of the number of its day.
fn readable(cell: &str) -> String {
    match cell.strip_prefix('@').map(str::parse) {
        Some(Ok(days)) => {
            let epoch = jiff::civil::date(1899, 12, 30);
            let days: i64 = days;
            epoch
                .checked_add(jiff::Span::new().days(days))
                .unwrap()
                .to_string()
        }
        _ => cell.to_owned(),
    }
}

#[test]
fn the_examples_of_workbooks_in_the_document_are_true() {
    let (mut template, mut values, mut rows) = (String::new(), String::new(), String::new());
    let mut examples = 0;
    for (kind, text) in blocks(&read(DOCUMENT)) {
        match kind.as_str() {
            "template" => template = text,
            "values" => values = text,
            "rows" => rows = text,
            "result" => {
                let opened = Template::open(&workbook(&template)).unwrap();
                let count: Result<serde_json::Value, _> = serde_json::from_str(&rows);
                let count = count.ok().and_then(|rows| rows.as_array().map(Vec::len));
                let pages: &[&str] = if rows.is_empty() { &[] } else { &[&rows] };
                let input = Input {
                    values: &values,
                    pages,
                    expected_rows: count.map(|count| count as u64),
                };
                let (filled, _) = try_fill(opened, input).unwrap();
                let found: Vec<String> = filled.rows("Rows");
                let found: Vec<Vec<String>> = found
                    .iter()
                    .map(|row| row.split('|').map(readable).collect())
                    .collect();
                let expected: Vec<Vec<&str>> = text.lines().map(cells).collect();
                assert_eq!(found, expected, "{template}");
                (values, rows) = (String::new(), String::new());
                examples += 1;
            }
            _ => {}
        }
    }
    assert_eq!(examples, 5);
}

#[test]
fn the_examples_of_heads_in_the_document_are_understood() {
    let mut examples = 0;
    for (kind, text) in blocks(&read(DOCUMENT)) {
        if kind == "heads" {
            HeadTree::parse(&raw(&text), "template").unwrap();
            examples += 1;
        }
    }
    assert_eq!(examples, 3);
}

#[test]
fn every_code_stands_in_the_document() {
    let document = read(DOCUMENT);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sheet/template");
    let mut codes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("tests.rs")
        {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for call in ["refused(", "problem("] {
            for (at, _) in source.match_indices(call) {
                let arguments: String = source[at..].chars().take(120).collect();
                codes.extend(arguments.split('"').nth(1).map(str::to_owned));
            }
        }
    }
    codes.retain(|code| {
        let is_word = code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        is_word && code.contains('_')
    });
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        assert!(document.contains(&format!("`{code}`")), "{code}");
    }
}
