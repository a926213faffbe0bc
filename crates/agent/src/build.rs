//! What runs here: its version, the commit it was built from, and the formats it speaks.
//!
//! A library does not know what it was built from; the program that embeds it may say so, once, for the whole process.

use serde::Serialize;
use std::sync::OnceLock;

/// The version of this crate, and of all that belong to it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// Says which commit this program was built from. The first word holds.
pub fn set_commit(commit: &'static str) {
    let _ = COMMIT.set(commit); // said before: that holds
}

/// The commit that this program was built from, or `unknown`.
pub fn commit() -> &'static str {
    COMMIT.get().copied().unwrap_or("unknown")
}

/// The versions of what is written to the wire and to disk.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Formats {
    /// A packet's first byte.
    pub packet: u8,
    /// The database in the data directory, SQLite's `user_version`.
    pub data_dir: u32,
    /// The identity beside it, the file's first byte.
    pub sidecar: u8,
    /// The admin API, the first part of each path.
    pub api: &'static str,
}

impl Formats {
    /// Those of this version.
    pub fn here() -> Formats {
        Formats {
            packet: rumormill_runtime::PACKET_VERSION,
            data_dir: crate::store::DATA_DIR_VERSION,
            sidecar: crate::store::SIDECAR_VERSION,
            api: "v1",
        }
    }
}
