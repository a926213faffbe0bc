//! The one task that owns a node: it waits for datagrams, connections, commands and the earliest timer, and hands them to the protocol.
//!
//! Whatever has come in by the time it wakes is one batch: all of it is handed in, what is due is handed in after it, then frames are
//! packed and leave together, and then the application may look. After a stall (a paused process, a suspended machine) everything
//! that waits in the sockets is handed in before overdue timers, so that nobody is accused of a silence that was ours.

use crate::config::{Config, Sockets, StartError};
use crate::connection::ConnectionEvent;
use crate::connections::{CONNECTIONS_MAX, Connections};
use crate::counters::{Cause, Counters};
use crate::effects::{App, Effects, View};
use crate::faults::Faults;
use crate::handle::{COMMANDS_MAX, Command, Handle};
use crate::handshake::{Shared, random};
use crate::hello::{ResolveError, Resolves};
use crate::receive::Receiver;
use crate::seal::{Kind, Seal};
use crate::socket::{BATCH, Datagrams};
use crate::strangers::Strangers;
use crate::timers::{Due, Timers};
use rumormill_core::drive::{Driver, Limits, Scratch};
use rumormill_core::identity::Life;
use rumormill_core::{Input, Loss, Message, NodeId, Protocol, Time, Wall};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// Datagrams handed in before what they caused is sent.
const DATAGRAMS_PER_BATCH: usize = 8 * BATCH;
/// Datagrams handed in before overdue timers after a stall: more than the socket's buffer holds.
const DATAGRAMS_AFTER_STALL_MAX: usize = 8_192;
/// Connection events, commands and timers handed in per batch.
const EVENTS_PER_BATCH: usize = 64;
const COMMANDS_PER_BATCH: usize = 64;
const TIMERS_PER_BATCH: usize = 4_096;
/// A timer so late means that this process was stopped.
const STALL: Duration = Duration::from_millis(100);
/// How often connections are given a turn to bring in what they have, after a stall.
const STALL_TURNS: usize = 16;
/// How long connections have to send what waits, when the node stops.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Starts `node` on `sockets`, and returns how to talk to it. It runs as a task of the present tokio runtime, which may have a single thread.
pub async fn start<P, A>(config: Config, sockets: Sockets, node: P, app: A) -> Result<Handle<P>, StartError>
where
    P: Protocol + Send + 'static,
    P::Call: Send,
    P::Message: Send,
    P::Timer: Send,
    A: App<P>,
{
    let (engine, handle) = Engine::new(config, sockets, node, app)?;
    tokio::spawn(engine.run());
    Ok(handle)
}

struct Engine<P: Protocol, A> {
    driver: Driver<P>,
    scratch: Scratch<P>,
    effects: Effects<P, A>,
    limits: Limits,
    clock: Instant,
    commands: mpsc::Receiver<Command<P>>,
    resolves: Resolves,
    receiver: Receiver<P>,
    faults_version: u64,
    superseded: Life,
    me: NodeId,
    life: Life,
    local: SocketAddr,
}

/// What ended the wait.
enum Woke<P: Protocol> {
    Command(Option<Command<P>>),
    Connection(Option<ConnectionEvent>),
    Datagrams,
    Timer,
}

/// Whether to go on.
enum Next {
    Go,
    Stop(Option<oneshot::Sender<()>>),
}

