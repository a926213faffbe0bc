//! The identity in a file: two generations of a small checksummed file, replaced by renaming. In an agent's data directory it is the second copy.

use super::error::StoreError;
use crate::identity::SEED_BYTES;
use ring::digest;
use rumormill_core::identity::NodeId;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The newest generation.
pub use super::error::IDENTITY as NAME;
/// The one before.
const OLD_NAME: &str = "identity.bin.old";
/// The one being written.
const NEW_NAME: &str = "identity.bin.new";

// Layout, numbers big endian: magic, version, secret key, epoch, rekeys, whether copied, copied from, SHA-256 of all before it.
const MAGIC: &[u8; 7] = b"RUMORID";
/// The version of this layout.
pub const VERSION: u8 = 1;
const BODY_BYTES: usize = MAGIC.len() + 1 + SEED_BYTES + 8 + 8 + 1 + 8;
const FILE_BYTES: usize = BODY_BYTES + digest::SHA256_OUTPUT_LEN;

/// The state that must survive a crash.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The secret half of the node's key.
    pub seed: [u8; SEED_BYTES],
    /// The last epoch that may have been used.
    pub epoch: u64,
    /// Number of times that the key was replaced; a copy with more is the newer.
    pub rekeys: u64,
    /// The id before the last replacement.
    pub copied_from: Option<NodeId>,
}

impl Identity {
    /// A new key. Fails if the system gives no randomness.
    pub fn fresh(epoch: u64, rekeys: u64, copied_from: Option<NodeId>) -> Result<Identity, StoreError> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed).map_err(|e| StoreError::Randomness(e.to_string()))?;
        Ok(Identity { seed, epoch, rekeys, copied_from })
    }

    /// Orders the generations of one identity.
    pub fn version(&self) -> (u64, u64) {
        (self.rekeys, self.epoch)
    }
}

/// What was found.
pub struct Found {
    /// The newer of the sound generations.
    pub best: Option<Identity>,
    /// What is wrong with those that are not sound.
    pub damaged: Vec<String>,
    damaged_paths: Vec<PathBuf>,
}

/// Reads both generations. Fails if one cannot be read at all, or if a newer program wrote it; a damaged one is only reported.
pub fn read(dir: &Path) -> Result<Found, StoreError> {
    let mut found = Found { best: None, damaged: Vec::new(), damaged_paths: Vec::new() };
    for name in [NAME, OLD_NAME] {
        let bytes = match read_bounded(&dir.join(name)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(StoreError::from_io(dir, "read the identity", e)),
        };
        match parse(&bytes) {
            Parsed::Sound(identity) => {
                if found.best.as_ref().is_none_or(|best| identity.version() > best.version()) {
                    found.best = Some(identity);
                }
            }
            Parsed::Newer(version) => {
                return Err(StoreError::Newer {
                    dir: dir.into(),
                    found: version.into(),
                    known: VERSION.into(),
                });
            }
            Parsed::Damaged(why) => {
                found.damaged.push(format!("{name} {why}"));
                found.damaged_paths.push(dir.join(name));
            }
        }
    }
    Ok(found)
}

/// Moves damaged generations out of the way, so that they are not taken for sound ones later, and keeps them for inspection.
pub fn set_damaged_aside(dir: &Path, found: &Found, repairs: &mut Vec<String>) -> Result<(), StoreError> {
    for (path, why) in found.damaged_paths.iter().zip(&found.damaged) {
        let aside = aside(path);
        std::fs::rename(path, &aside)
            .map_err(|e| StoreError::from_io(dir, "move a damaged file aside", e))?;
        repairs.push(format!("{why}; moved to {}", aside.display()));
    }
    Ok(())
}

/// Writes a new generation and waits until it is on disk. Whatever happens in between, a sound generation is there.
pub fn write(dir: &Path, identity: &Identity) -> Result<(), StoreError> {
    replace(dir, identity).map_err(|e| StoreError::from_io(dir, "write the identity and the epoch", e))
}

fn replace(dir: &Path, identity: &Identity) -> io::Result<()> {
    let (new, current) = (dir.join(NEW_NAME), dir.join(NAME));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&bytes_of(identity))?;
    file.sync_all()?;
    drop(file);
    match std::fs::rename(&current, dir.join(OLD_NAME)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    std::fs::rename(&new, &current)?;
    File::open(dir)?.sync_all()
}

fn bytes_of(identity: &Identity) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&identity.seed);
    bytes.extend_from_slice(&identity.epoch.to_be_bytes());
    bytes.extend_from_slice(&identity.rekeys.to_be_bytes());
    bytes.push(u8::from(identity.copied_from.is_some()));
    bytes.extend_from_slice(&identity.copied_from.map_or(0, |id| id.0).to_be_bytes());
    let sum = digest::digest(&digest::SHA256, &bytes);
    bytes.extend_from_slice(sum.as_ref());
    bytes
}

enum Parsed {
    Sound(Identity),
    Newer(u8),
    Damaged(String),
}

fn parse(bytes: &[u8]) -> Parsed {
    let damaged = |why: &str| Parsed::Damaged(why.to_string());
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return damaged(if bytes.is_empty() { "is empty" } else { "is not an identity file" });
    };
    // Any version ends with the sum of what is before it: only a sound file may claim to be newer.
    let Some((body, sum)) = bytes.split_last_chunk::<{ digest::SHA256_OUTPUT_LEN }>() else {
        return damaged("is cut short");
    };
    if digest::digest(&digest::SHA256, body).as_ref() != sum {
        return damaged("is cut short or changed: its checksum does not match");
    }
    match rest[0] {
        VERSION => {}
        newer if newer > VERSION => return Parsed::Newer(newer),
        _ => return damaged("has a version that never was"),
    }
    match fields(body) {
        Some(identity) => Parsed::Sound(identity),
        None => damaged("does not have the size of an identity"),
    }
}

fn fields(body: &[u8]) -> Option<Identity> {
    if body.len() != BODY_BYTES {
        return None;
    }
    let (seed, rest) = body[MAGIC.len() + 1..].split_first_chunk::<SEED_BYTES>()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (rekeys, rest) = rest.split_first_chunk()?;
    let (is_copied, rest) = rest.split_first()?;
    let (copied_from, _) = rest.split_first_chunk()?;
    Some(Identity {
        seed: *seed,
        epoch: u64::from_be_bytes(*epoch),
        rekeys: u64::from_be_bytes(*rekeys),
        copied_from: (*is_copied == 1).then(|| NodeId(u64::from_be_bytes(*copied_from))),
    })
}

/// The name under which a damaged file is kept.
pub fn aside(path: &Path) -> PathBuf {
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

/// Reads a file whole if it has a sane size, else its beginning (which then does not match its checksum).
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut bytes = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut bytes)?;
    Ok(bytes)
}
