//! Excel files as they come out of the running product, read back with calamine and with openpyxl, cell by cell.

use super::file_of;
use super::templates::{XLSX, fixture, upload};
use super::workbook::{opened, shows};
use crate::shared;
use serde_json::{Value, json};
use tests::{Caller, to_pdf};

/// The file of an export that must succeed.
async fn made(project: &Caller<'_>, body: Value) -> Vec<u8> {
    let mut body = body;
    body["name"] = "n".into();
    if body.get("type").is_none() && body.get("template_id").is_none() {
        body["type"] = "excel".into();
    }
    let task = project.exported(&body).await;
    file_of(project, &task).await
}

/// An export with a template that is uploaded for it.
async fn filled(project: &Caller<'_>, template: &str, mut body: Value) -> Vec<u8> {
    let sent = upload(project, "", XLSX, fixture(template)).await;
    body["template_id"] = sent.ok_with(201)["template_id"].clone();
    made(project, body).await
}

/// The head tree that the requests of several tests have.
fn tree() -> Value {
    json!([
        { "name": "no", "title": "No.", "style": { "width": 40, "align": "center" } },
        { "title": "Customer", "style": { "bg_color": "#D9E1F2" }, "children": [
            { "name": "name", "title": "Name", "style": { "width": 120, "bold": true } },
            { "name": "phone", "title": "Phone", "style": { "type": "text" } },
        ] },
        { "name": "amount", "title": "Amount",
          "style": { "align": "right", "color": "#C00000", "format": "#,##0.00", "height": 30 } },
    ])
}

fn row_heads() -> Value {
    json!({
        "col": [{ "name": "name", "title": "Name" }, { "name": "age", "title": "Age" }],
        "row": [{ "title": "Company", "children": [
            { "name": "front", "title": "Front end", "row_count": 2 },
            { "name": "back", "title": "Back end", "row_count": 2 },
        ] }],
    })
}

fn rows_of_tree() -> Value {
    json!([
        { "no": 1, "name": "张三", "phone": "13800000001", "amount": 1234.5 },
        { "no": 2, "name": "=1+1", "phone": 13_800_000_002_u64, "amount": -3 },
        { "no": 3, "name": "two\r\nlines", "phone": null, "amount": "n/a" },
    ])
}

#[tokio::test]
async fn nested_heads_span_and_stand_with_what_is_around_them() {
    let project = shared().project("heads", &[]).await;
    let body = json!({
        "template": tree(), "source_data": rows_of_tree(), "title": "Orders 2026", "summary": "Three rows",
        "header": ["By Wharf", { "Period": "May", "Who": "Ann" }], "footer": "The end",
    });
    let book = opened(&made(&project, body).await);
    let sheet = &book["sheets"][0];
    assert_eq!(sheet["name"], "Orders 2026");
    shows(
        sheet,
        &[
            r#"A1 "Orders 2026" bold center"#,
            r#"A2 "Three rows" left"#,
            r#"A3 "By Wharf" left"#,
            r#"A4 "Period：May    Who：Ann" left"#,
            r#"A5 "No." bold DDEBF7 center thin | B5 "Customer" bold D9E1F2 center thin | C5 thin | D5 "Amount" bold C00000 DDEBF7 right thin"#,
            r#"A6 thin | B6 "Name" bold DDEBF7 center thin | C6 "Phone" bold DDEBF7 center thin | D6 thin"#,
            r#"A7 1 center | B7 "张三" bold | C7 "13800000001" @ | D7 1234.5 #,##0.00 C00000 right"#,
            r#"A8 2 center | B8 "=1+1" bold | C8 "13800000002" @ | D8 -3 #,##0.00 C00000 right"#,
            r#"A9 3 center | B9 "two\nlines" bold | D9 "n/a" #,##0.00 C00000 right"#,
            r#"A10 "The end" left"#,
        ],
    );
    assert_eq!(
        sheet["merged"],
        json!([
            "A10:D10", "A1:D1", "A2:D2", "A3:D3", "A4:D4", "A5:A6", "B5:C5", "D5:D6"
        ])
    );
    // 40 and 120 points are 53 and 160 pixels.
    assert_eq!(sheet["widths"]["A"], 7.6171875);
    assert_eq!(sheet["widths"]["B"], 22.85546875);
    assert_eq!(sheet["heights"], json!({ "1": 30.0, "5": 30.0 }));
    assert_eq!(sheet["freeze"], "A7");
    assert_eq!(sheet["print_rows"], "$5:$6");
}

