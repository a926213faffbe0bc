//! The promises of the seal, as stories on packets.

use super::*;
use crate::keyring::Key;
use proptest::prelude::*;

const A: NodeId = NodeId(0xaaaa_0000_0000_000a);
const B: NodeId = NodeId(0xbbbb_0000_0000_000b);

fn ring() -> Keyring {
    Keyring::new(Key::new([7; 32]))
}

fn life(epoch: u64) -> Life {
    Life { epoch, session: 1_000 + epoch }
}

fn a() -> Seal {
    Seal::new(A, life(1), "blue", ring())
}

fn b() -> Seal {
    Seal::new(B, life(5), "blue", ring())
}

fn packet(seal: &mut Seal, to: NodeId, content: &[u8]) -> Vec<u8> {
    of_kind(seal, Kind::Data, to, content)
}

fn of_kind(seal: &mut Seal, kind: Kind, to: NodeId, content: &[u8]) -> Vec<u8> {
    let mut packet = vec![];
    Seal::start(&mut packet);
    packet.extend_from_slice(content);
    seal.seal(kind, to, &mut packet);
    packet
}

fn refused(seal: &mut Seal, packet: &[u8]) -> Refused {
    seal.open(&mut packet.to_vec()).expect_err("it opened")
}

#[test]
fn a_session_is_confirmed_by_the_echo_of_my_own() {
    let (mut a, mut b) = (a(), b());
    let mut first = packet(&mut a, B, b"one");
    assert_eq!(first.len(), SEAL_BYTES + 3);
    let opened = b.open(&mut first).unwrap();
    assert_eq!((opened.from, opened.life, opened.content), (A, life(1), &b"one"[..]));
    assert!(!opened.confirmed && opened.is_new, "A does not know B's session yet");
    let mut back = packet(&mut b, A, b"two");
    assert!(a.open(&mut back).unwrap().confirmed);
    let mut third = packet(&mut a, B, b"three");
    let opened = b.open(&mut third).unwrap();
    assert!(opened.confirmed && !opened.is_new);
    assert_eq!(b.life_of(A), Some((life(1), true)));
}

#[test]
fn who_was_told_in_which_life_i_run_is_confirmed_by_its_first_word() {
    let told = |told: Option<Life>| {
        let (mut a, mut b) = (a(), b());
        let mut packet = vec![];
        Seal::start(&mut packet);
        a.seal_for(Kind::Data, B, told, &mut packet);
        b.open(&mut packet).unwrap().confirmed
    };
    assert!(told(Some(life(5))));
    assert!(!told(None) && !told(Some(life(4))), "nothing, or of an earlier life");
    let (mut a, mut b) = (a(), b());
    a.open(&mut packet(&mut b, A, b"")).unwrap();
    let mut heard = vec![];
    Seal::start(&mut heard);
    a.seal_for(Kind::Data, B, Some(life(4)), &mut heard);
    assert!(b.open(&mut heard).unwrap().confirmed, "what was heard is later than what was told");
}

#[test]
fn a_packet_is_opened_once_in_whatever_order() {
    let (mut a, mut b) = (a(), b());
    let packets: Vec<_> = (0..40).map(|n| packet(&mut a, B, &[n])).collect();
    for packet in packets.iter().rev() {
        assert!(b.open(&mut packet.clone()).is_ok());
    }
    for packet in &packets {
        assert_eq!(refused(&mut b, packet), Refused::Replayed);
    }
}

#[test]
fn packets_recorded_in_an_earlier_life_of_the_receiver_confirm_nothing() {
    let (mut a, mut b1) = (a(), b());
    b1.open(&mut packet(&mut a, B, b"")).unwrap();
    a.open(&mut packet(&mut b1, A, b"")).unwrap();
    let recorded = packet(&mut a, B, b"");
    let mut b2 = Seal::new(B, life(6), "blue", ring());
    assert!(!b2.open(&mut recorded.clone()).unwrap().confirmed);
    assert_eq!(refused(&mut b2, &recorded), Refused::Replayed);
}

#[test]
fn every_flipped_bit_is_refused() {
    let (mut a, mut b) = (a(), b());
    let good = packet(&mut a, B, b"the content");
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let why = refused(&mut b, &bad);
            match at {
                0 => assert_eq!(why, Refused::Version),
                1 => assert!(matches!(why, Refused::Kind | Refused::Unreadable | Refused::NotForMe), "{why}"),
                6..10 => assert_eq!(why, Refused::NotForMe),
                _ => assert_eq!(why, Refused::Unreadable, "byte {at}"),
            }
        }
    }
    assert!(b.open(&mut good.clone()).is_ok(), "none of it used up the packet");
}

#[test]
fn every_shorter_packet_is_refused() {
    let (mut a, mut b) = (a(), b());
    let good = packet(&mut a, B, b"the content");
    for length in 0..good.len() {
        let expected = if length < SEAL_BYTES { Refused::Truncated } else { Refused::Unreadable };
        assert_eq!(refused(&mut b, &good[..length]), expected, "{length} bytes");
    }
}

#[test]
fn a_packet_for_somebody_else_is_refused_even_where_the_short_tag_agrees() {
    let (mut a, mut b) = (a(), b());
    let other = NodeId(B.0 ^ 1);
    assert_eq!(refused(&mut b, &packet(&mut a, other, b"")), Refused::NotForMe);
    let twin_tag = NodeId(B.0 ^ 1 << 63);
    assert_eq!(refused(&mut b, &packet(&mut a, twin_tag, b"")), Refused::Unreadable);
}

