//! The datagram socket: many datagrams per system call where the system can.

use crate::contact::canonical;
use crate::counters::{Cause, Counters, add};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::UdpSocket;

/// Datagrams per system call.
pub const BATCH: usize = 32;
/// The largest datagram taken; a larger one is dropped and counted. Nobody here sends more than 1,400 bytes.
pub const RECEIVE_BYTES_MAX: usize = 2_048;
/// What is asked of the system for each direction, in bytes; it may give less.
pub const SOCKET_BUFFER_BYTES: usize = 1 << 20;

/// Bytes of the headers around a datagram: IP without options, and UDP.
pub const fn header_bytes(v6: bool) -> usize {
    if v6 { 40 + 8 } else { 20 + 8 }
}

/// A datagram on its way out.
pub struct Outgoing {
    /// Where to.
    pub to: SocketAddr,
    /// Sealed.
    pub packet: Vec<u8>,
}

/// A datagram that came in: a place in the buffer.
#[derive(Copy, Clone, Debug)]
pub struct Incoming {
    /// Where from.
    pub from: SocketAddr,
    /// Bytes in its slot.
    pub length: usize,
}

/// A socket with its buffers.
pub struct Datagrams {
    socket: UdpSocket,
    is_v6: bool,
    buffer: Box<[u8]>,
    arrived: Vec<Incoming>,
    expect: usize,
    queue: Vec<Outgoing>,
    spare: Vec<Vec<u8>>,
}

impl Datagrams {
    /// Takes over a bound, non-blocking socket.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Datagrams> {
        let socket = UdpSocket::from_std(socket)?;
        Ok(Datagrams {
            is_v6: socket.local_addr()?.is_ipv6(),
            socket,
            buffer: vec![0; BATCH * RECEIVE_BYTES_MAX].into(),
            arrived: Vec::with_capacity(BATCH),
            expect: 1,
            queue: Vec::with_capacity(BATCH),
            spare: Vec::new(),
        })
    }

    /// Waits until something may have arrived.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes what has arrived, at most [`BATCH`], and returns how many slots are filled. Never waits.
    pub fn receive(&mut self, counters: &Counters) -> usize {
        self.arrived.clear();
        let (buffer, arrived, expect) = (&mut self.buffer, &mut self.arrived, self.expect);
        let socket = &self.socket;
        let result = sys::receive(socket, buffer, expect, arrived);
        // An idle node gets one at a time, and need not prepare for thirty-two.
        self.expect = if self.arrived.len() >= self.expect { (self.expect * 4).min(BATCH) } else { 1 };
        if result.is_err_and(|e| e.kind() != io::ErrorKind::WouldBlock) {
            counters.lose(Cause::SocketError);
        }
        for incoming in &mut self.arrived {
            incoming.from = canonical(incoming.from);
            add(&counters.datagrams_received, 1);
            add(&counters.datagram_bytes_received, incoming.length + header_bytes(incoming.from.is_ipv6()));
        }
        self.arrived.len()
    }

    /// The datagram in slot `at`, to be opened in place; none if it was larger than its slot.
    pub fn arrived(&mut self, at: usize) -> Option<(SocketAddr, &mut [u8])> {
        let Incoming { from, length } = self.arrived[at];
        let slot = &mut self.buffer[at * RECEIVE_BYTES_MAX..][..RECEIVE_BYTES_MAX];
        (length < RECEIVE_BYTES_MAX).then(|| (from, &mut slot[..length]))
    }

    /// An empty buffer to write a packet to.
    pub fn packet(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Queues a packet; a full queue is sent at once.
    pub fn push(&mut self, to: SocketAddr, packet: Vec<u8>, counters: &Counters) {
        self.queue.push(Outgoing { to: self.dialect(to), packet });
        if self.queue.len() >= BATCH {
            self.send(counters);
        }
    }

    /// Sends all that is queued. What the system refuses is dropped and counted.
    pub fn send(&mut self, counters: &Counters) {
        let mut at = 0;
        while at < self.queue.len() {
            let (socket, rest) = (&self.socket, &self.queue[at..]);
            match sys::send(socket, rest) {
                Ok(sent) => {
                    for Outgoing { to, packet } in &rest[..sent] {
                        add(&counters.datagrams_sent, 1);
                        let v6 = canonical(*to).is_ipv6();
                        add(&counters.datagram_bytes_sent, packet.len() + header_bytes(v6));
                    }
                    at += sent.max(1);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    rest.iter().for_each(|_| counters.lose(Cause::SocketFull));
                    break;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    counters.lose(Cause::SocketError); // of the first; the others may do better
                    at += 1;
                }
            }
        }
        for outgoing in self.queue.drain(..) {
            if self.spare.len() < BATCH {
                self.spare.push(outgoing.packet);
            }
        }
    }

    /// An address as this socket must be told it: IPv4 in IPv6 where the socket is open to both.
    fn dialect(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.is_v6 => SocketAddr::from((ip.to_ipv6_mapped(), to.port())),
            _ => to,
        }
    }
}

