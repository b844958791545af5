//! A row of data sync as it travels (DS-4), and what is answered for each.

use super::time::rfc3339;
use crate::domain::record::{Op, Record, seq_of};
use crate::error::{Code, Error, Result};
use crate::limits::{
    SYNC_ENTITY_BYTES_MAX, SYNC_REASON_CHARS_MAX, SYNC_SEQ_MAX, SYNC_WORD_BYTES_MAX,
};
use crate::store::records::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A word that older systems write as a number: ids and types.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, try_from = "Box<RawValue>")]
pub enum Word {
    Number(i64),
    Text(String),
}

impl TryFrom<Box<RawValue>> for Word {
    type Error = serde_json::Error;

    fn try_from(json: Box<RawValue>) -> serde_json::Result<Self> {
        match json.get().starts_with('"') {
            true => serde_json::from_str(json.get()).map(Self::Text),
            false => serde_json::from_str(json.get()).map(Self::Number),
        }
    }
}

impl Word {
    /// As text. Errors: 40001 for this field when it is empty, too long, or has control characters.
    fn text(self, field: &str) -> Result<String> {
        let text = match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        };
        checked(text, field, SYNC_WORD_BYTES_MAX)
    }
}

fn checked(text: String, field: &str, bytes_max: usize) -> Result<String> {
    if text.is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(Error::invalid(
            field,
            format!("{field} has 1 to {bytes_max} bytes and no control characters."),
        ));
    }
    Ok(text)
}

/// What fields a row may have; others are left aside.
#[derive(Deserialize)]
struct Fields {
    syn_id: Option<Word>,
    business_type: Option<Word>,
    op: Option<String>,
    entity: Option<String>,
    entity_version: Option<i64>,
    data_detail: Option<Box<RawValue>>,
    data_from_detail: Option<Box<RawValue>>,
    data_from_server_id: Option<Word>,
    data_to_server_id: Option<Word>,
    create_time: Option<Box<RawValue>>,
    data_from_client: Option<Box<RawValue>>,
    seq: Option<i64>,
    group: Option<String>,
}

/// What is kept of a row, in this order; `create_time` first, so that it can be seen whether there is one.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<&'a RawValue>,
    syn_id: &'a str,
    business_type: &'a str,
    op: &'a str,
    entity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_from_detail: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_to_server_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_from_client: Option<&'a RawValue>,
    /// Last, so that what an operator puts in its place is put there without reading the rest.
    data_detail: &'a RawValue,
}

/// Reads a row. Errors: 40001 naming the field.
pub fn read(row: &RawValue) -> Result<Record> {
    let fields: Fields = serde_json::from_str(row.get())
        .map_err(|cause| Error::invalid("rows", format!("The row does not fit: {cause}.")))?;
    if !row.get().trim_start().starts_with('{') {
        return Err(Error::invalid("rows", "A row is an object."));
    }
    let required = |field: &str| Error::invalid(field, format!("A row has a {field}."));
    let word = |word: Option<Word>, field| word.map(|word| word.text(field)).transpose();
    let syn_id = word(fields.syn_id, "syn_id")?.ok_or_else(|| required("syn_id"))?;
    let business_type =
        word(fields.business_type, "business_type")?.ok_or_else(|| required("business_type"))?;
    let op = fields.op.as_deref().map_or(Ok(Op::Upsert), Op::parse)?;
    let entity = fields.entity.ok_or_else(|| required("entity"))?;
    let entity = checked(entity, "entity", SYNC_ENTITY_BYTES_MAX)?;
    if fields
        .seq
        .is_some_and(|seq| !(0..=SYNC_SEQ_MAX).contains(&seq))
    {
        return Err(Error::invalid(
            "seq",
            format!("seq is between 0 and {SYNC_SEQ_MAX}."),
        ));
    }
    let data_detail = match (&fields.data_detail, op) {
        (Some(data), _) => &**data,
        (None, Op::Delete) => RawValue::NULL,
        (None, Op::Upsert) => return Err(required("data_detail")),
    };
    let to = word(fields.data_to_server_id, "data_to_server_id")?;
    let group = fields
        .group
        .map(|group| checked(group, "group", SYNC_WORD_BYTES_MAX));
    let body = Body {
        create_time: fields.create_time.as_deref(),
        syn_id: &syn_id,
        business_type: &business_type,
        op: op.as_str(),
        entity: &entity,
        entity_version: fields.entity_version,
        data_from_detail: fields.data_from_detail.as_deref(),
        data_to_server_id: to.as_deref(),
        data_from_client: fields.data_from_client.as_deref(),
        data_detail,
    };
    Ok(Record {
        body: serde_json::to_string(&body).map_err(Error::internal)?,
        from: word(fields.data_from_server_id, "data_from_server_id")?,
        group: group.transpose()?,
        entity_version: fields.entity_version,
        seq: fields.seq,
        syn_id,
        business_type,
        op,
        entity,
        to,
    })
}

