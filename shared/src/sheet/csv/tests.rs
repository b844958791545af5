use super::super::parts::MemoryParts;
use super::*;
use crate::domain::layout::LayoutFields;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn layout(fields: &Value) -> Layout {
    let fields: LayoutFields = serde_json::from_str(&fields.to_string()).unwrap();
    Layout::parse(&fields, None).unwrap()
}

/// Writes pages, each with its table, and goes on with a new writer after every page.
fn write(layout: &Layout, pages: &[(usize, &str)]) -> Result<(String, Finished)> {
    let mut parts = MemoryParts::new();
    let mut writer = CsvWriter::new(layout);
    let mut rows = 0;
    for (table, page) in pages {
        let page: &RawValue = serde_json::from_str(page).unwrap();
        rows += writer.page(*table, &Page::of_rows(page), &mut parts)?;
        let position = writer.position()?;
        writer = CsvWriter::new(layout);
        writer.resume(position)?;
    }
    let mut out = Vec::new();
    let finished = writer.finish(&mut parts, &mut out)?;
    let mut again = Vec::new();
    assert_eq!(writer.finish(&mut parts, &mut again)?, finished);
    assert_eq!(out, again);
    assert_eq!(finished.rows, rows);
    Ok((String::from_utf8(out).unwrap(), finished))
}

fn csv(fields: Value, pages: &[&str]) -> String {
    let pages: Vec<(usize, &str)> = pages.iter().map(|page| (0, *page)).collect();
    write(&layout(&fields), &pages).unwrap().0
}

