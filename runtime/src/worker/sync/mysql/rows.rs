//! A row of the two tables, and the contract's row (DS-4) that it stands for.

use super::super::row::Row;
use super::BusinessError;
use super::SendResult;
use mysql_async::Value;
use mysql_async::prelude::FromValue;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::limits::MYSQL_ROW_BYTES_MAX;
use std::collections::BTreeMap;

/// A row of `wharf_outbox`, as the business wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxRow {
    pub syn_id: i64,
    business_type: String,
    op: Option<String>,
    entity: Option<String>,
    entity_version: Option<i64>,
    /// Of the two texts below, bytes. A row that has more than [`MYSQL_ROW_BYTES_MAX`] comes without them.
    bytes: u64,
    data_detail: Option<String>,
    data_from_detail: Option<String>,
    data_from_server_id: Option<String>,
    data_to_server_id: Option<String>,
    create_time: Option<i64>,
    data_from_client: Option<String>,
}

/// The contract's row, in the names of the contract.
#[derive(Serialize)]
struct Contract<'a> {
    syn_id: String,
    business_type: &'a str,
    op: &'a str,
    entity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_detail: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_from_detail: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_from_server_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_to_server_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_from_client: Option<Box<RawValue>>,
}

impl OutboxRow {
    /// From the columns `syn_id`, `business_type`, … in the order of the fields.
    pub(super) fn read(mut row: mysql_async::Row) -> Result<Self, BusinessError> {
        Ok(Self {
            syn_id: column(&mut row, 0)?,
            business_type: column(&mut row, 1)?,
            op: column(&mut row, 2)?,
            entity: column(&mut row, 3)?,
            entity_version: column(&mut row, 4)?,
            bytes: column(&mut row, 5)?,
            data_detail: column(&mut row, 6)?,
            data_from_detail: column(&mut row, 7)?,
            data_from_server_id: column(&mut row, 8)?,
            data_to_server_id: column(&mut row, 9)?,
            create_time: column(&mut row, 10)?,
            data_from_client: column(&mut row, 11)?,
        })
    }

    /// The contract's row as JSON, `data_detail` as the business wrote it. Errors: a sentence for the business.
    pub fn to_json(&self) -> Result<Box<RawValue>, String> {
        if self.bytes > MYSQL_ROW_BYTES_MAX as u64 {
            return Err(format!(
                "The row has {} bytes; {MYSQL_ROW_BYTES_MAX} are allowed.",
                self.bytes
            ));
        }
        let data_detail = self.data_detail.clone().map(RawValue::from_string);
        let row = Contract {
            syn_id: self.syn_id.to_string(),
            business_type: &self.business_type,
            op: filled(&self.op).unwrap_or("upsert"),
            entity: self.entity(),
            entity_version: self.entity_version,
            data_detail: data_detail
                .transpose()
                .map_err(|cause| format!("data_detail is not JSON: {cause}."))?,
            data_from_detail: filled(&self.data_from_detail).map(json_or_text),
            data_from_server_id: filled(&self.data_from_server_id),
            data_to_server_id: filled(&self.data_to_server_id),
            create_time: self.create_time,
            data_from_client: filled(&self.data_from_client).map(json_or_text),
        };
        serde_json::value::to_raw_value(&row).map_err(|cause| cause.to_string())
    }

    /// `table:id`: as it stands there, else from `data_from_detail` when that names one row, else the row itself.
    fn entity(&self) -> String {
        filled(&self.entity)
            .map(str::to_owned)
            .or_else(|| filled(&self.data_from_detail).and_then(only_one))
            .unwrap_or_else(|| format!("syn:{}", self.syn_id))
    }
}

fn column<T: FromValue>(row: &mut mysql_async::Row, at: usize) -> Result<T, BusinessError> {
    match row.take_opt(at) {
        Some(Ok(value)) => Ok(value),
        _ => Err(BusinessError::Unusable(format!(
            "column {at} of wharf_outbox has another type than deploy/mysql/sync.sql gives it"
        ))),
    }
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// JSON as it is; any other text as a JSON string.
fn json_or_text(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned())
        .or_else(|_| serde_json::value::to_raw_value(text))
        .unwrap_or_default()
}

/// The one table and id that `orders:17` or `{"orders":[17]}` names.
fn only_one(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Number(i64),
        Text(String),
    }
    if let Ok(tables) = serde_json::from_str::<BTreeMap<String, Vec<Id>>>(text) {
        let mut tables = tables.into_iter();
        let (Some((table, ids)), None) = (tables.next(), tables.next()) else {
            return None;
        };
        return match ids.as_slice() {
            [Id::Number(id)] => Some(format!("{table}:{id}")),
            [Id::Text(id)] => Some(format!("{table}:{id}")),
            _ => None,
        };
    }
    let is_word = |word: &str| {
        let fits = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        !word.is_empty() && word.chars().all(fits)
    };
    let (table, id) = text.trim().split_once(':')?;
    (is_word(table) && is_word(id)).then(|| format!("{table}:{id}"))
}

