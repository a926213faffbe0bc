//! Lanes: how the budget is shared among protocols, and how their traffic is counted.

/// Lanes of one message type, composites included.
pub const LANES_MAX: usize = 64;

/// One lane of a message type: a share of the budget, and a row in the counters.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its name in counters and metrics.
    pub name: &'static str,
    /// Its share of the budget, relative to the other lanes of the node.
    pub weight: u64,
}

impl Lane {
    /// A lane of weight 1.
    pub const fn new(name: &'static str) -> Lane {
        Lane::weighted(name, 1)
    }

    /// A lane of this weight. Among many lanes even shares would starve a failure detector, which sends little but must not wait.
    pub const fn weighted(name: &'static str, weight: u64) -> Lane {
        assert!(weight > 0, "a lane needs a share");
        Lane { name, weight }
    }

    /// The sum of the weights of `lanes`.
    pub const fn weights(lanes: &[Lane]) -> u64 {
        let (mut sum, mut at) = (0, 0);
        while at < lanes.len() {
            sum += lanes[at].weight;
            at += 1;
        }
        sum
    }
}

/// The lanes of several message types in a row, for the message type of a composite.
pub struct Lanes {
    all: [Lane; LANES_MAX],
    count: usize,
}

impl Lanes {
    /// The lanes of `parts`, in their order.
    pub const fn of(parts: &[&[Lane]]) -> Lanes {
        let mut lanes = Lanes { all: [Lane::new(""); LANES_MAX], count: 0 };
        let mut part = 0;
        while part < parts.len() {
            let mut at = 0;
            while at < parts[part].len() {
                assert!(lanes.count < LANES_MAX, "more than LANES_MAX lanes");
                lanes.all[lanes.count] = parts[part][at];
                lanes.count += 1;
                at += 1;
            }
            part += 1;
        }
        lanes
    }

    /// How many lanes come before those of the part at this place.
    pub const fn before(parts: &[&[Lane]], place: usize) -> usize {
        Lanes::of(parts.split_at(place).0).count
    }

    /// All of them.
    pub const fn as_slice(&self) -> &[Lane] {
        self.all.split_at(self.count).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lanes_of_the_parts_stand_in_a_row() {
        const DETECTOR: &[Lane] = &[Lane::weighted("detector", 4)];
        const BULK: &[Lane] = &[Lane::new("bulk"), Lane::new("bulk-talk")];
        const ALL: Lanes = Lanes::of(&[DETECTOR, &[], BULK]);
        assert_eq!(ALL.as_slice(), [DETECTOR, BULK].concat());
        assert_eq!(Lane::weights(ALL.as_slice()), 6);
        assert_eq!(Lanes::before(&[DETECTOR, BULK], 1), 1);
    }
}
