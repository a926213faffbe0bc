//! Listeners and connections: TCP and a Unix socket, HTTP/1.1, bounded in number and in time.

use super::failure::Failure;
use super::guard::Guard;
use super::refuse::Refusals;
use super::router;
use crate::run::Agent;
use axum::Router;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections of one listener at one time; more are answered 503 (our guess: every watcher, and room for the rest).
pub const CONNECTIONS_MAX: usize = 128;
/// How long a request's head may take to arrive.
pub const HEAD_WAIT: Duration = Duration::from_secs(10);
/// The most that is buffered of one connection, in bytes.
pub const BUFFER_BYTES_MAX: usize = 32 * 1024;
/// How long answers that are under way may take when the agent stops.
pub const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// How long to wait after a failed accept, such as for want of file descriptors.
pub(crate) const ACCEPT_RETRY: Duration = Duration::from_millis(200);
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

/// A Unix socket that is removed when it is dropped, unless somebody has put another in its place.
#[derive(Debug)]
pub struct SocketFile {
    listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
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
            // Nobody can connect before it listens, so nobody comes in under another mode.
            std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
            let listener = socket.listen(BACKLOG)?;
            std::fs::rename(&fresh, path)?;
            let meta = std::fs::symlink_metadata(path)?;
            Ok(SocketFile { listener, path: path.into(), inode: (meta.dev(), meta.ino()) })
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

    async fn accept(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Listener::Unix(file) => Ok(Box::new(file.listener.accept().await?.0)),
        }
    }
}

fn is_socket(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;
    Ok(std::fs::symlink_metadata(path)?.file_type().is_socket())
}

impl Drop for SocketFile {
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
    let router = router(agent.clone(), guard);
    let full = Router::new().fallback(async || {
        let hint = "close one, or wait until one is closed: each watcher and each stream of events is one";
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("all {CONNECTIONS_MAX} connections are taken"),
            hint,
        )
    });
    let mut connections = JoinSet::new();
    let mut refusals = Refusals::new("the admin API");
    loop {
        tokio::select! {
            () = told(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(stream) if connections.len() >= CONNECTIONS_MAX => {
                    let answer = connection(stream, full.clone(), stop.clone(), false);
                    refusals.refuse(&agent.connections_refused, answer);
                }
                Ok(stream) => {
                    connections.spawn(connection(stream, router.clone(), stop.clone(), true));
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin API cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN_WAIT, drained).await; // what is left is cut
}

/// Waits until the agent stops.
pub(crate) async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await; // without a sender it has stopped, too
}

/// Serves one connection: `stays` for more than one request.
async fn connection(
    stream: Box<dyn Connection>,
    router: Router,
    mut stop: watch::Receiver<bool>,
    stays: bool,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .keep_alive(stays)
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .half_close(false);
    let serving = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    // An error is the client's: it went away, or did not speak HTTP.
    tokio::select! {
        _ = serving.as_mut() => {}
        () = told(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}
