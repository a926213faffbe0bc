//! Agents to ask, and a way to ask them.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rumormill_agent::config::{Config, EventsConfig, LogFormat, Profile};
use rumormill_agent::model;
use rumormill_agent::start::{self, Running};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Whatever is waited for comes long before that, or never.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// An agent on loopback with any ports, that keeps nothing and knows nobody.
pub fn config(name: &str) -> Config {
    let mut swim = Profile::Local.swim();
    swim.period = Duration::from_millis(200);
    swim.probe_timeout = Duration::from_millis(100);
    swim.gossip_interval = Duration::from_millis(50);
    swim.leave_linger = Duration::from_millis(300);
    Config {
        name: name.into(),
        bind: "127.0.0.1:0".parse().unwrap(),
        advertise: Vec::new(),
        join: Vec::new(),
        join_file: None,
        retry_max: 0,
        retry_interval: Duration::from_secs(30),
        cluster: "tests".into(),
        key_file: None,
        keys_grace: Duration::from_secs(86_400),
        insecure: false,
        http: Some("127.0.0.1:0".parse().unwrap()),
        http_token_file: None,
        http_hosts: Vec::new(),
        serf_rpc: None,
        serf_rpc_auth_file: None,
        pg: None,
        socket: None,
        data_dir: None,
        tags: BTreeMap::new(),
        profile: Profile::Local,
        vitals: false,
        vitals_bytes_per_s: 2048,
        phi: false,
        events: EventsConfig::default(),
        handlers: Vec::new(),
        host_root: "/".into(),
        budget_bytes_per_s: 8 << 20,
        log: "warn".into(),
        log_format: LogFormat::Json,
        dns_server: None,
        faults: false,
        swim,
        origin: None,
    }
}

pub async fn start(config: Config) -> Running {
    start::start(config).await.unwrap()
}

pub fn gossip(agent: &Running) -> SocketAddr {
    agent.listens().gossip
}

pub fn http(agent: &Running) -> SocketAddr {
    agent.listens().http.expect("this agent has an HTTP port")
}

/// Agents of these names that have joined each other.
pub async fn cluster(configs: impl IntoIterator<Item = Config>) -> Vec<Running> {
    let mut agents: Vec<Running> = Vec::new();
    for mut config in configs {
        config.join.extend(agents.first().map(|first| gossip(first).to_string().parse().unwrap()));
        agents.push(start(config).await);
    }
    for agent in &agents {
        until_alive(agent, agents.len()).await;
    }
    agents
}

/// Waits until this agent holds so many members to be alive.
pub async fn until_alive(agent: &Running, count: usize) {
    until(&format!("{count} members are alive"), async || {
        let members: model::Members = get(agent, "/v1/members?status=alive").await;
        (members.members.len() == count).then_some(())
    })
    .await
}

/// Asks again and again until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "still waiting: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, self.text()))
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The body of an error, which is always JSON with what is wrong and what to do.
    pub fn error(&self, status: u16) -> model::Error {
        assert_eq!(self.status, status, "{}", self.text());
        let error: model::Error = self.json();
        assert!(!error.error.is_empty() && !error.hint.is_empty(), "{error:?}");
        error
    }
}

pub async fn get<T: DeserializeOwned>(agent: &Running, path: &str) -> T {
    let reply = ask(agent, "GET", path, None).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

pub async fn ask(agent: &Running, method: &str, path: &str, body: Option<Value>) -> Reply {
    let at = http(agent);
    send(at, method, path, &[("host", &at.to_string())], body.map(|body| body.to_string().into_bytes())).await
}

/// One request on a connection of its own, with these headers alone; a body is marked as JSON unless they say otherwise.
pub async fn send(
    at: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Reply {
    let at =
        SocketAddr::new(if at.ip().is_unspecified() { [127, 0, 0, 1].into() } else { at.ip() }, at.port());
    let response = open(TcpStream::connect(at).await.unwrap(), method, path, headers, body).await;
    collect(response).await
}

pub async fn send_unix(path: &Path, method: &str, target: &str, body: Option<Value>) -> Reply {
    let body = body.map(|body| body.to_string().into_bytes());
    let stream = UnixStream::connect(path).await.unwrap();
    collect(open(stream, method, target, &[("host", "localhost")], body).await).await
}

pub async fn open(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Response<Incoming> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    sender
        .send_request(request.body(Full::new(Bytes::from(body.unwrap_or_default()))).unwrap())
        .await
        .unwrap()
}

async fn collect(response: Response<Incoming>) -> Reply {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Reply { status: head.status, headers: head.headers, body }
}

/// Runs several waits at once.
pub async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    tokio::join!(a, b)
}
