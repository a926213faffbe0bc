//! The settings of a member, each with its default.

use crate::address::Address;
use rumormill_core::drive::Limits;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::events;
use rumormill_runtime::keyring::Keyring;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The port of gossip, as the agent's.
pub const PORT: u16 = 7900;
/// For so long [`Cluster::joined`](super::Cluster::joined) waits (our guess: three rounds of joining).
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The source of the cluster's keys.
#[derive(Clone)]
pub(crate) enum Keys {
    /// There are none: on loopback only, unless it is allowed elsewhere.
    None,
    /// A key file, into which changes are written.
    File(PathBuf),
    /// The program's own.
    Ring(Keyring),
}

/// The settings of a member. [`Cluster::builder`](super::Cluster::builder) makes one, [`Builder::start`] starts it.
#[derive(Clone)]
pub struct Builder {
    pub(crate) name: String,
    pub(crate) cluster: String,
    pub(crate) bind: Address,
    pub(crate) advertise: Vec<SocketAddr>,
    pub(crate) seeds: Vec<Address>,
    pub(crate) keys: Keys,
    pub(crate) insecure: bool,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) swim: swim::Config,
    pub(crate) events: events::Config,
    pub(crate) budget_bytes_per_s: u64,
    pub(crate) join_timeout: Duration,
    pub(crate) faults: bool,
}

impl Builder {
    pub(crate) fn new(name: String) -> Builder {
        Builder {
            name,
            cluster: "default".into(),
            bind: Address::Socket((Ipv4Addr::LOCALHOST, PORT).into()),
            advertise: Vec::new(),
            seeds: Vec::new(),
            keys: Keys::None,
            insecure: false,
            tags: BTreeMap::new(),
            data_dir: None,
            swim: swim::Config::default(),
            events: events::Config::default(),
            budget_bytes_per_s: Limits::default().budget_bytes_per_s,
            join_timeout: JOIN_TIMEOUT,
            faults: false,
        }
    }

    /// The cluster's name, `default` unless it is set. Clusters of different names never hear each other.
    pub fn cluster(mut self, name: impl Into<String>) -> Builder {
        self.cluster = name.into();
        self
    }

    /// Where to listen, UDP and TCP on one port; port 0 picks a free one. `127.0.0.1:7900` unless it is set.
    pub fn bind(mut self, address: impl Into<Address>) -> Builder {
        self.bind = address.into();
        self
    }

    /// An address at which others reach this member, at most three. Without one it is the bound address, or the one that this machine uses outwards.
    pub fn advertise(mut self, address: SocketAddr) -> Builder {
        self.advertise.push(address);
        self
    }

    /// A seed: the address of any member. It is tried until it is met, and again whenever it is lost.
    pub fn join(mut self, seed: impl Into<Address>) -> Builder {
        self.seeds.push(seed.into());
        self
    }

    /// The cluster's key file, as `rumormill keygen` makes it: a key a line, 32 bytes in base64 or hexadecimal, the primary one first. Rotations ordered by
    /// other members are written into it.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Builder {
        self.keys = Keys::File(path.into());
        self
    }

    /// The cluster's keys, where the program keeps them itself. A clone of the ring is the same ring: rotations show in it.
    pub fn keyring(mut self, keyring: Keyring) -> Builder {
        self.keys = Keys::Ring(keyring);
        self
    }

    /// Allows to listen beyond loopback without a key, where anybody can join and forge packets.
    pub fn insecure(mut self) -> Builder {
        self.insecure = true;
        self
    }

    /// A tag of this member: metadata that all members see, at most 64 KiB in all.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Builder {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// A data directory: a restarted member keeps its id, finds the cluster again, and no event is delivered to it twice. Without one it forgets itself.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Builder {
        self.data_dir = Some(path.into());
        self
    }

    /// Membership's settings: [`swim::Config::lan`] unless they are set, and the same on all members.
    pub fn swim(mut self, config: swim::Config) -> Builder {
        self.swim = config;
        self
    }

    /// The events' settings.
    pub fn events(mut self, config: events::Config) -> Builder {
        self.events = config;
        self
    }

    /// Bytes that this member may send per second, headers included: 8 MiB unless it is set.
    pub fn budget_bytes_per_s(mut self, bytes: u64) -> Builder {
        self.budget_bytes_per_s = bytes;
        self
    }

    /// For so long [`Cluster::joined`](super::Cluster::joined) waits: [`JOIN_TIMEOUT`] unless it is set.
    pub fn join_timeout(mut self, timeout: Duration) -> Builder {
        self.join_timeout = timeout;
        self
    }

    /// Allows to inject faults with [`Cluster::faults`](super::Cluster::faults): for tests and demos.
    pub fn allow_faults(mut self) -> Builder {
        self.faults = true;
        self
    }
}
