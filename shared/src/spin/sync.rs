//! What the components of data sync share.

use super::http::Call;
use super::{now_ms, number, variable};
use crate::domain::business_type::Types;
use crate::domain::record::{Record, Sender};
use crate::error::{Code, Error, Result};
use crate::limits::SYNC_BATCH_ID_BYTES_MAX;
use crate::store::records::{self, Outcome, Source};
use crate::store::sites::{self, Site};
use crate::wire::record::{RowResult, entity_of, read};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// Errors: 40001 for field `batch_id`.
pub fn batch_id(text: &str) -> Result<&str> {
    match !text.is_empty()
        && text.len() <= SYNC_BATCH_ID_BYTES_MAX
        && !text.chars().any(char::is_control)
    {
        true => Ok(text),
        false => Err(Error::invalid(
            "batch_id",
            format!("The batch_id has 1 to {SYNC_BATCH_ID_BYTES_MAX} bytes."),
        )),
    }
}

/// A site that was restored, or a request from before, does not mix with what it sends now. Errors: 40901 with
/// the epoch that counts.
pub fn check_epoch(site: &Site, epoch: Option<i64>) -> Result<()> {
    let current = site.pulse.epoch;
    match epoch.is_none_or(|epoch| epoch == current) {
        true => Ok(()),
        false => Err(Error::new(
            Code::Conflict,
            "The site was restored since; another epoch counts now.",
        )
        .with_data(serde_json::json!({ "epoch": current }))),
    }
}

/// Takes a site's rows, each for itself: a result a row. Errors: 41301 for more than `sync_max_rows`.
pub async fn accept(
    call: &mut Call,
    sender: Sender<'_>,
    epoch: i64,
    rows: &[Box<RawValue>],
) -> Result<Vec<RowResult>> {
    check_count(rows).await?;
    let (mut results, mut records, mut places) = (Vec::with_capacity(rows.len()), vec![], vec![]);
    // What cannot be read holds up its entity as any refused row does.
    let mut refused = HashSet::new();
    for (at, row) in rows.iter().enumerate() {
        match read(row) {
            Ok(record) if refused.contains(&record.entity) => {
                results.push(RowResult::of(record.syn_id, &Outcome::Held));
            }
            Ok(record) => {
                results.push(RowResult::new(record.syn_id.clone(), "retry"));
                records.push(record);
                places.push(at);
            }
            Err(error) => {
                refused.extend(entity_of(row));
                results.push(RowResult::unreadable(row, &error));
            }
        }
    }
    let kept = keep(call, sender, epoch, records).await?;
    for (place, result) in places.into_iter().zip(kept) {
        results[place] = result;
    }
    Ok(results)
}

/// Keeps rows that were read: a result a row.
pub async fn keep(
    call: &mut Call,
    sender: Sender<'_>,
    epoch: i64,
    records: Vec<Record>,
) -> Result<Vec<RowResult>> {
    let types = Types::parse(&variable("sync_types").await?)?;
    let receiver = variable("sync_receiver").await?;
    // What the cloud's own business hands in does not go back to it.
    let has_receiver = !receiver.is_empty() && !matches!(sender, Sender::Cloud { .. });
    let source = Source {
        sender,
        epoch,
        receiver: has_receiver.then_some(receiver.as_str()),
        types: &types,
    };
    let outcomes = records::accept(call.database().await?, source, &records, now_ms()).await?;
    let rows = records.into_iter().zip(&outcomes);
    Ok(rows
        .map(|(record, outcome)| RowResult::of(record.syn_id, outcome))
        .collect())
}

/// The rows of a business's request: all of them can be read, or nothing is taken. Errors: 40001 with the row's
/// place, 41301 for more than `sync_max_rows`.
pub async fn read_all(rows: &[Box<RawValue>]) -> Result<Vec<Record>> {
    check_count(rows).await?;
    let mut ids = HashSet::new();
    let mut records = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        let record = read(row).map_err(|error| in_row(error, at))?;
        if !ids.insert(record.syn_id.clone()) {
            let error = Error::invalid("syn_id", "The syn_id stands in the request twice.");
            return Err(in_row(error, at));
        }
        records.push(record);
    }
    Ok(records)
}

async fn check_count(rows: &[Box<RawValue>]) -> Result<()> {
    let rows_max: usize = number("sync_max_rows").await?;
    match rows.len() <= rows_max {
        true => Ok(()),
        false => Err(Error::new(
            Code::TooLarge,
            format!("A request has at most {rows_max} rows."),
        )),
    }
}

fn in_row(mut error: Error, at: usize) -> Error {
    if let Some(data) = &mut error.data {
        data["row"] = at.into();
    }
    error
}

/// A `syn_id` from the path. Errors: 40001.
pub fn decoded(segment: &str) -> Result<String> {
    let text = percent_encoding::percent_decode_str(segment).decode_utf8();
    let text = text.map(|text| text.into_owned()).ok();
    text.filter(|text| !text.contains('\0'))
        .ok_or_else(|| Error::invalid("syn_id", "The syn_id is not UTF-8."))
}

/// Whether rows that start in the cloud go to sites that are there, and a project's to its own group. Errors: 40001
/// for an unknown site, 40301.
pub async fn check_targets(
    call: &mut Call,
    records: &[Record],
    project_group: Option<&str>,
) -> Result<()> {
    let is_foreign = |group: &str| project_group.is_some_and(|own| own != group);
    let database = call.database().await?;
    let mut known: HashMap<&str, String> = HashMap::new();
    for (at, record) in records.iter().enumerate() {
        let group = match record.to.as_deref() {
            Some(to) if known.contains_key(to) => &known[to],
            Some(to) => {
                let site = sites::find(database, to).await?;
                let site = site
                    .filter(|site| site.revoked_at.is_none())
                    .ok_or_else(|| {
                        let error = Error::invalid("data_to_server_id", "There is no such site.");
                        in_row(error, at)
                    })?;
                known.entry(to).or_insert(site.group)
            }
            None => match &record.group {
                Some(group) => group,
                None => continue,
            },
        };
        if is_foreign(group) {
            return Err(Error::forbidden("group"));
        }
    }
    Ok(())
}
