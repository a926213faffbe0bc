//! The seal around every datagram and every handshake.
//!
//! | bytes | what | |
//! | --- | --- | --- |
//! | 1 | version | in clear, authenticated |
//! | 1 | kind | |
//! | 4 | id of the cluster key | |
//! | 4 | low half of the destination's id; 0 where it is not known yet | the whole id is authenticated |
//! | 8 | sender | |
//! | 8 + 8 | its life: epoch, session | |
//! | 8 | counter | also the nonce |
//! | 8 | echo: the destination's session as the sender knows it, or 0 | sealed |
//! | … | messages | |
//! | 16 | tag of AES-256-GCM | |
//!
//! A receiver derives the key of a sender it has never heard of from the header alone. What it may believe of it depends on the echo: a session
//! is *confirmed* once a packet from it carried our own session, which nobody could have recorded earlier. A sender knows that from what it heard of
//! us, or from our record that others passed on: where it does, its first word counts.

use crate::keyring::Keyring;
pub use crate::kind::Kind;
use crate::sessions::{CONFIRMED_MAX, Sessions, Standing, UNCONFIRMED_MAX};
use crate::strangers::Stranger;
use crate::subkeys::{self, Subkeys};
use ring::aead::{Aad, LessSafeKey, Nonce};
use ring::hkdf::Prk;
use rumormill_core::NodeId;
use rumormill_core::identity::Life;

/// The version of the seal that is written and read.
pub const VERSION: u8 = 1;
/// Bytes of the header in clear.
pub const HEADER_BYTES: usize = 42;
/// Bytes before the messages: the header and the echo.
pub const HEAD_BYTES: usize = HEADER_BYTES + 8;
/// Bytes of the tag behind the messages.
pub const TAG_BYTES: usize = 16;
/// Bytes around the messages of a datagram.
pub const SEAL_BYTES: usize = HEAD_BYTES + TAG_BYTES;

const _: () = assert!(HEADER_BYTES == 1 + 1 + 4 + 4 + 8 + 8 + 8 + 8);
const _: () = assert!(TAG_BYTES == ring::aead::MAX_TAG_LEN);

/// Why a packet was refused.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Shorter than a header and a tag.
    #[error("too short for a packet")]
    Truncated,
    /// Sealed by a version that this one does not know.
    #[error("a version that is not known here")]
    Version,
    /// A kind that this version does not know.
    #[error("a kind of packet that is not known here")]
    Kind,
    /// To somebody else.
    #[error("not for me")]
    NotForMe,
    /// Another key, another cluster, or not as it was written.
    #[error("another key or cluster, or damaged")]
    Unreadable,
    /// Seen before, or too old to tell.
    #[error("seen before")]
    Replayed,
    /// Its sender runs in a greater life by now.
    #[error("from a life that is over")]
    Stale {
        /// Whose.
        from: NodeId,
        /// Its session.
        session: u64,
        /// The greater life.
        greater: Life,
    },
}

/// A packet that was opened.
#[derive(Debug)]
pub struct Opened<'a> {
    /// What it is.
    pub kind: Kind,
    /// Who sealed it. May be my own id: a packet of mine that came back, or a copy of me.
    pub from: NodeId,
    /// In which life.
    pub life: Life,
    /// Whether that life is confirmed.
    pub confirmed: bool,
    /// Whether it is the first packet of that life.
    pub is_new: bool,
    /// The session of mine that its sender knows, or 0.
    pub echo: u64,
    /// The id of the cluster key.
    pub key: u32,
    /// What was sealed, without the echo.
    pub content: &'a [u8],
}

/// Seals what this node sends, and opens what it gets.
pub struct Seal {
    me: NodeId,
    life: Life,
    cluster: String,
    keyring: Keyring,
    version: u64,
    roots: Vec<(u32, Prk)>,
    own: Vec<LessSafeKey>, // of each root
    removed: Vec<(u32, Prk)>,
    /// The id of the public key, with which a node without a key seals.
    no_key: u32,
    counter: u64,
    subkeys: Subkeys,
    sessions: Sessions,
}

/// A hello that did not open although its key is held here, as far as its header tells.
pub struct ForeignHello {
    /// Who says that it asks.
    pub from: NodeId,
    /// Its session.
    pub session: u64,
    /// The id of the key.
    pub key: u32,
    /// The number of the packet.
    pub counter: u64,
}

