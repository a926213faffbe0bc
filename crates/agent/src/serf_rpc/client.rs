//! One connection: authentication, and the one match over all commands.

use super::codec::{FrameError, Frames, decode};
use super::counters::Counters;
use super::messages::{self, Request};
use super::reply::{Answer, Answered, Out, body};
use super::{HELLO_WAIT, QUEUE_MAX, STREAMS_MAX, monitor, stats, stream};
use crate::agent::{Agent, stopped};
use crate::features::{events, joining, keys, membership, queries, tags};
use crate::logging::limit::{self, Kind};
use crate::token::Token;
use rumormill_runtime::admission::Place;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};

/// The version that is spoken.
const VERSION: i64 = 1;

/// What a client can ask.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Command {
    Handshake,
    Auth,
    Event,
    ForceLeave,
    Join,
    Members,
    MembersFiltered,
    Tags,
    Stream,
    Monitor,
    Stop,
    Leave,
    Query,
    Respond,
    InstallKey,
    UseKey,
    RemoveKey,
    ListKeys,
    Stats,
    GetCoordinate,
}

impl Command {
    fn named(name: &str) -> Option<Command> {
        Some(match name {
            "handshake" => Command::Handshake,
            "auth" => Command::Auth,
            "event" => Command::Event,
            "force-leave" => Command::ForceLeave,
            "join" => Command::Join,
            "members" => Command::Members,
            "members-filtered" => Command::MembersFiltered,
            "tags" => Command::Tags,
            "stream" => Command::Stream,
            "monitor" => Command::Monitor,
            "stop" => Command::Stop,
            "leave" => Command::Leave,
            "query" => Command::Query,
            "respond" => Command::Respond,
            "install-key" => Command::InstallKey,
            "use-key" => Command::UseKey,
            "remove-key" => Command::RemoveKey,
            "list-keys" => Command::ListKeys,
            "stats" => Command::Stats,
            "get-coordinate" => Command::GetCoordinate,
            _ => return None,
        })
    }

    /// Whether a body follows its header.
    fn has_body(self) -> bool {
        !matches!(self, Command::Members | Command::Leave | Command::ListKeys | Command::Stats)
    }

    /// The body that clients read even behind an error.
    fn empty_body(self) -> Vec<u8> {
        use Command::{InstallKey, ListKeys, RemoveKey, UseKey};
        match self {
            Command::Members | Command::MembersFiltered => body(&messages::Members::default()),
            Command::Join => body(&messages::Joined::default()),
            InstallKey | UseKey | RemoveKey | ListKeys => body(&messages::Keys::default()),
            Command::Stats => body(&BTreeMap::<String, String>::new()),
            Command::GetCoordinate => body(&messages::CoordinateAnswer::default()),
            _ => Vec::new(),
        }
    }
}

/// Serves one client until it goes, or the agent stops.
pub(crate) async fn serve(stream: TcpStream, place: Place, agent: Arc<Agent>, token: Option<Arc<Token>>) {
    let place = Arc::new(place);
    let (read, write) = stream.into_split();
    let (out, queued) = Out::queue(QUEUE_MAX);
    let counters = agent.state::<Arc<Counters>>().clone();
    counters.accepted.fetch_add(1, Relaxed);
    counters.clients.fetch_add(1, Relaxed);
    let client = Client {
        place: place.clone(),
        pending: queries::serf::Pending::default(),
        frames: Frames::new(read),
        out,
        token,
        agent,
        has_greeted: false,
        is_trusted: false,
        monitor: None,
        streams: BTreeMap::new(),
        running: JoinSet::new(),
    };
    let mut writing = std::pin::pin!(write_all(write, queued));
    tokio::select! {
        () = client.run() => {
            let _ = timeout(HELLO_WAIT, writing).await; // the answers so far, if the client still reads
        }
        () = writing.as_mut() => {} // the client is gone
        () = place.evicted() => {}
    }
    counters.clients.fetch_sub(1, Relaxed);
}

async fn write_all(mut to: OwnedWriteHalf, mut queued: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = queued.recv().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await; // it may have gone
}