#[test]
fn values_stand_as_they_came() {
    let page =
        r#"[{"a":1.50,"b":true,"c":null,"d":"x, \"y\"\nz","e":{ "k": [1, 2] },"f":"2024-01-01"}]"#;
    assert_eq!(
        csv(json!({}), &[page]),
        "a,b,c,d,e,f\r\n1.50,true,,\"x, \"\"y\"\"\nz\",\"{\"\"k\"\":[1,2]}\",2024-01-01\r\n"
    );
    assert_eq!(csv(json!({"csv_bom": true}), &["[]"]), "\u{feff}");
    assert_eq!(
        csv(json!({}), &[r#"[{},{"a":1,"b":2},{}]"#]),
        "a,b\r\n\"\",\r\n1,2\r\n,\r\n"
    );
}

#[test]
fn a_formula_is_made_harmless_unless_the_caller_says_no() {
    let page = r#"[{"=k":"=1+1","b":"+86","c":"-1.5e3","d":"@x","e":"\t=1","f":"\r","g":"-2+3,","h":"a=1","i":-5}]"#;
    let head = "'=k,b,c,d,e,f,g,h,i\r\n";
    assert_eq!(
        csv(json!({}), &[page]),
        format!("{head}'=1+1,+86,-1.5e3,'@x,'\t=1,\"'\r\",\"'-2+3,\",a=1,-5\r\n")
    );
    assert_eq!(
        csv(json!({"escape_formulas": false}), &[page]),
        "=k,b,c,d,e,f,g,h,i\r\n=1+1,+86,-1.5e3,@x,\t=1,\"\r\",\"-2+3,\",a=1,-5\r\n"
    );
}

#[test]
fn with_a_template_only_its_columns_are_written_in_its_order() {
    let template = json!([
        {"title": "人员", "children": [{"name": "name", "title": "姓名"}, {"name": "age", "title": "年龄"}]},
        {"name": "city", "title": "城市"},
    ]);
    let page = r#"[{"city":"上海","x":1,"name":"张三"},{"age":3}]"#;
    assert_eq!(
        csv(json!({ "template": template }), &[page]),
        "人员/姓名,人员/年龄,城市\r\n张三,,上海\r\n,3,\r\n"
    );
}

#[test]
fn later_keys_become_columns_with_a_warning() {
    let pages = [
        (0, r#"[{"a":"1\r\n\"2\""},{"a":"x"}]"#),
        (0, r#"[{"b":2,"a":3},{"c":"\u003d"}]"#),
        (0, r#"[{"a":4}]"#),
    ];
    let (text, finished) = write(&layout(&json!({})), &pages).unwrap();
    assert_eq!(
        text,
        "a,b,c\r\n\"1\r\n\"\"2\"\"\",,\r\nx,,\r\n3,2,\r\n,,'=\r\n4,,\r\n"
    );
    let expected = "Keys that the first row does not have were added as columns: \"b\", \"c\".";
    assert_eq!(finished.warnings, [expected]);
}

#[test]
fn row_heads_are_columns_in_front() {
    let template = json!({
        "col": [{"name": "n", "title": "N"}],
        "row": [{"title": "研发", "children": [{"name": "fe", "title": "前端", "row_count": 2}]}, {"name": "os"}],
    });
    let fields = json!({ "template": template });
    let expected = ",,N\r\nos,,1\r\n研发,前端,2\r\nother,,3\r\n";
    let rows =
        r#"[{"n":1,"_row_head_":"os"},{"n":2,"_row_head_":"fe"},{"n":3,"_row_head_":"other"}]"#;
    assert_eq!(csv(fields.clone(), &[rows]), expected);
    let keyed = r#"{"os":[{"n":1,"_row_head_":"fe"}],"fe":[{"n":2}],"x":null,"other":[{"n":3}]}"#;
    assert_eq!(csv(fields, &[keyed]), expected);
}

#[test]
fn several_tables_stand_one_below_the_other() {
    let fields = json!({
        "multi_type": "page", "title": ["一", null, "三", "四"],
        "template": [null, null, {"c": "C"}, null],
    });
    let (text, finished) = write(
        &layout(&fields),
        &[(0, r#"[{"a":1}]"#), (1, r#"[{"b":""}]"#)],
    )
    .unwrap();
    assert_eq!(
        text,
        "一\r\na\r\n1\r\n\r\nb\r\n\"\"\r\n\r\n三\r\nC\r\n\r\n四\r\n"
    );
    assert_eq!(finished.rows, 2);
}

#[test]
fn a_template_may_come_with_the_first_rows() {
    let mut parts = MemoryParts::new();
    let mut writer = CsvWriter::new(&layout(&json!({})));
    let template: &RawValue = serde_json::from_str(r#"{"b":"B"}"#).unwrap();
    for (rows, template) in [("[]", None), (r#"[{"a":1,"b":2}]"#, Some(template))] {
        let page = Page {
            template,
            ..Page::of_rows(serde_json::from_str(rows).unwrap())
        };
        writer.page(0, &page, &mut parts).unwrap();
    }
    let mut out = Vec::new();
    writer.finish(&mut parts, &mut out).unwrap();
    assert_eq!(out, b"B\r\n2\r\n");
}

#[test]
fn what_is_no_row_is_refused() {
    for page in ["{}", "[[]]", "\"x\""] {
        let refused = write(&layout(&json!({})), &[(0, page)]);
        assert!(
            matches!(
                refused,
                Err(SheetError::Refused {
                    code: "bad_rows",
                    ..
                })
            ),
            "{page}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_read_back(rows in proptest::collection::vec(proptest::collection::btree_map("[a-d]", ".*|[,\"\r\n=x]*", 1..4), 1..8)) {
        let pages: Vec<String> = rows.iter().map(|row| json!([row]).to_string()).collect();
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        let text = csv(json!({"escape_formulas": false}), &pages);
        let records = read(&text);
        let heads = &records[0];
        prop_assert_eq!(records.len(), rows.len() + 1);
        for (record, row) in records[1..].iter().zip(&rows) {
            prop_assert_eq!(record.len(), heads.len());
            for (head, field) in heads.iter().zip(record) {
                prop_assert_eq!(field, row.get(head).map_or("", String::as_str));
            }
        }
    }
}

/// Reads RFC 4180 the slow way round.
fn read(text: &str) -> Vec<Vec<String>> {
    let mut records = vec![vec![String::new()]];
    let mut characters = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        let record = records.last_mut().unwrap();
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                record.last_mut().unwrap().push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(String::new()),
            '\r' if !is_quoted => {
                assert_eq!(characters.next(), Some('\n'));
                records.push(vec![String::new()]);
            }
            character => record.last_mut().unwrap().push(character),
        }
    }
    records.pop();
    records
}
