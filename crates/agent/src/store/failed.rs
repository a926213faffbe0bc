//! Errors of SQLite as errors of the data directory.

use rumormill_cluster::data_dir::StoreError;
use std::path::Path;

/// With less room than this a write that failed is put down to the full disk: what opening a directory may take, in bytes.
const ROOM_BYTES_MIN: u64 = 128 * 1024;

pub(super) fn from_sqlite(dir: &Path, what: &'static str, e: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    // SQLite does not always say that a failed write failed for want of room.
    let is_full =
        || rustix::fs::statvfs(dir).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) < ROOM_BYTES_MIN);
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
