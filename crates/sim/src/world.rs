//! The world of a simulation, as data.

use crate::bandwidth::{LINES_MAX, Line};
use crate::latency::Latency;
use crate::loss::{Bursts, ONE_WAY_MAX, OneWay, Reorder};
use crate::service::Service;
use rumormill_core::drive::Limits;
use rumormill_core::time::{Duration, text};
use serde::{Deserialize, Serialize};

/// The world of a simulation. In a file, a missing field takes its default, and an unknown field is an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// One-way latency of datagrams and stream messages.
    pub latency: Latency,
    /// Probability that a datagram is lost, independently of all others.
    pub loss: f64,
    /// Additional loss of datagrams in bursts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bursts: Option<Bursts>,
    /// Additional loss of datagrams from some nodes to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_way: Vec<OneWay>,
    /// Additional latency of some datagrams. Any latency that varies reorders datagrams, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reorder: Option<Reorder>,
    /// Probability that a stream segment is lost, which delays its message and all later ones on the same stream; by default as `loss`.
    /// Ignored in the synchronous world, where streams neither lose nor delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_loss: Option<f64>,
    /// Probability that a datagram is duplicated.
    pub duplicate: f64,
    /// Bandwidth of the nodes' lines. A node has the first line that fits it; a node that fits none has no limit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Time that a message takes its receiver; by default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Size of datagrams, and the budget of a node.
    #[serde(with = "WrittenLimits")]
    pub limits: Limits,
    /// The length of a cycle of the synchronous world: latency is zero, timers fire only at multiples of the cycle, and all messages that
    /// follow from them are handled in sub-steps at the same `now`.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub synchronous: Option<Duration>,
    /// Whether messages are encoded by the sender and decoded by the receiver. The run is the same, but takes longer.
    pub wire: bool,
    /// Probability that one bit of a datagram is flipped; needs `wire`. A datagram that can no longer be decoded is dropped and counted;
    /// any other is handed in. (The seal of a real receiver refuses both.)
    pub corruption: f64,
    /// Buffer for datagrams of a blocked or frozen node, in each direction, in bytes with overhead.
    pub datagram_buffer_bytes: usize,
    /// Buffer for its stream messages, likewise.
    pub stream_buffer_bytes: usize,
    /// Upper bound on the offset of a wall clock, which is drawn uniformly.
    #[serde(with = "text")]
    pub clock_offset_max: Duration,
    /// Upper bound on the drift of a wall clock in parts per million, which is drawn uniformly.
    pub clock_drift_ppm_max: u32,
}

/// [`Limits`] in a file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Limits", deny_unknown_fields)]
struct WrittenLimits {
    #[serde(default = "datagram_bytes_max")]
    datagram_bytes_max: usize,
    #[serde(default = "datagram_overhead_bytes")]
    datagram_overhead_bytes: usize,
    #[serde(default = "stream_overhead_bytes")]
    stream_overhead_bytes: usize,
    #[serde(default = "budget_bytes_per_s")]
    budget_bytes_per_s: u64,
}

fn datagram_bytes_max() -> usize {
    Limits::default().datagram_bytes_max
}

fn datagram_overhead_bytes() -> usize {
    Limits::default().datagram_overhead_bytes
}

fn stream_overhead_bytes() -> usize {
    Limits::default().stream_overhead_bytes
}

fn budget_bytes_per_s() -> u64 {
    Limits::default().budget_bytes_per_s
}

impl Default for World {
    /// One quiet site (our guess): 0.2 to 1 ms, nothing lost, true clocks. Receive buffers of 2 MiB for datagrams, as memberlist
    /// asks for, and of 6 MiB for streams (Linux, `tcp_rmem`).
    fn default() -> Self {
        World {
            latency: Latency::Uniform(Duration::from_micros(200), Duration::from_millis(1)),
            loss: 0.0,
            bursts: None,
            one_way: Vec::new(),
            reorder: None,
            stream_loss: None,
            duplicate: 0.0,
            lines: Vec::new(),
            service: None,
            limits: Limits::default(),
            synchronous: None,
            wire: false,
            corruption: 0.0,
            datagram_buffer_bytes: 2 << 20,
            stream_buffer_bytes: 6 << 20,
            clock_offset_max: Duration::ZERO,
            clock_drift_ppm_max: 0,
        }
    }
}

