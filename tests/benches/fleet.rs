//! Runners and workers on one PostgreSQL behind nginx, as `deploy/nginx/wharf.conf` has it: how requests per second
//! and tasks per second grow with each process, as ratios to one runner and one worker.
//!
//! - *read*: `GET /api/v1/tasks/{id}`, token checked, over 32 connections that are kept;
//! - *tasks*: exports of a few rows, submitted by 16 clients at once, from the first submission to the last file.
//!
//! It is one fleet whose members are stopped and started; rounds alternate between the shapes. Clients, nginx,
//! members and database share the machine's cores, so that what another process brings is what the machine has to
//! spare.
//!
//! `cargo bench --package tests --bench fleet`

#[path = "requests/load.rs"]
mod load;

use futures_util::future::join_all;
use load::Target;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::figures::{percentile_ms, print_machine};
use tests::{Caller, PATIENCE, Role, Shape, TestApp, eventually};

/// The first is what the others are held against.
const SHAPES: [Shape; 5] = [
    Shape::new(1, 1),
    Shape::new(2, 1),
    Shape::new(1, 2),
    Shape::new(2, 2),
    Shape::new(2, 3),
];
const ROUNDS: usize = 5;
const CONNECTIONS: usize = 32;
/// Of reads in each round; the time before it does not count.
const ROUND: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(500);
const CLIENTS: usize = 16;
/// Exports of each client in each round.
const EXPORTS: usize = 15;

#[derive(Default)]
struct Figures {
    /// Of each round.
    requests_per_second: Vec<f64>,
    tasks_per_second: Vec<f64>,
    latencies: Vec<Duration>,
    /// Of runners and workers.
    cpu: Duration,
}

#[tokio::main]
async fn main() {
    let Some(builder) = TestApp::scaled_out(Shape::WHOLE) else {
        return;
    };
    let app = builder.start();
    let project = app.project("bench", &[]).await;
    let task = project.exported(&export()).await;
    let path = format!("/api/v1/tasks/{}", task["task_id"].as_str().expect("an id"));

    print_machine();
    let mut figures: Vec<Figures> = SHAPES.iter().map(|_| Figures::default()).collect();
    for _ in 0..ROUNDS {
        for (shape, figures) in SHAPES.iter().zip(&mut figures) {
            become_of(&app, *shape);
            let paths = vec![path.clone()];
            let target = Target::new("fleet", app.base(), app.pids(), paths, project.token());
            let answer = target.first_body().await;
            assert!(answer.starts_with(b"{\"code\":0"), "{answer:?}");
            target.load(CONNECTIONS, WARM_UP).await;
            let round = target.load(CONNECTIONS, ROUND).await;
            let count = round.latencies.len() as f64;
            let per_second = count / round.elapsed.as_secs_f64();
            figures.requests_per_second.push(per_second);
            figures.latencies.extend(round.latencies);
            figures.cpu += round.cpu;
            figures
                .tasks_per_second
                .push(tasks_per_second(&project).await);
        }
    }
    print(&mut figures);
}

/// Starts and stops members until so many of each run.
fn become_of(app: &TestApp, shape: Shape) {
    for (role, wanted) in [(Role::Runner, shape.runners), (Role::Worker, shape.workers)] {
        let members = app.fleet().members().iter().filter(|it| it.role == role);
        for (number, member) in members.enumerate() {
            match (member.pid().is_some(), number < wanted) {
                (false, true) => assert!(member.start(), "a member starts"),
                (true, false) => assert!(member.stop().expect("it ends").success()),
                _ => {}
            }
        }
    }
}

fn export() -> Value {
    let rows: Vec<Value> = (0..20).map(tests::row).collect();
    json!({ "name": "rows", "type": "csv", "source_data": rows })
}

/// Submits exports and waits until all files are there.
async fn tasks_per_second(project: &Caller<'_>) -> f64 {
    let total = async |status: &str| {
        let query = format!("?status={status}&page_size=1");
        let list = project.tasks(&query).await.ok();
        list["total"].as_u64().expect("a number")
    };
    let before = total("succeeded").await;
    let body = export();
    let began = Instant::now();
    let clients = (0..CLIENTS).map(async |_| {
        for _ in 0..EXPORTS {
            project.submit_export(&body).await;
        }
    });
    join_all(clients).await;
    let wanted = before + (CLIENTS * EXPORTS) as u64;
    eventually("all exports are done", PATIENCE, async || {
        (total("succeeded").await >= wanted).then_some(())
    })
    .await;
    (CLIENTS * EXPORTS) as f64 / began.elapsed().as_secs_f64()
}

fn mean(rounds: &[f64]) -> f64 {
    rounds.iter().sum::<f64>() / rounds.len() as f64
}

fn print(figures: &mut [Figures]) {
    println!(
        "{:<8} {:<8} {:>11} {:>6} {:>9} {:>9} {:>11} {:>8} {:>6}",
        "runners",
        "workers",
        "requests/s",
        "ratio",
        "p50 ms",
        "p99 ms",
        "CPU us/req",
        "tasks/s",
        "ratio"
    );
    let requests = mean(&figures[0].requests_per_second);
    let tasks = mean(&figures[0].tasks_per_second);
    for (shape, figures) in SHAPES.iter().zip(figures) {
        let per_second = mean(&figures.requests_per_second);
        let done = mean(&figures.tasks_per_second);
        println!(
            "{:<8} {:<8} {:>11.0} {:>6.2} {:>9.2} {:>9.2} {:>11.0} {:>8.0} {:>6.2}",
            shape.runners,
            shape.workers,
            per_second,
            per_second / requests,
            percentile_ms(&mut figures.latencies, 50.0),
            percentile_ms(&mut figures.latencies, 99.0),
            figures.cpu.as_secs_f64() * 1e6 / figures.latencies.len() as f64,
            done,
            done / tasks,
        );
    }
}
