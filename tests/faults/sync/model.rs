//! The rows of a run, drawn from a seed before it begins, and what each business must have in the end.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use tests::{Chance, Key, Shop};

/// Where a row is handed in: at a site of this number, or in the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    Site(usize),
    Cloud,
}

/// Whose business gets rows.
pub type Receiver = Origin;

/// Who may see a row beside the cloud's business (DS-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    Group(usize),
    Site(usize),
    Nobody,
}

/// The types of rows that a whole group sees, of different urgency; the middle one is built in.
const SHARED_TYPES: [&str; 3] = ["price", "member", "leaflet"];
/// `sync.types` of cloud and sites.
pub const TYPES: &str =
    "price = { scope = \"group\", priority = 0 }, leaflet = { scope = \"group\", priority = 9 }";
/// Entities of each kind that one origin writes.
const ENTITIES: u64 = 12;
/// Entities that all sites of a group write.
const CONTESTED: u64 = 4;
/// The version in which a contested entity is deleted; all others are lower.
const LAST_VERSION: i64 = 1_000_000;
const DAY_S: i64 = 24 * 3600;

/// A row as it is handed in.
#[derive(Clone)]
pub struct Row {
    pub origin: Origin,
    pub syn_id: String,
    pub entity: String,
    pub audience: Audience,
    pub is_deletion: bool,
    pub version: Option<i64>,
    pub json: Value,
    /// It comes after a deletion of a higher version, so nobody gets it (DS-9).
    pub is_superseded: bool,
    /// Several origins write its entity.
    pub is_contested: bool,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = if self.is_deletion { "delete" } else { "upsert" };
        let (origin, syn_id, version) = (self.origin, &self.syn_id, self.version);
        write!(f, "{origin:?}/{syn_id} {op} v{version:?}")
    }
}

/// Which site belongs to which group, and all rows.
pub struct Model {
    pub groups: Vec<usize>,
    /// Of each origin, in the order in which they are handed in.
    pub rows: BTreeMap<Origin, Vec<Row>>,
}

/// The group of this number, as the product knows it.
pub fn group_name(group: usize) -> String {
    format!("连锁 {group}")
}

impl Model {
    /// So many rows in all, of sites with these ids in these groups and of the cloud.
    pub fn draw(chance: &Chance, ids: &[String], groups: &[usize], rows: usize) -> Self {
        let sites = (0..ids.len()).map(Origin::Site);
        let origins: Vec<Origin> = sites.chain([Origin::Cloud]).collect();
        let each = rows / origins.len();
        let rows = origins.iter().enumerate().map(|(part, origin)| {
            let mut author = Author {
                origin: *origin,
                groups,
                ids,
                chance: chance.apart(part as u64),
                versions: HashMap::new(),
                deleted: HashMap::new(),
                rows: Vec::new(),
            };
            author.write(each);
            (*origin, author.rows)
        });
        Self {
            rows: rows.collect(),
            groups: groups.to_vec(),
        }
    }

    pub fn count(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }

    /// Whether a row is for this receiver; it never goes back to whom it comes from.
    fn is_for(&self, row: &Row, receiver: Receiver) -> bool {
        match (receiver, row.audience) {
            _ if row.origin == receiver => false,
            (Origin::Cloud, _) => true,
            (Origin::Site(site), Audience::Group(group)) => self.groups[site] == group,
            (Origin::Site(site), Audience::Site(to)) => site == to,
            (Origin::Site(_), Audience::Nobody) => false,
        }
    }

    /// Everything that is wrong with what a shop got, a sentence each; `names` are the origins' names.
    pub fn problems(
        &self,
        receiver: Receiver,
        shop: &Shop,
        names: &BTreeMap<Origin, String>,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let known: HashMap<Key, &Row> = self
            .rows
            .values()
            .flatten()
            .map(|row| ((names[&row.origin].clone(), row.syn_id.clone()), row))
            .collect();
        let applied = shop.applied();
        let mut got: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for key in &applied {
            match known.get(key) {
                None => problems.push(format!("{key:?} was never handed in")),
                Some(row) if !self.is_for(row, receiver) => {
                    problems.push(format!("{key:?} is not for it: {row:?} of {}", row.entity));
                }
                Some(row) => got.entry(&row.entity).or_default().push(row),
            }
        }
        let mut table = shop.table();
        for (entity, expected) in self.expected(receiver) {
            let got = got.remove(entity).unwrap_or_default();
            let entry = table.remove(entity);
            let contested = expected.iter().any(|row| row.is_contested);
            if contested {
                problems.extend(contested_problems(entity, &expected, &got));
            } else if ids(&got) != ids(&expected) {
                problems.push(format!("{entity}: {got:?} instead of {expected:?}"));
            }
            let last = if contested {
                got.last()
            } else {
                expected.last()
            };
            let is_right = match (entry, last) {
                (Some(entry), Some(row)) => {
                    entry.is_deleted == row.is_deletion
                        && entry.version == row.version
                        && entry.data_detail == row.json["data_detail"]
                }
                (None, None) => true,
                _ => false,
            };
            if !is_right {
                problems.push(format!("{entity}: the table has not {last:?}"));
            }
        }
        for (entity, rows) in got {
            problems.push(format!("{entity}: {rows:?} should not have come"));
        }
        let faults = shop.faults();
        problems.extend(faults.double);
        problems.extend(faults.overtaking);
        problems.extend(faults.odd);
        problems
    }

