//! An update that is passed on, and how the interest in it wears off.

use super::{Config, Message, Removal, Rumor, Tally, Update};
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Cx;
use rumormill_core::time::Time;

/// An update that is passed on, with this period's contacts.
pub(super) struct Hot {
    pub update: Update,
    pub heard: Time,
    pub brought: Brought,
    pub contacts: u32,
    /// Which of the last 32 contacts were answered, the last one lowest.
    pub answered: u32,
    pub misses: u32,
    pub useful: u16,
    pub useless: u16,
    pub hops: u8,
}

/// Who brought an update last, in which of its contacts, and when.
pub(super) struct Brought {
    pub by: NodeId,
    pub contact: u32,
    pub at: Time,
}

impl Brought {
    pub fn is_of(&self, peer: NodeId, now: Time) -> bool {
        self.by == peer && self.at == now
    }
}

impl Hot {
    pub fn tell(&mut self, cx: &mut Cx<'_, Rumor>, peer: NodeId, config: &Config) {
        self.contacts = self.contacts.saturating_add(1);
        self.answered <<= 1;
        if !config.feedback {
            self.useless = self.useless.saturating_add(1);
        }
        let (update, hops, misses) = (self.update.clone(), self.hops, self.misses);
        cx.send(peer, Message::Update { update, hops, misses, contact: self.contacts });
    }

    /// Whether this contact has not been answered before: the network may double an answer.
    pub fn is_first_answer(&mut self, contact: u32) -> bool {
        let bit = 1u32.checked_shl(self.contacts.wrapping_sub(contact)).unwrap_or(0);
        let first = bit != 0 && self.answered & bit == 0;
        self.answered |= bit;
        first
    }

    /// Whether it is still worth telling after the contacts of this period.
    pub fn is_interesting(&mut self, config: &Config, cx: &mut Cx<'_, Rumor>) -> bool {
        let useless = match config.tally {
            Tally::Each => u32::from(self.useless),
            Tally::Once => u32::from(self.useless.min(1)),
        };
        match config.removal {
            Removal::Never => true,
            Removal::Counter(_) if config.reset_on_useful && self.useful > 0 => {
                self.misses = 0;
                true
            }
            Removal::Counter(k) => {
                self.misses = self.misses.saturating_add(useless);
                self.misses < k.max(1)
            }
            Removal::Coin(k) => (0..useless).all(|_| cx.rng.below(k.max(1) as usize) > 0),
        }
    }
}