#[test]
fn another_cluster_cannot_be_told_from_another_key_and_neither_opens() {
    let mut b = b();
    let mut red = Seal::new(A, life(1), "red", ring());
    let mut other = Seal::new(A, life(1), "blue", Keyring::new(Key::new([8; 32])));
    let mut open = Seal::new(A, life(1), "blue", Keyring::insecure());
    for seal in [&mut red, &mut other, &mut open] {
        assert_eq!(refused(&mut b, &packet(seal, B, b"")), Refused::Unreadable);
        assert_eq!(refused(&mut b, &of_kind(seal, Kind::Hello, B, b"")), Refused::Unreadable);
    }
    assert_eq!(b.life_of(A), None, "and nothing is remembered of them");
    assert_eq!(b.subkeys.len(), 0);
}

#[test]
fn a_smaller_life_is_refused_and_named_a_greater_one_takes_over() {
    let mut b = b();
    let mut old = a();
    b.open(&mut packet(&mut old, B, b"")).unwrap();
    let mut new = Seal::new(A, life(2), "blue", ring());
    assert!(b.open(&mut packet(&mut new, B, b"")).unwrap().is_new);
    let stale = Refused::Stale { from: A, session: life(1).session, greater: life(2) };
    assert_eq!(refused(&mut b, &packet(&mut old, B, b"")), stale);
    assert!(!b.confirm(A, life(1)), "nor is it believed over a connection");
    assert!(b.confirm(A, life(2)));
}

#[test]
fn keys_are_rotated_while_packets_flow() {
    let (ours, theirs) = (ring(), ring());
    let mut a = Seal::new(A, life(1), "blue", ours.clone());
    let mut b = Seal::new(B, life(5), "blue", theirs.clone());
    let (old, new) = (ours.primary(), Key::new([9; 32]));
    let mut talk = |what: &str, works: bool| {
        let packet = packet(&mut a, B, b"");
        assert_eq!(b.open(&mut packet.clone()).is_ok(), works, "{what}");
    };
    talk("before", true);
    let name = ours.install(new.clone()).unwrap();
    talk("installed here", true);
    theirs.install(new).unwrap();
    ours.use_primary(name).unwrap();
    talk("used here", true);
    theirs.use_primary(name).unwrap();
    theirs.remove(old).unwrap();
    talk("removed there", true);
    ours.use_primary(old).unwrap();
    talk("sealed with the removed key", false);
    ours.use_primary(name).unwrap();
    ours.remove(old).unwrap();
    talk("after", true);
}

#[test]
fn a_removed_key_opens_who_was_away_and_nothing_else() {
    let (ours, new) = (ring(), Key::new([9; 32]));
    let (old, name) = (ours.keys().remove(0), ours.install(new).unwrap());
    ours.use_primary(name).unwrap();
    ours.remove(old.fingerprint()).unwrap();
    let mut here = Seal::new(B, life(5), "blue", ours.clone());
    let mut asker = a();
    let asks = |asker: &mut Seal| of_kind(asker, Kind::KeyRequest, B, b"what are they?");
    let asked = asks(&mut asker);
    assert_eq!(refused(&mut here, &asked), Refused::Unreadable, "it is forgotten");

    ours.set_removed(std::slice::from_ref(&old));
    let mut packet = asked.clone();
    let opened = here.open(&mut packet).unwrap();
    let (key, content) = (opened.key, opened.content.to_vec());
    assert_eq!((opened.kind, opened.from, &content[..]), (Kind::KeyRequest, A, &b"what are they?"[..]));
    assert!(here.life_of(A).is_none(), "it makes no session: who holds the old key could end anybody's life");
    use Kind::{
        Challenge, ChallengeAck, Data, Hello, HelloAck, KeyGrant, StreamAck, StreamHello, Superseded,
    };
    for kind in [Data, Hello, HelloAck, Superseded, Challenge, ChallengeAck, StreamHello, StreamAck, KeyGrant]
    {
        let packet = of_kind(&mut asker, kind, B, b"");
        assert_eq!(refused(&mut here, &packet), Refused::Unreadable, "{kind:?}");
    }
    // The answer is under the key that it asked with, and says to which session it goes.
    let mut back = vec![];
    Seal::start(&mut back);
    assert!(here.seal_grant(key, life(1).session, A, &mut back));
    let opened = asker.open(&mut back).unwrap();
    assert_eq!((opened.kind, opened.from, opened.echo), (Kind::KeyGrant, B, life(1).session));

    ours.set_removed(&[]);
    assert_eq!(refused(&mut here, &asks(&mut asker)), Refused::Unreadable, "it was revoked");
    assert!(!here.seal_grant(key, 1, A, &mut vec![0; HEAD_BYTES]));
}

#[test]
fn without_a_secret_integrity_and_the_name_still_hold() {
    let mut a = Seal::new(A, life(1), "blue", Keyring::insecure());
    let mut b = Seal::new(B, life(1), "blue", Keyring::insecure());
    let mut c = Seal::new(B, life(1), "red", Keyring::insecure());
    let good = packet(&mut a, B, b"x");
    assert!(b.open(&mut good.clone()).is_ok());
    assert_eq!(refused(&mut c, &good), Refused::Unreadable);
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    assert!(b.open(&mut bad).is_err());
}

#[test]
fn a_handshake_neither_needs_nor_uses_up_the_window() {
    let (mut a, mut b) = (a(), b());
    let hello = of_kind(&mut a, Kind::StreamHello, B, b"");
    for _ in 0..2_000 {
        b.open(&mut packet(&mut a, B, b"")).unwrap();
    }
    assert!(b.open(&mut hello.clone()).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), version in any::<bool>()) {
        let mut bytes = bytes;
        if version && bytes.len() > 2 {
            bytes[0] = VERSION;
            bytes[1] %= 10;
        }
        prop_assert!(b().open(&mut bytes).is_err());
    }
}