/// Straight to the system: tokio would have it wait for a first look at the socket.
fn send_one(socket: &UdpSocket, only: &Outgoing) -> io::Result<usize> {
    socket2::SockRef::from(socket).send_to(&only.packet, &only.to.into()).map(|_| 1)
}

#[cfg(target_os = "linux")]
mod sys {
    use super::{BATCH, Incoming, Outgoing, RECEIVE_BYTES_MAX};
    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
    use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::SocketAddr;
    use std::os::fd::AsRawFd;
    use tokio::io::Interest;
    use tokio::net::UdpSocket;

    pub fn receive(
        socket: &UdpSocket,
        buffer: &mut [u8],
        expect: usize,
        arrived: &mut Vec<Incoming>,
    ) -> io::Result<()> {
        let slots = buffer.chunks_mut(RECEIVE_BYTES_MAX).take(expect);
        let mut slices: Vec<_> = slots.map(|slot| [IoSliceMut::new(slot)]).collect();
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(expect, None);
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        socket.try_io(Interest::READABLE, || {
            for message in recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None)? {
                let truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
                let length = if truncated { RECEIVE_BYTES_MAX } else { message.bytes };
                arrived.push(Incoming { from: address(message.address), length });
            }
            Ok(())
        })
    }

    /// A UDP socket always names a sender; the unspecified address stands for none, and nothing is ever sent there.
    fn address(from: Option<SockaddrStorage>) -> SocketAddr {
        let from = from.as_ref();
        let v4 = from.and_then(|a| a.as_sockaddr_in()).map(|a| SocketAddr::V4((*a).into()));
        let v6 = || from.and_then(|a| a.as_sockaddr_in6()).map(|a| SocketAddr::V6((*a).into()));
        v4.or_else(v6).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    pub fn send(socket: &UdpSocket, queue: &[Outgoing]) -> io::Result<usize> {
        if let [only] = queue {
            return super::send_one(socket, only);
        }
        let queue = &queue[..queue.len().min(BATCH)];
        let to: Vec<SocketAddrAny> = queue.iter().map(|o| o.to.into()).collect();
        let slices: Vec<_> = queue.iter().map(|o| [IoSlice::new(&o.packet)]).collect();
        let mut control: Vec<_> = queue.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let mut headers: Vec<_> = (to.iter().zip(&slices).zip(&mut control))
            .map(|((to, slice), control)| MMsgHdr::new_with_addr(to, slice, control))
            .collect();
        Ok(sendmmsg(socket, &mut headers, SendFlags::DONTWAIT)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use super::{Incoming, Outgoing, RECEIVE_BYTES_MAX};
    use std::io;
    use tokio::net::UdpSocket;

    pub fn receive(
        socket: &UdpSocket,
        buffer: &mut [u8],
        _: usize,
        arrived: &mut Vec<Incoming>,
    ) -> io::Result<()> {
        // What fills its slot may have been longer, and is dropped as that.
        let (length, from) = socket.try_recv_from(&mut buffer[..RECEIVE_BYTES_MAX])?;
        arrived.push(Incoming { from, length });
        Ok(())
    }

    pub fn send(socket: &UdpSocket, queue: &[Outgoing]) -> io::Result<usize> {
        super::send_one(socket, &queue[0])
    }
}
