//! Addresses of this machine: which there are, which one leads where, and what to say when a socket cannot have one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

/// An address of an interface that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub ip: IpAddr,
    /// The interface's index, for a link-local IPv6 address; 0 for others.
    pub scope: u32,
}

impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.scope {
            0 => write!(f, "{}", self.ip),
            _ => write!(f, "{}%{}", self.ip, self.interface),
        }
    }
}

/// The addresses of the interfaces that are up, in the system's order; none where the system does not tell.
#[cfg(target_os = "linux")]
pub fn own() -> Vec<Own> {
    use nix::net::if_::InterfaceFlags;
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let up = all.filter(|one| one.flags.contains(InterfaceFlags::IFF_UP));
    up.filter_map(|one| {
        let address = one.address?;
        let v4 = || address.as_sockaddr_in().map(|a| (IpAddr::V4(a.ip()), 0));
        let v6 = || address.as_sockaddr_in6().map(|a| (IpAddr::V6(a.ip()), a.scope_id()));
        let (ip, scope) = v4().or_else(v6)?;
        Some(Own { interface: one.interface_name, ip, scope: if is_link_local(ip) { scope } else { 0 } })
    })
    .collect()
}

/// The addresses of the interfaces that are up, in the system's order; none where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn own() -> Vec<Own> {
    Vec::new()
}

/// The index of the interface of that name.
#[cfg(target_os = "linux")]
pub fn interface(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// The index of the interface of that name.
#[cfg(not(target_os = "linux"))]
pub fn interface(_: &str) -> Option<u32> {
    None
}

/// Whether it is an IPv6 address that is unique on one link alone (`fe80::/10`).
pub fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// All interfaces: both families where the machine has IPv6, otherwise IPv4.
pub fn any(port: u16) -> SocketAddr {
    let v6 = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None);
    match v6 {
        Ok(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
        Err(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
    }
}

/// The same address with another port, and with its scope, which `SocketAddr::new` would drop.
pub fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// A link-local address that came without its interface, completed by the interface of `near`.
pub(crate) fn scoped(address: SocketAddr, scope: u32) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() == 0 && v6.ip().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.ip(), v6.port(), v6.flowinfo(), scope).into()
        }
        _ => address,
    }
}

/// The address that this machine sends from to `there`. No packet leaves.
pub fn outgoing(there: SocketAddr) -> Option<SocketAddr> {
    let from: SocketAddr = match there {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(there).ok()?;
    socket.local_addr().ok().filter(|from| !from.ip().is_unspecified())
}

/// Where others reach a node that listens on all interfaces, and how sure that is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// There is no other address: nobody beyond this machine reaches it.
    Loopback,
    /// The machine has no default route: its interfaces' addresses, of which one may be meant.
    Interface,
    /// What it sends from by its default route.
    DefaultRoute,
    /// What it sends from to a seed.
    Seed,
    /// It listens on that address alone.
    Bound,
    /// The operator said so.
    Given,
}

/// Where others reach a node that listens on all interfaces at `local`: by the route to the seeds, by the default route, or at its interfaces.
pub(crate) fn reached(local: SocketAddr, seeds: &[SocketAddr]) -> (Vec<SocketAddr>, Basis) {
    let here = |address: SocketAddr| with_port(address, local.port());
    let fits = |address: &SocketAddr| local.is_ipv6() || address.is_ipv4();
    let is_beyond = |address: &SocketAddr| !address.ip().is_loopback();
    let by_route = |there: &SocketAddr| outgoing(*there).filter(is_beyond).map(here);
    let mut found: Vec<SocketAddr> =
        seeds.iter().filter(|seed| fits(seed) && is_beyond(seed)).filter_map(by_route).collect();
    let mut basis = if found.is_empty() { Basis::DefaultRoute } else { Basis::Seed };
    // Set aside for documentation (RFC 5737, RFC 3849): only a default route leads there.
    let beyond: [SocketAddr; 2] =
        [(Ipv4Addr::new(192, 0, 2, 1), 9).into(), (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into()];
    for there in beyond.iter().filter(|there| fits(there)) {
        let is_lacking = !found.iter().any(|address| address.is_ipv4() == there.is_ipv4());
        found.extend(is_lacking.then(|| by_route(there)).flatten());
    }
    if found.is_empty() {
        basis = Basis::Interface;
        let mut all = own();
        all.retain(|own| !own.ip.is_loopback() && !is_link_local(own.ip));
        all.sort_by_key(|own| own.ip.is_ipv6());
        found.extend(all.iter().map(|own| SocketAddr::new(own.ip, local.port())).filter(fits));
    }
    if found.is_empty() {
        basis = Basis::Loopback;
        let ip = if local.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        found.push(SocketAddr::new(ip, local.port()));
    }
    (found, basis)
}

/// Why a socket cannot have that address, and what to do; `what` is who else may be there.
pub fn bind_fault(address: SocketAddr, source: &io::Error, what: &str) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => format!("the address is in use ({what})"),
        io::ErrorKind::AddrNotAvailable => {
            format!("no interface of this machine has {}; it has {}", bare(address), listed())
        }
        io::ErrorKind::PermissionDenied if address.port() < 1_024 => {
            format!("{source}; ports below 1024 are for root: choose a higher one")
        }
        io::ErrorKind::InvalidInput if is_link_local(address.ip()) => {
            format!(
                "a link-local address needs its interface: write [{}%eth0]:{}",
                address.ip(),
                address.port()
            )
        }
        _ => source.to_string(),
    }
}

/// The address as it was written, without its port.
fn bare(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        _ => address.ip().to_string(),
    }
}

/// The addresses of this machine, for an error.
pub fn listed() -> String {
    let all: Vec<String> = own().iter().map(ToString::to_string).collect();
    if all.is_empty() { "none that the system tells".into() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_address_is_answered_with_those_of_this_machine() {
        let foreign: SocketAddr = "192.0.2.77:7900".parse().unwrap();
        let fault = UdpSocket::bind(foreign).unwrap_err();
        let text = bind_fault(foreign, &fault, "is another agent running there?");
        assert!(text.starts_with("no interface of this machine has 192.0.2.77; it has "), "{text}");
        assert!(!text.contains("another agent"), "{text}");
        assert!(!cfg!(target_os = "linux") || text.contains("127.0.0.1"), "{text}");
    }

    #[test]
    fn a_scope_survives_another_port_and_is_filled_in_for_link_local_addresses_alone() {
        let scope = |address: SocketAddr| if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
        assert_eq!(scope(with_port("[fe80::1%2]:7900".parse().unwrap(), 1)), 2);
        assert_eq!(scope(scoped("[fe80::1]:7900".parse().unwrap(), 3)), 3);
        assert_eq!(scope(scoped("[fe80::1%2]:7900".parse().unwrap(), 3)), 2);
        assert_eq!(scope(scoped("[2001:db8::1]:7900".parse().unwrap(), 3)), 0);
    }

    #[test]
    fn the_way_to_this_machine_itself_is_that_address() {
        let here: SocketAddr = "127.0.0.1:7900".parse().unwrap();
        assert_eq!(outgoing(here).map(|from| from.ip()), Some(here.ip()));
        let (found, basis) = reached("0.0.0.0:7900".parse().unwrap(), &[here]);
        assert!(basis != Basis::Seed, "the way to a loopback seed tells nothing: {found:?}");
        assert!(found.iter().all(|address| address.port() == 7900 && address.is_ipv4()), "{found:?}");
    }
}
