//! Ghosts: members whose process is gone while another member answers at their address.
//!
//! An agent without a data directory that is killed and started again on its port is a new member; its old identity never answers again. The
//! driver proves that ([`Loss::Replaced`]): at the address where this node had confirmed the old member, the new one answered this node's own
//! attempt to reach the old one. So this node fails the old member at once, and without doubt about its own health. Each member concludes that for
//! itself: to the others it is one more suspicion, and an advertised address proves nothing.

use super::record::Charge;
use super::*;
use rumormill_core::protocol::Loss;

impl<K: Keys> Swim<K> {
    /// Something did not reach `peer`.
    pub(super) fn on_lost(&mut self, cx: Ctx<K>, peer: NodeId, loss: Loss) {
        self.abandon_exchange(cx, peer);
        if let Loss::Replaced(by) = loss {
            self.on_replaced(cx, peer, by);
        }
    }

    /// The process of `id` is gone: `by` answers at its address.
    fn on_replaced(&mut self, cx: Ctx<K>, id: NodeId, by: NodeId) {
        self.probes.discount(id);
        if !self.is_live(id) {
            return;
        }
        self.counters.ghosts += 1;
        let evidence = Evidence { replaced_by: Some(by), ..Evidence::default() };
        if let Some(accusation) = self.accuse(cx, id, Charge::Suspect, evidence) {
            self.note_own(cx, id, VerdictKind::Charged(Charge::Failed), Some(accusation.value().evidence));
            self.fail(cx, id, Some(accusation));
        }
    }
}
