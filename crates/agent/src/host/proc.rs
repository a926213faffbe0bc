//! The files of `/proc` that are read, and the few lines of them that are parsed here.

use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most bytes read of one file (our guess: `/proc/stat` of a machine with a thousand cores takes 200 KiB).
const FILE_BYTES_MAX: usize = 1 << 20;
/// What one read asks for; most files fit.
const READ_BYTES: usize = 4096;

/// A file that is read again and again through one handle.
pub(super) struct ProcFile {
    path: PathBuf,
    open: Option<File>,
}

impl ProcFile {
    pub(super) fn new(path: PathBuf) -> ProcFile {
        ProcFile { path, open: None }
    }

    /// What the file says now; nothing if it is not there.
    pub(super) fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        if self.open.is_none() {
            self.open = File::open(&self.path).ok();
        }
        let file = self.open.as_ref()?;
        let mut filled = 0;
        loop {
            if buffer.len() < filled + READ_BYTES {
                buffer.resize(filled + READ_BYTES, 0);
            }
            match file.read_at(&mut buffer[filled..], filled as u64) {
                Ok(0) => return Some(&buffer[..filled]),
                Ok(more) => filled += more,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // Opened again next time: what it led to may be gone.
                    self.open = None;
                    return None;
                }
            }
            if filled >= FILE_BYTES_MAX {
                return Some(&buffer[..filled]);
            }
        }
    }
}

/// Time that all cores spent, in clock ticks since the machine started.
pub(super) struct CpuTicks {
    busy: u64,
    all: u64,
    pub cores: u16,
}

/// The lines of `/proc/stat` that begin with `cpu`. Parsed here: the crate's parser goes through all the interrupts that follow as well.
pub(super) fn cpu_ticks(stat: &[u8]) -> Option<CpuTicks> {
    let text = std::str::from_utf8(stat).ok()?;
    let mut lines = text.lines();
    let mut ticks = [0u64; 8]; // user nice system idle iowait irq softirq steal; guest time is in user and nice already
    let total = lines.next()?.strip_prefix("cpu ")?;
    for (tick, word) in ticks.iter_mut().zip(total.split_ascii_whitespace()) {
        *tick = word.parse().ok()?;
    }
    let all: u64 = ticks.iter().sum();
    let idle = ticks[3] + ticks[4];
    let cores = lines.take_while(|line| line.starts_with("cpu")).count();
    Some(CpuTicks { busy: all - idle, all, cores: cores.min(usize::from(u16::MAX)) as u16 })
}

impl CpuTicks {
    /// The busy part of the time since `before`, of all cores together, in thousandths.
    pub(super) fn busy_permille_since(&self, before: &CpuTicks) -> Option<u16> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        // The time spent waiting for I/O may go back (proc_stat(5)).
        let busy = self.busy.saturating_sub(before.busy).min(all);
        Some((busy * 1000 / all) as u16)
    }
}

/// Bytes that went through all interfaces but loopback, since they came up.
pub(super) struct NetBytes {
    pub rx: u64,
    pub tx: u64,
}

/// The sum of `/proc/net/dev`. Parsed here: the crate's parser makes a map of owned names, on machines with thousands of interfaces.
pub(super) fn net_bytes(dev: &[u8]) -> Option<NetBytes> {
    let text = std::str::from_utf8(dev).ok()?;
    let mut sum = NetBytes { rx: 0, tx: 0 };
    for line in text.lines().skip(2) {
        let (name, numbers) = line.split_once(':')?;
        if name.trim() == "lo" {
            continue;
        }
        let mut numbers = numbers.split_ascii_whitespace();
        sum.rx = sum.rx.wrapping_add(numbers.next()?.parse().ok()?);
        sum.tx = sum.tx.wrapping_add(numbers.nth(7)?.parse().ok()?);
    }
    Some(sum)
}

/// The resident size in a process's `statm`, in KiB.
pub(super) fn rss_kib(statm: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(statm).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64 / 1024)
}

/// CPU time that this process has used, all its threads together.
pub(super) fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec as u32)
}

/// Counts the processes without looking at them: the kernel keeps the number, and gives it as the link count of `/proc`.
///
/// That is all processes of this kernel (not threads), those in containers included.
pub(super) struct ProcessCount {
    proc: PathBuf,
    /// Links that are not processes; none if this is not such a directory.
    others: Option<u64>,
}

impl ProcessCount {
    pub(super) fn new(proc: &Path) -> ProcessCount {
        ProcessCount { proc: proc.into(), others: count_others(proc) }
    }

    pub(super) fn read(&self) -> Option<u32> {
        let links = std::fs::metadata(&self.proc).ok()?.nlink();
        links.checked_sub(self.others?).filter(|n| *n > 0).and_then(|n| u32::try_from(n).ok())
    }
}

/// The links of `/proc` from `.`, from its parent, and from those directories that are not processes: the kernel lists them first.
fn count_others(proc: &Path) -> Option<u64> {
    let is_process = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let mut others = 2;
    for entry in std::fs::read_dir(proc).ok()? {
        let entry = entry.ok()?;
        if is_process(&entry.file_name()) {
            break;
        }
        others += u64::from(entry.file_type().is_ok_and(|kind| kind.is_dir()));
    }
    Some(others)
}
