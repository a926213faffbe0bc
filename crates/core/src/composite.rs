//! Many protocols in one node: `composite!` writes what every composite repeats.
//!
//! The composition of MiCA (Princehouse 2014), for any number of protocols: each keeps its own timers and so its own rate, and what several say
//! to one peer at one instant shares a datagram.
//!
//! ```
//! # use rumormill_core::{Cx, Input, Lane, Message as _, NodeId, Protocol};
//! # use rumormill_core::composite::{Route, Wires, Wiring};
//! # #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
//! # pub struct Word(#[n(0)] u64);
//! # impl rumormill_core::Message for Word { const LANES: &'static [Lane] = &[Lane::new("word")]; }
//! # pub struct Alarm;
//! # impl Protocol for Alarm {
//! #     type Call = u64; type Message = Word; type Timer = (); type Event = u64;
//! #     const FILLS: bool = false;
//! #     fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
//! #         if let Input::Call(n) = input { cx.emit(n) }
//! #     }
//! # }
//! # pub struct Log;
//! # impl Protocol for Log {
//! #     type Call = u64; type Message = Word; type Timer = (); type Event = ();
//! #     const FILLS: bool = false;
//! #     fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
//! #         if let Input::Call(n) = input { cx.send(NodeId(1), Word(n)) }
//! #     }
//! # }
//! rumormill_core::composite! {
//!     /// An alarm, and a log of it.
//!     pub struct Node {
//!         /// Raises alarms.
//!         0 alarm Alarm: Alarm,
//!         /// Writes them down; may be off.
//!         1 log Log: Option<Log>,
//!     }
//! }
//! impl Wiring for Node {
//!     fn route(&mut self, cx: &mut Cx<'_, Self>, route: Route<Self>) {
//!         match route {
//!             Route::Event(Event::Alarm(n)) => self.log(cx, Input::Call(n)),
//!             other => self.pass(cx, other),
//!         }
//!     }
//!     fn spare(&mut self, _: &mut Cx<'_, Self>, _: NodeId, _: usize) {}
//! }
//! fn main() {
//!     let node = Node { alarm: Alarm, log: None, wires: Wires::default() };
//!     assert_eq!(node.wires.absent(), 0);
//!     assert_eq!(Message::LANES.len(), 2);
//! }
//! ```

use crate::identity::NodeId;
use crate::protocol::{Cx, Input, Protocol};
use alloc::collections::VecDeque;

pub use crate::numbered::FRAME_BYTES;

/// What passes through a composite.
pub enum Route<C: Protocol> {
    /// From the driver to the protocols.
    Input(Input<C>),
    /// From one of the protocols.
    Event(C::Event),
}

/// The part of a composite that is written by hand.
pub trait Wiring: Protocol {
    /// Hands on what passes through the node. All wiring is here: an arm may call protocols, hold something back or tell the application.
    /// What has no arm goes to `pass`, which takes an input to its protocol and an event to the application.
    fn route(&mut self, cx: &mut Cx<'_, Self>, route: Route<Self>);
    /// Shares the spare bytes of a datagram to `peer` among the protocols.
    fn spare(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, bytes: usize);
}

/// A protocol in a composite, or an `Option` of one: `None` is a protocol that is turned off.
pub trait Slot {
    /// The protocol.
    type Protocol: Protocol;
    /// The protocol, unless it is off.
    fn slot(&mut self) -> Option<&mut Self::Protocol>;
}

impl<P: Protocol> Slot for P {
    type Protocol = P;
    fn slot(&mut self) -> Option<&mut P> {
        Some(self)
    }
}

impl<P: Protocol> Slot for Option<P> {
    type Protocol = P;
    fn slot(&mut self) -> Option<&mut P> {
        self.as_mut()
    }
}

/// The protocol in a slot.
pub type In<S> = <S as Slot>::Protocol;
/// The calls of the protocol in a slot.
pub type CallOf<S> = <In<S> as Protocol>::Call;
/// The messages of the protocol in a slot.
pub type MessageOf<S> = <In<S> as Protocol>::Message;
/// The timers of the protocol in a slot.
pub type TimerOf<S> = <In<S> as Protocol>::Timer;
/// The events of the protocol in a slot.
pub type EventOf<S> = <In<S> as Protocol>::Event;

/// What a composite keeps besides its protocols.
pub struct Wires<E> {
    /// Events that are still to be routed, in the order in which they happened. It is empty between two inputs.
    queue: VecDeque<E>,
    absent: u64,
}

impl<E> Default for Wires<E> {
    fn default() -> Self {
        Wires { queue: VecDeque::new(), absent: 0 }
    }
}

impl<E> Wires<E> {
    /// Messages that came for a protocol that is off.
    pub fn absent(&self) -> u64 {
        self.absent
    }

