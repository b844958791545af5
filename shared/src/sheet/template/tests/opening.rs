//! What is refused when a template is opened, and what the dry run says.

use super::*;
use crate::limits::{TEMPLATE_BYTES_MAX, TEMPLATE_ENTRIES_MAX, TEMPLATE_PART_BYTES_MAX};
use std::io::Write;
use zip::write::SimpleFileOptions;

pub fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        archive
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The simple template with some parts changed or added.
fn changed(changes: &[(&str, &str)]) -> Vec<u8> {
    let template = Filled(fixture_bytes("simple"));
    let names = template.names();
    let texts: Vec<(String, String)> = names
        .iter()
        .map(|name| (name.clone(), template.part(name)))
        .collect();
    let mut files: Vec<(&str, &str)> = texts
        .iter()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name))
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    files.extend(changes);
    zipped(&files)
}

fn refusal(bytes: &[u8]) -> &'static str {
    code(Template::open(bytes))
}

#[test]
fn what_is_no_plain_workbook_is_refused() {
    let types = Filled(fixture_bytes("simple")).part("[Content_Types].xml");
    let macro_types = types.replace(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
    );
    let relation = |kind: &str, mode: &str| {
        format!(
            "<Relationships xmlns=\"r\"><Relationship Id=\"x\" Type=\"t/{kind}\" Target=\"http://a/\"{mode}/>\
             </Relationships>"
        )
    };
    let external = " TargetMode=\"External\"";
    let sheet_relations = "xl/worksheets/_rels/sheet1.xml.rels";
    let large = " ".repeat(TEMPLATE_PART_BYTES_MAX + 1);
    let mut ole = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    let old = ole.clone();
    ole.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    let many: Vec<String> = (0..=TEMPLATE_ENTRIES_MAX).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    let entity = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
    for (expected, bytes) in [
        ("none", changed(&[])),
        (
            "none",
            changed(&[(sheet_relations, &relation("hyperlink", external))]),
        ),
        ("template_too_large", vec![0; TEMPLATE_BYTES_MAX + 1]),
        ("not_xlsx", b"name,city\n".to_vec()),
        ("not_xlsx", Vec::new()),
        ("not_xlsx", old),
        ("not_xlsx", zipped(&[("a.txt", "a")])),
        ("encrypted", ole),
        ("macros", changed(&[("xl/vbaProject.bin", "x")])),
        ("macros", changed(&[("[Content_Types].xml", &macro_types)])),
        ("macros", changed(&[("xl/macrosheets/sheet1.xml", "<a/>")])),
        (
            "external_links",
            changed(&[("xl/externalLinks/externalLink1.xml", "<a/>")]),
        ),
        (
            "external_links",
            changed(&[(sheet_relations, &relation("image", external))]),
        ),
        (
            "external_links",
            changed(&[(sheet_relations, &relation("queryTable", ""))]),
        ),
        ("dtd", changed(&[("xl/theme/theme1.xml", entity)])),
        ("dtd", changed(&[("docProps/core.xml", entity)])),
        (
            "dtd",
            changed(&[("xl/drawings/vmlDrawing1.vml", "<!DocType a><br>")]),
        ),
        ("dtd", changed(&[("xl/media/image1.png", entity)])),
        (
            "broken_template",
            changed(&[("xl/worksheets/sheet1.xml", "<a><b></a>")]),
        ),
        (
            "broken_template",
            changed(&[(
                "xl/worksheets/sheet1.xml",
                "<worksheet><sheetData><row r=\"2\"/><row r=\"1\"/></sheetData>\
              </worksheet>",
            )]),
        ),
        (
            "broken_template",
            changed(&[(
                "docProps/app.xml",
                "<?xml version=\"1.0\" encoding=\"utf-16\"?><a/>",
            )]),
        ),
        ("bad_entry_name", changed(&[("../a.xml", "<a/>")])),
        ("bad_entry_name", changed(&[("/a.xml", "<a/>")])),
        ("bad_entry_name", changed(&[("a\\b.xml", "<a/>")])),
        ("bad_entry_name", changed(&[("XL/workbook.xml", "<a/>")])),
        ("zip_bomb", zipped(&many)),
        ("zip_bomb", changed(&[("xl/media/a.bin", &large)])),
        (
            "zip_bomb",
            changed(&[("a.bin", &large[2..]), ("b.bin", &large[2..])]),
        ),
    ] {
        assert_eq!(
            refusal(&bytes),
            expected,
            "{:?}",
            Template::open(&bytes).err()
        );
    }
}

