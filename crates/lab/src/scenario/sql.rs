//! Statements about the nodes of a simulation, in SQL: the tables of a node, each with a column `node`, and `nodes`.
//!
//! The tables are what the protocols observe of themselves ([`Observe`]), as an agent shows them. A statement stops the simulated time, and no
//! node knows of it: the outcome and the digest stay the same.

use super::extent::{by_the_end, pace};
use super::nodes::Nodes;
use rumormill_core::columns;
use rumormill_core::observe::{Moment, Observe, Value};
use rumormill_core::table::{Cell, Column, Table};
use rumormill_core::time::{Duration, Time};
use rumormill_node::{COUNTERS, counter_row};
pub use rumormill_sql::Rows;
use rumormill_sql::{Engine, Limits, Source, Wanted};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that are handed over at once.
const PAGE: usize = 1_024;

/// A statement, and the times at which it is asked: an [`Output`](super::Output) asks it when it [looks](super::Output::look) at the nodes.
pub struct Asking {
    statement: String,
    /// Simulated times at which it is asked.
    at: Vec<Duration>,
    /// It is asked again after each such time.
    every: Option<Duration>,
    /// Made for the tables of the first node that is up.
    asker: Option<Asker>,
}

impl Asking {
    /// A statement that is asked at each time of `at`, and at each multiple of `every`, in a run of the length `time`.
    ///
    /// # Errors
    /// If it is never asked, or one of the times never comes.
    pub fn new(
        statement: impl Into<String>,
        at: Vec<Duration>,
        every: Option<Duration>,
        time: Duration,
    ) -> Result<Asking, String> {
        every.iter().try_for_each(|every| pace("sql: the time between two answers", *every, time))?;
        if at.is_empty() && every.is_none() {
            return Err("sql: say when to ask it".into());
        }
        if at.iter().any(|at| at.is_zero()) {
            return Err("sql: no node has started at 0s: give a later time".into());
        }
        at.iter().chain(&every).try_for_each(|at| by_the_end("sql: the time to ask", *at, time))?;
        Ok(Asking { statement: statement.into(), at, every, asker: None })
    }

    /// The next time at which it is asked.
    pub fn next_after(&self, now: Time) -> Time {
        let at = self.at.iter().map(|at| Time::ZERO + *at).filter(|at| *at > now);
        let every = self.every.iter().map(|every| {
            let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1);
            Time((now.0 / every + 1).saturating_mul(every))
        });
        at.chain(every).min().unwrap_or(Time::NEVER)
    }

    /// Asks the statement of the nodes as they are now; `None` while no node is up.
    ///
    /// # Errors
    /// If the statement is wrong, or takes more than there is.
    pub fn ask(&mut self, nodes: &dyn Nodes) -> Result<Option<Rows>, String> {
        let Some(first) = nodes.known().into_iter().find(|id| nodes.is_up(*id)) else { return Ok(None) };
        let asker = self.asker.get_or_insert_with(|| Asker::of(&nodes.observe(first)));
        asker.ask(&self.statement, nodes).map(Some)
    }
}

/// The nodes.
static NODES: Table = Table {
    name: "nodes",
    about: "The nodes of the simulation that have started.",
    key: &["node"],
    columns: columns! {
        /// The node.
        node: Int,
        /// True while the node is up.
        is_up: Bool,
        /// The node's last start, in seconds since the beginning of the run.
        since_s: Float,
    },
};

const NODE: Column =
    Column { name: "node", kind: rumormill_core::table::Kind::Int, about: "The node whose table it is." };

/// A table of the simulation, and the table of a node that it is made of.
type Pair = (&'static Table, &'static Table);

/// A request of a statement's thread to the simulation's thread, which alone can look at the nodes.
enum Request {
    Rows(&'static Table, Wanted, SyncSender<Vec<Vec<Cell>>>),
    Done(Result<Rows, rumormill_sql::Error>),
}

/// The source of the engine: it passes each question on to whoever answers at the moment.
struct Bridge {
    tables: Vec<&'static Table>,
    requests: Mutex<Option<Sender<Request>>>,
}

impl Source for Bridge {
    fn tables(&self) -> Vec<&'static Table> {
        self.tables.clone()
    }

    fn rows(
        &self,
        table: &'static Table,
        wanted: Wanted,
        each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let (send, pages) = sync_channel(4);
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = requests.map(|requests| requests.send(Request::Rows(table, wanted, send)));
        asked.and_then(Result::ok).ok_or("the simulation goes on")?;
        let _ = pages.into_iter().flatten().try_for_each(each); // or the statement has enough
        Ok(())
    }
}

/// Asks one statement of the nodes, any number of times.
struct Asker {
    engine: Engine,
    bridge: Arc<Bridge>,
    pairs: Vec<Pair>,
}

impl Asker {
    /// For nodes such as this one.
    fn of(observed: &[&dyn Observe]) -> Asker {
        let of_nodes = observed.iter().flat_map(|part| part.tables()).copied().chain([&COUNTERS]);
        let pairs: Vec<Pair> = of_nodes.map(|table| (with_node(table), table)).collect();
        let tables = pairs.iter().map(|(table, _)| *table).chain([&NODES]).collect();
        let bridge = Arc::new(Bridge { tables, requests: Mutex::default() });
        // A person waits for the answer, and no probe does.
        let limits = Limits {
            timeout: Duration::from_secs(600),
            memory: 2 << 30,
            at_once: 1,
            rows: usize::MAX,
            ..Limits::default()
        };
        Asker { engine: Engine::new(bridge.clone(), limits), bridge, pairs }
    }

