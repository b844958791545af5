//! Requests per second, p50 and p99 of `GET /api/v1/tasks/{id}` through the running product (`wharf up` on
//! SQLite, a component on the bundled runner), against the same logic natively: `axum` on the same store
//! functions, the same adapter and a database with the same rows, its answers byte for byte the same.
//!
//! Both servers are processes of their own with the defaults of tokio; the load comes from one thread of
//! this process, over connections that are kept alive, each sending the next request once it has its
//! answer. All share the machine's cores. Rounds alternate between the servers, so that whatever else the
//! machine does hits both. CPU time is the server's own, user and system, and hardly depends on the
//! machine's other work. For orientation: `/health` of the product, which no component answers, and a bare
//! `axum` route.
//!
//! `cargo bench --package tests --bench requests`

#[path = "requests/load.rs"]
mod load;
#[path = "requests/native.rs"]
mod native;
#[path = "requests/rows.rs"]
mod rows;

use load::Target;
use std::time::Duration;
use tests::TestApp;
use tests::figures::{percentile_ms, print_machine};

/// The binary's, so that the native server has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: [usize; 2] = [1, 32];
const ROUNDS: usize = 5;
/// Of each round on each server.
const ROUND: Duration = Duration::from_secs(2);
/// Before each round; not counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// What the product should reach of the native server.
const TARGET_RATIO: f64 = 0.5;

/// The rounds of one server at one number of connections.
#[derive(Default)]
struct Result {
    /// Of each round.
    per_second: Vec<f64>,
    cpu: Duration,
    latencies: Vec<Duration>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match arguments.as_slice() {
        [word, folder, key] if word == native::ARGUMENT => native::serve(folder, key),
        _ => runtime.block_on(measure()),
    }
}

async fn measure() {
    let mut app = TestApp::sqlite().start();
    // Stopped, so that its worker does not take the tasks on while they are written.
    app.stop();
    let key = rows::users_key(&app.data());
    let rows = rows::Rows::new(&key);
    rows.write(&app.data()).await;
    app.restart();
    let folder = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    rows.write(folder.path()).await;
    let native = native::Server::start(folder.path(), &key);

    let target = |name, base, pid, paths| Target::new(name, base, vec![pid], paths, &rows.token);
    let product = |name, paths| target(name, app.base(), app.pid(), paths);
    let native = |name, paths| target(name, native.base(), native.pid(), paths);
    let targets = [
        native("native task", rows.paths()),
        product("wharf task", rows.paths()),
        native("native hello", vec!["/hello".to_owned()]),
        product("wharf health", vec!["/health".to_owned()]),
    ];
    assert_eq!(
        targets[0].first_body().await,
        targets[1].first_body().await,
        "both answer the same"
    );

    print_machine();
    println!(
        "{:<13} {:>5} {:>11} {:>9} {:>9} {:>12}",
        "", "conns", "requests/s", "p50 ms", "p99 ms", "CPU us/req"
    );
    for connections in CONNECTIONS {
        let mut results: Vec<Result> = targets.iter().map(|_| Result::default()).collect();
        for _ in 0..ROUNDS {
            for (target, result) in targets.iter().zip(&mut results) {
                target.load(connections, WARM_UP).await;
                result.add(target.load(connections, ROUND).await);
            }
        }
        for (target, result) in targets.iter().zip(&mut results) {
            result.print(target.name, connections);
        }
        print_ratio(&results[1], &results[0]);
    }
}

impl Result {
    fn add(&mut self, round: load::Round) {
        let count = round.latencies.len();
        self.per_second
            .push(count as f64 / round.elapsed.as_secs_f64());
        self.cpu += round.cpu;
        self.latencies.extend(round.latencies);
    }

    fn mean_per_second(&self) -> f64 {
        self.per_second.iter().sum::<f64>() / self.per_second.len() as f64
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }

    fn print(&mut self, name: &str, connections: usize) {
        println!(
            "{name:<13} {connections:>5} {:>11.0} {:>9.2} {:>9.2} {:>12.0}",
            self.mean_per_second(),
            percentile_ms(&mut self.latencies, 50.0),
            percentile_ms(&mut self.latencies, 99.0),
            self.cpu_us(),
        );
    }
}

fn print_ratio(product: &Result, native: &Result) {
    let rounds = product.per_second.iter().zip(&native.per_second);
    let mut ratios: Vec<f64> = rounds.map(|(product, native)| product / native).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "wharf task / native task: {:.2} of its requests/s (rounds {:.2} to {:.2}; target {TARGET_RATIO}), {:.1} times its CPU time\n",
        product.mean_per_second() / native.mean_per_second(),
        ratios.first().copied().unwrap_or(0.0),
        ratios.last().copied().unwrap_or(0.0),
        product.cpu_us() / native.cpu_us(),
    );
}
