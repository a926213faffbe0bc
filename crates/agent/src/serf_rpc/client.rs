//! One connection: who may ask, and the one match over all commands.

use super::codec::{FrameError, Frames, decode, encode};
use super::messages::{self, Request, Response};
use super::{HELLO_WAIT, QUEUE_MAX, STREAMS_MAX, events, keys, members, monitor, queries, stats};
use crate::api::guard::Token;
use crate::api::serve::told;
use crate::logging::limit::{self, Kind};
use crate::refusal::Refusal;
use crate::run::Agent;
use rumormill_runtime::admission::Place;
use serde::Serialize;
use std::collections::BTreeMap;
use std::pin::Pin;
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

/// Writes a body.
pub(super) fn body<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    bytes
}

/// A stream of records, begun once its request has been answered.
pub(super) type Records = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a request is answered.
#[derive(Default)]
pub(super) struct Answer {
    /// What went wrong; empty if nothing did.
    pub error: String,
    /// Behind the header; empty if there is none.
    pub body: Vec<u8>,
    /// What follows.
    pub records: Option<Records>,
}

impl Answer {
    /// That, and no more.
    pub fn of<T: Serialize>(value: &T) -> Answer {
        Answer { body: body(value), ..Answer::default() }
    }

    /// Done, and this follows.
    pub fn then(records: impl Future<Output = ()> + Send + 'static) -> Answer {
        Answer { records: Some(Box::pin(records)), ..Answer::default() }
    }
}

/// What is answered, or what is wrong with the request.
pub(super) type Answered = Result<Answer, String>;

/// A refusal as one line, which is all that Serf's clients show: what is wrong, and what to do.
pub(super) fn text(refusal: &Refusal) -> String {
    format!("{}; {}", refusal.error, refusal.hint)
}

/// The way to a client: in order, and bounded.
#[derive(Clone)]
pub(super) struct Out(mpsc::Sender<Vec<u8>>);

impl Out {
    /// Sends a header and what belongs to it. False if the client is gone.
    async fn answer(&self, seq: u64, error: &str, body: &[u8]) -> bool {
        let mut bytes = Vec::new();
        encode(&Response { error: error.into(), seq }, &mut bytes);
        bytes.extend_from_slice(body);
        self.0.send(bytes).await.is_ok()
    }

    /// Sends a record of a stream. False if the client is gone.
    pub async fn record<T: Serialize>(&self, seq: u64, record: &T) -> bool {
        self.answer(seq, "", &body(record)).await
    }
}

/// Serves one client until it goes, or the agent stops.
pub(super) async fn serve(stream: TcpStream, place: Place, agent: Arc<Agent>, token: Option<Arc<Token>>) {
    let place = Arc::new(place);
    let (read, write) = stream.into_split();
    let (queue, queued) = mpsc::channel(QUEUE_MAX);
    let counters = agent.serf_rpc.clone();
    counters.accepted.fetch_add(1, Relaxed);
    counters.clients.fetch_add(1, Relaxed);
    let client = Client {
        place: place.clone(),
        pending: queries::Pending::default(),
        frames: Frames::new(read),
        out: Out(queue),
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
            let _ = timeout(HELLO_WAIT, writing).await; // what was answered, if somebody still reads it
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
    pending: queries::Pending,
}

impl Client {
    async fn run(mut self) {
        let mut stop = self.agent.stopping();
        let deadline = Instant::now() + HELLO_WAIT;
        loop {
            let goes_on = tokio::select! {
                () = told(&mut stop) => return,
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
            Err(error) => self.refuse(0, &error).await, // where the next request begins, nobody knows
        }
    }

    async fn on_request(&mut self, Request { command: name, seq }: Request) -> bool {
        self.agent.serf_rpc.commands.fetch_add(1, Relaxed);
        let command = Command::named(&name);
        if !self.has_greeted && command != Some(Command::Handshake) {
            return self.refuse(seq, "Handshake required").await;
        }
        let Some(command) = command else {
            return self.refuse(seq, "Unsupported command").await; // whether it has a body, nobody knows
        };
        let body = match self.body(command).await {
            Ok(body) => body,
            Err(FrameError::Ended) => return false,
            Err(error) => return self.refuse(seq, &error.to_string()).await,
        };
        if !self.may_ask() && !matches!(command, Command::Handshake | Command::Auth) {
            self.agent.serf_rpc.refused.fetch_add(1, Relaxed);
            return self.out.answer(seq, "Authentication required", &[]).await;
        }
        let busy = self.may_ask().then(|| self.place.busy());
        let answer = self.answer(command, seq, &body).await.unwrap_or_else(|error| Answer {
            error,
            body: command.empty_body(),
            records: None,
        });
        if !answer.error.is_empty() {
            self.agent.serf_rpc.refused.fetch_add(1, Relaxed);
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
        self.agent.serf_rpc.refused.fetch_add(1, Relaxed);
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
            Command::Event => events::publish(agent, decode(body)?).await,
            Command::ForceLeave => members::force_leave(agent, decode(body)?).await,
            Command::Join => members::join(agent, decode(body)?).await,
            Command::Members => members::members(agent).await,
            Command::MembersFiltered => members::filtered(agent, decode(body)?).await,
            Command::Tags => members::tags(agent, decode(body)?).await,
            Command::Stream => self.on_stream(seq, decode(body)?),
            Command::Monitor => self.on_monitor(seq, decode(body)?),
            Command::Stop => self.on_stop(decode(body)?),
            Command::Leave => members::leave(agent).await,
            Command::Query => self.on_query(seq, decode(body)?).await,
            Command::Respond => queries::respond(agent, &self.pending, decode(body)?).await,
            Command::InstallKey => keys::answer(agent, keys::Ask::Install, decode(body)?).await,
            Command::UseKey => keys::answer(agent, keys::Ask::Use, decode(body)?).await,
            Command::RemoveKey => keys::answer(agent, keys::Ask::Remove, decode(body)?).await,
            Command::ListKeys => keys::answer(agent, keys::Ask::List, messages::Key::default()).await,
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
        let filters = events::filters(&asked.r#type)?;
        self.room(seq)?;
        let stream = events::Stream::new(&self.agent, &self.out, seq, filters, &self.pending);
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
        queries::ask(&self.agent, &self.out, seq, asked).await
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
