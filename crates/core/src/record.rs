//! What is gossiped *about*: a value with an owner, signed once, relayed as its original bytes, guarded in memory.
//!
//! A record that travels through a thousand machines passes through a thousand memories. Its owner's signature is
//! verified once, when it is news; from then on a 64-bit checksum (XXH3) over the bytes is compared before each send, so
//! that a bit which flips in a relay dies there (the S3 outage of 2008 was one such bit that did not).

use crate::identity::{Keys, NodeId};
use crate::wire::{self, Wire};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use xxhash_rust::xxh3::xxh3_64;

/// The checksum that guards records in memory, and by which large values are asked for (XXH3, 64 bits).
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// A signed record: a decoded value with the bytes it came as. A clone costs a reference count.
pub struct Record<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: T,
    /// The value as its owner wrote it, then the key, then the proof: one allocation, relayed verbatim.
    bytes: Box<[u8]>,
    body_len: u32,
    key_len: u32,
    sum: u64,
}

impl<T> Record<T> {
    /// The text.
    pub fn value(&self) -> &T {
        &self.0.value
    }

    /// The owner's public key, as it travels with the record.
    pub fn key(&self) -> &[u8] {
        let start = self.0.body_len as usize;
        &self.0.bytes[start..start + self.0.key_len as usize]
    }

    fn body(&self) -> &[u8] {
        &self.0.bytes[..self.0.body_len as usize]
    }

    fn proof(&self) -> &[u8] {
        &self.0.bytes[(self.0.body_len + self.0.key_len) as usize..]
    }

    /// Whether the signature is `owner`'s. To be asked once, when the record is news.
    pub fn is_by(&self, owner: NodeId, keys: &impl Keys) -> bool {
        keys.check(owner, self.key(), self.body(), self.proof())
    }

    /// The checksum of the bytes as they came: the same for copies of one record, and but for one chance in 2^64 for no other.
    pub fn sum(&self) -> u64 {
        self.0.sum
    }

    /// Whether the bytes are still those that were checked. To be asked before each send.
    pub fn is_intact(&self) -> bool {
        xxh3_64(&self.0.bytes) == self.0.sum
    }
}

impl<T: Wire> Record<T> {
    /// Writes and signs `value`.
    pub fn signed(value: T, keys: &impl Keys) -> Record<T> {
        let mut bytes = Vec::new();
        wire::put(&value, &mut bytes);
        let proof = keys.sign(&bytes);
        let body_len = bytes.len() as u32;
        bytes.extend_from_slice(keys.public());
        let key_len = bytes.len() as u32 - body_len;
        bytes.extend_from_slice(&proof);
        let sum = xxh3_64(&bytes);
        Record(Arc::new(Inner { value, bytes: bytes.into(), body_len, key_len, sum }))
    }

    /// The same record as failing memory would hold it: one bit flipped behind the checksum's back. For tests.
    pub fn with_flipped_bit(&self, bit: usize) -> Record<T>
    where
        T: Clone,
    {
        let inner = &self.0;
        let mut bytes = inner.bytes.clone();
        let at = bit % (bytes.len() * 8);
        bytes[at / 8] ^= 1 << (at % 8);
        let value = inner.value.clone();
        Record(Arc::new(Inner {
            value,
            bytes,
            body_len: inner.body_len,
            key_len: inner.key_len,
            sum: inner.sum,
        }))
    }
}

impl<T> Clone for Record<T> {
    fn clone(&self) -> Self {
        Record(self.0.clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Record<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

impl<T> PartialEq for Record<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}
impl<T> Eq for Record<T> {}

// On the wire: [body, key, proof], three byte strings.
impl<C, T> Encode<C> for Record<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(3)?.bytes(self.body())?.bytes(self.key())?.bytes(self.proof())?.ok()
    }
}

impl<'b, C, T: Wire> Decode<'b, C> for Record<T> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let found = wire::array(d, 3)?;
        let (body, key, proof) = (d.bytes()?, d.bytes()?, d.bytes()?);
        wire::skip_rest(d, 3, found)?;
        let value = wire::decode(body)
            .map_err(|_| minicbor::decode::Error::message("a record that cannot be read"))?;
        let mut bytes = Vec::with_capacity(body.len() + key.len() + proof.len());
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(proof);
        let sum = xxh3_64(&bytes);
        Ok(Record(Arc::new(Inner {
            value,
            bytes: bytes.into(),
            body_len: body.len() as u32,
            key_len: key.len() as u32,
            sum,
        })))
    }
}

impl<C, T> CborLen<C> for Record<T> {
    fn cbor_len(&self, _: &mut C) -> usize {
        1 + wire::bytes_len(self.body().len())
            + wire::bytes_len(self.key().len())
            + wire::bytes_len(self.proof().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Unsigned;
    use crate::time::Wall;

    #[test]
    fn a_bit_that_flips_in_memory_is_noticed_wherever_it_is() {
        let record = Record::signed(Wall(1_700_000_000_000), &Unsigned);
        assert!(record.is_intact());
        for bit in 0..record.0.bytes.len() * 8 {
            assert!(!record.with_flipped_bit(bit).is_intact(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_is_relayed_verbatim() {
        let record = Record::signed(Wall(3), &Unsigned);
        let mut first = Vec::new();
        wire::put(&record, &mut first);
        assert_eq!(first.len(), wire::len(&record));
        let relayed: Record<Wall> = wire::decode(&first).unwrap();
        let mut second = Vec::new();
        wire::put(&relayed, &mut second);
        assert_eq!(first, second);
    }
}
