//! Which nodes a plan ever kept from reaching each other.

use super::cut::Cut;
use crate::ids::IdSet;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Time;
use std::sync::Arc;

/// All that has come between nodes so far: partitions, one-way cuts, nodes that stood still, were blocked or were slowed down. Random loss does
/// not count: it separates nobody.
#[derive(Clone, Debug, Default)]
pub struct Separations(Vec<(Time, Arc<Cut>)>);

impl Separations {
    pub(super) fn cut(&mut self, at: Time, cut: Arc<Cut>) {
        self.0.push((at, cut));
    }

    /// These nodes could not speak or hear as they should.
    pub(super) fn isolate(&mut self, at: Time, who: &[NodeId]) {
        if !who.is_empty() {
            self.cut(at, Arc::new(Cut::Alone(IdSet::of(who.iter().copied()))));
        }
    }

    /// Whether anything had come between these two by then, in either direction.
    pub fn were_apart(&self, a: NodeId, b: NodeId, by: Time) -> bool {
        let until_then = self.0.iter().take_while(|(at, _)| *at <= by);
        until_then.into_iter().any(|(_, cut)| cut.cuts(a, b) || cut.cuts(b, a))
    }

    /// How many there have been.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there has been none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