impl Seal {
    /// Seals as `me` in `life`, for the cluster of that name.
    pub fn new(me: NodeId, life: Life, cluster: &str, keyring: Keyring) -> Seal {
        let mut seal = Seal {
            me,
            life,
            cluster: cluster.into(),
            keyring,
            version: 0,
            roots: Vec::new(),
            own: Vec::new(),
            removed: Vec::new(),
            no_key: Keyring::insecure().primary().id(),
            counter: 0,
            subkeys: Subkeys::default(),
            sessions: Sessions::new(CONFIRMED_MAX, UNCONFIRMED_MAX),
        };
        seal.refresh();
        seal
    }

    /// Takes over what changed in the keyring.
    fn refresh(&mut self) {
        let version = self.keyring.version();
        if version == self.version {
            return;
        }
        self.version = version;
        self.roots = self.keyring.roots();
        self.removed = self.keyring.removed_roots();
        let own = |root: &(u32, Prk)| subkeys::datagram(&root.1, &self.cluster, self.me, self.life);
        self.own = self.roots.iter().map(own).collect();
        let roots = &self.roots;
        self.subkeys.retain(|id| roots.iter().any(|root| root.0 == id));
    }

    /// Who I am.
    pub fn me(&self) -> (NodeId, Life) {
        (self.me, self.life)
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What stream keys are derived from, for a key that a packet was just opened with.
    pub fn root(&self, key: u32) -> Option<&Prk> {
        self.roots.iter().find(|root| root.0 == key).map(|root| &root.1)
    }

    /// The id of the primary key.
    pub fn primary(&mut self) -> u32 {
        self.refresh();
        self.roots[0].0
    }

    /// The life in which `id` was heard last, and whether it is confirmed.
    pub fn life_of(&self, id: NodeId) -> Option<(Life, bool)> {
        self.sessions.get(id).map(|s| (s.life, s.confirmed))
    }

    /// How many sessions were given up for want of room since this was last asked.
    pub fn take_evicted(&mut self) -> u64 {
        self.sessions.take_evicted()
    }

    /// `id` proved over a connection that it is live in `life`. False if that life is over.
    pub fn confirm(&mut self, id: NodeId, life: Life) -> bool {
        let stale = matches!(self.sessions.standing(id, life), Standing::Stale(_));
        if !stale {
            self.sessions.enter(id, life, true);
        }
        !stale
    }

    /// Makes room in `packet` for what goes before the messages.
    pub fn start(packet: &mut Vec<u8>) {
        packet.clear();
        packet.resize(HEAD_BYTES, 0);
    }

    /// Seals what was written behind [`start`](Seal::start) for `to` with the primary key; for a kind that goes to nobody in particular, `to` is ignored.
    pub fn seal(&mut self, kind: Kind, to: NodeId, packet: &mut Vec<u8>) {
        self.seal_for(kind, to, None, packet);
    }

    /// The same, where `told` is the life in which others say that `to` runs. The later one counts, of this and what was heard of it.
    pub fn seal_for(&mut self, kind: Kind, to: NodeId, told: Option<Life>, packet: &mut Vec<u8>) {
        let key = self.primary();
        let life = self.sessions.get(to).map(|s| s.life).max(told);
        self.seal_with(key, life.map_or(0, |life| life.session), kind, to, packet);
    }

    /// Seals with that key of the ring, or the primary one if it is gone, and with that echo.
    pub fn seal_with(&mut self, key: u32, echo: u64, kind: Kind, to: NodeId, packet: &mut Vec<u8>) {
        self.refresh();
        let to = if kind.is_open() { NodeId(0) } else { to };
        let at = self.roots.iter().position(|root| root.0 == key).unwrap_or(0);
        let counter = self.next_counter();
        let header =
            Header { kind, key: self.roots[at].0, to: to.0 as u32, from: self.me, life: self.life, counter };
        if kind == Kind::Refusal {
            let own = subkeys::refusal(&self.roots[at].1, self.me, self.life);
            return header.seal(&own, echo, to, packet);
        }
        header.seal(&self.own[at], echo, to, packet);
    }

    /// What a packet that did not open most likely is; none if it is not even a packet.
    pub fn guess(&self, packet: &[u8]) -> Option<Stranger> {
        let key = Header::read(packet).ok()?.key;
        let holds = |roots: &[(u32, Prk)]| roots.iter().any(|root| root.0 == key);
        Some(match () {
            () if holds(&self.roots) => Stranger::OtherCluster,
            () if holds(&self.removed) => Stranger::RemovedKey,
            () if key == self.no_key => Stranger::NoKey,
            () => Stranger::OtherKey,
        })
    }

    /// The header of a hello that did not open although its key is held here.
    pub fn foreign_hello(&self, packet: &[u8]) -> Option<ForeignHello> {
        let Header { kind, key, from, life, counter, .. } = Header::read(packet).ok()?;
        let is_hello = matches!(kind, Kind::Hello | Kind::StreamHello);
        let is_held = self.root(key).is_some();
        (is_hello && is_held).then_some(ForeignHello { from, session: life.session, key, counter })
    }

    /// The number that the next packet will have.
    pub fn next(&self) -> u64 {
        self.counter
    }

    fn seal_under(
        &mut self,
        own: &LessSafeKey,
        key: u32,
        echo: u64,
        kind: Kind,
        to: NodeId,
        packet: &mut Vec<u8>,
    ) {
        let counter = self.next_counter();
        let header = Header { kind, key, to: to.0 as u32, from: self.me, life: self.life, counter };
        header.seal(own, echo, to, packet);
    }

    /// A number that no other packet of this life has.
    fn next_counter(&mut self) -> u64 {
        self.counter += 1;
        self.counter - 1
    }

    /// Seals a grant under the key that the request was sealed with, removed or not. False if that key is forgotten meanwhile.
    pub fn seal_grant(&mut self, key: u32, session: u64, to: NodeId, packet: &mut Vec<u8>) -> bool {
        self.refresh();
        if self.roots.iter().any(|root| root.0 == key) {
            self.seal_with(key, session, Kind::KeyGrant, to, packet);
            return true;
        }
        let Some(root) = self.removed.iter().find(|root| root.0 == key) else { return false };
        let own = subkeys::datagram(&root.1, &self.cluster, self.me, self.life);
        self.seal_under(&own, key, session, Kind::KeyGrant, to, packet);
        true
    }

    /// Opens a packet in place.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Result<Opened<'a>, Refused> {
        self.refresh();
        let header = Header::read(packet)?;
        let to = if header.kind.is_open() { NodeId(0) } else { self.me };
        if header.to != to.0 as u32 {
            return Err(Refused::NotForMe);
        }
        let Header { kind, from, life, counter, .. } = header;
        let is_mine = from == self.me;
        if !is_mine && !kind.is_stream() && !kind.is_apart() {
            let known = self.sessions.get(from).filter(|s| s.life == life);
            if known.is_some_and(|s| !s.window.is_new(counter)) {
                return Err(Refused::Replayed); // before the work of opening it
            }
        }
        let length = self.decipher(&header, to, packet)?;
        let (echo, content) = packet[HEADER_BYTES..HEADER_BYTES + length].split_at(8);
        let echo = u64::from_be_bytes(echo.try_into().expect("split there"));
        let mut opened =
            Opened { kind, from, life, confirmed: false, is_new: false, echo, key: header.key, content };
        if is_mine || kind.is_apart() {
            return Ok(opened);
        }
        match self.sessions.standing(from, life) {
            Standing::Stale(greater) => {
                return Err(Refused::Stale { from, session: life.session, greater });
            }
            standing => opened.is_new = standing == Standing::New,
        }
        let session = self.sessions.enter(from, life, echo == self.life.session);
        if !kind.is_stream() {
            session.window.mark(counter);
        }
        opened.confirmed = session.confirmed;
        Ok(opened)
    }

