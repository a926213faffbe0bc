//! Takes connections in. Those that have not finished their handshake are bounded in number, in number from one source, and in time, so that neither
//! silence nor garbage keeps members out.

use crate::admission::AdmissionControl;
use crate::connection::ConnectionEvent;
use crate::counters::{Cause, add};
use crate::handshake::{self, Shared};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Handshakes under way at once (our guess). For one more, the one that has been silent longest is given up.
pub const PENDING_MAX: usize = 128;
/// Handshakes under way from one source (our guess: a quarter of the places stays free for all others).
pub const PENDING_PER_SOURCE_MAX: usize = PENDING_MAX * 3 / 4;
/// How long to wait when the system has no descriptor to give.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(200);

/// Accepts until it is dropped.
pub async fn run(listener: TcpListener, shared: Arc<Shared>, events: mpsc::Sender<ConnectionEvent>) {
    let control = AdmissionControl::new(PENDING_MAX, PENDING_PER_SOURCE_MAX);
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, from)) = accepted else {
            shared.counters.lose(Cause::SocketError);
            control.evict_silent();
            sleep(EXHAUSTED_WAIT).await;
            continue;
        };
        if shared.faults.cuts_address(crate::contact::canonical(from)) {
            shared.counters.lose(Cause::Fault);
            continue;
        }
        let Ok(place) = control.admit(from.ip()) else {
            shared.counters.lose(Cause::StreamHandshake);
            continue;
        };
        let (shared, events) = (shared.clone(), events.clone());
        tasks.spawn(async move {
            let established = tokio::select! {
                established = handshake::accept(&shared, stream) => established,
                () = place.evicted() => return shared.counters.lose(Cause::StreamHandshake),
            };
            let _busy = place.busy(); // one that proved itself waits for the driver in peace
            if let Some(established) = established {
                add(&shared.counters.connections_accepted, 1);
                let _ = events.send(ConnectionEvent::Accepted(Box::new(established))).await;
            }
        });
    }
}
