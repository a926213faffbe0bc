//! What the caller does to the nodes and to what connects them. All of it holds from this `now` on.

use crate::clock::Clock;
use crate::network::{FIRST, timeout};
use crate::node::What;
use crate::sim::Sim;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Loss, Protocol};
use std::collections::VecDeque;
use std::mem;

impl<P: Protocol> Sim<P> {
    /// Kills a node's process. Its timers and what waits in its buffers are gone; datagrams to it vanish; a stream message to it comes
    /// back as [`Loss::Refused`], and who watches its connection to it hears [`Loss::Reset`], if they can be reached. What it has sent
    /// arrives. A node that has not started yet will not.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn crash(&mut self, id: NodeId) {
        let slot = self.slot(id);
        self.shared.seats[slot as usize].life += 1; // a start that is still to come is not for this life, either
        self.with_port(slot, |port, network| {
            port.life += 1;
            let was_up = mem::take(&mut port.up);
            (port.blocked, port.frozen, port.timers) = (false, false, 0);
            let at_work = port.gear.as_mut().map(|gear| gear.crash()).unwrap_or_default();
            if port.rare_if_any().is_none() && at_work.is_empty() {
                return;
            }
            let rare = port.rare();
            rare.overdue.clear();
            rare.outbox.take();
            for entry in rare.inbox.take().into_iter().chain(at_work) {
                if let What::Packet(packet) = entry.what {
                    port.count().dropped.crashed += 1;
                    network.bounce(port, &packet, Loss::Reset);
                }
            }
            if was_up {
                port.rare().watching.clear();
                for (watcher, life) in port.rare().watchers.clone() {
                    network.tell_watcher(port, watcher, life, Loss::Reset);
                }
            }
        });
    }

    /// Starts a node again, with `node` as its fresh state; crashes it first if it is up. It has another random sequence than in
    /// its earlier lives.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn restart(&mut self, id: NodeId, node: P) {
        self.crash(id);
        self.shared.heirs.remove(&id);
        self.replace(self.slot(id), node);
    }

    /// Crashes `id` if it is up; from now on `heir` answers at its address. A stream message to `id` comes back as [`Loss::Replaced`], as if each
    /// sender had confirmed `id` there, until `id` is restarted.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn replace_by(&mut self, id: NodeId, heir: NodeId) {
        self.crash(id);
        self.shared.heirs.insert(id, heir);
    }

    /// From now on what this node sends and what is sent to it waits, while its timers run and calls reach it: the pause of
    /// Lifeguard's experiments (Dadgar 2018, section V-A). What finds the buffer full is dropped and counted.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn block(&mut self, id: NodeId) {
        self.node_mut(id).port.blocked = true;
    }

    /// Ends [`Sim::block`]: what the node wanted to send leaves now, and what was sent to it is handed in, both in the order in which
    /// they came.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn unblock(&mut self, id: NodeId) {
        let slot = self.slot(id);
        self.with_port(slot, |port, network| {
            port.blocked = false;
            if port.rare_if_any().is_some() {
                for departure in port.rare().outbox.take() {
                    network.depart(port, departure);
                }
            }
        });
        self.hand_in(slot);
    }

    /// From now on this node stands still, as by SIGSTOP: datagrams wait in its socket's buffer, as far as they fit, and timers become
    /// overdue.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn freeze(&mut self, id: NodeId) {
        self.node_mut(id).port.frozen = true;
    }

    /// Ends [`Sim::freeze`]: what waited is handed in, in the order in which it came, and after that the overdue timers, in the order of
    /// their deadlines.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn thaw(&mut self, id: NodeId) {
        let slot = self.slot(id);
        self.node_at(slot).port.frozen = false;
        self.hand_in(slot);
    }

    /// Queues what waited for a node.
    fn hand_in(&mut self, slot: u32) {
        let port = &mut self.node_at(slot).port;
        if port.frozen || port.rare_if_any().is_none() {
            return;
        }
        let waiting = if port.blocked { VecDeque::new() } else { port.rare().inbox.take() };
        let overdue = mem::take(&mut port.rare().overdue);
        for entry in waiting {
            self.set_for(self.now, FIRST, slot, entry.life, entry.what);
        }
        for entry in overdue {
            self.set_for(self.now, self.shared.timer_class(), slot, entry.life, entry.what);
        }
    }

    /// From now on nothing that the first id sends reaches the second if `cut` says so of them; it is asked with both orders, so it may
    /// cut one way alone. What is on its way arrives. Streams need both directions: what is sent over one that is cut comes back
    /// as [`Loss::TimedOut`] 1 to 3 s later, and who watches such a connection hears the same unless it is healed before. Takes the
    /// place of an earlier partition.
    pub fn partition(&mut self, cut: impl Fn(NodeId, NodeId) -> bool + Send + Sync + 'static) {
        self.shared.cut = Some(Box::new(cut));
        for slot in 0..self.shared.seats.len() as u32 {
            if self.node_at(slot).port.rare_if_any().is_none_or(|rare| rare.watching.is_empty()) {
                continue;
            }
            self.with_port(slot, |port, network| {
                for peer in port.rare().watching.clone() {
                    if network.shared.is_cut_either_way(port.id, peer) {
                        let delay = timeout(&mut port.chance);
                        network.tell(port, delay, What::Silent(peer));
                    }
                }
            });
        }
    }

    /// Like [`Sim::partition`], for datagrams alone, as by a firewall: streams get through. Holds beside it.
    pub fn partition_datagrams(&mut self, cut: impl Fn(NodeId, NodeId) -> bool + Send + Sync + 'static) {
        self.shared.cut_datagrams = Some(Box::new(cut));
    }

    /// Ends [`Sim::partition`] and [`Sim::partition_datagrams`].
    pub fn heal(&mut self) {
        self.shared.cut = None;
        self.shared.cut_datagrams = None;
    }

    /// Changes the part of datagrams that is lost, from now on.
    ///
    /// # Panics
    /// If it is not between 0 and 1.
    pub fn set_loss(&mut self, loss: f64) {
        assert!((0.0..=1.0).contains(&loss), "loss is {loss}: give a part of all between 0 and 1");
        self.shared.world.loss = loss;
    }

    /// Sets a node's wall clock.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn set_clock(&mut self, id: NodeId, clock: Clock) {
        self.node_mut(id).port.set_clock(clock);
    }
}
