//! The cluster's keys: several, one of them primary. Everybody who holds one of them is a member of the cluster's trust.
//!
//! Packets are sealed with the primary key and opened with any. To rotate, install the new key everywhere, make it primary
//! everywhere, and remove the old one everywhere; all while traffic flows. Key material goes in and never comes out:
//! keys are listed by fingerprint, and [`Keyring::save`] writes them to the key file, which is nobody else's to read.

use crate::private_file::write_private;
use crate::text;
pub use crate::text::{KEY_BYTES, NoKey};
use ring::digest;
use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The most keys in a ring: a rotation needs two (our guess: room for a few that overlap).
pub const KEYS_MAX: usize = 8;
/// The most removed keys that members which were away may still ask for the ring by (our guess: as many as a ring holds).
pub const REMOVED_MAX: usize = KEYS_MAX;

/// One cluster key. Overwritten when dropped; printed only as its fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

/// What a key is called by: 64 bits of its hash, shown as 16 hexadecimal digits.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The head of it, as packets carry it.
    pub(crate) fn id(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A keyring cannot do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A text that is not a key.
    #[error("this is no key: {0}; a key is 32 bytes, base64; make one with `rumormill keygen`")]
    NotAKey(NoKey),
    /// A line of a key file is not a key. The line itself is not shown: it may be nearly a key.
    #[error(
        "line {line} of the key file is no key: {why}; a key is 32 bytes, base64; make one with `rumormill keygen`"
    )]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: NoKey,
    },
    /// A key file without keys.
    #[error(
        "the key file holds no key: write one per line, the primary one first, as `rumormill keygen` makes them"
    )]
    Empty,
    /// Already [`KEYS_MAX`] keys.
    #[error("the ring is full with {KEYS_MAX} keys: remove one first")]
    Full,
    /// No such key.
    #[error("no key {0} in the ring: install it first")]
    Unknown(Fingerprint),
    /// The primary key cannot be removed.
    #[error("{0} is the primary key: make another one primary first")]
    Primary(Fingerprint),
    /// Another key of the ring starts with the same 32 bits of hash.
    #[error("this key cannot be told from {0} by packets: make another one")]
    Clash(Fingerprint),
    /// The agent runs without a cluster key.
    #[error(
        "this node was started without a key, and one key more would not make it safe: restart it with a key file"
    )]
    Insecure,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// A key file cannot be read or written.
    #[error("cannot access the key file: {0}")]
    Io(#[from] std::io::Error),
}

impl Key {
    /// A key of 32 bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Key {
        Key(bytes)
    }

    /// A fresh key from the system's random source.
    pub fn generate() -> Result<Key, KeyringError> {
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| KeyringError::NoRandom)?;
        Ok(Key(bytes))
    }

    /// What it is called by.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"rumormill key fingerprint");
        hash.update(&self.0);
        let hash = hash.finish();
        let head = hash.as_ref().first_chunk::<8>().expect("a hash has 32 bytes");
        Fingerprint(u64::from_be_bytes(*head))
    }

    /// The key itself as base64, for the key file that `keygen` makes. Keep it secret.
    pub fn reveal(&self) -> String {
        text::to_base64(&self.0)
    }

    /// The key itself, to be sealed for somebody else or kept. Keep it secret.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0); // so that the writes are not taken for useless
    }
}

impl FromStr for Key {
    type Err = KeyringError;
    /// Reads 64 hexadecimal digits or 43 to 44 characters of base64.
    fn from_str(s: &str) -> Result<Key, KeyringError> {
        text::key_bytes(s.trim()).map(Key).map_err(KeyringError::NotAKey)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.fingerprint())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Fingerprint {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Fingerprint, Self::Err> {
        u64::from_str_radix(s, 16).map(Fingerprint)
    }
}

/// The cluster's keys, shared: a clone is the same ring, and what is changed through one is seen by all.
#[derive(Clone)]
pub struct Keyring(Arc<Shared>);

struct Shared {
    version: AtomicU64,
    insecure: bool,
    keys: RwLock<Vec<(Fingerprint, Key)>>, // the primary one first
    removed: RwLock<Vec<(Fingerprint, Key)>>,
}

impl Keyring {
    /// A ring of one key.
    pub fn new(primary: Key) -> Keyring {
        Keyring::of(vec![primary], false)
    }

