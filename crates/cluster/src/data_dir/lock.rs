//! Keeps two agents out of one data directory.

use super::error::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Held as long as it lives; the kernel lets go of it when the process ends in whatever way.
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    /// By name, and not only by closing: a child that is just being started holds a copy of the descriptor until it runs its program.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Takes the lock and writes this process's id into it. Never waits.
    pub fn take(dir: &Path) -> Result<Lock, StoreError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join("lock"))
            .map_err(|e| StoreError::from_io(dir, "open the lock", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let pid = file.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse().ok());
                return Err(StoreError::InUse { dir: dir.into(), pid });
            }
            Err(TryLockError::Error(e)) => return Err(StoreError::from_io(dir, "take the lock", e)),
        }
        // For people only: the lock holds without it, and a full disk is reported by the steps that follow.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Lock { file })
    }
}
