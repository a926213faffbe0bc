//! Faults that the caller injects: crashes, pauses, partitions, loss, slowness, wrong clocks. Each takes effect at this `now`.

use crate::clock::Clock;
use crate::entry::{FIRST, What};
use crate::loss::Bursts;
use crate::network::timeout;
use crate::service;
use crate::sim::Sim;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Loss, Protocol};
use std::collections::VecDeque;
use std::mem;

impl<P: Protocol> Sim<P> {
    /// Kills a node's process. Its timers and its buffers are gone, and datagrams to it vanish. The sender of a stream message to it gets
    /// [`Loss::Refused`], and a watcher of a connection to it gets [`Loss::Reset`], if they can be reached. What it has sent arrives. A
    /// node that has not started yet will not start.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn crash(&mut self, id: NodeId) {
        let slot = self.slot(id);
        self.executor.shared.seats[slot as usize].life += 1; // a start that is still to come belongs to the earlier life
        self.with_port(slot, |port, network| {
            port.life += 1;
            let was_up = mem::take(&mut port.up);
            (port.blocked, port.frozen, port.timers) = (false, false, 0);
            let at_work = port.host.as_mut().map(|host| host.crash()).unwrap_or_default();
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
                    network.notify_watcher(port, watcher, life, Loss::Reset);
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
        self.executor.shared.heirs.remove(&id);
        self.replace(self.slot(id), node);
    }

    /// Crashes `id` if it is up; from now on `heir` answers at its address. Until `id` is restarted, the sender of a stream message to it
    /// gets [`Loss::Replaced`], as if it had confirmed `id` there before.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn replace_by(&mut self, id: NodeId, heir: NodeId) {
        self.crash(id);
        self.executor.shared.heirs.insert(id, heir);
    }

    /// From now on packets from and to this node wait, while its timers run and calls reach it: the pause of Lifeguard's experiments
    /// (Dadgar 2018, section V-A). A packet that finds the buffer full is dropped and counted.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn block(&mut self, id: NodeId) {
        self.node_mut(id).port.blocked = true;
    }

    /// Ends [`Sim::block`]: the packets of the node leave now, and the packets to it are handed in, both in their order.
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

    /// From now on this node stands still, as by SIGSTOP: datagrams wait in its socket buffer, as far as they fit, and timers become
    /// overdue.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn freeze(&mut self, id: NodeId) {
        self.node_mut(id).port.frozen = true;
    }

    /// Ends [`Sim::freeze`]: waiting packets are handed in in the order of their arrival, then overdue timers in the order of their
    /// deadlines.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn thaw(&mut self, id: NodeId) {
        let slot = self.slot(id);
        self.node_at(slot).port.frozen = false;
        self.hand_in(slot);
    }

    /// Queues the packets and timers that waited for a node.
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
            self.set_for(self.now, self.executor.shared.timer_class(), slot, entry.life, entry.what);
        }
    }

    /// From now on packets of the first id do not reach the second where `cut` returns true; it is asked in both orders, so it may cut one
    /// direction alone. Packets in flight arrive. Streams need both directions: the sender of a message over a cut stream gets
    /// [`Loss::TimedOut`] 1 to 3 s later, and so does a watcher of such a connection unless it is healed before. Replaces an earlier
    /// partition.
    pub fn partition(&mut self, cut: impl Fn(NodeId, NodeId) -> bool + Send + Sync + 'static) {
        self.executor.shared.cut = Some(Box::new(cut));
        for slot in 0..self.executor.shared.seats.len() as u32 {
            if self.node_at(slot).port.rare_if_any().is_none_or(|rare| rare.watching.is_empty()) {
                continue;
            }
            self.with_port(slot, |port, network| {
                for peer in port.rare().watching.clone() {
                    if network.shared.is_cut_either_way(port.id, peer) {
                        let delay = timeout(&mut port.chance);
                        network.notify(port, delay, What::Silent(peer));
                    }
                }
            });
        }
    }

    /// Like [`Sim::partition`], for datagrams alone, as by a firewall: streams pass. Both can hold at once.
    pub fn partition_datagrams(&mut self, cut: impl Fn(NodeId, NodeId) -> bool + Send + Sync + 'static) {
        self.executor.shared.cut_datagrams = Some(Box::new(cut));
    }

    /// Ends [`Sim::partition`] and [`Sim::partition_datagrams`].
    pub fn heal(&mut self) {
        self.executor.shared.cut = None;
        self.executor.shared.cut_datagrams = None;
    }

    /// Changes the share of datagrams that is lost, from now on.
    ///
    /// # Panics
    /// If it is not between 0 and 1.
    pub fn set_loss(&mut self, loss: f64) {
        assert!((0.0..=1.0).contains(&loss), "loss is {loss}: give a part of all between 0 and 1");
        self.executor.shared.world.loss = loss;
    }

    /// Changes the loss in bursts, from now on; each node's channel is in its good state at first.
    ///
    /// # Panics
    /// If their parts are not between 0 and 1.
    pub fn set_bursts(&mut self, bursts: Option<Bursts>) {
        if let Some(Err(e)) = bursts.as_ref().map(Bursts::check) {
            panic!("no such bursts: {e}");
        }
        if bursts.is_some() {
            for node in self.executor.partitions.iter_mut().flat_map(|partition| &mut partition.nodes) {
                node.port.host.get_or_insert_default().end_burst();
            }
        }
        self.executor.shared.world.bursts = bursts;
    }

    /// From now on a message takes this node so many times longer than at the beginning.
    ///
    /// # Panics
    /// If there is no such node, if the factor is below 0 or above [`SLOWER_MAX`](crate::service::SLOWER_MAX), or if messages cost
    /// nothing in this world.
    pub fn set_slowness(&mut self, id: NodeId, factor: f64) {
        if let Err(e) = service::check_factor(factor) {
            panic!("{e}");
        }
        let Some(service) = &self.executor.shared.world.service else {
            panic!("a message costs {id} nothing, so it cannot be slow: give the world a service time");
        };
        let factor = factor * service.factor_of(id);
        if let Some(host) = &mut self.node_mut(id).port.host {
            host.set_slowness(factor);
        }
    }

    /// Sets a node's wall clock.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn set_clock(&mut self, id: NodeId, clock: Clock) {
        self.node_mut(id).port.set_clock(clock);
    }
}
