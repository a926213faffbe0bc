//! A small HTTP/1.1 client for the agent's API, over TCP or a Unix socket.

use crate::args::Target;
use crate::lines::Lines;
use crate::outcome::{Failure, Outcome};
use crate::sse::{Event, Parser};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rumormill_agent::{config, model};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// The default port of the agent's HTTP API.
const HTTP_PORT: u16 = 7901;
/// Where the agent's HTTP API is by default.
pub const HTTP_DEFAULT: &str = "127.0.0.1:7901";
/// How long connecting may take (our guess).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take, unless a command knows better (our guess).
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest answer that is read: ten thousand members with a few kilobytes of tags each (our guess).
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Where an agent's API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `HOST:PORT`.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(address) => write!(f, "http://{address}"),
            Place::Unix(path) => write!(f, "the Unix socket {}", path.display()),
        }
    }
}

/// Asks one agent. Each request has its own connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Tried in this order; the first that accepts a connection is asked.
    places: Vec<Place>,
    token: Option<String>,
}

impl Client {
    /// For the agent at one place, without a token.
    pub fn at(place: Place) -> Client {
        Client { places: vec![place], token: None }
    }

    /// For the agent that the command line, or else the environment, names; else for this machine's own.
    pub fn of(target: &Target) -> Outcome<Client> {
        Client::with(target, |name| std::env::var(name).ok())
    }

    fn with(target: &Target, variable: impl Fn(&str) -> Option<String>) -> Outcome<Client> {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty() && value != "off");
        let token_file =
            target.token_file.clone().or_else(|| set(config::CLIENT_TOKEN_FILE).map(PathBuf::from));
        let token = token_file.as_deref().map(read_token).transpose()?;
        let flag = match (&target.socket, &target.http) {
            (Some(path), _) => Some(Place::Unix(path.clone())),
            (None, Some(address)) => Some(Place::Tcp(http_address(address)?)),
            (None, None) => None,
        };
        let place = match (flag, set("RUMORMILL_SOCKET"), set("RUMORMILL_HTTP")) {
            (Some(place), _, _) => place,
            (None, Some(path), _) => Place::Unix(path.into()),
            (None, None, Some(address)) => Place::Tcp(http_address(&address)?),
            (None, None, None) => {
                let usual = Client::usual();
                return Ok(Client { token: token.or(usual.token), ..usual });
            }
        };
        Ok(Client { places: vec![place], token })
    }

    /// Asks where an agent that is started in this environment, without flags, would listen: its socket first. The agent's token may be secret to this
    /// user, whom the socket serves without it.
    fn usual() -> Client {
        let Ok((config, _)) = config::load(None, config::Partial::default()).into_config() else {
            return Client::at(Place::Tcp(HTTP_DEFAULT.into()));
        };
        let socket = config.socket.map(Place::Unix);
        let http = config.http.map(|address| Place::Tcp(address.to_string()));
        let token = config.http_token_file.as_deref().and_then(|path| read_token(path).ok());
        Client { places: socket.into_iter().chain(http).collect(), token }
    }

    /// `GET`s JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.ask(Method::GET, path, Bytes::new(), ANSWER_TIMEOUT).await
    }

    /// `GET`s JSON that may take so long.
    pub async fn get_within<T: DeserializeOwned>(&self, path: &str, limit: Duration) -> Outcome<T> {
        self.ask(Method::GET, path, Bytes::new(), limit).await
    }

    /// Sends JSON and gets JSON back.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Outcome<T> {
        self.ask(method, path, Bytes::from(serde_json::to_vec(body)?), limit).await
    }

    /// `POST`s JSON.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Outcome<T> {
        self.send(Method::POST, path, body, ANSWER_TIMEOUT).await
    }

    /// Opens a stream of server-sent events, after `cursor` if there is one.
    pub async fn watch(&self, cursor: Option<&str>) -> Outcome<Events> {
        let path = match cursor {
            Some(cursor) => format!("/v1/watch?since={}", encode(cursor)),
            None => "/v1/watch".into(),
        };
        let opened = self.request(Method::GET, &path, Bytes::new());
        let response = within(ANSWER_TIMEOUT, opened).await?;
        let response = refuse_errors(response).await?;
        Ok(Events { body: response.into_body(), parser: Parser::default() })
    }

    /// `POST`s JSON, and reads the answer line by line.
    pub async fn lines(&self, path: &str, body: &impl Serialize) -> Outcome<Lines> {
        let opened = self.request(Method::POST, path, Bytes::from(serde_json::to_vec(body)?));
        let response = within(ANSWER_TIMEOUT, opened).await?;
        let response = refuse_errors(response).await?;
        Ok(Lines::new(response.into_body()))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Outcome<T> {
        within(limit, async {
            let response = self.request(method, path, body).await?;
            let response = refuse_errors(response).await?;
            let bytes = collect(response).await?;
            serde_json::from_slice(&bytes).map_err(|e| {
                Failure::Failed(format!(
                    "the answer to {path} is not what this version expects ({e}); is the agent of another version?"
                ))
            })
        })
        .await
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Outcome<Response<Incoming>> {
        let (place, io) = self.connect().await?;
        let host = match place {
            Place::Tcp(address) => address.as_str(),
            Place::Unix(_) => "localhost",
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body))
            .map_err(|e| Failure::Usage(format!("cannot ask {place} for {path}: {e}")))?;
        let broken = |e: hyper::Error| {
            Failure::Failed(format!(
                "{place} does not answer in HTTP ({e}); is this the port of gossip? An agent's API has a port of its own, {HTTP_PORT} by default"
            ))
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(broken)?;
        tokio::spawn(connection); // it ends with the response
        sender.send_request(request).await.map_err(broken)
    }

    async fn connect(&self) -> Outcome<(&Place, Box<dyn Stream>)> {
        let (mut tried, mut is_denied) = (Vec::new(), false);
        for place in &self.places {
            match tokio::time::timeout(CONNECT_TIMEOUT, connect(place)).await {
                Ok(Ok(io)) => return Ok((place, io)),
                Ok(Err(error)) => {
                    is_denied |= error.kind() == io::ErrorKind::PermissionDenied;
                    tried.push(format!("{place}: {error}"));
                }
                Err(_) => tried.push(format!("{place}: no answer within {} s", CONNECT_TIMEOUT.as_secs())),
            }
        }
        if is_denied {
            return Err(Failure::NoAgent(format!(
                "this user may not ask the agent ({}).\nAsk as the user that runs the agent, or as root; or by its HTTP address with --http ADDR:PORT.",
                tried.join("; ")
            )));
        }
        Err(Failure::NoAgent(format!(
            "no agent answers ({}).\nStart one with `rumormill agent`, or say where it is with --http ADDR:PORT or --socket PATH; \
             `rumormill demo` starts a cluster to try things on.",
            tried.join("; ")
        )))
    }
}

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn connect(place: &Place) -> io::Result<Box<dyn Stream>> {
    Ok(match place {
        Place::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

/// Server-sent events, as they come.
pub struct Events {
    body: Incoming,
    parser: Parser,
}

impl Events {
    /// The next event; none when the agent ended the stream. Safe to drop and call again.
    pub async fn next(&mut self) -> Outcome<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(Failure::Failed(format!("the agent's stream broke: {error}")));
                }
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.parser.feed(data).map_err(Failure::Failed)?;
                    }
                }
            }
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Failed(format!(
            "the agent did not answer within {} s; it may be stopped or overloaded",
            limit.as_secs()
        ))),
    }
}

