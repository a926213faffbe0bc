//! Listeners and secrets, before the first packet leaves.

use crate::config::{Config, Postgres};
use crate::http::guard::Guard;
use crate::http::serve::Listener;
use crate::start::error::RunError;
use crate::token::Token;
use crate::worker;
use rumormill_runtime::keyring::{Keyring, KeyringError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use tokio::net::TcpListener;

/// Binds the HTTP API, each listener with its guard.
pub(super) async fn listen(
    config: &Config,
    token: Option<Arc<RwLock<Token>>>,
) -> Result<Vec<(Listener, Guard)>, RunError> {
    let mut listeners = Vec::new();
    if let Some(address) = config.http {
        let guard = match token {
            Some(token) => Guard::Token(token),
            None if address.ip().to_canonical().is_loopback() => {
                Guard::Loopback(config.http_hosts.clone().into())
            }
            None => return Err(RunError::NoToken(address)),
        };
        let listener = Listener::tcp(address).await.map_err(|source| RunError::Http { address, source })?;
        listeners.push((listener, guard));
    }
    if let Some(path) = &config.socket {
        if let Some(dir) = path.parent().filter(|dir| Some(*dir) == config.data_dir.as_deref()) {
            use std::os::unix::fs::DirBuilderExt;
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|source| RunError::Socket { path: path.clone(), source })?;
        }
        let failed = |source| RunError::Socket { path: path.clone(), source };
        listeners.push((Listener::unix(path).await.map_err(failed)?, Guard::Socket));
    }
    Ok(listeners)
}

/// Binds Serf's RPC, with the token that it requires.
pub(super) async fn listen_for_serf(
    config: &Config,
) -> Result<Option<(TcpListener, Option<Arc<Token>>)>, RunError> {
    let Some(address) = config.serf_rpc else { return Ok(None) };
    let token = token(config.serf_rpc_auth_file.as_deref()).await?.map(Arc::new);
    if token.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(RunError::NoSerfRpcToken(address));
    }
    let listener = TcpListener::bind(address).await;
    Ok(Some((listener.map_err(|source| RunError::SerfRpc { address, source })?, token)))
}

/// Binds PostgreSQL's protocol, with the password that it requires.
pub(super) async fn listen_for_postgres(config: &Config) -> Result<Option<(TcpListener, String)>, RunError> {
    let Some(Postgres { address, password_file: path }) = config.pg.clone() else { return Ok(None) };
    let (what, file) = (format!("the password file {}", path.display()), path.clone());
    let loaded = worker::once(&what, move || Token::load_text(&file)).await;
    let loaded = loaded.map_err(|error| error.to_string()).flatten();
    let password = loaded.map_err(|text| RunError::Token { path, text })?;
    let listener = TcpListener::bind(address).await;
    Ok(Some((listener.map_err(|source| RunError::Pg { address, source })?, password)))
}

/// The cluster's keys in a file, or none if none is named. Waits as long as the disk takes; the log says so.
pub(super) async fn keyring(path: Option<PathBuf>) -> Result<Keyring, RunError> {
    let Some(path) = path else { return Ok(Keyring::insecure()) };
    let (what, file) = (format!("the key file {}", path.display()), path.clone());
    let loaded = worker::once(&what, move || Keyring::load(&file)).await;
    loaded.map_err(KeyringError::Io).flatten().map_err(|source| RunError::Key { path, source })
}

/// The token in a file, if one is named. Waits as long as the disk takes; the log says so.
pub(super) async fn token(path: Option<&Path>) -> Result<Option<Token>, RunError> {
    let Some(path) = path.map(Path::to_path_buf) else { return Ok(None) };
    let (what, file) = (format!("the token file {}", path.display()), path.clone());
    let loaded = worker::once(&what, move || Token::load(&file)).await;
    let loaded = loaded.map_err(|error| error.to_string()).flatten();
    loaded.map(Some).map_err(|text| RunError::Token { path, text })
}