impl<P: Protocol, A: App<P>> Engine<P, A> {
    fn new(
        config: Config,
        sockets: Sockets,
        node: P,
        app: A,
    ) -> Result<(Engine<P, A>, Handle<P>), StartError> {
        let Config { cluster, keyring, me, life, limits, faults, seed, .. } = config;
        let (local, reach) = (sockets.local_addr(), sockets.reach());
        let drawn = random().map_err(|_| StartError::NoRandom)?;
        let drawn = u64::from_be_bytes(*drawn.first_chunk().expect("it has 16 bytes"));
        let seed = seed.unwrap_or(drawn);
        let counters = Arc::new(Counters::new(P::Message::LANES));
        let faults = Faults::new(faults, seed);
        let strangers = Arc::<Strangers>::default();
        let shared = Arc::new(Shared {
            seal: Mutex::new(Seal::new(me, life, &cluster, keyring.clone())),
            keyring: keyring.clone(),
            counters: counters.clone(),
            faults: faults.clone(),
            strangers: strangers.clone(),
        });
        let listener = TcpListener::from_std(sockets.tcp)?;
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let effects = Effects {
            app,
            book: crate::book::Book::new(crate::book::MEMBERS_MAX, reach),
            datagrams: Datagrams::new(sockets.udp)?,
            connections: Connections::new(listener, shared.clone(), CONNECTIONS_MAX),
            shared,
            timers: Timers::new(),
            now: Time::ZERO,
            wall: Wall::default(),
            events: 0,
        };
        let engine = Engine {
            driver: Driver::new(node, me, seed, &limits),
            scratch: Scratch::default(),
            effects,
            limits,
            clock: Instant::now(),
            commands,
            resolves: Resolves::default(),
            receiver: Receiver::default(),
            faults_version: 0,
            superseded: life,
            me,
            life,
            local,
        };
        Ok((engine, Handle { commands: sender, keyring, counters, faults, strangers, me, life, local }))
    }

    async fn run(mut self) {
        self.tick();
        self.input(Input::Start);
        self.finish();
        let sleep = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        let mut armed = None;
        loop {
            let due = self.effects.timers.next();
            if due.is_some() && due != armed {
                let at = self.clock + Duration::from_nanos(due.map_or(0, |at| at.0));
                sleep.as_mut().reset(at.into());
            }
            armed = due;
            let woke = tokio::select! {
                command = self.commands.recv() => Woke::Command(command),
                event = self.effects.connections.next() => Woke::Connection(event),
                _ = self.effects.datagrams.readable() => Woke::Datagrams,
                () = &mut sleep, if due.is_some() => Woke::Timer,
            };
            self.tick();
            let stalled = due.is_some_and(|at| self.effects.now.since(at) > STALL);
            if let Next::Stop(reply) = self.batch(woke, stalled).await {
                self.stop().await;
                drop(self);
                reply.map(|reply| reply.send(()));
                return;
            }
            armed = armed.filter(|at| *at > self.effects.now); // a sleep that ended must be armed anew
        }
    }

    /// One batch: what woke us, what else has come, what is due; then everything leaves.
    async fn batch(&mut self, woke: Woke<P>, stalled: bool) -> Next {
        match woke {
            Woke::Command(None) => return Next::Stop(None),
            Woke::Command(Some(command)) => {
                if let next @ Next::Stop(_) = self.command(command) {
                    return next;
                }
            }
            Woke::Connection(event) => event.into_iter().for_each(|event| self.connection_event(event)),
            Woke::Datagrams | Woke::Timer => {}
        }
        let taken = self.take_waiting(stalled).await;
        for _ in 0..COMMANDS_PER_BATCH {
            let Ok(command) = self.commands.try_recv() else { break };
            if let next @ Next::Stop(_) = self.command(command) {
                return next;
            }
        }
        self.take_due();
        self.finish();
        if taken >= DATAGRAMS_PER_BATCH {
            tokio::task::yield_now().await; // under load, others on this thread want a turn as well
        }
        Next::Go
    }

    /// Hands in what waits in the sockets; after a stall, all of it.
    async fn take_waiting(&mut self, stalled: bool) -> usize {
        let mut taken = self.take_datagrams(DATAGRAMS_PER_BATCH);
        self.take_stream_events();
        if !stalled {
            return taken;
        }
        for _ in 0..STALL_TURNS {
            tokio::task::yield_now().await; // the tasks of connections read what came for them
            let mut came = self.take_stream_events();
            while taken < DATAGRAMS_AFTER_STALL_MAX {
                let more = self.take_datagrams(DATAGRAMS_PER_BATCH);
                taken += more;
                came += more;
                if more == 0 {
                    break;
                }
                self.finish();
                self.tick();
            }
            if came == 0 {
                break;
            }
        }
        taken
    }

