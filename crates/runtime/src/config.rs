//! What a node is told before it starts, and the sockets it is given.

use crate::addresses::{self, Basis, with_port};
use crate::book::Reach;
use crate::contact::{ADDRESSES_MAX, Contact};
use crate::keyring::Keyring;
use crate::seal::SEAL_BYTES;
use crate::socket::{RECEIVE_BYTES_MAX, SOCKET_BUFFER_BYTES, header_bytes};
use rumormill_core::NodeId;
use rumormill_core::drive::Limits;
use rumormill_core::identity::Life;
use socket2::{Domain, Protocol as Transport, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// UDP payload of a full datagram, in bytes: below what is left of an Ethernet frame behind a tunnel or two (our guess).
pub const UDP_PAYLOAD_BYTES_MAX: usize = 1_400;
/// The longest name of a cluster, in bytes.
pub const CLUSTER_BYTES_MAX: usize = 64;
/// Bytes around a message on the stream: frame and seal, and one TCP segment over IPv6 with timestamps.
pub const STREAM_OVERHEAD_BYTES: usize = crate::connection::FRAME_BYTES + 40 + 32;

const _: () = assert!(SEAL_BYTES < UDP_PAYLOAD_BYTES_MAX && UDP_PAYLOAD_BYTES_MAX < RECEIVE_BYTES_MAX);

/// How often a free port for both UDP and TCP is looked for.
const PORT_TRIES_MAX: usize = 64;
/// Connections that wait to be accepted, as asked of the system.
const BACKLOG: i32 = 1_024;

/// The sizes to pack and count by for a node bound to `ip`, with what it may send per second, all headers counted.
pub fn limits(ip: IpAddr, budget_bytes_per_s: u64) -> Limits {
    Limits {
        datagram_bytes_max: UDP_PAYLOAD_BYTES_MAX - SEAL_BYTES,
        datagram_overhead_bytes: SEAL_BYTES + header_bytes(ip.is_ipv6()),
        stream_overhead_bytes: STREAM_OVERHEAD_BYTES,
        budget_bytes_per_s,
    }
}

/// What a node is told before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, UDP and TCP on one port; port 0 picks one that is free for both.
    pub bind: SocketAddr,
    /// What to tell others to send to, at most three; port 0 stands for the bound one. None: the bound address, or the one that
    /// this machine would use outwards.
    pub advertise: Option<Vec<SocketAddr>>,
    /// Members that it will join, as far as their addresses are known: a node that listens on all interfaces tells others the address that it sends
    /// from to these.
    pub seeds: Vec<SocketAddr>,
    /// The cluster's name, at most [`CLUSTER_BYTES_MAX`] bytes. Two clusters of different names never hear each other.
    pub cluster: String,
    /// The cluster's keys.
    pub keyring: Keyring,
    /// Whether to listen beyond loopback even without a key.
    pub insecure: bool,
    /// Who I am.
    pub me: NodeId,
    /// This life; its epoch must be durable by now.
    pub life: Life,
    /// Sizes and budget; see [`limits`].
    pub limits: Limits,
    /// Whether faults may be injected.
    pub faults: bool,
    /// Where the protocol's randomness starts; none: from the system.
    pub seed: Option<u64>,
}

impl Config {
    /// A node that listens at `bind`, in the cluster named "default", with a budget of 8 MiB/s.
    pub fn new(bind: SocketAddr, keyring: Keyring, me: NodeId, life: Life) -> Config {
        Config {
            bind,
            advertise: None,
            seeds: Vec::new(),
            cluster: "default".into(),
            keyring,
            insecure: false,
            me,
            life,
            limits: limits(bind.ip(), Limits::default().budget_bytes_per_s),
            faults: false,
            seed: None,
        }
    }
}

