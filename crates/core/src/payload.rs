//! Bytes that are cheap to clone; no bytes allocate nothing.

use alloc::sync::Arc;

/// Immutable shared bytes. A clone costs a reference count; an empty one allocates nothing.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payload(Option<Arc<[u8]>>);

impl Payload {
    /// A payload with no bytes.
    pub const EMPTY: Payload = Payload(None);
}

impl core::ops::Deref for Payload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Payload {
        Payload((!bytes.is_empty()).then(|| Arc::from(bytes)))
    }
}

impl core::fmt::Debug for Payload {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl<C> minicbor::Encode<C> for Payload {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Payload {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Payload::from(d.bytes()?))
    }
}

impl<C> minicbor::CborLen<C> for Payload {
    fn cbor_len(&self, _: &mut C) -> usize {
        crate::wire::bytes_len(self.len())
    }
}
