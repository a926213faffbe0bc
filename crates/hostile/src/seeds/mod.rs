//! What the fuzzer starts from: one well-formed input for each thing that can be said, so that it need not find them by chance.
//!
//! The name of a message's seed begins with that of its protocol, or format, in [`targets`](crate::targets::targets).

mod formats;

pub use formats::formats;

use rumormill_core::wire::{self, Wire};
use rumormill_protocols::catalog::{self, Catalogued, Visit};
use rumormill_runtime::contact::Contact;
use rumormill_runtime::seal::Kind;

/// A name, and the bytes.
pub type Seed = (String, Vec<u8>);

fn bytes<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    wire::put(value, &mut out);
    out
}

/// A seed of each value, and all of them in one datagram.
fn all_of<M: Wire>(name: &str, values: &[(&str, M)]) -> Vec<Seed> {
    some_of(name, values, values.len())
}

/// A seed of each value, and the first `together` of them in one datagram, unless that is none.
fn some_of<M: Wire>(name: &str, values: &[(&str, M)], together: usize) -> Vec<Seed> {
    let mut seeds: Vec<Seed> =
        values.iter().map(|(value_name, value)| (format!("{name}-{value_name}"), bytes(value))).collect();
    if together > 0 {
        let datagram = seeds[..together].iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        seeds.push((format!("{name}-datagram"), datagram));
    }
    seeds
}

/// Golden datagrams that are shorter than the list of their protocol's samples: what came later is in none, and their bytes stay as they are.
const DATAGRAMS: [(&str, usize); 3] = [("swim", 6), ("latest", 0), ("events", 15)];

struct Samples;

impl Visit for Samples {
    type Out = Vec<Seed>;
    fn visit<P: Catalogued>(self) -> Vec<Seed> {
        let samples = P::samples();
        let shorter = DATAGRAMS.iter().find(|(name, _)| *name == P::NAME);
        some_of(P::NAME, &samples, shorter.map_or(samples.len(), |(_, together)| *together))
    }
}

/// Messages of each protocol, and the other formats.
pub fn messages() -> Vec<Seed> {
    catalog::each(|| Samples).into_iter().flatten().chain(formats()).collect()
}

/// Orders for the `seal` target: each kind unchanged, and one change in each part of a packet.
pub fn packets() -> Vec<Seed> {
    let kinds = Kind::ALL.into_iter().map(|kind| kind as u8);
    let mut seeds: Vec<Seed> =
        kinds.map(|kind| (format!("kind-{kind}"), vec![kind, 0, b'h', b'i'])).collect();
    for (part, at) in
        [("version", 0), ("destination", 9), ("sender", 12), ("counter", 41), ("echo", 45), ("tag", 60)]
    {
        seeds.push((format!("changed-{part}"), vec![0, 1, 0, at, 1, b'h', b'i']));
    }
    seeds.push(("garbage".into(), vec![1; 80]));
    seeds
}

/// Contacts of all sizes.
pub fn contacts() -> Vec<Seed> {
    let all =
        ["192.0.2.1:7900", "[2001:db8::1]:7900", "[2001:db8::2]:1"].map(|a| a.parse().expect("an address"));
    let mut seeds: Vec<Seed> = (1..=all.len())
        .map(|n| (format!("addresses-{n}"), Contact::new(all[..n].iter().copied()).encode()))
        .collect();
    seeds.push(("newer-entry".into(), vec![0x82, 0x43, 1, 2, 3, 0x46, 127, 0, 0, 1, 0x1e, 0xdc]));
    seeds
}

/// All seeds of each target, by its name.
pub fn all() -> [(&'static str, Vec<Seed>); 3] {
    [("decode", messages()), ("seal", packets()), ("contact", contacts())]
}
