//! Incoming packets: they are opened, what the runtime itself is asked is answered, and the rest are messages for the protocol.

use crate::book::Book;
use crate::counters::{Cause, Counters};
use crate::effects::{App, Effects};
use crate::handshake::{random, supersede};
use crate::hello::{Nonce, ResolveError, Resolves, Step, TRY_EVERY};
use crate::key_recovery::{RECOVERY_BYTES_MAX, RecoveryLimit, RecoveryPacket};
use crate::refusal::{Refusal, refuse};
use crate::reply_limiter::ReplyLimiter;
use crate::seal::{Kind, Opened, Refused};
use crate::strangers::Stranger;
use crate::timers::Due;
use rumormill_core::identity::Life;
use rumormill_core::{Loss, Message, NodeId, Protocol, wire};
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// Turns packets into messages.
pub struct Receiver<P: Protocol> {
    /// The messages of the last packet.
    pub messages: Vec<(NodeId, P::Message)>,
    reply_limiter: ReplyLimiter,
    recovery_limit: RecoveryLimit,
}

impl<P: Protocol> Default for Receiver<P> {
    fn default() -> Self {
        Receiver {
            messages: Vec::new(),
            reply_limiter: ReplyLimiter::default(),
            recovery_limit: RecoveryLimit::default(),
        }
    }
}

/// A packet that opened, without borrowing it.
struct Heard {
    kind: Kind,
    from: NodeId,
    life: Life,
    confirmed: bool,
    is_new: bool,
    /// Whether it carries my session as echo: nobody recorded it before this life.
    is_fresh: bool,
    source: SocketAddr,
}

impl Heard {
    fn of(opened: &Opened<'_>, mine: Life, source: SocketAddr) -> Heard {
        Heard {
            kind: opened.kind,
            from: opened.from,
            life: opened.life,
            confirmed: opened.confirmed,
            is_new: opened.is_new,
            is_fresh: opened.echo == mine.session,
            source,
        }
    }
}

/// What the content of a packet says besides its messages.
#[derive(Default)]
struct Content {
    /// Whether a message could not be decoded.
    refused: bool,
    superseded: Option<Life>,
    nonce: Option<Nonce>,
}

impl<P: Protocol> Receiver<P> {
    /// Takes the datagram in slot `at`; messages are left in [`messages`](Receiver::messages). Returns the greater life of mine that it
    /// proves, if it does.
    pub fn datagram<A: App<P>>(
        &mut self,
        effects: &mut Effects<P, A>,
        resolves: &mut Resolves,
        at: usize,
    ) -> Option<Life> {
        let shared = effects.shared.clone();
        let counters = &shared.counters;
        let Some((source, packet)) = effects.datagrams.arrived(at) else {
            counters.lose(Cause::OversizedIn);
            return None;
        };
        if shared.faults.cuts_arrival(source) {
            counters.lose(Cause::Fault);
            return None;
        }
        let (opened, me, mine) = {
            let mut seal = shared.seal();
            let (me, mine) = seal.me();
            let opened = seal.open(packet);
            counters.lose_many(Cause::SessionEvicted, seal.take_evicted());
            (opened, me, mine)
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(why) => return self.unopened(effects, source, at, why),
        };
        if shared.faults.cuts_peer(opened.from) {
            counters.lose(Cause::Fault);
            return None;
        }
        if opened.kind == Kind::Refusal {
            let refusal = wire::decode::<Refusal>(opened.content).ok();
            let refusal = refusal.filter(|_| opened.echo == mine.session);
            if let Some(ticket) = refusal.and_then(|refusal| resolves.refused(source, refusal.counter)) {
                self.resolve(effects, resolves, ticket);
            }
            return None;
        }
        if effects.book.is_banned(opened.from) {
            counters.lose(Cause::Banned);
            return None;
        }
        let heard = Heard::of(&opened, mine, source);
        if matches!(heard.kind, Kind::KeyRequest | Kind::KeyGrant) {
            let key = opened.key;
            let content = opened.content.to_vec();
            self.key_recovery(effects, heard, me, key, content);
            return None;
        }
        let Effects { book, .. } = effects;
        let content = self.read(book, resolves, counters, &heard, me, opened.content);
        if heard.from != me {
            return self.peer(effects, &heard, content);
        }
        counters.lose(Cause::Myself);
        self.myself(effects, resolves, &heard, mine, content.nonce);
        // A fresh packet of my own id proves its life as a notice does.
        content.superseded.or(heard.is_fresh.then_some(heard.life))
    }

    /// A packet of another node. Returns the greater life of mine that it proves, if it does.
    fn peer<A>(&mut self, effects: &mut Effects<P, A>, heard: &Heard, content: Content) -> Option<Life> {
        if heard.is_new {
            self.new_life(effects, heard.from, heard.life);
        }
        self.meet(effects, heard, content.nonce, content.refused);
        content.superseded
    }

