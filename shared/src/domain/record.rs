//! The rows that sites and cloud exchange (DS-4): who may see one (DS-8), what becomes of each of a batch (DS-5
//! to DS-7, DS-9) before the store is asked.

use super::business_type::Scope;
use crate::error::{Error, Result};
use crate::limits::SYNC_SEQ_MAX;
use std::collections::{HashMap, HashSet};

/// What a row does to its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Upsert,
    Delete,
}

impl Op {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }

    /// Errors: 40001 for field `op`.
    pub fn parse(text: &str) -> Result<Self> {
        [Self::Upsert, Self::Delete]
            .into_iter()
            .find(|op| op.as_str() == text)
            .ok_or_else(|| Error::invalid("op", "The op is upsert or delete."))
    }
}

/// A row as it came, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub syn_id: String,
    pub business_type: String,
    pub op: Op,
    /// `table:id`.
    pub entity: String,
    pub entity_version: Option<i64>,
    /// The place among its origin's rows, where the origin gives one.
    pub seq: Option<i64>,
    /// Which server it says that it comes from.
    pub from: Option<String>,
    /// Which server it is for.
    pub to: Option<String>,
    /// Of a row that starts in the cloud: the group that it is for.
    pub group: Option<String>,
    /// JSON: what is kept and delivered, in one order of fields. Two rows are the same when these texts are.
    pub body: String,
}

/// The origin of rows that start in the cloud.
pub const CLOUD: &str = "cloud";
/// The origin of a site's own rows on that site.
pub const SELF: &str = "self";

/// Whose rows they are, for the realm of each.
#[derive(Clone, Copy, Debug)]
pub enum Sender<'a> {
    /// On the cloud: a site, and its group.
    Site { site_id: &'a str, group: &'a str },
    /// On the cloud: its own business, which writes to this group where a row names none.
    Cloud { group: &'a str },
    /// On a site: its own business.
    Shop,
}

impl Sender<'_> {
    pub fn origin(&self) -> &str {
        match self {
            Self::Site { site_id, .. } => site_id,
            Self::Cloud { .. } => CLOUD,
            Self::Shop => SELF,
        }
    }

    /// Who may see the record, decided from who sent it and nothing that it says itself (DS-8).
    pub fn realm(&self, record: &Record, scope: Scope) -> String {
        match (self, scope) {
            (Self::Shop, _) => "own".to_owned(),
            (Self::Cloud { group }, _) => match (&record.to, scope) {
                (Some(site_id), _) => site_realm(site_id),
                (None, Scope::Group) => group_realm(record.group.as_deref().unwrap_or(group)),
                (None, Scope::Origin | Scope::Cloud) => cloud_realm(CLOUD),
            },
            (Self::Site { group, .. }, Scope::Group) => group_realm(group),
            (Self::Site { site_id, .. }, Scope::Origin) => site_realm(site_id),
            (Self::Site { site_id, .. }, Scope::Cloud) => cloud_realm(site_id),
        }
    }
}

/// The realm of what every site of a group may see.
pub fn group_realm(group: &str) -> String {
    format!("group:{group}")
}

/// The realm of what one site may see.
pub fn site_realm(site_id: &str) -> String {
    format!("site:{site_id}")
}

fn cloud_realm(origin: &str) -> String {
    format!("cloud:{origin}")
}

/// Bits of a position that the `seq` has; those above are the epoch's.
const SEQ_BITS: u32 = 40;

/// A record's place among those of its origin.
pub fn position(epoch: i64, seq: i64) -> i64 {
    (epoch << SEQ_BITS) + seq
}

/// The `seq` in a position.
pub fn seq_of(position: i64) -> i64 {
    position & SYNC_SEQ_MAX
}

/// What is known of a row before the store is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To be kept.
    Take,
    /// Refused for itself.
    Refuse,
    /// To be kept and not delivered: the batch holds a deletion of a higher version before it.
    Supersede,
    /// The same row stands in the batch before.
    Repeat,
    /// The same id stands in the batch before, with other content.
    Contradict,
    /// Not to be taken while an earlier row of its entity is refused.
    Hold,
}

