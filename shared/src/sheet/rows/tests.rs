use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// Reads rows as JSON values, the slow way round.
fn read(json: &str) -> Result<Vec<Vec<(String, Value)>>> {
    let mut rows = Rows::new(json)?;
    let mut read = Vec::new();
    while rows.next_row()? {
        let mut row = Vec::new();
        while let Some((key, cell)) = rows.next_pair()? {
            row.push((key.decode().into_owned(), value(cell)));
        }
        assert!(serde_json::from_str::<Value>(rows.row_text()).is_ok());
        read.push(row);
    }
    Ok(read)
}

fn value(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Bool(value) => Value::Bool(value),
        Cell::Number(text) | Cell::Nested(text) => serde_json::from_str(text).unwrap(),
        Cell::Text(text) => Value::String(text.decode().into_owned()),
    }
}

#[test]
fn rows_are_read_in_any_layout() {
    let rows = read(
        " [ {\"a\" : 1 , \"姓\\u540d\":\"x\\\"}\\\\\" },\n{}, {\"b\":[{\"c\":\"]\"}, 2],\"d\":null,\"e\":-1.5e+3,\"f\":false} ] ",
    )
    .unwrap();
    let expected = [
        r#"[["a",1],["姓名","x\"}\\"]]"#,
        "[]",
        r#"[["b",[{"c":"]"},2]],["d",null],["e",-1500.0],["f",false]]"#,
    ];
    let rows: Vec<String> = rows
        .iter()
        .map(|row| serde_json::to_string(row).unwrap())
        .collect();
    assert_eq!(rows, expected);
    assert_eq!(read("[]").unwrap().len(), 0);
}

#[test]
fn what_is_no_array_of_objects_is_refused() {
    for json in [
        "{}",
        "1",
        "[1]",
        "[{},null]",
        "[[]]",
        "",
        "[{\"a\":",
        "[{\"a\" 1}]",
        "[{\"a\\",
    ] {
        assert!(
            matches!(
                read(json),
                Err(SheetError::Refused {
                    code: "bad_rows",
                    ..
                })
            ),
            "{json}"
        );
    }
}

#[test]
fn a_string_is_decoded() {
    let decode = |raw| {
        Text {
            raw,
            is_escaped: true,
        }
        .decode()
    };
    assert_eq!(decode(r"a\n\t\/\b\f\r"), "a\n\t/\u{8}\u{c}\r");
    assert_eq!(decode(r"\u59d3\ud83d\ude00!"), "姓😀!");
    assert_eq!(
        decode(r"\ud83dx\ude00\ud83d\n"),
        "\u{fffd}x\u{fffd}\u{fffd}\n"
    );
}

#[test]
fn a_deep_value_is_passed_over() {
    let deep = format!("[{{\"a\":{}{}}}]", "[".repeat(100_000), "]".repeat(100_000));
    let mut rows = Rows::new(&deep).unwrap();
    assert!(rows.next_row().unwrap());
    assert!(matches!(
        rows.next_pair().unwrap(),
        Some((_, Cell::Nested(_)))
    ));
}

#[test]
fn a_nested_value_loses_its_white_space() {
    assert_eq!(
        compact("{ \"a b\" : [ 1,\n2 ] , \"\\\" \" : 3}"),
        "{\"a b\":[1,2],\"\\\" \":3}"
    );
    assert_eq!(compact("[1,2]"), "[1,2]");
}

#[test]
fn pairs_and_elements_of_one_value_are_read() {
    assert_eq!(pairs("{\"a\":[1]}").unwrap()[0].1, Cell::Nested("[1]"));
    assert_eq!(pairs(" {} ").unwrap(), []);
    assert_eq!(
        elements("[ 1, [2]]").unwrap(),
        [Cell::Number("1"), Cell::Nested("[2]")]
    );
    assert_eq!(elements("[]").unwrap(), []);
    assert!(pairs("[]").is_err() && elements("{}").is_err());
}

proptest! {
    #[test]
    fn any_row_is_read_as_serde_json_reads_it(
        row in proptest::collection::btree_map(".*", ".*", 0..5),
        pretty in any::<bool>(),
    ) {
        let rows = serde_json::json!([row, { "nested": row }]);
        let json = if pretty { serde_json::to_string_pretty(&rows) } else { serde_json::to_string(&rows) };
        let read = read(&json.unwrap()).unwrap();
        let expected: Vec<(String, Value)> =
            row.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect();
        prop_assert_eq!(&read[0], &expected);
        prop_assert_eq!(&read[1][0].1, &serde_json::json!(row));
    }
}
