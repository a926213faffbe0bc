//! How a message becomes bytes, and why no bytes can hurt the one who reads them.
//!
//! The encoding is CBOR (RFC 8949) by `minicbor`: arrays with numbered fields, so that an old reader skips what a new
//! writer added, and a new reader does without what an old writer did not know. A datagram is a CBOR sequence (RFC 8742)
//! of messages.
//!
//! Before anything is decoded, [`check`] walks the bytes once, without recursion and without allocating: definite lengths
//! only, at most [`DEPTH_MAX`] levels (in fields that will be skipped, too), no count that the remaining bytes cannot hold.
//! After that a decoder cannot be driven deep, and [`list`] and [`Payload`](crate::payload::Payload) allocate only what the packet's own bytes
//! back: at most [`ALLOCATION_FACTOR_MAX`] times its size in all.

use alloc::vec::Vec;
use core::fmt;
use minicbor::data::Type;
use minicbor::{CborLen, Decode, Decoder, Encode};

/// Levels of nesting accepted, in skipped fields too.
pub const DEPTH_MAX: usize = 16;
/// Bytes that decoding may allocate per byte of the packet.
pub const ALLOCATION_FACTOR_MAX: usize = 8;
/// The largest message that travels on a stream, in bytes; what is larger is paged by its protocol.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// What can be written to and read from the wire. Everything that `minicbor` can encode, size and decode is.
pub trait Wire: Sized + Encode<()> + CborLen<()> + for<'b> Decode<'b, ()> {}
impl<T: Sized + Encode<()> + CborLen<()> + for<'b> Decode<'b, ()>> Wire for T {}

/// The bytes are not a message.
#[derive(Debug)]
pub enum WireError {
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// A length or count that goes beyond the end.
    Truncated,
    /// A length of indefinite size, which nobody here writes.
    Indefinite,
    /// Well-formed, but not this message.
    Unknown(minicbor::decode::Error),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::TooDeep => write!(f, "nested deeper than {DEPTH_MAX} levels"),
            WireError::Truncated => f.write_str("a length goes beyond the end"),
            WireError::Indefinite => f.write_str("a length is indefinite or reserved"),
            WireError::Unknown(e) => write!(f, "not a message of this version: {e}"),
        }
    }
}

impl core::error::Error for WireError {}

/// The exact number of bytes that `message` takes on the wire.
pub fn len<T: Wire>(message: &T) -> usize {
    message.cbor_len(&mut ())
}

/// Appends `message` to `out`.
pub fn put<T: Wire>(message: &T, out: &mut Vec<u8>) {
    minicbor::encode(message, out).expect("writing to a vector cannot fail");
}

/// Reads one message from the front of `bytes` and moves `bytes` behind it.
pub fn get<T: Wire>(bytes: &mut &[u8]) -> Result<T, WireError> {
    let end = check(bytes)?;
    let mut decoder = Decoder::new(&bytes[..end]);
    let message = decoder.decode().map_err(WireError::Unknown)?;
    *bytes = &bytes[end..];
    Ok(message)
}

/// Reads exactly one message.
pub fn decode<T: Wire>(mut bytes: &[u8]) -> Result<T, WireError> {
    let message = get(&mut bytes)?;
    if bytes.is_empty() {
        Ok(message)
    } else {
        Err(WireError::Unknown(minicbor::decode::Error::message("bytes left over")))
    }
}