    /// Opens with the sender's subkey, and returns the bytes that were sealed: at least the echo.
    fn decipher(&mut self, header: &Header, to: NodeId, packet: &mut [u8]) -> Result<usize, Refused> {
        let (head, sealed) = packet.split_at_mut(HEADER_BYTES);
        let aad = Aad::from(bind(head, to));
        let name = (header.from, header.life, header.key);
        if header.kind.is_apart() {
            return self.decipher_apart(header, aad, sealed);
        }
        if let Some(key) = self.subkeys.get(&name) {
            return Ok(key
                .open_in_place(nonce(header.counter), aad, sealed)
                .map_err(|_| Refused::Unreadable)?
                .len());
        }
        let root = self.roots.iter().find(|root| root.0 == header.key).ok_or(Refused::Unreadable)?;
        let key = Box::new(subkeys::datagram(&root.1, &self.cluster, header.from, header.life));
        let opened =
            key.open_in_place(nonce(header.counter), aad, sealed).map_err(|_| Refused::Unreadable)?;
        let length = opened.len();
        self.subkeys.put(name, key);
        Ok(length)
    }

    /// Opens packets of key recovery and refusals: they are rare, and their senders are not known yet, so nothing is kept of them.
    fn decipher_apart(
        &self,
        header: &Header,
        aad: Aad<[u8; HEADER_BYTES + 8]>,
        sealed: &mut [u8],
    ) -> Result<usize, Refused> {
        let removed = self.removed.iter().filter(|_| header.kind == Kind::KeyRequest);
        let root = self.roots.iter().chain(removed).find(|root| root.0 == header.key);
        let root = root.ok_or(Refused::Unreadable)?;
        let key = match header.kind {
            Kind::Refusal => subkeys::refusal(&root.1, header.from, header.life),
            _ => subkeys::datagram(&root.1, &self.cluster, header.from, header.life),
        };
        let opened =
            key.open_in_place(nonce(header.counter), aad, sealed).map_err(|_| Refused::Unreadable)?;
        Ok(opened.len())
    }
}

