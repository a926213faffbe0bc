//! What a data directory promises, over restarts, crashes, damage and full disks.

use rumormill_agent::features::events::entry::Unsaved;
use rumormill_agent::features::events::entry::{LogEntry, Place, Record};
use rumormill_agent::store::{KnownMember, MEMBERS_MAX, Store, StoreError, VALUE_BYTES_MAX};
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::time::Wall;
use rumormill_protocols::spread::events::{EventId, Flags, Item, Position, Positions, Source, Span};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn member(id: u64, seen: u64) -> KnownMember {
    KnownMember { id: NodeId(id), name: format!("node-{id}"), contact: vec![id as u8; 8], seen: Wall(seen) }
}

fn id_and_epoch(dir: &Path) -> (NodeId, u64) {
    let store = Store::open(dir).unwrap();
    (store.keys().id(), store.epoch())
}

/// A directory whose node has been through epochs 1 and 2, and the node's id.
fn used_directory() -> (tempfile::TempDir, NodeId) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(store.epoch(), 1);
    store.save_members(&[member(7, 70)]).unwrap();
    let id = store.keys().id();
    drop(store);
    assert_eq!(id_and_epoch(dir.path()), (id, 2));
    (dir, id)
}

fn files_with(dir: &Path, part: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_string_lossy().contains(part)).collect()
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_with(dir, "").into_iter().filter(|path| !path.ends_with("lock"));
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Says which file differs, and not how: they are long.
fn assert_unchanged(before: &BTreeMap<PathBuf, Vec<u8>>, dir: &Path) {
    let after = contents(dir);
    let (names_before, names_after): (Vec<_>, Vec<_>) = (before.keys().collect(), after.keys().collect());
    assert_eq!(names_before, names_after);
    for (path, bytes) in before {
        assert!(after[path] == *bytes, "{} was changed", path.display());
    }
}

#[test]
fn a_restart_is_the_same_node_with_a_higher_epoch_that_remembers_whom_it_knew() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/on/first/start");
    let mut first = Store::open(&dir).unwrap();
    assert_eq!((first.epoch(), first.copied_from(), first.members().unwrap()), (1, None, vec![]));
    assert_eq!((first.repairs(), first.tags().unwrap()), (&[][..], None));
    first.save_members(&[member(7, 70), member(8, 80)]).unwrap();
    first.save_members(&[member(7, 90), member(u64::MAX, 85)]).unwrap();
    first.save_tags(b"tags").unwrap();
    first.forget_members(&[NodeId(8)]).unwrap();
    let keys = first.keys().clone();
    drop(first);
    let second = Store::open(&dir).unwrap();
    assert_eq!((second.epoch(), second.keys()), (2, &keys));
    assert_eq!(second.members().unwrap(), [member(7, 90), member(u64::MAX, 85)]);
    assert_eq!(second.tags().unwrap().as_deref(), Some(&b"tags"[..]));
    assert_eq!(second.repairs(), &[] as &[String]);
}

#[test]
fn a_start_that_dies_before_it_does_anything_has_still_used_up_its_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for _ in 0..5 {
        let store = Store::open(dir.path()).unwrap();
        assert!(store.epoch() > last);
        last = store.epoch();
        // As after a crash: nothing is closed, the log is as it stood, only the lock is gone with the process.
        let copy = tempfile::tempdir().unwrap();
        for (path, bytes) in contents(dir.path()) {
            std::fs::write(copy.path().join(path.file_name().unwrap()), bytes).unwrap();
        }
        assert_eq!(id_and_epoch(copy.path()), (store.keys().id(), last + 1));
    }
}

#[test]
fn two_agents_cannot_share_a_directory_and_the_second_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::InUse { pid: Some(pid), .. } if *pid == std::process::id()));
    assert!(refused.to_string().contains(&format!("in use by process {}", std::process::id())), "{refused}");
    drop(first);
    assert_eq!(Store::open(dir.path()).unwrap().epoch(), 2, "the refused start used no epoch");
}