async fn collect(response: Response<Incoming>) -> Outcome<Bytes> {
    match Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(Failure::Failed(format!("the agent's answer broke off: {error}"))),
    }
}

async fn refuse_errors(response: Response<Incoming>) -> Outcome<Response<Incoming>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = collect(response).await?;
    Err(Failure::Failed(refusal(status, &body)))
}

/// What an error answer says, for a person.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let (error, hint) = match serde_json::from_slice::<model::Error>(body) {
        Ok(said) => (said.error, as_commands(&said.hint)), // the error names the candidates
        Err(_) => {
            (format!("the agent answers {status}: {}", String::from_utf8_lossy(body).trim()), String::new())
        }
    };
    let hint = match status {
        // The agent's hint is about the header, which this program sends by itself.
        StatusCode::UNAUTHORIZED => TOKEN_HINT.into(),
        StatusCode::FORBIDDEN if hint.is_empty() => TOKEN_HINT.into(),
        _ => hint,
    };
    if hint.is_empty() { error } else { format!("{error}\n{hint}") }
}

/// The hint where the agent asks for a token.
const TOKEN_HINT: &str =
    "Give the agent's token with --token-file FILE, or ask by its Unix socket with --socket PATH.";

/// What the API calls a request, and the command that makes it.
const COMMANDS: [(&str, &str); 9] = [
    ("GET /v1/bans", "`rumormill bans`"),
    ("GET /v1/events", "`rumormill events`"),
    ("GET /v1/members", "`rumormill members`"),
    ("GET /v1/self", "`rumormill info`"),
    ("GET /v1/keys", "`rumormill keys list`"),
    ("GET /v1/tags", "`rumormill tags`"),
    ("GET /v1/why/", "`rumormill why` "),
    ("POST /v1/forget with \"all\": true", "`rumormill forget NAME --all`"),
    ("POST /v1/keys/everywhere", "`rumormill keys list`"),
];

