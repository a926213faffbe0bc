//! Finding the cluster, and not losing it.
//!
//! While this agent is alone, its seeds and the members it knew when it last ran are tried again and again, ever less often, and names are looked up
//! anew each time. Once it is joined, seeds that are no live members are still tried for ever, at a rate that is bounded for the cluster as a
//! whole, so that clusters that were parted at a seed become one again.

use super::agent::{Agent, lock};
use super::warnings::About;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim::{self, Status};
use rumormill_runtime::contact::Contact;
use rumormill_runtime::counters::Cause;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// Seeds that the log complains about; what is wrong with more of them is not told (our guess).
const COMPLAINTS_MAX: usize = 64;
/// Members of the last run that are tried in one round, the most recently seen first (our guess: some of them will live).
const KNOWN_PER_ROUND: usize = 16;
/// Members that are asked for keys in one round, if packets come that cannot be opened (our guess).
const KNOCKS_PER_ROUND: usize = 3;
/// What is doubled before each wait between two rounds (our guess: a person waits).
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The wait between two tries of lost seeds once joined is backed off to this, in a small cluster (our guess).
const JOINED_WAIT_MIN: Duration = Duration::from_secs(15);
/// And so much for each live member, so that the cluster as a whole tries its seeds at most about once a second.
const JOINED_WAIT_PER_MEMBER: Duration = Duration::from_secs(1);

/// Joins, and stays joined, as long as the agent runs; or gives up, if it is to and has never joined.
pub(super) async fn stay_joined(agent: Arc<Agent>, seed: u64) {
    let mut joiner = Joiner {
        agent,
        rng: Rng::seeded(seed),
        is_joined: false,
        has_joined: false,
        tries: 0,
        rounds: 0,
        known: Vec::new(),
        met: BTreeMap::new(),
        complained: BTreeSet::new(),
        unreadable: 0,
    };
    loop {
        match joiner.live().await {
            Some(live) if live.ids.len() > 1 => joiner.round_joined(live.ids.len()).await,
            _ if joiner.is_hopeless() => break,
            _ => joiner.round_alone().await,
        }
    }
    joiner.agent.gave_up.send_replace(Some(joiner.tries));
}

/// The addresses of the members that were known when this agent last ran, the most recently seen first.
async fn known(agent: &Agent) -> Vec<SocketAddr> {
    let members = agent.store.members().await.unwrap_or_else(|error| {
        agent.raise(About::MembersUnread, format!("the members known before cannot be read: {error}"));
        Vec::new()
    });
    let addresses = members.iter().filter_map(|member| Contact::decode(&member.contact).ok());
    addresses.flat_map(|contact| contact.addresses().to_vec()).collect()
}

struct Joiner {
    agent: Arc<Agent>,
    rng: Rng,
    is_joined: bool,
    /// Whether it ever was.
    has_joined: bool,
    /// Rounds before the first join that had seeds to try.
    tries: u64,
    /// Rounds in a row that had something to try.
    rounds: u32,
    known: Vec<SocketAddr>,
    /// Who answered at a seed's address when it was last asked.
    met: BTreeMap<SocketAddr, NodeId>,
    /// What was said about seeds already, so that the log is not filled with it.
    complained: BTreeSet<String>,
    /// Packets that could not be opened, when it was last looked.
    unreadable: u64,
}

/// The live members, this one included.
struct Live {
    ids: BTreeSet<NodeId>,
    addresses: BTreeSet<SocketAddr>,
}

impl Joiner {
    async fn live(&self) -> Option<Live> {
        let looked = self.agent.inspect(|inside| {
            let live = |m: &swim::Member<'_>| matches!(m.status, Status::Alive | Status::Suspect);
            let mut found = Live { ids: BTreeSet::new(), addresses: BTreeSet::new() };
            for member in inside.node.swim.members().filter(live) {
                found.ids.insert(member.id);
                let contact = Contact::decode(&member.card.contact).unwrap_or_default();
                found.addresses.extend(contact.addresses());
            }
            found
        });
        looked.await.ok()
    }

    /// Whether it has tried as often as it is to without ever joining.
    fn is_hopeless(&self) -> bool {
        let max = self.agent.config.retry_max;
        max > 0 && self.tries >= max && !self.has_joined
    }

