//! What an experiment needs, against what there is.

/// What the simulator keeps for a node besides its protocol: driver, port, and its timer (measured at 200,000 nodes).
pub(crate) const SIMULATOR_BYTES_PER_NODE: u64 = 680;
/// What it keeps for a message on its way (measured likewise).
pub(crate) const MESSAGE_BYTES: u64 = 85;

/// Refuses an experiment for which the memory does not suffice.
pub(crate) fn check(nodes: u64, bytes: u64, available: u64) -> Result<(), String> {
    if bytes > available {
        return Err(format!(
            "{nodes} nodes need about {} MiB and {} MiB are available: give fewer with --nodes",
            bytes >> 20,
            available >> 20
        ));
    }
    Ok(())
}
