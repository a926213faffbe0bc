//! One connection to one peer, from its handshake to its end: a task that reads, writes and notices silence.

use crate::counters::{Cause, add};
use crate::frame::{self, FrameKey, GOODBYE};
use crate::handshake::{DialError, Established, Shared};
use rumormill_core::identity::Life;
use rumormill_core::{Loss, NodeId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

pub use crate::frame::FRAME_BYTES;

/// A connection without a message for so long is closed.
pub const IDLE_MAX: Duration = Duration::from_secs(15);
/// A watched connection says so often that it is still there.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// A message that has begun must have arrived, or left, within this time.
const STALL_MAX: Duration = Duration::from_secs(10);
/// How long a closing connection waits for the other side to finish.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Events of connections, for the driver.
pub enum ConnectionEvent {
    /// Somebody connected.
    Accepted(Box<Established>),
    /// My connection stands, at that address.
    Up { serial: u64, peer: NodeId, life: Life, address: SocketAddr },
    /// Who answers at an address that was to be resolved.
    Resolved { ticket: u64, result: Result<(Box<Established>, SocketAddr), DialError> },
    /// A message came.
    Message { serial: u64, bytes: Vec<u8> },
    /// No more will be sent on it.
    Closing { serial: u64 },
    /// It is gone.
    Ended { serial: u64, loss: Option<Loss> },
    /// It could not be made: `by` answered at `address`, and nobody answered as the peer that was meant.
    Taken { serial: u64, address: SocketAddr, by: NodeId },
    /// Somebody heard of a greater life of mine.
    Superseded(Life),
}

/// What a connection's task and its owner share.
#[derive(Default)]
pub struct Gauge {
    /// Bytes that wait to be written.
    pub queued: AtomicUsize,
    /// Whether it is to be kept open.
    pub watched: AtomicBool,
}

/// Runs an established connection to its end.
pub async fn run(
    serial: u64,
    established: Established,
    mut queue: mpsc::Receiver<Vec<u8>>,
    gauge: Arc<Gauge>,
    events: mpsc::Sender<ConnectionEvent>,
    shared: Arc<Shared>,
) {
    let _open = Open::new(&shared);
    let Established { stream, key, sending, receiving, .. } = established;
    let (from, to) = stream.into_split();
    let pulse = Pulse::new();
    let trust = || shared.keyring.holds(key);
    let line = Line { serial, shared: &shared, events: &events, pulse: &pulse, trust: &trust };
    let loss = {
        let reading = line.read(from, receiving);
        let writing = line.write(to, sending, &mut queue, &gauge);
        tokio::pin!(reading, writing);
        // Both directions end together: what ends one is told to the other, which has a while to finish.
        tokio::select! {
            end = &mut reading => match end {
                Ok(()) => {
                    line.close().await;
                    timeout(LINGER_MAX, writing).await.ok().and_then(Result::err)
                }
                Err(loss) => Some(loss),
            },
            end = &mut writing => match end {
                Ok(()) => {
                    let _ = timeout(LINGER_MAX, reading).await;
                    None
                }
                Err(loss) => Some(loss),
            },
            () = pulse.silence() => {
                line.close().await;
                let both = async { tokio::join!(writing, reading) };
                let _ = timeout(LINGER_MAX, both).await;
                None
            }
        }
    };
    if loss.is_some() {
        shared.counters.lose(Cause::StreamBroken);
    }
    let _ = events.send(ConnectionEvent::Ended { serial, loss }).await;
}

/// Counts a connection while it is open.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Open<'a> {
        shared.counters.connections.fetch_add(1, Relaxed);
        Open(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.counters.connections.fetch_sub(1, Relaxed);
    }
}

