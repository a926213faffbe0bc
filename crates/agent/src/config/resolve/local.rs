//! What this node is on its own machine: its API, its data, what it reads and runs, its log.

use super::{Resolver, on_off};
use crate::config::kind::Bytes;
use crate::config::{CLIENT_TOKEN_FILE, LogFormat, PG_PORT, Postgres, SERF_RPC_PORT, Source, address};
use crate::features::events::config::{EventsConfig, QUEUE, WINDOW_BYTES};
use crate::handlers::spec::{HANDLERS_MAX, Handler};
use crate::token::Token;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Bytes per second that vitals cost by default (issue: 2 KiB/s sent per node, sealed, with headers).
const VITALS_BYTES_PER_S: u64 = 2048;
/// Longest path of a Unix socket, in bytes, without the final zero (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

impl Resolver {
    pub(super) fn http_token(&mut self, http: Option<SocketAddr>) -> Option<PathBuf> {
        let path = self.values.http_token_file.take().map(PathBuf::from);
        if path.is_some() {
            // The agent has a token, so the shell's variable is meant for commands.
            let of_commands = Source::Env(CLIENT_TOKEN_FILE.into());
            self.problems.retain(|problem| problem.source != of_commands);
        }
        self.token("http", "http_token_file", path, http)
    }

    /// Off unless it is asked for.
    pub(super) fn serf_rpc(&mut self) -> (Option<SocketAddr>, Option<PathBuf>) {
        let text = self.values.serf_rpc.take();
        let address = self.off_or_address("serf_rpc", text, SERF_RPC_PORT);
        let path = self.values.serf_rpc_auth_file.take().map(PathBuf::from);
        (address, self.token("serf_rpc", "serf_rpc_auth_file", path, address))
    }

    /// Off unless it is asked for, and never without a password: PostgreSQL's clients send whatever they are asked to.
    pub(super) fn pg(&mut self) -> Option<Postgres> {
        let text = self.values.pg.take();
        let address = self.off_or_address("pg", text, PG_PORT);
        let path = self.values.pg_password_file.take().map(PathBuf::from);
        if address.is_some() && path.is_none() {
            let need = "name a file with a password in pg_password_file: one word of 16 characters at least, as `openssl rand -hex 16` prints";
            self.error("pg", need.into());
        }
        let password_file = self.token("pg", "pg_password_file", path, None);
        Some(Postgres { address: address?, password_file: password_file? })
    }

    fn off_or_address(&mut self, key: &str, text: Option<String>, port: u16) -> Option<SocketAddr> {
        let text = text.unwrap_or_else(|| "off".into());
        self.show(key, &text);
        match text.as_str() {
            "off" => None,
            text => address::listen(text, port).map_err(|fault| self.error(key, fault)).ok(),
        }
    }

    /// The file with a token, which an address needs that others can reach.
    fn token(
        &mut self,
        of: &str,
        key: &str,
        path: Option<PathBuf>,
        address: Option<SocketAddr>,
    ) -> Option<PathBuf> {
        self.show(key, path.as_ref().map_or("none".into(), |p| p.display().to_string()));
        match (&path, address) {
            (Some(path), _) => {
                if let Some(text) = self.secret(key, path)
                    && let Err(fault) = Token::parse(&text)
                {
                    self.error(key, format!("{}: {fault}", path.display()));
                }
            }
            (None, Some(address)) if !address.ip().is_loopback() => self.error(
                of,
                format!(
                    "others can reach {address}: name a file with a token in {key}, or stay on 127.0.0.1"
                ),
            ),
            (None, _) => {}
        }
        path
    }

    pub(super) fn http_hosts(&mut self) -> Vec<String> {
        let hosts = self.values.http_hosts.take().unwrap_or_default();
        self.show("http_hosts", hosts.join(", "));
        for host in &hosts {
            if host.is_empty()
                || host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@:".contains(c))
            {
                self.error(
                    "http_hosts",
                    format!("{host:?} is no host name (leave out scheme, port and path)"),
                );
            }
        }
        hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect()
    }

    pub(super) fn data_dir(&mut self, default: Option<PathBuf>) -> Option<PathBuf> {
        let data_dir = match self.values.data_dir.take() {
            Some(text) if text == "none" => None,
            Some(text) => Some(PathBuf::from(text)),
            None if default.is_none() => {
                self.error("data_dir", "no home directory to put it into: name one, or say none".into());
                None
            }
            None => default,
        };
        self.show("data_dir", data_dir.as_ref().map_or("none".into(), |p| p.display().to_string()));
        if let Some(dir) = &data_dir
            && dir.exists()
            && !dir.is_dir()
        {
            self.error("data_dir", format!("{} is not a directory", dir.display()));
        }
        data_dir
    }

