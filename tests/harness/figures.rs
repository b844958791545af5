//! What the benchmarks have in common: figures from samples, and the machine they were taken on.

use std::time::Duration;

/// The value that `percent` of the samples do not exceed, in milliseconds. Sorts them.
pub fn percentile_ms(samples: &mut [Duration], percent: f64) -> f64 {
    samples.sort_unstable();
    let last = samples.len().saturating_sub(1);
    let index = (last as f64 * percent / 100.0).round() as usize;
    samples
        .get(index)
        .map_or(0.0, |sample| sample.as_secs_f64() * 1000.0)
}

/// Says what else the machine is doing: figures from a busy one mean little.
pub fn print_machine() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(2).collect();
    println!(
        "{cores} cores, load average before this run {}\n",
        load.join(" ")
    );
}
