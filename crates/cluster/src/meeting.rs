//! Meeting the member at an address. It is met once the exchange of members is through: our card went to it before its own came, so each lists the other.

use crate::address::Address;
use crate::error::Why;
use crate::node::Handle;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_node::Call;
use rumormill_protocols::member::swim::{self, Status};
use rumormill_protocols::spread::events;
use rumormill_runtime::hello::ResolveError;
use std::net::SocketAddr;
use tokio::time::Instant;

/// How long an exchange of members may take (our guess: three times as long as SWIM lets one be silent).
pub const EXCHANGE_MAX: Duration = Duration::from_secs(15);
/// After how long without an end it is looked whether TCP works at all (our guess: an exchange takes milliseconds).
const EXCHANGE_SLOW: Duration = Duration::from_secs(1);
/// Interval of looking for the end of an exchange.
const EXCHANGE_LOOK: Duration = Duration::from_millis(25);

/// Meets one of the members at a seed's addresses: this node and it list each other when this returns.
pub(crate) async fn meet_seed(handle: &Handle, seed: &Address) -> Result<NodeId, Why> {
    let addresses = seed.lookup().await.map_err(|error| Why::NoAddress(error.to_string()))?;
    meet_any(handle, &addresses).await
}

pub(crate) async fn meet_any(handle: &Handle, addresses: &[SocketAddr]) -> Result<NodeId, Why> {
    let mut why = Why::Pending;
    for address in addresses {
        match meet(handle, *address).await {
            Ok(id) => return Ok(id),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// Resolves an address, and exchanges members with the member there. The events know before that somebody is sought, for their baseline.
async fn meet(handle: &Handle, address: SocketAddr) -> Result<NodeId, Why> {
    let resolving = |more| handle.call(Call::Events(events::Call::Resolving(more)));
    let _ = resolving(true).await; // a node that has stopped resolves nothing
    let resolved = handle.resolve(address).await;
    if let Ok(id) = resolved {
        let _ = handle.call(Call::Swim(swim::Call::Join(id))).await;
    }
    let _ = resolving(false).await;
    let id = resolved?;
    exchange(handle, address, id).await.map(|()| id)
}

/// Waits until the exchange of members with `id` is through, which answers at `address`.
pub async fn exchange(handle: &Handle, address: SocketAddr, id: NodeId) -> Result<(), Why> {
    let begun = Instant::now();
    let mut is_checked = false;
    while begun.elapsed() < EXCHANGE_MAX {
        if lists(handle, id).await? {
            return Ok(());
        }
        if !is_checked && begun.elapsed() >= EXCHANGE_SLOW {
            is_checked = true;
            let connected = handle.connect(address).await;
            if lists(handle, id).await? {
                return Ok(());
            }
            match connected {
                // Again, over the connection that stands now.
                Ok(_) => drop(handle.call(Call::Swim(swim::Call::Join(id))).await),
                Err(ResolveError::TimedOut | ResolveError::Refused | ResolveError::Stranger) => {
                    return Err(Why::TcpBlocked);
                }
                Err(error) => return Err(error.into()),
            }
        }
        tokio::time::sleep(EXCHANGE_LOOK).await;
    }
    Err(Why::Exchange)
}

/// Whether `id` is a live member.
async fn lists(handle: &Handle, id: NodeId) -> Result<bool, ResolveError> {
    let looked = handle.inspect(move |node, _| node.swim.member(id).map(|member| member.status)).await;
    let status = looked.map_err(|_| ResolveError::Stopped)?;
    Ok(matches!(status, Some(Status::Alive | Status::Suspect)))
}