    fn take_datagrams(&mut self, datagrams_max: usize) -> usize {
        let mut taken = 0;
        while taken < datagrams_max {
            let arrived = self.effects.datagrams.receive(&self.effects.shared.counters);
            if arrived == 0 {
                break;
            }
            taken += arrived;
            for at in 0..arrived {
                let superseded = self.receiver.datagram(&mut self.effects, &mut self.resolves, at);
                self.superseded(superseded);
                self.hand_in();
            }
        }
        taken
    }

    fn take_stream_events(&mut self) -> usize {
        let mut taken = 0;
        while taken < EVENTS_PER_BATCH
            && let Some(event) = self.effects.connections.try_next()
        {
            self.connection_event(event);
            taken += 1;
        }
        taken
    }

    fn take_due(&mut self) {
        // What is asked for while this goes on waits for the next batch, even if it is due at once.
        let (now, limit) = (self.effects.now, self.effects.timers.mark());
        for _ in 0..TIMERS_PER_BATCH {
            match self.effects.timers.pop(now, limit) {
                None => break,
                Some(Due::Timer(timer)) => self.input(Input::Timer(timer)),
                Some(Due::Lost(peer, loss)) => self.input(Input::Lost(peer, loss)),
                Some(Due::Shed(peer, message)) => self.input(Input::Shed(peer, message)),
                Some(Due::Resolve(ticket)) => {
                    self.receiver.resolve(&mut self.effects, &mut self.resolves, ticket)
                }
            }
        }
    }

    fn command(&mut self, command: Command<P>) -> Next {
        match command {
            Command::Call(call) => self.input(Input::Call(call)),
            Command::Meet(peers) => {
                let (now, wall) = (self.effects.now, self.effects.wall);
                self.driver.meet(&mut self.scratch, &mut self.effects, now, wall, peers);
            }
            Command::Inspect(look) => {
                look(&self.driver.node, &view(self.me, self.life, self.local, &self.effects))
            }
            Command::Resolve(address, reply) | Command::Connect(address, reply)
                if !self.effects.book.reach().to(crate::contact::canonical(address)) =>
            {
                let _ = reply.send(Err(ResolveError::Unreachable));
            }
            Command::Resolve(address, reply) => {
                self.receiver.begin(&mut self.effects, &mut self.resolves, address, reply);
            }
            Command::Connect(address, reply) => {
                self.receiver.connect(&mut self.effects, &mut self.resolves, address, reply);
            }
            Command::RequestKeys(address, content)
                if self.effects.book.reach().to(crate::contact::canonical(address)) =>
            {
                self.effects.packet(Kind::KeyRequest, NodeId(0), address, |packet| packet.extend(content));
            }
            Command::RequestKeys(..) => {}
            Command::GrantKeys(grant) => self.effects.grant_keys(*grant),
            Command::Shutdown(reply) => return Next::Stop(Some(reply)),
        }
        Next::Go
    }

