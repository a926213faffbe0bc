//! Finds the cluster by seeds and by the members of the last run, and tries lost seeds for as long as the node runs.

use crate::address::Address;
use crate::error::Why;
use crate::meeting::{EXCHANGE_MAX, meet_any, meet_seed};
use crate::node::Handle;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim::{self, Status};
use rumormill_runtime::contact::Contact;
use rumormill_runtime::hello::ResolveError;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// Members of the last run that are tried in one round (our guess: some of them will live).
const KNOWN_PER_ROUND: usize = 16;
/// How long a round waits for its tries; they go on behind it (our guess: longer than it takes to find that a machine is down).
const ROUND_MAX: Duration = Duration::from_secs(15);
/// Wait after the first round; it doubles after each further one (our guess: a program waits).
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait between two rounds while alone (our guess).
const ALONE_WAIT_MAX: Duration = Duration::from_secs(30);
/// The wait between two tries of lost seeds once joined (our guess).
const JOINED_WAIT_MIN: Duration = Duration::from_secs(15);
/// And so much for each live member, so that the cluster as a whole tries its seeds at most about once a second.
const JOINED_WAIT_PER_MEMBER: Duration = Duration::from_secs(1);

/// The progress of joining.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The seeds, and why each was not met so far; none if it was met, or is this node.
    pub seeds: BTreeMap<Address, Option<Why>>,
    /// There are members of the last run, and none of them was met so far.
    pub seeks_known: bool,
}

impl Progress {
    /// Of these seeds, none of which was tried.
    pub fn of(seeds: &[Address], seeks_known: bool) -> Progress {
        let seeds = seeds.iter().map(|seed| (seed.clone(), Some(Why::Pending))).collect();
        Progress { seeds, seeks_known }
    }

    /// True if joining waits for no seed. Without seeds it waits for a member of the last run.
    pub fn is_done(&self) -> bool {
        self.seeds.values().all(Option::is_none) && !(self.seeds.is_empty() && self.seeks_known)
    }

    /// Whether time alone heals none of the reasons: each seed has another key or cluster name, or cannot be sent to.
    pub fn is_hopeless(&self) -> bool {
        use ResolveError::{OtherCluster, Stranger, Unreachable};
        let mut left = self.seeds.values().flatten().peekable();
        left.peek().is_some()
            && left.all(|why| matches!(why, Why::Resolve(Stranger | OtherCluster(_) | Unreachable)))
    }

    /// A member of the last run was met.
    pub fn met_known(&mut self) {
        self.seeks_known = false;
    }

    /// Takes the outcome of a try of a seed.
    pub fn tried(&mut self, seed: &Address, met: &Result<NodeId, Why>) {
        let why = match met {
            Ok(_) | Err(Why::Resolve(ResolveError::Myself)) => None,
            Err(why) => Some(why.clone()),
        };
        self.seeds.insert(seed.clone(), why);
    }
}

fn is_live(member: &swim::Member<'_>) -> bool {
    matches!(member.status, Status::Alive | Status::Suspect)
}

/// The live members, this one included.
struct Live {
    ids: BTreeSet<NodeId>,
    addresses: BTreeSet<SocketAddr>,
}

/// Finds the cluster, and stays in it.
pub(crate) struct Joiner {
    handle: Arc<Handle>,
    progress: Arc<watch::Sender<Progress>>,
    is_joined: watch::Receiver<bool>,
    /// Addresses of the members of the last run.
    known: Vec<SocketAddr>,
    /// The member that was met by each seed.
    met: BTreeMap<Address, NodeId>,
    under_way: JoinSet<(Option<Address>, Result<NodeId, Why>)>,
    busy: BTreeSet<Option<Address>>,
    /// Rounds in a row while alone.
    rounds: u32,
    rng: Rng,
}

impl Joiner {
    pub fn new(
        handle: Arc<Handle>,
        progress: Arc<watch::Sender<Progress>>,
        is_joined: watch::Receiver<bool>,
        known: Vec<SocketAddr>,
        seed: u64,
    ) -> Joiner {
        let (met, under_way, busy) = Default::default();
        let rng = Rng::seeded(seed);
        Joiner { handle, progress, is_joined, known, met, under_way, busy, rounds: 0, rng }
    }

    /// Runs as long as the node.
    pub async fn run(mut self) {
        while let Some(live) = self.live().await {
            match live.ids.len() {
                0 | 1 => self.round_alone().await,
                many => self.round_joined(many).await,
            }
        }
    }