#[test]
fn only_the_owner_can_read_the_key() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("data");
    let mut store = Store::open(&dir).unwrap();
    store.save_members(&[member(1, 1)]).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for path in files_with(&dir, "") {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn of_too_many_members_those_seen_last_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let many = MEMBERS_MAX as u64 + 100;
    let members: Vec<_> = (0..many).map(|n| member(n, n)).collect();
    store.save_members(&members).unwrap();
    let kept = store.members().unwrap();
    assert_eq!(
        (kept.len(), kept[0].seen, kept[MEMBERS_MAX - 1].seen),
        (MEMBERS_MAX, Wall(many - 1), Wall(100))
    );
}

#[test]
fn a_damaged_database_is_moved_aside_and_the_node_stays_who_it_is() {
    type Harm = fn(Vec<u8>) -> Vec<u8>;
    let harms: [(&str, Harm); 5] = [
        ("overwritten", |b| vec![0x55; b.len()]),
        ("cut to half a page", |b| b[..2048].to_vec()),
        ("cut in the middle", |b| b[..b.len() / 2 + 100].to_vec()),
        ("another program's", |_| b"#!/bin/sh\n".repeat(100)),
        ("with a page of noise", |mut b| {
            b[4096..8192].iter_mut().enumerate().for_each(|(i, x)| *x = (i * 31) as u8);
            b
        }),
    ];
    for (name, harm) in harms {
        let (dir, id) = used_directory();
        let db = dir.path().join("rumormill.db");
        std::fs::write(&db, harm(std::fs::read(&db).unwrap())).unwrap();
        let store = Store::open(dir.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((store.keys().id(), store.epoch()), (id, 3), "{name}");
        assert_eq!(store.members().unwrap(), [], "{name}");
        assert!(store.repairs().iter().any(|r| r.contains("moved to")), "{name}: {:?}", store.repairs());
        let kept = files_with(dir.path(), "rumormill.db.corrupt-");
        assert!(kept.iter().any(|path| !path.to_string_lossy().ends_with("-wal")), "{name}: it is kept");
        drop(store);
        let again = Store::open(dir.path()).unwrap();
        assert_eq!(
            (again.keys().id(), again.epoch(), again.repairs().len()),
            (id, 4, 0),
            "{name}: made good"
        );
    }
}

#[test]
fn a_lost_or_emptied_database_costs_the_members_and_not_the_identity() {
    for emptied in [false, true] {
        let (dir, id) = used_directory();
        let db = dir.path().join("rumormill.db");
        if emptied {
            std::fs::write(&db, "").unwrap()
        } else {
            std::fs::remove_file(&db).unwrap()
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!((store.keys().id(), store.epoch(), store.repairs().len()), (id, 3, 1));
    }
}

#[test]
fn a_half_written_second_copy_of_whatever_length_is_made_good() {
    let (dir, id) = used_directory();
    let path = dir.path().join("identity.bin");
    let length = std::fs::metadata(&path).unwrap().len();
    let mut epoch = 2;
    for cut in (0..length).step_by(7) {
        let sound = std::fs::read(&path).unwrap();
        std::fs::write(&path, &sound[..cut as usize]).unwrap();
        epoch += 1;
        assert_eq!(id_and_epoch(dir.path()), (id, epoch), "cut after {cut} bytes");
    }
    // And a new generation that was never renamed is not taken for one.
    std::fs::write(dir.path().join("identity.bin.new"), b"RUMORID\x01half").unwrap();
    assert_eq!(id_and_epoch(dir.path()), (id, epoch + 1));
}

#[test]
fn with_the_database_gone_the_older_generation_of_the_second_copy_is_enough() {
    let (dir, id) = used_directory();
    std::fs::write(
        dir.path().join("rumormill.db"),
        b"not a database, and long enough to be looked at".repeat(50),
    )
    .unwrap();
    let path = dir.path().join("identity.bin");
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, &sound[..20]).unwrap();
    let store = Store::open(dir.path()).unwrap();
    // The older generation knows of epoch 1, the damaged files knew of epoch 2, which may have been used.
    assert_eq!((store.keys().id(), store.epoch()), (id, 3));
    assert_eq!(files_with(dir.path(), "identity.bin.corrupt-").len(), 1);
}

#[test]
fn if_both_copies_are_damaged_nothing_is_changed_and_the_operator_decides() {
    let (dir, _) = used_directory();
    for name in ["rumormill.db", "identity.bin", "identity.bin.old"] {
        std::fs::write(dir.path().join(name), b"noise".repeat(1000)).unwrap();
    }
    let before = contents(dir.path());
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::IdentityLost { .. }), "{refused}");
    assert!(refused.to_string().contains("restore the directory from a backup"), "{refused}");
    assert_unchanged(&before, dir.path());
}

