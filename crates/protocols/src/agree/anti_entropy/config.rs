//! Every knob of anti-entropy, with its source.

use crate::kit::peer_selection::PeerSelection;
use rumormill_core::time::Duration;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;
/// Longest value, in bytes: with its key and its certificate's sites it fits a stream message.
pub const VALUE_BYTES_MAX: usize = 32 * 1024;
/// The most that [`Config::page_bytes_max`] may be.
pub const PAGE_BYTES_MAX: usize = 48 * 1024;

/// Who gives to whom in a contact (section 1.3).
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

/// How two stores find out where they differ (section 1.3).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Compare {
    /// Everything travels.
    Full,
    /// Checksums first; everything if they differ.
    Checksum,
    /// What was written within this time first, then checksums, everything if they still differ.
    ///
    /// It must exceed the time that an update takes to reach everybody, or the checksums never agree.
    Recent(#[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))] Duration),
    /// Checksums, then entry by entry, the newest first, until the checksums agree.
    PeelBack,
    /// Checksums of ever smaller parts of the key space, then those parts that differ.
    Merkle,
}

/// What becomes of what is deleted (section 2).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Certificates {
    /// τ1: for so long everybody keeps a certificate, and passes it on.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub active: Duration,
    /// τ2: for so long after that its retention sites keep it, and do not pass it on.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub dormant: Duration,
    /// r: how many retention sites a certificate has, at most [`SITES_MAX`](super::SITES_MAX).
    pub sites: usize,
    /// Dormant certificates that a node keeps at most; beyond it the one that would go first goes.
    pub dormant_max: usize,
}

impl Default for Certificates {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Certificates {
            active: 30 * DAY,    // Demers 1987, section 2
            dormant: 365 * DAY,  // our guess: nobody is away for longer
            sites: 4,            // our guess: all four are gone in a year once in 10^4, if one is once in ten
            dormant_max: 65_536, // our guess
        }
    }
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
    /// How stores are compared.
    pub compare: Compare,
    /// Whom to contact.
    pub choice: PeerSelection,
    /// Time between the contacts of one node.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Each period is shorter by a random time below this.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub jitter: Duration,
    /// Contacts that a node takes in a period; it refuses the others.
    pub connection_limit: Option<u32>,
    /// How often a refused contact is tried elsewhere.
    pub hunt: u32,
    /// Certificates of what was deleted; without them a node that missed a deletion brings the key back.
    pub certificates: Option<Certificates>,
    /// A stamp further ahead of this node's clock is not taken.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub skew_max: Duration,
    /// Keys stored at most, dead ones included; entries of others are refused.
    pub entries_max: usize,
    /// Longest value, at most [`VALUE_BYTES_MAX`].
    pub value_bytes_max: usize,
    /// Bytes of entries in one message, at most [`PAGE_BYTES_MAX`]; one entry always goes.
    pub page_bytes_max: usize,
    /// Messages sent in answer to others in a period: so many pages, whoever asks.
    pub answers_max: u32,
    /// Entries of the first page that is peeled off; each one after it has twice as many.
    pub peel_entries: usize,
    /// After so many pages without agreement everything travels.
    pub peel_pages_max: u8,
    /// A part of the key space with so many entries is not divided further.
    pub leaf_entries: usize,
}

impl Default for Config {
    /// To run behind something faster: in a large store, over days.
    fn default() -> Self {
        Config {
            direction: Direction::PushPull, // Demers 1987, section 1.3: push alone ends slowly
            compare: Compare::Merkle,       // our guess: the only one whose cost follows the difference alone
            choice: PeerSelection::Uniform,
            period: Duration::from_secs(10), // partisan and helium's plumtree, exchange interval
            jitter: Duration::from_secs(1),  // our guess: a tenth
            connection_limit: None,
            hunt: 0,
            certificates: Some(Certificates::default()),
            skew_max: Duration::from_secs(300), // Kerberos (RFC 4120): clocks within five minutes
            entries_max: 65_536,                // our guess
            value_bytes_max: VALUE_BYTES_MAX,
            page_bytes_max: 32 * 1024, // our guess: half of a stream message
            answers_max: 64,           // our guess: 2 MiB in a period
            peel_entries: 4,           // our guess
            peel_pages_max: 8,         // our guess: with the entries above it, a thousand entries
            leaf_entries: 16,          // our guess: a page of a kilobyte rather than a further question
        }
    }
}

impl Config {
    /// As in the tables of the paper: one contact per cycle of a second, everything travels, no bounds that an experiment could meet.
    pub fn demers(direction: Direction) -> Config {
        Config {
            direction,
            compare: Compare::Full,
            period: Duration::from_secs(1),
            jitter: Duration::from_millis(100), // who comes first in a cycle differs from cycle to cycle
            answers_max: u32::MAX,
            ..Config::default()
        }
    }

    pub(super) fn pulls(&self) -> bool {
        self.direction != Direction::Push
    }

    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes_max.min(PAGE_BYTES_MAX)
    }
}