    async fn live(&self) -> Option<Live> {
        let looked = self.handle.inspect(|node, _| {
            let mut found = Live { ids: BTreeSet::new(), addresses: BTreeSet::new() };
            for member in node.swim.members().filter(is_live) {
                found.ids.insert(member.id);
                let contact = Contact::decode(&member.card.contact).unwrap_or_default();
                found.addresses.extend(contact.addresses());
            }
            found
        });
        looked.await.ok()
    }

    fn seeds(&self) -> Vec<Address> {
        self.progress.borrow().seeds.keys().cloned().collect()
    }

    /// A round while alone: all seeds, and the next few of the members of the last run.
    async fn round_alone(&mut self) {
        for seed in self.seeds() {
            self.start(Some(seed.clone()), |handle| async move { meet_seed(&handle, &seed).await });
        }
        let (count, from) = (self.known.len(), self.rounds as usize * KNOWN_PER_ROUND);
        let next: Vec<SocketAddr> =
            (0..KNOWN_PER_ROUND.min(count)).map(|at| self.known[(from + at) % count]).collect();
        if !next.is_empty() {
            self.start(None, |handle| async move { meet_any(&handle, &next).await });
        }
        let (until, mut is_joined) = (Instant::now() + ROUND_MAX, self.is_joined.clone());
        loop {
            tokio::select! {
                tried = timeout_at(until, self.under_way.join_next()) => match tried {
                    Ok(Some(tried)) => {
                        if tried.is_ok_and(|(seed, met)| self.took(seed, met)) {
                            return;
                        }
                    }
                    Ok(None) | Err(_) => break,
                },
                _ = is_joined.wait_for(|is_joined| *is_joined) => return,
            }
        }
        let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(self.rounds)).min(ALONE_WAIT_MAX);
        self.rounds = self.rounds.saturating_add(1);
        self.pause(wait, true).await;
    }

    /// Tries a seed in a task of its own, unless it is being tried.
    fn start<F>(&mut self, seed: Option<Address>, attempt: impl FnOnce(Arc<Handle>) -> F)
    where
        F: Future<Output = Result<NodeId, Why>> + Send + 'static,
    {
        if self.busy.insert(seed.clone()) {
            let attempt = attempt(self.handle.clone());
            self.under_way.spawn(async move { (seed, attempt.await) });
        }
    }

    /// Takes the outcome of a try; true if a member was met.
    fn took(&mut self, seed: Option<Address>, met: Result<NodeId, Why>) -> bool {
        self.busy.remove(&seed);
        let is_met = met.is_ok();
        match (seed, met) {
            (Some(seed), met) => {
                self.progress.send_modify(|progress| progress.tried(&seed, &met));
                if let Ok(id) = met {
                    self.met.insert(seed, id);
                }
            }
            (None, Ok(_)) => self.progress.send_modify(Progress::met_known),
            (None, Err(_)) => {}
        }
        is_met
    }

    /// A round once joined to others, `live` in all: one of the seeds that are no live members.
    async fn round_joined(&mut self, live: usize) {
        self.rounds = 0;
        let wait = JOINED_WAIT_MIN.max(JOINED_WAIT_PER_MEMBER * u32::try_from(live).unwrap_or(u32::MAX));
        self.pause(wait, false).await;
        while let Some(tried) = self.under_way.try_join_next() {
            let _ = tried.map(|(seed, met)| self.took(seed, met)); // a task that was cancelled: the node stops
        }
        let Some(live) = self.live().await else { return };
        let mut lost = Vec::new();
        for seed in self.seeds() {
            let is_member = self.met.get(&seed).is_some_and(|id| live.ids.contains(id));
            if is_member || self.busy.contains(&Some(seed.clone())) {
                continue;
            }
            let found = timeout(EXCHANGE_MAX, seed.lookup()).await.ok().and_then(Result::ok);
            if found.is_some_and(|addresses| !addresses.iter().any(|at| live.addresses.contains(at))) {
                lost.push(seed);
            }
        }
        if let Some(seed) = self.rng.pick(&lost).cloned() {
            let met = meet_seed(&self.handle, &seed).await;
            self.took(Some(seed), met);
        }
    }

    /// Waits about so long: members that started together must not go on together. Ends early if a seed is added, or this node is joined or alone again.
    async fn pause(&mut self, about: Duration, is_alone: bool) {
        let wait = about.mul_f64(0.5 + self.rng.unit());
        let before = self.seeds().len();
        let (mut progress, mut is_joined) = (self.progress.subscribe(), self.is_joined.clone());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = progress.wait_for(|progress| progress.seeds.len() != before) => {}
            _ = is_joined.wait_for(|is_joined| *is_joined == is_alone) => {}
        }
    }
}