    /// A round while alone: all seeds, and the next few of the members known before.
    async fn round_alone(&mut self) {
        if std::mem::replace(&mut self.is_joined, false) {
            tracing::warn!("no other member is left; looking for the cluster again");
            self.rounds = 0;
        }
        if self.rounds == 0 {
            self.known = known(&self.agent).await;
        }
        self.tries += u64::from(!lock(&self.agent.finder).is_empty());
        let mut addresses = self.seeds().await;
        let (count, from) = (self.known.len(), self.rounds as usize * KNOWN_PER_ROUND);
        let next = (0..KNOWN_PER_ROUND.min(count)).map(|at| self.known[(from + at) % count]);
        addresses.extend(next.filter(|address| !self.agent.is_mine(*address)));
        addresses.sort_unstable();
        addresses.dedup();
        self.meet(addresses).await;
        self.rounds = self.rounds.saturating_add(1);
        self.pause(self.agent.config.retry_interval.min(self.backed_off())).await;
    }

    /// A round once joined to others, `live` in all: one of the seeds that are no live members.
    async fn round_joined(&mut self, live: usize) {
        self.has_joined = true;
        if !std::mem::replace(&mut self.is_joined, true) {
            tracing::info!(members = live, "joined the cluster");
            self.rounds = 1; // more seeds may be up in a moment
        }
        let wait = JOINED_WAIT_MIN.max(JOINED_WAIT_PER_MEMBER * u32::try_from(live).unwrap_or(u32::MAX));
        let backs_off = self.rounds > 0;
        self.pause(if backs_off { wait.min(self.backed_off()) } else { wait }).await;
        self.catch_up().await;
        let seeds = self.seeds().await;
        let Some(live) = self.live().await else { return };
        let is_lost = |seed: &SocketAddr| {
            !live.addresses.contains(seed) && !self.met.get(seed).is_some_and(|id| live.ids.contains(id))
        };
        let lost: Vec<SocketAddr> = seeds.into_iter().filter(is_lost).collect();
        match self.rng.pick(&lost).copied() {
            Some(seed) => {
                self.meet(vec![seed]).await;
                self.rounds = self.rounds.saturating_add(1);
            }
            None => self.rounds = 0,
        }
    }

    /// Packets come that this node cannot open: perhaps keys changed behind a cut, and it is not alone on this side of it.
    async fn catch_up(&mut self) {
        let unreadable = self.agent.counters().map_or(0, |counters| counters.dropped(Cause::Unreadable));
        if std::mem::replace(&mut self.unreadable, unreadable) >= unreadable {
            return;
        }
        let addresses = self.agent.inspect(|inside| {
            let others = inside.node.swim.members().filter(|member| member.id != inside.node.swim.me().id);
            let contacts = others.filter_map(|member| Contact::decode(&member.card.contact).ok());
            contacts.filter_map(|contact| contact.addresses().first().copied()).collect::<Vec<_>>()
        });
        let mut addresses = addresses.await.unwrap_or_default();
        self.rng.shuffle(&mut addresses);
        for address in addresses.into_iter().take(KNOCKS_PER_ROUND) {
            if self.agent.catch_up(address).await {
                break;
            }
        }
    }

    /// What to wait for after so many rounds, without a limit.
    fn backed_off(&self) -> Duration {
        FIRST_WAIT.saturating_mul(2u32.saturating_pow(self.rounds))
    }

    /// Every seed's addresses at this moment.
    async fn seeds(&mut self) -> Vec<SocketAddr> {
        let mut finder = lock(&self.agent.finder).clone();
        let (mut addresses, errors) = finder.lookup().await;
        addresses.retain(|address| !self.agent.is_mine(*address));
        for error in errors {
            if self.complained.len() < COMPLAINTS_MAX && self.complained.insert(error.to_string()) {
                tracing::warn!("{error}; it is tried again");
            }
        }
        self.met.retain(|address, _| addresses.contains(address)); // what was met otherwise is no seed
        addresses
    }

    async fn meet(&mut self, addresses: Vec<SocketAddr>) {
        for (address, met) in self.agent.meet_all(addresses).await {
            match met {
                Ok(id) => {
                    tracing::debug!(%address, %id, "met");
                    self.met.insert(address, id);
                }
                Err(error) => tracing::debug!(%address, error, "nobody was met"),
            }
        }
    }

    /// Waits about so long: members that started together must not go on together. Without anything to try, until there is.
    async fn pause(&mut self, about: Duration) {
        let wait = about.mul_f64(0.5 + self.rng.unit());
        let nothing_to_try = self.known.is_empty() && lock(&self.agent.finder).is_empty();
        let changed = self.agent.seeds_changed.notified();
        if nothing_to_try {
            changed.await;
        } else {
            let _ = tokio::time::timeout(wait, changed).await;
        }
    }
}