#[test]
fn a_restored_old_database_does_not_take_the_epoch_back() {
    let (dir, id) = used_directory();
    let db = dir.path().join("rumormill.db");
    let backup = std::fs::read(&db).unwrap();
    for epoch in 3..6 {
        assert_eq!(id_and_epoch(dir.path()), (id, epoch));
    }
    std::fs::write(&db, backup).unwrap();
    assert_eq!(id_and_epoch(dir.path()), (id, 6), "the second copy knew better");
}

#[test]
fn files_of_two_nodes_in_one_directory_are_refused() {
    let ((one, _), (other, _)) = (used_directory(), used_directory());
    for name in ["identity.bin", "identity.bin.old"] {
        std::fs::copy(other.path().join(name), one.path().join(name)).unwrap();
    }
    assert!(matches!(Store::open(one.path()).unwrap_err(), StoreError::TwoIdentities { .. }));
}

#[test]
fn a_newer_schema_is_refused_and_nothing_is_changed() {
    let (dir, _) = used_directory();
    let db = rusqlite::Connection::open(dir.path().join("rumormill.db")).unwrap();
    db.pragma_update(None, "user_version", 7).unwrap();
    drop(db);
    let before = contents(dir.path());
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 7, known: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("run the newer program"), "{refused}");
    assert_unchanged(&before, dir.path());
}

#[test]
fn a_copied_directory_gets_a_new_key_that_says_what_it_was_copied_from() {
    let (dir, id) = used_directory();
    let mut store = Store::open(dir.path()).unwrap();
    store.rekey().unwrap();
    let new = store.keys().id();
    assert_ne!(new, id);
    assert_eq!((store.epoch(), store.copied_from()), (1, Some(id)));
    assert_eq!(store.members().unwrap(), [member(7, 70)], "whom it knew it still knows");
    drop(store);
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!((store.keys().id(), store.epoch(), store.copied_from()), (new, 2, Some(id)));
    assert!(store.keys().check(new, store.keys().public(), b"x", &store.keys().sign(b"x")));
    store.rekey().unwrap();
    assert_eq!(store.copied_from(), Some(new));
}

#[test]
fn a_node_without_a_directory_forgets_itself() {
    let (mut one, other) = (Store::ephemeral().unwrap(), Store::ephemeral().unwrap());
    assert_ne!(one.keys(), other.keys());
    one.save_members(&[member(1, 1)]).unwrap();
    one.save_tags(b"tags").unwrap();
    assert_eq!((one.epoch(), one.dir(), one.members().unwrap()), (1, None, vec![]));
    assert_eq!(one.tags().unwrap().as_deref(), Some(&b"tags"[..]));
}

#[test]
fn a_value_that_is_too_large_is_refused() {
    let mut store = Store::ephemeral().unwrap();
    let big = vec![0; VALUE_BYTES_MAX + 1];
    assert!(matches!(store.put("big", &big), Err(StoreError::TooLarge { bytes, .. }) if bytes == big.len()));
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = Store::open(&file).unwrap_err().to_string();
    assert!(refused.starts_with("cannot make the data directory"), "{refused}");
    let refused = Store::open(Path::new("/proc/rumormill")).unwrap_err().to_string();
    assert!(refused.contains("cannot make the data directory"), "{refused}");
}

