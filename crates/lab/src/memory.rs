//! What an experiment needs, against what there is.

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
