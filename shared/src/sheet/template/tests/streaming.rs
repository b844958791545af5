//! Pages, positions and what is refused while a template is filled.

use super::*;

/// Fills page by page, beginning anew from the position before each page if asked to.
fn filled_in_pages(name: &str, pages: &[String], is_resumed: bool) -> Vec<u8> {
    let values = raw(r#"{"title":"T","company":"C"}"#);
    let start = Start {
        values: Some(&values),
        expected_rows: Some(40),
    };
    let mut fill = Fill::begin(fixture(name), &start).unwrap();
    let mut parts = MemoryParts::new();
    for page in pages {
        if is_resumed {
            let position = fill.position().unwrap().to_string();
            fill = Fill::begin(fixture(name), &Start::default()).unwrap();
            fill.resume(serde_json::from_str(&position).unwrap())
                .unwrap();
        }
        fill.page(0, &Page::of_rows(&raw(page)), &mut parts)
            .unwrap();
    }
    let mut out = Vec::new();
    fill.finish(&mut parts, &mut out).unwrap();
    let mut again = Vec::new();
    fill.finish(&mut parts, &mut again).unwrap();
    assert_eq!(out, again);
    out
}

fn pages(rows: usize, step: usize) -> Vec<String> {
    let row = |n: usize| {
        format!(
            r#"{{"name":"n{n}","phone":{n},"city":"2024-01-02","no":{n},"customer":"x","price":1.5}}"#
        )
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    rows.chunks(step)
        .map(|rows| format!("[{}]", rows.join(",")))
        .collect()
}

#[test]
fn a_fill_goes_on_after_any_page_and_gives_the_same_file() {
    for name in ["orders", "cards", "table"] {
        let pages = pages(40, 7);
        let whole = filled_in_pages(name, &pages, false);
        let resumed = filled_in_pages(name, &pages, true);
        assert!(whole == resumed, "{name}");
    }
}

#[test]
fn pages_make_no_difference_to_what_is_read() {
    let one = Filled(filled_in_pages("orders", &pages(40, 40), false));
    let many = Filled(filled_in_pages("orders", &pages(40, 3), false));
    assert_eq!(one.rows("Orders"), many.rows("Orders"));
    assert_eq!(one.rows("Orders").len(), 47);
}

#[test]
fn formulas_that_need_the_number_of_rows_are_refused_without_it() {
    let page = [r#"[{"no":1},{"no":2}]"#];
    let with = |expected_rows| Input {
        pages: &page,
        expected_rows,
        ..Input::default()
    };
    let refusal = |expected| code(try_fill(fixture("orders"), with(expected)));
    assert_eq!(refusal(None), "expected_rows_needed");
    assert_eq!(refusal(Some(3)), "rows_differ_from_total");
    assert_eq!(refusal(Some(2)), "none");
    assert_eq!(refusal(Some(u64::MAX)), "rows_differ_from_total");
    // Nothing there asks for it, so nothing depends on it.
    assert_eq!(code(try_fill(fixture("cards"), with(Some(3)))), "none");
}

#[test]
fn rows_that_do_not_fit_the_template_are_refused() {
    for (name, pages, expected) in [
        ("lists", &[r#"[{"a":1}]"#][..], "no_list_in_template"),
        ("lists", &["[]"], "none"),
        ("lists", &["{}", "{}"], "lists_too_late"),
        ("lists", &[r#"{"in":1}"#], "bad_rows"),
        ("cards", &["[1]"], "bad_rows"),
        ("cards", &["7"], "bad_rows"),
        ("cards", &["null"], "none"),
    ] {
        let input = Input {
            pages,
            ..Input::default()
        };
        assert_eq!(
            code(try_fill(fixture(name), input)),
            expected,
            "{name} {pages:?}"
        );
    }
}

#[test]
fn scalars_come_with_pages_and_the_first_counts() {
    let mut fill = Fill::begin(fixture("simple"), &Start::default()).unwrap();
    let mut parts = MemoryParts::new();
    for (rows, values) in [
        (r#"[{"id":1}]"#, r#"{"other":1}"#),
        (r#"[{"id":2}]"#, r#"{"title":"first"}"#),
        (r#"[{"id":3}]"#, r#"{"title":"second"}"#),
    ] {
        let (rows, values) = (raw(rows), raw(values));
        let page = Page {
            values: Some(&values),
            ..Page::of_rows(&rows)
        };
        assert_eq!(fill.page(0, &page, &mut parts).unwrap(), 1);
    }
    let mut out = Vec::new();
    let finished = fill.finish(&mut parts, &mut out).unwrap();
    assert_eq!(finished.rows, 3);
    assert_eq!(finished.warnings, Vec::<String>::new());
    let rows = Filled(out).rows("Rows");
    assert_eq!((rows[0].as_str(), rows[4].as_str()), ("first", "3"));
}

#[test]
fn a_scalar_without_a_value_is_empty_and_named() {
    let (filled, finished) = try_fill(fixture("simple"), Input::default()).unwrap();
    assert_eq!(finished.warnings, ["There is no value for {title}."]);
    assert_eq!(filled.rows("Rows")[0], "");
}
