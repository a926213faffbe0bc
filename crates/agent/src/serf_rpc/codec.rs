//! MessagePack on a connection: where one value ends, and what is in it.
//!
//! Serf puts no length before anything, so the end of a value is found by walking it. [`Frames`] does so once over each byte, however the
//! bytes come, before anything is decoded, and knows both bounds: how large a value may be, and how deep.

use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest value that is read, in bytes: 64 KiB of an event or of tags, and room for escapes and names (our guess).
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// How deep values may be nested: what Serf's clients send has three levels (our guess).
pub const DEPTH_MAX: usize = 16;
/// Bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;

/// Why no value could be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The client went away.
    #[error("the connection ended")]
    Ended,
    /// What came is no map in MessagePack, which everything here is.
    #[error("decode failed: this is not Serf's protocol")]
    NoMap,
    /// It is larger than [`FRAME_BYTES_MAX`].
    #[error("decode failed: a request takes at most {FRAME_BYTES_MAX} bytes")]
    TooLarge,
}

/// Cuts what is read into values.
pub struct Frames<R> {
    from: R,
    bytes: Vec<u8>,
    walk: Walk,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads from there.
    pub fn new(from: R) -> Frames<R> {
        Frames { from, bytes: Vec::new(), walk: Walk::START }
    }

    /// Whatever else comes.
    pub fn into_inner(self) -> R {
        self.from
    }

    /// The next value, as it came. May be dropped while it waits, and loses nothing.
    pub async fn next(&mut self) -> Result<Vec<u8>, FrameError> {
        loop {
            if let Some(len) = self.walk.end(&self.bytes)? {
                let rest = self.bytes.split_off(len);
                self.walk = Walk::START;
                return Ok(std::mem::replace(&mut self.bytes, rest));
            }
            self.bytes.reserve(READ_BYTES);
            match self.from.read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => return Err(FrameError::Ended),
                Ok(_) => {}
            }
        }
    }
}

/// How far a value has been walked through.
#[derive(Copy, Clone, Debug)]
struct Walk {
    at: usize,
    /// Values that are still to come.
    left: usize,
}

impl Walk {
    const START: Walk = Walk { at: 0, left: 1 };

    /// Where the value ends that `bytes` begin with; none if more is needed.
    fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, FrameError> {
        while self.left > 0 {
            let Some(head) = bytes.get(self.at..).and_then(head) else { return Ok(None) };
            let Head { bytes: skip, values } = head.ok_or(FrameError::NoMap)?;
            if self.at == 0 && !is_map(bytes[0]) {
                return Err(FrameError::NoMap);
            }
            // Each value takes a byte at least, so that a count alone can be too large.
            let (at, left) = (self.at.saturating_add(skip), (self.left - 1).saturating_add(values));
            if at.saturating_add(left) > FRAME_BYTES_MAX {
                return Err(FrameError::TooLarge);
            }
            if at > bytes.len() {
                return Ok(None);
            }
            (self.at, self.left) = (at, left);
        }
        Ok(Some(self.at))
    }
}

fn is_map(marker: u8) -> bool {
    matches!(marker, 0x80..=0x8f | 0xde | 0xdf)
}

/// What a value begins with.
struct Head {
    /// Bytes up to the first value inside it, or up to its end.
    bytes: usize,
    /// Values inside it.
    values: usize,
}

/// None if more bytes are needed; none inside if nothing begins so.
fn head(bytes: &[u8]) -> Option<Option<Head>> {
    let marker = *bytes.first()?;
    let leaf = |bytes| Some(Some(Head { bytes: 1 + bytes, values: 0 }));
    let length = |width: usize| {
        let digits = bytes.get(1..1 + width)?;
        Some(digits.iter().fold(0usize, |value, digit| value << 8 | usize::from(*digit)))
    };
    let text = |width: usize, extra: usize| leaf(length(width)?.saturating_add(width + extra));
    let list = |width: usize, each: usize| {
        Some(Some(Head { bytes: 1 + width, values: length(width)?.saturating_mul(each) }))
    };
    match marker {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => leaf(0),
        0x80..=0x8f => Some(Some(Head { bytes: 1, values: 2 * usize::from(marker & 0x0f) })),
        0x90..=0x9f => Some(Some(Head { bytes: 1, values: usize::from(marker & 0x0f) })),
        0xa0..=0xbf => leaf(usize::from(marker & 0x1f)),
        0xc1 => Some(None),
        0xc4 | 0xd9 => text(1, 0),
        0xc5 | 0xda => text(2, 0),
        0xc6 | 0xdb => text(4, 0),
        0xc7 => text(1, 1),
        0xc8 => text(2, 1),
        0xc9 => text(4, 1),
        0xcc | 0xd0 => leaf(1),
        0xcd | 0xd1 | 0xd4 => leaf(2),
        0xd5 => leaf(3),
        0xce | 0xd2 | 0xca => leaf(4),
        0xd6 => leaf(5),
        0xcf | 0xd3 | 0xcb => leaf(8),
        0xd7 => leaf(9),
        0xd8 => leaf(17),
        0xdc => list(2, 1),
        0xdd => list(4, 1),
        0xde => list(2, 2),
        0xdf => list(4, 2),
    }
}

/// Reads a value. Fails with what Serf's own agent says to a request that is none.
pub fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, String> {
    let mut from = rmp_serde::Deserializer::from_read_ref(frame);
    from.set_max_depth(DEPTH_MAX);
    T::deserialize(&mut from).map_err(|error| format!("decode failed: {error}"))
}

/// Writes a value behind what is there.
pub fn encode<T: Serialize>(value: &T, into: &mut Vec<u8>) {
    let mut to = rmp_serde::Serializer::new(into).with_struct_map();
    value.serialize(&mut to).unwrap_or_else(|error| unreachable!("our own answers can be written: {error}"));
}

/// What is nil, or is not there, is what a type begins with: Go writes so what is empty.
pub fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

/// Any bytes. Written as such, and read from texts, too: clients of before 2013 knew nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.is_empty() {
            true => to.serialize_none(), // as Go writes nothing
            false => to.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        from.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }
    fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes(text.as_bytes().to_vec()))
    }
    fn visit_unit<E>(self) -> Result<Bytes, E> {
        Ok(Bytes::default())
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element::<u64>()? {
            bytes.push(u8::try_from(byte).map_err(|_| A::Error::custom("a byte is at most 255"))?);
        }
        Ok(Bytes(bytes))
    }
}

#[cfg(test)]
mod tests;