/// The node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Without a key, on an address that others can reach.
    #[error(
        "refusing to listen on {0} without a cluster key, where anybody could join and forge packets: give a key file (`rumormill keygen` makes one), listen on loopback, or allow it (--insecure, Builder::insecure)"
    )]
    NoKey(SocketAddr),
    /// A port cannot be had.
    #[error("cannot listen on {address} ({transport}): {}", addresses::bind_fault(*address, source, "is another one running there?"))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// UDP or TCP.
        transport: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// More addresses than a contact holds, or none.
    #[error("advertise between 1 and {ADDRESSES_MAX} addresses, not {0}")]
    Advertise(usize),
    /// An address that nobody can send to.
    #[error("{0} cannot be advertised, since nobody can send to it: name an address of this machine")]
    Unspecified(SocketAddr),
    /// A name that is too long.
    #[error("the cluster's name has {0} bytes, at most {CLUSTER_BYTES_MAX} are allowed")]
    ClusterName(usize),
    /// Sizes that the wire has no room for.
    #[error("a datagram of {0} bytes of messages does not fit: at most {max} do", max = RECEIVE_BYTES_MAX - 1 - SEAL_BYTES)]
    Limits(usize),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// The system refused something else.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

/// Bound sockets: a node's card carries its contact, so they come before the node.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) udp: std::net::UdpSocket,
    pub(crate) tcp: std::net::TcpListener,
    local: SocketAddr,
    contact: Contact,
    basis: Basis,
}

impl Sockets {
    /// Binds UDP and TCP on the same port, once `config` is found to be sound.
    pub fn bind(config: &Config) -> Result<Sockets, StartError> {
        check(config)?;
        let (udp, tcp) = match config.bind.port() {
            0 => bind_free(config.bind)?,
            _ => bind_both(config.bind)?,
        };
        let local = udp.local_addr()?;
        let (contact, basis) = contact(local, config.advertise.as_deref(), &config.seeds);
        Ok(Sockets { udp, tcp, local, contact, basis })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What to tell others.
    pub fn contact(&self) -> &Contact {
        &self.contact
    }

    /// How sure that is.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Which addresses can be sent to.
    pub fn reach(&self) -> Reach {
        Reach::of(self.local)
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    if config.keyring.is_insecure() && !config.insecure && !config.bind.ip().to_canonical().is_loopback() {
        return Err(StartError::NoKey(config.bind));
    }
    if config.cluster.len() > CLUSTER_BYTES_MAX {
        return Err(StartError::ClusterName(config.cluster.len()));
    }
    if config.limits.datagram_bytes_max + SEAL_BYTES >= RECEIVE_BYTES_MAX {
        return Err(StartError::Limits(config.limits.datagram_bytes_max));
    }
    match config.advertise.as_deref() {
        Some(list) if list.is_empty() || list.len() > ADDRESSES_MAX => Err(StartError::Advertise(list.len())),
        Some(list) => match list.iter().find(|a| a.ip().is_unspecified()) {
            Some(address) => Err(StartError::Unspecified(*address)),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

fn bind_both(at: SocketAddr) -> Result<(std::net::UdpSocket, std::net::TcpListener), StartError> {
    let failed = |transport| move |source| StartError::Bind { address: at, transport, source };
    let tcp = bind_tcp(at).map_err(failed("TCP"))?;
    let at = with_port(at, tcp.local_addr()?.port());
    let udp = bind_udp(at).map_err(failed("UDP"))?;
    Ok((udp, tcp))
}

/// The system picks a port for TCP; it is kept if UDP can have it too.
fn bind_free(at: SocketAddr) -> Result<(std::net::UdpSocket, std::net::TcpListener), StartError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_both(at) {
            Err(StartError::Bind { transport: "UDP", .. }) if tries < PORT_TRIES_MAX => {}
            result => return result,
        }
    }
}

fn bind_udp(at: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Transport::UDP))?;
    open_to_both(&socket, at)?;
    grow_buffers(&socket);
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    Ok(socket.into())
}

fn bind_tcp(at: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Transport::TCP))?;
    open_to_both(&socket, at)?;
    #[cfg(unix)] // elsewhere it lets two programs share a port
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The IPv6 wildcard takes IPv4 as well, whatever the system's default.
fn open_to_both(socket: &Socket, at: SocketAddr) -> io::Result<()> {
    if at.is_ipv6() { socket.set_only_v6(!at.ip().is_unspecified()) } else { Ok(()) }
}

/// As much as the system gives: beyond its limit only for the privileged.
fn grow_buffers(socket: &Socket) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt};
        let received = setsockopt(socket, sockopt::RcvBufForce, &SOCKET_BUFFER_BYTES);
        let sent = setsockopt(socket, sockopt::SndBufForce, &SOCKET_BUFFER_BYTES);
        if received.is_ok() && sent.is_ok() {
            return;
        }
    }
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
}

