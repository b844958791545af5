//! What stands in a filled file.

use super::*;

const ORDERS: &str = r#"[
 {"no":"001","customer":"Ann","quantity":2,"price":9.5,"paid":true,"day":"2024-05-01"},
 {"no":2,"customer":"=1+1","quantity":1,"price":"x","paid":false,"day":"2024-05-02 08:30"},
 {"quantity":3,"extra":1,"customer":"李 & <b>","no":"003","price":12345678901234567,"day":null}]"#;
const VALUES: &str = r#"{"company":"远望","from":"2024-05-01","to":"2024-05-31",
 "made_at":"2024-06-01T10:00:00Z","signed_by":"Zoë"}"#;

fn orders() -> Filled {
    fill(
        "orders",
        Input {
            values: VALUES,
            pages: &[ORDERS],
            expected_rows: Some(3),
        },
    )
}

#[test]
fn a_list_pushes_down_what_stands_below_it_and_formulas_follow() {
    let filled = orders();
    assert_eq!(
        filled.rows("Orders"),
        [
            "远望",
            "Period 2024-05-01 to 2024-05-31|||Total|=SUM(E6:E8)||=F9",
            "Made|@45444.416666666664",
            "",
            "No.|Customer|Quantity|Price|Amount|Share|Balance|Paid|Day",
            "001|Ann|2|9.5|=C6*D6|=E6/SUM(E$6:E$8)|=N(G5)+E6|true|@45413",
            "2|=1+1|1|x|=C7*D7|=E7/SUM(E$6:E$8)|=N(G6)+E7|false|@45414.354166666664",
            "003|李 & <b>|3|12345678901234567|=C8*D8|=E8/SUM(E$6:E$8)|=N(G7)+E8",
            "Sum||=SUM(C6:C8)||=SUM(E6:E8)|=AVERAGE(E6:E8)|||||Ann",
            "Signed {by}: Zoë||=Names!A1||||||||Bob",
        ]
    );
    assert_eq!(
        filled.rows("Names"),
        ["=SUM(Orders!E6:E8)|=Orders!E9|=SUM(Amounts)", "远望"]
    );
}

#[test]
fn whatever_names_cells_follows_the_rows() {
    let filled = orders();
    let sheet = "xl/worksheets/sheet1.xml";
    let parts = [
        (sheet, "<dimension", vec!["<dimension ref=\"A1:K10\""]),
        (sheet, "<autoFilter", vec!["<autoFilter ref=\"A5:I8\""]),
        (
            sheet,
            "<mergeCell ",
            vec!["<mergeCell ref=\"A1:I1\"", "<mergeCell ref=\"A10:B10\""],
        ),
        (
            sheet,
            "<brk",
            vec!["<brk id=\"9\" min=\"0\" max=\"16383\" man=\"1\""],
        ),
        (
            sheet,
            "<conditionalFormatting",
            vec![
                "<conditionalFormatting sqref=\"E6:E8\"",
                "<conditionalFormatting sqref=\"A6:I8\"",
                "<conditionalFormatting sqref=\"E9\"",
            ],
        ),
        (
            "xl/comments/comment1.xml",
            "<comment ",
            vec!["<comment ref=\"E9\" authorId=\"0\" shapeId=\"0\""],
        ),
    ];
    for (part, start, expected) in parts {
        assert_eq!(filled.tags(part, start), expected);
    }
    let text = filled.part(sheet);
    for piece in [
        "<formula>AVERAGE(E$6:E$8)</formula>",
        "<formula>$H6=FALSE</formula>",
        "<formula>$E$2</formula>",
        "sqref=\"B6:B8\"",
        "<formula1>$K$9:$K$10</formula1>",
        " ref=\"A10\" r:id=",
        "<row r=\"7\" ht=\"24\" customHeight=\"1\">",
        "<row r=\"9\" ht=\"30\" customHeight=\"1\">",
    ] {
        assert!(text.contains(piece), "{piece} in {text}");
    }
    let workbook = filled.part("xl/workbook.xml");
    for piece in [
        "'Orders'!$A$1:$I$10<",
        "'Orders'!$5:$5<",
        ">Orders!$E$6:$E$8<",
        ">Orders!$E$9<",
        "fullCalcOnLoad=\"1\"",
    ] {
        assert!(workbook.contains(piece), "{piece} in {workbook}");
    }
    let chart = filled.part("xl/charts/chart1.xml");
    assert!(chart.contains("<f>'Orders'!$E$6:$E$8</f>"), "{chart}");
    let drawing = filled.part("xl/drawings/drawing1.xml");
    assert!(drawing.contains("<row>11</row>"), "{drawing}");
}

