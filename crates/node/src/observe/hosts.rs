//! Vitals as rows, alone and beside their member.

use super::place;
use crate::machine::Vitals;
use crate::{Audience, Node};
use rumormill_core::columns;
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::observe::Moment;
use rumormill_core::table::{Cell, Column, Table, join};
use rumormill_core::words::seconds;
use rumormill_protocols::member::swim::MEMBERS;

/// One reading of a machine.
const READING: &[Column] = columns! {
    /// Load average over one minute.
    load1: Float,
    /// Load average over five minutes.
    load5: Float,
    /// Load average over fifteen minutes.
    load15: Float,
    /// CPU in use, in percent of all cores.
    cpu_percent: Float,
    /// Cores.
    cpus: Int,
    /// Memory in use, in percent of all.
    memory_percent: Float,
    /// Memory, in bytes.
    memory_total_bytes: Int,
    /// Memory that could be had without swapping (`MemAvailable`), in bytes.
    memory_available_bytes: Int,
    /// Swap in use, in bytes.
    swap_used_bytes: Int,
    /// Time in which some task waited for the CPU, in percent over 10 s.
    pressure_cpu_percent: Float,
    /// Time in which some task waited for memory, in percent over 10 s.
    pressure_memory_percent: Float,
    /// Time in which some task waited for input or output, in percent over 10 s.
    pressure_io_percent: Float,
    /// The share of the fullest disk that is in use, in percent.
    disk_percent: Float,
    /// Mount points of disks that do not answer, as a JSON list.
    hung_disks: Json,
    /// Bytes received by all network interfaces but loopback, per second.
    net_received_bytes_per_s: Float,
    /// Bytes sent, alike.
    net_sent_bytes_per_s: Float,
    /// Seconds since the machine started.
    uptime_s: Int,
    /// Processes that exist; threads are not counted.
    processes: Int,
    /// Memory of the member's agent itself, resident, in bytes.
    agent_memory_bytes: Int,
    /// CPU of the member's agent itself, in percent of one core.
    agent_cpu_percent: Float,
};

const OF_VITALS: &[Column] = columns! {
    /// The member.
    id: Text,
    /// Its name.
    name: Text,
    /// Seconds since they were written, by the clocks of both.
    age_s: Float,
    /// Seconds since they arrived here, by this node's clock.
    heard_s: Float,
    /// The time at which the member wrote its vitals, by its own clock.
    written: Time,
};

const OF_HOSTS: &[Column] = columns! {
    /// The member.
    id: Text,
    /// Its name.
    name: Text,
    /// True of the node that answers.
    is_self: Bool,
    /// Its state: `alive`, `suspect`, `failed`, `left` or `banned`.
    status: Text,
    /// Seconds since its state changed.
    since_s: Float,
    /// Seconds since this node last heard from it directly; null if it never did.
    heard_s: Float,
    /// Its tags, as a JSON object.
    tags: Json,
    /// The smoothed round trip in milliseconds, by datagram; null if it was never measured.
    rtt_ms: Float,
    /// Seconds since its vitals were written, by the clocks of both; null if none arrived.
    vitals_age_s: Float,
};

/// Vitals.
pub static VITALS: Table = Table {
    name: "vitals",
    about: "The newest vitals that arrived of each member: its machine. What it could not read is null.",
    key: &["id"],
    columns: &join::<{ OF_VITALS.len() + READING.len() }>(OF_VITALS, READING),
};

/// Members with their vitals.
pub static HOSTS: Table = Table {
    name: "hosts",
    about: "All members, each with its newest vitals. The vitals are null where none arrived.",
    key: &["id"],
    columns: &join::<{ OF_HOSTS.len() + READING.len() }>(OF_HOSTS, READING),
};

impl<K: Keys, A: Audience> Node<K, A> {
    pub(super) fn vitals_row(&self, id: NodeId, at: &Moment) -> Option<Vec<Cell>> {
        let entry = self.vitals_of(id)?;
        let mut row = vec![
            id.into(),
            Cell::Null,
            seconds(at.wall.since(entry.written)).into(),
            seconds(at.now.since(entry.heard)).into(),
            entry.written.into(),
        ];
        row.extend(reading(Vitals::decode(&entry.value).as_ref()));
        Some(row)
    }

    pub(super) fn host_row(&self, id: NodeId, at: &Moment) -> Option<Vec<Cell>> {
        let member = self.member_row(id, at)?;
        let entry = self.vitals_of(id);
        let (age, of_member) = OF_HOSTS.split_last().unwrap_or_else(|| unreachable!("it has columns"));
        debug_assert_eq!(age.name, "vitals_age_s");
        let cells = of_member.iter().map(|column| member[place(&MEMBERS, column.name)].clone());
        let mut row: Vec<Cell> = cells.collect();
        row.push(entry.as_ref().map(|entry| seconds(at.wall.since(entry.written))).into());
        row.extend(reading(entry.and_then(|entry| Vitals::decode(&entry.value)).as_ref()));
        Some(row)
    }
}

/// The cells of a reading; null if there is none, or it cannot be read.
fn reading(vitals: Option<&Vitals>) -> Vec<Cell> {
    let Some(v) = vitals else { return vec![Cell::Null; READING.len()] };
    let scaled = |value: Option<u32>, by: f64| Cell::from(value.map(|value| f64::from(value) / by));
    let percent = |value: Option<u16>| scaled(value.map(u32::from), 100.0);
    let bytes = |kib: Option<u64>| Cell::from(kib.map(|kib| kib.saturating_mul(1024)));
    let rate = |rate: Option<u64>| Cell::from(rate.map(|rate| rate as f64));
    vec![
        scaled(v.load_1_centi, 100.0),
        scaled(v.load_5_centi, 100.0),
        scaled(v.load_15_centi, 100.0),
        scaled(v.cpu_busy_permille.map(u32::from), 10.0),
        v.cores.map(u32::from).into(),
        v.memory_percent().into(),
        bytes(v.mem_total_kib),
        bytes(v.mem_available_kib),
        bytes(v.swap_used_kib),
        percent(v.pressure_cpu_centipercent),
        percent(v.pressure_memory_centipercent),
        percent(v.pressure_io_centipercent),
        v.disk_percent().into(),
        Cell::list(v.hung_disks()),
        rate(v.net_rx_bytes_per_s),
        rate(v.net_tx_bytes_per_s),
        v.uptime_s.into(),
        v.processes.into(),
        bytes(v.agent_rss_kib),
        scaled(v.agent_cpu_ppm, 10_000.0),
    ]
}