fn contact(local: SocketAddr, advertise: Option<&[SocketAddr]>, seeds: &[SocketAddr]) -> (Contact, Basis) {
    if let Some(list) = advertise {
        let here = |a: &SocketAddr| with_port(*a, if a.port() == 0 { local.port() } else { a.port() });
        return (Contact::new(list.iter().map(here)), Basis::Given);
    }
    if !local.ip().is_unspecified() {
        return (Contact::new([local]), Basis::Bound);
    }
    let (found, basis) = addresses::reached(local, seeds);
    (Contact::new(found), basis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::Key;
    use std::net::Ipv4Addr;

    fn config(bind: &str, keyring: Keyring) -> Config {
        Config::new(bind.parse().unwrap(), keyring, NodeId(1), Life::default())
    }

    fn secret() -> Keyring {
        Keyring::new(Key::new([1; 32]))
    }

    #[test]
    fn a_free_port_is_the_same_for_both_and_known_before_the_node_is_built() {
        let sockets = Sockets::bind(&config("127.0.0.1:0", secret())).unwrap();
        assert_ne!(sockets.local_addr().port(), 0);
        assert_eq!(sockets.tcp.local_addr().unwrap(), sockets.local_addr());
        assert_eq!(sockets.contact().addresses(), [sockets.local_addr()]);
    }

    #[test]
    fn without_a_key_only_loopback_is_listened_on_unless_told_so() {
        let open = config("0.0.0.0:0", Keyring::insecure());
        let error = Sockets::bind(&open).unwrap_err();
        assert!(matches!(error, StartError::NoKey(_)));
        assert!(
            error.to_string().contains("key file") && error.to_string().contains("--insecure"),
            "{error}"
        );
        assert!(Sockets::bind(&Config { insecure: true, ..open }).is_ok());
        assert!(Sockets::bind(&config("127.0.0.1:0", Keyring::insecure())).is_ok());
        assert!(Sockets::bind(&config("0.0.0.0:0", secret())).is_ok());
    }

    #[test]
    fn a_wildcard_is_never_advertised() {
        for bind in ["0.0.0.0:0", "[::]:0"] {
            let Ok(sockets) = Sockets::bind(&config(bind, secret())) else {
                assert!(bind.starts_with('['), "a machine without IPv6");
                continue;
            };
            let told = sockets.contact().addresses();
            assert!(!told.is_empty() && told.iter().all(|a| !a.ip().is_unspecified()), "{told:?}");
            assert!(told.iter().all(|a| a.port() == sockets.local_addr().port()));
        }
    }

    #[test]
    fn what_is_advertised_may_leave_the_port_open_but_not_the_address() {
        let mut config = config("127.0.0.1:0", secret());
        config.advertise = Some(vec!["10.1.2.3:0".parse().unwrap(), "10.1.2.3:80".parse().unwrap()]);
        let sockets = Sockets::bind(&config).unwrap();
        let port = sockets.local_addr().port();
        assert_eq!(sockets.contact().addresses(), [([10, 1, 2, 3], port).into(), ([10, 1, 2, 3], 80).into()]);
        config.advertise = Some(vec!["0.0.0.0:80".parse().unwrap()]);
        assert!(matches!(Sockets::bind(&config), Err(StartError::Unspecified(_))));
        config.advertise = Some(vec![]);
        assert!(matches!(Sockets::bind(&config), Err(StartError::Advertise(0))));
    }

    #[test]
    fn a_taken_port_is_an_error_that_names_it() {
        let first = Sockets::bind(&config("127.0.0.1:0", secret())).unwrap();
        let taken = first.local_addr().to_string();
        let error = Sockets::bind(&config(&taken, secret())).unwrap_err();
        assert!(error.to_string().contains(&taken), "{error}");
    }

    #[test]
    fn limits_are_what_the_seal_and_the_headers_really_take() {
        let limits = limits(Ipv4Addr::LOCALHOST.into(), 1);
        assert_eq!(limits.datagram_bytes_max + SEAL_BYTES, UDP_PAYLOAD_BYTES_MAX);
        assert_eq!(limits.datagram_overhead_bytes, SEAL_BYTES + 28);
    }
}
