//! The rows of a table, for one statement.
//!
//! Nothing is kept between two statements. A table of the node is read by its keys: they are listed first, then rows are copied in pages, and between
//! two pages the node's task does its own work. So a row that stays is seen once, as it is when its page is read; a row that comes meanwhile is not
//! seen, and one that goes may be missing. A statement reads a table once, however often it names it.

use crate::agent::Agent;
use crate::describe::inside::Inside;
use crate::feature::Features;
use crate::tables::{AgentTable, Each, Read};
use rumormill_core::observe::{Key, Observe};
use rumormill_core::table::{Cell, Table};
use rumormill_node::TABLES;
use rumormill_sql::{Source, Wanted};
use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// The longest time that a page takes of the node's task (issue: at most 1 ms), but for one row.
const PAGE: Duration = Duration::from_micros(800);
/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 8;
/// The longest wait for the node's task (a statement's own limit is as long).
const NODE_WAIT: Duration = Duration::from_secs(2);

/// The tables of an agent.
pub(super) struct AgentSource {
    agent: Weak<Agent>,
    runtime: tokio::runtime::Handle,
}

/// A table that is read by keys: the keys of all rows, and the row of a key.
#[derive(Copy, Clone)]
struct Keyed<K, R> {
    keys: K,
    row: R,
}

impl AgentSource {
    /// To be made where the agent runs.
    pub(super) fn of(agent: &Arc<Agent>) -> AgentSource {
        AgentSource { agent: Arc::downgrade(agent), runtime: tokio::runtime::Handle::current() }
    }

    /// Runs `look` inside the node's task, and blocks until then.
    fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Inside<'_>, &Arc<Agent>) -> R + Send + 'static,
    ) -> Result<R, String> {
        let gone = || "the node does not answer: the agent is starting, stopping or overloaded".to_string();
        let agent = self.agent.upgrade().ok_or_else(gone)?;
        let (tell, told) = sync_channel(1);
        self.runtime.spawn(async move {
            let inner = agent.clone();
            if let Ok(seen) = agent.inspect(move |inside| look(inside, &inner)).await {
                let _ = tell.send(seen); // the statement may have ended
            }
        });
        told.recv_timeout(NODE_WAIT).map_err(|_| gone())
    }

    /// Reads a table by keys, page by page.
    fn pages<K, R>(&self, of: Keyed<K, R>, each: &mut Each<'_>) -> Result<(), String>
    where
        K: Fn(&Inside<'_>) -> Vec<Key> + Send + 'static,
        R: Fn(&Inside<'_>, Key) -> Option<Vec<Cell>> + Copy + Send + 'static,
    {
        let Keyed { keys, row } = of;
        let mut keys = self.look(move |inside, _| keys(inside))?;
        keys.sort_unstable();
        let keys: Arc<[Key]> = keys.into();
        let mut next = 0;
        while next < keys.len() {
            let all = keys.clone();
            let (read, rows) = self.look(move |inside, _| page(&all[next..], |key| row(inside, key)))?;
            next += read;
            if rows.into_iter().try_for_each(&mut *each).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn own(&self, table: &AgentTable, each: &mut Each<'_>) -> Result<(), String> {
        match table.read {
            Read::Inside(read) => {
                let rows = self.look(read)?;
                let _ = rows.into_iter().try_for_each(each); // or the statement has enough
                Ok(())
            }
            Read::Keyed { keys, row } => self.pages(Keyed { keys, row }, each),
            Read::Outside(read) => {
                let at = self.look(|inside, _| inside.moment())?;
                if let Some(agent) = self.agent.upgrade() {
                    read(&agent, &at, each);
                }
                Ok(())
            }
        }
    }
}

/// Reads rows until the page's time is over, at least one. Returns how many keys it has read.
fn page(keys: &[Key], mut row: impl FnMut(Key) -> Option<Vec<Cell>>) -> (usize, Vec<Vec<Cell>>) {
    let end = Instant::now() + PAGE;
    let mut rows = Vec::with_capacity(keys.len().min(256));
    for (read, key) in (1..).zip(keys) {
        rows.extend(row(*key));
        if read % ROWS_PER_LOOK == 0 && Instant::now() >= end {
            return (read, rows);
        }
    }
    (keys.len(), rows)
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
        _: Wanted,
        each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let agent = self.agent.upgrade().ok_or("the agent is stopping")?;
        let own = of_features(&agent).find(|own| own.table.name == table.name);
        drop(agent);
        match own {
            Some(own) => self.own(own, each),
            None => {
                let keys = move |inside: &Inside<'_>| inside.node.keys(table);
                let row = move |inside: &Inside<'_>, key| inside.node.row(table, key, &inside.moment());
                self.pages(Keyed { keys, row }, each)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_with_its_time_or_its_keys_and_the_next_one_goes_on_behind_it() {
        let keys: Vec<Key> = (0..100).map(|n| [n, 0, 0]).collect();
        let slow = |key: Key| {
            std::thread::sleep(PAGE / 4);
            key[0].is_multiple_of(2).then(|| vec![key[0].into()])
        };
        let (mut next, mut pages, mut seen) = (0, 0, Vec::new());
        while next < keys.len() {
            let (read, rows) = page(&keys[next..], slow);
            assert!((1..=ROWS_PER_LOOK).contains(&read), "{read} rows in one page");
            (next, pages) = (next + read, pages + 1);
            seen.extend(rows);
        }
        let even: Vec<Vec<Cell>> = (0..100u64).step_by(2).map(|n| vec![n.into()]).collect();
        assert_eq!(seen, even, "{pages} pages: each row once, and those that are gone left out");
        assert_eq!(page(&keys, |_| None), (100, Vec::new()), "one page if it is quick");
    }
}