    /// A ring without a secret, for trials on one machine: integrity and the cluster's name are still checked, but anybody can
    /// seal such packets.
    pub fn insecure() -> Keyring {
        let hash = digest::digest(&digest::SHA256, b"insecure");
        let bytes = hash.as_ref().first_chunk::<KEY_BYTES>().expect("a hash has 32 bytes");
        Keyring::of(vec![Key(*bytes)], true)
    }

    /// Reads a key file: one key per line, the first is primary; empty lines and what follows a `#` are skipped.
    pub fn parse(text: &str) -> Result<Keyring, KeyringError> {
        let mut keys: Option<Keyring> = None;
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let key =
                text::key_bytes(line).map(Key).map_err(|why| KeyringError::Line { line: at + 1, why })?;
            match &keys {
                None => keys = Some(Keyring::new(key)),
                Some(ring) => drop(ring.install(key)?),
            }
        }
        keys.ok_or(KeyringError::Empty)
    }

    /// Reads the key file at `path`.
    pub fn load(path: &Path) -> Result<Keyring, KeyringError> {
        Keyring::parse(&std::fs::read_to_string(path)?)
    }

    /// Writes the ring to the key file at `path`, all of it or nothing. A link stays a link, and a file that was there keeps mode and owner; a new one
    /// is for its owner alone.
    pub fn save(&self, path: &Path) -> Result<(), KeyringError> {
        if self.is_insecure() {
            return Err(KeyringError::Insecure);
        }
        let lines: Vec<String> = self.read(|keys| keys.iter().map(|(_, key)| key.reveal()).collect());
        Ok(write_private(path, &format!("{}\n", lines.join("\n")))?)
    }

    /// The keys themselves, the primary one first, to be sealed for somebody else or kept. Keep them secret.
    pub fn keys(&self) -> Vec<Key> {
        self.read(|keys| keys.iter().map(|(_, key)| key.clone()).collect())
    }

    /// A ring of its own with the same keys, to try a change on.
    pub fn detached(&self) -> Keyring {
        Keyring::of(self.keys(), self.is_insecure())
    }

    /// Takes these keys in place of all it holds, the first as the primary one.
    pub fn replace(&self, new: Vec<Key>) -> Result<(), KeyringError> {
        let mut checked: Option<Keyring> = None;
        for key in new {
            match &checked {
                None => checked = Some(Keyring::new(key)),
                Some(ring) => drop(ring.install(key)?),
            }
        }
        let checked = checked.ok_or(KeyringError::Empty)?.keys();
        self.change(|keys| {
            *keys = checked.into_iter().map(|key| (key.fingerprint(), key)).collect();
            Ok(())
        })
    }

