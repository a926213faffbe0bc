//! Every knob of the events, with its source, and what follows from the number of nodes.

use crate::kit::peer_selection::PeerSelection;
use rumormill_core::time::Duration;

/// Longest name of an event, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest payload, in bytes: what a stream message holds.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// The greatest sequence number: at a million events a second it lasts for 285 years.
pub const SEQ_MAX: u64 = 1 << 53;
/// Lives of one origin whose events are kept at a time; those before are forgotten, and refused (our guess).
pub const EPOCHS_MAX: usize = 4;
/// Members asked at most whether they deliver an event, where a sample is asked.
pub const SAMPLES_MAX: usize = 16;
/// Members that can be asked to confirm one event, where all are asked (our guess: the largest cluster, for which a list of members
/// still says something). In a larger cluster such an event is refused.
pub const CONFIRM_MEMBERS_MAX: usize = 4_096;
/// Events of this node that all members are asked to confirm, at a time (our guess: as many as a request takes).
pub const CONFIRM_EVENTS_MAX: usize = 1_024;
/// Confirmations that are outstanding at a time, over all events (our guess: half a mebibyte of ids).
pub const CONFIRMS_MAX: usize = 65_536;

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// How many members the first pushes of all together may miss, on average: what their fanout follows from.
    pub missed: f64,
    /// The counter k: when so many who were asked knew an event, interest in it is lost (Demers 1987, section 1.4).
    pub counter: u8,
    /// Whom to contact.
    pub choice: PeerSelection,
    /// What has just come is passed on so soon.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub flush_idle: Duration,
    /// Time between two such flushes at least, so that what comes meanwhile shares datagrams.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub flush_busy: Duration,
    /// Time between the later contacts about an event.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Each period of any kind is shorter by a random part below one in so many.
    pub jitter_part: u32,
    /// Contacts about one event, after which interest is lost whatever they said; at most 32.
    pub contacts_max: u8,
    /// Events up to this size are pushed whole; of larger ones only the number, and who lacks one asks for it.
    pub eager_bytes_max: usize,
    /// Events passed on at a time.
    pub hot_max: usize,
    /// Their bytes.
    pub hot_bytes_max: usize,
    /// Bytes of events in one contact; what is hot beyond it has its turn in the next. One event always goes.
    pub contact_bytes_max: usize,
    /// Time between two comparisons with a peer while there is news.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub repair_period: Duration,
    /// The same while something is known to be missing.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub repair_gap: Duration,
    /// News makes for so long that comparisons come at that pace.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub repair_busy: Duration,
    /// Time between two comparisons when there has been none.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub repair_idle: Duration,
    /// Messages sent in answer to others in a repair period: so many pages, whoever asks.
    pub answers_max: u32,
    /// Bytes of events in one message of a repair; one event always goes.
    pub page_bytes_max: usize,
    /// Bytes of events retained.
    pub window_bytes_max: usize,
    /// Events retained.
    pub window_events_max: usize,
    /// Lives of origins that are remembered; others are refused while none of these is empty.
    pub sources_max: usize,
    /// Events of one origin that wait for a gap before them; beyond it the gap is given up.
    pub holdback_max: usize,
    /// A gap is known to be lost when so many comparisons in a row found that the other did not have it,
    pub gap_votes: u8,
    /// but not sooner than this after it was seen, if its origin said so too, or has not been among the peers for as long;
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub gap_wait: Duration,
    /// and not sooner than this if the origin is, and has not said anything.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub gap_patience: Duration,
    /// Events published here of which it is not yet told how far they came; beyond it more are refused.
    pub queue_max: usize,
    /// Their bytes.
    pub queue_bytes_max: usize,
    /// For so long after publication the members of a sample may answer whether they deliver an event.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub cover_wait: Duration,
    /// So many members are asked, at most [`SAMPLES_MAX`].
    pub samples: usize,
    /// A member that has not answered is asked again after this, then after twice as long, and so on.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub cover_retry: Duration,
    /// The longest of these waits.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub cover_retry_max: Duration,
    /// Members asked about one event at once; the others follow `flush_busy` later each, so that their answers do not come all at once.
    pub cover_batch: usize,
    /// Whether the application is told what is retained from before its first join.
    pub replay: bool,
    /// A peer that was asked for a baseline and is silent is asked again after this.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub join_period: Duration,
    /// Wait of a joiner for an established member's answer, once another joiner has answered.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub join_grace: Duration,
    /// Longer wait while a seed is silent. A joiner waits as long again for a peer that waits for a seed, so twice this is the most.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub join_patience: Duration,
}

