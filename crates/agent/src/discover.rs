//! Where the first peers are: addresses, DNS names and a file of either, turned into socket addresses.
//!
//! Literal addresses never touch a resolver, and no name waits for another. How names are looked up: see [`Names`].

mod names;
pub mod seed;

pub use names::{Names, THREADS_MAX};
pub use seed::{Seed, SeedError};

use crate::config::Config;
use crate::model::JoinReason;
use crate::worker;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Most seeds that a file or a configuration may name (our guess).
pub const SEEDS_MAX: usize = 1024;
/// Most addresses that one look-up returns; the rest are dropped and reported (our guess: enough for any list of seeds).
pub const ADDRESSES_MAX: usize = 1024;
/// The largest seed file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long reading it may take; the thread that reads it goes on (our guess: a disk that is slower hangs).
const FILE_READ_MAX: Duration = Duration::from_secs(5);
/// Looks the configured seeds up, as often as it is asked. Clones share their threads.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    fixed: Vec<Seed>,
    file: Option<PathBuf>,
    /// What the file said when it could last be read.
    from_file: Vec<Seed>,
    /// The file is being read: a disk that hangs takes one thread, not one more at each look.
    is_reading: Arc<AtomicBool>,
    dns_server: Option<SocketAddr>,
    names: Names,
}

impl Finder {
    /// The seeds, the seed file and the name server of `config`.
    pub fn new(config: &Config) -> Finder {
        Finder {
            fixed: config.join.clone(),
            file: config.join_file.clone(),
            dns_server: config.dns_server,
            ..Finder::default()
        }
    }

    /// Takes the seeds of `config` in the place of `before`, those of the configuration until now. What was added otherwise stays.
    pub fn configure(&mut self, before: &[Seed], config: &Config) {
        self.fixed.retain(|seed| !before.contains(seed));
        config.join.iter().cloned().for_each(|seed| self.add(seed));
        if self.file != config.join_file {
            self.from_file.clear();
        }
        self.file.clone_from(&config.join_file);
        self.dns_server = config.dns_server;
    }

    /// Whether there is nothing to look up, now or ever.
    pub fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.file.is_none()
    }

    /// Adds a seed, as `POST /v1/join` does. Beyond [`SEEDS_MAX`] the oldest is dropped.
    pub fn add(&mut self, seed: Seed) {
        if !self.fixed.contains(&seed) {
            if self.fixed.len() == SEEDS_MAX {
                self.fixed.remove(0);
            }
            self.fixed.push(seed);
        }
    }

    /// Every seed at this moment, each once, and what is wrong with the seed file.
    ///
    /// The file is read again; while it cannot be read, what it said last still holds.
    pub async fn seeds(&mut self) -> (Vec<Seed>, Vec<SeedError>) {
        let mut errors = Vec::new();
        if let Some(path) = self.file.clone() {
            match self.read(path.clone()).await {
                Ok((seeds, faults)) => {
                    self.from_file = seeds;
                    errors = faults;
                }
                Err(text) => {
                    let seed = path.display().to_string();
                    errors.push(SeedError { seed, reason: JoinReason::SeedFile, text });
                }
            }
        }
        let mut seeds: Vec<Seed> = Vec::new();
        for seed in self.fixed.iter().chain(&self.from_file) {
            if !seeds.contains(seed) {
                seeds.push(seed.clone());
            }
        }
        (seeds, errors)
    }

    /// Takes over what `other`, a clone of this finder, has read of the same file.
    pub fn read_file(&mut self, other: Finder) {
        if self.file == other.file {
            self.from_file = other.from_file;
        }
    }

    async fn read(&self, path: PathBuf) -> Result<(Vec<Seed>, Vec<SeedError>), String> {
        if self.is_reading.swap(true, Ordering::AcqRel) {
            return Err("the disk does not answer".into());
        }
        let is_reading = self.is_reading.clone();
        let what = path.display().to_string();
        let read = worker::once(&what, move || {
            let read = read_file(&path);
            is_reading.store(false, Ordering::Release);
            read
        });
        match tokio::time::timeout(FILE_READ_MAX, read).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => {
                self.is_reading.store(false, Ordering::Release);
                Err("the system gives no thread to read it on".into())
            }
            Err(_) => Err("the disk does not answer".into()),
        }
    }

    /// The addresses of one seed at this moment.
    pub async fn lookup_one(&self, seed: &Seed) -> Result<Vec<SocketAddr>, SeedError> {
        self.names.lookup(seed, self.dns_server).await
    }

    /// Every address of every seed at this moment, without duplicates, in the order of the seeds; names are looked up side by side.
    pub async fn lookup(&mut self) -> (Vec<SocketAddr>, Vec<SeedError>) {
        let (seeds, mut errors) = self.seeds().await;
        let (addresses, more) = lookup(&self.names, &seeds, self.dns_server).await;
        errors.extend(more);
        (addresses, errors)
    }

    /// The threads that look names up.
    pub fn names(&self) -> &Names {
        &self.names
    }
}

