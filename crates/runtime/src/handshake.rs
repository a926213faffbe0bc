//! The handshake on a new connection. Both sides prove that they hold a cluster key and are live now.
//!
//! | | what | proves |
//! | --- | --- | --- |
//! | opener → accepter | sealed `StreamHello`: a fresh nonce | nothing yet: it may be an old one |
//! | accepter → opener | sealed `StreamAck`: that nonce and one of its own, with the opener's session as echo | the accepter is live |
//! | opener → accepter | an empty frame under the connection's own keys, derived from both nonces | the opener is live |
//!
//! Nothing is allocated by what a stranger says: a packet of at most [`HANDSHAKE_BYTES_MAX`] is read, and no more.

use crate::config::CLUSTER_BYTES_MAX;
use crate::counters::{Cause, Counters};
use crate::faults::Faults;
use crate::frame::{self, FrameKey};
use crate::keyring::Keyring;
use crate::refusal::{Refusal, refuse};
use crate::seal::{Kind, Opened, Refused, SEAL_BYTES, Seal};
use crate::strangers::Strangers;
use minicbor::bytes::ByteArray;
use ring::rand::{SecureRandom, SystemRandom};
use rumormill_core::identity::Life;
use rumormill_core::{Loss, NodeId, wire};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest packet of a handshake, in bytes.
pub const HANDSHAKE_BYTES_MAX: usize = 256;
/// How long a whole handshake may take (our guess: three retransmissions on a slow line).
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(3);
/// How long connecting to one address may take.
pub const CONNECT_MAX: Duration = Duration::from_secs(3);
/// After how long without an acknowledgement the system gives a connection up.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// What the parts of the runtime share. The locks are held for one packet at a time and never while waiting.
pub struct Shared {
    pub seal: Mutex<Seal>,
    pub keyring: Keyring,
    pub counters: Arc<Counters>,
    pub faults: Faults,
    pub strangers: Arc<Strangers>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub fn seal(&self) -> MutexGuard<'_, Seal> {
        self.seal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection whose both ends are known to be live.
pub struct Established {
    pub stream: TcpStream,
    pub peer: NodeId,
    pub life: Life,
    /// The id of the cluster key that its keys come from.
    pub key: u32,
    pub sending: FrameKey,
    pub receiving: FrameKey,
}

/// Why a connection was not made.
#[derive(Debug)]
pub enum DialError {
    /// Refused, reset or silent.
    Lost(Loss),
    /// The other end has my own id: me, or a copy of me in that life.
    Myself(Life),
    /// The other end has heard a greater life of mine.
    Superseded(Life),
    /// Another node than the expected one answers at that address, live: it sealed the nonce of this attempt.
    Somebody(NodeId, SocketAddr),
    /// The answer could not be opened: another cluster or key.
    Refused(Refused),
    /// The other end holds the same key, and is of a cluster of another name.
    OtherCluster(Option<String>),
}

impl From<io::Error> for DialError {
    fn from(e: io::Error) -> DialError {
        DialError::Lost(match e.kind() {
            io::ErrorKind::ConnectionRefused => Loss::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Loss::TimedOut
            }
            _ => Loss::Reset,
        })
    }
}

#[derive(minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
struct Hello {
    #[n(0)]
    nonce: ByteArray<16>,
}

#[derive(minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
struct Ack {
    #[n(0)]
    nonce: ByteArray<16>,
    #[n(1)]
    own: ByteArray<16>,
}

const _: () = assert!(SEAL_BYTES + 1 + 17 + 17 <= HANDSHAKE_BYTES_MAX);
/// A refusal that names the longest cluster fits, too.
const _: () = assert!(SEAL_BYTES + 1 + 9 + 2 + CLUSTER_BYTES_MAX <= HANDSHAKE_BYTES_MAX);

/// Connects to the first of `addresses` that answers as `expect`, or as anybody if that is none. If none does, the error names the first other
/// node that answered, before any other cause.
pub async fn dial(
    shared: &Shared,
    addresses: &[SocketAddr],
    expect: Option<NodeId>,
) -> Result<(Established, SocketAddr), DialError> {
    let mut last = DialError::Lost(Loss::Unknown);
    for address in addresses {
        match timeout(CONNECT_MAX + HANDSHAKE_MAX, dial_one(shared, *address, expect)).await {
            Ok(Ok(established)) => return Ok((established, *address)),
            Ok(Err(error @ (DialError::Myself(_) | DialError::Superseded(_)))) => return Err(error),
            _ if matches!(last, DialError::Somebody(..)) => {}
            Ok(Err(error)) => last = error,
            Err(_) => last = DialError::Lost(Loss::TimedOut),
        }
    }
    Err(last)
}

