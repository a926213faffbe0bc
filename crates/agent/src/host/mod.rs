//! Reads the machine that the agent runs on: a few files of `/proc` and the sizes of its disks, every five seconds, for about a tenth of a
//! millisecond.
//!
//! Files are kept open and read into one reused buffer. Nothing here scans the processes: a scan costs more than all the rest.
//! What a machine does not have (no pressure information, no swap) is left out of the [`Vitals`], it is never an error.

mod disks;
mod proc;

pub use rumormill_node::machine::{DISKS_MAX, Disk, MOUNT_BYTES_MAX, Vitals};

use disks::Disks;
use proc::ProcFile;
use procfs::{CpuPressure, FromRead, IoPressure, LoadAverage, Meminfo, MemoryPressure, Uptime};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the machine is read, in seconds (issue: every five seconds).
pub const INTERVAL_S: u64 = 5;

/// What is kept between two readings.
pub struct Machine {
    started: Instant,
    files: Files,
    disks: Disks,
    processes: proc::ProcessCount,
    buffer: Vec<u8>,
    cpu: Option<proc::CpuTicks>,
    net: Option<(Duration, proc::NetBytes)>,
    own: (Duration, Duration),
}

struct Files {
    loadavg: ProcFile,
    stat: ProcFile,
    meminfo: ProcFile,
    uptime: ProcFile,
    net: ProcFile,
    pressure_cpu: ProcFile,
    pressure_memory: ProcFile,
    pressure_io: ProcFile,
    own_statm: ProcFile,
}

impl Machine {
    /// Gets ready to read the machine whose root directory is seen at `root` (`/`, or where a container has its host's).
    ///
    /// What is a difference between two readings (busy CPU, network bytes per second) appears with the second.
    pub fn new(root: &Path) -> Machine {
        let proc = root.join("proc");
        let file = |name: &str| ProcFile::new(proc.join(name));
        // `net` and `mounts` lead to those of the reading process; seen from a container, the host's are those of its first process.
        let of_host = |name: &str| -> PathBuf {
            let first = proc.join("1").join(name);
            if root != Path::new("/") && first.exists() { first } else { proc.join(name) }
        };
        Machine {
            started: Instant::now(),
            files: Files {
                loadavg: file("loadavg"),
                stat: file("stat"),
                meminfo: file("meminfo"),
                uptime: file("uptime"),
                net: ProcFile::new(of_host("net/dev")),
                pressure_cpu: file("pressure/cpu"),
                pressure_memory: file("pressure/memory"),
                pressure_io: file("pressure/io"),
                own_statm: ProcFile::new("/proc/self/statm".into()),
            },
            disks: Disks::new(root, of_host("mounts"), disks::stat_disk),
            processes: proc::ProcessCount::new(&proc),
            buffer: Vec::new(),
            cpu: None,
            net: None,
            own: (Duration::ZERO, proc::own_cpu()),
        }
    }

    /// Reads the machine now. Waits a few milliseconds at most, whatever its disks do.
    pub fn read(&mut self) -> Vitals {
        self.read_at(self.started.elapsed())
    }

    /// [`read`](Machine::read), so long after `new`.
    fn read_at(&mut self, at: Duration) -> Vitals {
        let mut vitals = Vitals::default();
        self.load(&mut vitals);
        self.cpu(&mut vitals);
        self.memory(&mut vitals);
        self.pressure(&mut vitals);
        self.net(at, &mut vitals);
        self.own(at, &mut vitals);
        vitals.disks = self.disks.read(at, &mut self.buffer);
        vitals
    }

    fn load(&mut self, vitals: &mut Vitals) {
        let buffer = &mut self.buffer;
        if let Some(load) = self.files.loadavg.read(buffer).and_then(|b| LoadAverage::from_read(b).ok()) {
            let centi = |load: f32| Some((load * 100.0).round() as u32);
            vitals.load_1_centi = centi(load.one);
            vitals.load_5_centi = centi(load.five);
            vitals.load_15_centi = centi(load.fifteen);
            vitals.threads = Some(load.max);
        }
        vitals.processes = self.processes.read();
        let uptime = self.files.uptime.read(buffer).and_then(|b| Uptime::from_read(b).ok());
        vitals.uptime_s = uptime.map(|u| u.uptime as u64);
    }

    fn cpu(&mut self, vitals: &mut Vitals) {
        let now = self.files.stat.read(&mut self.buffer).and_then(proc::cpu_ticks);
        if let Some(now) = &now {
            vitals.cores = Some(now.cores);
            vitals.cpu_busy_permille = self.cpu.as_ref().and_then(|before| now.busy_permille_since(before));
        }
        self.cpu = now;
    }

    fn memory(&mut self, vitals: &mut Vitals) {
        let memory = self.files.meminfo.read(&mut self.buffer).and_then(|b| Meminfo::from_read(b).ok());
        if let Some(memory) = memory {
            vitals.mem_total_kib = Some(memory.mem_total / 1024);
            vitals.mem_available_kib = memory.mem_available.map(|bytes| bytes / 1024);
            vitals.swap_total_kib = Some(memory.swap_total / 1024);
            vitals.swap_used_kib = Some(memory.swap_total.saturating_sub(memory.swap_free) / 1024);
        }
    }

    fn pressure(&mut self, vitals: &mut Vitals) {
        let centi = |percent: f32| (percent * 100.0).round() as u16;
        let (files, buffer) = (&mut self.files, &mut self.buffer);
        let cpu = files.pressure_cpu.read(buffer).and_then(|b| CpuPressure::from_read(b).ok());
        vitals.pressure_cpu_centipercent = cpu.map(|p| centi(p.some.avg10));
        let memory = files.pressure_memory.read(buffer).and_then(|b| MemoryPressure::from_read(b).ok());
        vitals.pressure_memory_centipercent = memory.map(|p| centi(p.some.avg10));
        let io = files.pressure_io.read(buffer).and_then(|b| IoPressure::from_read(b).ok());
        vitals.pressure_io_centipercent = io.map(|p| centi(p.some.avg10));
    }

    fn net(&mut self, at: Duration, vitals: &mut Vitals) {
        let now = self.files.net.read(&mut self.buffer).and_then(proc::net_bytes);
        if let (Some(now), Some((before_at, before))) = (&now, &self.net) {
            vitals.net_rx_bytes_per_s = per_second(before.rx, now.rx, at, *before_at);
            vitals.net_tx_bytes_per_s = per_second(before.tx, now.tx, at, *before_at);
        }
        self.net = now.map(|now| (at, now));
    }

    fn own(&mut self, at: Duration, vitals: &mut Vitals) {
        vitals.agent_rss_kib = self.files.own_statm.read(&mut self.buffer).and_then(proc::rss_kib);
        let cpu = proc::own_cpu();
        let (before_at, before) = self.own;
        let (elapsed, used) = (at.saturating_sub(before_at), cpu.saturating_sub(before));
        if !elapsed.is_zero() {
            vitals.agent_cpu_ppm = u32::try_from(used.as_nanos() * 1_000_000 / elapsed.as_nanos()).ok();
        }
        self.own = (at, cpu);
    }
}

/// Nothing if the counter went back: an interface is gone, or wrapped.
fn per_second(before: u64, now: u64, at: Duration, before_at: Duration) -> Option<u64> {
    let elapsed_ms = at.checked_sub(before_at)?.as_millis();
    let more = u128::from(now.checked_sub(before)?);
    u64::try_from((more * 1000).checked_div(elapsed_ms)?).ok()
}

#[cfg(test)]
mod tests;
