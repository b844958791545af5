use super::super::parts::MemoryParts;
use super::*;
use crate::domain::layout::LayoutFields;
use calamine::{Data, Reader, Xlsx, open_workbook_from_rs};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{Cursor, Read};

fn layout(fields: Value) -> Layout {
    let mut fields = fields;
    fields["type"] = json!("excel");
    let fields: LayoutFields = serde_json::from_str(&fields.to_string()).unwrap();
    Layout::parse(&fields, None).unwrap()
}

/// One page: its table, and the object that a source would send.
type Sent<'a> = (usize, &'a str);

/// A written file, and what was said of it.
struct Written {
    bytes: Vec<u8>,
    finished: Finished,
}

/// Writes pages, each an object with `data` and perhaps `header`, `footer`, `template`. With `is_resumed` a new
/// writer goes on after every page.
fn write_with(
    layout: &Layout,
    pages: &[Sent<'_>],
    rows_max: u32,
    is_resumed: bool,
) -> Result<Written> {
    let begin = || ExcelWriter {
        rows_max,
        ..ExcelWriter::new(layout)
    };
    let mut parts = MemoryParts::new();
    let mut writer = begin();
    let mut rows = 0;
    for (table, page) in pages {
        let pairs = crate::domain::pairs::read(page).unwrap();
        let part = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, json)| &**json)
        };
        let page = Page {
            rows: part("data").unwrap(),
            header: part("header"),
            footer: part("footer"),
            template: part("template"),
            values: None,
        };
        rows += writer.page(*table, &page, &mut parts)?;
        if is_resumed {
            let position = writer.position()?.to_string();
            writer = begin();
            writer.resume(serde_json::from_str(&position).unwrap())?;
        }
    }
    let mut bytes = Vec::new();
    let finished = writer.finish(&mut parts, &mut bytes)?;
    assert_eq!(finished.rows, rows);
    let mut again = Vec::new();
    assert_eq!(writer.finish(&mut parts, &mut again)?, finished);
    assert!(bytes == again, "finishing again gives another file");
    Ok(Written { bytes, finished })
}