/// The id in a row that could not be read, for the answer.
pub fn syn_id_of(row: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        syn_id: Word,
    }
    let named: Named = serde_json::from_str(row.get()).ok()?;
    named.syn_id.text("syn_id").ok()
}

/// The entity of a row that could not be read.
pub fn entity_of(row: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        entity: String,
    }
    let named: Named = serde_json::from_str(row.get()).ok()?;
    Some(named.entity)
}

/// What makes a kept row the row that is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// [`Record::body`].
    pub body: String,
    /// Whom the receiver sees it come from.
    pub origin: String,
    pub position: i64,
    pub created_at: i64,
    pub fail_num: i64,
    /// Why it was refused the last time.
    pub reason: Option<String>,
    /// JSON that an operator has put in the place of its `data_detail`.
    pub data_detail: Option<String>,
}

impl Delivered {
    /// The row as JSON: always the same bytes for the same row and `fail_num`.
    pub fn to_json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Head<'a> {
            data_from_server_id: &'a str,
            seq: i64,
            fail_num: i64,
            result_of_send_business: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            create_time: Option<String>,
        }
        let has_time = self.body.starts_with("{\"create_time\":");
        let head = Head {
            data_from_server_id: &self.origin,
            seq: seq_of(self.position),
            fail_num: self.fail_num,
            result_of_send_business: self.reason.as_deref(),
            create_time: (!has_time).then(|| rfc3339(self.created_at)),
        };
        let mut json = serde_json::to_string(&head).map_err(Error::internal)?;
        json.pop();
        json.push(',');
        let body = match &self.data_detail {
            Some(data_detail) => replaced(&self.body, data_detail)?,
            None => self.body.clone(),
        };
        json.push_str(&body[1..]);
        Ok(json)
    }
}

/// The body with another `data_detail`, all else in its order.
fn replaced(body: &str, data_detail: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Old<'a> {
        #[serde(borrow)]
        data_detail: &'a RawValue,
    }
    let old: Old<'_> = serde_json::from_str(body).map_err(Error::internal)?;
    let kept = body.len() - old.data_detail.get().len() - 1;
    Ok(format!("{}{data_detail}}}", &body[..kept]))
}

/// Rows of a request: each is read for itself.
#[derive(Deserialize)]
pub struct RowsRequest {
    pub rows: Vec<Box<RawValue>>,
}

/// `POST /api/v1/sync/push`.
#[derive(Deserialize)]
pub struct PushRequest {
    pub batch_id: String,
    /// Which of its lives the site is in; left out by those that do not count them.
    pub epoch: Option<i64>,
    pub rows: Vec<Box<RawValue>>,
}

/// What is answered for a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowResult {
    pub syn_id: Option<String>,
    /// `ok`, `dup`, `retry`, `reject`, `held`.
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Of a row that others sent, where two may have one `syn_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_from_server_id: Option<String>,
}

impl RowResult {
    pub fn new(syn_id: String, status: &str) -> Self {
        Self {
            syn_id: Some(syn_id),
            status: status.to_owned(),
            code: None,
            message: None,
            data_from_server_id: None,
        }
    }

    pub fn of(syn_id: String, outcome: &Outcome) -> Self {
        let (status, code, message) = outcome.words();
        Self {
            code: code.map(Code::number),
            message: message.map(str::to_owned),
            ..Self::new(syn_id, status)
        }
    }

    /// Of a row that could not be read.
    pub fn unreadable(row: &RawValue, error: &Error) -> Self {
        Self {
            syn_id: syn_id_of(row),
            code: Some(error.code.number()),
            message: Some(error.message.clone()),
            ..Self::new(String::new(), "reject")
        }
    }

    /// The reason, as long as it may be.
    pub fn reason(&self) -> Option<String> {
        let message = self.message.as_deref()?;
        Some(message.chars().take(SYNC_REASON_CHARS_MAX).collect())
    }
}

/// The answer to a push.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushAnswer {
    pub batch_id: String,
    pub results: Vec<RowResult>,
}

/// The answer to what a business hands in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxAnswer {
    /// How many rows are new.
    pub accepted: usize,
    pub results: Vec<RowResult>,
}

/// How many rows of an answer have which status.
pub fn tally(results: &[RowResult]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for result in results {
        *tally.entry(result.status.as_str()).or_default() += 1;
    }
    tally
}

#[cfg(test)]
mod tests;
