//! The promises over the committed seeds and a fixed number of their mutations: what the fuzzer does for hours, in seconds.

use rumormill_core::{Rng, wire};
use rumormill_hostile::counting::{Counting, is_installed};
use rumormill_hostile::mutate::mutate;
use rumormill_hostile::{seeds, targets};
use rumormill_protocols::agree::latest;
use rumormill_protocols::member::swim;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Mutated inputs for each target.
const INPUTS: usize = 60_000;

/// The seeds of a target: those in the repository, which older versions wrote too, and what this version would write.
fn seeds_of(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut names: Vec<_> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort(); // the directory's order is not the same everywhere, and the run is to be
    let committed = names.into_iter().map(|name| std::fs::read(name).unwrap());
    let fresh = seeds::all().into_iter().find(|(name, _)| *name == target).unwrap().1;
    committed.chain(fresh.into_iter().map(|(_, bytes)| bytes)).collect()
}

fn any_bytes(target: &str, seed: u64, check: fn(&[u8])) {
    assert!(is_installed(), "nothing is counted");
    println!("seed {seed}");
    let (mut rng, seeds) = (Rng::seeded(seed), seeds_of(target));
    seeds.iter().for_each(|bytes| check(bytes));
    let mut pool = seeds.clone();
    for _ in 0..INPUTS {
        let (from, other) = (rng.below(pool.len()), rng.below(pool.len()));
        let bytes = mutate(&mut rng, &pool[from], &pool[other]);
        check(&bytes);
        if rng.chance(0.05) {
            let at = rng.below(1_000);
            if pool.len() < 1_000 { pool.push(bytes) } else { pool[at] = bytes }
        }
    }
}

#[test]
fn no_bytes_hurt_the_message_decoders() {
    any_bytes("decode", 1, targets::decode);
}

#[test]
fn no_bytes_hurt_the_decoder_of_the_agents_composed_message() {
    any_bytes("decode", 2, |bytes| {
        targets::datagram::<rumormill_agent::node::Message>(bytes);
        let framed = |kind: u8| [&[0x82, kind][..], bytes].concat();
        targets::datagram::<rumormill_agent::node::Message>(&framed(0));
        targets::datagram::<rumormill_agent::node::Message>(&framed(1));
    });
}

#[test]
fn no_bytes_open_the_seal() {
    any_bytes("seal", 3, targets::seal);
}

#[test]
fn no_bytes_hurt_the_contact_decoder() {
    any_bytes("contact", 4, targets::contact);
}

#[test]
fn what_was_recorded_earlier_is_still_understood() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/decode");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let is_swim = path.file_name().unwrap().to_str().unwrap().starts_with("swim-");
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let read = match is_swim {
                true => wire::get::<swim::Message>(&mut rest).map(drop),
                false => wire::get::<latest::Message>(&mut rest).map(drop),
            };
            read.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }
}

#[test]
fn the_deepest_nesting_in_a_field_that_is_skipped_is_refused() {
    // A ping with a field that nobody knows, nested 14 levels below the two that a message has, then 15.
    for (levels, accepted) in [(14, true), (15, false)] {
        let mut bytes = vec![0x82, 0x00, 0x83, 0x01, 0xf4];
        bytes.extend(std::iter::repeat_n(0x81, levels));
        bytes.push(0x00);
        assert_eq!(wire::decode::<swim::Message>(&bytes).is_ok(), accepted, "{levels}");
        targets::decode(&bytes);
    }
}