/// Walks the first CBOR item of `bytes` and returns where it ends, without recursion and without allocating.
pub fn check(bytes: &[u8]) -> Result<usize, WireError> {
    let mut at = 0usize;
    let mut open = [0u64; DEPTH_MAX]; // items still to come on each level
    let mut depth = 0usize;
    loop {
        let first = *bytes.get(at).ok_or(WireError::Truncated)?;
        at += 1;
        let (major, info) = (first >> 5, first & 31);
        let extra = match info {
            0..=23 => 0,
            24..=27 => 1usize << (info - 24),
            _ => return Err(WireError::Indefinite),
        };
        let tail = bytes.get(at..at + extra).ok_or(WireError::Truncated)?;
        let value =
            if extra == 0 { u64::from(info) } else { tail.iter().fold(0, |v, b| v << 8 | u64::from(*b)) };
        at += extra;
        let left = (bytes.len() - at) as u64;
        let items = match major {
            2 | 3 => {
                if value > left {
                    return Err(WireError::Truncated);
                }
                at += value as usize;
                0
            }
            4 => value,
            5 => value.checked_mul(2).ok_or(WireError::Truncated)?,
            6 => 1,
            _ => 0,
        };
        if items > (bytes.len() - at) as u64 {
            return Err(WireError::Truncated);
        }
        if items > 0 {
            if depth == DEPTH_MAX {
                return Err(WireError::TooDeep);
            }
            open[depth] = items;
            depth += 1;
            continue;
        }
        // An item ended, and with it every level whose last item it was.
        while depth > 0 {
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

/// What a list may hold: something whose smallest encoding is known, so that a count can be held against the bytes.
pub trait Item {
    /// The fewest bytes this takes on the wire.
    const BYTES_MIN: usize;
}

impl Item for u64 {
    // A hash or a checksum: it is written with all its nine bytes, or nearly so; one byte is the floor that the format gives.
    const BYTES_MIN: usize = 1;
}

/// A bounded `Vec` on the wire, for `#[cbor(with = "…::wire::list")]`: allocated once, and only as the bytes back it.
pub mod list {
    use super::*;

    /// Writes a list.
    pub fn encode<T: Encode<C>, C, W: minicbor::encode::Write>(
        items: &[T],
        e: &mut minicbor::Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(items.len() as u64)?;
        items.iter().try_for_each(|item| item.encode(e, c))
    }

    /// Reads a list.
    pub fn decode<'b, T: Decode<'b, C> + Item, C>(
        d: &mut Decoder<'b>,
        c: &mut C,
    ) -> Result<Vec<T>, minicbor::decode::Error> {
        const {
            assert!(
                size_of::<T>() <= ALLOCATION_FACTOR_MAX * T::BYTES_MIN,
                "an item outgrows its bytes on the wire"
            );
        }
        let count =
            d.array()?.ok_or_else(|| minicbor::decode::Error::message("a list of indefinite length"))?;
        let left = d.input().len() - d.position();
        if count > (left / T::BYTES_MIN) as u64 {
            return Err(minicbor::decode::Error::message("a list longer than its bytes"));
        }
        let mut items = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let start = d.position();
            items.push(T::decode(d, c)?);
            if d.position() - start < T::BYTES_MIN {
                return Err(minicbor::decode::Error::message("an item shorter than any"));
            }
        }
        Ok(items)
    }

    /// The exact size of a list.
    pub fn cbor_len<T: CborLen<C>, C>(items: &[T], c: &mut C) -> usize {
        (items.len() as u64).cbor_len(c) + items.iter().map(|item| item.cbor_len(c)).sum::<usize>()
    }
}

/// Reads an array header of at least `fields` fields, for decoders written by hand.
pub fn array(d: &mut Decoder<'_>, fields: u64) -> Result<u64, minicbor::decode::Error> {
    match d.array()? {
        Some(n) if n >= fields => Ok(n),
        _ => Err(minicbor::decode::Error::message("too few fields")),
    }
}

/// Skips what a newer writer added behind the `known` fields of an array of `found`.
pub fn skip_rest(d: &mut Decoder<'_>, known: u64, found: u64) -> Result<(), minicbor::decode::Error> {
    (known..found).try_for_each(|_| d.skip())
}

/// The exact size of a byte string of `n` bytes.
pub fn bytes_len(n: usize) -> usize {
    n + match n {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        _ => 5,
    }
}

/// Whether the next item is absent or null: for optional fields read by hand.
pub fn is_null(d: &mut Decoder<'_>) -> Result<bool, minicbor::decode::Error> {
    let null = d.datatype()? == Type::Null;
    if null {
        d.null()?;
    }
    Ok(null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[derive(Encode, Decode, CborLen, Debug, PartialEq)]
    struct Old {
        #[n(0)]
        a: u32,
    }
    #[derive(Encode, Decode, CborLen, Debug, PartialEq)]
    struct New {
        #[n(0)]
        a: u32,
        #[n(1)]
        b: Option<Vec<u8>>,
    }

    fn bytes<T: Wire>(t: &T) -> Vec<u8> {
        let mut out = vec![];
        put(t, &mut out);
        assert_eq!(out.len(), len(t));
        out
    }

    #[test]
    fn an_old_reader_reads_a_new_writer_and_the_other_way_round() {
        assert_eq!(decode::<Old>(&bytes(&New { a: 7, b: Some(vec![1, 2]) })).unwrap(), Old { a: 7 });
        assert_eq!(decode::<New>(&bytes(&Old { a: 7 })).unwrap(), New { a: 7, b: None });
    }

    #[test]
    fn seventeen_levels_are_refused_and_sixteen_are_walked() {
        let nested = |levels: usize| {
            let mut b = vec![0x81; levels];
            b.push(0);
            b
        };
        assert_eq!(check(&nested(16)).unwrap(), 17);
        assert!(matches!(check(&nested(17)), Err(WireError::TooDeep)));
        assert!(matches!(check(&[0x9f, 0xff]), Err(WireError::Indefinite)));
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused_before_allocating() {
        assert!(matches!(check(&[0x9b, 0xff, 0, 0, 0, 0, 0, 0, 0]), Err(WireError::Truncated)));
        assert!(matches!(check(&[0x5b, 0, 0, 0, 1, 0, 0, 0, 0]), Err(WireError::Truncated)));
        assert!(matches!(check(&[]), Err(WireError::Truncated)));
    }

    #[test]
    fn messages_follow_each_other_in_a_datagram() {
        let mut both = bytes(&Old { a: 1 });
        both.extend(bytes(&Old { a: 2 }));
        let mut rest = &both[..];
        assert_eq!(get::<Old>(&mut rest).unwrap().a, 1);
        assert_eq!(get::<Old>(&mut rest).unwrap().a, 2);
        assert!(rest.is_empty());
        assert!(decode::<Old>(&both).is_err());
    }
}