#[test]
fn the_same_name_twice_is_refused() {
    // The writer does not make such a file, so two names of one length are made one.
    let bytes = changed(&[("xl/twin1.xml", "<a/>"), ("xl/twin2.xml", "<b/>")]);
    let mut text = bytes;
    let (old, new) = (b"xl/twin2.xml", b"xl/twin1.xml");
    for at in 0..text.len() - old.len() {
        if text[at..].starts_with(old) {
            text[at..at + new.len()].copy_from_slice(new);
        }
    }
    assert_eq!(refusal(&text), "bad_entry_name");
}

#[test]
fn a_declared_size_is_not_believed() {
    let large = "x".repeat(TEMPLATE_PART_BYTES_MAX + 1);
    let mut bytes = changed(&[("xl/media/a.bin", &large)]);
    let size = (large.len() as u32).to_le_bytes();
    for at in 0..bytes.len() - 4 {
        if bytes[at..].starts_with(&size) {
            bytes[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
        }
    }
    assert!(["zip_bomb", "broken_template"].contains(&refusal(&bytes)));
}

#[test]
fn the_dry_run_lists_placeholders() {
    let report = check(&fixture("lists")).unwrap();
    let first = serde_json::to_value(&report.placeholders[0]).unwrap();
    assert_eq!(
        first,
        serde_json::json!({"sheet": "It's all", "cell": "A2", "kind": "list", "list": "in", "name": "name"})
    );
    let scalar = report.placeholders.iter().find(|p| p.name == "title");
    assert_eq!(
        serde_json::to_value(scalar).unwrap(),
        serde_json::json!({"sheet": "Other", "cell": "B2", "kind": "scalar", "name": "title"})
    );
    assert_eq!(report.placeholders.len(), 10);
    assert_eq!(report.problems, []);
}

#[test]
fn the_dry_run_lists_problems() {
    let report = check(&fixture("broken")).unwrap();
    let found: Vec<(&str, &str)> = report
        .problems
        .iter()
        .map(|problem| (problem.cell.as_deref().unwrap_or_default(), problem.code))
        .collect();
    assert_eq!(
        found,
        [
            ("A1", "malformed_placeholder"),
            ("B1", "malformed_placeholder"),
            ("B2", "field_in_merged_cells"),
            ("A6", "list_in_table_head"),
            ("A9", "placeholder_in_table_head"),
            ("A5", "expected_rows_needed"),
            ("A6", "expected_rows_needed"),
            ("A10", "expected_rows_needed"),
            ("C2", "expected_rows_needed"),
        ]
    );
    let orders = check(&fixture("orders")).unwrap();
    let cells: Vec<_> = orders
        .problems
        .iter()
        .map(|p| (p.cell.as_deref(), p.code))
        .collect();
    assert_eq!(cells, [(Some("F6"), "expected_rows_needed")]);
}

#[test]
fn what_else_stands_among_merged_cells_does_not_become_one() {
    let sheet = "xl/worksheets/sheet1.xml";
    let original = Filled(fixture_bytes("simple")).part(sheet);
    let merged = "</sheetData><mergeCells count=\"2\"><x/><mergeCell ref=\"A1:B1\"/></mergeCells>";
    let file = changed(&[(sheet, &original.replace("</sheetData>", merged))]);
    let input = Input {
        pages: &[r#"[{"name":"a"}]"#],
        ..Input::default()
    };
    let (filled, _) = try_fill(Template::open(&file).unwrap(), input).unwrap();
    assert_eq!(
        filled.tags(sheet, "<mergeCell "),
        ["<mergeCell ref=\"A1:B1\""]
    );
}