/// Goes through the rows of a batch in order. `refuses` says of a row whether it is refused for itself.
pub fn judge(records: &[Record], refuses: impl Fn(&Record) -> bool) -> Vec<Verdict> {
    let mut seen: HashMap<&str, &Record> = HashMap::new();
    let mut refused: HashSet<&str> = HashSet::new();
    let mut deleted: HashMap<&str, i64> = HashMap::new();
    records
        .iter()
        .map(|record| {
            let entity = record.entity.as_str();
            if let Some(earlier) = seen.get(record.syn_id.as_str()) {
                return match earlier.body == record.body {
                    true => Verdict::Repeat,
                    false => Verdict::Contradict,
                };
            }
            if refused.contains(entity) {
                return Verdict::Hold;
            }
            if refuses(record) {
                refused.insert(entity);
                return Verdict::Refuse;
            }
            seen.insert(&record.syn_id, record);
            let deleted_at = deleted.get(entity).copied();
            match (record.op, record.entity_version, deleted_at) {
                (Op::Upsert, Some(version), Some(deleted)) if version < deleted => {
                    return Verdict::Supersede;
                }
                (Op::Delete, Some(version), earlier) => {
                    deleted.insert(entity, earlier.unwrap_or(version).max(version));
                }
                _ => {}
            }
            Verdict::Take
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(syn_id: &str, entity: &str, op: Op, version: Option<i64>) -> Record {
        Record {
            syn_id: syn_id.to_owned(),
            business_type: "member".to_owned(),
            op,
            entity: entity.to_owned(),
            entity_version: version,
            seq: None,
            from: None,
            to: None,
            group: None,
            body: format!("{syn_id}{entity}{op:?}{version:?}"),
        }
    }

    #[test]
    fn the_senders_token_decides_who_sees_a_row() {
        let site = Sender::Site {
            site_id: "s1",
            group: "g1",
        };
        let cloud = Sender::Cloud { group: "g0" };
        let plain = record("1", "member:1", Op::Upsert, None);
        let aimed = Record {
            to: Some("s2".to_owned()),
            group: Some("g2".to_owned()),
            ..plain.clone()
        };
        let grouped = Record {
            to: None,
            ..aimed.clone()
        };
        for (sender, record, scope, realm) in [
            (site, &plain, Scope::Group, "group:g1"),
            (site, &plain, Scope::Origin, "site:s1"),
            (site, &plain, Scope::Cloud, "cloud:s1"),
            // What a site says of receiver and group opens nothing.
            (site, &aimed, Scope::Group, "group:g1"),
            (site, &aimed, Scope::Origin, "site:s1"),
            (site, &aimed, Scope::Cloud, "cloud:s1"),
            (cloud, &plain, Scope::Group, "group:g0"),
            (cloud, &plain, Scope::Origin, "cloud:cloud"),
            (cloud, &grouped, Scope::Group, "group:g2"),
            (cloud, &aimed, Scope::Cloud, "site:s2"),
            (Sender::Shop, &aimed, Scope::Group, "own"),
        ] {
            assert_eq!(sender.realm(record, scope), realm, "{sender:?} {scope:?}");
        }
    }

    #[test]
    fn a_later_epoch_stands_behind_an_earlier_one_whatever_the_seq() {
        assert!(position(1, SYNC_SEQ_MAX) < position(2, 0));
        assert_eq!(seq_of(position(7, 42)), 42);
        assert_eq!(seq_of(position(7, SYNC_SEQ_MAX)), SYNC_SEQ_MAX);
    }

    #[test]
    fn what_stands_behind_a_refused_row_of_its_entity_is_held() {
        let rows = [
            record("1", "a:1", Op::Upsert, None),
            record("2", "a:2", Op::Upsert, None),
            record("3", "a:1", Op::Upsert, None),
        ];
        let verdicts = judge(&rows, |record| record.syn_id == "1");
        assert_eq!(verdicts, [Verdict::Refuse, Verdict::Take, Verdict::Hold]);
    }

    #[test]
    fn an_id_counts_once_in_a_batch() {
        let first = record("1", "a:1", Op::Upsert, None);
        let other = record("1", "a:1", Op::Upsert, Some(2));
        let verdicts = judge(&[first.clone(), first, other], |_| false);
        let expected = [Verdict::Take, Verdict::Repeat, Verdict::Contradict];
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn a_deletion_wins_over_a_later_row_of_a_lower_version() {
        let rows = [
            record("1", "a:1", Op::Delete, Some(5)),
            record("2", "a:1", Op::Upsert, Some(4)),
            record("3", "a:2", Op::Upsert, Some(1)),
            record("4", "a:1", Op::Delete, Some(2)),
            record("5", "a:1", Op::Upsert, Some(4)),
            record("6", "a:1", Op::Upsert, Some(5)),
            record("7", "a:1", Op::Upsert, None),
        ];
        use Verdict::{Supersede, Take};
        let verdicts = judge(&rows, |_| false);
        assert_eq!(
            verdicts,
            [Take, Supersede, Take, Take, Supersede, Take, Take]
        );
    }

    proptest! {
        #[test]
        fn every_row_gets_a_verdict_and_none_passes_a_refused_one(
            rows in prop::collection::vec((0..4u8, any::<bool>()), 0..30)
        ) {
            let records: Vec<Record> = rows.iter().enumerate().map(|(at, (entity, _))| {
                record(&at.to_string(), &format!("a:{entity}"), Op::Upsert, None)
            }).collect();
            let is_bad = |record: &Record| rows[record.syn_id.parse::<usize>().unwrap()].1;
            let verdicts = judge(&records, is_bad);
            prop_assert_eq!(verdicts.len(), records.len());
            let mut refused = Vec::new();
            for (record, verdict) in records.iter().zip(&verdicts) {
                let expected = match (refused.contains(&&record.entity), is_bad(record)) {
                    (true, _) => Verdict::Hold,
                    (false, true) => Verdict::Refuse,
                    (false, false) => Verdict::Take,
                };
                prop_assert_eq!(verdict, &expected);
                if expected == Verdict::Refuse {
                    refused.push(&record.entity);
                }
            }
        }
    }
}
