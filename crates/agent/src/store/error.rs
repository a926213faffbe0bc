//! Why a data directory cannot be used.

use super::record::{DATABASE, SECOND_COPY, VALUE_BYTES_MAX};
use std::io;
use std::path::{Path, PathBuf};

/// With less room than this a write that failed is put down to the full disk: what opening a directory may take, in bytes.
const ROOM_BYTES_MIN: u64 = 128 * 1024;

/// Why a data directory cannot be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another agent has it.
    #[error("the data directory {} is in use by {}; stop that agent, or give this one a data_dir of its own",
        dir.display(), pid.map_or("another process".into(), |pid| format!("process {pid}")))]
    InUse {
        /// Which directory.
        dir: PathBuf,
        /// By which process, if it said so.
        pid: Option<u32>,
    },
    /// There is no room to write.
    #[error("cannot {what}: the disk of {} is full; make room and start again (the agent does not start without a durable epoch)", dir.display())]
    Full {
        /// What was being done.
        what: &'static str,
        /// Which directory.
        dir: PathBuf,
    },
    /// It may not be written.
    #[error("cannot {what}: {} may not be written by this user, or is mounted read-only ({detail}); \
        give it to this user with chown, or name another data_dir", dir.display())]
    Denied {
        /// What was being done.
        what: &'static str,
        /// Which directory.
        dir: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A newer program wrote it.
    #[error("the data directory {} has version {found}, this program knows versions up to {known}; nothing was changed: \
        run the newer program, or name another data_dir", dir.display())]
    Newer {
        /// Which directory.
        dir: PathBuf,
        /// Its version.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// Damaged, and the identity with it.
    #[error("the identity in {} is lost ({detail}); nothing was changed: restore the directory from a backup, or move it away \
        and this node starts as a new member", dir.display())]
    IdentityLost {
        /// Which directory.
        dir: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Files of two nodes in one directory.
    #[error("{} holds the keys of two different nodes, one in {}, one in {}; move away those files that belong to the other node",
        dir.display(), DATABASE, SECOND_COPY)]
    TwoIdentities {
        /// Which directory.
        dir: PathBuf,
    },
    /// A value is larger than [`VALUE_BYTES_MAX`].
    #[error("{name} takes {bytes} bytes, at most {} are kept", VALUE_BYTES_MAX)]
    TooLarge {
        /// Under which name.
        name: String,
        /// Its size, in bytes.
        bytes: usize,
    },
    /// The system gives no random bytes.
    #[error("the system gives no randomness to make a key of: {0}")]
    Randomness(String),
    /// Anything else.
    #[error("cannot {what} in {}: {detail}; look at the disk and the system's log", dir.display())]
    Other {
        /// What was being done.
        what: &'static str,
        /// Which directory.
        dir: PathBuf,
        /// What the system said.
        detail: String,
    },
}

impl StoreError {
    pub(super) fn from_io(dir: &Path, what: &'static str, e: io::Error) -> StoreError {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let dir = dir.to_path_buf();
        match e.kind() {
            StorageFull | QuotaExceeded => StoreError::Full { what, dir },
            PermissionDenied | ReadOnlyFilesystem => StoreError::Denied { what, dir, detail: e.to_string() },
            _ => StoreError::Other { what, dir, detail: e.to_string() },
        }
    }

    pub(super) fn from_sqlite(dir: &Path, what: &'static str, e: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
        // SQLite does not always say that a failed write failed for want of room.
        let is_full = || {
            rustix::fs::statvfs(dir).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) < ROOM_BYTES_MIN)
        };
        let is_full = e.sqlite_error_code() == Some(SystemIoFailure) && is_full();
        let dir = dir.to_path_buf();
        match e.sqlite_error_code() {
            Some(DiskFull) => StoreError::Full { what, dir },
            _ if is_full => StoreError::Full { what, dir },
            Some(ReadOnly | PermissionDenied | CannotOpen) => {
                StoreError::Denied { what, dir, detail: e.to_string() }
            }
            _ => StoreError::Other { what, dir, detail: e.to_string() },
        }
    }
}
