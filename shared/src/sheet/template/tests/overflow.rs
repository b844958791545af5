//! Lists that go on on further sheets.

use super::*;

fn filled(rows: usize, rows_max: u32, template: &str) -> Result<(Filled, Finished)> {
    let values = raw(r#"{"title":"T"}"#);
    let start = Start {
        values: Some(&values),
        expected_rows: Some(rows as u64),
    };
    let mut fill = Fill::begin(fixture(template), &start)?;
    fill.limit_rows(rows_max)?;
    let mut parts = MemoryParts::new();
    let rows: Vec<String> = (1..=rows)
        .map(|n| format!(r#"{{"name":"n{n}","amount":{n},"no":{n},"phone":{n}}}"#))
        .collect();
    for page in rows.chunks(2) {
        let page = raw(&format!("[{}]", page.join(",")));
        fill.page(0, &Page::of_rows(&page), &mut parts)?;
    }
    let mut out = Vec::new();
    let finished = fill.finish(&mut parts, &mut out)?;
    if let Ok(folder) = std::env::var("WHARF_KEEP_FILLED") {
        std::fs::write(format!("{folder}/overflow.xlsx"), &out).unwrap();
    }
    Ok((Filled(out), finished))
}

#[test]
fn a_full_sheet_is_followed_by_one_with_the_same_head() {
    let (filled, finished) = filled(8, 6, "long").unwrap();
    assert_eq!((finished.rows, finished.sheets), (8, 5));
    let head = [
        "T|='Rows (3)'!B5|=AVERAGE('Rows'!B3:B5,'Rows (2)'!B3:B5,'Rows (3)'!B3:B4)",
        "Name|Amount|Doubled",
    ];
    let row = |n: u32, at: u32| format!("n{n}|{n}|=B{at}*2");
    let full = |from: u32| vec![row(from, 3), row(from + 1, 4), row(from + 2, 5)];
    assert_eq!(filled.rows("Rows")[..2], head);
    assert_eq!(filled.rows("Rows")[2..], full(1));
    assert_eq!(filled.rows("Rows (2)")[..2], head);
    assert_eq!(filled.rows("Rows (2)")[2..], full(4));
    assert_eq!(filled.rows("Rows (3)")[..2], head);
    let end = [
        row(7, 3),
        row(8, 4),
        "Sum|=SUM('Rows'!B3:B5,'Rows (2)'!B3:B5,'Rows (3)'!B3:B4)|='Rows (3)'!B5/B1|=Cover!A1"
            .to_owned(),
    ];
    assert_eq!(filled.rows("Rows (3)")[2..], end);
    assert_eq!(
        filled.rows("Cover"),
        ["=SUM('Rows'!B3:B5,'Rows (2)'!B3:B5,'Rows (3)'!B3:B4)|='Rows (3)'!B5|=Rows!A2"]
    );
}

#[test]
fn further_sheets_are_whole_sheets() {
    let (filled, _) = filled(8, 6, "long").unwrap();
    let names = ["Cover", "Rows", "Rows (2)", "Rows (3)", "End"];
    let sheets: Vec<String> = filled
        .tags("xl/workbook.xml", "<sheet ")
        .iter()
        .map(|tag| {
            tag.split("name=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(sheets, names);
    let workbook = filled.part("xl/workbook.xml");
    assert!(workbook.contains("activeTab=\"4\""), "{workbook}");
    for piece in [
        "localSheetId=\"1\">'Rows'!$1:$2<",
        "localSheetId=\"2\">'Rows (2)'!$1:$2<",
        "localSheetId=\"3\">'Rows (3)'!$A$1:$E$5<",
        "localSheetId=\"4\">'End'!$1:$1<",
    ] {
        assert!(workbook.contains(piece), "{piece} in {workbook}");
    }
    let last = "xl/worksheets/sheet2-3.xml";
    // Their order is not told.
    let mut merges = filled.tags(last, "<mergeCell ");
    merges.sort();
    let cells = ["D1:E1", "D3:E3", "D4:E4", "E5:F5"];
    assert_eq!(
        merges,
        cells.map(|cells| format!("<mergeCell ref=\"{cells}\""))
    );
    let text = filled.part(last);
    for piece in [
        "<autoFilter ref=\"A2:C4\"",
        "<conditionalFormatting sqref=\"B3:B4\"",
        "<formula>AVERAGE('Rows'!B$3:B$5,'Rows (2)'!B$3:B$5,'Rows (3)'!B$3:B$4)</formula>",
    ] {
        assert!(text.contains(piece), "{piece} in {text}");
    }
    assert!(
        filled
            .part("xl/worksheets/_rels/sheet2-3.xml.rels")
            .contains("https://example.com/")
    );
    let types = filled.part("[Content_Types].xml");
    assert!(types.contains("/xl/worksheets/sheet2-2.xml"), "{types}");
}

#[test]
fn a_list_that_just_fits_stays_on_its_sheet() {
    let (filled, finished) = filled(3, 6, "long").unwrap();
    assert_eq!(finished.sheets, 3);
    assert_eq!(filled.rows("Rows")[5], "Sum|=SUM(B3:B5)|=B6/B1|=Cover!A1");
}

#[test]
fn a_list_does_not_take_sheets_without_end() {
    // A sheet takes one element.
    assert_eq!(code(filled(200, 4, "long")), "none");
    assert_eq!(code(filled(201, 4, "long")), "too_many_rows_for_template");
}

#[test]
fn what_is_not_simple_enough_is_refused() {
    for template in ["orders", "cards", "table"] {
        // A card has a formula over both of its rows, which may go on; a table of Excel may not.
        let expected = match template {
            "cards" => "none",
            _ => "too_many_rows_for_template",
        };
        let refusal = code(filled(9, 9, template));
        assert_eq!(refusal, expected, "{template}");
    }
}

#[test]
fn a_fill_goes_on_in_the_middle_of_further_sheets() {
    let begin = || {
        let mut fill = Fill::begin(fixture("long"), &Start::default()).unwrap();
        fill.limit_rows(6).unwrap();
        fill
    };
    let mut files = Vec::new();
    for is_resumed in [false, true] {
        let mut fill = begin();
        let mut parts = MemoryParts::new();
        for page in ["[{},{}]", "[{},{},{}]", "[{}]", "[{},{}]"] {
            if is_resumed {
                let position = fill.position().unwrap();
                fill = begin();
                fill.resume(position).unwrap();
            }
            fill.page(0, &Page::of_rows(&raw(page)), &mut parts)
                .unwrap();
        }
        let mut out = Vec::new();
        fill.finish(&mut parts, &mut out).unwrap();
        files.push(out);
    }
    assert!(files[0] == files[1]);
}