/// What is in clear.
struct Header {
    kind: Kind,
    key: u32,
    to: u32,
    from: NodeId,
    life: Life,
    counter: u64,
}

impl Header {
    /// Seals what was written behind [`Seal::start`].
    fn seal(&self, own: &LessSafeKey, echo: u64, to: NodeId, packet: &mut Vec<u8>) {
        self.write(&mut packet[..HEADER_BYTES]);
        packet[HEADER_BYTES..HEAD_BYTES].copy_from_slice(&echo.to_be_bytes());
        let aad = bind(&packet[..HEADER_BYTES], to);
        let tag = own
            .seal_in_place_separate_tag(nonce(self.counter), Aad::from(aad), &mut packet[HEADER_BYTES..])
            .expect("a packet is far shorter than what the cipher can seal");
        packet.extend_from_slice(tag.as_ref());
    }

    fn write(&self, out: &mut [u8]) {
        out[0] = VERSION;
        out[1] = self.kind as u8;
        out[2..6].copy_from_slice(&self.key.to_be_bytes());
        out[6..10].copy_from_slice(&self.to.to_be_bytes());
        out[10..18].copy_from_slice(&self.from.0.to_be_bytes());
        out[18..26].copy_from_slice(&self.life.epoch.to_be_bytes());
        out[26..34].copy_from_slice(&self.life.session.to_be_bytes());
        out[34..42].copy_from_slice(&self.counter.to_be_bytes());
    }

    fn read(packet: &[u8]) -> Result<Header, Refused> {
        if packet.is_empty() {
            return Err(Refused::Truncated);
        }
        if packet[0] != VERSION {
            return Err(Refused::Version);
        }
        if packet.len() < SEAL_BYTES {
            return Err(Refused::Truncated);
        }
        let u32_at = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_be_bytes(packet[at..at + 8].try_into().expect("8 bytes"));
        Ok(Header {
            kind: Kind::read(packet[1]).ok_or(Refused::Kind)?,
            key: u32_at(2),
            to: u32_at(6),
            from: NodeId(u64_at(10)),
            life: Life { epoch: u64_at(18), session: u64_at(26) },
            counter: u64_at(34),
        })
    }
}

/// What is authenticated: the header, and the whole id of whom it is for.
fn bind(header: &[u8], to: NodeId) -> [u8; HEADER_BYTES + 8] {
    let mut aad = [0; HEADER_BYTES + 8];
    aad[..HEADER_BYTES].copy_from_slice(header);
    aad[HEADER_BYTES..].copy_from_slice(&to.0.to_be_bytes());
    aad
}

/// The number of a sealed packet, as its header carries it.
pub fn counter(packet: &[u8]) -> u64 {
    Header::read(packet).map_or(0, |header| header.counter)
}

/// A counter as a nonce.
pub fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
