//! The messages of threshold detection.

use crate::kit::epochs::Stamp;
use minicbor::{CborLen, Decode, Encode};

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// This is what I have; take half of the difference.
    #[n(0)]
    Ask {
        /// Where the sender stands.
        #[n(0)]
        stamp: Stamp,
        /// The exchange, as its sender counts them.
        #[n(1)]
        number: u32,
        /// What the sender has now.
        #[n(2)]
        have: f64,
        /// How old the epoch was there when the exchange was opened, in milliseconds.
        #[n(3)]
        opened_ms: u32,
        /// Alarms so far, and ends of alarms.
        #[n(4)]
        crossings: u32,
    },
    /// So much moved from you to me.
    #[n(1)]
    Moved {
        /// Where the sender stands.
        #[n(0)]
        stamp: Stamp,
        /// The exchange.
        #[n(1)]
        number: u32,
        /// How much; the same, however often this is asked.
        #[n(2)]
        amount: f64,
        /// What the sender had before.
        #[n(3)]
        had: f64,
        /// Alarms and ends of alarms that the sender knew of before.
        #[n(4)]
        crossings: u32,
    },
    /// Nothing moved in this exchange, and nothing will.
    #[n(2)]
    Refused {
        /// Where the sender stands.
        #[n(0)]
        stamp: Stamp,
        /// The exchange.
        #[n(1)]
        number: u32,
        /// Alarms and ends of alarms that the sender knows of.
        #[n(2)]
        crossings: u32,
    },
}
