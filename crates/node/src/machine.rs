//! A machine's vitals: load, CPU, memory, disks and more, as they travel between members.

use minicbor::{CborLen, Decode, Encode};
use rumormill_core::wire::{self, Item};

/// Disks that are told of: the root and the three largest others (issue).
pub const DISKS_MAX: usize = 4;
/// Longest name of a mount point that is told, in bytes; longer ones lose their beginning (our guess).
pub const MOUNT_BYTES_MAX: usize = 32;

/// The head of a list in CBOR, without its length.
const LIST: u8 = 0x80;

/// One reading of a machine. What it does not have, or what needs a second reading, is missing.
///
/// Encoded it takes about 85 bytes with one disk, 145 with all four. Fields are numbered and may be added, never renumbered.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode, CborLen)]
pub struct Vitals {
    /// Load average over one minute, in hundredths.
    #[n(0)]
    pub load_1_centi: Option<u32>,
    /// Load average over five minutes, in hundredths.
    #[n(1)]
    pub load_5_centi: Option<u32>,
    /// Load average over fifteen minutes, in hundredths.
    #[n(2)]
    pub load_15_centi: Option<u32>,
    /// Cores that are online.
    #[n(3)]
    pub cores: Option<u16>,
    /// The part of the time since the last reading in which cores were busy, all together, in thousandths. Waiting for a disk is not busy.
    #[n(4)]
    pub cpu_busy_permille: Option<u16>,
    /// Memory, in KiB.
    #[n(5)]
    pub mem_total_kib: Option<u64>,
    /// Memory that a new program could get without swapping (`MemAvailable`), in KiB.
    #[n(6)]
    pub mem_available_kib: Option<u64>,
    /// Swap space, in KiB.
    #[n(7)]
    pub swap_total_kib: Option<u64>,
    /// Swap space in use, in KiB.
    #[n(8)]
    pub swap_used_kib: Option<u64>,
    /// Time in which some task waited for a core, over ten seconds, in hundredths of a per cent.
    #[n(9)]
    pub pressure_cpu_centipercent: Option<u16>,
    /// Time in which some task waited for memory, likewise.
    #[n(10)]
    pub pressure_memory_centipercent: Option<u16>,
    /// Time in which some task waited for a disk, likewise.
    #[n(11)]
    pub pressure_io_centipercent: Option<u16>,
    /// The root and the largest other disks, at most [`DISKS_MAX`].
    #[cbor(n(12), with = "disk_list", has_nil)]
    pub disks: Vec<Disk>,
    /// Bytes received per second since the last reading, on all interfaces but loopback.
    #[n(13)]
    pub net_rx_bytes_per_s: Option<u64>,
    /// Bytes sent per second, likewise.
    #[n(14)]
    pub net_tx_bytes_per_s: Option<u64>,
    /// Seconds since the machine started.
    #[n(15)]
    pub uptime_s: Option<u64>,
    /// Processes of this kernel, those in containers included; threads are not counted.
    #[n(16)]
    pub processes: Option<u32>,
    /// Threads and processes that the kernel schedules (the second number of the fourth field of `/proc/loadavg`).
    #[n(17)]
    pub threads: Option<u32>,
    /// Resident memory of the agent itself, in KiB.
    #[n(18)]
    pub agent_rss_kib: Option<u64>,
    /// CPU time of the agent itself since the last reading, in millionths of one core.
    #[n(19)]
    pub agent_cpu_ppm: Option<u32>,
}

/// A disk: a mounted file system on a device or on another machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Disk {
    /// Where it is mounted; at most [`MOUNT_BYTES_MAX`] bytes, then the end of it.
    #[n(0)]
    pub mount: String,
    /// Its size, in MiB; zero if it never answered.
    #[n(1)]
    pub total_mib: u32,
    /// What of it is not free, in MiB.
    #[n(2)]
    pub used_mib: u32,
    /// It does not answer; the sizes are the last that were known.
    #[n(3)]
    pub is_hung: bool,
}

impl Item for Disk {
    // An array of four, with an empty name and small numbers.
    const BYTES_MIN: usize = 5;
}

/// A list of at most [`DISKS_MAX`] disks: what a newer or hostile writer adds is dropped.
mod disk_list {
    use super::*;
    use minicbor::decode::Decoder;

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        disks: &[Disk],
        e: &mut minicbor::Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        wire::list::encode(disks, e, c)
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, c: &mut C) -> Result<Vec<Disk>, minicbor::decode::Error> {
        let mut disks: Vec<Disk> = wire::list::decode(d, c)?;
        disks.truncate(DISKS_MAX);
        Ok(disks)
    }

    pub(super) fn nil() -> Option<Vec<Disk>> {
        Some(Vec::new())
    }

    pub(super) fn is_nil(disks: &[Disk]) -> bool {
        disks.is_empty()
    }

    pub(super) fn cbor_len<C>(disks: &[Disk], c: &mut C) -> usize {
        wire::list::cbor_len(disks, c)
    }
}

impl Vitals {
    /// The bytes that travel.
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(wire::len(self));
        wire::put(self, &mut out);
        out
    }

    /// Reads them back; nothing if they are not vitals.
    pub fn decode(bytes: &[u8]) -> Option<Vitals> {
        wire::decode(bytes).ok()
    }

    /// Reads the first `fields` fields; the others are missing. A reader of one number of each member need not read all numbers of all.
    pub fn decode_first(bytes: &[u8], fields: u8) -> Option<Vitals> {
        // Vitals are a list of fewer than 24 fields, so its head is one byte.
        let (head, rest) = bytes.split_first()?;
        let (is_short_list, count) = (head & 0xe0 == LIST && head & 0x1f < 24, head & 0x1f);
        if !is_short_list || fields >= count {
            return Vitals::decode(bytes);
        }
        let mut shortened = Vec::with_capacity(bytes.len());
        shortened.push(LIST | fields);
        shortened.extend_from_slice(rest);
        minicbor::decode(&shortened).ok()
    }

    /// Memory in use, in percent of all.
    pub fn memory_percent(&self) -> Option<f64> {
        let (total, available) = self.mem_total_kib.zip(self.mem_available_kib)?;
        percent(total.saturating_sub(available), total)
    }

    /// The share of the fullest disk that is in use, in percent.
    pub fn disk_percent(&self) -> Option<f64> {
        self.disks.iter().filter_map(Disk::percent).max_by(f64::total_cmp)
    }

    /// The disks that do not answer, by mount point.
    pub fn hung_disks(&self) -> impl Iterator<Item = &str> {
        self.disks.iter().filter(|disk| disk.is_hung).map(|disk| disk.mount.as_str())
    }
}

impl Disk {
    /// The share that is in use, in percent; none if its size is unknown.
    pub fn percent(&self) -> Option<f64> {
        percent(self.used_mib.into(), self.total_mib.into())
    }
}

/// To two decimal places.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1e4).round() / 1e2)
}