    /// Answers the statement about the nodes as they are now.
    fn ask(&self, statement: &str, nodes: &dyn Nodes) -> Result<Rows, String> {
        let (send, requests) = channel();
        let set = |to| *self.bridge.requests.lock().unwrap_or_else(PoisonError::into_inner) = to;
        set(Some(send.clone()));
        let _cancel =
            self.engine.submit(statement, &[], move |answer| drop(send.send(Request::Done(answer))));
        let answer = self.serve(&requests, nodes);
        set(None);
        answer
    }

    fn serve(&self, requests: &Receiver<Request>, nodes: &dyn Nodes) -> Result<Rows, String> {
        loop {
            match requests.recv() {
                Ok(Request::Done(answer)) => return answer.map_err(|error| format!("sql: {error}")),
                Ok(Request::Rows(table, wanted, to)) => {
                    let mut page = Vec::new();
                    let mut each = |row| {
                        page.push(row);
                        match page.len() < PAGE {
                            true => ControlFlow::Continue(()),
                            false => sent(to.send(std::mem::take(&mut page)).is_ok()),
                        }
                    };
                    if self.rows(table, wanted, nodes, &mut each).is_continue() {
                        let _ = to.send(page); // the statement may have ended
                    }
                }
                Err(_) => return Err("sql: the statement ended without an answer".into()),
            }
        }
    }

    fn rows(
        &self,
        table: &'static Table,
        wanted: Wanted,
        nodes: &dyn Nodes,
        each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let of_node =
            self.pairs.iter().find(|(known, _)| known.name == table.name).map(|(_, of_node)| *of_node);
        for id in nodes.known() {
            match of_node {
                None => {
                    let since = nodes.since(id).as_secs_f64();
                    each(vec![id.0.into(), nodes.is_up(id).into(), since.into()])?;
                }
                Some(of_node) if nodes.is_up(id) => {
                    let mut each = |row: Vec<Cell>| each([id.0.into()].into_iter().chain(row).collect());
                    let at = Moment { now: nodes.now(), wall: nodes.wall(id), addresses: |_| Vec::new() };
                    of_one(of_node, wanted.behind(1), &nodes.observe(id), &at, &mut each)?;
                }
                Some(_) => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// The rows of one node.
fn of_one(
    table: &'static Table,
    wanted: Wanted,
    observed: &[&dyn Observe],
    at: &Moment,
    each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for part in observed {
        if table.name == COUNTERS.name {
            let mut rows = Vec::new();
            part.figures(at, &mut |figure| {
                let (is_count, value) = match figure.value {
                    Value::Count(count) => (true, count as f64),
                    Value::Gauge(value) => (false, value),
                };
                rows.push(counter_row(
                    figure.name,
                    figure.labels.iter().copied(),
                    is_count,
                    value,
                    figure.help,
                ));
            });
            rows.into_iter().try_for_each(&mut *each)?;
        }
        let mut keys = part.keys(table);
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| part.row(table, key, wanted, at)).try_for_each(&mut *each)?;
    }
    ControlFlow::Continue(())
}

fn sent(is_sent: bool) -> ControlFlow<()> {
    if is_sent { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// The same table of all nodes. It lives as long as the program, as every definition does.
fn with_node(table: &'static Table) -> &'static Table {
    let columns: Vec<Column> = [NODE].into_iter().chain(table.columns.iter().copied()).collect();
    let key: Vec<&str> = match table.key {
        [] => Vec::new(),
        key => [NODE.name].into_iter().chain(key.iter().copied()).collect(),
    };
    Box::leak(Box::new(Table { key: key.leak(), columns: columns.leak(), ..*table }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_asked_at_its_times_and_at_each_multiple() {
        let s = Duration::from_secs;
        let asking = |at: &[u64], every: Option<u64>, time| {
            let at = at.iter().copied().map(s).collect();
            Asking::new("SELECT 1", at, every.map(s), s(time))
        };
        let refused = |at: &[u64], every, time| asking(at, every, time).err().expect("it is refused");
        let often = asking(&[10, 4], Some(3), 10).unwrap_or_else(|e| panic!("{e}"));
        let mut times = Vec::new();
        let mut now = Time::ZERO;
        while times.len() < 6 {
            now = often.next_after(now);
            times.push(now.0 / 1_000_000_000);
        }
        assert_eq!(times, [3, 4, 6, 9, 10, 12]);
        assert!(refused(&[10, 4], Some(3), 9).contains("10s"));
        assert!(refused(&[], None, 9).contains("say when"));
        assert!(refused(&[0], None, 9).contains("no node has started"));
        assert!(refused(&[], Some(0), 9).contains("is 0s"));
        let once = asking(&[4], None, 9).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(once.next_after(Time::ZERO + s(4)), Time::NEVER);
    }
}