    /// By entity, what a receiver gets, in order; of contested ones, what it may get.
    fn expected(&self, receiver: Receiver) -> BTreeMap<&str, Vec<&Row>> {
        let mut expected: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in self.rows.values().flatten() {
            if self.is_for(row, receiver) && !row.is_superseded {
                expected.entry(&row.entity).or_default().push(row);
            }
        }
        expected
    }
}

fn ids<'a>(rows: &[&'a Row]) -> Vec<(Origin, &'a str)> {
    rows.iter()
        .map(|row| (row.origin, row.syn_id.as_str()))
        .collect()
}

/// Of an entity that several write, rows may have been superseded, but each origin's come in its order, once, and the
/// deletion stays.
fn contested_problems(entity: &str, expected: &[&Row], got: &[&Row]) -> Vec<String> {
    let mut problems = Vec::new();
    let origins: BTreeSet<Origin> = expected.iter().map(|row| row.origin).collect();
    for origin in origins {
        let mut left = expected.iter().filter(|row| row.origin == origin);
        for row in got.iter().filter(|row| row.origin == origin) {
            if !left.any(|next| next.syn_id == row.syn_id) {
                problems.push(format!("{entity}: {row:?} came twice or too late"));
            }
        }
    }
    let is_deleted = expected.iter().any(|row| row.is_deletion);
    if is_deleted && !got.last().is_some_and(|row| row.is_deletion) {
        problems.push(format!("{entity} is there again: {got:?}"));
    }
    problems
}

/// Pairs of rows of one entity that two receivers got in different orders.
pub fn disagreements(one: &Shop, other: &Shop, entities: &HashMap<Key, String>) -> Vec<String> {
    let by_entity = |shop: &Shop| -> HashMap<String, Vec<Key>> {
        let mut found: HashMap<String, Vec<Key>> = HashMap::new();
        for key in shop.applied() {
            if let Some(entity) = entities.get(&key) {
                found.entry(entity.clone()).or_default().push(key);
            }
        }
        found
    };
    let (one, other) = (by_entity(one), by_entity(other));
    let mut problems = Vec::new();
    for (entity, keys) in &one {
        let theirs = other.get(entity).cloned().unwrap_or_default();
        let (ours_set, theirs_set): (HashSet<&Key>, HashSet<&Key>) =
            (keys.iter().collect(), theirs.iter().collect());
        let common: Vec<&Key> = keys.iter().filter(|it| theirs_set.contains(it)).collect();
        let as_theirs: Vec<&Key> = theirs.iter().filter(|it| ours_set.contains(it)).collect();
        if common != as_theirs {
            problems.push(format!("{entity}: {common:?} here, {as_theirs:?} there"));
        }
    }
    problems
}

/// Writes the rows of one origin.
struct Author<'a> {
    origin: Origin,
    groups: &'a [usize],
    ids: &'a [String],
    chance: Chance,
    versions: HashMap<String, i64>,
    /// The highest version in which an entity was deleted.
    deleted: HashMap<String, i64>,
    rows: Vec<Row>,
}

/// What a row is about.
struct Subject {
    business_type: &'static str,
    entity: String,
    audience: Audience,
}

