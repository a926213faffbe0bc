//! foca with its postcard codec and its own LAN configuration.

use crate::Pinged;
use foca::{
    Codec, Config, Foca, Header, Identity, Message, NoCustomBroadcast, Notification, PostcardCodec, Runtime,
    Timer,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::time::Duration;

type Id = SocketAddrV4;

/// One member that knows all the others and has nothing left to tell.
pub struct Member {
    foca: Foca<Id, PostcardCodec, StdRng, NoCustomBroadcast>,
    sent: Sent,
    nonce: u8,
}

/// What left.
#[derive(Default)]
struct Sent {
    bytes: usize,
}

impl Runtime<Id> for Sent {
    fn notify(&mut self, _: Notification<'_, Id>) {}
    fn send_to(&mut self, _: Id, data: &[u8]) {
        self.bytes += data.len();
    }
    fn submit_after(&mut self, _: Timer<Id>, _: Duration) {}
}

fn id(nth: usize) -> Id {
    SocketAddrV4::new(Ipv4Addr::from(0x0a00_0000 + nth as u32), 7900)
}

impl Member {
    /// Member 0 of a cluster of `members`.
    pub fn of(members: usize) -> Member {
        let size = NonZeroU32::new(members as u32).expect("a cluster has members");
        let mut foca = Foca::new(id(0), Config::new_lan(size), StdRng::seed_from_u64(1), PostcardCodec);
        let mut sent = Sent::default();
        let others = (1..members).map(|nth| foca::Member::alive(id(nth)));
        foca.apply_many(others, false, &mut sent).expect("members were taken in");
        assert_eq!(foca.num_members(), members - 1);
        assert_eq!(foca.updates_backlog(), 0, "the cluster is not quiet");
        Member { foca, sent, nonce: 0 }
    }
}

impl Pinged for Member {
    fn ping_from(&mut self, peer: usize) -> Vec<u8> {
        self.nonce = self.nonce.wrapping_add(1);
        let header = Header {
            src: id(peer),
            src_incarnation: 0,
            dst: id(0).addr(),
            message: Message::Ping(self.nonce),
        };
        let mut bytes = Vec::new();
        PostcardCodec.encode_header(&header, &mut bytes).expect("a header was encoded");
        bytes
    }

    fn handle(&mut self, _: usize, ping: &[u8]) -> usize {
        self.sent.bytes = 0;
        self.foca.handle_data(ping, &mut self.sent).expect("a ping was handled");
        self.sent.bytes
    }
}
