//! SIGINT and SIGTERM.

use crate::start::error::RunError;
use tokio::signal::unix::{SignalKind, signal};

/// Ready at the next SIGINT or SIGTERM.
pub async fn interrupted() -> Result<(), RunError> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
