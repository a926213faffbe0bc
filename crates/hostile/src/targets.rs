//! The promises, as functions that take any bytes and assert.

use crate::counting;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::wire::{self, ALLOCATION_FACTOR_MAX, DEPTH_MAX, Wire, WireError};
use rumormill_protocols::agree::{bans, keys};
use rumormill_protocols::catalog::{self, Catalogued, Visit};
use rumormill_runtime::contact::Contact;
use rumormill_runtime::keyring::{Key, Keyring};
use rumormill_runtime::seal::{Kind, Refused, SEAL_BYTES, Seal};
use std::sync::OnceLock;

/// What a refusal may allocate besides: the text of one error, which is as long for a short packet as for a long one.
pub const ERROR_BYTES_MAX: usize = 128;
/// What decoding a contact may allocate: it has at most 64 bytes, so a constant says more than a factor.
pub const CONTACT_ALLOCATED_BYTES_MAX: usize = 2048;

/// A protocol, or another format, as a target of hostile bytes.
pub struct Target {
    /// Its name, with which the names of its seeds and golden packets begin.
    pub name: &'static str,
    /// Asserts the promises: [`datagram`] for its messages.
    pub check: fn(&[u8]),
    /// Reads one message from the front.
    pub read: fn(&mut &[u8]) -> Result<(), WireError>,
}

impl Target {
    fn new<M: Wire>(name: &'static str) -> Target {
        Target { name, check: datagram::<M>, read: |bytes| wire::get::<M>(bytes).map(drop) }
    }

    /// Whether a seed of that name is one of its.
    pub fn has(&self, seed: &str) -> bool {
        seed.strip_prefix(self.name).is_some_and(|rest| rest.starts_with('-'))
    }

    /// Reads a whole datagram.
    ///
    /// # Errors
    /// At the first message that is none.
    pub fn read_all(&self, mut bytes: &[u8]) -> Result<(), WireError> {
        while !bytes.is_empty() {
            (self.read)(&mut bytes)?;
        }
        Ok(())
    }
}

struct Messages;

impl Visit for Messages {
    type Out = Target;
    fn visit<P: Catalogued>(self) -> Target {
        Target::new::<P::Message>(P::NAME)
    }
}

/// The messages of all protocols of the catalog, and the other formats.
pub fn targets() -> &'static [Target] {
    static TARGETS: OnceLock<Vec<Target>> = OnceLock::new();
    TARGETS.get_or_init(|| {
        let formats = [
            Target::new::<bans::Kept>("kept-bans"),
            Target::new::<keys::RecoveryRequest>("away"),
            Target::new::<keys::RecoveryGrant>("back"),
            Target::new::<keys::GrantedKeys>("letter"),
            Target::new::<keys::Record>("kept-keys"),
        ];
        catalog::each(|| Messages).into_iter().chain(formats).collect()
    })
}

/// The protocol that a seed is of, by its name.
///
/// # Panics
/// If it is of none.
pub fn protocol_of(seed: &str) -> &'static Target {
    targets().iter().find(|protocol| protocol.has(seed)).unwrap_or_else(|| panic!("{seed}: of no protocol"))
}

/// Datagrams of each protocol's messages.
pub fn decode(bytes: &[u8]) {
    targets().iter().for_each(|protocol| (protocol.check)(bytes));
}

/// A datagram of messages of one type: each is decoded, up to the first error.
///
/// # Panics
/// If that allocates more than 8 times the bytes (and [`ERROR_BYTES_MAX`] for the error, if there is one), if a message was accepted
/// that is nested deeper than 16 levels, or if what was accepted does not come back as it was.
pub fn datagram<M: Wire>(bytes: &[u8]) {
    let (failed, allocated) = counting::during(|| {
        let mut rest = bytes;
        while !rest.is_empty() {
            if wire::get::<M>(&mut rest).is_err() {
                return true;
            }
        }
        false
    });
    let allowed = ALLOCATION_FACTOR_MAX * bytes.len() + if failed { ERROR_BYTES_MAX } else { 0 };
    assert!(allocated <= allowed, "{allocated} bytes allocated for {}: {bytes:02x?}", bytes.len());

    let mut rest = bytes;
    while !rest.is_empty() {
        let before = rest;
        let Ok(message) = wire::get::<M>(&mut rest) else { break };
        let item = &before[..before.len() - rest.len()];
        assert!(depth(item) <= DEPTH_MAX, "too deep, and accepted: {item:02x?}");
        let mut once = Vec::new();
        wire::put(&message, &mut once);
        assert_eq!(once.len(), wire::len(&message), "the size is known before writing: {item:02x?}");
        match wire::decode::<M>(&once) {
            Ok(again) => {
                let mut twice = Vec::new();
                wire::put(&again, &mut twice);
                assert_eq!(once, twice, "what is written is read as it was meant");
            }
            // Numbers that were padded with zeros shrink, and a list of such records below what its length promises.
            Err(e) => assert!(once.len() < item.len(), "{e}: wrote {once:02x?} for {item:02x?}"),
        }
    }
}

