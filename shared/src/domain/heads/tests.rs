use super::*;
use crate::error::Result;
use crate::limits::{COLUMNS_MAX, HEAD_LEVELS_MAX, HEAD_STYLES_MAX};
use serde_json::{Value, json};

fn parse(value: &Value) -> Result<HeadTree> {
    parse_text(&value.to_string())
}

fn parse_text(text: &str) -> Result<HeadTree> {
    HeadTree::parse(serde_json::from_str(text).unwrap(), "template")
}

fn titles(heads: &[Head]) -> Vec<(&str, &str)> {
    leaves(heads)
        .into_iter()
        .map(|head| (head.name.as_str(), head.title.as_str()))
        .collect()
}

#[test]
fn the_three_notations_mean_the_same() {
    let expected = [("name", "姓名"), ("age", "年龄"), ("b", "1")];
    for text in [
        r#"{"name":"姓名","age":"年龄","b":1}"#,
        r#"[{"name":"name","title":"姓名"},{"name":"age","title":"年龄","style":[]},{"name":"b","title":"1"}]"#,
        r#"{"col":[{"name":"name","title":"姓名"},{"name":"age","title":"年龄"},{"name":"b","title":"1"}]}"#,
        r#"{"col":{"name":"姓名","age":"年龄","b":"1"},"row":[]}"#,
        r#""{\"name\":\"姓名\",\"age\":\"年龄\",\"b\":\"1\"}""#,
    ] {
        let tree = parse_text(text).unwrap();
        assert_eq!(titles(&tree.columns), expected, "{text}");
        assert_eq!(depth(&tree.columns), 1);
        assert!(tree.rows.is_empty());
    }
}

#[test]
fn columns_may_be_called_col_and_row() {
    let tree = parse_text(r#"{"row":"行","col":"列"}"#).unwrap();
    assert_eq!(titles(&tree.columns), [("row", "行"), ("col", "列")]);
}

#[test]
fn a_head_spans_its_leaves_and_a_leaf_reaches_down() {
    let tree = parse(&json!([
        {"title": "人员", "children": [
            {"title": "姓名", "name": "name"},
            {"title": "其它", "children": [{"title": "年龄", "name": "age"}, {"title": "性别", "name": "sex"}]},
        ]},
        {"name": "city"},
    ]))
    .unwrap();
    let placed: Vec<(&str, usize, usize, usize, usize)> = place(&tree.columns, &|_| 1)
        .iter()
        .map(|at| {
            (
                at.head.title.as_str(),
                at.level,
                at.levels,
                at.place,
                at.places,
            )
        })
        .collect();
    let expected = [
        ("人员", 0, 1, 0, 3),
        ("姓名", 1, 2, 0, 1),
        ("其它", 1, 1, 1, 2),
        ("年龄", 2, 1, 1, 1),
        ("性别", 2, 1, 2, 1),
        ("city", 0, 3, 3, 1),
    ];
    assert_eq!(placed, expected);
    assert_eq!(paths(&tree.columns)[2], ["人员", "其它", "性别"]);
}

#[test]
fn row_heads_reserve_their_rows() {
    let tree = parse(&json!({
        "col": [{"name": "name", "title": "姓名"}],
        "row": [
            {"title": "云研发", "children": [
                {"name": "front_end", "title": "前端", "row_count": 2},
                {"name": "back_end", "title": "后端", "row_count": "4"},
            ]},
            {"name": "os", "title": "OS"},
        ],
    }))
    .unwrap();
    let counts: Vec<u32> = leaves(&tree.rows)
        .iter()
        .map(|head| head.row_count)
        .collect();
    assert_eq!(counts, [2, 4, 1]);
    let placed = place(&tree.rows, &|leaf| counts[leaf] as usize);
    assert_eq!((placed[0].place, placed[0].places), (0, 6));
    assert_eq!(
        (placed[3].place, placed[3].places, placed[3].levels),
        (6, 1, 2)
    );
}

#[test]
fn a_tree_is_kept_as_it_is() {
    let tree = parse(&json!({
        "col": [{"title": "a", "children": [{"name": "x", "style": {"bold": true}}]}],
        "row": [{"name": "r", "row_count": 3}],
    }))
    .unwrap();
    let kept = serde_json::to_string(&tree).unwrap();
    assert_eq!(serde_json::from_str::<HeadTree>(&kept).unwrap(), tree);
}

#[test]
fn what_is_wrong_is_named() {
    let long = "字".repeat(1001);
    for (value, field) in [
        (json!(1), "template"),
        (json!([]), "template"),
        (json!({}), "template"),
        (json!("x"), "template"),
        (json!("\"{}\""), "template"),
        (json!([1]), "template[0]"),
        (json!([{"title": "a"}]), "template[0].name"),
        (json!([{"name": ""}]), "template[0].title"),
        (json!([{"name": "", "title": "a"}]), "template[0].name"),
        (json!([{"name": ["x"]}]), "template[0].name"),
        (json!([{"name": "a", "title": {}}]), "template[0].title"),
        (json!([{"name": "a", "title": long}]), "template[0].title"),
        (json!([{"name": "a"}, {"name": "a"}]), "template[1].name"),
        (json!({"a": ["b"]}), "template.a"),
        (
            json!([{"title": "a", "children": 5}]),
            "template[0].children",
        ),
        (
            json!([{"title": "a", "children": [{"name": "b", "style": {"width": 0}}]}]),
            "template[0].children[0].style.width",
        ),
        (json!({"col": []}), "template.col"),
        (
            json!({"col": [{"name": "a"}], "row": [{"name": "r", "row_count": 0}]}),
            "template.row[0].row_count",
        ),
        (
            json!({"col": [{"name": "a"}], "row": [{"name": "r", "row_count": 100_001}]}),
            "template.row[0].row_count",
        ),
    ] {
        let error = parse(&value).unwrap_err();
        assert_eq!(error.data.unwrap()["field"], field, "{value}");
    }
}

#[test]
fn a_tree_is_bounded() {
    let deep = |levels: usize| {
        let inner = json!({"name": "x"});
        let head = (1..levels).fold(inner, |inner, _| json!({"title": "a", "children": [inner]}));
        parse(&json!([head]))
    };
    assert!(deep(HEAD_LEVELS_MAX).is_ok());
    assert!(deep(HEAD_LEVELS_MAX + 1).is_err());
    assert!(parse_text(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).is_err());
    let wide = |columns: usize| {
        let heads: Vec<Value> = (0..columns).map(|name| json!({ "name": name })).collect();
        parse(&Value::Array(heads))
    };
    assert!(wide(COLUMNS_MAX).is_ok());
    assert!(wide(COLUMNS_MAX + 1).is_err());
    let colourful = |columns: usize| {
        let head =
            |n: usize| json!({"name": n, "style": {"color": format!("#{n:06}"), "width": n + 1}});
        parse(&Value::Array((0..columns).map(head).collect()))
    };
    assert!(colourful(HEAD_STYLES_MAX).is_ok());
    assert!(colourful(HEAD_STYLES_MAX + 1).is_err());
}
