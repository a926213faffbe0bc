//! What an experiment needs, against what there is.

/// What the simulator keeps for a node besides its protocol: driver, port, and its share of what is pending (measured).
pub(crate) const SIMULATOR_BYTES_PER_NODE: u64 = 700;

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
