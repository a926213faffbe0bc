//! The answer to a hello that does not open, if its sender holds the same key but names another cluster.
//!
//! Every packet key is derived from the cluster key *and* the cluster's name, so a wrong name fails like a wrong key. The header carries the key's id
//! in clear, so the receiver can distinguish the two. It answers a hello of its own key with a [`Refusal`], sealed under a subkey that
//! leaves the name out: a sender that lacks the key learns nothing from it, and cannot forge it. A sender of another key gets no answer.

use crate::seal::{Kind, Seal};
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::wire;

/// Content of a refusal.
#[derive(Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Refusal {
    /// The counter of the hello that it answers, so that a recorded refusal answers no later hello.
    #[n(0)]
    pub counter: u64,
    /// The name of the cluster that refuses. Only over a connection: a datagram's answer must not be longer than its hello.
    #[n(1)]
    pub cluster: Option<String>,
}

/// Seals into `packet`, which holds a hello that did not open, the refusal of it. False if it deserves none: then it came under another key.
pub(crate) fn refuse(seal: &mut Seal, packet: &mut Vec<u8>, with_name: bool) -> bool {
    let Some(hello) = seal.foreign_hello(packet) else { return false };
    let cluster = with_name.then(|| seal.cluster().to_string());
    Seal::start(packet);
    wire::put(&Refusal { counter: hello.counter, cluster }, packet);
    seal.seal_with(hello.key, hello.session, Kind::Refusal, hello.from, packet);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::HANDSHAKE_BYTES_MAX;
    use crate::keyring::{Key, Keyring};
    use crate::seal::Refused;
    use crate::strangers::Stranger;
    use rumormill_core::NodeId;
    use rumormill_core::identity::Life;

    fn seal(id: u64, key: u8, cluster: &str) -> Seal {
        let life = Life { epoch: 1, session: 100 + id };
        Seal::new(NodeId(id), life, cluster, Keyring::new(Key::new([key; 32])))
    }

    fn hello(seal: &mut Seal) -> Vec<u8> {
        let mut packet = Vec::new();
        Seal::start(&mut packet);
        wire::put(&crate::hello::Nonce { nonce: u64::MAX }, &mut packet);
        seal.seal(Kind::Hello, NodeId(0), &mut packet);
        packet
    }

    #[test]
    fn a_hello_of_the_same_key_and_another_name_is_refused_with_a_packet_that_is_no_longer() {
        let (mut blue, mut green) = (seal(1, 7, "blue"), seal(2, 7, "green"));
        let mut packet = hello(&mut green);
        let (length, counter) = (packet.len(), crate::seal::counter(&packet));
        assert_eq!(blue.open(&mut packet).unwrap_err(), Refused::Unreadable);
        assert_eq!(blue.guess(&packet), Some(Stranger::OtherCluster));
        assert!(refuse(&mut blue, &mut packet, false));
        assert!(packet.len() <= length, "{} bytes answer {length}", packet.len());
        let opened = green.open(&mut packet).unwrap();
        assert_eq!((opened.kind, opened.from, opened.echo), (Kind::Refusal, NodeId(1), 102));
        assert!(!opened.confirmed && !opened.is_new, "it makes no session");
        assert_eq!(wire::decode::<Refusal>(opened.content).unwrap(), Refusal { counter, cluster: None });
    }

    #[test]
    fn over_a_connection_the_refusal_names_the_cluster_to_who_holds_the_key_and_to_nobody_else() {
        let name = "g".repeat(crate::config::CLUSTER_BYTES_MAX);
        let (mut blue, mut green) = (seal(1, 7, "blue"), seal(2, 7, &name));
        let mut packet = hello(&mut blue);
        green.open(&mut packet).unwrap_err();
        assert!(refuse(&mut green, &mut packet, true));
        assert!(packet.len() <= HANDSHAKE_BYTES_MAX);
        assert!(!packet.windows(8).any(|bytes| bytes == b"gggggggg"), "in clear");
        let mut outsider = seal(1, 8, "blue");
        assert_eq!(outsider.open(&mut packet.clone()).unwrap_err(), Refused::Unreadable);
        let opened = blue.open(&mut packet).unwrap();
        assert_eq!(wire::decode::<Refusal>(opened.content).unwrap().cluster, Some(name));
    }

    #[test]
    fn a_sender_of_another_key_or_of_none_gets_no_answer_and_is_guessed() {
        let mut blue = seal(1, 7, "blue");
        let mut packet = hello(&mut seal(2, 8, "blue"));
        blue.open(&mut packet).unwrap_err();
        assert_eq!(blue.guess(&packet), Some(Stranger::OtherKey));
        assert!(!refuse(&mut blue, &mut packet, true));
        let life = Life { epoch: 1, session: 9 };
        let mut packet = hello(&mut Seal::new(NodeId(3), life, "blue", Keyring::insecure()));
        blue.open(&mut packet).unwrap_err();
        assert_eq!(blue.guess(&packet), Some(Stranger::NoKey));
        let (old, new) = (Key::new([8; 32]), Key::new([7; 32]));
        let ring = Keyring::new(new);
        ring.set_removed(std::slice::from_ref(&old));
        let mut blue = Seal::new(NodeId(1), life, "blue", ring);
        let mut packet = hello(&mut seal(2, 8, "blue"));
        blue.open(&mut packet).unwrap_err();
        assert_eq!(blue.guess(&packet), Some(Stranger::RemovedKey));
    }
}
