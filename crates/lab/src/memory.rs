//! The memory that an experiment needs, compared with the memory that is available.

/// Refuses an experiment that needs more memory than is available.
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
