//! People who download, watch and poll.

use super::desk::{Ask, Run};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::{Chance, ProgressSocket, Role, Shelf, clip, unique};

/// Tasks of one person under way at once.
const OPEN_MAX: usize = 3;
const THINKS: Duration = Duration::from_millis(150);

/// How a task must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Succeeded,
    /// The site has no such file.
    Failed,
    /// Its owner cancels it, if he is faster.
    Cancelled,
    /// Its owner deletes it.
    Deleted,
}

/// A task that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub task_id: String,
    pub wanted: Wanted,
    pub is_quick: bool,
}

/// Somebody with an account.
pub struct Person {
    pub run: Arc<Run>,
    pub token: String,
    pub shelf: Shelf,
    /// Now and then cancels or deletes what runs.
    pub is_fickle: bool,
}

/// What has been seen of a task by whoever asked for it.
#[derive(Default)]
struct Seen {
    percent: f64,
    is_final: bool,
}

fn is_final(status: &str) -> bool {
    !matches!(status, "queued" | "running")
}

impl Person {
    /// Downloads until the run is over; gives what was accepted.
    pub async fn download(self, mut chance: Chance) -> Vec<Accepted> {
        let mut accepted: Vec<Accepted> = Vec::new();
        let mut open: HashMap<String, Seen> = HashMap::new();
        while !self.run.is_over() {
            if open.len() < OPEN_MAX {
                let one = self.submit(&mut chance).await;
                open.insert(one.task_id.clone(), Seen::default());
                if matches!(one.wanted, Wanted::Cancelled | Wanted::Deleted) {
                    open.remove(&one.task_id);
                    self.give_up(&one, &mut chance).await;
                }
                accepted.push(one);
            }
            for (task_id, seen) in &mut open {
                self.poll(task_id, seen).await;
            }
            open.retain(|_, seen| !seen.is_final);
            tokio::time::sleep(THINKS).await;
        }
        accepted
    }

    async fn submit(&self, chance: &mut Chance) -> Accepted {
        let (name, mut wanted) = match chance.below(8) {
            0 => ("404.mp4", Wanted::Failed),
            1..=3 => ("slow.mp4", Wanted::Succeeded),
            _ => ("clip.mp4", Wanted::Succeeded),
        };
        if self.is_fickle && wanted == Wanted::Succeeded && chance.one_in(3) {
            wanted = match chance.one_in(2) {
                true => Wanted::Cancelled,
                false => Wanted::Deleted,
            };
        }
        let is_quick = chance.one_in(2);
        let mode = if is_quick {
            "quick_download"
        } else {
            "archive"
        };
        let body = json!({ "url": self.shelf.url(name), "mode": mode });
        let key = unique();
        let submit = async || {
            let ask = Ask::post(&self.token, "/api/v1/download", Some(&body)).under(&key);
            let data = self.run.must(ask).await;
            data["task_id"].as_str().unwrap_or_default().to_owned()
        };
        let task_id = submit().await;
        self.run.count("downloads accepted");
        if chance.one_in(3) {
            let again = submit().await;
            if again != task_id {
                let problem = format!("one key, two tasks: {task_id} and {again}");
                self.run.problem(problem);
            }
        }
        Accepted {
            task_id,
            wanted,
            is_quick,
        }
    }

    /// Cancels or deletes it, sooner or later.
    async fn give_up(&self, task: &Accepted, chance: &mut Chance) {
        tokio::time::sleep(Duration::from_millis(chance.below(3000))).await;
        let path = format!("/api/v1/tasks/{}", task.task_id);
        let said = match task.wanted {
            Wanted::Cancelled => {
                let path = format!("{path}/cancel");
                self.run.ask(Ask::post(&self.token, &path, None)).await
            }
            _ => {
                let ask = Ask {
                    method: Method::DELETE,
                    ..Ask::get(&self.token, &path)
                };
                self.run.ask(ask).await
            }
        };
        let is_gone_already = said.status == 404 && task.wanted == Wanted::Deleted;
        // It may have ended before.
        if said.status != 200 && said.status != 409 && !is_gone_already {
            self.run.problem(format!("giving up {path}: {said:?}"));
        }
        self.run.count("tasks given up");
    }

    /// What a row says never goes back.
    async fn poll(&self, task_id: &str, seen: &mut Seen) {
        let path = format!("/api/v1/tasks/{task_id}");
        let task = self.run.must(Ask::get(&self.token, &path)).await;
        let percent = task["progress"]["percent"].as_f64().unwrap_or(0.0);
        if percent < seen.percent {
            let problem = format!("{task_id} fell from {} to {task:#}", seen.percent);
            self.run.problem(problem);
        }
        seen.percent = percent;
        seen.is_final = is_final(task["status"].as_str().unwrap_or_default());
    }
}

