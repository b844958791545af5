//! A business that exports: the same few files again and again, each of which has its own checksum.

use super::desk::{Ask, Run};
use super::media::fetch;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tests::{Business, Caller, Chance, Manners, unique};

const OPEN_MAX: usize = 3;
const THINKS: Duration = Duration::from_millis(100);
/// Rows of the export whose pages take a while.
const SLOW_ROWS: u64 = 1200;

/// An export, and the checksum of its file where nothing goes wrong.
pub struct Shape {
    name: &'static str,
    body: Value,
    sha256: String,
}

/// A project of the run.
pub struct Backend {
    pub run: Arc<Run>,
    pub token: String,
    pub business: Business,
    pub shapes: Vec<Shape>,
}

/// An export that was accepted.
pub struct Accepted {
    task_id: String,
    shape: usize,
}

/// Makes each export once before anything goes wrong.
pub async fn shapes(project: &Caller<'_>, business: &Business) -> Vec<Shape> {
    let source = business.source("fleet", SLOW_ROWS, Manners::Slow(120));
    let callback = business.callback_url("fleet");
    let rows: Vec<Value> = (0..200).map(tests::row).collect();
    let bodies = [
        (
            "csv",
            json!({ "name": "csv", "type": "csv", "source_data": rows }),
        ),
        (
            "excel",
            json!({ "name": "excel", "type": "excel", "title": "Rows", "source_data": rows }),
        ),
        (
            "pages",
            json!({ "name": "pages", "type": "csv", "source_url": source, "step": 100 }),
        ),
    ];
    let mut shapes = Vec::new();
    for (name, mut body) in bodies {
        let task = project.exported(&body).await;
        body["callback"] = callback.as_str().into();
        let sha256 = task["result"]["sha256"].as_str().expect("a checksum");
        shapes.push(Shape {
            name,
            body,
            sha256: sha256.to_owned(),
        });
    }
    shapes
}

impl Backend {
    /// Exports until the run is over; gives what was accepted.
    pub async fn export(&self, mut chance: Chance) -> Vec<Accepted> {
        let mut accepted: Vec<Accepted> = Vec::new();
        let mut open: Vec<String> = Vec::new();
        while !self.run.is_over() {
            if open.len() < OPEN_MAX {
                let one = self.submit(&mut chance).await;
                open.push(one.task_id.clone());
                accepted.push(one);
            }
            let mut still = Vec::new();
            for task_id in open {
                let path = format!("/api/v1/tasks/{task_id}");
                let task = self.run.must(Ask::get(&self.token, &path)).await;
                if matches!(task["status"].as_str(), Some("queued" | "running")) {
                    still.push(task_id);
                }
            }
            open = still;
            tokio::time::sleep(THINKS).await;
        }
        accepted
    }

    async fn submit(&self, chance: &mut Chance) -> Accepted {
        let shape = chance.index(self.shapes.len());
        let key = unique();
        let submit = async || {
            let body = Some(&self.shapes[shape].body);
            let ask = Ask::post(&self.token, "/api/v1/export", body).under(&key);
            let data = self.run.must(ask).await;
            data["task_id"].as_str().unwrap_or_default().to_owned()
        };
        let task_id = submit().await;
        self.run.count("exports accepted");
        if chance.one_in(3) && submit().await != task_id {
            self.run.problem(format!("one key, two exports: {task_id}"));
        }
        Accepted { task_id, shape }
    }

    /// Whether an accepted export has its end; what is wrong with it is a problem.
    pub async fn is_done(&self, export: &Accepted) -> bool {
        let path = format!("/api/v1/tasks/{}", export.task_id);
        let task = self.run.must(Ask::get(&self.token, &path)).await;
        if matches!(task["status"].as_str(), Some("queued" | "running")) {
            return false;
        }
        let shape = &self.shapes[export.shape];
        let problem = |what: &str| self.run.problem(format!("{} {what}: {task:#}", shape.name));
        if task["status"] != "succeeded" {
            problem("has not succeeded");
        } else if task["result"]["sha256"] != shape.sha256.as_str() {
            problem("has another checksum");
        } else if fetch(&self.run, &self.token, &export.task_id).await != shape.sha256 {
            problem("is delivered with another checksum");
        }
        true
    }

    /// Whether each of them has been told, however often, as one event of success.
    pub fn are_told(&self, exports: &[Accepted]) -> bool {
        let told: Vec<Value> = self
            .business
            .told("fleet")
            .iter()
            .map(|it| it.json())
            .collect();
        exports.iter().all(|export| {
            let of_it = told.iter().filter(|it| it["task_id"] == *export.task_id);
            let events: BTreeSet<(String, String)> = of_it
                .map(|it| (it["event_id"].to_string(), it["status"].to_string()))
                .collect();
            if events.len() > 1 {
                self.run.problem(format!("{}: {events:?}", export.task_id));
            }
            events
                .iter()
                .any(|(_, status)| status.contains("succeeded"))
        })
    }
}
