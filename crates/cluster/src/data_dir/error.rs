//! Why a data directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// The database of an agent, which has the identity too.
pub const DATABASE: &str = "rumormill.db";
/// The file of the identity.
pub const IDENTITY: &str = "identity.bin";

/// Why a data directory cannot be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it, or another member of this one.
    #[error("the data directory {} is in use by {}; stop that one, or give this one a data directory of its own",
        dir.display(), pid.map_or("another process".into(), |pid| format!("process {pid}")))]
    InUse {
        /// Which directory.
        dir: PathBuf,
        /// By which process, if it said so.
        pid: Option<u32>,
    },
    /// There is no room to write.
    #[error("cannot {what}: the disk of {} is full; make room: a node that runs then goes on by itself, and one that starts must write its epoch", dir.display())]
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
        dir.display(), DATABASE, IDENTITY)]
    TwoIdentities {
        /// Which directory.
        dir: PathBuf,
    },
    /// A value is larger than its bound.
    #[error("{name} takes {bytes} bytes, at most {max} are kept")]
    TooLarge {
        /// Under which name.
        name: String,
        /// Its size, in bytes.
        bytes: usize,
        /// The bound.
        max: usize,
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
    /// What went wrong with a file of `dir`.
    pub fn from_io(dir: &Path, what: &'static str, e: io::Error) -> StoreError {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let dir = dir.to_path_buf();
        match e.kind() {
            StorageFull | QuotaExceeded => StoreError::Full { what, dir },
            PermissionDenied | ReadOnlyFilesystem => StoreError::Denied { what, dir, detail: e.to_string() },
            _ => StoreError::Other { what, dir, detail: e.to_string() },
        }
    }
}
