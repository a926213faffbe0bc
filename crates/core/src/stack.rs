//! One protocol on top of another (the composition of MiCA, Princehouse 2014, as a type).
//!
//! In `Stack<Upper, Lower>` the lower's events become the upper's calls, or changes of the peers, as of a spreader on a membership view. Both
//! talk to their own kind on the peers; what is sent to one peer at one instant shares a datagram. Events of the lower
//! layer are queued and delivered, in order, after its `handle` has returned.

use crate::lane::{Lane, Lanes};
use crate::peers::Change;
use crate::protocol::{Cx, Input, Message, Protocol};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// `Upper` on `Lower`: what the lower tells, the upper is called with, as far as `From` translates it.
pub struct Stack<U, L: Protocol> {
    /// The upper protocol.
    pub upper: U,
    /// The lower protocol.
    pub lower: L,
    events: VecDeque<L::Event>,
}

/// What belongs to the upper layer, and what to the lower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer<U, L> {
    /// The upper layer's.
    Upper(U),
    /// The lower layer's.
    Lower(L),
}

/// A protocol that follows another one's events. An event that becomes neither a call nor a change is passed over.
pub trait Subscriber<E>: Protocol {
    /// The call that follows from `event`.
    fn call_for(_event: &E) -> Option<Self::Call> {
        None
    }
    /// The change of the peers that follows from `event`.
    fn change_for(_event: &E) -> Option<Change> {
        None
    }
}

impl<U, L: Protocol> Stack<U, L> {
    /// Puts `upper` on `lower`.
    pub fn new(upper: U, lower: L) -> Self {
        Stack { upper, lower, events: VecDeque::new() }
    }
}

impl<U: Protocol + Subscriber<L::Event>, L: Protocol> Stack<U, L> {
    fn lower(&mut self, cx: &mut Cx<'_, Self>, input: Input<L>) {
        let (lower, events) = (&mut self.lower, &mut self.events);
        cx.lend(Layer::Lower, Layer::Lower, |event| events.push_back(event), |cx| lower.handle(cx, input));
        while let Some(event) = self.events.pop_front() {
            if let Some(call) = U::call_for(&event) {
                self.upper(cx, Input::Call(call));
            }
            if let Some(change) = U::change_for(&event) {
                cx.publish(change);
            }
            cx.emit(Layer::Lower(event));
        }
    }

    fn upper(&mut self, cx: &mut Cx<'_, Self>, input: Input<U>) {
        let upper = &mut self.upper;
        let mut events = Vec::new();
        cx.lend(Layer::Upper, Layer::Upper, |event| events.push(event), |cx| upper.handle(cx, input));
        events.into_iter().for_each(|event| cx.emit(Layer::Upper(event)));
    }
}

impl<U: Protocol + Subscriber<L::Event>, L: Protocol> Protocol for Stack<U, L> {
    type Call = Layer<U::Call, L::Call>;
    type Message = Layer<U::Message, L::Message>;
    type Timer = Layer<U::Timer, L::Timer>;
    type Event = Layer<U::Event, L::Event>;
    const FILLS: bool = U::FILLS || L::FILLS;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => {
                self.upper(cx, Input::Start);
                self.lower(cx, Input::Start);
            }
            Input::Call(Layer::Upper(call)) => self.upper(cx, Input::Call(call)),
            Input::Call(Layer::Lower(call)) => self.lower(cx, Input::Call(call)),
            Input::Message(from, Layer::Upper(m)) => self.upper(cx, Input::Message(from, m)),
            Input::Message(from, Layer::Lower(m)) => self.lower(cx, Input::Message(from, m)),
            Input::Timer(Layer::Upper(t)) => self.upper(cx, Input::Timer(t)),
            Input::Timer(Layer::Lower(t)) => self.lower(cx, Input::Timer(t)),
            // Half each, so that neither layer starves the other.
            Input::Spare(peer, bytes) => {
                let lower = if U::FILLS { bytes / 2 } else { bytes };
                if L::FILLS {
                    self.lower(cx, Input::Spare(peer, lower));
                }
                if U::FILLS {
                    self.upper(cx, Input::Spare(peer, bytes - if L::FILLS { lower } else { 0 }));
                }
            }
            Input::Shed(peer, Layer::Upper(m)) => self.upper(cx, Input::Shed(peer, m)),
            Input::Shed(peer, Layer::Lower(m)) => self.lower(cx, Input::Shed(peer, m)),
            Input::Lost(peer, loss) => {
                self.lower(cx, Input::Lost(peer, loss));
                self.upper(cx, Input::Lost(peer, loss));
            }
            Input::Peer(change) => {
                self.lower(cx, Input::Peer(change));
                self.upper(cx, Input::Peer(change));
            }
        }
    }
}

impl<U: Message, L: Message> Layer<U, L> {
    const ALL_LANES: Lanes = Lanes::of(&[L::LANES, U::LANES]);
}

impl<U: Message, L: Message> Message for Layer<U, L> {
    const LANES: &'static [Lane] = Self::ALL_LANES.as_slice();
    fn lane(&self) -> usize {
        match self {
            Layer::Lower(m) => m.lane(),
            Layer::Upper(m) => L::LANES.len() + m.lane(),
        }
    }
    fn replayable(&self) -> bool {
        match self {
            Layer::Lower(m) => m.replayable(),
            Layer::Upper(m) => m.replayable(),
        }
    }
}

// On the wire a layer is [0, lower] or [1, upper].
impl<C, U: minicbor::Encode<C>, L: minicbor::Encode<C>> minicbor::Encode<C> for Layer<U, L> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?;
        match self {
            Layer::Lower(m) => m.encode(e.u8(0)?, c),
            Layer::Upper(m) => m.encode(e.u8(1)?, c),
        }
    }
}

impl<'b, C, U: minicbor::Decode<'b, C>, L: minicbor::Decode<'b, C>> minicbor::Decode<'b, C> for Layer<U, L> {
    fn decode(d: &mut minicbor::Decoder<'b>, c: &mut C) -> Result<Self, minicbor::decode::Error> {
        crate::wire::array(d, 2)?;
        match d.u8()? {
            0 => L::decode(d, c).map(Layer::Lower),
            1 => U::decode(d, c).map(Layer::Upper),
            other => Err(minicbor::decode::Error::unknown_variant(other.into())),
        }
    }
}

impl<C, U: minicbor::CborLen<C>, L: minicbor::CborLen<C>> minicbor::CborLen<C> for Layer<U, L> {
    fn cbor_len(&self, c: &mut C) -> usize {
        2 + match self {
            Layer::Lower(m) => m.cbor_len(c),
            Layer::Upper(m) => m.cbor_len(c),
        }
    }
}