    /// Counts a packet in slot `at` that did not open, and answers it where its sender can learn from the answer.
    fn unopened<A>(
        &mut self,
        effects: &mut Effects<P, A>,
        source: SocketAddr,
        at: usize,
        why: Refused,
    ) -> Option<Life> {
        effects.shared.counters.lose(why.into());
        if why == Refused::Unreadable {
            self.unreadable(effects, source, at);
        }
        if let Refused::Stale { from, session, greater } = why {
            self.supersede(effects, source, from, session, greater);
        }
        None
    }

    /// Reads the content of a packet; messages go to [`messages`](Receiver::messages), the answer to a hello to `resolves`.
    fn read(
        &mut self,
        book: &mut Book,
        resolves: &mut Resolves,
        counters: &Counters,
        heard: &Heard,
        me: NodeId,
        content: &[u8],
    ) -> Content {
        let mut read = Content::default();
        match heard.kind {
            Kind::Data if heard.from != me => {
                read.refused = decode_all(&mut self.messages, counters, heard, content);
            }
            Kind::Hello => read.nonce = wire::decode(content).ok(),
            Kind::HelloAck if heard.is_fresh => {
                let result = match heard.from == me {
                    true => Err(ResolveError::Copy(heard.life)),
                    false => Ok(heard.from),
                };
                let is_other = result.is_ok();
                let asked = resolves.answered(content, result);
                if let Some(asked) = asked.filter(|_| is_other) {
                    book.met(heard.from, asked);
                }
            }
            Kind::Superseded if heard.is_fresh => read.superseded = wire::decode(content).ok(),
            Kind::StreamHello | Kind::StreamAck => counters.lose(Cause::Kind),
            _ => {}
        }
        read
    }

    /// The packet in slot `at` did not open. A hello of the same key is told that the cluster's name differs.
    fn unreadable<A>(&mut self, effects: &mut Effects<P, A>, source: SocketAddr, at: usize) {
        let shared = effects.shared.clone();
        let Some((_, packet)) = effects.datagrams.arrived(at) else { return };
        let Some(guess) = shared.seal().guess(packet) else { return };
        shared.strangers.note(source, guess);
        if guess != Stranger::OtherCluster {
            return;
        }
        let Some(hello) = shared.seal().foreign_hello(packet) else { return };
        if self.reply_limiter.allows(hello.from, Kind::Refusal as u8, effects.now) {
            let mut answer = packet[..crate::seal::SEAL_BYTES].to_vec();
            if refuse(&mut shared.seal(), &mut answer, false) {
                effects.depart(None, source, answer);
            }
        }
    }

    fn key_recovery<A: App<P>>(
        &mut self,
        effects: &mut Effects<P, A>,
        heard: Heard,
        me: NodeId,
        key: u32,
        content: Vec<u8>,
    ) {
        let Heard { kind, from, life, is_fresh, source, .. } = heard;
        let is_grant = kind == Kind::KeyGrant;
        let is_sound = from != me && (is_fresh || !is_grant) && content.len() <= RECOVERY_BYTES_MAX;
        if !is_sound || !self.recovery_limit.allows(effects.now) {
            return effects.shared.counters.lose(Cause::KeyRecovery);
        }
        effects.app.key_recovery(RecoveryPacket { is_grant, from, life, key, source, content });
    }

    /// Takes a message from a connection, which proved that its peer is live.
    pub fn stream_message<A>(&mut self, effects: &Effects<P, A>, from: NodeId, bytes: &[u8]) {
        let counters = &effects.shared.counters;
        match wire::decode::<P::Message>(bytes) {
            Ok(message) => {
                counters.lane_received(message.lane(), bytes.len());
                self.messages.push((from, message));
            }
            Err(_) => counters.lose(Cause::Undecodable),
        }
    }

    /// `peer` runs in `life`: connections to earlier ones lead nowhere.
    pub fn new_life<A>(&mut self, effects: &mut Effects<P, A>, peer: NodeId, life: Life) {
        if effects.connections.cut_before(peer, life) {
            effects.lost(peer, Loss::Reset);
        }
    }

    /// Begins to find out who is at `address`.
    pub fn begin<A>(
        &mut self,
        effects: &mut Effects<P, A>,
        resolves: &mut Resolves,
        address: SocketAddr,
        reply: oneshot::Sender<Result<NodeId, ResolveError>>,
    ) {
        let Ok(drawn) = random() else {
            let _ = reply.send(Err(ResolveError::TimedOut));
            return;
        };
        let nonce = u64::from_be_bytes(*drawn.first_chunk().expect("it has 16 bytes"));
        let since = effects.shared.seal().next();
        if let Some(ticket) = resolves.begin(address, nonce, since, reply) {
            self.resolve(effects, resolves, ticket);
        }
    }

    /// Begins to find out who accepts connections at `address`.
    pub fn connect<A>(
        &mut self,
        effects: &mut Effects<P, A>,
        resolves: &mut Resolves,
        address: SocketAddr,
        reply: oneshot::Sender<Result<NodeId, ResolveError>>,
    ) {
        if let Some(ticket) = resolves.begin(address, 0, 0, reply) {
            resolves.only_connect(ticket);
            self.resolve(effects, resolves, ticket);
        }
    }