#[tokio::test]
async fn row_heads_take_rows_that_name_them_and_rows_by_their_name() {
    let project = shared().project("row heads", &[]).await;
    let by_row = json!([
        { "_row_head_": "back", "name": "Bob", "age": 31 },
        { "_row_head_": "front", "name": "Ann", "age": 30 },
        { "_row_head_": "front", "name": "Zoë", "age": 28 },
        { "_row_head_": "front", "name": "Max", "age": 27 },
    ]);
    let by_head = json!({
        "front": [{ "name": "Ann", "age": 30 }, { "name": "Zoë", "age": 28 }, { "name": "Max", "age": 27 }],
        "back": [{ "name": "Bob", "age": 31 }],
    });
    let mut files = Vec::new();
    for data in [by_row, by_head] {
        let body = json!({ "template": row_heads(), "source_data": data });
        let file = made(&project, body).await;
        let book = opened(&file);
        let sheet = &book["sheets"][0];
        shows(
            sheet,
            &[
                r#"A1 bold DDEBF7 center thin | B1 thin | C1 "Name" bold DDEBF7 center thin | D1 "Age" bold DDEBF7 center thin"#,
                r#"A2 "Company" bold DDEBF7 center thin | B2 "Front end" bold DDEBF7 center thin | C2 "Ann" thin | D2 30 thin"#,
                r#"A3 | B3 | C3 "Zoë" thin | D3 28 thin"#,
                r#"A4 | B4 thin | C4 "Max" thin | D4 27 thin"#,
                r#"A5 | B5 "Back end" bold DDEBF7 center thin | C5 "Bob" thin | D5 31 thin"#,
                "A6 thin | B6 thin | C6 thin | D6 thin",
            ],
        );
        // More rows than reserved extend the head, fewer leave empty ones.
        assert_eq!(sheet["merged"], json!(["A1:B1", "A2:A6", "B2:B4", "B5:B6"]));
        assert_eq!(sheet["freeze"], "C2");
        files.push(file);
    }
    assert!(files[0] == files[1], "both shapes give one file");
}

#[tokio::test]
async fn several_tables_stand_on_a_page_or_on_tabs() {
    let project = shared().project("tables", &[]).await;
    let body = |multi_type: &str| {
        json!({
            "multi_type": multi_type, "title": ["In", "Out/1"], "footer": ["f1", "f2"],
            "template": [{ "a": "A", "b": "B" }, { "c": "C" }],
            "source_data": [[{ "a": 1, "b": 2 }], [{ "c": "x" }, { "c": "y" }]],
        })
    };
    let book = opened(&made(&project, body("page")).await);
    assert_eq!(book["sheets"].as_array().map(Vec::len), Some(1));
    shows(
        &book["sheets"][0],
        &[
            r#"A1 "In" bold center"#,
            r#"A2 "A" bold DDEBF7 center thin | B2 "B" bold DDEBF7 center thin"#,
            "A3 1 | B3 2",
            r#"A4 "f1" left"#,
            r#"A6 "Out/1" bold center"#,
            r#"A7 "C" bold DDEBF7 center thin"#,
            r#"A8 "x""#,
            r#"A9 "y""#,
            r#"A10 "f2" left"#,
        ],
    );
    let book = opened(&made(&project, body("tab")).await);
    assert_eq!(book["sheets"][0]["name"], "In");
    assert_eq!(
        book["sheets"][1]["name"], "Out_1",
        "without what Excel forbids"
    );
    shows(
        &book["sheets"][1],
        &[
            r#"A1 "Out/1" bold center"#,
            r#"A2 "C" bold DDEBF7 center thin"#,
            r#"A3 "x""#,
            r#"A4 "y""#,
            r#"A5 "f2" left"#,
        ],
    );
}