/// What a delivered row has for the columns of `wharf_inbox`.
#[derive(Deserialize)]
struct Delivered<'a> {
    business_type: String,
    op: &'a str,
    entity_version: Option<i64>,
    #[serde(borrow)]
    data_detail: Option<&'a RawValue>,
    #[serde(borrow)]
    data_from_detail: Option<&'a RawValue>,
    data_to_server_id: Option<String>,
    #[serde(borrow)]
    create_time: Option<&'a RawValue>,
    #[serde(borrow)]
    data_from_client: Option<&'a RawValue>,
    #[serde(default)]
    fail_num: i64,
    result_of_send_business: Option<String>,
}

/// The values of `wharf_inbox` in the order in which the statement names its columns. Errors: a sentence.
pub(super) fn inbox(row: &Row, received_at: i64) -> Result<Vec<Value>, String> {
    let given: Delivered<'_> =
        serde_json::from_str(row.json.get()).map_err(|cause| cause.to_string())?;
    let result = match given.fail_num {
        0 => SendResult::None,
        _ => SendResult::Refused,
    };
    Ok(vec![
        Value::from(&row.syn_id),
        Value::from(given.data_detail.map(RawValue::get)),
        Value::from(given.data_from_detail.map(plain)),
        Value::from(given.business_type),
        Value::from(&row.origin),
        Value::from(given.data_to_server_id),
        Value::from(given.fail_num),
        Value::from(result as i64),
        Value::from(given.create_time.map(plain)),
        Value::from(given.data_from_client.map(plain)),
        Value::from(given.op),
        Value::from(&row.entity),
        Value::from(given.entity_version),
        Value::from(received_at),
        Value::from(given.result_of_send_business),
        Value::from(&row.applied.hash),
    ])
}

/// The text of a JSON string; any other JSON as it is.
fn plain(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> OutboxRow {
        OutboxRow {
            syn_id: 7,
            business_type: "order".to_owned(),
            ..OutboxRow::default()
        }
    }

    #[test]
    fn an_entity_is_the_one_that_stands_there_or_the_one_row_that_is_named_or_the_row_itself() {
        let entity = |entity: &str, from: &str| {
            OutboxRow {
                entity: Some(entity.to_owned()),
                data_from_detail: Some(from.to_owned()),
                ..row()
            }
            .entity()
        };
        assert_eq!(entity("member:1", "orders:17"), "member:1");
        assert_eq!(entity("", "orders:17"), "orders:17");
        assert_eq!(entity("", " 订单:a-1 "), "订单:a-1");
        assert_eq!(entity("", r#"{"orders":[17]}"#), "orders:17");
        assert_eq!(entity("", r#"{"orders":["17"]}"#), "orders:17");
        for several in [
            r#"{"orders":[17,18]}"#,
            r#"{"orders":[17],"lines":[1]}"#,
            "orders",
            "a b:1",
            "orders:17,18",
            "",
        ] {
            assert_eq!(entity("", several), "syn:7", "{several}");
        }
        assert_eq!(row().entity(), "syn:7");
    }

    #[test]
    fn a_row_is_the_contracts_row_with_its_json_verbatim() {
        let given = OutboxRow {
            op: Some("delete".to_owned()),
            entity_version: Some(3),
            data_detail: Some("{ \"名\": \"😀\", \"n\": 1.50 }".to_owned()),
            data_from_detail: Some("orders:17".to_owned()),
            data_from_client: Some("2".to_owned()),
            create_time: Some(1_526_641_483),
            ..row()
        };
        assert_eq!(
            given.to_json().unwrap().get(),
            "{\"syn_id\":\"7\",\"business_type\":\"order\",\"op\":\"delete\",\"entity\":\"orders:17\",\
             \"entity_version\":3,\"data_detail\":{ \"名\": \"😀\", \"n\": 1.50 },\
             \"data_from_detail\":\"orders:17\",\"create_time\":1526641483,\"data_from_client\":2}"
        );
        let bad = OutboxRow {
            data_detail: Some("{'a': 1}".to_owned()),
            ..row()
        };
        assert!(
            bad.to_json()
                .unwrap_err()
                .starts_with("data_detail is not JSON")
        );
        let large = OutboxRow {
            bytes: MYSQL_ROW_BYTES_MAX as u64 + 1,
            ..row()
        };
        assert!(large.to_json().unwrap_err().ends_with("are allowed."));
    }
}
