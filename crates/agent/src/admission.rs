//! The places of this agent's own listeners: HTTP, the Unix socket, Serf's RPC, PostgreSQL's protocol. Each has its own, so that a flood at one blocks no other.

use crate::metrics::Table;
use rumormill_runtime::admission::AdmissionControl;
use std::time::Duration;

pub mod overflow;

/// Connections of one listener at one time; for one more, the one that has been silent longest is closed, and where all are being served it is
/// answered 503 (our guess: every watcher, and room for the rest).
pub const CONNECTIONS_MAX: usize = 128;
/// Clients of Serf's RPC at one time; for one more, the one that has been silent longest is closed, and where all are being served it is refused
/// with an error (our guess: half of what the HTTP API takes).
pub const CLIENTS_MAX: usize = 64;
/// Clients of PostgreSQL's protocol at one time, with the same rules (our guess: two pools of connections, and people).
pub const PG_CLIENTS_MAX: usize = 64;
/// Upper bound on the time that answers under way may take when the agent stops.
pub const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// Pause after a failed accept, such as for want of file descriptors.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// The part of a TCP listener's places that one source may hold, in quarters (our guess: a quarter stays free for all others).
const PER_SOURCE_QUARTERS: usize = 3;

/// Admission control of each listener.
#[derive(Debug)]
pub struct Admissions {
    /// The admin API on TCP.
    pub http: AdmissionControl,
    /// The admin API on the Unix socket, which only the agent's own user opens.
    pub socket: AdmissionControl,
    /// Serf's RPC.
    pub serf_rpc: AdmissionControl,
    /// PostgreSQL's protocol.
    pub pg: AdmissionControl,
}

impl Default for Admissions {
    fn default() -> Admissions {
        let tcp = |places: usize| AdmissionControl::new(places, places * PER_SOURCE_QUARTERS / 4);
        Admissions {
            http: tcp(CONNECTIONS_MAX),
            socket: AdmissionControl::new(CONNECTIONS_MAX, CONNECTIONS_MAX),
            serf_rpc: tcp(CLIENTS_MAX),
            pg: tcp(PG_CLIENTS_MAX),
        }
    }
}

impl Admissions {
    /// Adds them to what is scraped.
    pub fn count(&self, table: &mut Table) {
        let listeners =
            [("http", &self.http), ("socket", &self.socket), ("serf_rpc", &self.serf_rpc), ("pg", &self.pg)];
        for (listener, control) in listeners {
            let label = [("listener", listener)];
            table.gauge("listener_connections", "Connections now, by listener", &label, control.len() as f64);
            let help = "Silent connections closed to make room, by listener";
            table.count("listener_evicted", help, &label, control.evicted());
            let help = "Connections refused because all places were in use, by listener";
            table.count("listener_refused", help, &label, control.refused());
        }
    }
}
