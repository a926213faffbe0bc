//! What an experiment cost this process, and what there is to be had.

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds of this process, all threads.
pub fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// CPU time of this thread, in nanoseconds.
pub fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The most memory that this process has held, in KiB; none where the kernel does not tell.
pub fn peak_rss_kib() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// Memory that can be had, in bytes; none where the kernel does not tell.
pub fn available_bytes() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable:").map(|kib| kib * 1024)
}

fn field(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