fn write(fields: Value, pages: &[Sent<'_>]) -> Written {
    write_to(fields, pages, SHEET_ROWS_MAX)
}

/// Writes without and with going on after every page, which must give the same file.
fn write_to(fields: Value, pages: &[Sent<'_>], rows_max: u32) -> Written {
    let layout = layout(fields);
    let written = write_with(&layout, pages, rows_max, false).unwrap();
    let resumed = write_with(&layout, pages, rows_max, true).unwrap();
    assert!(
        written.bytes == resumed.bytes,
        "going on gives another file"
    );
    written
}

impl Written {
    fn workbook(&self) -> Xlsx<Cursor<&[u8]>> {
        open_workbook_from_rs(Cursor::new(self.bytes.as_slice())).unwrap()
    }

    fn sheets(&self) -> Vec<String> {
        self.workbook().sheet_names()
    }

    /// The cells of a sheet from A1 on, each as text.
    fn cells(&self, sheet: usize) -> Vec<Vec<String>> {
        let mut workbook = self.workbook();
        let range = workbook.worksheet_range_at(sheet).unwrap().unwrap();
        let Some((row, column)) = range.end() else {
            return Vec::new();
        };
        let text = |row, column| match range.get_value((row, column)) {
            None | Some(Data::Empty) => String::new(),
            Some(Data::DateTime(date)) => format!("date {}", date.as_f64()),
            Some(Data::Bool(value)) => format!("bool {value}"),
            Some(Data::Float(number)) => format!("{number}"),
            Some(Data::Int(number)) => format!("{number}"),
            Some(other) => format!("'{other}"),
        };
        (0..=row)
            .map(|row| (0..=column).map(|column| text(row, column)).collect())
            .collect()
    }

    fn entry(&self, name: &str) -> String {
        let mut archive = zip::ZipArchive::new(Cursor::new(self.bytes.as_slice())).unwrap();
        let mut text = String::new();
        archive
            .by_name(name)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    fn sheet(&self, number: usize) -> String {
        self.entry(&format!("xl/worksheets/sheet{number}.xml"))
    }

    fn merges(&self, number: usize) -> Vec<String> {
        let sheet = self.sheet(number);
        sheet
            .split("<mergeCell ref=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    }
}

fn rows(cells: &[&[&str]]) -> Vec<Vec<String>> {
    cells
        .iter()
        .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
        .collect()
}

#[test]
fn values_become_cells_of_their_type() {
    let page = r#"{"data":[
        {"a":1.50,"b":true,"c":null,"d":" x <&>\u0001_x0041_ ","e":{ "k": [1] },"f":"2024-03-01","g":"2024-03-01T12:00:00Z"},
        {"a":12345678901234567,"b":-123456789012,"c":"=1+1","d":"\ud83d\ude00","e":"","f":"12","g":"a\nb"}]}"#;
    let written = write(json!({}), &[(0, page)]);
    let expected = rows(&[
        &["'a", "'b", "'c", "'d", "'e", "'f", "'g"],
        &[
            "1.5",
            "bool true",
            "",
            "' x <&>\u{1}_x0041_ ",
            "'{\"k\":[1]}",
            "date 45352",
            "date 45352.5",
        ],
        &[
            "'12345678901234567",
            "-123456789012",
            "'=1+1",
            "'😀",
            "",
            "'12",
            "'a\nb",
        ],
    ]);
    assert_eq!(written.cells(0), expected);
    assert_eq!(written.sheets(), ["Sheet1"]);
    let sheet = written.sheet(1);
    assert!(!sheet.contains("<f>"), "data became a formula");
    assert!(
        sheet.contains(r#"<c r="C3" t="inlineStr">"#)
            && sheet.contains(r#"<c r="G3" s="1" t="inlineStr">"#)
    );
    let wrapped = r#"xfId="0" applyAlignment="1"><alignment wrapText="1"/>"#;
    assert!(written.entry("xl/styles.xml").contains(wrapped));
    assert_eq!(written.finished.sheets, 1);
}

#[test]
fn a_type_and_a_format_hold_for_their_column() {
    let template = json!([
        {"name": "t", "style": {"type": "text"}}, {"name": "n", "style": {"type": "number", "format": "#,##0.00"}},
        {"name": "d", "style": {"type": "date", "format": "yyyy/m/d"}}, {"name": "b", "style": {"type": "bool"}},
    ]);
    let page = r#"{"data":[{"t":1,"n":"2.50","d":"2024-03-01 12:00","b":"1"}]}"#;
    let written = write(json!({ "template": template }), &[(0, page)]);
    assert_eq!(
        written.cells(0)[1],
        ["'1", "2.5", "date 45352", "bool true"]
    );
    let styles = written.entry("xl/styles.xml");
    assert!(
        styles.contains(r##"formatCode="#,##0.00""##)
            && styles.contains(r#"formatCode="yyyy/m/d""#)
    );
}

#[test]
fn a_table_stands_between_its_title_and_its_footer() {
    let template = json!([
        {"title": "人员", "children": [
            {"name": "name", "title": "姓名", "style": {"width": 48, "align": "right", "color": "#ff0000"}},
            {"title": "其它", "children": [{"name": "age"}, {"name": "sex"}], "style": {"height": 40, "bg_color": "#00ff00"}},
        ]},
        {"name": "city", "title": "城市"},
    ]);
    let fields = json!({"template": template, "title": "名单", "summary": "两行\n摘要", "default_width": 60,
        "header": "{\"油站\":\"钓鱼岛\",\"日期\":\"2020-07-24\"}", "footer": ["甲", "乙"], "default_height": 20});
    let written = write(
        fields,
        &[(
            0,
            r#"{"data":[{"name":"张三","age":1,"city":"上海","x":0}]}"#,
        )],
    );
    let expected = rows(&[
        &["'名单", "", "", ""],
        &["'两行\n摘要", "", "", ""],
        &["'油站：钓鱼岛    日期：2020-07-24", "", "", ""],
        &["'人员", "", "", "'城市"],
        &["'姓名", "'其它", "", ""],
        &["", "'age", "'sex", ""],
        &["'张三", "1", "", "'上海"],
        &["'甲", "", "", ""],
        &["'乙", "", "", ""],
    ]);
    assert_eq!(written.cells(0), expected);
    assert_eq!(written.sheets(), ["名单"]);
    let merges = [
        "A1:D1", "A2:D2", "A3:D3", "A4:C4", "A5:A6", "B5:C5", "D4:D6", "A8:D8", "A9:D9",
    ];
    assert_eq!(written.merges(1), merges);
    let sheet = written.sheet(1);
    for part in [
        r#"<dimension ref="A1:D9"/>"#,
        r#"<pane ySplit="6" topLeftCell="A7" activePane="bottomLeft" state="frozen"/>"#,
        r#"<sheetFormatPr defaultRowHeight="20" customHeight="1"/><cols><col min="1" max="1" width="9.140625" customWidth="1"/><col min="2" max="2" width="11.42578125" customWidth="1"/><col min="3" max="3" width="11.42578125" customWidth="1"/><col min="4" max="4" width="11.42578125" customWidth="1"/></cols><sheetData>"#,
        r#"<row r="2" ht="30" customHeight="1">"#,
        r#"<row r="5" ht="40" customHeight="1">"#,
        r#"<row r="7" ht="20" customHeight="1">"#,
    ] {
        assert!(sheet.contains(part), "{part} in {sheet}");
    }
    let styles = written.entry("xl/styles.xml");
    for part in [
        "FFFF0000",
        "FF00FF00",
        r#"horizontal="right" vertical="center" wrapText="1""#,
        r#"<alignment horizontal="right" vertical="center"/>"#,
    ] {
        assert!(styles.contains(part), "{part} in {styles}");
    }
    let titles =
        "<definedName name=\"_xlnm.Print_Titles\" localSheetId=\"0\">'名单'!$4:$6</definedName>";
    assert!(written.entry("xl/workbook.xml").contains(titles));
}

#[test]
fn rows_stand_beside_their_row_head_whatever_their_order() {
    let template = json!({
        "col": [{"name": "n", "title": "N"}, {"name": "m", "title": "M"}],
        "row": [
            {"title": "云研发", "children": [
                {"name": "fe", "title": "前端", "row_count": 2}, {"name": "be", "title": "后端", "row_count": 3},
            ]},
            {"name": "os", "title": "OS", "style": {"height": 33}},
        ],
    });
    let fields = json!({"template": template, "title": "T"});
    let pages = [
        (
            0,
            r#"{"data":[{"n":1,"_row_head_":"os"},{"n":2,"_row_head_":"be"}]}"#,
        ),
        (
            0,
            r#"{"data":[{"n":3,"_row_head_":"os"},{"n":4,"_row_head_":"fe"},{"n":5,"_row_head_":"?"}],"header":"H"}"#,
        ),
    ];
    let written = write(fields.clone(), &pages);
    let expected = rows(&[
        &["'T", "", "", ""],
        &["'H", "", "", ""],
        &["", "", "'N", "'M"],
        &["'云研发", "'前端", "4", ""],
        &["", "", "", ""],
        &["", "'后端", "2", ""],
        &["", "", "", ""],
        &["", "", "", ""],
        &["'OS", "", "1", ""],
        &["", "", "3", ""],
        &["", "", "5", ""],
    ]);
    assert_eq!(written.cells(0), expected);
    let mut merges = written.merges(1);
    merges.sort();
    assert_eq!(
        merges,
        [
            "A11:B11", "A1:D1", "A2:D2", "A3:B3", "A4:A8", "A9:B10", "B4:B5", "B6:B8"
        ]
    );
    assert!(
        written
            .sheet(1)
            .contains(r#"<row r="10" ht="33" customHeight="1">"#)
    );
    assert_eq!(written.finished.warnings.len(), 1);

    let keyed = r#"{"data":{"os":[{"n":1},{"n":3,"_row_head_":"fe"}],"be":[{"n":2}],"fe":[{"n":4}],"?":[{"n":5}]},"header":"H"}"#;
    assert_eq!(write(fields, &[(0, keyed)]).cells(0), expected);
}

#[test]
fn several_tables_stand_on_one_sheet() {
    let fields = json!({"multi_type": "page", "title": ["一", null, "三", null], "footer": [null, "F"],
        "template": [null, [{"name": "x", "style": {"width": 100}}], {
            "col": [{"name": "n"}], "row": [{"name": "r", "title": "R", "row_count": 2}]}]});
    let pages = [
        (0, r#"{"data":[{"a":1,"b":2}]}"#),
        (0, r#"{"data":[{"a":3,"c":4}]}"#),
        (1, r#"{"data":[{"x":5}]}"#),
        (2, r#"{"data":[{"n":6,"_row_head_":"r"}],"footer":"E"}"#),
    ];
    let written = write(fields, &pages);
    let expected = rows(&[
        &["'一", "", ""],
        &["'a", "'b", "'c"],
        &["1", "2", ""],
        &["3", "", "4"],
        &["", "", ""],
        &["'x", "", ""],
        &["5", "", ""],
        &["'F", "", ""],
        &["", "", ""],
        &["'三", "", ""],
        &["", "'n", ""],
        &["'R", "6", ""],
        &["", "", ""],
        &["'E", "", ""],
    ]);
    assert_eq!(written.cells(0), expected);
    assert_eq!(written.sheets(), ["一"]);
    assert_eq!(
        written.merges(1),
        ["A1:C1", "A10:B10", "A12:A13", "A14:B14"]
    );
    assert!(!written.sheet(1).contains("<pane"));
    assert_eq!(
        written.finished.warnings,
        ["Keys that the first row does not have were added as columns: \"c\"."]
    );
}

#[test]
fn several_tables_stand_on_sheets_of_their_own() {
    let fields = json!({"multi_type": "tab", "title": ["一/二", null, "一_二", null], "header": [null, "H"],
        "template": [{"a": "A"}, {"b": "B"}]});
    let written = write(
        fields,
        &[
            (0, r#"{"data":[{"a":1}]}"#),
            (2, r#"{"data":[{"c":"2024-01-01"}]}"#),
        ],
    );
    assert_eq!(written.sheets(), ["一_二", "Sheet2", "一_二 (2)", "Sheet4"]);
    assert_eq!(written.cells(0), rows(&[&["'一/二"], &["'A"], &["1"]]));
    assert_eq!(written.cells(1), rows(&[&["'H"], &["'B"]]));
    assert_eq!(
        written.cells(2),
        rows(&[&["'一_二"], &["'c"], &["date 45292"]])
    );
    assert!(written.cells(3).is_empty());
    assert_eq!(written.finished.sheets, 4);
}

#[test]
fn a_full_sheet_is_followed_by_one_that_begins_with_the_heads() {
    let data: Vec<Value> = (0..10).map(|n| json!({ "n": n })).collect();
    let page = json!({ "data": data }).to_string();
    let fields = json!({"title": "T", "template": [{"title": "g", "children": [{"name": "n"}]}], "footer": "F"});
    let written = write_to(fields, &[(0, &page)], 6);
    assert_eq!(written.sheets(), ["T", "T (2)", "T (3)"]);
    assert_eq!(
        written.cells(0),
        rows(&[&["'T"], &["'g"], &["'n"], &["0"], &["1"], &["2"]])
    );
    assert_eq!(
        written.cells(1),
        rows(&[&["'g"], &["'n"], &["3"], &["4"], &["5"], &["6"]])
    );
    assert_eq!(
        written.cells(2),
        rows(&[&["'g"], &["'n"], &["7"], &["8"], &["9"], &["'F"]])
    );

    let pages = [
        (0, page.as_str()),
        (0, r#"{"data":[{"n":10}]}"#),
        (1, r#"{"data":[{"m":1},{"m":2}]}"#),
    ];
    let written = write_to(json!({"multi_type": "page", "footer": ["F"]}), &pages, 6);
    assert_eq!(written.finished.sheets, 4);
    assert_eq!(
        written.cells(2),
        rows(&[&["'n"], &["10"], &["'F"], &[""], &["'m"], &["1"]])
    );
    assert_eq!(written.cells(3), rows(&[&["'m"], &["2"]]));

    // A footer that the full sheet has no room for.
    let written = write_to(
        json!({"footer": "F"}),
        &[(0, r#"{"data":[{"n":1},{"n":2}]}"#)],
        3,
    );
    assert_eq!(written.cells(1), rows(&[&["'n"], &["'F"]]));
}

#[test]
fn the_source_may_send_template_header_and_footer() {
    let pages = [
        (0, r#"{"data":[],"footer":"1"}"#),
        (
            0,
            r#"{"data":[{"a":1,"b":"2024-01-01"}],"header":["h"],"template":[{"name":"b","style":{"bold":true}}],"footer":"2"}"#,
        ),
        (
            0,
            r#"{"data":[{"b":2}],"header":["late"],"template":{"a":"A"},"footer":["3","4"]}"#,
        ),
        (0, r#"{"data":null,"footer":null}"#),
    ];
    let written = write(json!({"footer": "0"}), &pages);
    assert_eq!(
        written.cells(0),
        rows(&[&["'h"], &["'b"], &["date 45292"], &["2"], &["'3"], &["'4"]])
    );
    for (page, code) in [
        (r#"{"data":[],"template":[]}"#, "bad_template"),
        (r#"{"data":[],"footer":5}"#, "bad_lines"),
        (r#"{"data":{}}"#, "bad_rows"),
    ] {
        let refused = write_with(&layout(json!({})), &[(0, page)], SHEET_ROWS_MAX, false);
        assert!(
            matches!(refused, Err(SheetError::Refused { code: found, .. }) if found == code),
            "{page}"
        );
    }
}

#[test]
fn a_file_without_rows_has_a_sheet() {
    for fields in [
        json!({}),
        json!({"multi_type": "page"}),
        json!({"multi_type": "tab"}),
    ] {
        let written = write(fields, &[]);
        assert_eq!(written.sheets(), ["Sheet1"]);
        assert!(written.cells(0).is_empty());
    }
    let written = write(
        json!({"template": {"a": "A"}, "title": "T"}),
        &[(0, r#"{"data":[]}"#)],
    );
    assert_eq!(written.cells(0), rows(&[&["'T"], &["'A"]]));
}

#[test]
fn what_would_not_fit_is_refused() {
    let long = json!({"data": [{"a": "字".repeat(32_768)}]}).to_string();
    let many = json!({"data": [{"r": "x".repeat(5 << 20)}]}).to_string();
    let reserved = json!({"col": [{"name": "a"}], "row": [{"name": "r", "row_count": 20}]});
    let wide: Vec<Value> = (0..100).map(|name| json!({ "name": name })).collect();
    let huge = json!({"col": wide, "row": [{"name": "r", "row_count": 100_000}]});
    for (fields, page, code) in [
        (json!({}), long.as_str(), "cell_too_long"),
        (
            json!({ "template": reserved }),
            many.as_str(),
            "too_many_rows",
        ),
        (
            json!({ "template": reserved }),
            r#"{"data":[]}"#,
            "too_many_rows",
        ),
        (
            json!({ "template": huge }),
            r#"{"data":[]}"#,
            "too_many_rows",
        ),
    ] {
        let refused = write_with(&layout(fields), &[(0, page)], 10, false);
        assert!(
            matches!(refused, Err(SheetError::Refused { code: found, .. }) if found == code),
            "{code}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_rows_are_read_back(
        rows in proptest::collection::vec((".*", any::<i32>(), any::<bool>(), "[ \t\n<&_x0-9]*"), 1..30),
        pages in 1_usize..5,
    ) {
        let data: Vec<Value> = rows.iter().map(|(a, b, c, d)| json!({"a": format!("{a}|"), "b": b, "c": c, "d": format!("{d}|")})).collect();
        let pages: Vec<String> = data.chunks(data.len().div_ceil(pages)).map(|rows| json!({"data": rows}).to_string()).collect();
        let pages: Vec<Sent<'_>> = pages.iter().map(|page| (0, page.as_str())).collect();
        let cells = write(json!({}), &pages).cells(0);
        prop_assert_eq!(cells.len(), rows.len() + 1);
        for (cells, (a, b, c, d)) in cells[1..].iter().zip(&rows) {
            prop_assert_eq!(cells, &[format!("'{a}|"), b.to_string(), format!("bool {c}"), format!("'{d}|")]);
        }
    }
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("2024-02-29T01:02:03Z")),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]|_row_head_|.", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_page_is_written_or_refused(
        data in prop_oneof![any_json(), proptest::collection::vec(any_json(), 0..4).prop_map(|row| json!([{"a": row}, {"b": row}]))],
        header in any_json(),
        template in prop_oneof![
            Just(json!(null)), Just(json!([{"name": "a"}, {"title": "g", "children": [{"name": "b"}]}])),
            Just(json!({"col": [{"name": "a"}], "row": [{"name": "b", "row_count": 2}]})), any_json(),
        ],
    ) {
        let page = json!({"data": data, "header": header, "footer": header, "template": template}).to_string();
        match write_with(&layout(json!({"title": "T"})), &[(0, &page), (0, &page)], 8, true) {
            Ok(written) => prop_assert!(!written.cells(0).is_empty()),
            Err(SheetError::Refused { .. }) => {}
            Err(SheetError::Io(error)) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
}
