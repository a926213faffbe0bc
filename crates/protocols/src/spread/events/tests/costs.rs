//! What it costs.

use super::*;

#[test]
fn who_agree_exchange_a_few_dozen_bytes() {
    for seed in SEEDS {
        let n = 20;
        let mut story = Story::of(n, World { wire: true, ..World::default() }, seed, Config::default());
        for round in 0..50 {
            story.say(round % n);
            story.run(SECOND / 50);
        }
        story.run(30 * SECOND);
        assert!(story.agree());
        let (before, counted) = (story.sim.total(), story.total());
        story.run(100 * SECOND);
        let (after, since) = (story.sim.total(), story.total());
        let datagrams = after.datagrams_sent - before.datagrams_sent;
        let around = story.sim.world().limits.datagram_overhead_bytes as u64;
        let content = after.datagram_bytes_sent - before.datagram_bytes_sent - around * datagrams;
        let exchanges = since.roots_sent - counted.roots_sent;
        say(&format!("{exchanges} exchanges, {content} bytes in {datagrams} datagrams"));
        assert_eq!(after.stream_bytes_sent, before.stream_bytes_sent);
        assert_eq!(exchanges, since.agreed - counted.agreed);
        assert!(content <= 16 * exchanges, "{content}");
        assert!((9 * n..=11 * n).contains(&exchanges), "one in ten seconds each");
        assert_eq!(since.digests_sent, counted.digests_sent);
    }
}

#[test]
fn among_many_origins_only_those_that_changed_last_are_listed() {
    let n = 100;
    let mut story = Story::of(n, World { wire: true, ..World::default() }, 12, Config::default());
    (0..n).for_each(|by| story.say(by));
    story.run(60 * SECOND);
    story.sim.partition(|a, b| a.0 == 5 || b.0 == 5);
    story.say(8);
    story.run(60 * SECOND);
    let before = story.sim.total();
    story.sim.heal();
    story.run(60 * SECOND);
    assert!(story.agree() && story.seqs(5, source(8)) == [1, 2]);
    let after = story.sim.total();
    let (stream, datagrams) = (
        after.stream_bytes_sent - before.stream_bytes_sent,
        after.datagram_bytes_sent - before.datagram_bytes_sent,
    );
    say(&format!("{stream} bytes over streams, {datagrams} in datagrams"));
    assert!(
        stream < 2_000,
        "all rows together fit no datagram; one page of them is sent at most, if the one that was away is asked first"
    );
}

/// Messages and bytes per event and node, the repair that is due anyway taken off; printed for the documentation.
#[test]
fn an_event_costs_a_few_pushes_per_node_whatever_their_number() {
    for (n, loss) in [(10, 0.0), (100, 0.0), (100, 0.2), (400, 0.0)] {
        for (count, pause) in [(10, SECOND * 2), (200, SECOND / 100)] {
            let mut story = Story::of(n, World { loss, ..World::default() }, 11, Config::default());
            let (before, counted) = (story.sim.total(), story.total());
            let begun = story.sim.now();
            for round in 0..count {
                story.say(round * 7 % n);
                story.run(pause);
            }
            let spread = story.sim.now();
            let missed = story.total().news_repaired;
            story.run(12 * SECOND);
            let (after, since) = (story.sim.total(), story.total());
            let per = |sum: u64| sum as f64 / (count * n) as f64;
            let mut delays: Vec<f64> = Vec::new();
            let mut published: BTreeMap<Payload, Time> = BTreeMap::new();
            for (at, event) in story.told.values().flatten() {
                if let Event::Delivered(item) = event {
                    let first = published.entry(item.payload.clone()).or_insert(*at);
                    *first = (*first).min(*at);
                }
            }
            for (at, event) in story.told.values().flatten() {
                if let Event::Delivered(item) = event {
                    delays.push(at.since(published[&item.payload]).as_secs_f64() * 1e3);
                }
            }
            delays.sort_by(f64::total_cmp);
            let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize];
            let roots = since.roots_sent - counted.roots_sent;
            let digests = since.digests_sent - counted.digests_sent;
            say(&format!(
                "n {n} loss {loss}, {count} events {pause:?} apart ({:.0} s): pushes {:.2} spared {:.2} useless {:.2} datagrams {:.2} \
                 stream messages {:.3} bytes {:.0} per event and node; roots {roots} digests {digests} missed {:.4} (by then {:.4}); \
                 ms to half {:.1}, 99 % {:.1}, all {:.1}",
                spread.since(begun).as_secs_f64(),
                per(since.pushes_sent - counted.pushes_sent),
                per(since.pushes_spared - counted.pushes_spared),
                per(since.useless - counted.useless),
                per(after.datagrams_sent - before.datagrams_sent),
                per(after.stream_messages_sent - before.stream_messages_sent),
                per(after.bytes_sent() - before.bytes_sent()),
                per(since.news_repaired - counted.news_repaired),
                per(missed - counted.news_repaired),
                at(0.5),
                at(0.99),
                at(1.0),
            ));
            assert_eq!(delays.len() as u64, count * n, "all are told");
            assert!(per(since.pushes_sent - counted.pushes_sent) < if loss > 0.0 { 12.0 } else { 11.0 });
        }
    }
}
