//! Finding the cluster, and not losing it.
//!
//! While this agent is alone, its seeds and the members it knew when it last ran are tried again and again, ever less often, and names are looked up
//! anew each time. Seeds are tried side by side: one that is slow to be looked up or to answer delays no other, and no round. Once it is joined, seeds that are no live members are still tried for ever, at a rate that is bounded for the cluster as a
//! whole, so that clusters that were parted at a seed become one again.

use crate::agent::Agent;
use crate::discover::{Seed, SeedError};
use crate::features::joining::meet::{Fault, Met};
use crate::features::joining::seeds::{KNOWN, Seeds};
use crate::features::membership::known::UNREAD;
use crate::model::{JoinReason, SeedState};
use crate::states::lock;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim::{self, Status};
use rumormill_runtime::contact::Contact;
use rumormill_runtime::counters::Cause;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// Members of the last run that are tried in one round, the most recently seen first (our guess: some of them will live).
const KNOWN_PER_ROUND: usize = 16;
/// Members that are asked for keys in one round, if packets come that cannot be opened (our guess).
const KEY_REQUESTS_PER_ROUND: usize = 3;
/// How long a round waits for its tries; they go on behind it (our guess: longer than it takes to find that a machine is down).
const ROUND_MAX: Duration = Duration::from_secs(15);
/// After how long a look-up is shown as failing, though it goes on (our guess: a name server answers within milliseconds).
const LOOKUP_SLOW: Duration = Duration::from_secs(3);
/// How often it is looked for a member to find out by where this node is reached, if it only guesses (our guess).
const GUESS_LOOK: Duration = Duration::from_secs(5);
/// How long a look-up is waited for once joined (our guess).
const JOINED_LOOKUP_MAX: Duration = Duration::from_secs(10);
/// What is doubled before each wait between two rounds (our guess: a person waits).
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The wait between two tries of lost seeds once joined is backed off to this, in a small cluster (our guess).
const JOINED_WAIT_MIN: Duration = Duration::from_secs(15);
/// And so much for each live member, so that the cluster as a whole tries its seeds at most about once a second.
const JOINED_WAIT_PER_MEMBER: Duration = Duration::from_secs(1);

/// Joins, and stays joined, as long as the agent runs; or gives up, if it is to and has never joined.
pub(super) async fn stay_joined(agent: Arc<Agent>) {
    let mut joiner = Joiner {
        agent,
        rng: Rng::seeded(getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()))),
        is_joined: false,
        has_joined: false,
        tries: 0,
        rounds: 0,
        known: Vec::new(),
        met: BTreeMap::new(),
        under_way: JoinSet::new(),
        busy: BTreeSet::new(),
        unreadable: 0,
    };
    loop {
        joiner.take_ended();
        let live = joiner.live().await;
        if let Some(live) = &live {
            joiner.agent.reached_from_members(&live.addresses).await;
        }
        match live {
            Some(live) if live.ids.len() > 1 => joiner.round_joined(live.ids.len()).await,
            _ if joiner.is_hopeless() => break,
            _ => joiner.round_alone().await,
        }
    }
    joiner.agent.joining().gave_up.send_replace(Some(joiner.tries));
}