struct Client {
    place: Arc<Place>,
    agent: Arc<Agent>,
    token: Option<Arc<Token>>,
    frames: Frames<OwnedReadHalf>,
    out: Out,
    has_greeted: bool,
    is_trusted: bool,
    /// Under which number log lines are sent.
    monitor: Option<u64>,
    streams: BTreeMap<u64, AbortHandle>,
    running: JoinSet<()>,
    pending: queries::serf::Pending,
}

impl Client {
    async fn run(mut self) {
        let mut stop = self.agent.stopping();
        let deadline = Instant::now() + HELLO_WAIT;
        loop {
            let goes_on = tokio::select! {
                () = stopped(&mut stop) => return,
                frame = self.frames.next() => self.on_frame(frame).await,
                () = tokio::time::sleep_until(deadline), if !self.may_ask() => return,
                Some(_) = self.running.join_next() => true,
            };
            if !goes_on {
                return;
            }
        }
    }

    fn may_ask(&self) -> bool {
        self.has_greeted && (self.is_trusted || self.token.is_none())
    }

    /// Whether the connection goes on.
    async fn on_frame(&mut self, frame: Result<Vec<u8>, FrameError>) -> bool {
        let request = match frame {
            Ok(frame) => decode::<Request>(&frame),
            Err(FrameError::Ended) => return false,
            Err(error) => Err(error.to_string()),
        };
        match request {
            Ok(request) => self.on_request(request).await,
            Err(error) => self.refuse(0, &error).await, // the beginning of the next request is unknown
        }
    }

    async fn on_request(&mut self, Request { command: name, seq }: Request) -> bool {
        self.agent.state::<Arc<Counters>>().commands.fetch_add(1, Relaxed);
        let command = Command::named(&name);
        if !self.has_greeted && command != Some(Command::Handshake) {
            return self.refuse(seq, "Handshake required").await;
        }
        let Some(command) = command else {
            return self.refuse(seq, "Unsupported command").await; // whether it has a body is unknown
        };
        let body = match self.body(command).await {
            Ok(body) => body,
            Err(FrameError::Ended) => return false,
            Err(error) => return self.refuse(seq, &error.to_string()).await,
        };
        if !self.may_ask() && !matches!(command, Command::Handshake | Command::Auth) {
            self.agent.state::<Arc<Counters>>().refused.fetch_add(1, Relaxed);
            return self.out.answer(seq, "Authentication required", &[]).await;
        }
        let busy = self.may_ask().then(|| self.place.busy());
        let answer = self.answer(command, seq, &body).await.unwrap_or_else(|error| Answer {
            error,
            body: command.empty_body(),
            records: None,
        });
        if !answer.error.is_empty() {
            self.agent.state::<Arc<Counters>>().refused.fetch_add(1, Relaxed);
            tracing::debug!(command = name, error = answer.error, "Serf's RPC: a request was refused");
        }
        let is_sent = self.out.answer(seq, &answer.error, &answer.body).await;
        if let Some(records) = answer.records {
            let running = self.running.spawn(async move {
                records.await;
                drop(busy); // a client that only listens is no silent one
            });
            self.streams.insert(seq, running);
        }
        is_sent
    }

    async fn body(&mut self, command: Command) -> Result<Vec<u8>, FrameError> {
        if !command.has_body() {
            return Ok(Vec::new());
        }
        match self.may_ask() {
            true => self.frames.next().await,
            false => timeout(HELLO_WAIT, self.frames.next()).await.unwrap_or(Err(FrameError::Ended)),
        }
    }

    /// Answers with an error and ends the connection, as Serf's own agent does.
    async fn refuse(&self, seq: u64, error: &str) -> bool {
        self.agent.state::<Arc<Counters>>().refused.fetch_add(1, Relaxed);
        if limit::allows(Kind::Client) {
            tracing::info!(error, "Serf's RPC: a connection is ended");
        }
        self.out.answer(seq, error, &[]).await;
        false
    }