#[tokio::test]
async fn every_value_has_its_type_and_no_text_becomes_a_formula() {
    let project = shared().project("types", &[]).await;
    // As text: no parser of ours shall change the numbers.
    let body = r#"{"name":"n","type":"excel","source_data":[
        {"v":1.5},{"v":-0},{"v":1E5},{"v":123456789012345},{"v":1234567890123456},{"v":1e400},{"v":true},
        {"v":"2024-05-01"},{"v":"2024-05-01 08:30"},{"v":"2024-05-01T08:30:15+08:00"},{"v":"1899-12-31"},
        {"v":"1900-02-29"},{"v":"9999-12-31T23:59:59.999999999"},{"v":null},{"v":{"a":[1, null]}},
        {"v":"a\u0000\u001fb"},{"v":"=SUM(A1)"},{"v":"@x"},{"v":"+1"},{"v":"0012"},{"v":"_x0041_"},{"v":" x "}]}"#;
    let answer = project
        .send(reqwest::Method::POST, "/api/v1/export/sync", |it| {
            it.header("content-type", "application/json").body(body)
        })
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let book = opened(&answer.body);
    shows(
        &book["sheets"][0],
        &[
            r#"A1 "v" bold DDEBF7 center thin"#,
            "A2 1.5",
            "A3 0",
            "A4 100000.0",
            "A5 123456789012345 0",
            r#"A6 "1234567890123456""#,
            r#"A7 "1e400""#,
            "A8 true",
            r#"A9 "2024-05-01T00:00:00" yyyy-mm-dd"#,
            r#"A10 "2024-05-01T08:30:00" yyyy-mm-dd hh:mm:ss"#,
            r#"A11 "2024-05-01T08:30:15" yyyy-mm-dd hh:mm:ss"#,
            r#"A12 "1899-12-31""#,
            r#"A13 "1900-02-29""#,
            r#"A14 "9999-12-31T23:59:59.999000" yyyy-mm-dd hh:mm:ss"#,
            r#"A16 "{\"a\":[1,null]}""#,
            r#"A17 "a_x0000__x001F_b""#,
            r#"A18 "=SUM(A1)""#,
            r#"A19 "@x""#,
            r#"A20 "+1""#,
            r#"A21 "0012""#,
            r#"A22 "_x005F_x0041_""#,
            r#"A23 " x ""#,
        ],
    );
}

/// What an export with the fixture `orders.xlsx` has beside the template.
fn orders() -> Value {
    let row = |no: u32, paid: bool| {
        json!({ "no": no, "customer": format!("客户{no}"), "quantity": no, "price": 2.5, "paid": paid,
                "day": "2026-05-01" })
    };
    json!({
        "source_data": [row(1, true), row(2, false), row(3, true)],
        "values": { "company": "Wharf", "from": "2026-05-01", "to": "2026-05-31", "made_at": "2026-06-01 08:00",
                    "signed_by": "=1+1" },
    })
}

