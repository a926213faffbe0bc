//! Counters of Serf's RPC.

use crate::feature::Feature;
use crate::metrics::Table;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Serf's RPC as one of the features: its counters.
pub const FEATURE: Feature = Feature {
    state: |_, states| states.add(Arc::<Counters>::default()),
    count: |_, agent, table| {
        if agent.config().serf_rpc.is_some() {
            agent.state::<Arc<Counters>>().count(table);
        }
    },
    ..Feature::NONE
};

/// Counters of all clients.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) clients: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) events_missed: AtomicU64,
    pub(super) logs_missed: AtomicU64,
    pub(crate) queries_missed: AtomicU64,
}

impl Counters {
    /// Adds them to what is scraped.
    fn count(&self, table: &mut Table) {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        table.gauge("serf_rpc_clients", "Clients of Serf's RPC now", &[], load(&self.clients) as f64);
        table.count("serf_rpc_accepted", "Clients of Serf's RPC accepted", &[], load(&self.accepted));
        table.count("serf_rpc_commands", "Commands of Serf's RPC", &[], load(&self.commands));
        let help = "Commands of Serf's RPC that were answered with an error";
        table.count("serf_rpc_refused", help, &[], load(&self.refused));
        let missed =
            [("events", &self.events_missed), ("logs", &self.logs_missed), ("queries", &self.queries_missed)];
        for (what, counter) in missed {
            let help = "What clients of Serf's RPC missed because they read too slowly";
            table.count("serf_rpc_missed", help, &[("what", what)], load(counter));
        }
    }
}