async fn dial_one(
    shared: &Shared,
    address: SocketAddr,
    expect: Option<NodeId>,
) -> Result<Established, DialError> {
    if shared.faults.cuts_address(address) {
        tokio::time::sleep(CONNECT_MAX).await; // as a cut line would
        return Err(DialError::Lost(Loss::TimedOut));
    }
    let connecting = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
    let stream = connecting.map_err(|_| DialError::Lost(Loss::TimedOut))??;
    let established = timeout(HANDSHAKE_MAX, open(shared, stream, address, expect)).await;
    established.map_err(|_| DialError::Lost(Loss::TimedOut))?
}

/// The opener's side.
async fn open(
    shared: &Shared,
    mut stream: TcpStream,
    address: SocketAddr,
    expect: Option<NodeId>,
) -> Result<Established, DialError> {
    prepare(&stream);
    let nonce = random()?;
    let mut packet = Vec::with_capacity(HANDSHAKE_BYTES_MAX);
    let (me, life, key, counter) = {
        let mut seal = shared.seal();
        Seal::start(&mut packet);
        wire::put(&Hello { nonce: nonce.into() }, &mut packet);
        let key = seal.primary();
        seal.seal(Kind::StreamHello, expect.unwrap_or_default(), &mut packet);
        (seal.me().0, seal.me().1, key, crate::seal::counter(&packet))
    };
    write_packet(&mut stream, &packet).await?;
    read_packet(&mut stream, &mut packet).await?;
    let mut established = {
        let mut seal = shared.seal();
        let opened = seal.open(&mut packet).map_err(|why| {
            shared.counters.lose(why.into());
            DialError::Refused(why)
        })?;
        let (peer, theirs, ack) = read_ack(&opened, (&nonce, counter), me, life)?;
        if opened.key != key || expect.is_some_and(|expect| expect != peer) {
            shared.counters.lose(Cause::StreamHandshake);
            return Err(DialError::Somebody(peer, address));
        }
        let root = seal.root(key).ok_or(DialError::Refused(Refused::Unreadable))?;
        let [there, back] =
            crate::subkeys::stream(root, seal.cluster(), (me, life, &nonce), (peer, theirs, &ack.own));
        let (sending, receiving) = (FrameKey::new(there), FrameKey::new(back));
        Established { stream, peer, life: theirs, key, sending, receiving }
    };
    let mut first = frame::start();
    established.sending.seal(&mut first);
    established.stream.write_all(&first).await?;
    Ok(established)
}

fn read_ack(
    opened: &Opened<'_>,
    (nonce, counter): (&[u8; 16], u64),
    me: NodeId,
    life: Life,
) -> Result<(NodeId, Life, Ack), DialError> {
    let garbled = |_| DialError::Lost(Loss::Reset);
    match opened.kind {
        Kind::Superseded if opened.echo == life.session => {
            let greater: Life = wire::decode(opened.content).map_err(garbled)?;
            Err(if greater > life { DialError::Superseded(greater) } else { DialError::Lost(Loss::Reset) })
        }
        Kind::StreamAck if opened.echo == life.session => {
            let ack: Ack = wire::decode(opened.content).map_err(garbled)?;
            if *ack.nonce != *nonce {
                Err(DialError::Lost(Loss::Reset))
            } else if opened.from == me {
                Err(DialError::Myself(opened.life))
            } else {
                Ok((opened.from, opened.life, ack))
            }
        }
        Kind::Refusal if opened.echo == life.session => {
            let refusal: Refusal = wire::decode(opened.content).map_err(garbled)?;
            let is_mine = refusal.counter == counter;
            Err(if is_mine { DialError::OtherCluster(refusal.cluster) } else { DialError::Lost(Loss::Reset) })
        }
        _ => Err(DialError::Lost(Loss::Reset)),
    }
}

/// The accepter's side; none if it came to nothing, which is counted.
pub async fn accept(shared: &Shared, stream: TcpStream) -> Option<Established> {
    match timeout(HANDSHAKE_MAX, answer(shared, stream)).await {
        Ok(Ok(established)) => Some(established),
        Ok(Err(Some(cause))) => {
            shared.counters.lose(cause);
            None
        }
        Ok(Err(None)) => None,
        Err(_) => {
            shared.counters.lose(Cause::StreamHandshake);
            None
        }
    }
}

/// What to say to a hello.
enum Reply {
    Ack(Box<Established1>),
    Only,
}

/// What is known of a connection once it is answered.
struct Established1 {
    peer: NodeId,
    life: Life,
    key: u32,
    sending: FrameKey,
    receiving: FrameKey,
}

