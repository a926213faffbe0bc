//! Takes connections in. Those that have not finished their handshake are bounded in number and time, so that neither silence nor
//! garbage keeps members out.

use crate::counters::{Cause, add};
use crate::handshake::{self, Shared};
use crate::link::StreamEvent;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// Handshakes under way at once (our guess). The rest waits in the system's queue.
pub const PENDING_MAX: usize = 128;
/// How long a handshake is left alone when all places are taken: a member needs milliseconds, or a while on a crowded machine (our guess).
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait when the system has no descriptor to give.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(200);

/// Accepts until it is dropped.
pub async fn run(listener: TcpListener, shared: Arc<Shared>, events: mpsc::Sender<StreamEvent>) {
    let mut tasks = JoinSet::new();
    let mut pending: VecDeque<(AbortHandle, Instant)> = VecDeque::new();
    loop {
        while tasks.try_join_next().is_some() {}
        pending.retain(|(handle, _)| !handle.is_finished());
        if pending.len() >= PENDING_MAX {
            let due = pending.front().map_or_else(Instant::now, |(_, since)| *since + PATIENCE);
            tokio::select! {
                _ = tasks.join_next() => {}
                () = sleep_until(due) => {
                    if let Some((oldest, _)) = pending.pop_front() {
                        oldest.abort();
                        shared.counters.lose(Cause::StreamHandshake);
                    }
                }
            }
            continue;
        }
        match listener.accept().await {
            Ok((stream, from)) => {
                if shared.faults.cuts_address(crate::contact::canonical(from)) {
                    shared.counters.lose(Cause::Fault);
                    continue;
                }
                let (shared, events) = (shared.clone(), events.clone());
                let handle = tasks.spawn(async move {
                    if let Some(established) = handshake::accept(&shared, stream).await {
                        add(&shared.counters.connections_accepted, 1);
                        let _ = events.send(StreamEvent::Accepted(Box::new(established))).await;
                    }
                });
                pending.push_back((handle, Instant::now()));
            }
            Err(_) => {
                shared.counters.lose(Cause::SocketError);
                sleep(EXHAUSTED_WAIT).await;
            }
        }
    }
}