#[tokio::test]
async fn in_an_uploaded_workbook_everything_follows_the_rows() {
    let project = shared().project("orders", &[]).await;
    let book = opened(&filled(&project, "orders.xlsx", orders()).await);
    let sheet = &book["sheets"][0];
    shows(
        sheet,
        &[
            r#"A1 "Wharf" bold"#,
            r#"A2 "Period 2026-05-01 to 2026-05-31" | D2 "Total" | E2 "=SUM(E6:E8)" | G2 "=F9""#,
            r#"A3 "Made" | B3 "2026-06-01T08:00:00" yyyy-mm-dd hh:mm:ss"#,
            r#"A5 "No." bold D9E1F2 | B5 "Customer" bold D9E1F2 | C5 "Quantity" bold D9E1F2 | D5 "Price" bold D9E1F2 | E5 "Amount" bold D9E1F2 | F5 "Share" bold D9E1F2 | G5 "Balance" bold D9E1F2 | H5 "Paid" bold D9E1F2 | I5 "Day" bold D9E1F2"#,
            r#"A6 "1" @ thin | B6 "客户1" thin | C6 1 thin | D6 2.5 #,##0.00 thin | E6 "=C6*D6" #,##0.00 thin | F6 "=E6/SUM(E$6:E$8)" 0.0% thin | G6 "=N(G5)+E6" thin | H6 true thin | I6 "2026-05-01T00:00:00" dd.mm.yyyy thin"#,
            r#"A7 "2" @ thin | B7 "客户2" thin | C7 2 thin | D7 2.5 #,##0.00 thin | E7 "=C7*D7" #,##0.00 thin | F7 "=E7/SUM(E$6:E$8)" 0.0% thin | G7 "=N(G6)+E7" thin | H7 false thin | I7 "2026-05-01T00:00:00" dd.mm.yyyy thin"#,
            r#"A8 "3" @ thin | B8 "客户3" thin | C8 3 thin | D8 2.5 #,##0.00 thin | E8 "=C8*D8" #,##0.00 thin | F8 "=E8/SUM(E$6:E$8)" 0.0% thin | G8 "=N(G7)+E8" thin | H8 true thin | I8 "2026-05-01T00:00:00" dd.mm.yyyy thin"#,
            r#"A9 "Sum" | C9 "=SUM(C6:C8)" | E9 "=SUM(E6:E8)" #,##0.00 | F9 "=AVERAGE(E6:E8)" | K9 "Ann""#,
            r#"A10 "Signed {by}: =1+1" | C10 "=Names!A1" | K10 "Bob""#,
        ],
    );
    let expected = json!({
        "charts": 1,
        "conditional": [
            "A6:I8 expression",
            "E6:E8 cellIs",
            "E9 cellIs"
        ],
        "filter": "A5:I8",
        "freeze": "A6",
        "heights": {
            "6": 24.0,
            "7": 24.0,
            "8": 24.0,
            "9": 30.0
        },
        "merged": [
            "A10:B10",
            "A1:I1"
        ],
        "name": "Orders",
        "print_area": "'Orders'!$A$1:$I$10",
        "print_rows": "$5:$5",
        "tables": {},
        "validations": [
            "B6:B8 list $K$9:$K$10"
        ],
        "widths": {
            "B": 30.0
        },
        "names": {
            "Amounts": "Orders!$E$6:$E$8",
            "SumOfAll": "Orders!$E$9"
        }
    });
    let mut around = sheet.clone();
    around.as_object_mut().expect("a sheet").remove("cells");
    around["names"] = book["names"].clone();
    assert_eq!(around, expected, "{around:#}");
    shows(
        &book["sheets"][1],
        &[
            r#"A1 "=SUM(Orders!E6:E8)" | B1 "=Orders!E9" | C1 "=SUM(Amounts)""#,
            r#"A2 "Wharf""#,
        ],
    );
}

#[tokio::test]
async fn elements_of_several_rows_are_repeated_with_their_merged_cells() {
    let project = shared().project("cards", &[]).await;
    let data =
        json!([{ "name": "Ann", "phone": "1", "city": "Bonn" }, { "name": "Bob", "phone": 2 }]);
    let book = opened(&filled(&project, "cards.xlsx", json!({ "source_data": data })).await);
    let sheet = &book["sheets"][0];
    shows(
        sheet,
        &[
            r#"A1 "Cards""#,
            r#"A2 "Ann" | B2 "Phone" | C2 "1""#,
            r#"B3 "City" | C3 "Bonn" | D3 "=C2&C3""#,
            r#"A4 "Bob" | B4 "Phone" | C4 2"#,
            r#"B5 "City" | D5 "=C4&C5""#,
            r#"A6 "End" | B6 "=COUNTA(C2:C5)""#,
        ],
    );
    assert_eq!(sheet["merged"], json!(["A2:A3", "A4:A5", "A6:A7"]));
    assert_eq!(
        sheet["heights"],
        json!({ "2": 20.0, "3": 40.0, "4": 20.0, "5": 40.0 })
    );
}

