//! Vitals as rows, alone and beside their member.

use crate::machine::Vitals;
use crate::{Audience, Node, Vitals as Entry};
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::observe::Moment;
use rumormill_core::table::{Cell, Column, Table, Wanted, join, place};
use rumormill_core::words::seconds;
use rumormill_core::{columns, push_row};
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

/// Columns of a host that are a member's.
const OF_MEMBER: usize = OF_HOSTS.len() - 1;
/// The place of each of them among the columns of `members`.
const PLACES: [usize; OF_MEMBER] = {
    let (mut places, mut at) = ([0; OF_MEMBER], 0);
    while at < OF_MEMBER {
        places[at] = place(MEMBERS.columns, OF_HOSTS[at].name);
        at += 1;
    }
    places
};

impl<K: Keys, A: Audience> Node<K, A> {
    pub(super) fn vitals_row(&self, id: NodeId, wanted: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        let entry = self.vitals_of(id)?;
        let mut row = Vec::with_capacity(VITALS.columns.len());
        push_row!(row, wanted;
            id,
            self.swim.name_of(id),
            seconds(at.wall.since(entry.written)),
            seconds(at.now.since(entry.heard)),
            entry.written,
        );
        push_reading(&mut row, Some(&entry), wanted.behind(OF_VITALS.len()));
        Some(row)
    }

    pub(super) fn host_row(&self, id: NodeId, wanted: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        let of_member = (0..OF_MEMBER).filter(|column| wanted.has(*column));
        let of_member = of_member.fold(Wanted::NONE, |wanted, column| wanted.with(PLACES[column]));
        let mut row = Vec::with_capacity(HOSTS.columns.len());
        if of_member == Wanted::NONE {
            self.swim.member(id)?;
            row.resize(OF_MEMBER, Cell::Null);
        } else {
            let mut member = self.member_row(id, of_member, at)?;
            row.extend(PLACES.map(|place| std::mem::replace(&mut member[place], Cell::Null)));
        }
        let entry = self.vitals_of(id);
        row.push(entry.as_ref().map(|entry| seconds(at.wall.since(entry.written))).into());
        push_reading(&mut row, entry.as_ref(), wanted.behind(OF_HOSTS.len()));
        Some(row)
    }
}

/// The number of fields of vitals, from the first one on, that each column of a reading is made of.
const FIELDS: [u8; READING.len()] = [1, 2, 3, 5, 4, 7, 6, 7, 9, 10, 11, 12, 13, 13, 14, 15, 16, 17, 19, 20];

/// Appends the cells of a reading; null if there is none, it cannot be read, or none of them is wanted.
fn push_reading(row: &mut Vec<Cell>, entry: Option<&Entry>, wanted: Wanted) {
    let of_wanted = FIELDS.iter().enumerate().filter(|(column, _)| wanted.has(*column));
    let fields = of_wanted.map(|(_, fields)| *fields).max().unwrap_or(0);
    let entry = entry.filter(|_| fields > 0);
    let Some(v) = entry.and_then(|entry| Vitals::decode_first(&entry.value, fields)) else {
        return row.resize(row.len() + READING.len(), Cell::Null);
    };
    let scaled = |value: Option<u32>, by: f64| Cell::from(value.map(|value| f64::from(value) / by));
    let percent = |value: Option<u16>| scaled(value.map(u32::from), 100.0);
    let bytes = |kib: Option<u64>| Cell::from(kib.map(|kib| kib.saturating_mul(1024)));
    let rate = |rate: Option<u64>| Cell::from(rate.map(|rate| rate as f64));
    push_row!(row, wanted;
        scaled(v.load_1_centi, 100.0),
        scaled(v.load_5_centi, 100.0),
        scaled(v.load_15_centi, 100.0),
        scaled(v.cpu_busy_permille.map(u32::from), 10.0),
        v.cores.map(u32::from),
        v.memory_percent(),
        bytes(v.mem_total_kib),
        bytes(v.mem_available_kib),
        bytes(v.swap_used_kib),
        percent(v.pressure_cpu_centipercent),
        percent(v.pressure_memory_centipercent),
        percent(v.pressure_io_centipercent),
        v.disk_percent(),
        Cell::list(v.hung_disks()),
        rate(v.net_rx_bytes_per_s),
        rate(v.net_tx_bytes_per_s),
        v.uptime_s,
        v.processes,
        bytes(v.agent_rss_kib),
        scaled(v.agent_cpu_ppm, 10_000.0),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Disk;
    use rumormill_core::payload::Payload;
    use rumormill_core::time::{Time, Wall};

    #[test]
    fn a_column_alone_is_what_it_is_beside_all_others() {
        let disk = Disk { mount: "/".into(), total_mib: 100, used_mib: 50, is_hung: true };
        let vitals = Vitals {
            load_1_centi: Some(101),
            load_5_centi: Some(102),
            load_15_centi: Some(103),
            cores: Some(4),
            cpu_busy_permille: Some(105),
            mem_total_kib: Some(1_000),
            mem_available_kib: Some(600),
            swap_total_kib: Some(108),
            swap_used_kib: Some(9),
            pressure_cpu_centipercent: Some(110),
            pressure_memory_centipercent: Some(111),
            pressure_io_centipercent: Some(112),
            disks: vec![disk],
            net_rx_bytes_per_s: Some(114),
            net_tx_bytes_per_s: Some(115),
            uptime_s: Some(116),
            processes: Some(117),
            threads: Some(118),
            agent_rss_kib: Some(119),
            agent_cpu_ppm: Some(120),
        };
        let entry = Entry { value: Payload::from(&vitals.encoded()[..]), written: Wall(1), heard: Time(1) };
        let row = |wanted| {
            let mut row = Vec::new();
            push_reading(&mut row, Some(&entry), wanted);
            row
        };
        let all = row(Wanted::ALL);
        assert!(all.iter().all(|cell| *cell != Cell::Null), "{all:?}");
        for column in 0..READING.len() {
            let mut expected = vec![Cell::Null; READING.len()];
            expected[column] = all[column].clone();
            assert_eq!(row(Wanted::NONE.with(column)), expected, "{}", READING[column].name);
        }
        assert_eq!(row(Wanted::NONE), vec![Cell::Null; READING.len()]);
    }

    #[test]
    fn the_first_fields_are_read_of_vitals_that_are_written_shorter_or_are_none() {
        let few = Vitals { load_1_centi: Some(7), load_5_centi: Some(8), ..Vitals::default() };
        for fields in 0..30 {
            let first = Vitals::decode_first(&few.encoded(), fields).unwrap();
            assert_eq!(first.load_1_centi, few.load_1_centi.filter(|_| fields > 0), "{fields}");
            assert_eq!(first.load_5_centi, few.load_5_centi.filter(|_| fields > 1), "{fields}");
            for bytes in [&[][..], &[0x80], &[0x9f, 1], &[0x98, 30], &[0x82, 0x61], b"text"] {
                let _ = Vitals::decode_first(bytes, fields); // whatever it says, it does not panic
            }
        }
    }
}
