//! Socket addresses as people write them.

use rumormill_runtime::addresses::{any, interface, is_link_local, listed};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

/// The port of gossip, UDP and TCP.
pub const GOSSIP_PORT: u16 = 7900;

pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// `1.2.3.4`, `1.2.3.4:7900`, `::1`, `[::1]`, `[::1]:7900`, `[fe80::1%eth0]:7900`, with `port` where none is written; none if it is no address at all.
pub fn literal(text: &str, port: u16) -> Option<Result<SocketAddr, String>> {
    let (host, given) = split(text)?;
    let (ip, zone) = match host.split_once('%') {
        Some((ip, zone)) => (ip.parse().ok()?, Some(zone)),
        None => (host.parse().ok()?, None),
    };
    if text.starts_with('[') && matches!(ip, IpAddr::V4(_)) {
        return None;
    }
    let port = match given.map_or(Ok(port), |given| self::port(text, given)) {
        Ok(port) => port,
        Err(fault) => return Some(Err(fault)),
    };
    Some(scoped(text, ip, zone, port))
}

/// Host and port. An IPv6 address without brackets has no port.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((inner, Some(port))),
            None => after.is_empty().then_some((inner, None)),
        };
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => Some((host, Some(port))),
        _ => Some((text, None)),
    }
}

/// An interface means something to link-local addresses alone.
fn scoped(text: &str, ip: IpAddr, zone: Option<&str>, port: u16) -> Result<SocketAddr, String> {
    let (IpAddr::V6(v6), Some(zone)) = (ip, zone) else {
        return match zone {
            Some(_) => Err(format!("{text:?} names an interface, which only IPv6 addresses do")),
            None => Ok(SocketAddr::new(ip, port)),
        };
    };
    let index = zone.parse().ok().filter(|index| *index != 0).or_else(|| interface(zone));
    let index = index.ok_or_else(|| {
        format!("{text:?}: this machine has no interface {zone:?}; it has the addresses {}", listed())
    })?;
    let scope = if is_link_local(ip) { index } else { 0 };
    Ok(SocketAddrV6::new(v6, port, 0, scope).into())
}

/// The port in `:7900` and in `7900`.
pub fn port_alone(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(':').unwrap_or(text);
    digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A port in `text`.
pub fn port(text: &str, port: &str) -> Result<u16, String> {
    let is_plain = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let wrong = || format!("{port:?} in {text:?} is no port (1 to 65535)");
    port.parse().ok().filter(|_| is_plain).ok_or_else(wrong)
}

/// Refuses the port 0 of `text`.
pub fn not_zero(text: &str) -> impl Fn(u16) -> Result<u16, String> + '_ {
    move |port| {
        if port == 0 { Err(format!("{text:?} has port 0, where nobody can be reached")) } else { Ok(port) }
    }
}

/// An address to listen on: that of an interface, or `:7900` for all of them.
pub fn listen(text: &str, port: u16) -> Result<SocketAddr, String> {
    let text = text.trim();
    match port_alone(text) {
        Some(all) if text.starts_with(':') => return Ok(any(all)),
        Some(alone) => {
            return Err(format!(
                "{text:?} is a port alone: write :{alone} for all interfaces, or 127.0.0.1:{alone} for this machine"
            ));
        }
        None => {}
    }
    let address = exact(text, port, &format!(", or :{port} for all interfaces"))?;
    match address {
        SocketAddr::V6(v6) if v6.scope_id() == 0 && is_link_local(address.ip()) => Err(format!(
            "{text:?} is a link-local address, which needs its interface: write [{}%eth0]:{}; this machine has {}",
            v6.ip(),
            v6.port(),
            listed()
        )),
        _ => Ok(address),
    }
}

/// The address of another machine, or of this one as others see it.
pub fn elsewhere(text: &str, port: u16) -> Result<SocketAddr, String> {
    let text = text.trim();
    match port_alone(text) {
        Some(alone) => {
            Err(format!("{text:?} names no address: write ADDR:{alone}, for example 10.0.0.5:{alone}"))
        }
        None => exact(text, port, ""),
    }
}

fn exact(text: &str, port: u16, more: &str) -> Result<SocketAddr, String> {
    literal(text, port).unwrap_or_else(|| {
        Err(format!(
            "{text:?} is not ADDR:PORT, for example 10.0.0.5:{port} or [2001:db8::5]:{port}{more} (no host names here)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(read: Result<SocketAddr, String>) -> String {
        read.map_or_else(|fault| format!("no: {fault}"), |address| address.to_string())
    }

    #[test]
    fn addresses_to_listen_on_are_read_as_people_write_them() {
        let all = any(0).ip();
        for (text, read) in [
            ("10.0.0.5:7000", "10.0.0.5:7000".to_string()),
            ("10.0.0.5", "10.0.0.5:7900".into()),
            (" 127.0.0.1:0 ", "127.0.0.1:0".into()),
            ("::1", "[::1]:7900".into()),
            ("[::1]", "[::1]:7900".into()),
            ("[::]:1", "[::]:1".into()),
            ("[fe80::1%2]:7000", "[fe80::1%2]:7000".into()),
            ("[fe80::1%2]", "[fe80::1%2]:7900".into()),
            ("fe80::1%2", "[fe80::1%2]:7900".into()),
            ("[fe80::1%lo]:7000", "[fe80::1%1]:7000".into()),
            ("fe80::1%lo", "[fe80::1%1]:7900".into()),
            ("[::1%lo]:7000", "[::1]:7000".into()),
            (":7000", SocketAddr::new(all, 7000).to_string()),
            (":0", SocketAddr::new(all, 0).to_string()),
        ] {
            assert_eq!(shown(listen(text, 7900)), read, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_address_to_listen_on_is_answered_with_what_to_write() {
        for (text, says) in [
            ("7900", "write :7900 for all interfaces, or 127.0.0.1:7900 for this machine"),
            ("", "is not ADDR:PORT"),
            (":", "is not ADDR:PORT"),
            (":70000", "is not ADDR:PORT"),
            ("10.0.0.5:", "\"\" in \"10.0.0.5:\" is no port"),
            ("10.0.0.5:+1", "is no port"),
            ("10.0.0.5:70000", "is no port (1 to 65535)"),
            ("[10.0.0.5]:7900", "is not ADDR:PORT"),
            ("[::1", "is not ADDR:PORT"),
            ("[::1]7900", "is not ADDR:PORT"),
            ("localhost:7900", "no host names here"),
            ("*:7900", ":7900 for all interfaces"),
            ("[fe80::1]:7900", "write [fe80::1%eth0]:7900"),
            ("[fe80::1%]:7900", "has no interface \"\""),
            ("[fe80::1%nope0]:7900", "has no interface \"nope0\""),
            ("10.0.0.5%eth0:7900", "only IPv6 addresses do"),
        ] {
            let fault = listen(text, 7900).expect_err(text);
            assert!(fault.contains(says), "{text:?}: {fault}");
        }
    }

    #[test]
    fn a_port_alone_is_nowhere_to_reach_anybody() {
        for text in [":7900", "7900"] {
            let fault = elsewhere(text, 7900).unwrap_err();
            assert!(fault.contains("write ADDR:7900"), "{fault}");
        }
        assert_eq!(shown(elsewhere("10.0.0.5", 53)), "10.0.0.5:53");
    }
}
