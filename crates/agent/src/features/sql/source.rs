//! The rows of a table, for one statement. A statement reads a table once, however often it names it.

use crate::agent::Agent;
use crate::describe::inside::Inside;
use crate::feature::Features;
use crate::tables::{AgentTable, Each, Read};
use rumormill_core::observe::Observe;
use rumormill_core::table::{Cell, Table};
use rumormill_node::TABLES;
use rumormill_sql::paged::{Owner, rows};
use rumormill_sql::{Source, Wanted};
use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The longest wait for the node's task (a statement's own limit is as long).
const NODE_WAIT: Duration = Duration::from_secs(2);

/// The tables of an agent.
pub(super) struct AgentSource {
    agent: Weak<Agent>,
    runtime: tokio::runtime::Handle,
}

impl Owner for AgentSource {
    type Seen<'a> = Inside<'a>;

    fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Inside<'_>) -> R + Send + 'static,
    ) -> Result<R, String> {
        let gone = || "the node does not answer: the agent is starting, stopping or overloaded".to_string();
        let agent = self.agent.upgrade().ok_or_else(gone)?;
        let (tell, told) = sync_channel(1);
        self.runtime.spawn(async move {
            // The node's task wakes the statement's thread itself. The statement may have ended.
            let look = move |inside: &Inside<'_>| drop(tell.send(look(inside)));
            let _ = agent.inspect(look).await; // else the sender is dropped
        });
        told.recv_timeout(NODE_WAIT).map_err(|_| gone())
    }
}

impl AgentSource {
    /// To be made where the agent runs.
    pub(super) fn of(agent: &Arc<Agent>) -> AgentSource {
        AgentSource { agent: Arc::downgrade(agent), runtime: tokio::runtime::Handle::current() }
    }

    fn own(
        &self,
        agent: &Arc<Agent>,
        table: &AgentTable,
        wanted: Wanted,
        each: &mut Each<'_>,
    ) -> Result<(), String> {
        match table.read {
            Read::Inside(read) => {
                let agent = agent.clone();
                let rows = self.look(move |inside| read(inside, &agent))?;
                let _ = rows.into_iter().try_for_each(each); // or the statement has enough
                Ok(())
            }
            Read::Keyed { keys, row } => {
                rows(self, keys, move |inside: &Inside<'_>, key| row(inside, key, wanted), each)
            }
            Read::Outside(read) => {
                let at = self.look(|inside| inside.moment())?;
                read(agent, &at, each);
                Ok(())
            }
        }
    }
}

fn of_features(agent: &Agent) -> impl Iterator<Item = &'static AgentTable> {
    agent.state::<Features>().0.iter().flat_map(|feature| feature.tables)
}

impl Source for AgentSource {
    fn tables(&self) -> Vec<&'static Table> {
        let agent = self.agent.upgrade();
        let own = agent.iter().flat_map(|agent| of_features(agent)).map(|own| own.table);
        TABLES.iter().copied().chain(own).collect()
    }

    fn rows(
        &self,
        table: &'static Table,
        wanted: Wanted,
        each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let agent = self.agent.upgrade().ok_or("the agent is stopping")?;
        if let Some(own) = of_features(&agent).find(|own| own.table.name == table.name) {
            return self.own(&agent, own, wanted, each);
        }
        let keys = move |inside: &Inside<'_>| inside.node.keys(table);
        let row = move |inside: &Inside<'_>, key| inside.node.row(table, key, wanted, &inside.moment());
        rows(self, keys, row, each)
    }
}
