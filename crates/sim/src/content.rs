//! What is on its way: messages as they are, or as bytes where the world says so.

use crate::network::Local;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::Rng;
use rumormill_core::wire;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Messages on their way: as they are, or as bytes.
#[derive(Clone)]
pub(crate) enum Content<M> {
    One(M),
    Many(Vec<M>),
    Bytes { bytes: Vec<u8>, corrupt: bool },
}

impl<M> Content<M> {
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Content::Bytes { corrupt: true, .. })
    }

    /// How many messages there are in it, before it is packed.
    #[inline]
    pub fn messages(&self) -> u16 {
        match self {
            Content::One(_) => 1,
            Content::Many(messages) => u16::try_from(messages.len()).unwrap_or(u16::MAX),
            Content::Bytes { .. } => unreachable!("it is packed when it arrives"),
        }
    }

    /// Turns one bit of it, if it is packed.
    pub fn corrupt(&mut self, rng: &mut Rng) {
        if let Content::Bytes { bytes, corrupt } = self {
            let bit = rng.below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            *corrupt = true;
        }
    }
}

impl<P: Protocol> Local<P> {
    /// The same as bytes.
    #[cold]
    pub fn pack(&mut self, content: Content<P::Message>, content_bytes: usize) -> Content<P::Message> {
        let mut bytes = Vec::with_capacity(content_bytes);
        match content {
            Content::One(message) => wire::put(&message, &mut bytes),
            Content::Many(messages) => {
                messages.iter().for_each(|message| wire::put(message, &mut bytes));
                self.recycle(messages);
            }
            packed @ Content::Bytes { .. } => return packed,
        }
        assert_eq!(bytes.len(), content_bytes, "messages take as many bytes as they said");
        Content::Bytes { bytes, corrupt: false }
    }

    /// The messages in what was packed; `None` if it is corrupt, and shows.
    #[cold]
    pub fn read(
        &mut self,
        from: NodeId,
        to: NodeId,
        mut rest: &[u8],
        corrupt: bool,
    ) -> Option<Content<P::Message>> {
        let mut messages = self.vector();
        while !rest.is_empty() {
            match wire::get(&mut rest) {
                Ok(message) => messages.push(message),
                Err(_) if corrupt => {
                    self.recycle(messages);
                    return None;
                }
                Err(e) => panic!("{from} wrote what {to} cannot read: {e}"),
            }
        }
        Some(Content::Many(messages))
    }

    /// A hash of what `content` says.
    #[cold]
    pub fn hash(&mut self, content: &Content<P::Message>, seed: u64) -> u64 {
        let messages = match content {
            Content::One(message) => std::slice::from_ref(message),
            Content::Many(messages) => messages,
            Content::Bytes { bytes, .. } => return xxh3_64_with_seed(bytes, seed),
        };
        self.bytes.clear();
        messages.iter().for_each(|message| wire::put(message, &mut self.bytes));
        xxh3_64_with_seed(&self.bytes, seed)
    }
}
