//! Every knob of SWIM, with its source.

use alloc::format;
use alloc::string::String;
use rumormill_core::time::Duration;

/// Settings. The same on all members of a cluster, or nearly so.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// The protocol period T' (SWIM, section 3.1): one member is probed in each.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// How long a direct probe may take before helpers are asked; the round trip of the peer shortens it.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub probe_timeout: Duration,
    /// A direct probe waits at least so long, however short the round trip (our guess: what a busy scheduler may cost).
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub probe_timeout_min: Duration,
    /// Whether members probe by turns, counted by the wall clock, so that each is probed by one other in each period; otherwise each walks a
    /// shuffled list of its own (SWIM, section 4.3), and in e^-1 of all periods a member is probed by nobody.
    pub probe_turns: bool,
    /// k: how many helpers are asked (SWIM, section 3.1).
    pub helpers: usize,
    /// How often news goes out in rounds of its own.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub gossip_interval: Duration,
    /// News waits so long for its first push, so that what happens together travels together.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub push_delay: Duration,
    /// To how many members in each such round.
    pub gossip_fanout: usize,
    /// Datagrams of news for one target in one round, while there is so much (our guess).
    pub gossip_datagrams_max: usize,
    /// λ: each item is sent λ·⌈log10(n+1)⌉ times (SWIM, section 4.1).
    pub retransmit_mult: u32,
    /// α: the minimum suspicion time is α·max(1, log10 n) periods (Lifeguard, section IV-B).
    pub suspicion_alpha: f64,
    /// β: the maximum suspicion time is β times the minimum (Lifeguard, section IV-B).
    pub suspicion_beta: f64,
    /// K: confirmations that bring the suspicion time down to its minimum (Lifeguard, section IV-B).
    pub suspicion_confirmations: u32,
    /// Whether a failed probe suspects first (SWIM, section 4.2) or marks the member as failed at once (section 3).
    pub suspicion: bool,
    /// Lifeguard's three parts: local health, shrinking suspicion times, buddy system.
    pub lifeguard: bool,
    /// S: the saturation of the local health score (Lifeguard, section IV-A: 8).
    pub health_max: u32,
    /// Departed members (failed and left) are remembered so long.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub departed_for: Duration,
    /// And at most so many of them, the oldest dropped first.
    pub departed_max: usize,
    /// The cluster as a whole tries its failed members at intervals between these two.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text::pair"))]
    pub retry_interval: (Duration, Duration),
    /// After leaving is announced, how long the member stays to spread it.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub leave_linger: Duration,
}

/// The shortest time between two actions of the protocol (our guess: a simulator's step).
const SHORTEST: Duration = Duration::from_millis(1);

impl Default for Config {
    /// One site.
    fn default() -> Config {
        Config::lan()
    }
}

impl Config {
    /// Refuses settings with which no member can run.
    ///
    /// # Errors
    /// Names the setting, and what it must be.
    pub fn check(&self) -> Result<(), String> {
        for (name, time) in [
            ("period", self.period),
            ("probe_timeout", self.probe_timeout),
            ("gossip_interval", self.gossip_interval),
            ("retry_interval", self.retry_interval.0),
        ] {
            if time < SHORTEST {
                return Err(format!("{name} is {time:?}: {SHORTEST:?} is the least"));
            }
        }
        if self.retry_interval.0 > self.retry_interval.1 {
            return Err("the first time of retry_interval must not be more than the second".into());
        }
        Ok(())
    }

    /// One machine: loopback, sub-millisecond round trips.
    pub fn local() -> Config {
        Config {
            probe_timeout: Duration::from_millis(300),
            gossip_interval: Duration::from_millis(100),
            push_delay: Duration::from_millis(10),
            leave_linger: Duration::from_millis(500),
            ..Config::lan()
        }
    }

    /// One site.
    pub fn lan() -> Config {
        Config {
            period: Duration::from_secs(1), // memberlist LAN; SWIM's experiments used 2 s
            probe_timeout: Duration::from_millis(500), // memberlist LAN
            probe_timeout_min: Duration::from_millis(100), // our guess
            probe_turns: true,              // ours: where clocks are off it is no worse than shuffled
            helpers: 3,                     // memberlist LAN
            gossip_interval: Duration::from_millis(200), // memberlist LAN
            push_delay: Duration::from_millis(20), // our guess
            gossip_fanout: 3,               // memberlist LAN
            gossip_datagrams_max: 4,        // our guess
            retransmit_mult: 4,             // memberlist LAN
            // Our guess, below Lifeguard's 2 and memberlist's 4: it holds only once K others have failed to reach the member as well, each with its
            // helpers, which takes about a second (the laboratory's tests bury nobody who runs, with stalls and at 20 % loss; at 1 some were).
            suspicion_alpha: 1.5,
            suspicion_beta: 6.0,        // Lifeguard, section V
            suspicion_confirmations: 3, // Lifeguard, section V
            suspicion: true,
            lifeguard: true,
            health_max: 8,                                // Lifeguard, section V
            departed_for: Duration::from_secs(24 * 3600), // Serf's ReconnectTimeout and TombstoneTimeout
            departed_max: 4096,                           // our guess
            retry_interval: (Duration::from_secs(1), Duration::from_secs(60)), // our guess
            leave_linger: Duration::from_secs(1),         // Serf's LeavePropagateDelay
        }
    }

    /// Sites far apart: slower on purpose.
    pub fn wan() -> Config {
        Config {
            period: Duration::from_secs(5),                // memberlist WAN
            probe_timeout: Duration::from_secs(3),         // memberlist WAN
            probe_timeout_min: Duration::from_millis(500), // our guess
            gossip_interval: Duration::from_millis(500),   // memberlist WAN
            push_delay: Duration::from_millis(50),         // our guess
            gossip_fanout: 4,                              // memberlist WAN
            suspicion_alpha: 4.0, // our guess, below memberlist's 6: confirmations come within a period here
            leave_linger: Duration::from_secs(3), // our guess
            ..Config::lan()
        }
    }
}