    pub(super) fn socket(&mut self, data_dir: Option<&PathBuf>) -> Option<PathBuf> {
        let given = self.values.socket.take();
        let path = match &given {
            Some(text) if text == "off" => None,
            Some(text) => Some(PathBuf::from(text)),
            None => data_dir.map(|dir| dir.join("agent.sock")),
        };
        self.show("socket", path.as_ref().map_or("off".into(), |p| p.display().to_string()));
        let path = path?;
        let bytes = path.as_os_str().len();
        if bytes <= SOCKET_PATH_BYTES_MAX {
            return Some(path);
        }
        let text = format!("a socket's path takes at most {SOCKET_PATH_BYTES_MAX} bytes, this one {bytes}");
        match given {
            Some(_) => self.error("socket", text),
            None => self.warn("socket", format!("{text}; there will be none until a shorter one is named")),
        }
        None
    }

    pub(super) fn vitals(&mut self) -> (bool, u64, PathBuf) {
        let on = self.values.vitals.take().unwrap_or(true);
        let budget = self.values.vitals_budget.take().map_or(VITALS_BYTES_PER_S, |b| b.0);
        let root = self.values.host_root.take().map_or_else(|| PathBuf::from("/"), PathBuf::from);
        self.show("vitals", on_off(on));
        self.show("vitals_budget", format!("{}/s", Bytes(budget)));
        self.show("host_root", root.display());
        if on && budget == 0 {
            self.error("vitals_budget", "nothing can be sent for 0 bytes; say vitals = \"off\"".into());
        }
        if on && !root.join("proc").is_dir() {
            self.warn(
                "host_root",
                format!("there is no {}; vitals will be empty", root.join("proc").display()),
            );
        }
        (on, budget, root)
    }

    /// Off unless it is asked for.
    pub(super) fn phi(&mut self, vitals: bool) -> bool {
        let on = self.values.phi.take().unwrap_or(false);
        self.show("phi", on_off(on));
        if on && !vitals {
            let text = "vitals are off, and phi measures the arrivals of vitals; say vitals = \"on\", or phi = \"off\"";
            self.error("phi", text.into());
        }
        on
    }

    pub(super) fn events(&mut self) -> EventsConfig {
        let default = EventsConfig::default();
        let window = self.values.events_window.take().map_or(default.window_bytes as u64, |b| b.0);
        let queue = self.values.events_queue.take().unwrap_or(default.queue_max as u64);
        let replay = self.values.events_replay.take().unwrap_or(default.replay);
        self.show("events_window", Bytes(window));
        self.show("events_queue", queue);
        self.show("events_replay", on_off(replay));
        if !WINDOW_BYTES.contains(&window) {
            let (least, most) = (Bytes(*WINDOW_BYTES.start()), Bytes(*WINDOW_BYTES.end()));
            self.error("events_window", format!("{} is not within {least} to {most}", Bytes(window)));
        }
        if !QUEUE.contains(&queue) {
            let text = format!("{queue} is not within {} to {}", QUEUE.start(), QUEUE.end());
            self.error("events_queue", text);
        }
        EventsConfig { window_bytes: window as usize, queue_max: queue as usize, replay }
    }

    pub(super) fn handlers(&mut self) -> Vec<Handler> {
        let given = self.values.on.take().unwrap_or_default().0;
        self.show("on", given.join("; "));
        if given.len() > HANDLERS_MAX {
            self.error("on", format!("{} handlers, at most {HANDLERS_MAX} are run", given.len()));
        }
        let mut handlers = Vec::new();
        for text in given {
            match text.parse() {
                Ok(handler) => handlers.push(handler),
                Err(fault) => self.error("on", fault),
            }
        }
        handlers
    }

    pub(super) fn log(&mut self) -> (String, LogFormat) {
        let log = self.values.log.take().unwrap_or_else(|| "info".into());
        self.show("log", &log);
        if let Err(fault) = crate::logging::filter(&log) {
            self.error("log", fault);
        }
        let format = self.values.log_format.take().unwrap_or_else(|| "text".into());
        self.show("log_format", &format);
        let format = format.parse().unwrap_or_else(|fault| {
            self.error("log_format", fault);
            LogFormat::Text
        });
        (log, format)
    }

    /// Hidden: shown only where it is set.
    pub(super) fn faults(&mut self) -> bool {
        let Some(faults) = self.values.faults.take() else { return false };
        self.show("faults", on_off(faults));
        faults
    }
}
