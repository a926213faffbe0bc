//! JSON of vitals: the machine that a member runs on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The machine a member runs on. What it could not read is none.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Vitals {
    /// Whose they are.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many seconds ago they were written, by the clocks of both.
    pub age_s: f64,
    /// How many seconds ago they arrived here, by the clock of the agent that answers.
    pub heard_s: f64,
    /// Unix time at which they were written, in milliseconds, by the member's clock.
    pub written_unix_ms: u64,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// CPU in use, in percent of all cores.
    pub cpu_percent: Option<f64>,
    /// Cores.
    pub cpus: Option<u32>,
    /// Memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory that could be had without swapping (`MemAvailable`), in bytes.
    pub memory_available_bytes: Option<u64>,
    /// Swap in use, in bytes.
    pub swap_used_bytes: Option<u64>,
    /// Time in which some task waited for the CPU, in percent over 10 s.
    pub pressure_cpu_percent: Option<f64>,
    /// Time in which some task waited for memory, in percent over 10 s.
    pub pressure_memory_percent: Option<f64>,
    /// Time in which some task waited for input or output, in percent over 10 s.
    pub pressure_io_percent: Option<f64>,
    /// Disks, the fullest first.
    pub disks: Vec<Disk>,
    /// Disks among them that do not answer, by mount point: their numbers are the last that were known.
    #[serde(default)]
    pub hung_disks: Vec<String>,
    /// Bytes received by all network interfaces but loopback, per second.
    pub net_received_bytes_per_s: Option<f64>,
    /// Bytes sent, alike.
    pub net_sent_bytes_per_s: Option<f64>,
    /// Seconds since the machine started.
    pub uptime_s: Option<u64>,
    /// Processes that exist; threads are not counted.
    pub processes: Option<u64>,
    /// Memory of the member's agent itself, resident, in bytes.
    #[serde(default)]
    pub agent_memory_bytes: Option<u64>,
    /// CPU of the member's agent itself, in percent of one core.
    #[serde(default)]
    pub agent_cpu_percent: Option<f64>,
}

/// One disk of a member's machine.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Its size in bytes.
    pub total_bytes: u64,
    /// What is left for ordinary users, in bytes.
    pub available_bytes: u64,
}
