//! The promises over the seeds and a fixed number of their mutations: what the fuzzer does for hours, in seconds.

use rumormill_core::Rng;
use rumormill_core::wire::DEPTH_MAX;
use rumormill_hostile::counting::{Counting, is_installed};
use rumormill_hostile::mutate::mutate;
use rumormill_hostile::{seeds, targets};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Mutated inputs for each target.
const INPUTS: usize = 60_000;
/// Mutated inputs for each protocol, from its own messages alone.
const INPUTS_EACH: usize = 20_000;

/// The numbers that a protocol can have in the agent's composite, used or not: those of one byte.
const NUMBERS: u8 = 24;

/// The seeds of a target.
fn seeds_of(target: &str) -> Vec<Vec<u8>> {
    let (_, seeds) = seeds::all().into_iter().find(|(name, _)| *name == target).unwrap();
    seeds.into_iter().map(|(_, bytes)| bytes).collect()
}

fn any_bytes(target: &str, seed: u64, check: fn(&[u8])) {
    mutations_of(seeds_of(target), INPUTS, seed, check);
}

fn mutations_of(seeds: Vec<Vec<u8>>, inputs: usize, seed: u64, check: fn(&[u8])) {
    assert!(is_installed(), "nothing is counted");
    println!("seed {seed}");
    let (mut rng, mut pool) = (Rng::seeded(seed), seeds);
    pool.iter().for_each(|bytes| check(bytes));
    for _ in 0..inputs {
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
fn no_bytes_that_are_nearly_a_protocols_own_hurt_its_decoder() {
    for (seed, protocol) in (100..).zip(targets::targets()) {
        let own = seeds::messages().into_iter().filter(|(name, _)| protocol.has(name));
        let own: Vec<Vec<u8>> = own.map(|(_, bytes)| bytes).collect();
        assert!(!own.is_empty(), "{}: nothing to start from", protocol.name);
        mutations_of(own, INPUTS_EACH, seed, protocol.check);
    }
}

#[test]
fn no_bytes_hurt_the_decoder_of_the_agents_composed_message() {
    any_bytes("decode", 2, |bytes| {
        targets::datagram::<rumormill_node::Message>(bytes);
        for number in 0..NUMBERS {
            targets::datagram::<rumormill_node::Message>(&[&[0x82, number][..], bytes].concat());
        }
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

/// Protocols whose message is nothing but a list of records.
const LISTS: [&str; 2] = ["latest", "heartbeat"];

/// Where the head of a message's fields is, and how many levels are above it: at the front, or behind the number of an enum's variant; in
/// a list of records, at the first record.
fn fields_of(protocol: &str, message: &[u8]) -> (usize, usize) {
    match message {
        [0x82, 0..=0x17, 0x80..=0x97, ..] => (2, 1),
        [0x81, 0x80..=0x97, ..] if LISTS.contains(&protocol) => (1, 1),
        _ => (0, 0),
    }
}

/// More optional fields than any message leaves out.
const OPTIONAL_MAX: u8 = 4;

#[test]
fn the_deepest_nesting_in_a_field_that_is_skipped_is_refused() {
    for (name, mut bytes) in seeds::messages() {
        let protocol = targets::protocol_of(&name);
        let mut rest = &bytes[..];
        (protocol.read)(&mut rest).unwrap_or_else(|e| panic!("{name}: {e}"));
        let is_other_list = LISTS.contains(&protocol.name) && !name.ends_with("-one");
        if !rest.is_empty() || is_other_list {
            continue; // a datagram; more than one record, or none
        }
        // A field that nobody knows, below those that a message has, so deep that it is just allowed, and one level deeper. Optional fields that the
        // message leaves out are written as absent.
        let (head, above) = fields_of(protocol.name, &bytes);
        assert!((0x80..=0x97 - OPTIONAL_MAX - 1).contains(&bytes[head]), "{name}: no fields at {head}");
        bytes[head] += OPTIONAL_MAX + 1;
        bytes.extend([0xf6; OPTIONAL_MAX as usize]);
        for (levels, accepted) in [(DEPTH_MAX - 1 - above, true), (DEPTH_MAX - above, false)] {
            let mut deep = bytes.clone();
            deep.extend(std::iter::repeat_n(0x81, levels));
            deep.push(0x00);
            assert_eq!(protocol.read_all(&deep).is_ok(), accepted, "{name}, {levels} levels");
            targets::decode(&deep);
        }
    }
}