#[test]
fn the_template_s_styles_stay_and_dates_get_one_where_there_is_none() {
    let filled = orders();
    let template = Filled(fixture_bytes("orders"));
    let styles_of = |filled: &Filled, row: u32| -> Vec<String> {
        let cells = filled.tags("xl/worksheets/sheet1.xml", "<c r=\"");
        let is_in_row = |cell: &&String| {
            let name = cell.split('"').nth(1).unwrap();
            name[1..].parse() == Ok(row)
        };
        let style = |cell: &String| {
            cell.split(" s=\"")
                .nth(1)
                .map(|s| s[..s.find('"').unwrap()].to_owned())
        };
        cells.iter().filter(is_in_row).filter_map(style).collect()
    };
    for row in [6, 7, 8] {
        assert_eq!(styles_of(&filled, row), styles_of(&template, 6));
    }
    assert_eq!(styles_of(&filled, 9), styles_of(&template, 7));
    let made = filled.tags("xl/worksheets/sheet1.xml", "<c r=\"B3\"");
    let styles = filled.part("xl/styles.xml");
    let formats: Vec<&str> = styles
        .split("<cellXfs")
        .nth(1)
        .unwrap()
        .split("<xf ")
        .skip(1)
        .collect();
    let style: usize = made[0].split('"').nth(3).unwrap().parse().unwrap();
    let code = formats[style].split("numFmtId=\"").nth(1).unwrap();
    let code = code.split('"').next().unwrap();
    let format = format!("<numFmt numFmtId=\"{code}\" formatCode=\"yyyy-mm-dd hh:mm:ss\"/>");
    assert!(styles.contains(&format), "{format} in {styles}");
}

#[test]
fn an_empty_list_leaves_one_row_with_its_style() {
    for pages in [&["[]"][..], &[]] {
        let filled = fill(
            "orders",
            Input {
                pages,
                ..Input::default()
            },
        );
        let rows = filled.rows("Orders");
        assert_eq!(rows[5], "");
        assert_eq!(
            rows[6],
            "Sum||=SUM(C6)||=SUM(E6:E6)|=AVERAGE(E6:E6)|||||Ann"
        );
        let cells = filled.tags("xl/worksheets/sheet1.xml", "<c r=\"E6\"");
        assert!(cells[0].contains(" s=\""), "{cells:?}");
    }
}

#[test]
fn lists_stand_below_each_other_and_side_by_side() {
    let page = r#"{"in":[{"name":"a","amount":1},{"name":"b","amount":2},{"name":"c","amount":3}],
      "out":[{"name":"x","note":"n","amount":9}],
      "staff":[{"name":"Ann","born":"1990-01-01","born_at":"1990-01-01T06:00:00"},{"name":"Bob"}],
      "unknown":[{"a":1}]}"#;
    let input = Input {
        values: r#"{"title":"T"}"#,
        pages: &[page],
        expected_rows: None,
    };
    let (filled, finished) = try_fill(fixture("lists"), input).unwrap();
    assert_eq!(
        filled.rows("It's all"),
        [
            "In|||Out",
            "a|1||x: n|9",
            "b|2",
            "c|3",
            "=SUM(B2:B4)||||=SUM(E2:E4)",
            "",
            "Ann|@32874|@32874.25",
            "Bob",
            "Staff|=COUNTA(A7:A8)",
        ]
    );
    assert_eq!(
        filled.rows("Other"),
        [
            "=SUM('It''s all'!B2:B4)|='It''s all'!B9",
            "Ann|T",
            "Bob|T",
            "End"
        ]
    );
    assert_eq!(finished.rows, 6);
    assert_eq!(finished.sheets, 2);
    assert_eq!(finished.warnings.len(), 1);
    let cells = filled.tags("xl/worksheets/sheet1.xml", "<c r=\"D3\"");
    assert!(cells[0].contains(" s=\""), "{cells:?}");
}

