//! `ping-cost SIDE MEMBERS PINGS`: one member of a quiet cluster decodes, handles and answers so many pings, from peers in random
//! order, and prints nanoseconds per ping. `cargo xtask bench ping` runs it, under callgrind too.

mod ours;
mod theirs;

use std::time::Instant;

/// A member of a cluster of known size that can be pinged.
trait Pinged {
    /// The bytes of a ping from that peer.
    fn ping_from(&mut self, peer: usize) -> Vec<u8>;
    /// Takes the ping in and returns the bytes of the ack.
    fn handle(&mut self, peer: usize, ping: &[u8]) -> usize;
}

/// How many pings are prepared and then handled in one timed stretch.
const BATCH: usize = 1_000;

fn measure(mut member: impl Pinged, members: usize, pings: usize) -> f64 {
    let mut rng = rumormill_core::Rng::seeded(7);
    let (mut spent_ns, mut done) = (0u128, 0);
    while done < pings {
        let batch: Vec<_> = (0..BATCH.min(pings - done))
            .map(|_| {
                let peer = 1 + rng.below(members - 1);
                (peer, member.ping_from(peer))
            })
            .collect();
        let start = Instant::now();
        for (peer, ping) in &batch {
            assert!(member.handle(*peer, ping) > 0, "a ping without an ack");
        }
        spent_ns += start.elapsed().as_nanos();
        done += batch.len();
    }
    spent_ns as f64 / pings.max(1) as f64
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, side, members, pings] = &args[..] else {
        eprintln!("usage: ping-cost rumormill|foca MEMBERS PINGS");
        std::process::exit(2);
    };
    let (members, pings) =
        (members.parse().expect("MEMBERS is a number"), pings.parse().expect("PINGS is a number"));
    let ns = match side.as_str() {
        "rumormill" => measure(ours::Member::of(members), members, pings),
        "foca" => measure(theirs::Member::of(members), members, pings),
        other => panic!("no side is called {other}"),
    };
    println!("{ns}");
}
