//! Two sites: one pushes rows, the other pulls them. What was accepted arrives once and in the order of its entity.

use super::desk::{Ask, Run};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::{Chance, unique};

const THINKS: Duration = Duration::from_millis(100);
const BATCH_ROWS_MAX: u64 = 12;
const ENTITIES: u64 = 10;
/// How long a pull waits, seconds: some are waiting whenever somebody is killed.
const WAIT_S: u64 = 2;

/// What the sender has been told is accepted, and how much of it the receiver has.
#[derive(Default)]
pub struct Counts {
    pub accepted: AtomicUsize,
    pub had: AtomicUsize,
}

/// Pushes until the run is over, and everything is taken.
pub async fn push(run: Arc<Run>, token: String, counts: Arc<Counts>, mut chance: Chance) {
    let mut number = 0;
    // Somebody else was writing these: whoever was killed, most likely. They may be sent again.
    let mut again = Vec::new();
    while !run.is_over() || !again.is_empty() {
        let mut rows: Vec<Value> = std::mem::take(&mut again);
        if rows.is_empty() {
            rows.extend((0..=chance.below(BATCH_ROWS_MAX)).map(|_| {
                number += 1;
                json!({
                    "syn_id": number.to_string(), "business_type": "member", "op": "upsert", "seq": number,
                    "entity": format!("member:{}", chance.below(ENTITIES)),
                    "data_detail": { "n": number }, "create_time": "2026-11-24T00:00:00Z",
                })
            }));
        }
        let body = json!({ "batch_id": unique(), "rows": rows });
        let data = run
            .must(Ask::post(&token, "/api/v1/sync/push", Some(&body)))
            .await;
        let results = data["results"].as_array().cloned().unwrap_or_default();
        if results.len() != rows.len() {
            run.problem(format!("{} rows were pushed: {data:#}", rows.len()));
        }
        for (row, result) in rows.into_iter().zip(&results) {
            let status = result["status"].as_str().unwrap_or_default();
            run.count(&format!("rows answered {status}"));
            match status {
                // A runner that is killed when it has taken rows cannot keep its answer: they are repeated then.
                "ok" | "dup" => {
                    counts.accepted.fetch_add(1, Ordering::SeqCst);
                }
                "retry" => again.push(row),
                _ => run.problem(format!("a row was not taken: {result}")),
            }
        }
        tokio::time::sleep(THINKS).await;
    }
}

/// What the receiver knows of rows.
#[derive(Default)]
struct Shelf {
    had: HashSet<String>,
    /// The last row of each entity.
    newest: HashMap<String, u64>,
    /// Batches as they came first.
    batches: HashMap<String, Value>,
}

/// Pulls for ever.
pub async fn pull(run: Arc<Run>, token: String, counts: Arc<Counts>) {
    let mut shelf = Shelf::default();
    loop {
        let ask = json!({ "wait_s": WAIT_S, "limit": 30, "pull_id": unique() });
        let data = run
            .must(Ask::post(&token, "/api/v1/sync/pull", Some(&ask)))
            .await;
        run.count("pulls");
        let Some(batch_id) = data["batch_id"].as_str() else {
            continue;
        };
        let rows = data["rows"].as_array().cloned().unwrap_or_default();
        let known = shelf
            .batches
            .insert(batch_id.to_owned(), data["rows"].clone());
        if known.is_some_and(|known| known != data["rows"]) {
            run.problem(format!("the batch {batch_id} came with other rows"));
        }
        let results = rows
            .iter()
            .map(|row| json!({ "syn_id": row["syn_id"], "status": "ok" }));
        let results: Vec<Value> = results.collect();
        let ack = json!({ "batch_id": batch_id, "results": results });
        let said = run
            .ask(Ask::post(&token, "/api/v1/sync/ack", Some(&ack)))
            .await;
        match said.status {
            200 => {
                for row in &rows {
                    run.count("rows had");
                    shelf.take(&run, row);
                }
                counts.had.store(shelf.had.len(), Ordering::SeqCst);
            }
            // The lease ended while nobody could be asked: the rows come again.
            410 => run.count("batches given up"),
            _ => run.problem(format!("an ack: {said:?}")),
        }
    }
}

impl Shelf {
    fn take(&mut self, run: &Run, row: &Value) {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let (syn_id, entity) = (text("syn_id"), text("entity"));
        let number = row["data_detail"]["n"].as_u64().unwrap_or(0);
        if !self.had.insert(syn_id.clone()) {
            run.problem(format!("the row {syn_id} came twice"));
        }
        let before = self.newest.insert(entity, number).unwrap_or(0);
        if number < before {
            run.problem(format!("the row {syn_id} came after {before}"));
        }
    }
}
