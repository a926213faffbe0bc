//! Reading the machine, and gossiping the readings within the budget.

use crate::agent::Agent;
use crate::config::Config;
use crate::host::{INTERVAL_S, Machine};
use crate::identity::NodeKeys;
use crate::node::{Call, Node};
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::agree::lww::{self, Lww};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// Time from the first reading of the machine to the second, which has rates (our guess: soon enough for a person who looks at once).
const FIRST_RATES: Duration = Duration::from_secs(1);

/// Bytes per second that vitals may cost this node, as they are in force.
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) fn of(config: &Config) -> Budget {
        Budget(AtomicU32::new(bytes_per_s(config)))
    }
}

fn bytes_per_s(config: &Config) -> u32 {
    u32::try_from(config.vitals_bytes_per_s).unwrap_or(u32::MAX)
}

/// Puts the protocol into a node that is about to start, unless vitals are off.
pub(super) fn prepare(agent: &Agent, node: &mut Node<NodeKeys>, life: Life) {
    if agent.config.vitals {
        let budget_bytes_per_s = agent.state::<Budget>().0.load(Relaxed);
        let config = lww::Config { budget_bytes_per_s, ..lww::Config::default() };
        node.vitals = Some(Lww::new(config, life));
    }
}

/// Puts the budget of a changed configuration in force.
pub(super) async fn apply(agent: &Agent, config: &Config) -> Result<(), String> {
    let budget = bytes_per_s(config);
    agent.call(Call::Vitals(lww::Call::Ration(budget))).await.map_err(|refusal| refusal.error)?;
    agent.state::<Budget>().0.store(budget, Relaxed);
    Ok(())
}

/// Reads the machine every [`INTERVAL_S`] seconds for requests to this agent, and gossips readings as often as the budget allows.
pub(super) async fn read_machine(agent: Arc<Agent>) {
    let mut machine = Machine::new(&agent.config.host_root);
    let mut gossiped: Option<Time> = None;
    machine.read(); // rates are known from the second reading on
    tokio::time::sleep(FIRST_RATES).await;
    loop {
        let vitals = machine.read();
        let due = agent.inspect(move |inside| {
            let interval = inside.node.vitals.as_ref().map_or(Duration::MAX, |vitals| vitals.put_interval());
            (inside.now, gossiped.is_none_or(|last| inside.now.since(last) + FIRST_RATES / 2 >= interval))
        });
        if let Ok((now, gossip)) = due.await {
            let value = Payload::from(&vitals.encoded()[..]);
            let call = if gossip { lww::Call::Put(value) } else { lww::Call::Keep(value) };
            if agent.call(Call::Vitals(call)).await.is_ok() && gossip {
                gossiped = Some(now);
            }
        } else {
            gossiped = None; // a new node has said nothing yet
        }
        tokio::time::sleep(Duration::from_secs(INTERVAL_S)).await;
    }
}