    async fn answer(&mut self, command: Command, seq: u64, body: &[u8]) -> Answered {
        let agent = &self.agent;
        match command {
            Command::Handshake => self.on_handshake(decode(body)?),
            Command::Auth => self.on_auth(decode(body)?),
            Command::Event => events::serf::publish(agent, decode(body)?).await,
            Command::ForceLeave => membership::serf::force_leave(agent, decode(body)?).await,
            Command::Join => joining::serf::join(agent, decode(body)?).await,
            Command::Members => membership::serf::members(agent).await,
            Command::MembersFiltered => membership::serf::filtered(agent, decode(body)?).await,
            Command::Tags => tags::serf::tags(agent, decode(body)?).await,
            Command::Stream => self.on_stream(seq, decode(body)?),
            Command::Monitor => self.on_monitor(seq, decode(body)?),
            Command::Stop => self.on_stop(decode(body)?),
            Command::Leave => joining::serf::leave(agent).await,
            Command::Query => self.on_query(seq, decode(body)?).await,
            Command::Respond => queries::serf::respond(agent, &self.pending, decode(body)?).await,
            Command::InstallKey => keys::serf::answer(agent, keys::serf::Ask::Install, decode(body)?).await,
            Command::UseKey => keys::serf::answer(agent, keys::serf::Ask::Use, decode(body)?).await,
            Command::RemoveKey => keys::serf::answer(agent, keys::serf::Ask::Remove, decode(body)?).await,
            Command::ListKeys => {
                keys::serf::answer(agent, keys::serf::Ask::List, messages::Key::default()).await
            }
            Command::Stats => stats::stats(agent).await,
            Command::GetCoordinate => stats::coordinate(&decode(body)?),
        }
    }

    fn on_handshake(&mut self, messages::Handshake { version }: messages::Handshake) -> Answered {
        if version != VERSION {
            return Err("Unsupported IPC version".into());
        }
        if std::mem::replace(&mut self.has_greeted, true) {
            return Err("Handshake already performed".into());
        }
        Ok(Answer::default())
    }

    fn on_auth(&mut self, messages::Auth { auth_key }: messages::Auth) -> Answered {
        match &self.token {
            Some(token) if token.is(auth_key.as_bytes()) => self.is_trusted = true,
            None if auth_key.is_empty() => {}
            _ => return Err("Invalid authentication token".into()),
        }
        Ok(Answer::default())
    }

    fn on_stream(&mut self, seq: u64, asked: messages::Stream) -> Answered {
        let filters = stream::filters(&asked.r#type)?;
        self.room(seq)?;
        let stream = stream::Stream::new(&self.agent, &self.out, seq, filters, &self.pending);
        Ok(Answer::then(stream.run()))
    }

    fn on_monitor(&mut self, seq: u64, asked: messages::Monitor) -> Answered {
        let level = monitor::level(&asked.log_level)?;
        if self.monitor.is_some_and(|seq| self.streams.get(&seq).is_some_and(|it| !it.is_finished())) {
            return Err("Monitor already exists".into());
        }
        self.room(seq)?;
        self.monitor = Some(seq);
        Ok(Answer::then(monitor::run(self.agent.clone(), self.out.clone(), seq, level)))
    }

    fn on_stop(&mut self, messages::Stop { stop }: messages::Stop) -> Answered {
        if let Some(stream) = self.streams.remove(&stop) {
            stream.abort();
        }
        Ok(Answer::default())
    }

    async fn on_query(&mut self, seq: u64, asked: messages::Query) -> Answered {
        self.room(seq)?;
        queries::serf::ask(&self.agent, &self.out, seq, asked).await
    }

    /// Whether there is room for one more stream under this number.
    fn room(&mut self, seq: u64) -> Result<(), String> {
        self.streams.retain(|_, stream| !stream.is_finished());
        match (self.streams.contains_key(&seq), self.streams.len() < STREAMS_MAX) {
            (true, _) => Err("Stream with given sequence exists".into()),
            (false, false) => Err(format!("{STREAMS_MAX} streams at once are the most; stop one first")),
            (false, true) => Ok(()),
        }
    }
}
