//! Fifty downloads of 20 MiB at once: the running product (`wharf serve` and `wharf work`, SQLite) against fifty plain yt-dlp
//! processes that a shell starts, from the same media server on this machine, in turns. Printed are wall
//! times, their ratio and the most memory that the worker itself had resident (yt-dlp not included).
//!
//! `cargo bench --package tests --bench downloads`

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tests::figures::print_machine;
use tests::{TestApp, User, media};

const DOWNLOADS: usize = 50;
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() {
    let [good, _] = media().addresses();
    let app = TestApp::sqlite()
        .allow(&good)
        .config("quota = { user = 1000 }")
        .command("serve")
        .start();
    let worker = TestApp::sqlite().command("work").start_beside(&app);
    let user = app.user().await;
    print_machine();
    println!("{DOWNLOADS} downloads of 20 MiB at once, seconds\n");
    println!("| round | Wharf | shell and yt-dlp | ratio |");
    println!("| --- | --- | --- | --- |");
    let idle = memory(&worker, "VmRSS");
    let (mut ours, mut theirs) = (0.0, 0.0);
    for round in 1..=ROUNDS {
        let plain = by_shell();
        let wharf = by_wharf(&user).await;
        println!(
            "| {round} | {wharf:.1} | {plain:.1} | {:.2} |",
            wharf / plain
        );
        ours += wharf;
        theirs += plain;
    }
    println!("| all | {ours:.1} | {theirs:.1} | {:.2} |", ours / theirs);
    println!(
        "\nThe worker's own memory: {idle:.0} MiB before, {:.0} MiB at the most",
        memory(&worker, "VmHWM")
    );
}

/// A line of `/proc/PID/status`, MiB.
fn memory(app: &TestApp, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.pid())).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("a line");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<f64>().expect("a number") / 1024.0
}

async fn by_wharf(user: &User<'_>) -> f64 {
    let shelf = media().shelf();
    let started = Instant::now();
    let url = shelf.url("large.mp4");
    let submits = (0..DOWNLOADS).map(|_| user.submit(&url));
    let tasks = futures_util::future::join_all(submits).await;
    let deadline = started + PATIENCE;
    loop {
        let done = user.get("/api/v1/user/stats").await.ok();
        let open = user
            .get("/api/v1/tasks?status=running&page_size=1")
            .await
            .ok();
        let waiting = user
            .get("/api/v1/tasks?status=queued&page_size=1")
            .await
            .ok();
        if open["total"] == 0 && waiting["total"] == 0 {
            assert_eq!(done["failed"], 0, "{done}");
            break;
        }
        assert!(Instant::now() < deadline, "it takes too long: {done}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let elapsed = started.elapsed().as_secs_f64();
    for (task_id, _) in tasks {
        user.delete_task(&task_id).await;
    }
    elapsed
}

fn by_shell() -> f64 {
    let shelf = media().shelf();
    let folder = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let script = format!(
        "for n in $(seq {DOWNLOADS}); do '{}' --ignore-config --quiet --no-progress --output \"$n.mp4\" '{}' & done; wait",
        tests::ytdlp().display(),
        shelf.url("large.mp4")
    );
    let started = Instant::now();
    let status = Command::new("/bin/sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()));
    let elapsed = started.elapsed().as_secs_f64();
    assert_eq!(files(folder.path()), DOWNLOADS, "some downloads failed");
    elapsed
}

fn files(folder: &Path) -> usize {
    let finished = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "mp4");
    tests::files_under(folder)
        .iter()
        .filter(|path| finished(path))
        .count()
}