/// A file system of so many KiB; gone when dropped. None without the right to mount.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount(kib: usize) -> Option<TinyDisk> {
        let dir = tempfile::tempdir().unwrap();
        let run = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(dir.path())
            .output();
        run.is_ok_and(|out| out.status.success()).then_some(TinyDisk(dir))
    }

    /// Writes until nothing more fits; the file that takes the room.
    fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.0.path().join("ballast");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        // The kernel counts a tmpfs's pages per core, so that near the end one refusal is not yet the last page.
        let mut refused = 0;
        while refused < 100 {
            refused += u32::from(file.write_all(&[0; 4096]).is_err());
        }
        path
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_the_agent_does_not_start_and_no_epoch_is_lost() {
    let Some(disk) = TinyDisk::mount(256) else {
        println!(
            "SKIPPED on_a_full_disk_the_agent_does_not_start_and_no_epoch_is_lost: mounting a tmpfs needs root"
        );
        return;
    };
    let dir = disk.0.path().join("data");
    let (id, epoch) = id_and_epoch(&dir);
    assert_eq!(epoch, 1);
    let ballast = disk.fill();
    for _ in 0..3 {
        let refused = Store::open(&dir).unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert!(refused.to_string().contains("make room"), "{refused}");
    }
    std::fs::remove_file(&ballast).unwrap();
    let (again, epoch) = id_and_epoch(&dir);
    assert_eq!(again, id);
    assert!(epoch > 1);
    // A first start with no room leaves nothing that would pass for an identity.
    disk.fill();
    assert!(matches!(Store::open(&disk.0.path().join("other")).unwrap_err(), StoreError::Full { .. }));
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(id_and_epoch(&disk.0.path().join("other")).1, 1);
}

#[test]
fn on_a_disk_that_is_mounted_read_only_the_agent_does_not_start() {
    let Some(disk) = TinyDisk::mount(256) else {
        println!(
            "SKIPPED on_a_disk_that_is_mounted_read_only_the_agent_does_not_start: mounting a tmpfs needs root"
        );
        return;
    };
    let dir = disk.0.path().join("data");
    assert_eq!(id_and_epoch(&dir).1, 1);
    let remount = |how: &str| {
        let run = std::process::Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(disk.0.path())
            .status();
        assert!(run.unwrap().success());
    };
    remount("ro");
    let refused = Store::open(&dir).unwrap_err();
    assert!(matches!(refused, StoreError::Denied { .. }), "{refused}");
    assert!(refused.to_string().contains("read-only"), "{refused}");
    remount("rw");
    assert_eq!(id_and_epoch(&dir).1, 2);
}

#[test]
fn a_disk_that_fills_up_later_costs_what_is_saved_and_nothing_that_was() {
    let Some(disk) = TinyDisk::mount(256) else {
        println!(
            "SKIPPED a_disk_that_fills_up_later_costs_what_is_saved_and_nothing_that_was: mounting a tmpfs needs root"
        );
        return;
    };
    let dir = disk.0.path().join("data");
    let mut store = Store::open(&dir).unwrap();
    store.save_members(&[member(7, 70)]).unwrap();
    let ballast = disk.fill();
    let many: Vec<_> = (100..1000).map(|n| member(n, n)).collect();
    assert!(matches!(store.save_members(&many).unwrap_err(), StoreError::Full { .. }));
    assert!(matches!(store.rekey().unwrap_err(), StoreError::Full { .. }));
    let id = store.keys().id();
    assert_eq!(store.members().unwrap(), [member(7, 70)]);
    std::fs::remove_file(&ballast).unwrap();
    store.save_members(&[member(8, 80)]).unwrap();
    drop(store);
    let store = Store::open(&dir).unwrap();
    assert_eq!((store.keys().id(), store.members().unwrap().len()), (id, 2));
}

/// What the directories in `golden` hold, one for each version of the schema. Each was written once: later versions must open it. A new
/// version gets a directory of its own, written once by `RUMORMILL_WRITE_GOLDEN=1 cargo test -p rumormill-agent --test store this_version`.
const GOLDEN_EPOCH: u64 = 2;

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/data-dir-v{version}"))
}

fn write_golden(dir: &Path) {
    std::fs::remove_dir_all(dir).ok();
    let mut store = Store::open(dir).unwrap();
    store.save_members(&[member(7, 1_700_000_000_007), member(8, 1_700_000_000_008)]).unwrap();
    store.save_tags(&tags()).unwrap();
    store.save_events(&unsaved()).unwrap();
    assert!(store.save_durable(&[item(9)]).unwrap());
    let id = store.keys().id();
    drop(store);
    assert_eq!(id_and_epoch(dir), (id, GOLDEN_EPOCH));
    std::fs::remove_file(dir.join("lock")).unwrap();
    std::fs::write(dir.join("id.txt"), format!("{id}\n")).unwrap();
}

fn tags() -> Vec<u8> {
    use rumormill_protocols::member::swim::record::TagMap;
    TagMap([("role".to_string(), "db".to_string())].into()).encoded()
}

