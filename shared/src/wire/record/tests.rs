use super::*;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn field(json: &str) -> String {
    let error = read(&raw(json)).unwrap_err();
    assert_eq!(error.code, Code::InvalidParameter, "{json}");
    error.data.unwrap()["field"].as_str().unwrap().to_owned()
}

const ROW: &str = r#"{"syn_id":7,"business_type":3,"op":"upsert","entity":"orders:17","entity_version":2,
    "data_detail":{"b":1,"a":"茶"},"data_from_detail":{"orders":[17]},"data_from_server_id":12,
    "data_to_server_id":1,"create_time":1526727883,"data_from_client":0,"fail_num":2,
    "result_of_send_business":1,"seq":9,"unknown":true}"#;

#[test]
fn the_seeds_fields_are_read_numbers_and_all() {
    let record = read(&raw(ROW)).unwrap();
    assert_eq!(
        (
            &*record.syn_id,
            &*record.business_type,
            record.op,
            &*record.entity
        ),
        ("7", "3", Op::Upsert, "orders:17")
    );
    assert_eq!((record.entity_version, record.seq), (Some(2), Some(9)));
    assert_eq!(record.from.as_deref(), Some("12"));
    assert_eq!(record.to.as_deref(), Some("1"));
    // What is opaque stays as it came; what changes on the way is not part of it.
    assert!(record.body.ends_with(r#""data_detail":{"b":1,"a":"茶"}}"#));
    assert!(!record.body.contains("fail_num") && !record.body.contains("\"seq\""));
}

#[test]
fn a_row_is_delivered_with_all_of_its_fields() {
    let record = read(&raw(ROW)).unwrap();
    let mut delivered = Delivered {
        body: record.body,
        origin: "site".to_owned(),
        position: crate::domain::record::position(3, 9),
        created_at: 0,
        fail_num: 1,
        reason: Some("no \"stock\"".to_owned()),
        data_detail: None,
    };
    let json: serde_json::Value = serde_json::from_str(&delivered.to_json().unwrap()).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "syn_id": "7", "business_type": "3", "op": "upsert", "entity": "orders:17",
            "entity_version": 2, "data_detail": {"b": 1, "a": "茶"}, "data_from_detail": {"orders": [17]},
            "data_from_server_id": "site", "data_to_server_id": "1", "create_time": 1526727883,
            "data_from_client": 0, "fail_num": 1, "result_of_send_business": "no \"stock\"", "seq": 9,
        })
    );
    // An operator's change replaces the data and nothing else.
    delivered.data_detail = Some("[1,2]".to_owned());
    let edited: serde_json::Value = serde_json::from_str(&delivered.to_json().unwrap()).unwrap();
    assert_eq!(edited["data_detail"], serde_json::json!([1, 2]));
    assert_eq!(edited["data_from_detail"], json["data_from_detail"]);
    assert_eq!(
        edited.as_object().unwrap().len(),
        json.as_object().unwrap().len()
    );
}

#[test]
fn a_row_without_a_time_gets_the_one_at_which_it_was_kept() {
    let record = read(&raw(
        r#"{"syn_id":"a","business_type":"order","entity":"o:1","data_detail":"{\"create_time\":1}"}"#,
    ))
    .unwrap();
    let delivered = Delivered {
        body: record.body,
        origin: "cloud".to_owned(),
        position: 1,
        created_at: 1_795_336_200_000,
        fail_num: 0,
        reason: None,
        data_detail: None,
    };
    let json: serde_json::Value = serde_json::from_str(&delivered.to_json().unwrap()).unwrap();
    assert_eq!(json["create_time"], rfc3339(1_795_336_200_000));
    assert_eq!(json["data_detail"], "{\"create_time\":1}");
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let row = |changes: &[(&str, serde_json::Value)]| {
        let mut row = serde_json::json!({
            "syn_id": "a", "business_type": "order", "entity": "o:1", "data_detail": {},
        });
        for (field, value) in changes {
            row[*field] = value.clone();
        }
        row.to_string()
    };
    let long = serde_json::json!("x".repeat(SYNC_WORD_BYTES_MAX + 1));
    for (name, value) in [
        ("syn_id", serde_json::Value::Null),
        ("syn_id", serde_json::json!("")),
        ("syn_id", serde_json::json!("a\u{0}")),
        ("syn_id", long.clone()),
        ("business_type", serde_json::Value::Null),
        ("entity", serde_json::json!("")),
        ("entity", serde_json::Value::Null),
        ("op", serde_json::json!("insert")),
        ("seq", serde_json::json!(-1)),
        ("seq", serde_json::json!(SYNC_SEQ_MAX + 1)),
        ("data_to_server_id", long),
        ("group", serde_json::json!("")),
    ] {
        assert_eq!(field(&row(&[(name, value)])), name);
    }
    for shape in ["[]", "1", "null", r#"{"syn_id":1.5}"#, r#"{"entity":5}"#] {
        assert_eq!(field(shape), "rows", "{shape}");
    }
    // A deletion needs no data.
    let delete = r#"{"syn_id":"a","business_type":"b","op":"delete","entity":"o:1"}"#;
    assert!(
        read(&raw(delete))
            .unwrap()
            .body
            .ends_with(r#""data_detail":null}"#)
    );
    let upsert = r#"{"syn_id":"a","business_type":"b","entity":"o:1"}"#;
    assert_eq!(field(upsert), "data_detail");
}
