//! Which of the rows that wait go into a batch, and in which order (DS-6, DS-11).

use std::collections::HashSet;

/// How much a batch may hold; at least one row always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub rows: usize,
    pub bytes: usize,
}

/// A row that waits, without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub record_id: i64,
    pub syn_id: String,
    pub entity: String,
    /// `(priority, rank, position)`.
    pub order: (i64, i64, i64),
    pub bytes: i64,
    pub fail_num: i64,
}

/// Chooses from the rows that are next in order, and from those that have waited longest: these get the places of
/// their share, so that no priority starves another. A row is left out while one of its entity before it is, and
/// while a row of another origin with its `syn_id` is in the batch, for results name rows by that.
pub fn choose(next: &[Candidate], oldest: &[Candidate], bounds: Bounds) -> Vec<Candidate> {
    let mut batch = Draft::new(bounds);
    let share = bounds.rows / crate::limits::SYNC_OLDEST_SHARE;
    // A row that is oldest and would come anyway takes no place from the others.
    for candidate in oldest.iter().take(share) {
        batch.add(candidate);
    }
    for candidate in next {
        batch.add(candidate);
    }
    batch.chosen.sort_by_key(|candidate| candidate.order);
    batch.chosen
}

struct Draft<'a> {
    left: Bounds,
    chosen: Vec<Candidate>,
    records: HashSet<i64>,
    syn_ids: HashSet<&'a str>,
    /// Entities of which a row was left out.
    passed: HashSet<&'a str>,
}

impl<'a> Draft<'a> {
    fn new(left: Bounds) -> Self {
        Self {
            left,
            chosen: Vec::new(),
            records: HashSet::new(),
            syn_ids: HashSet::new(),
            passed: HashSet::new(),
        }
    }

    fn add(&mut self, candidate: &'a Candidate) {
        if self.records.contains(&candidate.record_id) {
            return;
        }
        let bytes = usize::try_from(candidate.bytes).unwrap_or(usize::MAX);
        let fits = self.left.rows > 0 && (bytes <= self.left.bytes || self.chosen.is_empty());
        if !fits
            || self.passed.contains(candidate.entity.as_str())
            || self.syn_ids.contains(candidate.syn_id.as_str())
        {
            self.passed.insert(&candidate.entity);
            return;
        }
        self.left.rows -= 1;
        self.left.bytes = self.left.bytes.saturating_sub(bytes);
        self.records.insert(candidate.record_id);
        self.syn_ids.insert(&candidate.syn_id);
        self.chosen.push(candidate.clone());
    }
}

/// How many rows a sender asks for or sends at once: fewer after one that was too large or took too long, slowly
/// more again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    rows: usize,
    max: usize,
}

impl Pace {
    pub fn new(max: usize) -> Self {
        Self { rows: max, max }
    }

    pub fn rows(self) -> usize {
        self.rows
    }

    /// After 413 or a timeout. Returns false where one row is the least.
    pub fn halve(&mut self) -> bool {
        let was = self.rows;
        self.rows = (self.rows / 2).max(1);
        self.rows < was
    }

    /// After a batch that went through: a tenth more.
    pub fn grow(&mut self) {
        self.rows = (self.rows + self.rows.div_ceil(10)).min(self.max);
    }