/// Looks at what has become of an accepted task, and of its file. None: it is not at its end yet.
pub async fn outcome(run: &Run, token: &str, task: &Accepted) -> Option<String> {
    let path = format!("/api/v1/tasks/{}", task.task_id);
    let said = run.ask(Ask::get(token, &path)).await;
    if said.status == 404 {
        if task.wanted != Wanted::Deleted {
            run.problem(format!("{task:?} is lost: {said:?}"));
        }
        return Some("deleted".to_owned());
    }
    let status = said.data["status"].as_str().unwrap_or_default().to_owned();
    if !is_final(&status) {
        return None;
    }
    let fits = match task.wanted {
        Wanted::Succeeded => status == "succeeded",
        Wanted::Failed => status == "failed",
        Wanted::Cancelled => status == "succeeded" || status == "cancelled",
        Wanted::Deleted => false,
    };
    if !fits {
        run.problem(format!("{task:?} ended as {:#}", said.data));
    }
    if status == "succeeded" {
        let told = said.data["result"]["sha256"].as_str().unwrap_or_default();
        if told != clip().sha256 {
            run.problem(format!("{task:?} has another checksum: {:#}", said.data));
        }
        let had = fetch(run, token, &task.task_id).await;
        if had != told {
            run.problem(format!("the file of {task:?} has the checksum {had}"));
        }
    }
    Some(status)
}

/// The SHA-256 of a task's file as it is delivered.
pub async fn fetch(run: &Run, token: &str, task_id: &str) -> String {
    let path = format!("/api/v1/tasks/{task_id}/url");
    let data = run.must(Ask::post(token, &path, None)).await;
    let url = data["url"].as_str().unwrap_or_default();
    let said = run.ask(Ask::get("", url)).await;
    if said.status != 200 {
        run.problem(format!("{url}: {said:?}"));
    }
    run.count("files fetched");
    hex::encode(sha2::Sha256::digest(&said.body))
}

/// What a WebSocket told.
#[derive(Default)]
pub struct Told {
    /// The last word of each task: its status.
    pub last: HashMap<String, String>,
    pub messages: usize,
    /// Of these, those between the beginning and the end of a download.
    pub between: usize,
    pub connections: usize,
}

/// Listens to all tasks of a person, again and again, until `told` has what somebody waits for and drops this.
pub async fn watch(run: Arc<Run>, token: String, told: Arc<Mutex<Told>>) {
    loop {
        let data = run.must(Ask::post(&token, "/api/v1/ws/ticket", None)).await;
        let ticket = data["ticket"].as_str().unwrap_or_default();
        let began = Instant::now();
        let opened = ProgressSocket::open(&run.base, &format!("?ticket={ticket}")).await;
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(status) => {
                refused(&run, status, began);
                tokio::time::sleep(THINKS).await;
                continue;
            }
        };
        told.lock().expect("no panic").connections += 1;
        let mut percents: HashMap<String, f64> = HashMap::new();
        while let Some(task) = socket.next_or_end().await {
            hear(
                &run,
                &task,
                &mut percents,
                &mut told.lock().expect("no panic"),
            );
        }
    }
}

/// A ticket that the killed worker took is spent (401); else somebody was away.
fn refused(run: &Run, status: u16, began: Instant) {
    run.count(&format!("WebSockets refused with {status}"));
    let is_explained = run
        .outages
        .explain(Role::Worker, status != 401, began, Instant::now());
    if !is_explained {
        let back = run.outages.back_for(Role::Worker, began);
        run.problem(format!(
            "a WebSocket was refused with {status}; the workers had been back for {back:?}"
        ));
    }
}

fn hear(run: &Run, task: &Value, percents: &mut HashMap<String, f64>, told: &mut Told) {
    let text = |field: &str| task[field].as_str().unwrap_or_default().to_owned();
    let (task_id, status) = (text("task_id"), text("status"));
    let percent = task["progress"]["percent"].as_f64().unwrap_or(0.0);
    let before = percents.insert(task_id.clone(), percent).unwrap_or(0.0);
    if percent < before {
        run.problem(format!("a WebSocket fell from {before} to {task:#}"));
    }
    told.messages += 1;
    if status == "running" && percent > 0.0 && percent < 100.0 {
        told.between += 1;
    }
    let last = told.last.insert(task_id, status.clone());
    if let Some(last) = last
        && is_final(&last)
        && last != status
    {
        run.problem(format!("after {last} a WebSocket said {task:#}"));
    }
}
