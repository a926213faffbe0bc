//! The state from which a member goes on, in one checksummed file that is replaced by renaming.

use super::error::StoreError;
use super::sidecar::aside;
use minicbor::{CborLen, Decode, Encode};
use ring::digest;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::wire;
use rumormill_protocols::agree::bans;
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::events::Positions;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const NAME: &str = "state.bin";
const NEW_NAME: &str = "state.bin.new";
// Layout: magic, version, the state in CBOR, SHA-256 of all before it.
const MAGIC: &[u8; 7] = b"RUMORST";
/// The version of this layout.
pub const VERSION: u8 = 1;
/// A larger file is none of ours, in bytes (our guess: the positions of all sources, 1,024 members and 256 bans take a tenth).
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Members that are kept (our guess: a restarted node needs one that lives).
pub const MEMBERS_MAX: usize = 1_024;

/// A member as it was last known.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct KnownMember {
    /// Its id.
    #[n(0)]
    pub id: NodeId,
    /// Its contact, as its card carries it.
    #[n(1)]
    pub contact: Payload,
}

impl wire::Item for KnownMember {
    const BYTES_MIN: usize = 3;
}

/// The state from which a member goes on.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode, CborLen)]
pub struct State {
    /// The events that were delivered: none is delivered again.
    #[n(0)]
    pub positions: Positions,
    /// Members by which the cluster is found again, at most [`MEMBERS_MAX`].
    #[cbor(n(1), with = "rumormill_core::wire::list")]
    pub members: Vec<KnownMember>,
    /// Bans.
    #[n(2)]
    pub bans: bans::Kept,
    /// Orders to forget members.
    #[n(3)]
    pub orders: swim::Orders,
    /// The tags that were set at run time, encoded; none if they never were.
    #[n(4)]
    pub tags: Option<Payload>,
}

/// Reads the state. One that is damaged is moved aside and starts empty: the other members tell this node again. Fails if a newer program wrote it, or
/// if it cannot be read at all.
pub(super) fn read(dir: &Path, repairs: &mut Vec<String>) -> Result<State, StoreError> {
    let path = dir.join(NAME);
    let bytes = match read_bounded(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
        Err(e) => return Err(StoreError::from_io(dir, "read the state", e)),
    };
    match parse(&bytes) {
        Ok((VERSION, body)) => match wire::decode(body) {
            Ok(state) => return Ok(state),
            Err(error) => repairs.push(format!("{NAME} cannot be read: {error}")),
        },
        Ok((newer, _)) if newer > VERSION => {
            let (found, known) = (newer.into(), VERSION.into());
            return Err(StoreError::Newer { dir: dir.into(), found, known });
        }
        Ok(_) => repairs.push(format!("{NAME} has a version that never was")),
        Err(why) => repairs.push(format!("{NAME} {why}")),
    }
    let aside = aside(&path);
    std::fs::rename(&path, &aside).map_err(|e| StoreError::from_io(dir, "move a damaged file aside", e))?;
    repairs.push(format!("moved to {}: the other members tell this node again", aside.display()));
    Ok(State::default())
}

/// The version, and the state in CBOR.
fn parse(bytes: &[u8]) -> Result<(u8, &[u8]), &'static str> {
    let (body, sum) = bytes.split_last_chunk::<{ digest::SHA256_OUTPUT_LEN }>().ok_or("is cut short")?;
    if digest::digest(&digest::SHA256, body).as_ref() != sum {
        return Err("is cut short or changed: its checksum does not match");
    }
    let rest = body.strip_prefix(MAGIC).ok_or("is not a state file")?;
    rest.split_first().map(|(version, body)| (*version, body)).ok_or("is cut short")
}

/// Replaces the state. A crash leaves the one before or this one. The file is not synced: of the last moments a crash of the machine may lose what a crash
/// of the process does not.
pub(super) fn write(dir: &Path, state: &State) -> Result<(), StoreError> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    wire::put(state, &mut bytes);
    let sum = digest::digest(&digest::SHA256, &bytes);
    bytes.extend_from_slice(sum.as_ref());
    let replace = || -> io::Result<()> {
        let new = dir.join(NEW_NAME);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        std::fs::rename(&new, dir.join(NAME))
    };
    replace().map_err(|e| StoreError::from_io(dir, "save the state", e))
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
