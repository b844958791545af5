//! Rows of a batch to a business, so that those of one entity never overtake each other: each call has one row of
//! an entity at the most, and none of an entity whose row was not taken (DS-6, DS-7).

use super::hook::Hook;
use super::mysql::BusinessDatabase;
use super::row::{Row, Said};
use std::collections::HashSet;

/// Where rows are applied.
pub enum Business {
    Hook(Box<Hook>),
    /// The inbox table there.
    Inbox(BusinessDatabase),
}

impl Business {
    /// What the business said of each row, in order.
    pub async fn apply(&self, batch_id: &str, rows: &[Row]) -> Vec<Said> {
        match self {
            Self::Hook(hook) => {
                let mut waves = Waves::new(rows);
                while let Some(wave) = waves.next() {
                    let said = hook.apply(batch_id, &wave).await;
                    waves.answer(said);
                }
                waves.said
            }
            Self::Inbox(database) if !rows.is_empty() && database.is_ready().await => {
                let said = database.insert(rows).await;
                said.unwrap_or_else(|_| vec![Said::Retry; rows.len()])
            }
            Self::Inbox(_) => vec![Said::Retry; rows.len()],
        }
    }
}

/// Rows in waves. What stands behind a row that was not taken is in none.
struct Waves<'a> {
    rows: &'a [Row],
    said: Vec<Said>,
    blocked: HashSet<&'a str>,
    /// The places of the wave that is out, and of the rows that come after it.
    wave: Vec<usize>,
    later: Vec<usize>,
}

impl<'a> Waves<'a> {
    fn new(rows: &'a [Row]) -> Self {
        Self {
            rows,
            said: vec![Said::Retry; rows.len()],
            blocked: HashSet::new(),
            wave: Vec::new(),
            later: (0..rows.len()).collect(),
        }
    }

    /// The first row of each entity that is left; None at the end.
    fn next(&mut self) -> Option<Vec<&'a Row>> {
        let (rows, mut entities) = (self.rows, HashSet::new());
        let left = std::mem::take(&mut self.later);
        let open = left.into_iter();
        let open = open.filter(|at| !self.blocked.contains(rows[*at].entity.as_str()));
        (self.wave, self.later) = open.partition(|at| entities.insert(rows[*at].entity.as_str()));
        let wave: Vec<&Row> = self.wave.iter().map(|at| &rows[*at]).collect();
        (!wave.is_empty()).then_some(wave)
    }

    /// What was said of the wave that is out, row by row.
    fn answer(&mut self, said: Vec<Said>) {
        for (at, answer) in self.wave.drain(..).zip(said) {
            if answer != Said::Ok {
                self.blocked.insert(&self.rows[at].entity);
            }
            self.said[at] = answer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::RawValue;

    fn row(syn_id: &str, entity: &str) -> Row {
        let json = json!({
            "syn_id": syn_id, "data_from_server_id": "a", "entity": entity, "op": "upsert", "data_detail": {},
        });
        Row::read(RawValue::from_string(json.to_string()).unwrap()).unwrap()
    }

    #[test]
    fn rows_of_one_entity_go_one_after_the_other_and_stop_at_a_refusal() {
        let rows = [
            row("1", "a"),
            row("2", "b"),
            row("3", "a"),
            row("4", "b"),
            row("5", "a"),
            row("6", "c"),
        ];
        let (mut waves, mut calls) = (Waves::new(&rows), Vec::new());
        while let Some(wave) = waves.next() {
            let ids: Vec<&str> = wave.iter().map(|row| row.syn_id.as_str()).collect();
            calls.push(ids.join(" "));
            let said = |row: &&Row| match row.syn_id.as_str() {
                "2" => Said::Reject(None),
                "3" => Said::Retry,
                _ => Said::Ok,
            };
            waves.answer(wave.iter().map(said).collect());
        }
        assert_eq!(calls, ["1 2 6", "3"]);
        let expected = [
            Said::Ok,
            Said::Reject(None),
            Said::Retry,
            Said::Retry,
            Said::Retry,
            Said::Ok,
        ];
        assert_eq!(waves.said, expected);
    }
}