    /// The receiver takes so many at the most.
    pub fn cap(&mut self, max: usize) {
        self.max = max.max(1);
        self.rows = self.rows.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(record_id: i64, entity: &str, priority: i64) -> Candidate {
        Candidate {
            record_id,
            syn_id: record_id.to_string(),
            entity: entity.to_owned(),
            order: (priority, record_id, record_id),
            bytes: 10,
            fail_num: 0,
        }
    }

    fn ids(chosen: &[Candidate]) -> Vec<i64> {
        chosen.iter().map(|it| it.record_id).collect()
    }

    const WIDE: Bounds = Bounds {
        rows: 100,
        bytes: 1000,
    };

    #[test]
    fn the_order_is_by_priority_and_then_by_rank() {
        let mut rows = [
            candidate(1, "a", 5),
            candidate(2, "b", 1),
            candidate(3, "c", 3),
            candidate(4, "d", 1),
        ];
        rows.sort_by_key(|row| row.order);
        assert_eq!(ids(&choose(&rows, &[], WIDE)), [2, 4, 3, 1]);
    }

    #[test]
    fn the_longest_waiting_get_their_share_whatever_is_urgent() {
        let urgent: Vec<_> = (100..200)
            .map(|id| candidate(id, &id.to_string(), 0))
            .collect();
        let waiting: Vec<_> = (1..50)
            .map(|id| candidate(id, &id.to_string(), 9))
            .collect();
        let bounds = Bounds { rows: 16, ..WIDE };
        let chosen = ids(&choose(&urgent, &waiting, bounds));
        assert_eq!(chosen.len(), 16);
        assert_eq!(chosen[14..], [1, 2]);
        // A few places are the urgent ones' alone.
        let bounds = Bounds { rows: 7, ..WIDE };
        assert!(
            ids(&choose(&urgent, &waiting, bounds))
                .iter()
                .all(|id| *id >= 100)
        );
    }

    #[test]
    fn a_row_never_overtakes_one_of_its_entity_that_does_not_fit() {
        let mut rows = vec![
            candidate(1, "a", 0),
            candidate(2, "b", 0),
            candidate(3, "b", 0),
            candidate(4, "c", 0),
        ];
        rows[1].bytes = 500;
        let bounds = Bounds {
            rows: 10,
            bytes: 100,
        };
        assert_eq!(ids(&choose(&rows, &[], bounds)), [1, 4]);
        // The first row goes whatever its size.
        assert_eq!(ids(&choose(&rows[1..], &[], bounds)), [2]);
    }

    #[test]
    fn two_rows_with_one_id_do_not_share_a_batch() {
        let mut rows = vec![
            candidate(1, "a", 0),
            candidate(2, "b", 0),
            candidate(3, "b", 0),
        ];
        rows[1].syn_id = "1".to_owned();
        assert_eq!(ids(&choose(&rows, &[], WIDE)), [1]);
    }

    #[test]
    fn the_pace_halves_at_once_and_grows_slowly() {
        let mut pace = Pace::new(500);
        assert!(pace.halve() && pace.rows() == 250);
        pace.grow();
        assert_eq!(pace.rows(), 275);
        for _ in 0..20 {
            pace.grow();
        }
        assert_eq!(pace.rows(), 500);
        pace.cap(3);
        assert!(pace.halve() && pace.rows() == 1 && !pace.halve());
        pace.grow();
        assert_eq!(pace.rows(), 2);
    }

    proptest! {
        #[test]
        fn a_batch_holds_the_first_rows_of_its_entities_within_bounds(
            rows in prop::collection::vec((0..5u8, 0..3i64, 1..60i64), 0..40),
            limit in 1..20usize, bytes in 1..400usize,
        ) {
            // One entity has one priority: the store sees to that.
            let mut next: Vec<Candidate> = rows.iter().enumerate().map(|(at, (entity, _, bytes))| Candidate {
                bytes: *bytes,
                ..candidate(at as i64 + 1, &entity.to_string(), i64::from(entity % 3))
            }).collect();
            let heads: Vec<Candidate> = next.iter().enumerate()
                .filter(|(at, it)| !next[..*at].iter().any(|other| other.entity == it.entity))
                .map(|(_, it)| it.clone()).collect();
            next.sort_by_key(|it| it.order);
            let chosen = choose(&next, &heads, Bounds { rows: limit, bytes });
            prop_assert_eq!(chosen.is_empty(), next.is_empty());
            prop_assert!(chosen.len() <= limit);
            let total: i64 = chosen.iter().map(|it| it.bytes).sum();
            prop_assert!(chosen.len() == 1 || total <= bytes as i64);
            prop_assert!(chosen.is_sorted_by_key(|it| it.order));
            for entity in 0..5u8 {
                let of = |list: &[Candidate]| -> Vec<i64> {
                    list.iter().filter(|it| it.entity == entity.to_string()).map(|it| it.record_id).collect()
                };
                prop_assert!(of(&next).starts_with(&of(&chosen)));
            }
        }
    }
}
