//! What is measured, how often, and about how long that takes.

use std::fmt;
use std::time::Duration;

/// What can be measured; each has a raw file of its own.
#[derive(clap::ValueEnum, Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// From the last start until all see all
    Join,
    /// From publishing one event until each agent has told it
    Event,
    /// From asking one to leave until the others know
    Leave,
    /// From `kill -9` until others mark it as failed
    Kill,
    /// From dropping all of one's packets until others mark it as failed
    Cut,
    /// Bytes, packets, CPU and memory of agents that have nothing to do, and under five events a second
    Cost,
    /// The highest rate of one sender that holds for 10 s
    #[value(name = "rate-10s")]
    Rate10s,
    /// The highest rate of one sender that holds for 40 s
    #[value(name = "rate-40s")]
    Rate40s,
    /// Which members are marked as failed while a tenth is stopped and continued again and again
    Pause,
    /// The same under 2 % of packet loss
    #[value(name = "pause-loss-2")]
    PauseLoss2,
    /// The same under 20 % of packet loss
    #[value(name = "pause-loss-20")]
    PauseLoss20,
}

impl Row {
    /// All of them.
    pub const ALL: [Row; 11] = [
        Row::Join,
        Row::Event,
        Row::Leave,
        Row::Kill,
        Row::Cut,
        Row::Cost,
        Row::Rate10s,
        Row::Rate40s,
        Row::Pause,
        Row::PauseLoss2,
        Row::PauseLoss20,
    ];
    /// Those that are taken of one cluster, one after the other.
    pub const LIFE: [Row; 5] = [Row::Join, Row::Event, Row::Leave, Row::Kill, Row::Cut];
    /// Those that are about false deaths.
    pub const PAUSES: [Row; 3] = [Row::Pause, Row::PauseLoss2, Row::PauseLoss20];