#[test]
fn an_element_can_take_several_rows_with_merged_cells() {
    let page =
        r#"[{"name":"Ann","phone":"1","city":"Bonn"},{"name":"Bob","phone":"2","city":"Rome"}]"#;
    let input = Input {
        pages: &[page],
        ..Input::default()
    };
    let filled = fill("cards", input);
    assert_eq!(
        filled.rows("Cards"),
        [
            "Cards",
            "Ann|Phone|1",
            "|City|Bonn|=C2&C3",
            "Bob|Phone|2",
            "|City|Rome|=C4&C5",
            "End|=COUNTA(C2:C5)",
        ]
    );
    let sheet = "xl/worksheets/sheet1.xml";
    let text = filled.part(sheet);
    assert!(text.contains("<row r=\"5\" ht=\"40\""), "{text}");
    assert_eq!(
        filled.tags(sheet, "<mergeCell "),
        [
            "<mergeCell ref=\"A6:A7\"",
            "<mergeCell ref=\"A2:A3\"",
            "<mergeCell ref=\"A4:A5\"",
        ]
    );
    assert_eq!(
        filled.tags(sheet, "<mergeCells"),
        ["<mergeCells count=\"3\""]
    );
}

#[test]
fn a_table_grows_with_its_list() {
    let page = r#"[{"name":"a","amount":1},{"name":"b","amount":2}]"#;
    let input = Input {
        pages: &[page],
        ..Input::default()
    };
    let filled = fill("table", input);
    assert_eq!(
        filled.rows("Table"),
        ["Name|Amount", "a|1", "b|2", "", "Sum|=SUM(Sales[Amount])"]
    );
    let table = filled.part("xl/tables/table1.xml");
    assert_eq!(table.matches("ref=\"A1:B3\"").count(), 2, "{table}");
}

#[test]
fn texts_in_runs_shared_formulas_and_prefixes_are_understood() {
    let page = r#"[{"field":"f","n":1},{"field":"g","n":2}]"#;
    let input = Input {
        values: r#"{"name":"Ann"}"#,
        pages: &[page],
        ..Input::default()
    };
    let filled = fill("rich", input);
    assert_eq!(
        filled.rows("Rich"),
        [
            "Dear Ann, & welcome ",
            "f|1|=B2*2",
            "g|2|=B3*2",
            "=SUM(B2:B3)|=SUM(C2:C3)",
            "{.never",
        ]
    );
    let text = filled.part("xl/worksheets/sheet1.xml");
    let run = "<x:is><x:r><x:rPr><b/>";
    assert!(text.contains(run), "{text}");
    assert!(!text.contains("t=\"shared\""), "{text}");
}

#[test]
fn the_chain_of_calculation_is_dropped() {
    let files = [
        (
            "[Content_Types].xml",
            "<Types><Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-\
             officedocument.spreadsheetml.sheet.main+xml\"/><Override PartName=\"/xl/calcChain.xml\" \
             ContentType=\"c\"/></Types>",
        ),
        (
            "_rels/.rels",
            "<Relationships><Relationship Id=\"a\" Type=\"x/officeDocument\" Target=\"xl/workbook.xml\"/>\
             </Relationships>",
        ),
        (
            "xl/workbook.xml",
            "<workbook xmlns:r=\"r\"><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"s\"/></sheets></workbook>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            "<Relationships><Relationship Id=\"s\" Type=\"x/worksheet\" Target=\"s.xml\"/>\
             <Relationship Id=\"c\" Type=\"x/calcChain\" Target=\"calcChain.xml\"/></Relationships>",
        ),
        (
            "xl/s.xml",
            "<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>{.a}</t></is></c><c><f>A1+1</f><v>9</v></c></row>\
             <row/><row r=\"5\"><c r=\"B5\" t=\"str\"><f>\"{.a}\"&amp;A1</f><v>x</v></c></row></sheetData></worksheet>",
        ),
        ("xl/calcChain.xml", "<calcChain/>"),
    ];
    let template = Template::open(&opening::zipped(&files)).unwrap();
    let input = Input {
        pages: &[r#"[{"a":1},{"a":"<"}]"#],
        ..Input::default()
    };
    let (filled, _) = try_fill(template, input).unwrap();
    assert!(!filled.names().contains(&"xl/calcChain.xml".to_owned()));
    assert_eq!(filled.names()[0], "[Content_Types].xml");
    assert!(!filled.part("[Content_Types].xml").contains("calcChain"));
    assert!(
        !filled
            .part("xl/_rels/workbook.xml.rels")
            .contains("calcChain")
    );
    assert!(
        filled
            .part("xl/workbook.xml")
            .contains("</sheets><calcPr fullCalcOnLoad=\"1\"/>")
    );
    assert_eq!(
        filled.part("xl/s.xml"),
        "<worksheet><sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c><c r=\"B1\"><f>A1+1</f></c></row>\
         <row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t>&lt;</t></is></c><c r=\"B2\"><f>A2+1</f></c></row>\
         <row r=\"3\"></row><row r=\"6\"><c r=\"B6\"><f>\"{.a}\"&amp;A1</f></c></row></sheetData></worksheet>"
    );
}