impl Author<'_> {
    fn write(&mut self, rows: usize) {
        while self.rows.len() < rows {
            let is_last_quarter = self.rows.len() * 4 > rows * 3;
            let is_contested = self.origin != Origin::Cloud && self.chance.one_in(10);
            let row = match is_contested {
                true => self.contested(is_last_quarter),
                false => self.own(),
            };
            self.rows.push(row);
        }
    }

    fn subject(&mut self) -> Subject {
        let n = self.chance.below(ENTITIES);
        let lot = self.chance.below(10);
        let shared = SHARED_TYPES[self.chance.index(SHARED_TYPES.len())];
        match self.origin {
            Origin::Site(site) => match lot {
                0..5 => Subject {
                    business_type: shared,
                    entity: format!("shared:{site}-{n}"),
                    audience: Audience::Group(self.groups[site]),
                },
                5..7 => Subject {
                    business_type: "member_private",
                    entity: format!("private:{site}-{n}"),
                    audience: Audience::Nobody,
                },
                7..9 => Subject {
                    business_type: "order",
                    entity: format!("order:{site}-{n}"),
                    audience: Audience::Nobody,
                },
                _ => Subject {
                    business_type: "stock",
                    entity: format!("stock:{site}-{n}"),
                    audience: Audience::Nobody,
                },
            },
            Origin::Cloud => {
                let site = self.chance.index(self.groups.len());
                let group = self.groups[self.chance.index(self.groups.len())];
                match lot {
                    0..5 => Subject {
                        business_type: shared,
                        entity: format!("shared:cloud-{group}-{n}"),
                        audience: Audience::Group(group),
                    },
                    5..9 => Subject {
                        business_type: "order",
                        entity: format!("order:cloud-{site}-{n}"),
                        audience: Audience::Site(site),
                    },
                    _ => Subject {
                        business_type: "stock",
                        entity: format!("stock:cloud-{n}"),
                        audience: Audience::Nobody,
                    },
                }
            }
        }
    }

    /// A row of an entity that this origin alone writes: most change it, some delete it, some come too late for a
    /// deletion, some have no version.
    fn own(&mut self) -> Row {
        let subject = self.subject();
        let entity = subject.entity.clone();
        let version = self.versions.entry(entity.clone()).or_insert(0);
        *version += 1;
        let (next, lot) = (*version, self.chance.below(20));
        let deleted = self.deleted.get(&entity).copied().filter(|it| *it > 0);
        let (is_deletion, version) = match (lot, deleted) {
            (0..3, _) => (true, Some(next)),
            (3..6, Some(deleted)) => (false, Some(self.chance.below(deleted as u64) as i64)),
            (6, _) => (false, None),
            _ => (false, Some(next)),
        };
        self.row(subject, is_deletion, version)
    }

    /// A row of an entity that every site of the group writes; the first of them deletes it in the end.
    fn contested(&mut self, is_end: bool) -> Row {
        let Origin::Site(site) = self.origin else {
            unreachable!("the cloud writes none of these");
        };
        let group = self.groups[site];
        let is_first = self.groups.iter().position(|it| *it == group) == Some(site);
        let subject = Subject {
            business_type: "member",
            entity: format!("contested:{group}-{}", self.chance.below(CONTESTED)),
            audience: Audience::Group(group),
        };
        let is_deletion = is_first && is_end;
        let version = match is_deletion {
            true => LAST_VERSION,
            false => self.chance.below(1000) as i64,
        };
        let mut row = self.row(subject, is_deletion, Some(version));
        row.is_contested = true;
        row
    }

    fn row(&mut self, subject: Subject, is_deletion: bool, version: Option<i64>) -> Row {
        let deleted = self.deleted.entry(subject.entity.clone()).or_insert(-1);
        let is_superseded = !is_deletion && version.is_some_and(|version| version < *deleted);
        if is_deletion {
            *deleted = (*deleted).max(version.unwrap_or(-1));
        }
        let number = self.rows.len() + 1;
        let mut json = json!({
            "syn_id": number,
            "business_type": subject.business_type,
            "op": if is_deletion { "delete" } else { "upsert" },
            "entity": subject.entity,
            "data_from_detail": { "table": [number] },
            // Clocks a day apart, here and there.
            "create_time": 1_790_000_000 + self.chance.below(2 * DAY_S as u64) as i64 - DAY_S,
            "data_from_client": self.chance.below(5),
            "data_detail": { "n": number, "名": "会员".repeat(self.chance.index(60)) },
        });
        if let Some(version) = version {
            json["entity_version"] = version.into();
        }
        match (self.origin, subject.audience) {
            (Origin::Cloud, Audience::Group(group)) => json["group"] = group_name(group).into(),
            (Origin::Cloud, Audience::Site(site)) => {
                json["data_to_server_id"] = self.ids[site].as_str().into();
            }
            _ => {}
        }
        Row {
            origin: self.origin,
            syn_id: number.to_string(),
            entity: subject.entity,
            audience: subject.audience,
            is_deletion,
            version,
            json,
            is_superseded,
            is_contested: false,
        }
    }
}
