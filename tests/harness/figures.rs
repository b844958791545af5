//! What the benchmarks have in common: figures from samples, and the machine they were taken on.

use std::time::Duration;

/// What one clock tick in `/proc/<pid>/stat` is on Linux.
const TICK: Duration = Duration::from_millis(10);

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

/// User and system time of a process so far.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the program's name in brackets and may hold blanks; `utime` and `stime` are the
    // 14th and 15th.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = fields.split(' ').skip(11).take(2);
    TICK * ticks
        .filter_map(|tick| tick.parse::<u32>().ok())
        .sum::<u32>()
}
