//! Listeners and connections: TCP and a Unix socket, HTTP/1.1, bounded in number and in time.

use crate::admission::overflow::{self, Refusals};
use crate::admission::{ACCEPT_RETRY, DRAIN_WAIT};
use crate::agent::{Agent, stopped};
use crate::http::guard::Guard;
use crate::http::reply::HttpError;
use crate::http::router::router;
use crate::worker::Single;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rumormill_runtime::admission::{Busy, Full, Place, Source};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a request's head may take to arrive.
pub const HEAD_WAIT: Duration = Duration::from_secs(10);
/// The most that is buffered of one connection, in bytes.
pub const BUFFER_BYTES_MAX: usize = 32 * 1024;
/// Connections to the Unix socket that wait to be accepted.
const BACKLOG: u32 = 128;

/// Where the API listens.
#[derive(Debug)]
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A path.
    Unix(SocketFile),
}

/// A Unix socket that is removed when it is dropped, unless another one has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    listener: UnixListener,
    name: Name,
}

impl Listener {
    /// Listens on an address.
    pub async fn tcp(address: SocketAddr) -> io::Result<Listener> {
        TcpListener::bind(address).await.map(Listener::Tcp)
    }

    /// Listens on a Unix socket that its owner alone may open.
    ///
    /// It appears at `path` in one step, ready and with its mode set. What a dead agent left there is replaced; a living one is an error of kind
    /// `AddrInUse`.
    pub async fn unix(path: &Path) -> io::Result<Listener> {
        match tokio::net::UnixStream::connect(path).await {
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "an agent answers there already")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused && is_socket(path)? => {} // left by a dead agent
            Err(e) => {
                return Err(io::Error::new(
                    e.kind(),
                    format!("something that is no agent's socket is there: {e}"),
                ));
            }
        }
        let fresh = path.with_file_name(format!(".{}", std::process::id())); // short, as such paths must be
        let _ = std::fs::remove_file(&fresh); // of a dead process with our number
        let socket = UnixSocket::new_stream()?;
        socket.bind(&fresh)?;
        let ready = || {
            // No client can connect before it listens, so none connects under another mode.
            std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
            let listener = socket.listen(BACKLOG)?;
            std::fs::rename(&fresh, path)?;
            let meta = std::fs::symlink_metadata(path)?;
            let name = Name { path: path.into(), inode: (meta.dev(), meta.ino()) };
            Ok(SocketFile { listener, name })
        };
        ready().map(Listener::Unix).inspect_err(|_| {
            let _ = std::fs::remove_file(&fresh);
        })
    }

    /// The address it listens on; none for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(_) => None,
        }
    }

    /// Accepts nothing more. A socket's name goes on a thread of its own, for its disk may hang; it is waited for as long as for any disk.
    async fn close(self) {
        if let Listener::Unix(SocketFile { listener, name }) = self {
            drop(listener);
            let _ = Single::default().ask(move || drop(name)).await; // else a later agent finds a dead socket
        }
    }

    async fn accept(&self) -> io::Result<(Box<dyn Connection>, Source)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), from.ip().into()))
            }
            Listener::Unix(file) => Ok((Box::new(file.listener.accept().await?.0), Source::Local)),
        }
    }
}

fn is_socket(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;
    Ok(std::fs::symlink_metadata(path)?.file_type().is_socket())
}

/// The name of a Unix socket, removed with the socket unless another one has taken its place.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for Name {
    fn drop(&mut self) {
        let is_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.inode);
        if is_ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Answers on `listener` until the agent stops, then lets answers that are under way finish for [`DRAIN_WAIT`].
pub async fn serve(listener: Listener, agent: Arc<Agent>, guard: Guard) {
    let mut stop = agent.stopping();
    let control = match &listener {
        Listener::Tcp(_) => agent.admissions.http.clone(),
        Listener::Unix(_) => agent.admissions.socket.clone(),
    };
    let router = router(agent, guard);
    let mut connections = JoinSet::new();
    let mut refusals = Refusals::new("the admin API");
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, source)) => match control.admit(source) {
                    Ok(place) => {
                        connections.spawn(connection(stream, place, router.clone(), stop.clone()));
                    }
                    Err(full) => refusals.refuse(refuse(stream, full)),
                }
                Err(error) => {
                    control.evict_silent();
                    tracing::warn!(%error, "the admin API cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    let drained = tokio::time::timeout(DRAIN_WAIT, drained); // what is left is cut
    let _ = tokio::join!(listener.close(), drained);
}

/// Answers one request with the reason why this connection is not admitted.
async fn refuse(stream: impl AsyncRead + AsyncWrite + Unpin, full: Full) {
    let hint = "close one, or wait until one is closed: each watcher and each stream of events is one";
    let failure = move || HttpError::new(StatusCode::SERVICE_UNAVAILABLE, overflow::reason(full), hint);
    let router: Router = Router::new().fallback(async move || failure());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).keep_alive(false).header_read_timeout(HEAD_WAIT).half_close(false);
    let service = TowerToHyperService::new(router);
    let _ = http.serve_connection(TokioIo::new(stream), service).await; // an error is the client's
}

async fn connection(
    stream: Box<dyn Connection>,
    place: Place,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .half_close(false);
    let place = Arc::new(place);
    let at = place.clone();
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), at.clone(), request));
    let serving = http.serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    // An error is the client's: it went away, or did not speak HTTP.
    tokio::select! {
        _ = serving.as_mut() => {}
        () = place.evicted() => {}
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

/// Keeps the connection's place from the end of the request, which may never come, to the end of the answer.
async fn answer(
    router: Router,
    place: Arc<Place>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let turn = Arc::new(Turn { place, busy: OnceLock::new() });
    let arriving = Arriving(turn.clone());
    let request = request.map(|body| {
        body.map_err(move |error| {
            let _ = &arriving; // dropped with the body
            error
        })
    });
    let response = TowerToHyperService::new(router).call(request).await?;
    Ok(response.map(|body| {
        Body::new(body.map_err(move |error| {
            let _ = &turn;
            error
        }))
    }))
}

/// One request and its answer.
struct Turn {
    place: Arc<Place>,
    busy: OnceLock<Busy>,
}

/// Dropped once the request is read or refused.
struct Arriving(Arc<Turn>);

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.busy.get_or_init(|| self.0.place.busy());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn the_connection_beyond_the_last_is_answered_503_with_a_hint_and_closed() {
        for (full, words) in
            [(Full::OfListener, "all connections are in use"), (Full::OfSource, "one address may have")]
        {
            let (mut client, server) = tokio::io::duplex(4096);
            client.write_all(b"GET /v1/members HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            refuse(server, full).await;
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
            assert!(answer.contains(words) && answer.contains("\"hint\""), "{answer}");
            assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
        }
    }
}