/// An agent's hint in the words of this program.
pub fn as_commands(hint: &str) -> String {
    COMMANDS.iter().fold(hint.into(), |hint, (request, command)| hint.replace(request, command))
}

/// `HOST:PORT` out of what a person writes. A scheme or a trailing slash is forgiven, TLS is not there; a port alone is one of this machine,
/// and an address alone has the default port, as in the agent's settings.
fn http_address(text: &str) -> Outcome<String> {
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    if let Some(port) = config::address::port_alone(bare) {
        return Ok(format!("127.0.0.1:{port}"));
    }
    if let Some(Ok(address)) = config::address::literal(bare, HTTP_PORT) {
        return Ok(address.to_string());
    }
    let port = bare.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) if !bare.contains('/') => Ok(bare.into()),
        _ => Err(Failure::Usage(format!(
            "`{text}` is no HTTP address; write HOST:PORT, for example {HTTP_DEFAULT} or [::1]:{HTTP_PORT}"
        ))),
    }
}

fn read_token(path: &Path) -> Outcome<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::Usage(format!("cannot read the token file {}: {e}", path.display())))?;
    let token = text.trim();
    if token.is_empty() || token.chars().any(|c| c.is_ascii_control() || !c.is_ascii()) {
        return Err(Failure::Usage(format!(
            "the token file {} must hold one line of printable ASCII",
            path.display()
        )));
    }
    Ok(token.into())
}

