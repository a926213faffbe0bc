//! Addresses that a test has for itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port on `127.0.0.1` that was free for TCP and UDP a moment ago.
///
/// # Panics
/// If the machine has none.
pub fn free() -> u16 {
    for _ in 0..100 {
        let stream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free TCP port");
        let port = stream.local_addr().expect("a bound socket has an address").port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for TCP and UDP alike");
}

/// An address on loopback (`127.a.b.c`) that no other call in this process gives out; other processes get others, but for a chance
/// of one in 8,000. On it any port can be taken to be free, so that a restarted agent finds its own again.
pub fn loopback_host() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(nth < 2_000, "one test process asked for {nth} loopback addresses");
    // 22 bits for the process, of which pid_max leaves about as many; 11 for what it asks for. 24 are to be had: fold.
    let mixed = std::process::id().wrapping_mul(2_654_435_761) >> 19; // 13 bits
    let bits = (mixed << 11) | u32::from(nth);
    let [_, a, b, c] = bits.to_be_bytes();
    Ipv4Addr::new(127, a.max(1), b, c)
}

/// `port` on a loopback address of its own, as text.
pub fn loopback(port: u16) -> String {
    SocketAddr::from((loopback_host(), port)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loopback_address_is_handed_out_once_and_can_be_bound() {
        let all: std::collections::BTreeSet<_> = (0..100).map(|_| loopback_host()).collect();
        assert_eq!(all.len(), 100);
        for host in all {
            assert!(host.is_loopback());
            UdpSocket::bind((host, 0)).unwrap();
        }
        assert!(free() > 0);
    }
}
