//! Records of the data directory, its bounds, and the names of its files.

use crate::identity::SEED_BYTES;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The database.
pub(super) const DATABASE: &str = "rumormill.db";
/// The second copy of the identity.
pub(super) const SECOND_COPY: &str = "identity.bin";
/// Known members that are kept, the most recently seen (our guess: a restarted node needs one that lives).
pub const MEMBERS_MAX: usize = 1024;
/// How often members should be saved at most, in seconds (our guess: losing so much costs a restarted node nothing).
pub const SAVE_INTERVAL_S: u64 = 5;
/// Largest value that [`Store::put`](super::Store::put) takes, in bytes: tags take up to 64 KiB, and 256 bans with reason and name 180 KiB.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// A member as it was last known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMember {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Its contact, as its card carries it.
    pub contact: Vec<u8>,
    /// When it was last known to be alive, by this machine's clock.
    pub seen: Wall,
}

/// What must survive everything.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub seed: [u8; SEED_BYTES],
    /// The last epoch that may have been used.
    pub epoch: u64,
    /// How often the key was replaced; a copy with more is the newer.
    pub rekeys: u64,
    pub copied_from: Option<NodeId>,
}

impl Identity {
    pub fn version(&self) -> (u64, u64) {
        (self.rekeys, self.epoch)
    }
}

/// The name under which a damaged file is kept.
pub(super) fn aside(path: &Path) -> PathBuf {
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two within one second must not replace each other.
    (0..)
        .map(|n| match n {
            0 => path.with_file_name(format!("{name}.corrupt-{unix_s}")),
            n => path.with_file_name(format!("{name}.corrupt-{unix_s}-{n}")),
        })
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| unreachable!("some number is free"))
}