async fn answer(shared: &Shared, mut stream: TcpStream) -> Result<Established, Option<Cause>> {
    let broken = |_| Some(Cause::StreamHandshake);
    prepare(&stream);
    let mut packet = Vec::with_capacity(HANDSHAKE_BYTES_MAX);
    read_packet(&mut stream, &mut packet).await.map_err(broken)?;
    let source = stream.peer_addr().map(crate::contact::canonical).ok();
    let reply = answer_hello(shared, source, &mut packet)?;
    write_packet(&mut stream, &packet).await.map_err(broken)?;
    let Reply::Ack(known) = reply else { return Err(None) };
    let Established1 { peer, life, key, sending, mut receiving } = *known;
    // An opener that does not like who answered hangs up here, which is no fault of anybody.
    let mut first = [0; frame::FRAME_BYTES];
    stream.read_exact(&mut first).await.map_err(|_| None)?;
    let length = frame::length(first[..4].try_into().expect("4 bytes"));
    if length != Some(frame::FRAME_BYTES - 4) {
        return Err(Some(Cause::StreamLength));
    }
    receiving.open(&mut first[4..]).ok_or(Some(Cause::Unreadable))?;
    if !shared.seal().confirm(peer, life) {
        return Err(Some(Cause::Stale));
    }
    Ok(Established { stream, peer, life, key, sending, receiving })
}

/// Opens the hello in `packet`, and leaves there what is to be said to it.
fn answer_hello(
    shared: &Shared,
    source: Option<SocketAddr>,
    packet: &mut Vec<u8>,
) -> Result<Reply, Option<Cause>> {
    let mut seal = shared.seal();
    let (me, mine) = seal.me();
    let (peer, life, key, nonce) = match seal.open(packet) {
        Ok(Opened { kind: Kind::StreamHello, from, life, key, content, .. }) => {
            let hello: Hello = wire::decode(content).map_err(|_| Some(Cause::Undecodable))?;
            (from, life, key, *hello.nonce)
        }
        Ok(_) => return Err(Some(Cause::StreamHandshake)),
        Err(why @ Refused::Stale { from, session, greater }) => {
            supersede(&mut seal, from, session, greater, packet);
            shared.counters.lose(why.into());
            return Ok(Reply::Only);
        }
        Err(Refused::Unreadable) => {
            let guess = seal.guess(packet);
            source.zip(guess).into_iter().for_each(|(source, guess)| shared.strangers.note(source, guess));
            shared.counters.lose(Cause::Unreadable);
            return if refuse(&mut seal, packet, true) { Ok(Reply::Only) } else { Err(None) };
        }
        Err(why) => return Err(Some(why.into())),
    };
    if shared.faults.cuts_peer(peer) {
        return Err(Some(Cause::Fault));
    }
    if peer == me && life < mine {
        supersede(&mut seal, peer, life.session, mine, packet);
        return Ok(Reply::Only);
    }
    let own = random().map_err(|_| Some(Cause::StreamHandshake))?;
    Seal::start(packet);
    wire::put(&Ack { nonce: nonce.into(), own: own.into() }, packet);
    seal.seal_with(key, life.session, Kind::StreamAck, peer, packet);
    if peer == me {
        return Ok(Reply::Only); // it learns whom it reached, and hangs up
    }
    let root = seal.root(key).ok_or(Some(Cause::Unreadable))?;
    let [there, back] = crate::subkeys::stream(root, seal.cluster(), (peer, life, &nonce), (me, mine, &own));
    let (sending, receiving) = (FrameKey::new(back), FrameKey::new(there));
    Ok(Reply::Ack(Box::new(Established1 { peer, life, key, sending, receiving })))
}

/// Seals into `packet` the notice that `id` runs in a life above the one of `session`.
pub fn supersede(seal: &mut Seal, id: NodeId, session: u64, greater: Life, packet: &mut Vec<u8>) {
    Seal::start(packet);
    wire::put(&greater, packet);
    let key = seal.primary();
    seal.seal_with(key, session, Kind::Superseded, id, packet);
}

/// Small messages leave at once, and a peer that vanished is noticed.
fn prepare(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    #[cfg(not(target_os = "linux"))]
    let _ = UNACKNOWLEDGED_MAX;
}

async fn write_packet(stream: &mut TcpStream, packet: &[u8]) -> io::Result<()> {
    let mut out = Vec::with_capacity(2 + packet.len());
    out.extend_from_slice(&(packet.len() as u16).to_be_bytes());
    out.extend_from_slice(packet);
    stream.write_all(&out).await
}

async fn read_packet(stream: &mut TcpStream, packet: &mut Vec<u8>) -> io::Result<()> {
    let length = usize::from(stream.read_u16().await?);
    if !(SEAL_BYTES..=HANDSHAKE_BYTES_MAX).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    packet.clear();
    packet.resize(length, 0);
    stream.read_exact(packet).await.map(|_| ())
}

/// Sixteen bytes that nobody could have known.
pub fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| io::Error::other("the system gives no random numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_content_of_a_handshake_is_read_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = wire::decode::<Hello>(&bytes);
            let _ = wire::decode::<Ack>(&bytes);
            let _ = wire::decode::<Life>(&bytes);
            let _ = wire::decode::<crate::hello::Nonce>(&bytes);
        }
    }

    #[test]
    fn a_newer_hello_with_more_fields_is_still_read() {
        let mut newer = vec![0x82, 0x50];
        newer.extend([7; 16]);
        newer.push(0x01);
        assert_eq!(*wire::decode::<Hello>(&newer).unwrap().nonce, [7; 16]);
    }
}