#[tokio::test]
async fn named_lists_are_filled_from_an_object() {
    let project = shared().project("lists", &[]).await;
    let data = json!({
        "in": [{ "name": "a", "amount": 1 }, { "name": "b", "amount": 2 }],
        "out": [{ "name": "x", "note": "y", "amount": 0.5 }],
        "staff": [{ "name": "Ann", "born": "1990-01-02", "born_at": "1990-01-02 03:04" }],
    });
    let body = json!({ "source_data": data, "values": { "title": "T" } });
    let book = opened(&filled(&project, "lists.xlsx", body).await);
    shows(
        &book["sheets"][0],
        &[
            r#"A1 "In" | D1 "Out""#,
            r#"A2 "a" thin | B2 1 thin | C2 thin | D2 "x: y" thin | E2 0.5 thin"#,
            r#"A3 "b" thin | B3 2 thin | C3 thin | D3 thin | E3 thin"#,
            r#"A4 "=SUM(B2:B3)" | E4 "=SUM(E2:E3)""#,
            r#"A6 "Ann" thin | B6 "1990-01-02T00:00:00" yyyy-mm-dd thin | C6 "1990-01-02T03:04:00" yyyy-mm-dd hh:mm:ss thin | D6 thin | E6 thin"#,
            r#"A7 "Staff" | B7 "=COUNTA(A6:A6)""#,
        ],
    );
    shows(
        &book["sheets"][1],
        &[
            r#"A1 "=SUM('It''s all'!B2:B3)" | B1 "='It''s all'!B7""#,
            r#"A2 "Ann" | B2 "T""#,
            r#"A3 "End""#,
        ],
    );
}

#[tokio::test]
async fn a_table_of_excel_grows_with_its_rows() {
    let project = shared().project("table", &[]).await;
    let data: Vec<Value> = (1..=4)
        .map(|n| json!({ "name": format!("n{n}"), "amount": n }))
        .collect();
    let book = opened(&filled(&project, "table.xlsx", json!({ "source_data": data })).await);
    let sheet = &book["sheets"][0];
    assert_eq!(sheet["tables"], json!({ "Sales": "A1:B5" }));
    shows(
        sheet,
        &[
            r#"A1 "Name" | B1 "Amount""#,
            r#"A2 "n1" | B2 1"#,
            r#"A3 "n2" | B3 2"#,
            r#"A4 "n3" | B4 3"#,
            r#"A5 "n4" | B5 4"#,
            r#"A7 "Sum" | B7 "=SUM(Sales[Amount])""#,
        ],
    );
}

#[tokio::test]
async fn libreoffice_opens_every_kind_of_file() {
    let project = shared().project("libreoffice", &[]).await;
    let rows = json!([{ "a": 1, "b": "文" }, { "a": 2, "b": "=1+1" }]);
    let folder = tempfile::tempdir().expect("a folder");
    let csv = json!({ "type": "csv", "source_data": rows, "csv_bom": true });
    let tabs = json!({ "multi_type": "tab", "source_data": [rows, rows], "title": ["One", "Two"] });
    let tree = json!({ "template": tree(), "source_data": rows_of_tree(), "title": "Orders" });
    for (name, file) in [
        ("rows.csv", made(&project, csv).await),
        ("tree.xlsx", made(&project, tree).await),
        ("tabs.xlsx", made(&project, tabs).await),
        (
            "orders.xlsx",
            filled(&project, "orders.xlsx", orders()).await,
        ),
    ] {
        if to_pdf(folder.path(), name, &file).is_none() {
            return;
        }
    }
}
