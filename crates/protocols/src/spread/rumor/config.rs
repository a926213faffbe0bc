//! Every knob of rumor mongering, with its source.

use crate::kit::peer_selection::PeerSelection;
use rumormill_core::time::Duration;

/// Who passes on to whom in a contact.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Direction {
    /// The one who calls.
    Push,
    /// The one who is called.
    Pull,
    /// Both.
    PushPull,
}

/// When a node loses interest.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Removal {
    /// Not before [`Config::contacts_max`].
    Never,
    /// After so many useless contacts.
    Counter(u32),
    /// At each useless contact with a chance of one in so many.
    Coin(u32),
}

/// Which contacts were useful.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Credit {
    /// The first that brought the update.
    First,
    /// All that brought it at the instant of the first: at the beginning of that cycle it was news.
    StartOfCycle,
}

/// How the useless contacts of one period are counted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Tally {
    /// Each of them.
    Each,
    /// All of them as one.
    Once,
}

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Push, pull or both.
    pub direction: Direction,
    /// Whether a contact says if it knew the update; if not (blind), every contact counts as useless.
    pub feedback: bool,
    /// When to lose interest.
    pub removal: Removal,
    /// Which contacts were useful.
    pub credit: Credit,
    /// Whether a useful contact sets the counter back to zero.
    pub reset_on_useful: bool,
    /// How several useless contacts of one period are counted.
    pub tally: Tally,
    /// In push-pull, if both know it: only the smaller counter goes up, both if they are equal (section 1.4).
    pub minimization: bool,
    /// Contacts per period, each with another peer; of more than 32 the answers to the first are not weighed.
    pub fanout: u32,
    /// Whom to contact.
    pub choice: PeerSelection,
    /// Time between the contacts of one node.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Each period is shorter by a random time below this.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub jitter: Duration,
    /// Whether to pass an update on at once when it arrives, besides the periods. Not with a connection limit.
    pub on_arrival: bool,
    /// Contacts that a node takes in a period; it refuses the others.
    pub connection_limit: Option<u32>,
    /// How often a refused contact is tried elsewhere.
    pub hunt: u32,
    /// Contacts about one update after which interest is lost whatever they said: nobody may be there to say anything.
    pub contacts_max: u32,
    /// Hops after which an update is delivered but not passed on.
    pub hops_max: u8,
    /// Ids remembered, so that an update is delivered once.
    pub known_max: usize,
    /// Updates passed on at a time; beyond it the one that was passed on most is dropped.
    pub hot_max: usize,
    /// Bytes of their payloads at a time.
    pub hot_bytes_max: usize,
    /// Bytes of payloads in one contact; what is hot beyond it has its turn in the next. One update always goes.
    pub contact_bytes_max: usize,
    /// Requests answered in a period.
    pub asks_max: u32,
}

impl Default for Config {
    /// Push with feedback and counters, repaired by something slower. Several updates and real clocks.
    fn default() -> Self {
        Config {
            direction: Direction::Push, // a node with nothing to say is silent
            feedback: true,
            removal: Removal::Counter(5), // Demers 1987, table 1: 0.12 % are missed
            credit: Credit::StartOfCycle, // Demers 1987, table 1
            reset_on_useful: true,        // Demers 1987, table 1
            tally: Tally::Each,
            minimization: false,
            fanout: 1, // Demers 1987
            choice: PeerSelection::Uniform,
            period: Duration::from_millis(200), // memberlist LAN, GossipInterval
            jitter: Duration::from_millis(20),  // our guess: a tenth
            on_arrival: true,
            connection_limit: None,
            hunt: 0,
            contacts_max: 64,              // our guess: a million nodes take 37 periods
            hops_max: 64,                  // our guess: as above
            known_max: 4_096,              // our guess
            hot_max: 256,                  // our guess
            hot_bytes_max: 4 << 20,        // our guess: 64 of the largest
            contact_bytes_max: 128 * 1024, // our guess: two of the largest
            asks_max: 32,                  // our guess: one in 10^35 periods has more at random
        }
    }
}

impl Config {
    /// As in the tables of the paper: one contact per cycle of a second, no bounds that an experiment could meet.
    pub fn demers(direction: Direction, feedback: bool, removal: Removal) -> Config {
        Config {
            direction,
            feedback,
            removal,
            tally: if direction == Direction::Pull { Tally::Once } else { Tally::Each },
            period: Duration::from_secs(1),
            jitter: Duration::from_millis(100), // who comes first in a cycle differs from cycle to cycle
            on_arrival: false,
            contacts_max: u32::MAX,
            hops_max: u8::MAX,
            asks_max: u32::MAX,
            ..Config::default()
        }
    }

    /// Counts each useless contact, whatever was useful: the equations of the paper, and its text, but not its tables.
    pub fn plain(self) -> Config {
        Config { credit: Credit::First, reset_on_useful: false, tally: Tally::Each, ..self }
    }

    /// Whether only the smaller of two counters goes up. Push and pull have but one.
    pub(super) fn minimizes(&self) -> bool {
        self.minimization && self.direction == Direction::PushPull
    }

    pub(super) fn pushes(&self) -> bool {
        self.direction != Direction::Pull
    }

    pub(super) fn pulls(&self) -> bool {
        self.direction != Direction::Push
    }
}