impl Default for Config {
    /// Any number of nodes on one site or several, a handful of events a second, bursts of hundreds.
    fn default() -> Self {
        Config {
            missed: 0.25, // our guess: three events in four are everywhere within a few hops, the others after a comparison
            counter: 1, // our guess: behind the first pushes nearly all know it, so that one who does says enough
            choice: PeerSelection::Uniform,
            flush_idle: Duration::from_millis(1), // our guess: longer than what comes of one instant
            flush_busy: Duration::from_millis(20), // our guess: not noticed by people
            period: Duration::from_millis(200),   // memberlist LAN, GossipInterval
            jitter_part: 10,                      // our guess
            contacts_max: 16,                     // our guess: the fanout of a million nodes
            eager_bytes_max: 1_000,               // gossipsub 1.2: IDONTWANT from 1,000 bytes on
            hot_max: 1_024,                       // our guess
            hot_bytes_max: 1 << 20,               // our guess
            contact_bytes_max: 64 * 1024,         // our guess: one of the largest
            repair_period: Duration::from_secs(1), // corrosion and gossipsub: a heartbeat of 1 s
            repair_gap: Duration::from_millis(300), // our guess: what was only late has come by then
            repair_busy: Duration::from_secs(10), // our guess
            repair_idle: Duration::from_secs(10), // partisan and helium's plumtree, exchange interval
            answers_max: 64,                      // our guess: 2 MiB in a period
            page_bytes_max: 32 * 1024,            // our guess: half of a stream message
            window_bytes_max: 4 << 20,            // our guess: 64 of the largest
            window_events_max: 16_384,            // our guess
            sources_max: 4_096,                   // our guess
            holdback_max: 1_024,                  // our guess
            gap_votes: 3,                         // our guess
            gap_wait: Duration::from_secs(5),     // our guess: five comparisons
            gap_patience: Duration::from_secs(60), // our guess: whoever is silent for longer has left the view
            queue_max: 1_024,                      // our guess
            queue_bytes_max: 1 << 20,              // our guess: a quarter of the window
            cover_wait: Duration::from_millis(1_500), // our guess: the pushes are over, and one repair
            samples: 5, // our guess: a residue of a half is missed by all of them once in 32 times
            cover_retry: Duration::from_millis(500), // our guess: above any round trip on earth
            cover_retry_max: Duration::from_secs(2), // our guess
            cover_batch: 64, // our guess: their answers take 2 kB
            replay: false,
            join_period: Duration::from_secs(1), // our guess: one TCP retransmission
            join_grace: Duration::from_millis(250), // our guess: seeds that are up have answered by then
            join_patience: Duration::from_secs(1), // our guess: a round trip anywhere, and a lost datagram
        }
    }
}

impl Config {
    /// To how many a node passes an event on when it first hears it. Where all do so to f others, a share of e^-f misses it (infect and die:
    /// Kermarrec, Massoulié, Ganesh 2003), so f is ln(n / missed): an average, for a push more than that costs more than it finds.
    pub fn fanout(&self, nodes: u64) -> f64 {
        let others = nodes.saturating_sub(1).max(1) as f64;
        libm::log(nodes.max(1) as f64 / self.missed.max(1e-6)).max(1.0).min(others)
    }
}