    /// Keys that were removed, and open nothing but a [`Kind::KeyRequest`](crate::seal::Kind::KeyRequest): at most [`REMOVED_MAX`], the last ones.
    pub fn set_removed(&self, removed: &[Key]) {
        let from = removed.len().saturating_sub(REMOVED_MAX);
        let removed = removed[from..].iter().map(|key| (key.fingerprint(), key.clone())).collect();
        *self.0.removed.write().unwrap_or_else(PoisonError::into_inner) = removed;
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// Whether it holds no secret.
    pub fn is_insecure(&self) -> bool {
        self.0.insecure
    }

    /// The keys by fingerprint, the primary one first.
    pub fn list(&self) -> Vec<Fingerprint> {
        self.read(|keys| keys.iter().map(|(name, _)| *name).collect())
    }

    /// The key that packets are sealed with.
    pub fn primary(&self) -> Fingerprint {
        self.read(|keys| keys[0].0)
    }

    /// Adds a key that packets may be sealed with by others. Doing so again changes nothing.
    pub fn install(&self, key: Key) -> Result<Fingerprint, KeyringError> {
        let name = key.fingerprint();
        self.change(|keys| {
            if keys.iter().any(|(other, _)| *other == name) {
                return Ok(());
            }
            if let Some((other, _)) = keys.iter().find(|(other, _)| other.id() == name.id()) {
                return Err(KeyringError::Clash(*other));
            }
            if keys.len() >= KEYS_MAX {
                return Err(KeyringError::Full);
            }
            keys.push((name, key));
            Ok(())
        })?;
        Ok(name)
    }

    /// Adds that key of another ring.
    pub fn install_from(&self, other: &Keyring, name: Fingerprint) -> Result<(), KeyringError> {
        let key = other.read(|keys| position(keys, name).map(|at| keys[at].1.clone()))?;
        self.install(key).map(drop)
    }

    /// Seals with this key from now on.
    pub fn use_primary(&self, name: Fingerprint) -> Result<(), KeyringError> {
        self.change(|keys| {
            let at = position(keys, name)?;
            keys[..=at].rotate_right(1);
            Ok(())
        })
    }

    /// Refuses what is sealed with this key from now on. The primary key stays.
    pub fn remove(&self, name: Fingerprint) -> Result<(), KeyringError> {
        self.change(|keys| match position(keys, name)? {
            0 => Err(KeyringError::Primary(name)),
            at => {
                keys.remove(at);
                Ok(())
            }
        })
    }

    /// Goes up with each change.
    pub(crate) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// Whether packets may be sealed with a key of this id.
    pub(crate) fn holds(&self, id: u32) -> bool {
        self.read(|keys| keys.iter().any(|(name, _)| name.id() == id))
    }

    /// What the subkeys are derived from, the primary key's first.
    pub(crate) fn roots(&self) -> Vec<(u32, hkdf::Prk)> {
        self.read(roots)
    }

    /// The same of the keys that were removed.
    pub(crate) fn removed_roots(&self) -> Vec<(u32, hkdf::Prk)> {
        roots(&self.0.removed.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(keys: Vec<Key>, insecure: bool) -> Keyring {
        let keys = keys.into_iter().map(|key| (key.fingerprint(), key)).collect();
        let (keys, removed) = (RwLock::new(keys), RwLock::default());
        Keyring(Arc::new(Shared { version: AtomicU64::new(1), insecure, keys, removed }))
    }

    fn read<R>(&self, read: impl FnOnce(&[(Fingerprint, Key)]) -> R) -> R {
        read(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<(Fingerprint, Key)>) -> Result<(), KeyringError>,
    ) -> Result<(), KeyringError> {
        if self.is_insecure() {
            return Err(KeyringError::Insecure);
        }
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut keys)?;
        self.0.version.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

fn roots(keys: &[(Fingerprint, Key)]) -> Vec<(u32, hkdf::Prk)> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"rumormill cluster key");
    keys.iter().map(|(name, key)| (name.id(), salt.extract(&key.0))).collect()
}

fn position(keys: &[(Fingerprint, Key)], name: Fingerprint) -> Result<usize, KeyringError> {
    keys.iter().position(|(other, _)| *other == name).ok_or(KeyringError::Unknown(name))
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring{:?}", self.list())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::new([n; KEY_BYTES])
    }

    #[test]
    fn a_rotation_installs_uses_and_removes_but_never_removes_the_primary() {
        let (old, new) = (key(1), key(2));
        let (o, n) = (old.fingerprint(), new.fingerprint());
        let ring = Keyring::new(old);
        let shared = ring.clone();
        assert_eq!(ring.install(new.clone()).unwrap(), n);
        assert_eq!(ring.install(new).unwrap(), n, "again changes nothing");
        assert_eq!(shared.list(), [o, n]);
        assert!(matches!(ring.remove(o), Err(KeyringError::Primary(_))));
        shared.use_primary(n).unwrap();
        assert_eq!(ring.primary(), n);
        ring.remove(o).unwrap();
        assert_eq!(shared.list(), [n]);
        assert!(matches!(ring.use_primary(o), Err(KeyringError::Unknown(_))));
    }

    #[test]
    fn a_key_of_another_ring_is_added_and_that_ring_stays_as_it_is() {
        let (mine, other) = (Keyring::new(key(1)), Keyring::new(key(2)));
        let (m, o) = (key(1).fingerprint(), key(2).fingerprint());
        mine.install_from(&other, o).unwrap();
        mine.install_from(&other, o).unwrap();
        assert_eq!((mine.list(), other.list()), (vec![m, o], vec![o]));
        assert_eq!(mine.primary(), m, "it is not used before somebody says so");
        let unknown = key(3).fingerprint();
        assert!(
            matches!(mine.install_from(&other, unknown), Err(KeyringError::Unknown(name)) if name == unknown)
        );
    }

    #[test]
    fn the_ring_is_bounded() {
        let ring = Keyring::new(key(0));
        for n in 1..KEYS_MAX as u8 {
            ring.install(key(n)).unwrap();
        }
        assert!(matches!(ring.install(key(99)), Err(KeyringError::Full)));
    }

    #[test]
    fn a_ring_is_taken_over_in_its_order_or_not_at_all() {
        let ring = Keyring::new(key(1));
        ring.replace(vec![key(2), key(3)]).unwrap();
        assert_eq!(ring.list(), [key(2).fingerprint(), key(3).fingerprint()]);
        assert!(matches!(ring.replace(vec![]), Err(KeyringError::Empty)));
        let many = (0..=KEYS_MAX as u8).map(key).collect();
        assert!(matches!(ring.replace(many), Err(KeyringError::Full)));
        assert_eq!(ring.keys(), [key(2), key(3)], "it is as it was");
        assert!(Keyring::insecure().replace(vec![key(1)]).is_err());
    }

    #[test]
    fn a_key_file_may_hold_comments_and_either_encoding() {
        let (a, b) = (key(0xab), Key::generate().unwrap());
        let hex = "ab".repeat(32);
        let file = format!("# cluster blue\n\n{hex}  # the primary one\n{}\n", b.reveal());
        let ring = Keyring::parse(&file).unwrap();
        assert_eq!(ring.list(), [a.fingerprint(), b.fingerprint()]);
        assert!(matches!(Keyring::parse("# nothing\n"), Err(KeyringError::Empty)));
        assert!(matches!(Keyring::parse("\nabc"), Err(KeyringError::Line { line: 2, .. })));
    }

    #[test]
    fn a_key_file_of_serf_is_refused_with_what_it_is_and_what_to_do() {
        let (short, whole) = (text::to_base64(&[7; 16]), text::to_base64(&[7; 32]));
        for (file, found) in [
            (short.clone(), "line 1 of the key file is no key: it is 16 bytes long"),
            (format!("[\n  \"{short}\",\n  \"{whole}\"\n]\n"), "it is JSON, as Serf keeps its keyring"),
            (format!("\n\"{whole}\"\n"), "line 2 of the key file is no key: it stands in quotes"),
        ] {
            let error = Keyring::parse(&file).unwrap_err().to_string();
            assert!(error.contains(found), "{error}");
            assert!(error.contains("32 bytes, base64; make one with `rumormill keygen`"), "{error}");
            assert!(!error.contains(&whole[..8]) && !error.contains(&short[..8]), "{error}");
        }
    }

    #[test]
    fn no_key_leaks_through_debug_or_through_an_error() {
        let secret = Key::generate().unwrap();
        let ring = Keyring::new(secret.clone());
        let file = format!("{}x", secret.reveal());
        let error = Keyring::parse(&file).unwrap_err();
        let shown = format!("{secret:?} {ring:?} {error:?} {error} {:?}", secret.fingerprint());
        let hex: String = secret.0.iter().map(|b| format!("{b:02x}")).collect();
        let decimal: String = secret.0.iter().take(4).map(|b| format!("{b}, ")).collect();
        for part in [&secret.reveal()[..8], &hex[..8], &decimal] {
            assert!(!shown.contains(part), "{shown}");
        }
        assert!(shown.contains(&secret.fingerprint().to_string()));
    }

    #[test]
    fn a_ring_without_a_secret_says_so_and_takes_no_keys() {
        let ring = Keyring::insecure();
        assert!(ring.is_insecure());
        assert!(matches!(ring.install(key(1)), Err(KeyringError::Insecure)));
        assert!(matches!(ring.save(Path::new("/nowhere")), Err(KeyringError::Insecure)));
    }
}
