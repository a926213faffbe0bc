use super::*;
use rumormill_core::payload::Payload;
use state::KnownMember;

fn kept() -> State {
    let members = vec![KnownMember { id: NodeId(7), contact: Payload::from(&b"there"[..]) }];
    State { members, tags: Some(Payload::from(&b"tags"[..])), ..State::default() }
}

#[test]
fn a_directory_keeps_identity_and_state_and_each_start_has_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let (first, state) = DataDir::open(dir.path()).unwrap();
    assert_eq!((first.epoch(), state), (1, State::default()));
    first.save(&kept()).unwrap();
    let keys = first.keys();
    let refused = DataDir::open(dir.path()).err();
    assert!(
        matches!(&refused, Some(StoreError::InUse { pid, .. }) if *pid == Some(std::process::id())),
        "{refused:?}"
    );
    drop(first);
    let (second, state) = DataDir::open(dir.path()).unwrap();
    assert_eq!((second.epoch(), second.keys(), state), (2, keys, kept()));
}

#[test]
fn a_damaged_state_is_moved_aside_and_a_newer_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state.bin");
    let names = || {
        let listed = std::fs::read_dir(dir.path()).unwrap();
        listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let open = || DataDir::open(dir.path()).map(|(_, state)| state);
    DataDir::open(dir.path()).unwrap().0.save(&kept()).unwrap();
    let mut bytes = std::fs::read(&state).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&state, bytes).unwrap();
    assert_eq!(open().unwrap(), State::default());
    assert!(names().iter().any(|name| name.starts_with("state.bin.corrupt-")), "{:?}", names());
    let mut newer = b"RUMORST\x02".to_vec();
    newer.extend(ring::digest::digest(&ring::digest::SHA256, &newer).as_ref().to_vec());
    std::fs::write(&state, newer).unwrap();
    assert!(matches!(open(), Err(StoreError::Newer { found: 2, known: 1, .. })));
}

#[test]
fn a_lost_identity_is_an_error_and_an_older_generation_is_not() {
    let dir = tempfile::tempdir().unwrap();
    drop(DataDir::open(dir.path()).unwrap());
    let keys = DataDir::open(dir.path()).unwrap().0.keys();
    std::fs::write(dir.path().join("identity.bin"), b"RUMORID").unwrap();
    let (third, _) = DataDir::open(dir.path()).unwrap();
    assert_eq!((third.keys(), third.epoch()), (keys, 3), "epoch 2 may have been used");
    drop(third);
    std::fs::write(dir.path().join("identity.bin"), b"").unwrap();
    std::fs::write(dir.path().join("identity.bin.old"), b"").unwrap();
    assert!(matches!(DataDir::open(dir.path()), Err(StoreError::IdentityLost { .. })));
}
