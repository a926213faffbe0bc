//! Frames on a connection: a length, and a message sealed under the connection's own keys.
//!
//! Four bytes of length (of what is sealed, with its tag), then that. The counter is not written: a connection keeps its order. An empty
//! frame says that the sender is still there, and [`GOODBYE`] that it says no more.

use crate::seal::{TAG_BYTES, nonce};
use ring::aead::{Aad, LessSafeKey};
use rumormill_core::wire::STREAM_MESSAGE_BYTES_MAX;

/// Bytes of a frame's length.
pub const LENGTH_BYTES: usize = 4;
/// Bytes around a message.
pub const FRAME_BYTES: usize = LENGTH_BYTES + TAG_BYTES;
/// The largest message on a connection: what a page holds, and some room around it.
pub const MESSAGE_BYTES_MAX: usize = STREAM_MESSAGE_BYTES_MAX + 1_024;
/// The last frame before a connection is closed on purpose. No message starts with it: in CBOR it ends something.
pub const GOODBYE: [u8; 1] = [0xff];

/// One direction of a connection: its key, and how many frames it has seen. The key's half a kilobyte is on the heap, for a task that
/// is handed it keeps room for each hand it passes through.
pub struct FrameKey {
    key: Box<LessSafeKey>,
    counter: u64,
}

/// A buffer to write one message to, with room for what goes before.
pub fn start() -> Vec<u8> {
    vec![0; LENGTH_BYTES]
}

/// How many bytes follow, unless no frame has that length.
pub fn length(head: [u8; 4]) -> Option<usize> {
    let length = u32::from_be_bytes(head) as usize;
    (TAG_BYTES..=MESSAGE_BYTES_MAX + TAG_BYTES).contains(&length).then_some(length)
}

impl FrameKey {
    /// For a fresh key.
    pub fn new(key: LessSafeKey) -> FrameKey {
        FrameKey { key: Box::new(key), counter: 0 }
    }

    /// Seals what was written behind [`start`], in place.
    pub fn seal(&mut self, frame: &mut Vec<u8>) {
        let head = ((frame.len() - 4 + TAG_BYTES) as u32).to_be_bytes();
        frame[..4].copy_from_slice(&head);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(self.counter), Aad::from(head), &mut frame[4..])
            .expect("a frame is far shorter than what the cipher can seal");
        self.counter += 1;
        frame.extend_from_slice(tag.as_ref());
    }

    /// Opens what followed a length, in place; none if it is not the next frame of this connection.
    pub fn open<'a>(&mut self, sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let head = (sealed.len() as u32).to_be_bytes();
        let opened = self.key.open_in_place(nonce(self.counter), Aad::from(head), sealed).ok()?;
        self.counter += 1;
        Some(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{Key, Keyring};
    use rumormill_core::NodeId;
    use rumormill_core::identity::Life;

    fn ends() -> (FrameKey, FrameKey) {
        let roots = Keyring::new(Key::new([3; 32])).roots();
        let who = (NodeId(1), Life::default(), &[0; 16]);
        let key =
            || FrameKey::new(crate::subkeys::stream(&roots[0].1, "", who, who).into_iter().next().unwrap());
        (key(), key())
    }

    fn sealed(by: &mut FrameKey, message: &[u8]) -> Vec<u8> {
        let mut frame = start();
        frame.extend_from_slice(message);
        by.seal(&mut frame);
        frame
    }

    #[test]
    fn frames_open_once_in_order_and_undamaged() {
        let (mut here, mut there) = ends();
        let (one, two) = (sealed(&mut here, b"one"), sealed(&mut here, b"two"));
        assert_eq!(length(one[..4].try_into().unwrap()), Some(one.len() - 4));
        assert_eq!(one.len(), 3 + FRAME_BYTES);
        assert!(there.open(&mut two[4..].to_vec()).is_none(), "not before its time");
        for at in 4..one.len() {
            let mut bad = one.clone();
            bad[at] ^= 1;
            assert!(there.open(&mut bad[4..]).is_none());
        }
        assert!(there.open(&mut one[4..one.len() - 1].to_vec()).is_none());
        assert_eq!(there.open(&mut one[4..].to_vec()).unwrap(), b"one");
        assert!(there.open(&mut one[4..].to_vec()).is_none(), "nor again");
        assert_eq!(there.open(&mut two[4..].to_vec()).unwrap(), b"two");
    }

    #[test]
    fn lengths_that_no_frame_has_are_refused_before_anything_is_allocated() {
        assert_eq!(length([0xff; 4]), None);
        assert_eq!(length([0, 0, 0, 15]), None);
        assert_eq!(length([0, 0, 0, 16]), Some(16));
        let max = (MESSAGE_BYTES_MAX + TAG_BYTES) as u32;
        assert_eq!(length(max.to_be_bytes()), Some(max as usize));
        assert_eq!(length((max + 1).to_be_bytes()), None);
    }
}