/// Percent-encodes one segment of a path, or one value of a query.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn names_are_encoded_for_a_path() {
        assert_eq!(encode("web-1.rack_2~"), "web-1.rack_2~");
        assert_eq!(encode("a b/ü"), "a%20b%2F%C3%BC");
    }

    #[test]
    fn an_http_address_is_a_host_and_a_port() {
        assert_eq!(http_address("127.0.0.1:7901").unwrap(), "127.0.0.1:7901");
        assert_eq!(http_address("http://[::1]:7901/").unwrap(), "[::1]:7901");
        assert_eq!(http_address("localhost:7901").unwrap(), "localhost:7901");
        for (alone, whole) in [
            (":7921", "127.0.0.1:7921"),
            ("7921", "127.0.0.1:7921"),
            ("10.0.0.5", "10.0.0.5:7901"),
            ("::1", "[::1]:7901"),
        ] {
            assert_eq!(http_address(alone).unwrap(), whole, "{alone}");
        }
        for wrong in ["localhost", "https://localhost:1", "host:port", "127.0.0.1:99999"] {
            assert_eq!(http_address(wrong).unwrap_err().code(), 2, "{wrong}");
        }
    }

    #[test]
    fn a_refusal_is_told_with_its_hint() {
        let error = model::Error {
            error: "2 members carry the name \"web\": a (alive), b (alive)".into(),
            hint: "Use the id that GET /v1/members shows.".into(),
            candidates: vec!["a".into(), "b".into()],
        };
        let body = serde_json::to_vec(&error).unwrap();
        let told = refusal(StatusCode::CONFLICT, &body);
        assert_eq!(
            told,
            "2 members carry the name \"web\": a (alive), b (alive)\nUse the id that `rumormill members` shows."
        );
        let header = model::Error {
            error: "this address asks for a token".into(),
            hint: "send the header Authorization: Bearer …".into(),
            candidates: Vec::new(),
        };
        for body in [serde_json::to_vec(&header).unwrap(), b"no".to_vec()] {
            let told = refusal(StatusCode::UNAUTHORIZED, &body);
            assert!(told.contains("--token-file") && !told.contains("header"), "{told}");
        }
    }

    /// Reads the hints out of the agent's source, so that a new one is not forgotten.
    #[test]
    fn no_hint_of_the_agent_speaks_of_requests_that_this_program_makes() {
        let mut asked = 0;
        for feature in std::fs::read_dir("../agent/src/features").unwrap() {
            let Ok(files) = std::fs::read_dir(feature.unwrap().path()) else { continue };
            for file in files {
                let path = file.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                let texts =
                    text.lines().filter(|line| !line.trim_start().starts_with("//") && line.contains('"'));
                for line in texts.filter(|line| line.contains("GET /v1/") || line.contains("POST /v1/")) {
                    asked += 1;
                    let told = as_commands(&line.replace("\\\"", "\""));
                    assert!(!told.contains("/v1/"), "{}: {line}", path.display());
                }
            }
        }
        assert!(asked > 1, "the agent's hints were found");
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_defaults() {
        let places = |http: Option<&str>, socket: Option<&str>, env: &[(&str, &str)]| {
            let target =
                Target { http: http.map(Into::into), socket: socket.map(Into::into), ..Target::default() };
            let variable =
                |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_string());
            Client::with(&target, variable).unwrap().places
        };
        let (tcp, unix) = (|a: &str| Place::Tcp(a.into()), |p: &str| Place::Unix(p.into()));
        let both = [("RUMORMILL_HTTP", "h:1"), ("RUMORMILL_SOCKET", "/s")];
        assert_eq!(places(Some("a:2"), None, &both), [tcp("a:2")]);
        assert_eq!(places(None, Some("/t"), &both), [unix("/t")]);
        assert_eq!(places(None, None, &both), [unix("/s")]);
        assert_eq!(places(None, None, &both[..1]), [tcp("h:1")]);
        let off = [("RUMORMILL_HTTP", "off"), ("RUMORMILL_SOCKET", "")];
        assert_eq!(places(None, None, &off), Client::usual().places);
    }

    #[test]
    fn a_token_file_that_cannot_be_used_is_a_usage_error() {
        let token_file = Some(PathBuf::from("/nonexistent/token"));
        let failure = Client::of(&Target { token_file, ..Target::default() }).unwrap_err();
        assert_eq!(failure.code(), 2);
    }

    /// Answers one request with these bytes, and hands back what was asked.
    async fn serve_once(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = tokio::spawn(async move {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.windows(4).any(|w| w == b"\r\n\r\n") {
                let mut buffer = [0; 1024];
                let read = io.read(&mut buffer).await.unwrap();
                asked.extend_from_slice(&buffer[..read]);
            }
            io.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        (address, served)
    }

    #[tokio::test]
    async fn json_is_asked_for_and_read() {
        let (address, served) =
            serve_once("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"ok\":true}").await;
        let client = Client { places: vec![Place::Tcp(address.clone())], token: Some("secret".into()) };
        let healthz: model::Healthz = client.get("/healthz").await.unwrap();
        assert!(healthz.ok);
        let asked = served.await.unwrap().to_lowercase();
        assert!(asked.starts_with("get /healthz http/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("host: {address}\r\n")), "{asked}");
        assert!(asked.contains("authorization: bearer secret\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn an_error_answer_is_a_failure_with_its_text() {
        let (address, _) = serve_once("HTTP/1.1 404 Not Found\r\ncontent-length: 37\r\n\r\n{\"error\":\"no such member\",\"hint\":\"\"}  ").await;
        let failure = Client::at(Place::Tcp(address)).get::<model::Why>("/v1/why/x").await.unwrap_err();
        assert_eq!((failure.code(), failure.to_string().as_str()), (1, "no such member"));
    }

    #[tokio::test]
    async fn where_no_agent_listens_the_error_says_how_to_start_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let failure = Client::at(Place::Tcp(address)).get::<model::Healthz>("/healthz").await.unwrap_err();
        assert_eq!(failure.code(), 3);
        assert!(failure.to_string().contains("rumormill agent"), "{failure}");
    }

    #[tokio::test]
    async fn lines_come_one_by_one_until_the_answer_ends() {
        let (address, _) =
            serve_once("HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{\"ok\":true}\n{\"ok\":false}\n").await;
        let mut lines = Client::at(Place::Tcp(address)).lines("/v1/query", &1).await.unwrap();
        assert!(lines.next::<model::Healthz>().await.unwrap().unwrap().ok);
        assert!(!lines.next::<model::Healthz>().await.unwrap().unwrap().ok);
        assert!(lines.next::<model::Healthz>().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn events_come_one_by_one_until_the_stream_ends() {
        let (address, _) = serve_once(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nid: 1\nevent: change\ndata: {}\n\n: idle\n\nid: 2\nevent: gap\ndata: x\n\n",
        )
        .await;
        let mut events = Client::at(Place::Tcp(address)).watch(None).await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().event, "change");
        let gap = events.next().await.unwrap().unwrap();
        assert_eq!((gap.id.as_str(), gap.event.as_str(), gap.data.as_str()), ("2", "gap", "x"));
        assert!(events.next().await.unwrap().is_none());
    }
}