fn item(seq: u64) -> Item {
    let source = Source { origin: NodeId(0xfedc_ba98_7654_3210), epoch: 3 };
    let (name, payload) = (Payload::from(&b"deploy"[..]), Payload::from(&b"v1"[..]));
    Item { id: EventId { source, seq }, flags: Flags::UNORDERED, name, payload }
}

fn unsaved() -> Unsaved {
    let source = item(1).id.source;
    let position = Position { source, next: 7, beyond: vec![Span { from: 9, to: 9 }] };
    let record = |number, entry| Record { place: Place { epoch: 1, number }, entry, heard: Wall(number) };
    Unsaved {
        positions: Positions { joined: true, list: vec![position] },
        entries: vec![
            record(4, LogEntry::Lost(source, Span { from: 1, to: 5 })),
            record(5, LogEntry::Event(item(6))),
        ],
        settled: Vec::new(),
        dropped: Some(Place { epoch: 1, number: 3 }),
        ..Unsaved::default()
    }
}

/// A directory holds the events that [`write_golden`] put there.
fn assert_holds_events(store: &mut Store) {
    let (kept, put) = (store.events().unwrap(), unsaved());
    assert_eq!((kept.positions, kept.dropped), (Some(put.positions), put.dropped));
    assert_eq!((kept.entries, kept.durable), (put.entries, vec![item(9)]));
}

/// A copy of `golden` opens, and holds what [`write_golden`] put there.
fn assert_opens(golden: &Path, has_events: bool) {
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in contents(golden) {
        std::fs::write(dir.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let mut store = Store::open(dir.path()).unwrap();
    let id: NodeId = std::fs::read_to_string(golden.join("id.txt")).unwrap().trim().parse().unwrap();
    assert_eq!((store.keys().id(), store.epoch(), store.copied_from()), (id, GOLDEN_EPOCH + 1, None));
    assert_eq!(store.members().unwrap(), [member(8, 1_700_000_000_008), member(7, 1_700_000_000_007)]);
    assert_eq!(store.tags().unwrap(), Some(tags()));
    assert_eq!(store.repairs(), &[] as &[String]);
    if !has_events {
        assert!(store.events().unwrap().positions.is_none(), "nothing was ever saved of events");
        store.save_events(&unsaved()).unwrap();
        store.save_durable(&[item(9)]).unwrap();
    }
    assert_holds_events(&mut store);
}

#[test]
fn a_directory_of_the_first_version_still_opens_and_is_brought_up_to_date() {
    assert_opens(&golden(1), false);
}

#[test]
fn a_directory_of_this_version_opens_and_can_become_a_golden_one() {
    if std::env::var_os("RUMORMILL_WRITE_GOLDEN").is_some() {
        write_golden(&golden(2));
    }
    assert_opens(&golden(2), true);
    let dir = tempfile::tempdir().unwrap();
    let written = dir.path().join("data");
    write_golden(&written);
    assert_opens(&written, true);
}

#[test]
fn of_events_what_was_dropped_settled_or_forgotten_goes_and_another_identity_keeps_positions_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.save_events(&unsaved()).unwrap();
    store.save_durable(&[item(9), item(10)]).unwrap();
    let mut next = unsaved();
    next.positions.list[0].next = 8;
    next.entries.clear();
    next.settled = vec![item(9).id];
    next.dropped = Some(Place { epoch: 1, number: 4 });
    store.save_events(&next).unwrap();
    let kept = store.events().unwrap();
    assert_eq!(kept.positions.unwrap().list[0].next, 8);
    assert_eq!((kept.entries, kept.durable), (vec![unsaved().entries[1].clone()], vec![item(10)]));
    next.gone = vec![Place { epoch: 1, number: 5 }];
    store.save_events(&next).unwrap();
    assert!(store.events().unwrap().entries.is_empty(), "it was shed from between others");
    next.gone.clear();
    next.positions.list.clear();
    store.save_events(&next).unwrap();
    assert!(store.events().unwrap().positions.unwrap().list.is_empty());
    store.save_events(&unsaved()).unwrap();
    store.rekey().unwrap();
    let kept = store.events().unwrap();
    assert_eq!(kept.positions, Some(unsaved().positions));
    assert!(kept.entries.is_empty() && kept.durable.is_empty() && kept.dropped.is_none());
}
