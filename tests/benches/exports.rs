//! Exports (DC-4 to DC-7): rows per second and the most memory of our writers against others, each in a
//! process of its own, on the same rows; then `wharf up` against `curl` on the pages of a local source.
//!
//! Ours are timed as the worker drives them, on one thread and the one that deflates: pages of JSON are read
//! and checked, written into parts on the disk, and put together into a file that is hashed. The others write
//! cells that are typed already: their time does not hold reading the pages, and their heads are one line.
//!
//! `cargo bench --package tests --bench exports`, with `-- ROWS` for another number than 1,000,000, with
//! `-- files` or `-- end-to-end` for one half alone.

#[path = "exports/cells.rs"]
mod cells;
#[path = "exports/end_to_end.rs"]
mod end_to_end;
#[path = "exports/ours.rs"]
mod ours;
#[path = "exports/peers.rs"]
mod peers;
#[path = "exports/rows.rs"]
mod rows;
#[path = "exports/rust_peer.rs"]
mod rust_peer;

use peers::Peers;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::figures::print_machine;

/// The binary's, so that our writers have it here too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: u64 = 1_000_000;
const ROUNDS: usize = 3;
/// The argument of a child that writes one file.
const CHILD: &str = "write";
const REFERENCE: &str = "rust_xlsxwriter";
/// Each with the lines above its rows.
const WRITERS: [(&str, u64); 7] = [
    ("csv", 1),
    ("head tree", 3),
    ("template", 2),
    (REFERENCE, 1),
    ("xlsxwriter", 1),
    ("openpyxl", 1),
    ("exceljs", 1),
];

/// What one file took.
#[derive(Clone, Copy)]
struct Took {
    seconds: f64,
    memory_kib: f64,
    file_bytes: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, kind, pages, folder, out] = arguments.as_slice()
        && command == CHILD
    {
        return write(kind, pages.as_ref(), folder.as_ref(), out.as_ref());
    }
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let rows = arguments.iter().find_map(|text| text.parse().ok());
    let rows = rows.unwrap_or(ROWS);
    print_machine();
    if !asked("end-to-end") {
        files(rows);
    }
    if !asked("files") {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(end_to_end::run(rows));
    }
}

/// Writes one file and prints seconds and KiB.
fn write(kind: &str, pages: &Path, folder: &Path, out: &Path) {
    let time: Duration = match kind {
        REFERENCE => rust_peer::run(pages, folder, out),
        _ => ours::run(kind, pages, folder, out),
    };
    let status = std::fs::read_to_string("/proc/self/status").expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    println!("[{}, {}]", time.as_secs_f64(), kib.expect("a number"));
}

fn files(rows: u64) {
    let peers = Peers::set_up();
    let home = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let pages = home.path().join("pages.jsonl");
    rows::prepare(&pages, rows);
    let mut best: [Option<Took>; WRITERS.len()] = [None; WRITERS.len()];
    for round in 0..ROUNDS {
        for ((name, heads), best) in WRITERS.into_iter().zip(&mut best) {
            // The slow ones take their minute once.
            if round > 0 && !is_rust(name) {
                continue;
            }
            let Some(took) = one(name, heads, rows, &pages, home.path(), &peers) else {
                continue;
            };
            let is_best = best.is_none_or(|best| took.seconds < best.seconds);
            *best = if is_best { Some(took) } else { *best };
        }
    }
    println!("{rows} rows of 10 columns; of those in Rust the best of {ROUNDS} rounds in turns\n");
    println!("| writer | rows/s | to {REFERENCE} | peak RSS MiB | file MiB |");
    println!("| --- | --- | --- | --- | --- |");
    let reference = WRITERS.iter().position(|(name, _)| *name == REFERENCE);
    let reference = reference.and_then(|index| best[index]);
    for ((name, _), took) in WRITERS.into_iter().zip(best) {
        let (Some(took), Some(reference)) = (took, reference) else {
            continue;
        };
        println!(
            "| {name} | {:.0} | {:.2} | {:.0} | {:.1} |",
            rows as f64 / took.seconds,
            reference.seconds / took.seconds,
            took.memory_kib / 1024.0,
            took.file_bytes as f64 / f64::from(1 << 20),
        );
    }
}

fn is_rust(name: &str) -> bool {
    matches!(name, "csv" | "head tree" | "template" | REFERENCE)
}

/// Writes one file in a process of its own, and counts what is in it. None where the writer is not there.
fn one(
    name: &str,
    heads: u64,
    rows: u64,
    pages: &Path,
    home: &Path,
    peers: &Peers,
) -> Option<Took> {
    let folder = tempfile::tempdir_in(home).expect("a folder");
    let extension = if name == "csv" { "csv" } else { "xlsx" };
    let out: PathBuf = home.join(format!("file.{extension}"));
    let mut command = if is_rust(name) {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([CHILD, name]);
        command.args([pages, folder.path(), &out]);
        command
    } else {
        peers.command(name, pages, folder.path(), &out)?
    };
    let output = command.output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {told}");
    let [seconds, memory_kib]: [f64; 2] =
        serde_json::from_slice(&output.stdout).expect("two numbers");
    assert_eq!(cells::count(&out, heads), rows * 10, "cells of {name}");
    let file_bytes = std::fs::metadata(&out).expect("a file").len();
    std::fs::remove_file(&out).expect("it goes");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    println!("{name}: {seconds:.2} s, load average {load} at its end");
    Some(Took {
        seconds,
        memory_kib,
        file_bytes,
    })
}
