//! What two agents say to each other: `[0, swim]`, `[1, vitals]`, `[2, events]`, `[3, queries]`, `[4, keys]`, `[5, bans]`.
//!
//! A number that this version does not know is a protocol that a newer one added, and is passed over without harm to its neighbours in the
//! datagram.

use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use rumormill_core::lane::{Lane, Lanes};
use rumormill_core::protocol::Message as _;
use rumormill_core::wire;
use rumormill_protocols::agree::{bans, keys, latest};
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::{events, queries};

/// Bytes that this layer puts around an inner message: an array of two, and a number.
pub(super) const FRAME_BYTES: usize = 2;

/// What two agents say to each other.
#[derive(Clone, Debug)]
pub enum Message {
    /// About membership.
    Swim(swim::Message),
    /// Vitals.
    Vitals(latest::Message),
    /// Events.
    Events(events::Message),
    /// About queries.
    Queries(queries::Message),
    /// About keys.
    Keys(keys::Message),
    /// About who is kept out.
    Bans(bans::Message),
    /// Something that a newer version says, which this one cannot read. Never sent.
    Unknown,
}

/// The lanes of each protocol, in the order of their numbers.
const LANES: [&[Lane]; 6] = [
    swim::Message::LANES,
    latest::Message::LANES,
    events::Message::LANES,
    queries::Message::LANES,
    keys::Message::LANES,
    bans::Message::LANES,
];
const ALL_LANES: Lanes = Lanes::of(&LANES);
/// How many lanes come before those of each protocol.
const LANES_BEFORE: [usize; 6] = {
    let (mut before, mut at) = ([0; 6], 1);
    while at < 6 {
        before[at] = before[at - 1] + LANES[at - 1].len();
        at += 1;
    }
    before
};

impl rumormill_core::protocol::Message for Message {
    const LANES: &'static [Lane] = ALL_LANES.as_slice();
    fn lane(&self) -> usize {
        match self {
            Message::Swim(_) | Message::Unknown => 0,
            Message::Vitals(_) => LANES_BEFORE[1],
            Message::Events(m) => LANES_BEFORE[2] + m.lane(),
            Message::Queries(_) => LANES_BEFORE[3],
            Message::Keys(_) => LANES_BEFORE[4],
            Message::Bans(_) => LANES_BEFORE[5],
        }
    }
    fn replayable(&self) -> bool {
        match self {
            Message::Swim(m) => m.replayable(),
            Message::Vitals(m) => m.replayable(),
            Message::Events(m) => m.replayable(),
            Message::Queries(m) => m.replayable(),
            Message::Keys(m) => m.replayable(),
            Message::Bans(m) => m.replayable(),
            Message::Unknown => false,
        }
    }
}

impl<C> Encode<C> for Message
where
    swim::Message: Encode<C>,
    latest::Message: Encode<C>,
    events::Message: Encode<C>,
    queries::Message: Encode<C>,
    keys::Message: Encode<C>,
    bans::Message: Encode<C>,
{
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?;
        match self {
            Message::Swim(m) => m.encode(e.u8(0)?, c),
            Message::Vitals(m) => m.encode(e.u8(1)?, c),
            Message::Events(m) => m.encode(e.u8(2)?, c),
            Message::Queries(m) => m.encode(e.u8(3)?, c),
            Message::Keys(m) => m.encode(e.u8(4)?, c),
            Message::Bans(m) => m.encode(e.u8(5)?, c),
            Message::Unknown => e.u8(23)?.null()?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Message
where
    swim::Message: Decode<'b, C>,
    latest::Message: Decode<'b, C>,
    events::Message: Decode<'b, C>,
    queries::Message: Decode<'b, C>,
    keys::Message: Decode<'b, C>,
    bans::Message: Decode<'b, C>,
{
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, minicbor::decode::Error> {
        let found = wire::array(d, 2)?;
        let (message, known) = match d.u64()? {
            0 => (Message::Swim(Decode::decode(d, c)?), 2),
            1 => (Message::Vitals(Decode::decode(d, c)?), 2),
            2 => (Message::Events(Decode::decode(d, c)?), 2),
            3 => (Message::Queries(Decode::decode(d, c)?), 2),
            4 => (Message::Keys(Decode::decode(d, c)?), 2),
            5 => (Message::Bans(Decode::decode(d, c)?), 2),
            _ => (Message::Unknown, 1),
        };
        wire::skip_rest(d, known, found)?;
        Ok(message)
    }
}

impl<C> CborLen<C> for Message
where
    swim::Message: CborLen<C>,
    latest::Message: CborLen<C>,
    events::Message: CborLen<C>,
    queries::Message: CborLen<C>,
    keys::Message: CborLen<C>,
    bans::Message: CborLen<C>,
{
    fn cbor_len(&self, c: &mut C) -> usize {
        FRAME_BYTES
            + match self {
                Message::Swim(m) => m.cbor_len(c),
                Message::Vitals(m) => m.cbor_len(c),
                Message::Events(m) => m.cbor_len(c),
                Message::Queries(m) => m.cbor_len(c),
                Message::Keys(m) => m.cbor_len(c),
                Message::Bans(m) => m.cbor_len(c),
                Message::Unknown => 1,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_version_says_is_passed_over_and_its_neighbours_are_read() {
        // [7, {1: [2, 3]}, "more"], then what this version cannot say either, then [0, …] cut short.
        let bytes = [0x83, 7, 0xa1, 1, 0x82, 2, 3, 0x64, b'm', b'o', b'r', b'e', 0x82, 23, 0xf6];
        let mut rest = &bytes[..];
        for _ in 0..2 {
            assert!(matches!(wire::get::<Message>(&mut rest), Ok(Message::Unknown)));
        }
        assert!(rest.is_empty());
        assert!(wire::decode::<Message>(&[0x81, 0]).is_err(), "a number without its message");
    }

    #[test]
    fn the_size_is_known_before_it_is_written() {
        let mut out = Vec::new();
        wire::put(&Message::Unknown, &mut out);
        assert_eq!(out.len(), wire::len(&Message::Unknown));
    }
}