    /// As in the names of raw files.
    pub fn name(self) -> &'static str {
        match self {
            Row::Join => "join",
            Row::Event => "event",
            Row::Leave => "leave",
            Row::Kill => "kill",
            Row::Cut => "cut",
            Row::Cost => "cost",
            Row::Rate10s => "rate-10s",
            Row::Rate40s => "rate-40s",
            Row::Pause => "pause",
            Row::PauseLoss2 => "pause-loss-2",
            Row::PauseLoss20 => "pause-loss-20",
        }
    }

    /// Whether it takes nftables in a network namespace of its own.
    pub fn needs_root(self) -> bool {
        matches!(self, Row::Cut | Row::Cost | Row::PauseLoss2 | Row::PauseLoss20)
    }

    /// Packets that are lost, in percent.
    pub fn loss_percent(self) -> u32 {
        match self {
            Row::PauseLoss2 => 2,
            Row::PauseLoss20 => 20,
            _ => 0,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How much of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What.
    pub rows: Vec<Row>,
    /// Sizes of clusters; for rates and pauses only where they are asked for.
    pub nodes: Vec<usize>,
    /// Sizes for rates: the target is for 30.
    pub rate_nodes: Vec<usize>,
    /// Sizes for pauses.
    pub pause_nodes: Vec<usize>,
    /// Clusters of each side and size for what takes seconds.
    pub trials: usize,
    /// The same for what takes minutes.
    pub long_trials: usize,
    /// Single events of each side and size, over all trials (issue: 20).
    pub events: usize,
    /// How long a cluster is left alone before its costs are counted.
    pub settle: Duration,
    /// How long its costs are counted without load.
    pub idle: Duration,
    /// The same under load.
    pub loaded: Duration,
    /// How long a rate must hold in the shorter and the longer search.
    pub rate_s: [f64; 2],
    /// Steps that a search for a rate takes at most.
    pub rate_tries: u32,
    /// How long members are paused again and again.
    pub pause: Duration,
    /// From it everything follows that is drawn.
    pub seed: u64,
}

impl Plan {
    /// The whole comparison, within about forty minutes.
    pub fn whole() -> Plan {
        Plan {
            rows: Row::ALL.to_vec(),
            nodes: vec![10, 30, 100],
            rate_nodes: vec![30],
            pause_nodes: vec![30],
            trials: 4,
            long_trials: 1,
            events: 20,
            settle: Duration::from_secs(10),
            idle: Duration::from_secs(20),
            loaded: Duration::from_secs(15),
            rate_s: [10.0, 40.0],
            rate_tries: 10,
            pause: Duration::from_secs(60),
            seed: 1,
        }
    }

    /// A try in a few minutes, whose figures mean little.
    pub fn quick() -> Plan {
        Plan {
            nodes: vec![10],
            rate_nodes: vec![10],
            pause_nodes: vec![10],
            trials: 1,
            events: 5,
            settle: Duration::from_secs(2),
            idle: Duration::from_secs(5),
            loaded: Duration::from_secs(5),
            rate_s: [2.0, 4.0],
            rate_tries: 5,
            pause: Duration::from_secs(15),
            ..Plan::whole()
        }
    }

    /// Whether `row` is to be measured.
    pub fn has(&self, row: Row) -> bool {
        self.rows.contains(&row)
    }

    /// Single events of one cluster.
    pub fn events_each(&self) -> usize {
        self.events.div_ceil(self.trials)
    }

    /// About how many seconds it takes with so many sides. What a row takes is from runs on two cores.
    pub fn estimate_s(&self, sides: usize) -> f64 {
        let start = |n: usize| 2.0 + 0.04 * n as f64; // until it has converged, and its end
        let life = |n: usize| {
            let rows = Row::LIFE.iter().filter(|row| self.has(**row));
            let each = rows.map(|row| match row {
                Row::Join => 0.0,
                Row::Event => 1.2 * self.events_each() as f64,
                Row::Leave => 1.5,
                _ => 9.0,
            });
            start(n) + each.sum::<f64>()
        };
        let any_life = Row::LIFE.iter().any(|row| self.has(*row));
        let lives = self.nodes.iter().map(|n| life(*n)).sum::<f64>() * self.trials as f64;
        let cost = self.settle + self.idle + self.loaded + Duration::from_secs(4);
        let costs = self.nodes.iter().map(|n| start(*n) + cost.as_secs_f64()).sum::<f64>();
        let searches =
            [Row::Rate10s, Row::Rate40s].into_iter().zip(self.rate_s).filter(|(row, _)| self.has(*row));
        let tries = f64::from(self.rate_tries.min(5)); // as guesses are good
        let rates =
            searches.map(|(_, s)| self.rate_nodes.iter().map(|n| (start(*n) + s + 6.0) * tries).sum::<f64>());
        let pause_rows = Row::PAUSES.iter().filter(|row| self.has(**row)).count() as f64;
        let pauses = self.pause_nodes.iter().map(|n| start(*n) + self.pause.as_secs_f64() + 3.0).sum::<f64>();
        let long = rates.sum::<f64>() + pauses * pause_rows + if self.has(Row::Cost) { costs } else { 0.0 };
        (if any_life { lives } else { 0.0 } + long * self.long_trials as f64) * sides as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_comparison_stays_below_forty_minutes_and_a_try_below_ten() {
        let (whole, quick) = (Plan::whole().estimate_s(2), Plan::quick().estimate_s(2));
        assert!((1_200.0..2_400.0).contains(&whole), "{whole} s");
        assert!(quick < 600.0, "{quick} s");
        let part = Plan { rows: vec![Row::Join], ..Plan::whole() };
        assert!(part.estimate_s(2) < whole / 5.0);
        assert_eq!(Plan::whole().events_each() * Plan::whole().trials, 20);
    }

    #[test]
    fn every_row_is_called_as_its_raw_file() {
        use clap::ValueEnum;
        for row in Row::ALL {
            assert_eq!(row.to_possible_value().unwrap().get_name(), row.name());
        }
    }
}
