//! A row on its way to a business.

use anyhow::Context;
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::auth::secret::sha256;
use shared::domain::record::Op;
use shared::store::applied::Applied;
use shared::store::batches::Leased;
use shared::wire::record::RowResult;

/// What is looked at of a row; the rest is the business's.
#[derive(Clone, Debug)]
pub struct Row {
    pub syn_id: String,
    pub origin: String,
    pub entity: String,
    /// The whole row.
    pub json: Box<RawValue>,
    /// How it is noted once it is applied.
    pub applied: Applied,
}

/// What a business said of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Ok,
    /// It cannot take the row.
    Reject(Option<String>),
    /// It cannot take it now.
    Retry,
}

#[derive(Deserialize)]
struct Fields<'a> {
    syn_id: String,
    data_from_server_id: String,
    entity: String,
    op: String,
    entity_version: Option<i64>,
    #[serde(borrow)]
    data_detail: &'a RawValue,
}

impl Row {
    /// Reads a row as a cloud hands it out.
    pub fn read(json: Box<RawValue>) -> anyhow::Result<Self> {
        let fields: Fields<'_> =
            serde_json::from_str(json.get()).context("a row of the batch cannot be read")?;
        let op = Op::parse(&fields.op)?;
        let version = fields.entity_version;
        let applied = Applied {
            origin: fields.data_from_server_id,
            syn_id: fields.syn_id,
            hash: effect(op, &fields.entity, version, fields.data_detail),
            entity: fields.entity,
            op,
            version,
        };
        Ok(Self {
            syn_id: applied.syn_id.clone(),
            origin: applied.origin.clone(),
            entity: applied.entity.clone(),
            applied,
            json,
        })
    }

    /// Whether this is the row that a site's own journal holds, by its body there.
    pub fn is_of(&self, body: &str) -> bool {
        #[derive(Deserialize)]
        struct Kept<'a> {
            #[serde(borrow)]
            data_detail: &'a RawValue,
        }
        let Applied {
            entity,
            op,
            version,
            hash,
            ..
        } = &self.applied;
        serde_json::from_str::<Kept<'_>>(body)
            .is_ok_and(|kept| effect(*op, entity, *version, kept.data_detail) == *hash)
    }

    /// A row of a batch of our own.
    pub fn of(leased: &Leased) -> anyhow::Result<Self> {
        Self::read(RawValue::from_string(leased.row.to_json()?)?)
    }

    /// The result as it travels.
    pub fn result(&self, said: &Said) -> RowResult {
        let (status, message) = match said {
            Said::Ok => ("ok", None),
            Said::Reject(why) => ("reject", why.clone()),
            Said::Retry => ("retry", None),
        };
        RowResult {
            message,
            data_from_server_id: Some(self.origin.clone()),
            ..RowResult::new(self.syn_id.clone(), status)
        }
    }
}

/// The hash of what a row does: the same id with another effect is another row.
fn effect(op: Op, entity: &str, version: Option<i64>, data_detail: &RawValue) -> String {
    sha256(format!(
        "{} {entity} {version:?} {data_detail}",
        op.as_str()
    ))
}
