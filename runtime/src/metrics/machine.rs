//! The machine and this process, from `/proc` and the file system. What another system does not tell is left
//! out.

use super::page::Page;
use crate::worker::disk;
use std::path::Path;

/// Processor time of the whole machine since it started, in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    busy: u64,
    total: u64,
}

/// Percentages are 0 to 100.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub ticks: Option<Ticks>,
    cpu_usage_percent: Option<f64>,
    memory_usage_percent: Option<f64>,
    disk_usage_percent: Option<f64>,
    resident_bytes: Option<f64>,
    open_files: Option<f64>,
    cpu_seconds: Option<f64>,
}

impl Machine {
    /// Reads everything; the processor's use is that since `before`. Blocks: a file system may hang.
    pub fn read(data_dir: &Path, before: Option<Ticks>) -> Self {
        let ticks = ticks_now();
        Self {
            ticks,
            cpu_usage_percent: before
                .zip(ticks)
                .map(|(before, now)| now.usage_percent(before)),
            memory_usage_percent: read("/proc/meminfo").and_then(|text| memory_percent(&text)),
            disk_usage_percent: disk::measure(data_dir).ok().map(disk::Usage::percent),
            resident_bytes: read("/proc/self/status")
                .and_then(|text| kibibytes(&text, "VmRSS:"))
                .map(|kibibytes| kibibytes * 1024.0),
            open_files: std::fs::read_dir("/proc/self/fd")
                .ok()
                .map(|entries| entries.count() as f64),
            cpu_seconds: read("/proc/self/stat").and_then(|text| cpu_seconds(&text)),
        }
    }

    /// A line per metric.
    pub(super) fn write(&self, page: &mut Page) {
        let lines = [
            (
                "cpu_usage_percent",
                "Processor time in use on the machine since the look before, 0 to 100",
                self.cpu_usage_percent,
            ),
            (
                "memory_usage_percent",
                "Memory of the machine that is not available, 0 to 100",
                self.memory_usage_percent,
            ),
            (
                "disk_usage_percent",
                "Space in use on the data folder's file system, 0 to 100",
                self.disk_usage_percent,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory of this process",
                self.resident_bytes,
            ),
            (
                "process_open_fds",
                "Open file descriptors of this process",
                self.open_files,
            ),
        ];
        for (name, help, value) in lines {
            if let Some(value) = value {
                page.gauge(name, help, value);
            }
        }
        if let Some(seconds) = self.cpu_seconds {
            page.counter(
                "process_cpu_seconds",
                "Processor time of this process, without its children",
                seconds,
            );
        }
    }
}

impl Ticks {
    fn usage_percent(self, before: Self) -> f64 {
        let share = |ticks: u64| ticks as f64;
        let total = share(self.total.saturating_sub(before.total));
        let busy = share(self.busy.saturating_sub(before.busy));
        (100.0 * busy / total.max(1.0)).clamp(0.0, 100.0)
    }
}

pub fn ticks_now() -> Option<Ticks> {
    read("/proc/stat").and_then(|stat| ticks(&stat))
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; what follows is
/// contained in the first two (proc_stat(5)).
fn ticks(stat: &str) -> Option<Ticks> {
    let numbers: Vec<u64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .take(8)
        .map_while(|number| number.parse().ok())
        .collect();
    let total = numbers.iter().sum();
    let idle = numbers.get(3)? + numbers.get(4)?;
    Some(Ticks {
        busy: total - idle,
        total,
    })
}

fn memory_percent(meminfo: &str) -> Option<f64> {
    let total = kibibytes(meminfo, "MemTotal:")?;
    let available = kibibytes(meminfo, "MemAvailable:")?;
    Some(100.0 * (total - available) / total.max(1.0))
}

/// The number in a line such as `VmRSS:   1234 kB`.
fn kibibytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of `/proc/self/stat`, user and system time; a tick is 10 ms for every program
/// (USER_HZ, proc_pid_stat(5)). The name in field 2 may hold blanks.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_use_is_what_was_not_idle_since_before() {
        let before = ticks("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2\n").expect("ticks");
        let now = ticks("cpu  150 0 125 770 105 0 0 0 0 0\n").expect("ticks");
        // 150 ticks went by, 75 of them idle or waiting for the disk.
        assert_eq!(now.usage_percent(before), 50.0);
        assert_eq!(now.usage_percent(now), 0.0);
        assert!(ticks("").is_none() && ticks("cpu  1 2\n").is_none());
    }

    #[test]
    fn memory_and_times_are_read_from_the_kernels_tables() {
        let meminfo = "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   250 kB\n";
        assert_eq!(memory_percent(meminfo), Some(75.0));
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
    }

    #[test]
    fn this_machine_tells_of_itself() {
        let machine = Machine::read(Path::new("/"), None);
        let disk = machine.disk_usage_percent.expect("a file system");
        assert!((0.0..=100.0).contains(&disk), "{disk}");
        if cfg!(target_os = "linux") {
            assert!(machine.resident_bytes.is_some_and(|bytes| bytes > 1e5));
            assert!(machine.open_files.is_some_and(|count| count >= 3.0));
        }
    }
}
