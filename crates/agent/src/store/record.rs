//! Records of the data directory, and its bounds.

use rumormill_core::identity::NodeId;
use rumormill_core::time::Wall;

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