impl World {
    /// Refuses a world that is not sound.
    ///
    /// # Errors
    /// Says what is wrong, and what to give instead.
    pub fn check(&self) -> Result<(), String> {
        self.latency.check()?;
        let parts = [
            ("loss", self.loss),
            ("stream_loss", self.stream_loss.unwrap_or(0.0)),
            ("duplicate", self.duplicate),
            ("corruption", self.corruption),
        ];
        for (name, part) in parts {
            if !(0.0..=1.0).contains(&part) {
                return Err(format!("{name} is {part}: give a part of all between 0 and 1"));
            }
        }
        if let Some(bursts) = &self.bursts {
            bursts.check()?;
        }
        if self.one_way.len() > ONE_WAY_MAX || self.lines.len() > LINES_MAX {
            return Err(format!("at most {ONE_WAY_MAX} one-way losses and {LINES_MAX} lines"));
        }
        self.one_way.iter().try_for_each(OneWay::check)?;
        self.lines.iter().try_for_each(Line::check)?;
        if let Some(reorder) = &self.reorder {
            reorder.check()?;
        }
        if let Some(service) = &self.service {
            service.check()?;
        }
        let takes_time = self.reorder.is_some() || !self.lines.is_empty() || self.service.is_some();
        if self.synchronous.is_some() && takes_time {
            return Err(
                "in the synchronous world nothing takes time: leave out reorder, lines and service".into()
            );
        }
        if self.corruption > 0.0 && !self.wire {
            return Err("corruption turns bits, and there are none without wire: switch wire on".into());
        }
        if self.synchronous == Some(Duration::ZERO) {
            return Err("a cycle of the synchronous world takes no time: give it some".into());
        }
        if self.clock_drift_ppm_max > 1_000_000 {
            return Err("clock_drift_ppm_max is above 1,000,000: a clock would run backwards".into());
        }
        Ok(())
    }

    pub(crate) fn stream_loss(&self) -> f64 {
        self.stream_loss.unwrap_or(self.loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_written_and_read_back() {
        let full: World = toml::from_str(
            r#"
            latency = { matrix = "planet" }
            loss = 0.01
            bursts = { to_bad = 0.001, to_good = 0.1 }
            one_way = [{ from = "0..10", to = [11, 12], loss = 0.5 }]
            reorder = { share = 0.1, extra = "20ms" }
            limits = { budget_bytes_per_s = 1000 }
            clock_offset_max = "50ms"
            [[lines]]
            weight = 20.0
            up_bytes_per_s = 128_000_000
            [[lines]]
            weight = 80.0
            [service]
            time = "10us"
            slow = [{ share = 0.1, factor = 100 }]
            "#,
        )
        .unwrap();
        full.check().unwrap();
        assert_eq!(full.limits.datagram_bytes_max, Limits::default().datagram_bytes_max);
        for world in
            [World::default(), full, World { synchronous: Some(Duration::from_secs(1)), ..World::default() }]
        {
            let text = toml::to_string(&world).unwrap();
            let again: World = toml::from_str(&text).unwrap();
            assert_eq!(format!("{again:?}"), format!("{world:?}"), "{text}");
        }
        for latency in
            ["constant = \"5ms\"", "uniform = [\"1ms\", \"2ms\"]", "pareto = { min = \"1ms\", alpha = 2.0 }"]
        {
            toml::from_str::<World>(&format!("latency = {{ {latency} }}")).unwrap().check().unwrap();
        }
        let unknown = toml::from_str::<World>("losses = 0.1").unwrap_err().to_string();
        assert!(unknown.contains("`losses`") && unknown.contains("`one_way`"), "{unknown}");
    }

    #[test]
    fn a_world_that_cannot_be_is_refused_with_what_to_do() {
        let refused = |world: World| world.check().unwrap_err();
        assert!(World::default().check().is_ok());
        assert!(refused(World { loss: 1.5, ..World::default() }).contains("between 0 and 1"));
        assert!(refused(World { loss: f64::NAN, ..World::default() }).contains("loss"));
        assert!(refused(World { corruption: 0.1, ..World::default() }).contains("switch wire on"));
        let cycle = Some(Duration::ZERO);
        assert!(refused(World { synchronous: cycle, ..World::default() }).contains("cycle"));
        let backwards = Latency::Uniform(Duration::from_secs(2), Duration::from_secs(1));
        let (cycle, lines) = (Some(Duration::from_secs(1)), vec![Line::default()]);
        assert!(refused(World { synchronous: cycle, lines, ..World::default() }).contains("takes time"));
        assert!(refused(World { latency: backwards, ..World::default() }).contains("swap"));
    }
}