    /// The next step of that.
    pub fn resolve<A>(&mut self, effects: &mut Effects<P, A>, resolves: &mut Resolves, ticket: u64) {
        match resolves.step(ticket) {
            Step::Hello(address, nonce) => {
                effects.packet(Kind::Hello, NodeId(0), address, |packet| wire::put(&Nonce { nonce }, packet));
                effects.timers.push(effects.now + TRY_EVERY, Due::Resolve(ticket));
            }
            Step::Connect(address) => effects.connections.resolve(ticket, address),
            Step::Nothing => {}
        }
    }

    /// Notes where a peer is, and answers what is to be answered.
    fn meet<A>(&mut self, effects: &mut Effects<P, A>, heard: &Heard, nonce: Option<Nonce>, refused: bool) {
        let Heard { kind, from, source, confirmed, .. } = *heard;
        if confirmed {
            if let Some(before) = effects.book.proved(from, heard.life, source) {
                effects.seek(before);
            }
        } else {
            effects.book.heard(from, source);
        }
        match kind {
            Kind::Hello => {
                let answer = |packet: &mut Vec<u8>| nonce.iter().for_each(|nonce| wire::put(nonce, packet));
                effects.packet(Kind::HelloAck, from, source, answer);
            }
            Kind::Challenge if heard.is_fresh => effects.packet(Kind::ChallengeAck, from, source, |_| {}),
            // Where an answer would go elsewhere, or a message was refused, it is worth a word to know.
            Kind::Data if !confirmed && (refused || effects.book.address(from) != Some(source)) => {
                self.challenge(effects, heard);
            }
            _ => {}
        }
    }

    /// A packet sealed by my own id: mine, come back, or of a copy of me.
    fn myself<A>(
        &mut self,
        effects: &mut Effects<P, A>,
        resolves: &mut Resolves,
        heard: &Heard,
        mine: Life,
        nonce: Option<Nonce>,
    ) {
        if heard.life == mine {
            if let Some(nonce) = nonce {
                let mut content = Vec::new();
                wire::put(&nonce, &mut content);
                resolves.answered(&content, Err(ResolveError::Myself));
            }
        } else if heard.life < mine {
            self.supersede(effects, heard.source, heard.from, heard.life.session, mine);
        } else if let (Kind::Hello, Some(nonce)) = (heard.kind, nonce) {
            // It says that it is the greater. If it is live, it learns my session from this, and can prove it.
            self.answer_copy(effects, heard, Kind::HelloAck, Some(nonce));
        } else if !heard.is_fresh {
            self.challenge(effects, heard);
        }
    }

    fn challenge<A>(&mut self, effects: &mut Effects<P, A>, heard: &Heard) {
        if self.reply_limiter.allows(heard.from, Kind::Challenge as u8, effects.now) {
            self.answer_copy(effects, heard, Kind::Challenge, None);
        }
    }

    /// Answers with the session that the packet itself names as echo.
    fn answer_copy<A>(
        &mut self,
        effects: &mut Effects<P, A>,
        heard: &Heard,
        kind: Kind,
        nonce: Option<Nonce>,
    ) {
        let mut packet = effects.datagrams.packet();
        crate::seal::Seal::start(&mut packet);
        nonce.iter().for_each(|nonce| wire::put(nonce, &mut packet));
        {
            let mut seal = effects.shared.seal();
            let key = seal.primary();
            seal.seal_with(key, heard.life.session, kind, heard.from, &mut packet);
        }
        effects.depart(Some(heard.from), heard.source, packet);
    }

    fn supersede<A>(
        &mut self,
        effects: &mut Effects<P, A>,
        source: SocketAddr,
        id: NodeId,
        session: u64,
        greater: Life,
    ) {
        if self.reply_limiter.allows(id, Kind::Superseded as u8, effects.now) {
            let mut packet = effects.datagrams.packet();
            supersede(&mut effects.shared.seal(), id, session, greater, &mut packet);
            effects.depart(Some(id), source, packet);
        }
    }
}

/// Decodes a sequence of messages. What is not understood is skipped and counted, and so is what an unconfirmed sender may not say;
/// returns whether there was such a thing.
fn decode_all<M: Message>(
    messages: &mut Vec<(NodeId, M)>,
    counters: &Counters,
    heard: &Heard,
    mut content: &[u8],
) -> bool {
    let mut refused = false;
    while !content.is_empty() {
        let Ok(end) = wire::check(content) else {
            counters.lose(Cause::Undecodable);
            break;
        };
        let (item, rest) = content.split_at(end);
        content = rest;
        match wire::decode::<M>(item) {
            Ok(message) if heard.confirmed || message.replayable() => {
                counters.lane_received(message.lane(), end);
                messages.push((heard.from, message));
            }
            Ok(_) => {
                refused = true;
                counters.lose(Cause::Unconfirmed);
            }
            Err(_) => counters.lose(Cause::Undecodable), // of a newer version, say
        }
    }
    refused
}
