//! Messages of the aggregators.

use super::{Seed, all_of, datagram};
use rumormill_core::payload::Payload;
use rumormill_protocols::kit::epochs::Stamp;
use rumormill_protocols::kit::sketch::Sketch;
use rumormill_protocols::sum::{averaging, plain, push_sum, threshold};

const STAMP: Stamp = Stamp { epoch: 3, age_ms: 15_250 };

/// One of each message of each aggregator.
pub fn sum() -> Vec<Seed> {
    [push_sum(), averaging(), extrema(), plain(), threshold()].concat()
}

fn push_sum() -> Vec<Seed> {
    use push_sum::{Mass, Message};
    let mass = Mass { one: 0.5, root: 0.015_625, powers: [21.0, 882.0, 37_044.0] };
    let mut sketch = Sketch::new(0.05, push_sum::SKETCH_BUCKETS_MAX);
    [-3.0, 0.0, 0.5, 42.0, 1e6].iter().for_each(|value| sketch.add(*value, 1.0));
    let messages = [
        ("mass", Message { stamp: STAMP, mass, sketch: Payload::EMPTY }),
        ("sketch", Message { stamp: STAMP, mass, sketch: sketch.take_half() }),
        ("no-mass", Message { stamp: STAMP, mass: Mass::default(), sketch: Payload::EMPTY }),
    ];
    all_of("push-sum", &messages)
}

fn averaging() -> Vec<Seed> {
    use averaging::{Message, Share, Shares};
    let counts = |n: u32| {
        let share = |i| Share { tag: i * 0x0400_0001, amount: 1.0 / f64::from(i + 1) };
        Shares::Many(Box::new((0..n).map(share).collect()))
    };
    let ask = |have| Message::Ask { stamp: STAMP, number: 70_000, have, opened_ms: 15_000 };
    let moved = |amount| Message::Moved { stamp: STAMP, number: 70_000, amount };
    let messages = [
        ("ask", ask(Shares::One(42.5))),
        ("ask-counts", ask(counts(5))),
        ("ask-most-counts", ask(counts(averaging::LEADERS_MAX as u32))),
        ("moved", moved(Shares::One(-0.25))),
        ("moved-counts", moved(counts(0))),
        ("refused", Message::Refused { stamp: STAMP, number: 70_000 }),
    ];
    all_of("averaging", &messages)
}

/// [[epoch, age], [numbers, [least, owner], [greatest, owner]], answer]: what is in it is extrema propagation's own business.
fn extrema() -> Vec<Seed> {
    let message = |numbers: &[f32], least: f64, greatest: f64, answer: bool| {
        let bytes = numbers.iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<u8>>();
        let extreme = |value: f64| [&[0x82, 0xfb][..], &value.to_be_bytes(), &[0x19, 0x01, 0x2c]].concat();
        [
            &[0x83, 0x82, 0x03, 0x19, 0x3b, 0x92, 0x83, 0x40 + bytes.len() as u8][..],
            &bytes,
            &extreme(least),
            &extreme(greatest),
            &[0xf4 + u8::from(answer)],
        ]
        .concat()
    };
    let (none, most) = (f64::INFINITY, [0.25, 1e-6, 3.5, f32::INFINITY, 0.0]);
    let messages =
        [("knowledge", message(&most, -1.5, 99.0, false)), ("nothing", message(&[], none, -none, true))];
    datagram("extrema", messages.map(|(name, bytes)| (name.to_owned(), bytes)).to_vec())
}

fn plain() -> Vec<Seed> {
    use plain::Message;
    all_of("plain-averaging", &[("ask", Message::Ask(42.5)), ("answer", Message::Answer(-0.25))])
}

fn threshold() -> Vec<Seed> {
    use threshold::Message;
    let (stamp, number, crossings) = (STAMP, 70_000, 3);
    let messages = [
        ("ask", Message::Ask { stamp, number, have: 42.5, opened_ms: 15_000, crossings }),
        ("moved", Message::Moved { stamp, number, amount: -0.25, had: 43.0, crossings }),
        ("refused", Message::Refused { stamp, number, crossings }),
    ];
    all_of("threshold", &messages)
}
