//! A real PostgreSQL server.

use super::Client;
use crate::process::{Guard, Scratch};
use crate::{ports, tools, wait};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server of its own, in a directory of its own, on a Unix socket and on loopback. Everybody may connect. It ends with the test.
pub struct Server {
    server: Guard,
    dir: Scratch,
    address: SocketAddr,
}

/// PostgreSQL does not run as root.
fn as_somebody(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

impl Server {
    /// Starts one.
    ///
    /// # Panics
    /// If it cannot be started: a test asks for `postgres` and `psql` before ([`needs!`](crate::needs)).
    pub fn start() -> Server {
        let programs = programs();
        let dir = Scratch::new("postgres");
        if rustix::process::geteuid().is_root() {
            crate::process::run(Command::new("chown").arg("postgres").arg(dir.path()));
        }
        let data = dir.join("data");
        let mut initdb = as_somebody(&programs.join("initdb"));
        initdb.args("--locale=C --lc-ctype=C.UTF-8 -E UTF8 -U postgres --no-sync -A trust -D".split(' '));
        crate::process::run(initdb.arg(&data));
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let mut server = as_somebody(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(dir.path());
        server.args(
            "-c listen_addresses=127.0.0.1 -c timezone=UTC -c fsync=off -c shared_buffers=16MB -p".split(' '),
        );
        server.arg(address.port().to_string());
        let log = dir.join("log");
        let server = Server { server: Guard::spawn(server, &log), dir, address };
        wait::until_true("PostgreSQL answers", 60, || server.client().is_ok());
        server
    }

    /// Its address on loopback.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process: the one that the others belong to.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// A connection as its owner.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn client(&self) -> std::io::Result<Client> {
        Client::connect(self.address, "postgres", "postgres", "")
    }

    /// psql, connected to it.
    pub fn psql(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-U", "postgres", "-d", "postgres", "-p", &self.address.port().to_string(), "-h"]);
        psql.arg(self.dir.path());
        psql
    }

    /// Its directory.
    pub fn dir(&self) -> &Scratch {
        &self.dir
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server.interrupt();
        self.server.wait(30);
    }
}

/// The directory of `initdb` and `postgres`, which belong to one version.
fn programs() -> PathBuf {
    let postgres = tools::which("postgres").expect("needs! found it");
    let postgres = postgres.canonicalize().expect("it exists");
    postgres.parent().expect("a program lies in a directory").to_owned()
}