    fn connection_event(&mut self, event: ConnectionEvent) {
        let Effects { connections, book, shared, now, .. } = &mut self.effects;
        match event {
            ConnectionEvent::Accepted(established) => {
                let (peer, life) = (established.peer, established.life);
                if book.is_banned(peer) {
                    return shared.counters.lose(Cause::Banned); // dropped, it is closed
                }
                connections.adopt(*established, *now);
                self.new_life(peer, life);
            }
            ConnectionEvent::Up { serial, peer, life, address } => {
                book.met(peer, address);
                connections.up(serial, life);
                self.new_life(peer, life);
            }
            ConnectionEvent::Resolved { ticket, result: Ok((established, address)) } => {
                crate::counters::add(&shared.counters.connections_opened, 1);
                let (peer, life) = (established.peer, established.life);
                if shared.faults.cuts_peer(peer) {
                    return self.resolves.settle(ticket, Err(ResolveError::TimedOut));
                }
                book.met(peer, address);
                connections.adopt(*established, *now);
                self.resolves.settle(ticket, Ok(peer));
                self.new_life(peer, life);
            }
            ConnectionEvent::Resolved { ticket, result: Err(error) } => {
                self.resolves.settle(ticket, Err(crate::hello::verdict(&error, self.life)));
                if let crate::handshake::DialError::Superseded(life) = error {
                    self.superseded(Some(life));
                }
            }
            ConnectionEvent::Message { serial, bytes } => {
                let Some(peer) = connections.heard(serial, *now) else { return };
                if shared.faults.cuts_peer(peer) {
                    return shared.counters.lose(Cause::Fault);
                }
                if book.is_banned(peer) {
                    return shared.counters.lose(Cause::Banned);
                }
                self.receiver.stream_message(&self.effects, peer, &bytes);
                self.hand_in();
            }
            ConnectionEvent::Closing { serial } => connections.closing(serial),
            ConnectionEvent::Ended { serial, loss } => {
                if let Some((peer, loss)) = connections.ended(serial, loss) {
                    self.input(Input::Lost(peer, loss));
                }
            }
            ConnectionEvent::Taken { serial, address, by } => {
                if let Some((peer, refused)) = connections.ended(serial, Some(Loss::Refused)) {
                    let is_gone = by != peer && book.proves(peer, address);
                    let loss = if is_gone { Loss::Replaced(by) } else { refused };
                    self.input(Input::Lost(peer, loss));
                }
            }
            ConnectionEvent::Superseded(life) => self.superseded(Some(life)),
        }
    }

    /// A connection showed a peer in `life`: connections to earlier ones lead nowhere.
    fn new_life(&mut self, peer: NodeId, life: Life) {
        self.receiver.new_life(&mut self.effects, peer, life);
    }

    fn superseded(&mut self, life: Option<Life>) {
        if let Some(life) = life.filter(|life| *life > self.superseded) {
            self.superseded = life;
            self.effects.app.superseded(life);
        }
    }

    /// Hands in the messages that were received last.
    fn hand_in(&mut self) {
        let mut messages = std::mem::take(&mut self.receiver.messages);
        for (from, message) in messages.drain(..) {
            self.input(Input::Message(from, message));
        }
        self.receiver.messages = messages; // for its room
    }

    fn input(&mut self, input: Input<P>) {
        let (now, wall) = (self.effects.now, self.effects.wall);
        self.driver.input(&mut self.scratch, &mut self.effects, now, wall, input);
    }

    /// Ends a batch: everything leaves, and the application may look.
    fn finish(&mut self) {
        let (now, wall) = (self.effects.now, self.effects.wall);
        self.driver.flush(&mut self.scratch, &mut self.effects, now, wall, &self.limits);
        self.effects.datagrams.send(&self.effects.shared.counters);
        let version = self.effects.shared.faults.version();
        if version != self.faults_version {
            self.faults_version = version;
            self.effects.connections.cut_faulty();
        }
        if self.effects.events > 0 {
            self.effects.events = 0;
            let Effects { app, book, shared, .. } = &mut self.effects;
            let (me, life, local, counters) = (self.me, self.life, self.local, &*shared.counters);
            app.after(&self.driver.node, &View { now, wall, me, life, local, book, counters, shared });
        }
    }

    /// Reads the clocks.
    fn tick(&mut self) {
        self.effects.now = Time(u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.effects.wall = Wall(wall.as_millis() as u64);
    }

    /// Lets connections send what waits, for a bounded time.
    async fn stop(&mut self) {
        self.finish();
        self.commands.close();
        let connections = &mut self.effects.connections;
        connections.close_all();
        let farewell = async {
            while connections.len() > 0 {
                match connections.next().await {
                    Some(ConnectionEvent::Ended { serial, loss }) => drop(connections.ended(serial, loss)),
                    Some(_) => {}
                    None => break,
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL_MAX, farewell).await;
    }
}

fn view<P: Protocol, A>(me: NodeId, life: Life, local: SocketAddr, effects: &Effects<P, A>) -> View<'_> {
    let Effects { now, wall, book, shared, .. } = effects;
    View { now: *now, wall: *wall, me, life, local, book, counters: &shared.counters, shared }
}