/// The addresses of the members that were known when this agent last ran, the most recently seen first.
async fn known(agent: &Agent) -> Vec<SocketAddr> {
    let members = agent.store.members().await.unwrap_or_else(|error| {
        agent.raise(UNREAD, format!("the members known before cannot be read: {error}"));
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
    /// The member that answered last at each address of a seed.
    met: BTreeMap<SocketAddr, NodeId>,
    /// Seeds that are being tried.
    under_way: JoinSet<Tried>,
    /// Their names.
    busy: BTreeSet<String>,
    /// Packets that could not be opened, when it was last looked.
    unreadable: u64,
}

/// A seed that was tried, and the members that were met by it.
struct Tried {
    seed: String,
    met: Result<Vec<Met>, Fault>,
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
        self.tries += u64::from(!lock(&self.agent.joining().finder).is_empty());
        for seed in self.seeds().await {
            self.start(seed.to_string(), |agent| try_seed(agent, seed));
        }
        let (count, from) = (self.known.len(), self.rounds as usize * KNOWN_PER_ROUND);
        let next = (0..KNOWN_PER_ROUND.min(count)).map(|at| self.known[(from + at) % count]);
        let next: Vec<SocketAddr> = next.filter(|address| !self.agent.is_mine(*address)).collect();
        if !next.is_empty() {
            self.start(KNOWN.into(), |agent| async move { Ok(agent.meet_all(next).await) });
        }
        self.wait_for_ended().await;
        self.rounds = self.rounds.saturating_add(1);
        self.pause(self.agent.config.retry_interval.min(self.backed_off())).await;
    }

    /// Tries a seed in a task of its own, unless it is being tried.
    fn start<F>(&mut self, name: String, attempt: impl FnOnce(Arc<Agent>) -> F)
    where
        F: Future<Output = Result<Vec<Met>, Fault>> + Send + 'static,
    {
        if !self.busy.insert(name.clone()) {
            return;
        }
        self.agent.locked::<Seeds>().begins(&name);
        let (agent, attempt) = (self.agent.clone(), attempt(self.agent.clone()));
        self.under_way.spawn(async move {
            let met = attempt.await;
            agent.tried(&name, &met);
            Tried { seed: name, met }
        });
    }

    /// Waits until a member is met or all tries have ended, but no longer than [`ROUND_MAX`].
    async fn wait_for_ended(&mut self) {
        let until = Instant::now() + ROUND_MAX;
        while let Ok(Some(ended)) = timeout_at(until, self.under_way.join_next()).await {
            if ended.is_ok_and(|tried| self.took(tried)) {
                break;
            }
        }
        self.take_ended();
    }

    fn take_ended(&mut self) {
        while let Some(ended) = self.under_way.try_join_next() {
            let _ = ended.map(|tried| self.took(tried)); // a task that was cancelled: the agent stops
        }
    }

    /// Whether a member was met.
    fn took(&mut self, tried: Tried) -> bool {
        self.busy.remove(&tried.seed);
        let met = tried.met.unwrap_or_default();
        let found = met.iter().filter_map(|(address, met)| Some((*address, *met.as_ref().ok()?)));
        let before = self.met.len();
        self.met.extend(found);
        self.met.len() > before || met.iter().any(|(_, met)| met.is_ok())
    }

    /// A round once joined to others, `live` in all: one of the seeds that are no live members.
    async fn round_joined(&mut self, live: usize) {
        self.has_joined = true;
        if !std::mem::replace(&mut self.is_joined, true) {
            tracing::info!(members = live, "joined the cluster");
            self.agent.locked::<Seeds>().forget_known();
            self.rounds = 1; // more seeds may be up in a moment
        }
        let wait = JOINED_WAIT_MIN.max(JOINED_WAIT_PER_MEMBER * u32::try_from(live).unwrap_or(u32::MAX));
        let backs_off = self.rounds > 0;
        self.pause(if backs_off { wait.min(self.backed_off()) } else { wait }).await;
        self.recover_keys().await;
        let seeds = self.looked_up().await;
        let Some(live) = self.live().await else { return };
        let is_lost = |address: &SocketAddr| {
            !live.addresses.contains(address)
                && !self.met.get(address).is_some_and(|id| live.ids.contains(id))
                && !self.agent.is_mine(*address)
        };
        let mut lost: Vec<(String, SocketAddr)> = Vec::new();
        for (seed, addresses) in seeds {
            let of_seed: Vec<SocketAddr> = addresses.iter().copied().filter(is_lost).collect();
            let state = match () {
                () if addresses.iter().all(|address| self.agent.is_mine(*address)) => Some(SeedState::Itself),
                () if of_seed.len() < addresses.len() => Some(SeedState::Joined),
                () => None,
            };
            if let Some(state) = state {
                self.agent.works(&seed, state);
            }
            lost.extend(of_seed.into_iter().map(|address| (seed.clone(), address)));
        }
        lost.retain(|(seed, _)| !self.busy.contains(seed));
        match self.rng.pick(&lost).cloned() {
            Some((seed, address)) => {
                let is_lone = lost.iter().filter(|(other, _)| *other == seed).count() == 1;
                self.try_lost(seed, address, is_lone).await;
                self.rounds = self.rounds.saturating_add(1);
            }
            None => self.rounds = 0,
        }
    }

    /// Tries a lost address of a seed. What becomes of it stands for the seed if it is the only one.
    async fn try_lost(&mut self, seed: String, address: SocketAddr, is_lone: bool) {
        let met = self.agent.meet_all(vec![address]).await;
        if is_lone || met.iter().any(|(_, met)| met.is_ok()) {
            self.agent.locked::<Seeds>().begins(&seed);
            self.agent.tried(&seed, &Ok(met.clone()));
        }
        self.took(Tried { seed, met: Ok(met) });
    }

    /// Every seed with its addresses at this moment, as far as they were found in time.
    async fn looked_up(&mut self) -> Vec<(String, Vec<SocketAddr>)> {
        let mut running = JoinSet::new();
        for seed in self.seeds().await {
            let agent = self.agent.clone();
            running.spawn(async move {
                let found = timeout(JOINED_LOOKUP_MAX, agent.lookup(&seed))
                    .await
                    .unwrap_or_else(|_| Err(slow(&seed)));
                (seed.to_string(), found)
            });
        }
        let mut found = Vec::new();
        for (seed, addresses) in running.join_all().await {
            self.agent.locked::<Seeds>().begins(&seed);
            match addresses {
                Ok(addresses) => found.push((seed, addresses)),
                Err(fault) => self.agent.tried(&seed, &Err(fault)),
            }
        }
        let all: BTreeSet<SocketAddr> =
            found.iter().flat_map(|(_, addresses)| addresses.iter().copied()).collect();
        self.met.retain(|address, _| all.contains(address)); // what was met otherwise is no seed
        found.sort();
        found
    }

    /// Packets come that this node cannot open: perhaps keys changed behind a cut, and it is not alone on this side of it.
    async fn recover_keys(&mut self) {
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
        for address in addresses.into_iter().take(KEY_REQUESTS_PER_ROUND) {
            if self.agent.request_keys(address).await {
                break;
            }
        }
    }

    /// What to wait for after so many rounds, without a limit.
    fn backed_off(&self) -> Duration {
        FIRST_WAIT.saturating_mul(2u32.saturating_pow(self.rounds))
    }

    /// Every seed at this moment. Faults of the seed file are reported.
    async fn seeds(&mut self) -> Vec<Seed> {
        let mut finder = lock(&self.agent.joining().finder).clone();
        let (seeds, errors) = finder.seeds().await;
        let mut names: BTreeSet<String> = seeds.iter().map(ToString::to_string).collect();
        names.extend(errors.iter().map(|error| error.seed.clone()));
        self.agent.locked::<Seeds>().keep(&names);
        for error in errors {
            self.agent.locked::<Seeds>().begins(&error.seed);
            self.agent.tried(&error.seed.clone(), &Err(error.into()));
        }
        lock(&self.agent.joining().finder).read_file(finder);
        seeds
    }

    /// Waits about so long: members that started together must not go on together. Without anything to try, until there is.
    async fn pause(&mut self, about: Duration) {
        let wait = about.mul_f64(0.5 + self.rng.unit());
        let nothing_to_try = self.known.is_empty() && lock(&self.agent.joining().finder).is_empty();
        let wait = if self.agent.guesses_where_it_is() { wait.min(GUESS_LOOK) } else { wait };
        let changed = self.agent.joining().changed.notified();
        if nothing_to_try && !self.agent.guesses_where_it_is() {
            changed.await;
        } else {
            let _ = tokio::time::timeout(wait, changed).await;
        }
    }
}

/// Looks a seed up, and meets the members at its addresses.
async fn try_seed(agent: Arc<Agent>, seed: Seed) -> Result<Vec<Met>, Fault> {
    let mut looking = std::pin::pin!(agent.lookup(&seed));
    let found = match timeout(LOOKUP_SLOW, &mut looking).await {
        Ok(found) => found,
        Err(_) => {
            agent.tried(&seed.to_string(), &Err(slow(&seed)));
            looking.await
        }
    };
    Ok(agent.meet_all(found?).await)
}

/// The look-up of a seed takes its time.
fn slow(seed: &Seed) -> Fault {
    let text = "the name servers are slow to answer, and are waited for".to_string();
    SeedError { seed: seed.to_string(), reason: JoinReason::NameServer, text }.into()
}
