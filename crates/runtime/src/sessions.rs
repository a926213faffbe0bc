//! Whose packets were heard: the greatest life of each id, whether it is confirmed, and which of its counters were seen.

use crate::window::Window;
use rumormill_core::NodeId;
use rumormill_core::identity::Life;
use std::collections::HashMap;

/// Ids whose sessions are remembered, 200 bytes each (our guess: well above the largest cluster we aim at). One that is dropped could be
/// fooled with its own old packets, so the unconfirmed go first, then those that were silent longest.
pub const SESSIONS_MAX: usize = 32_768;

/// What is known of one sender.
#[derive(Debug)]
pub struct Session {
    /// The greatest life heard of.
    pub life: Life,
    /// Whether that life proved that it is live, by telling our own session.
    pub confirmed: bool,
    /// Its counters.
    pub window: Window,
    used: u64,
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
    by_id: HashMap<NodeId, Session>,
    sessions_max: usize,
    used: u64,
}

impl Sessions {
    /// Remembers at most `sessions_max`.
    pub fn new(sessions_max: usize) -> Sessions {
        Sessions { by_id: HashMap::new(), sessions_max: sessions_max.max(1), used: 0 }
    }

    /// What is known of `id`.
    pub fn get(&self, id: NodeId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    /// How `life` stands.
    pub fn standing(&self, id: NodeId, life: Life) -> Standing {
        match self.by_id.get(&id) {
            None => Standing::New,
            Some(known) if life > known.life => Standing::New,
            Some(known) if life == known.life => Standing::Same,
            Some(known) => Standing::Stale(known.life),
        }
    }

    /// The session of `id` in `life`, which must not be stale; begun if it is new.
    pub fn enter(&mut self, id: NodeId, life: Life) -> &mut Session {
        self.used += 1;
        let used = self.used;
        if self.by_id.len() >= self.sessions_max && !self.by_id.contains_key(&id) {
            let idle = self.by_id.iter().min_by_key(|(_, s)| (s.confirmed, s.used)).map(|(id, _)| *id);
            idle.map(|idle| self.by_id.remove(&idle));
        }
        let begin = || Session { life, confirmed: false, window: Window::default(), used };
        let session = self.by_id.entry(id).or_insert_with(begin);
        if session.life < life {
            *session = begin();
        }
        session.used = used;
        session
    }

    /// How many ids are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);

    fn life(epoch: u64, session: u64) -> Life {
        Life { epoch, session }
    }

    #[test]
    fn a_greater_life_starts_afresh_and_a_smaller_one_is_stale() {
        let mut sessions = Sessions::new(9);
        assert_eq!(sessions.standing(A, life(2, 5)), Standing::New);
        let session = sessions.enter(A, life(2, 5));
        session.confirmed = true;
        session.window.mark(7);
        assert_eq!(sessions.standing(A, life(2, 5)), Standing::Same);
        assert!(sessions.enter(A, life(2, 5)).confirmed);
        assert_eq!(sessions.standing(A, life(2, 4)), Standing::Stale(life(2, 5)));
        assert_eq!(sessions.standing(A, life(3, 0)), Standing::New);
        let session = sessions.enter(A, life(3, 0));
        assert!(!session.confirmed && session.window.is_new(7));
    }

    #[test]
    fn the_table_is_bounded_and_the_unconfirmed_go_first() {
        let mut sessions = Sessions::new(3);
        for id in 1..=3 {
            sessions.enter(NodeId(id), life(1, 1)).confirmed = id != 2;
        }
        sessions.enter(NodeId(4), life(1, 1)).confirmed = true;
        assert!(sessions.get(NodeId(2)).is_none());
        sessions.enter(NodeId(1), life(1, 1));
        sessions.enter(NodeId(5), life(1, 1));
        assert!(sessions.get(NodeId(3)).is_none(), "the one silent longest");
        assert_eq!(sessions.len(), 3);
    }
}
