//! Golden packets: what version 1 wrote, kept for ever. A later version must read these bytes, and until the format is changed on
//! purpose it writes the same.
//!
//! A new version gets a folder of its own, written once by `RUMORMILL_WRITE_GOLDEN=1 cargo test -p rumormill-hostile --test golden`.

use rumormill_core::identity::{Life, NodeId};
use rumormill_hostile::{seeds, targets};
use rumormill_runtime::seal::{Kind, Seal};
use rumormill_runtime::{Key, Keyring};
use std::path::PathBuf;

const SENDER: NodeId = NodeId(0x0123_4567_89ab_cdef);
const RECEIVER: NodeId = NodeId(0xfedc_ba98_7654_3210);

fn seal(id: NodeId, session: u64) -> Seal {
    Seal::new(id, Life { epoch: 3, session }, "golden", Keyring::new(Key::new([42; 32])))
}

/// The datagram of the seeds, sealed as a member of that life with that key would.
fn packet() -> Vec<u8> {
    let all = seeds::messages();
    let (_, content) = all.iter().find(|(name, _)| name == "swim-datagram").expect("it is among the seeds");
    let mut packet = Vec::new();
    Seal::start(&mut packet);
    packet.extend_from_slice(content);
    seal(SENDER, 0xfeed).seal(Kind::Data, RECEIVER, &mut packet);
    packet
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/packets-v1")
}

fn golden(name: &str, written_now: &[u8]) -> Vec<u8> {
    let folder = folder();
    let path = folder.join(name);
    if std::env::var_os("RUMORMILL_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(&path, written_now).expect("it can be written");
    }
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_message_is_written_and_read_as_version_1_did() {
    for (name, now) in seeds::messages() {
        let then = golden(&name, &now);
        assert_eq!(then, now, "{name} is written otherwise than version 1 wrote it");
        targets::protocol_of(&name).read_all(&then).unwrap_or_else(|e| panic!("{name} cannot be read: {e}"));
    }
}

#[test]
fn every_golden_packet_is_read_whether_or_not_it_is_still_written() {
    let folder = folder();
    let names = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in names {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name != "sealed-datagram" {
            let bytes = std::fs::read(&path).unwrap();
            targets::protocol_of(name).read_all(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn a_packet_that_version_1_sealed_is_opened() {
    let now = packet();
    let mut then = golden("sealed-datagram", &now);
    assert_eq!(then, now, "packets are sealed otherwise than version 1 sealed them");
    let mut receiver = seal(RECEIVER, 1);
    let opened = receiver.open(&mut then).expect("it is a sound packet of this cluster");
    assert_eq!((opened.from, opened.kind), (SENDER, Kind::Data));
}
