//! Messages in flight: as values, or as bytes where the world encodes them.

use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Message;
use rumormill_core::rng::Rng;
use rumormill_core::wire;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Emptied vectors that are kept for the next datagrams.
const POOL_MAX: usize = 4_096;

/// The messages of one packet.
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

    /// Number of messages in it, before it is packed.
    #[inline]
    pub fn messages(&self) -> u16 {
        match self {
            Content::One(_) => 1,
            Content::Many(messages) => u16::try_from(messages.len()).unwrap_or(u16::MAX),
            Content::Bytes { .. } => unreachable!("it is packed when it arrives"),
        }
    }

    /// Flips one bit, if the content is packed.
    pub fn corrupt(&mut self, rng: &mut Rng) {
        if let Content::Bytes { bytes, corrupt } = self {
            let bit = rng.below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            *corrupt = true;
        }
    }
}

/// Packs, unpacks and hashes contents, and reuses the vectors that they were in.
pub(crate) struct Pool<M> {
    vectors: Vec<Vec<M>>,
    /// The encoding that is being hashed.
    bytes: Vec<u8>,
}

impl<M> Default for Pool<M> {
    fn default() -> Self {
        Pool { vectors: Vec::new(), bytes: Vec::new() }
    }
}

impl<M> Pool<M> {
    /// A vector for the messages of a datagram.
    pub fn vector(&mut self) -> Vec<M> {
        self.vectors.pop().unwrap_or_default()
    }

    /// Takes a vector back, and empties it.
    pub fn recycle(&mut self, mut messages: Vec<M>) {
        messages.clear();
        if self.vectors.len() < POOL_MAX {
            self.vectors.push(messages);
        }
    }

    /// Takes back the vector of a packet that is dropped.
    pub fn discard(&mut self, content: Content<M>) {
        if let Content::Many(messages) = content {
            self.recycle(messages);
        }
    }
}

impl<M: Message> Pool<M> {
    /// Encodes `content`.
    #[cold]
    pub fn pack(&mut self, content: Content<M>, content_bytes: usize) -> Content<M> {
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

    /// Decodes what [`pack`](Pool::pack) wrote; `None` if a flipped bit made it unreadable.
    #[cold]
    pub fn read(&mut self, from: NodeId, to: NodeId, mut rest: &[u8], corrupt: bool) -> Option<Content<M>> {
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

    /// Hashes the encoding of `content`.
    #[cold]
    pub fn hash(&mut self, content: &Content<M>, seed: u64) -> u64 {
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
