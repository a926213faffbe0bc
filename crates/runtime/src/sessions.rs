//! Sessions of the senders heard: the greatest life of each id, whether it is confirmed, and which of its counters were seen.
//!
//! Two tables, so that ids which anybody can make up never push out a session that was once confirmed. Each gives up the session that was silent
//! longest, in a constant number of steps.

use crate::lru::Lru;
use crate::window::Window;
use rumormill_core::NodeId;
use rumormill_core::identity::Life;

/// Ids whose sessions were once confirmed, 200 bytes each (our guess: well above the largest cluster we aim at). One that is dropped could be
/// fooled with its own old packets.
pub const CONFIRMED_MAX: usize = 32_768;
/// Ids that never confirmed a session, 200 bytes each (our guess: a join storm). Only messages that do no harm when they are replayed are taken
/// from these, so dropping one costs no more than a challenge.
pub const UNCONFIRMED_MAX: usize = 4_096;

/// What is known of one sender.
#[derive(Debug)]
pub struct Session {
    /// The greatest life heard of.
    pub life: Life,
    /// Whether that life proved that it is live, by telling our own session.
    pub confirmed: bool,
    /// Its counters.
    pub window: Window,
}

/// How a life compares with the greatest one heard of.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The first packet of this id, or of a greater life than before.
    New,
    /// Known.
    Same,
    /// A greater life was heard of: this one.
    Stale(Life),
}

/// All senders heard.
#[derive(Debug)]
pub struct Sessions {
    /// Of ids that confirmed a session at least once: a member that restarts stays here.
    confirmed: Lru<NodeId, Session>,
    unconfirmed: Lru<NodeId, Session>,
    confirmed_max: usize,
    unconfirmed_max: usize,
    evicted: u64,
}

impl Sessions {
    /// Remembers at most so many of each kind.
    pub fn new(confirmed_max: usize, unconfirmed_max: usize) -> Sessions {
        Sessions {
            confirmed: Lru::default(),
            unconfirmed: Lru::default(),
            confirmed_max: confirmed_max.max(1),
            unconfirmed_max: unconfirmed_max.max(1),
            evicted: 0,
        }
    }

    /// What is known of `id`.
    pub fn get(&self, id: NodeId) -> Option<&Session> {
        self.confirmed.get(&id).or_else(|| self.unconfirmed.get(&id))
    }

    /// How `life` stands.
    pub fn standing(&self, id: NodeId, life: Life) -> Standing {
        match self.get(id) {
            None => Standing::New,
            Some(known) if life > known.life => Standing::New,
            Some(known) if life == known.life => Standing::Same,
            Some(known) => Standing::Stale(known.life),
        }
    }

    /// The session of `id` in `life`, which must not be stale; begun if it is new, and confirmed if it `proves` to be live.
    pub fn enter(&mut self, id: NodeId, life: Life, proves: bool) -> &mut Session {
        let begin = || Session { life, confirmed: false, window: Window::default() };
        if proves && !self.confirmed.contains(&id) {
            let session = self.unconfirmed.remove(&id).unwrap_or_else(begin);
            self.evicted += insert(&mut self.confirmed, self.confirmed_max, id, session);
        }
        let table = match self.confirmed.contains(&id) {
            true => &mut self.confirmed,
            false => {
                if !self.unconfirmed.contains(&id) {
                    self.evicted += insert(&mut self.unconfirmed, self.unconfirmed_max, id, begin());
                }
                &mut self.unconfirmed
            }
        };
        let session = table.touch(&id).expect("it is known or was inserted above");
        if session.life < life {
            *session = begin();
        }
        session.confirmed |= proves;
        session
    }

    /// How many were given up for want of room since this was last asked.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }
}

/// Puts a session in, and returns how many made room for it.
fn insert(table: &mut Lru<NodeId, Session>, sessions_max: usize, id: NodeId, session: Session) -> u64 {
    let evicted = (table.len() >= sessions_max).then(|| table.pop_oldest());
    table.insert(id, session);
    evicted.into_iter().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lru::steps;

    const A: NodeId = NodeId(1);

    fn life(epoch: u64, session: u64) -> Life {
        Life { epoch, session }
    }

    #[test]
    fn a_greater_life_starts_afresh_and_a_smaller_one_is_stale() {
        let mut sessions = Sessions::new(9, 9);
        assert_eq!(sessions.standing(A, life(2, 5)), Standing::New);
        sessions.enter(A, life(2, 5), true).window.mark(7);
        assert_eq!(sessions.standing(A, life(2, 5)), Standing::Same);
        assert!(sessions.enter(A, life(2, 5), false).confirmed);
        assert_eq!(sessions.standing(A, life(2, 4)), Standing::Stale(life(2, 5)));
        assert_eq!(sessions.standing(A, life(3, 0)), Standing::New);
        let session = sessions.enter(A, life(3, 0), false);
        assert!(!session.confirmed && session.window.is_new(7));
    }

    #[test]
    fn a_session_that_is_confirmed_later_keeps_the_counters_that_were_seen() {
        let mut sessions = Sessions::new(9, 9);
        sessions.enter(A, life(1, 1), false).window.mark(7);
        let session = sessions.enter(A, life(1, 1), true);
        assert!(session.confirmed && !session.window.is_new(7));
    }

    #[test]
    fn each_table_is_bounded_and_gives_up_the_session_that_was_silent_longest() {
        let mut sessions = Sessions::new(3, 2);
        for id in 1..=3 {
            sessions.enter(NodeId(id), life(1, 1), true);
            sessions.enter(NodeId(10 + id), life(1, 1), false);
        }
        assert!(sessions.get(NodeId(11)).is_none() && sessions.get(NodeId(12)).is_some());
        sessions.enter(NodeId(1), life(1, 1), false);
        sessions.enter(NodeId(5), life(1, 1), true);
        assert!(sessions.get(NodeId(2)).is_none() && sessions.get(NodeId(1)).is_some());
        assert_eq!((sessions.take_evicted(), sessions.take_evicted()), (2, 0));
    }

    #[test]
    fn strangers_never_push_out_a_member_not_even_one_that_restarts_and_cost_a_constant_each() {
        let mut sessions = Sessions::new(CONFIRMED_MAX, UNCONFIRMED_MAX);
        for id in 0..100 {
            sessions.enter(NodeId(id), life(1, 1), true);
            sessions.enter(NodeId(id), life(2, id), false); // its new life does not know ours yet
        }
        let strangers = 3 * CONFIRMED_MAX as u64;
        let steps = steps::during(|| {
            for id in 0..strangers {
                sessions.enter(NodeId(1_000 + id), life(9, 9), false);
            }
        });
        assert!(steps <= 3 * strangers, "{steps} steps for {strangers} strangers");
        assert!((0..100).all(|id| sessions.standing(NodeId(id), life(1, 1)) == Standing::Stale(life(2, id))));
        assert_eq!(sessions.take_evicted(), strangers - UNCONFIRMED_MAX as u64);
    }
}