/// How deep a well-formed CBOR item is nested. Written apart from `wire::check`, to hold one against the other.
fn depth(item: &[u8]) -> usize {
    fn walk(bytes: &[u8], at: &mut usize) -> usize {
        let first = bytes[*at];
        *at += 1;
        let width = match first & 31 {
            small @ 0..=23 => return content(bytes, at, first >> 5, u64::from(small)),
            24 => 1,
            25 => 2,
            26 => 4,
            _ => 8,
        };
        let value = bytes[*at..*at + width].iter().fold(0, |v, b| v << 8 | u64::from(*b));
        *at += width;
        content(bytes, at, first >> 5, value)
    }
    fn content(bytes: &[u8], at: &mut usize, major: u8, value: u64) -> usize {
        let items = match major {
            2 | 3 => {
                *at += value as usize;
                0
            }
            4 => value,
            5 => value * 2,
            6 => 1,
            _ => 0,
        };
        let below = (0..items).map(|_| walk(bytes, at)).max();
        below.map_or(0, |below| below + 1)
    }
    walk(item, &mut 0)
}

const ME: NodeId = NodeId(0x1111_2222_3333_4444);
const PEER: NodeId = NodeId(0x5555_6666_7777_8888);

fn seal_of(id: NodeId, session: u64) -> Seal {
    Seal::new(id, Life { epoch: 1, session }, "fuzz", Keyring::new(Key::new([7; 32])))
}

/// Packets. The bytes are taken twice: as a packet that comes as it is, and as orders for one that a real peer sealed and somebody
/// changed: the kind, how many changes, for each a position and what is flipped there, then the content.
///
/// # Panics
/// If a packet is opened that nobody sealed, if one is opened that was changed, if one that was not is refused, or if one is
/// opened twice.
pub fn seal(bytes: &[u8]) {
    let mut me = seal_of(ME, 1);
    let mut raw = bytes.to_vec();
    assert!(me.open(&mut raw).is_err(), "opened what nobody sealed: {bytes:02x?}");

    let Some((&[kind, changes], rest)) = bytes.split_first_chunk::<2>() else { return };
    let changes = usize::from(changes % 4) * 3;
    let Some((changes, content)) = rest.split_at_checked(changes) else { return };
    let kind = Kind::ALL[usize::from(kind) % Kind::ALL.len()];
    let mut packet = Vec::new();
    Seal::start(&mut packet);
    packet.extend_from_slice(content);
    seal_of(PEER, 2).seal(kind, ME, &mut packet);
    assert_eq!(packet.len(), content.len() + SEAL_BYTES);
    let original = packet.clone();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % packet.len();
        packet[at] ^= change[2];
    }
    let is_original = packet == original;
    match me.open(&mut packet) {
        Ok(opened) => {
            assert!(is_original, "opened after a change: {bytes:02x?}");
            assert_eq!((opened.kind, opened.from, opened.content), (kind, PEER, content));
            assert!(!opened.confirmed, "nobody has proved anything yet");
        }
        Err(e) => assert!(!is_original, "refused what was not changed ({e}): {bytes:02x?}"),
    }
    // Those are guarded by nonces, or prove themselves by what they say.
    let is_datagram = !matches!(
        kind,
        Kind::StreamHello | Kind::StreamAck | Kind::KeyRequest | Kind::KeyGrant | Kind::Refusal
    );
    if is_original && is_datagram {
        let again = me.open(&mut original.clone()).err();
        assert_eq!(again, Some(Refused::Replayed), "opened twice: {bytes:02x?}");
    }
}

/// Contacts.
///
/// # Panics
/// If decoding allocates more than [`CONTACT_ALLOCATED_BYTES_MAX`], or if what was read is not what is written and read again.
pub fn contact(bytes: &[u8]) {
    let (decoded, allocated) = counting::during(|| Contact::decode(bytes));
    assert!(allocated <= CONTACT_ALLOCATED_BYTES_MAX, "{allocated} bytes allocated: {bytes:02x?}");
    if let Ok(contact) = decoded {
        let again = Contact::decode(&contact.encode());
        assert_eq!(again.ok().as_ref(), Some(&contact), "{bytes:02x?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_levels_that_hold_something() {
        assert_eq!(depth(&[0x01]), 0);
        assert_eq!(depth(&[0x80]), 0);
        assert_eq!(depth(&[0x82, 0x01, 0x81, 0x02]), 2);
        assert_eq!(depth(&[0xa1, 0x01, 0xc1, 0x02]), 2);
        assert_eq!(depth(&[0x82, 0x58, 0x02, 0x81, 0x81, 0x00]), 1);
    }
}
