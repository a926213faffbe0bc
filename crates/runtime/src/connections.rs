//! All connections: one per peer where possible, opened on demand, bounded in number, messages and bytes.

use crate::connection::{self, ConnectionEvent, Gauge};
use crate::counters::{Cause, add};
use crate::frame;
use crate::handshake::{self, DialError, Established, Shared};
use rumormill_core::identity::Life;
use rumormill_core::{Loss, NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// Connections open or being opened at once (our guess: a join storm through one seed, with room to breathe). Beyond it the one idle longest is closed.
pub const CONNECTIONS_MAX: usize = 192;
/// Messages that wait on one connection.
pub const QUEUE_MESSAGES_MAX: usize = 128;
/// Bytes that wait on one connection.
pub const QUEUE_BYTES_MAX: usize = 512 * 1024;
/// What connections have to tell that waits for the driver: at most so many messages of 64 KiB.
const EVENTS_MAX: usize = 16;
/// Addresses tried for one peer.
const ADDRESSES_TRIED_MAX: usize = 4;

const _: () = assert!(QUEUE_BYTES_MAX >= frame::MESSAGE_BYTES_MAX);

/// The queue of that connection is full: the message was not taken.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueFull;

/// All connections of a node.
pub struct Connections {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    connections: BTreeMap<u64, Connection>,
    /// The serials of each peer's connections.
    by_peer: BTreeSet<(NodeId, u64)>,
    preferred: BTreeMap<NodeId, u64>,
    watched: BTreeSet<NodeId>,
    events: mpsc::Receiver<ConnectionEvent>,
    tell: mpsc::Sender<ConnectionEvent>,
    serial: u64,
    connections_max: usize,
}

struct Connection {
    peer: NodeId,
    life: Option<Life>,
    queue: Option<mpsc::Sender<Vec<u8>>>,
    gauge: Arc<Gauge>,
    used: Time,
    task: AbortHandle,
}

impl Connections {
    /// Listens on `listener`.
    pub fn new(listener: TcpListener, shared: Arc<Shared>, connections_max: usize) -> Connections {
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(crate::accept::run(listener, shared.clone(), tell.clone()));
        Connections {
            shared,
            tasks,
            connections: BTreeMap::new(),
            by_peer: BTreeSet::new(),
            preferred: BTreeMap::new(),
            watched: BTreeSet::new(),
            events,
            tell,
            serial: 0,
            connections_max,
        }
    }

    /// Waits for the next event.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        self.events.recv().await
    }

    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<ConnectionEvent> {
        self.events.try_recv().ok()
    }

    /// Whether there is a connection to send on.
    pub fn is_open(&self, peer: NodeId) -> bool {
        self.preferred
            .get(&peer)
            .and_then(|serial| self.connections.get(serial))
            .is_some_and(|c| c.life.is_some())
    }

    /// Sends a frame (from [`frame::start`]) to `peer`, over a new connection to one of `addresses` if there is none.
    pub fn send(
        &mut self,
        peer: NodeId,
        addresses: impl Iterator<Item = SocketAddr>,
        mut frame: Vec<u8>,
        now: Time,
    ) -> Result<(), QueueFull> {
        for _ in 0..2 {
            let serial = self.preferred.get(&peer).copied();
            let Some(connection) = serial.and_then(|serial| self.connections.get_mut(&serial)) else { break };
            let Some(queue) = &connection.queue else { break };
            let length = frame.len();
            if connection.gauge.queued.load(Relaxed) + length > QUEUE_BYTES_MAX {
                return Err(QueueFull);
            }
            connection.gauge.queued.fetch_add(length, Relaxed);
            match queue.try_send(frame) {
                Ok(()) => {
                    connection.used = now;
                    return Ok(());
                }
                Err(mpsc::error::TrySendError::Full(_)) => {
                    connection.gauge.queued.fetch_sub(length, Relaxed);
                    return Err(QueueFull);
                }
                Err(mpsc::error::TrySendError::Closed(back)) => {
                    frame = back;
                    self.retire(peer, serial.expect("found by it"));
                }
            }
        }
        self.dial(peer, addresses, frame, now);
        Ok(())
    }

    fn dial(&mut self, peer: NodeId, addresses: impl Iterator<Item = SocketAddr>, frame: Vec<u8>, now: Time) {
        self.make_room();
        let serial = self.next_serial();
        let (queue, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let gauge = self.gauge(peer);
        gauge.queued.store(frame.len(), Relaxed);
        queue.try_send(frame).expect("the queue is new");
        let addresses: Vec<_> = addresses.take(ADDRESSES_TRIED_MAX).collect();
        let (shared, tell, its) = (self.shared.clone(), self.tell.clone(), gauge.clone());
        let task = self.tasks.spawn(async move {
            match handshake::dial(&shared, &addresses, Some(peer)).await {
                Ok((established, address)) => {
                    add(&shared.counters.connections_opened, 1);
                    let life = established.life;
                    let _ = tell.send(ConnectionEvent::Up { serial, peer, life, address }).await;
                    connection::run(serial, established, receiver, its, tell, shared).await;
                }
                Err(error) => {
                    if let DialError::Superseded(life) = error {
                        let _ = tell.send(ConnectionEvent::Superseded(life)).await;
                    }
                    let _ = tell.send(failed(serial, &error)).await;
                }
            }
        });
        self.insert(serial, Connection { peer, life: None, queue: Some(queue), gauge, used: now, task });
        self.preferred.insert(peer, serial);
    }

    /// Finds out who answers at `address`: told as [`ConnectionEvent::Resolved`] with that ticket.
    pub fn resolve(&mut self, ticket: u64, address: SocketAddr) {
        let (shared, tell) = (self.shared.clone(), self.tell.clone());
        self.tasks.spawn(async move {
            let result = handshake::dial(&shared, &[address], None).await;
            let result = result.map(|(established, address)| (Box::new(established), address));
            let _ = tell.send(ConnectionEvent::Resolved { ticket, result }).await;
        });
    }

    /// Takes over a connection that stands. One to an earlier life of that peer is cut.
    pub fn adopt(&mut self, established: Established, now: Time) {
        self.cut_before(established.peer, established.life);
        self.make_room();
        let serial = self.next_serial();
        let (peer, life) = (established.peer, established.life);
        let (queue, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let gauge = self.gauge(peer);
        let (shared, tell, its) = (self.shared.clone(), self.tell.clone(), gauge.clone());
        let task = self.tasks.spawn(connection::run(serial, established, receiver, its, tell, shared));
        self.insert(
            serial,
            Connection { peer, life: Some(life), queue: Some(queue), gauge, used: now, task },
        );
        self.preferred.entry(peer).or_insert(serial);
    }

    /// My connection stands.
    pub fn up(&mut self, serial: u64, life: Life) {
        if let Some(connection) = self.connections.get_mut(&serial) {
            connection.life = Some(life);
        }
    }

    /// Whose message it is; none if that connection was cut meanwhile.
    pub fn heard(&mut self, serial: u64, now: Time) -> Option<NodeId> {
        let connection = self.connections.get_mut(&serial)?;
        connection.used = now;
        Some(connection.peer)
    }

    /// Lets go of a connection's queue, so that it ends when that is empty.
    pub fn closing(&mut self, serial: u64) {
        if let Some(connection) = self.connections.get_mut(&serial) {
            connection.queue = None;
            let peer = connection.peer;
            self.retire(peer, serial);
        }
    }

    /// A connection is gone: whom to tell of what.
    pub fn ended(&mut self, serial: u64, loss: Option<Loss>) -> Option<(NodeId, Loss)> {
        while self.tasks.try_join_next().is_some() {}
        let connection = self.remove(serial)?;
        self.retire(connection.peer, serial);
        let watched =
            self.watched.contains(&connection.peer) && !self.preferred.contains_key(&connection.peer);
        let loss = loss.or(watched.then_some(Loss::Reset))?;
        Some((connection.peer, loss))
    }

    /// Keeps (or no longer keeps) the connection to `peer` open, so that its end is noticed.
    pub fn watch(&mut self, peer: NodeId, on: bool, addresses: impl Iterator<Item = SocketAddr>, now: Time) {
        if !on {
            self.watched.remove(&peer);
        } else if self.watched.len() < self.connections_max / 2 {
            self.watched.insert(peer);
        }
        let on = self.watched.contains(&peer);
        for connection in self.serials(peer).filter_map(|serial| self.connections.get(&serial)) {
            connection.gauge.watched.store(on, Relaxed);
        }
        if on {
            // An empty frame opens the connection, or wakes it up to what is wanted of it.
            let _ = self.send(peer, addresses, frame::start(), now);
        }
    }

    /// Cuts connections to lives of `peer` before `life`, and returns whether one was watched.
    pub fn cut_before(&mut self, peer: NodeId, life: Life) -> bool {
        let is_before = |serial: &u64| self.connections[serial].life.is_some_and(|known| known < life);
        let cut: Vec<u64> = self.serials(peer).filter(is_before).collect();
        cut.iter().for_each(|serial| self.cut(*serial));
        !cut.is_empty() && self.watched.contains(&peer)
    }

    /// Cuts what fault injection wants cut.
    pub fn cut_faulty(&mut self) {
        let is_cut = |(_, connection): &(&u64, &Connection)| self.shared.faults.cuts_peer(connection.peer);
        let cut: Vec<u64> = self.connections.iter().filter(is_cut).map(|(serial, _)| *serial).collect();
        cut.into_iter().for_each(|serial| self.cut(serial));
    }

    /// Lets go of all queues, so that all connections end.
    pub fn close_all(&mut self) {
        self.preferred.clear();
        self.connections.values_mut().for_each(|connection| connection.queue = None);
    }

    /// How many connections there are, closing ones too.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    fn cut(&mut self, serial: u64) {
        if let Some(connection) = self.remove(serial) {
            connection.task.abort();
            self.retire(connection.peer, serial);
        }
    }

    fn insert(&mut self, serial: u64, connection: Connection) {
        self.by_peer.insert((connection.peer, serial));
        self.connections.insert(serial, connection);
    }

    fn remove(&mut self, serial: u64) -> Option<Connection> {
        let connection = self.connections.remove(&serial)?;
        self.by_peer.remove(&(connection.peer, serial));
        Some(connection)
    }

    /// The connections of `peer`: what most packets ask for, so it does not look through those of all others.
    fn serials(&self, peer: NodeId) -> impl Iterator<Item = u64> + '_ {
        self.by_peer.range((peer, 0)..=(peer, u64::MAX)).map(|(_, serial)| *serial)
    }

    /// No longer sends to `peer` over that connection, but over another one if there is one.
    fn retire(&mut self, peer: NodeId, serial: u64) {
        if self.preferred.get(&peer) != Some(&serial) {
            return;
        }
        self.preferred.remove(&peer);
        let is_open = |other: &u64| *other != serial && self.connections[other].queue.is_some();
        let other = self.serials(peer).find(is_open);
        if let Some(other) = other {
            self.preferred.insert(peer, other);
        }
    }

    /// Closes the connection that was idle longest if there are as many as there may be; those that are closing already are cut
    /// when they pile up. Looks at all connections: 384 of them take some 20 us, a small part of the handshake that made the newcomer, while an index by
    /// last use would have to be kept up with every message.
    fn make_room(&mut self) {
        let open = self.connections.values().filter(|connection| connection.queue.is_some()).count();
        if open >= self.connections_max {
            let worth = |connection: &Connection| (self.watched.contains(&connection.peer), connection.used);
            let idle =
                self.connections.iter().filter(|(_, c)| c.queue.is_some()).min_by_key(|(_, c)| worth(c));
            if let Some(serial) = idle.map(|(serial, _)| *serial) {
                self.shared.counters.lose(Cause::StreamEvicted);
                self.closing(serial);
            }
        }
        if self.connections.len() >= 2 * self.connections_max
            && let Some(serial) = self.connections.iter().find(|(_, c)| c.queue.is_none()).map(|(s, _)| *s)
            && let Some(connection) = self.remove(serial)
        {
            connection.task.abort();
        }
    }

    fn gauge(&self, peer: NodeId) -> Arc<Gauge> {
        let gauge = Gauge::default();
        gauge.watched.store(self.watched.contains(&peer), Relaxed);
        Arc::new(gauge)
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// Reports a connection that could not be made.
fn failed(serial: u64, error: &DialError) -> ConnectionEvent {
    let loss = match error {
        DialError::Somebody(by, address) => {
            return ConnectionEvent::Taken { serial, address: *address, by: *by };
        }
        DialError::Lost(loss) => *loss,
        DialError::Myself(_) => Loss::Refused,
        DialError::Superseded(_) | DialError::Refused(_) | DialError::OtherCluster(_) => Loss::Reset,
    };
    ConnectionEvent::Ended { serial, loss: Some(loss) }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;

/// After how long a cut line would have been noticed.
pub const CUT_NOTICED: Duration = handshake::CONNECT_MAX;