/// The seeds of a file: one per line, `#` begins a remark; and what is wrong with lines that are none.
fn read_file(path: &Path) -> Result<(Vec<Seed>, Vec<SeedError>), String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("the file is larger than {FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let (mut seeds, mut errors) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let mut fail = |text| {
            let seed = format!("{}:{}", path.display(), number + 1);
            errors.push(SeedError { seed, reason: JoinReason::SeedFile, text });
        };
        match line.parse() {
            _ if seeds.len() == SEEDS_MAX => {
                fail(format!("more than {SEEDS_MAX} seeds; the rest are left out"));
                break;
            }
            Ok(parsed) => seeds.push(parsed),
            Err(text) => fail(text),
        }
    }
    Ok((seeds, errors))
}

/// Every address of every seed at this moment, without duplicates, in the order of the seeds; names are looked up side by side.
///
/// `dns_server` is asked instead of the system. Needs a tokio runtime with I/O and time if there are names.
pub async fn lookup(
    names: &Names,
    seeds: &[Seed],
    dns_server: Option<SocketAddr>,
) -> (Vec<SocketAddr>, Vec<SeedError>) {
    let mut running = JoinSet::new();
    for (at, seed) in seeds.iter().cloned().enumerate() {
        let names = names.clone();
        running.spawn(async move { (at, names.lookup(&seed, dns_server).await) });
    }
    let mut found = running.join_all().await;
    found.sort_unstable_by_key(|(at, _)| *at);
    let (mut addresses, mut errors) = (Vec::new(), Vec::new());
    for (at, found) in found {
        match found {
            Ok(of_seed) => {
                for address in of_seed {
                    if addresses.len() == ADDRESSES_MAX {
                        let text =
                            format!("more than {ADDRESSES_MAX} addresses in all; {address} is left out");
                        let seed = seeds[at].to_string();
                        errors.push(SeedError { seed, reason: JoinReason::Other, text });
                    } else if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
            }
            Err(error) => errors.push(error),
        }
    }
    (addresses, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_in_every_form_that_people_write_them() {
        let address = |text: &str| Seed::Address(text.parse().unwrap());
        let name = |host: &str, port| Seed::Name { host: host.into(), port };
        for (text, seed) in [
            ("1.2.3.4:7000", address("1.2.3.4:7000")),
            ("1.2.3.4", address("1.2.3.4:7900")),
            ("[::1]:7000", address("[::1]:7000")),
            ("[::1]", address("[::1]:7900")),
            ("fe80::1", address("[fe80::1]:7900")),
            ("db-3.example.org", name("db-3.example.org", None)),
            ("localhost:7000", name("localhost", Some(7000))),
            ("seeds.example.org.", name("seeds.example.org.", None)),
        ] {
            assert_eq!(text.parse::<Seed>().as_ref(), Ok(&seed), "{text}");
            assert_eq!(seed.to_string().parse::<Seed>(), Ok(seed), "{text} written and read again");
        }
        for wrong in
            ["", "1.2.3.4:0", "1.2.3", "host:port", "host:70000", "a b", "a..b", "http://host", "[::1"]
        {
            assert!(wrong.parse::<Seed>().is_err(), "{wrong}");
        }
    }
}