/// When something last moved.
struct Pulse {
    start: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    fn new() -> Pulse {
        Pulse { start: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    fn beat(&self) {
        self.last_ms.store(self.start.elapsed().as_millis() as u64, Relaxed);
    }

    /// Returns once nothing has moved for [`IDLE_MAX`].
    async fn silence(&self) {
        loop {
            let due = self.start + Duration::from_millis(self.last_ms.load(Relaxed)) + IDLE_MAX;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// What both directions of a connection need.
struct Line<'a> {
    serial: u64,
    shared: &'a Shared,
    events: &'a mpsc::Sender<ConnectionEvent>,
    pulse: &'a Pulse,
    trust: &'a (dyn Fn() -> bool + Sync),
}

impl Line<'_> {
    /// Asks the owner to let go of the queue, which ends the writer once it is empty.
    async fn close(&self) {
        let _ = self.events.send(ConnectionEvent::Closing { serial: self.serial }).await;
    }

    /// Reads until the other side says goodbye.
    async fn read(&self, mut from: impl AsyncRead + Unpin, mut key: FrameKey) -> Result<(), Loss> {
        let counters = &self.shared.counters;
        loop {
            let mut head = [0; 4];
            from.read_exact(&mut head).await.map_err(|_| Loss::Reset)?;
            let Some(length) = frame::length(head) else {
                counters.lose(Cause::StreamLength);
                return Err(Loss::Reset);
            };
            // It grows as the bytes arrive, whatever the length says.
            let mut bytes = Vec::new();
            let body = timeout(STALL_MAX, (&mut from).take(length as u64).read_to_end(&mut bytes)).await;
            if !body.map_err(|_| Loss::TimedOut)?.is_ok_and(|read| read == length) {
                return Err(Loss::Reset);
            }
            self.pulse.beat();
            add(&counters.stream_bytes_received, 4 + length);
            let opened = key.open(&mut bytes).map(<[u8]>::len);
            let Some(opened) = opened.filter(|_| (self.trust)()) else {
                counters.lose(Cause::Unreadable);
                return Err(Loss::Reset);
            };
            bytes.truncate(opened);
            match &bytes[..] {
                [] => {}
                bytes if *bytes == GOODBYE => return Ok(()),
                _ => {
                    add(&counters.stream_messages_received, 1);
                    let told = ConnectionEvent::Message { serial: self.serial, bytes };
                    self.events.send(told).await.map_err(|_| Loss::Reset)?;
                }
            }
        }
    }

    /// Writes until the owner lets go of the queue, then says goodbye.
    async fn write(
        &self,
        mut to: impl AsyncWrite + Unpin,
        mut key: FrameKey,
        queue: &mut mpsc::Receiver<Vec<u8>>,
        gauge: &Gauge,
    ) -> Result<(), Loss> {
        loop {
            let (mut message, is_queued) = if gauge.watched.load(Relaxed) {
                match timeout(KEEPALIVE, queue.recv()).await {
                    Ok(Some(message)) => (message, true),
                    Ok(None) => break,
                    Err(_) => (frame::start(), false),
                }
            } else {
                match queue.recv().await {
                    Some(message) => (message, true),
                    None => break,
                }
            };
            let length = message.len();
            if !(self.trust)() {
                return Err(Loss::Reset);
            }
            key.seal(&mut message);
            self.put(&mut to, &message).await?;
            if is_queued {
                gauge.queued.fetch_sub(length, Relaxed);
            }
            if length > frame::LENGTH_BYTES {
                add(&self.shared.counters.stream_messages_sent, 1);
            }
        }
        let mut last = frame::start();
        last.extend_from_slice(&GOODBYE);
        key.seal(&mut last);
        self.put(&mut to, &last).await?;
        let _ = to.shutdown().await;
        Ok(())
    }

    async fn put(&self, to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<(), Loss> {
        let written = timeout(STALL_MAX, to.write_all(frame)).await;
        written.map_err(|_| Loss::TimedOut)?.map_err(|_| Loss::Reset)?;
        self.pulse.beat();
        add(&self.shared.counters.stream_bytes_sent, frame.len());
        Ok(())
    }
}