    /// The next event to route.
    #[doc(hidden)]
    pub fn pop(&mut self) -> Option<E> {
        self.queue.pop_front()
    }

    /// Hands an input to a protocol, and queues the events that follow from it.
    #[doc(hidden)]
    #[inline]
    pub fn hand<C: Protocol<Event = E>, P: Protocol>(
        &mut self,
        cx: &mut Cx<'_, C>,
        part: Option<&mut P>,
        input: Input<P>,
        message: impl Fn(P::Message) -> C::Message,
        timer: impl Fn(P::Timer) -> C::Timer,
        event: impl Fn(P::Event) -> E,
    ) {
        let Some(part) = part else {
            self.absent += u64::from(matches!(input, Input::Message(..)));
            return;
        };
        let queue = &mut self.queue;
        cx.lend(message, timer, |told| queue.push_back(event(told)), |cx| part.handle(cx, input));
    }
}

/// Makes a node of several protocols: one line for each, with its number on the wire, the name of its field, and its variant in `Call`, `Message`,
/// `Timer` and `Event`. Type parameters of the struct need defaults, which stand for them in these four types: none of the four may depend on them.
/// Fields that the wiring needs follow `with`, and numbers that must not be used again follow `retired`. A module holds one composite at most.
///
/// Inputs go to the protocols in the order of the lines, but `Start` in the reverse order, so that an upper layer is started before the layers that
/// call it. Events are routed in the order in which they happened, after the input has been handled. A change of the peers that the wiring publishes
/// ([`Cx::publish`]) is made after all of them, and then told to each protocol.
#[macro_export]
macro_rules! composite {
    (
        $(#[$about:meta])*
        $vis:vis struct $Node:ident $(<$($G:ident: $Bound:path = $Default:ty),+>)? {
            $($(#[$doc:meta])* $number:literal $field:ident $Variant:ident: $P:ty),+ $(,)?
        }
        $(with { $($(#[$own_doc:meta])* $own:ident: $Own:ty),+ $(,)? })?
        $(retired $($retired:literal),+)?
    ) => {
        $(#[$about])*
        $vis struct $Node $(<$($G: $Bound = $Default),+>)? {
            $($(#[$doc])* pub $field: $P,)+
            $($($(#[$own_doc])* $own: $Own,)+)?
            /// The events that are still to be routed.
            pub wires: $crate::composite::Wires<Event>,
        }
        $vis use kinds::{Call, Event, Message, Timer};
        mod kinds {
            use super::*;
            use $crate::composite::{CallOf, EventOf, MessageOf, TimerOf};
            $($(#[allow(dead_code)] type $G = $Default;)+)?
            /// What is asked of the node's protocols.
            #[derive(Clone, Debug)]
            pub enum Call { $($(#[$doc])* $Variant(CallOf<$P>)),+ }
            /// What the node's protocols want to be reminded of.
            #[derive(Clone, Debug)]
            pub enum Timer { $($(#[$doc])* $Variant(TimerOf<$P>)),+ }
            /// What the node's protocols tell.
            #[derive(Clone, Debug)]
            pub enum Event { $($(#[$doc])* $Variant(EventOf<$P>)),+ }
            $crate::numbered! {
                /// What two nodes say to each other: the number of a protocol, and its message.
                pub enum Message { $($(#[$doc])* $number $Variant(MessageOf<$P>)),+ }
                retired $($($retired),+)?
            }
        }
        impl $(<$($G: $Bound),+>)? $Node $(<$($G),+>)? {
            $(fn $field(&mut self, cx: &mut $crate::Cx<'_, Self>, input: $crate::Input<$crate::composite::In<$P>>) {
                let part = $crate::composite::Slot::slot(&mut self.$field);
                self.wires.hand(cx, part, input, Message::$Variant, Timer::$Variant, Event::$Variant);
            })+
            fn pass(&mut self, cx: &mut $crate::Cx<'_, Self>, route: $crate::composite::Route<Self>) {
                use $crate::{Input, composite::{Route, Wiring}};
                match route {
                    Route::Event(event) => cx.emit(event),
                    Route::Input(Input::Start) => {
                        let start: &[fn(&mut Self, &mut $crate::Cx<'_, Self>)] =
                            &[$(|node, cx| node.$field(cx, Input::Start)),+];
                        start.iter().rev().for_each(|start| start(self, cx));
                    }
                    $(Route::Input(Input::Call(Call::$Variant(call))) => self.$field(cx, Input::Call(call)),
                    Route::Input(Input::Message(from, Message::$Variant(m))) => self.$field(cx, Input::Message(from, m)),
                    Route::Input(Input::Timer(Timer::$Variant(timer))) => self.$field(cx, Input::Timer(timer)),
                    Route::Input(Input::Shed(to, Message::$Variant(m))) => self.$field(cx, Input::Shed(to, m)),)+
                    Route::Input(Input::Message(_, Message::Unknown) | Input::Shed(_, Message::Unknown)) => {}
                    Route::Input(Input::Spare(peer, bytes)) => self.spare(cx, peer, bytes),
                    Route::Input(Input::Lost(peer, loss)) => { $(self.$field(cx, Input::Lost(peer, loss));)+ }
                    Route::Input(Input::Peer(change)) => { $(self.$field(cx, Input::Peer(change));)+ }
                }
            }
        }
        impl $(<$($G: $Bound),+>)? $crate::Protocol for $Node $(<$($G),+>)? {
            type Call = Call;
            type Message = Message;
            type Timer = Timer;
            type Event = Event;
            const FILLS: bool = $(<$crate::composite::In<$P> as $crate::Protocol>::FILLS)||+;
            fn handle(&mut self, cx: &mut $crate::Cx<'_, Self>, input: $crate::Input<Self>) {
                use $crate::composite::{Route, Wiring};
                self.route(cx, Route::Input(input));
                while let Some(event) = self.wires.pop() {
                    self.route(cx, Route::Event(event));
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::{Driver, Limits, Scratch, Sink};
    use crate::identity::{Keys, Unsigned};
    use crate::lane::Lane;
    use crate::peers::Change;
    use crate::protocol::{Loss, Message as _};
    use crate::time::{Duration, Time, Wall};
    use crate::wire;
    use alloc::string::String;
    use alloc::vec::Vec;
    use alloc::{format, vec};
    use core::marker::PhantomData;
    use minicbor::{CborLen, Decode, Encode};

    const PEER: NodeId = NodeId(7);

    /// Says what it is called with and tells it, and tells all else that reaches it.
    pub struct Echo<X = ()>(PhantomData<X>);
    #[derive(Clone, Debug, PartialEq, Encode, Decode, CborLen)]
    pub struct Word(#[n(0)] String);
    impl crate::Message for Word {
        const LANES: &'static [Lane] = &[Lane::new("short"), Lane::new("long")];
        fn lane(&self) -> usize {
            usize::from(self.0.len() > 3)
        }
        fn replayable(&self) -> bool {
            self.0 == "tame"
        }
    }
    impl<X> Protocol for Echo<X> {
        type Call = &'static str;
        type Message = Word;
        type Timer = &'static str;
        type Event = String;
        const FILLS: bool = false;
        fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
            match input {
                Input::Start => cx.after(Duration::from_secs(1), "period"),
                Input::Call(word) => {
                    cx.send(PEER, Word(word.into()));
                    [1, 2].into_iter().for_each(|n| cx.emit(format!("{word} {n}")));
                }
                Input::Message(from, word) => cx.emit(format!("{} from {}", word.0, from.0)),
                Input::Timer(timer) => cx.emit(timer.into()),
                Input::Spare(_, bytes) => cx.emit(format!("{bytes} spare")),
                Input::Shed(to, word) => cx.emit(format!("{} to {} shed", word.0, to.0)),
                Input::Lost(peer, loss) => cx.emit(format!("{} lost: {loss:?}", peer.0)),
                Input::Peer(change) => cx.emit(format!("{change:?} of {}", cx.peers.len())),
            }
        }
    }

    /// What the wiring draws on: a second type parameter.
    pub trait Taste {
        fn likes(&self, word: &str) -> bool;
    }
    pub struct All;
    impl Taste for All {
        fn likes(&self, _: &str) -> bool {
            true
        }
    }

    composite! {
        /// Three that echo each other.
        pub struct Trio<K: Keys = Unsigned, T: Taste = All> {
            /// Called by nobody else.
            0 first First: Echo<K>,
            /// Echoes what the first tells.
            4 second Second: Echo,
            /// Echoes what the second tells, if it is on.
            2 third Third: Option<Echo>,
        }
        with {
            taste: T,
        }
        retired 1, 3
    }

    impl<K: Keys, T: Taste> Wiring for Trio<K, T> {
        fn route(&mut self, cx: &mut Cx<'_, Self>, route: Route<Self>) {
            match route {
                Route::Event(Event::First(told)) if told.starts_with("go") && self.taste.likes(&told) => {
                    self.second(cx, Input::Call("second"));
                    cx.emit(Event::First(told));
                }
                Route::Event(Event::First(told)) if told.starts_with("up") => {
                    cx.publish(Change::Up(PEER));
                    cx.emit(Event::First(told));
                }
                Route::Event(Event::Second(told)) if told == "second 2" => {
                    self.third(cx, Input::Call("third"));
                    cx.emit(Event::Second(told));
                }
                other => self.pass(cx, other),
            }
        }
        fn spare(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, bytes: usize) {
            self.second(cx, Input::Spare(peer, bytes));
        }
    }

    #[derive(Default)]
    struct Seen {
        told: Vec<String>,
        datagrams: Vec<Vec<&'static str>>,
        timers: Vec<Timer>,
    }
    impl<K: Keys, T: Taste> Sink<Trio<K, T>> for Seen {
        fn datagram(&mut self, _: NodeId, messages: &mut Vec<Message>, _: usize) {
            self.datagrams.push(messages.drain(..).map(|m| name(&m)).collect());
        }
        fn single(&mut self, _: NodeId, message: Message, _: usize) {
            self.datagrams.push(vec![name(&message)]);
        }
        fn stream(&mut self, _: NodeId, _: Message, _: usize) {}
        fn timer(&mut self, _: Time, timer: Timer) {
            self.timers.push(timer);
        }
        fn watch(&mut self, _: NodeId, _: bool) {}
        fn event(&mut self, event: Event) {
            self.told.push(match event {
                Event::First(told) => format!("first: {told}"),
                Event::Second(told) => format!("second: {told}"),
                Event::Third(told) => format!("third: {told}"),
            });
        }
        fn shed(&mut self, _: NodeId, _: usize, _: usize) {}
    }

    fn name(message: &Message) -> &'static str {
        match message {
            Message::First(_) => "first",
            Message::Second(_) => "second",
            Message::Third(_) => "third",
            Message::Unknown => "unknown",
        }
    }

    fn echo<X>() -> Echo<X> {
        Echo(PhantomData)
    }

    fn trio(third: Option<Echo>) -> Trio {
        Trio { first: echo(), second: echo(), third, taste: All, wires: Wires::default() }
    }

    fn run(third: Option<Echo>, inputs: impl IntoIterator<Item = Input<Trio>>) -> (Trio, Seen) {
        let limits = Limits::default();
        let mut driver = Driver::new(trio(third), NodeId(1), 1, &limits);
        let (mut scratch, mut seen) = (Scratch::default(), Seen::default());
        for input in inputs {
            driver.input(&mut scratch, &mut seen, Time::ZERO, Wall(0), input);
        }
        driver.flush(&mut scratch, &mut seen, Time::ZERO, Wall(0), &limits);
        (driver.node, seen)
    }

    fn word(word: &str) -> Word {
        Word(word.into())
    }

    #[test]
    fn events_keep_their_order_whoever_calls_whom_and_messages_to_a_peer_share_a_datagram() {
        let (_, seen) = run(Some(echo()), [Input::Call(Call::First("go"))]);
        let told = ["first: go 1", "first: go 2", "second: second 1", "second: second 2", "second: second 1"];
        let then =
            ["second: second 2", "third: third 1", "third: third 2", "third: third 1", "third: third 2"];
        assert_eq!(seen.told, [told, then].concat());
        assert_eq!(seen.datagrams, [["first", "second", "second", "third", "third"]]);
    }

    #[test]
    fn each_input_goes_to_the_protocol_that_it_is_for_and_start_begins_with_the_last() {
        let inputs = [
            Input::Start,
            Input::Message(PEER, Message::Third(word("hello"))),
            Input::Timer(Timer::Second("period")),
            Input::Shed(PEER, Message::First(word("lost"))),
            Input::Spare(PEER, 99),
            Input::Lost(PEER, Loss::Reset),
            Input::Message(PEER, Message::Unknown),
            Input::Shed(PEER, Message::Unknown),
        ];
        let (node, seen) = run(Some(echo()), inputs);
        let order: Vec<_> = seen.timers.iter().map(|timer| format!("{timer:?}")).collect();
        assert_eq!(order, [r#"Third("period")"#, r#"Second("period")"#, r#"First("period")"#]);
        let one = ["third: hello from 7", "second: period", "first: lost to 7 shed", "second: 99 spare"];
        let all = ["first: 7 lost: Reset", "second: 7 lost: Reset", "third: 7 lost: Reset"];
        assert_eq!(seen.told, [&one[..], &all[..]].concat());
        assert_eq!(node.wires.absent(), 0);
    }

    #[test]
    fn a_change_of_the_peers_is_made_after_the_events_and_told_once_to_each_protocol() {
        let calls = ["up", "up"].map(|call| Input::Call(Call::First(call)));
        let (_, seen) = run(Some(echo()), calls);
        let published = ["first: up 1", "first: up 2"];
        let told = ["first", "second", "third"].map(|name| format!("{name}: Up({PEER:?}) of 1"));
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        assert_eq!(seen.told, [&published[..], &told[..], &published[..]].concat());
    }

    #[test]
    fn a_message_for_a_protocol_that_is_off_is_counted_and_harms_nobody() {
        let for_third = || Input::Message(PEER, Message::Third(word("hello")));
        let others =
            [Input::Call(Call::Third("x")), Input::Call(Call::Second("y")), Input::Lost(PEER, Loss::Reset)];
        let (node, seen) = run(None, [for_third(), for_third()].into_iter().chain(others));
        assert_eq!(node.wires.absent(), 2);
        assert_eq!(
            seen.told,
            ["second: y 1", "second: y 2", "first: 7 lost: Reset", "second: 7 lost: Reset"]
        );
    }

    #[test]
    fn a_message_travels_behind_its_number_and_its_size_is_known_before_it_is_written() {
        let messages = [Message::First(word("a")), Message::Second(word("b")), Message::Third(word("c"))];
        for (message, number) in messages.iter().zip([0, 4, 2]) {
            let mut bytes = Vec::new();
            wire::put(message, &mut bytes);
            assert_eq!((&bytes[..2], bytes.len()), (&[0x82, number][..], wire::len(message)));
            assert_eq!(format!("{:?}", wire::decode::<Message>(&bytes).unwrap()), format!("{message:?}"));
        }
        let mut bytes = Vec::new();
        wire::put(&Message::Unknown, &mut bytes);
        assert_eq!((&bytes[..], wire::len(&Message::Unknown)), (&[0x82, 23, 0xf6][..], 3));
    }

    #[test]
    fn what_a_newer_version_says_is_passed_over_and_its_neighbours_are_read() {
        // [7, {1: [2, 3]}, "more"], then a retired number, then what this version cannot say either, then a word.
        let mut bytes =
            vec![0x83, 7, 0xa1, 1, 0x82, 2, 3, 0x64, b'm', b'o', b'r', b'e', 0x82, 1, 0xf6, 0x82, 23, 0xf6];
        wire::put(&Message::Second(word("b")), &mut bytes);
        let mut rest = &bytes[..];
        for _ in 0..3 {
            assert!(matches!(wire::get::<Message>(&mut rest), Ok(Message::Unknown)));
        }
        assert!(matches!(wire::get::<Message>(&mut rest), Ok(Message::Second(_))));
        assert!(rest.is_empty());
        assert!(wire::decode::<Message>(&[0x81, 0]).is_err(), "a number without its message");
    }

    #[test]
    fn each_protocol_has_its_lanes_in_the_order_of_the_lines() {
        assert_eq!(Message::LANES.len(), 6);
        let lane = |message: Message| message.lane();
        assert_eq!((lane(Message::First(word("a"))), lane(Message::First(word("long")))), (0, 1));
        assert_eq!((lane(Message::Second(word("a"))), lane(Message::Third(word("long")))), (2, 5));
        assert_eq!((lane(Message::Unknown), Message::Unknown.replayable()), (0, false));
        assert!(Message::Third(word("tame")).replayable() && !Message::Third(word("wild")).replayable());
    }
}
