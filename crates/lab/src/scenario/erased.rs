//! A part behind one type, whichever protocol it is about. So the simulator and all that drives it are compiled once for the protocols of the scenarios,
//! not once for each, alone and on SWIM: one more protocol costs the compiler little beyond its own code. The price is an allocation for each
//! message, timer, call and event. The experiments (`lab epidemic`, `lab aggregate`), where a million nodes want speed, do without this.
//!
//! A message of a packet that the world encodes is read where it is handled, for only there its type is known: if a flipped bit made it unreadable, it
//! is dropped alone, and not the whole packet.

use super::part::{CallOf, CallRecord, Check, EventOf, LayerView, Line, Names, Part, View};
use rumormill_core::identity::NodeId;
use rumormill_core::lane::Lane;
use rumormill_core::observe::Observe;
use rumormill_core::peers::{Change, Peers};
use rumormill_core::protocol::{Cx, Input, Message, Protocol};
use rumormill_core::stack::Subscriber;
use rumormill_core::time::Time;
use rumormill_core::wire;
use rumormill_protocols::member::swim;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

/// How many lanes the messages inside have, and of which weight: a driver wants to know it at compile time.
pub(super) trait Shape: Clone + fmt::Debug + Send + 'static {
    /// Lanes of those weights.
    const LANES: &'static [Lane];
}

/// One lane.
#[derive(Clone, Debug)]
pub(super) struct One;
/// One lane for what is spread, one for talk about it.
#[derive(Clone, Debug)]
pub(super) struct Two;
/// The one lane of a failure detector.
#[derive(Clone, Debug)]
pub(super) struct Detecting;

impl Shape for One {
    const LANES: &'static [Lane] = &[Lane::new("protocol")];
}
impl Shape for Two {
    const LANES: &'static [Lane] = &[Lane::new("protocol"), Lane::new("protocol-talk")];
}
impl Shape for Detecting {
    const LANES: &'static [Lane] = &[Lane::weighted("protocol", 4)];
}

/// A part whose protocol is hidden.
pub(super) struct Erased<S>(Box<dyn AnyPart<S>>);

impl<S: Shape> Erased<S> {
    /// Hides the protocol of `part`.
    ///
    /// # Panics
    /// If the lanes of its messages have another shape.
    pub fn new<P: Part>(part: P) -> Erased<S> {
        assert!(fits::<P, S>(), "lanes of a shape that has no type yet: add one beside `One`");
        Erased(Box::new(Hidden(part)))
    }
}

/// Whether the lanes of the part's messages are as many as those of the shape, and of their weights.
pub(super) fn fits<P: Part, S: Shape>() -> bool {
    let weights = |lanes: &[Lane]| lanes.iter().map(|lane| lane.weight).collect::<Vec<_>>();
    weights(<P::Node as Protocol>::Message::LANES) == weights(S::LANES)
}

/// A message.
#[derive(Clone, Debug)]
pub(super) struct ErasedMessage<S> {
    content: Content,
    shape: PhantomData<S>,
}

#[derive(Clone, Debug)]
enum Content {
    Message(Box<dyn AnyMessage>),
    /// Its encoding, not read yet.
    Bytes(Vec<u8>),
}

impl<S: Shape> ErasedMessage<S> {
    fn new<M: Message + Send + 'static>(message: M) -> Self {
        ErasedMessage { content: Content::Message(Box::new(message)), shape: PhantomData }
    }

    /// The message; `None` if its bytes cannot be read.
    fn open<M: Message + Send + 'static>(self) -> Option<M> {
        match self.content {
            Content::Message(message) => Some(*open(message.into_any())),
            Content::Bytes(bytes) => wire::decode(&bytes).ok(),
        }
    }
}

trait AnyMessage: fmt::Debug + Send {
    fn copy(&self) -> Box<dyn AnyMessage>;
    fn lane_of_it(&self) -> usize;
    fn is_replayable(&self) -> bool;
    fn bytes(&self) -> usize;
    fn put(&self, out: &mut Vec<u8>);
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<M: Message + Send + 'static> AnyMessage for M {
    fn copy(&self) -> Box<dyn AnyMessage> {
        Box::new(self.clone())
    }
    fn lane_of_it(&self) -> usize {
        self.lane()
    }
    fn is_replayable(&self) -> bool {
        self.replayable()
    }
    fn bytes(&self) -> usize {
        wire::len(self)
    }
    fn put(&self, out: &mut Vec<u8>) {
        wire::put(self, out);
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Clone for Box<dyn AnyMessage> {
    fn clone(&self) -> Self {
        (**self).copy()
    }
}

impl<S: Shape> Message for ErasedMessage<S> {
    const LANES: &'static [Lane] = S::LANES;
    fn lane(&self) -> usize {
        match &self.content {
            Content::Message(message) => message.lane_of_it(),
            Content::Bytes(_) => 0, // it has arrived, so nobody asks any more
        }
    }
    fn replayable(&self) -> bool {
        match &self.content {
            Content::Message(message) => message.is_replayable(),
            Content::Bytes(_) => false,
        }
    }
}

impl<S> minicbor::Encode<()> for ErasedMessage<S> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut (),
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let mut encoded = Vec::new();
        let bytes = match &self.content {
            Content::Message(message) => {
                message.put(&mut encoded);
                &encoded
            }
            Content::Bytes(bytes) => bytes,
        };
        e.writer_mut().write_all(bytes).map_err(minicbor::encode::Error::write)
    }
}

impl<S> minicbor::CborLen<()> for ErasedMessage<S> {
    fn cbor_len(&self, _: &mut ()) -> usize {
        match &self.content {
            Content::Message(message) => message.bytes(),
            Content::Bytes(bytes) => bytes.len(),
        }
    }
}

impl<'b, S> minicbor::Decode<'b, ()> for ErasedMessage<S> {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut ()) -> Result<Self, minicbor::decode::Error> {
        let from = d.position();
        d.skip()?;
        let bytes = d.input()[from..d.position()].to_vec();
        Ok(ErasedMessage { content: Content::Bytes(bytes), shape: PhantomData })
    }
}

/// A call.
pub(super) struct ErasedCall(Box<dyn Any + Send>);

/// A timer.
pub(super) struct Timer(Box<dyn Any + Send>);

/// An event.
pub(super) struct Event(Box<dyn AnyEvent>);

trait AnyEvent: Send {
    fn line(&self) -> Line;
    fn as_any(&self) -> &dyn Any;
}

/// An event of the part `P`.
struct EventFrom<P: Part>(EventOf<P>);

impl<P: Part> AnyEvent for EventFrom<P> {
    fn line(&self) -> Line {
        P::tell(&self.0)
    }
    fn as_any(&self) -> &dyn Any {
        &self.0
    }
}

/// A node.
pub(super) struct Node<S>(Box<dyn AnyNode<S>>);

trait AnyNode<S>: Send {
    fn handle(&mut self, cx: &mut Cx<'_, Node<S>>, input: Input<Node<S>>)
    where
        S: Shape;
    fn observe(&self) -> Vec<&dyn Observe>;
    fn as_any(&self) -> &dyn Any;
}

/// A node of the part `P`.
struct NodeOf<P: Part>(P::Node);

impl<P: Part, S> AnyNode<S> for NodeOf<P> {
    fn handle(&mut self, cx: &mut Cx<'_, Node<S>>, input: Input<Node<S>>)
    where
        S: Shape,
    {
        let Some(input) = opened::<P, S>(input) else { return };
        let (node, mut events) = (&mut self.0, Vec::new());
        cx.lend(
            ErasedMessage::new,
            |timer| Timer(Box::new(timer)),
            |event| events.push(event),
            |cx| node.handle(cx, input),
        );
        events.into_iter().for_each(|event| cx.emit(Event(Box::new(EventFrom::<P>(event)))));
    }
    fn observe(&self) -> Vec<&dyn Observe> {
        P::observe(&self.0)
    }
    fn as_any(&self) -> &dyn Any {
        &self.0
    }
}

/// The input of the protocol inside; `None` if this one is not for it.
fn opened<P: Part, S: Shape>(input: Input<Node<S>>) -> Option<Input<P::Node>> {
    Some(match input {
        Input::Start => Input::Start,
        Input::Call(ErasedCall(call)) => Input::Call(*open(call)),
        Input::Message(from, said) => Input::Message(from, said.open()?),
        Input::Timer(Timer(timer)) => Input::Timer(*open(timer)),
        Input::Spare(..) if !P::Node::FILLS => return None,
        Input::Spare(to, bytes) => Input::Spare(to, bytes),
        Input::Shed(to, said) => Input::Shed(to, said.open()?),
        Input::Lost(to, loss) => Input::Lost(to, loss),
        Input::Peer(change) => Input::Peer(change),
    })
}

fn open<T: Any>(hidden: Box<dyn Any>) -> Box<T> {
    hidden.downcast().expect("all nodes of a simulation run the same protocol")
}

impl<S: Shape> Protocol for Node<S> {
    type Call = ErasedCall;
    type Message = ErasedMessage<S>;
    type Timer = Timer;
    type Event = Event;
    // Some of those inside have use for spare room.
    const FILLS: bool = true;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        self.0.handle(cx, input);
    }
}

impl<S: Shape> Subscriber<swim::Event> for Node<S> {
    fn change_for(event: &swim::Event) -> Option<Change> {
        event.change()
    }
}

impl<S> Node<S> {
    fn inside<N: Any>(&self) -> &N {
        self.0.as_any().downcast_ref().expect("all nodes of a simulation run the same protocol")
    }
}

/// What is remembered of what the nodes told: nothing, before the part is first asked.
#[derive(Default)]
pub(super) struct Seen(Option<Box<dyn Any>>);

impl Seen {
    fn inside<T: Any + Default>(&mut self) -> &mut T {
        let seen = self.0.get_or_insert_with(|| Box::new(T::default()));
        seen.downcast_mut().expect("one part remembers for all nodes")
    }

    fn read<T: Any + Default, R>(&self, read: impl FnOnce(&T) -> R) -> R {
        match &self.0 {
            Some(seen) => read(seen.downcast_ref().expect("one part remembers for all nodes")),
            None => read(&T::default()),
        }
    }
}

/// [`Part`], as far as it takes a value to call it on.
trait AnyPart<S: Shape>: 'static {
    fn make(&self, id: NodeId, life: u32, kept: Option<&Node<S>>) -> Node<S>;
    fn peers(&self, id: NodeId) -> Option<Peers>;
    fn first_calls(&self, id: NodeId, life: u32) -> Vec<ErasedCall>;
    fn calls(&self) -> Names;
    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<ErasedCall, String>;
    fn see(&self, seen: &mut Seen, at: Time, id: NodeId, event: &Event);
    fn see_call(&self, seen: &mut Seen, call: &CallRecord);
    fn look(&self, seen: &mut Seen, view: &dyn View<Node<S>>);
    fn measure(&self, view: &dyn View<Node<S>>, seen: &Seen) -> Vec<(&'static str, f64)>;
    fn checks(&self) -> Names;
    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Erased<S>>, String>;
    fn heap_bytes(&self, nodes: u64) -> u64;
}

struct Hidden<P>(P);

fn through<P: Part, S: Shape>(view: &dyn View<Node<S>>) -> LayerView<'_, Node<S>, P::Node> {
    LayerView { view, layer: Node::inside }
}

impl<P: Part, S: Shape> AnyPart<S> for Hidden<P> {
    fn make(&self, id: NodeId, life: u32, kept: Option<&Node<S>>) -> Node<S> {
        Node(Box::new(NodeOf::<P>(self.0.make(id, life, kept.map(Node::inside)))))
    }
    fn peers(&self, id: NodeId) -> Option<Peers> {
        self.0.peers(id)
    }
    fn first_calls(&self, id: NodeId, life: u32) -> Vec<ErasedCall> {
        self.0.first_calls(id, life).into_iter().map(asked::<P>).collect()
    }
    fn calls(&self) -> Names {
        self.0.calls()
    }
    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<ErasedCall, String> {
        self.0.call(id, call, with).map(asked::<P>)
    }
    fn see(&self, seen: &mut Seen, at: Time, id: NodeId, event: &Event) {
        let event = event.0.as_any().downcast_ref().expect("all nodes of a simulation run the same protocol");
        self.0.see(seen.inside(), at, id, event);
    }
    fn see_call(&self, seen: &mut Seen, call: &CallRecord) {
        self.0.see_call(seen.inside(), call);
    }
    fn look(&self, seen: &mut Seen, view: &dyn View<Node<S>>) {
        self.0.look(seen.inside(), &through::<P, S>(view));
    }
    fn measure(&self, view: &dyn View<Node<S>>, seen: &Seen) -> Vec<(&'static str, f64)> {
        seen.read(|seen| self.0.measure(&through::<P, S>(view), seen))
    }
    fn checks(&self) -> Names {
        self.0.checks()
    }
    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Erased<S>>, String> {
        let check = self.0.check(name, with)?;
        Ok(Box::new(move |view, seen| seen.read(|seen| check(&through::<P, S>(view), seen))))
    }
    fn heap_bytes(&self, nodes: u64) -> u64 {
        size_of::<P::Node>() as u64 + self.0.heap_bytes(nodes)
    }
}

fn asked<P: Part>(call: CallOf<P>) -> ErasedCall {
    ErasedCall(Box::new(call))
}

impl<S: Shape> Part for Erased<S> {
    type Node = Node<S>;
    type Seen = Seen;

    fn make(&self, id: NodeId, life: u32, kept: Option<&Node<S>>) -> Node<S> {
        self.0.make(id, life, kept)
    }
    fn peers(&self, id: NodeId) -> Option<Peers> {
        self.0.peers(id)
    }
    fn first_calls(&self, id: NodeId, life: u32) -> Vec<ErasedCall> {
        self.0.first_calls(id, life)
    }
    fn calls(&self) -> Names {
        self.0.calls()
    }
    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<ErasedCall, String> {
        self.0.call(id, call, with)
    }
    fn see(&self, seen: &mut Seen, at: Time, id: NodeId, event: &Event) {
        self.0.see(seen, at, id, event);
    }
    fn see_call(&self, seen: &mut Seen, call: &CallRecord) {
        self.0.see_call(seen, call);
    }
    fn look(&self, seen: &mut Seen, view: &dyn View<Node<S>>) {
        self.0.look(seen, view);
    }
    fn tell(event: &Event) -> Line {
        event.0.line()
    }
    fn observe(node: &Node<S>) -> Vec<&dyn Observe> {
        node.0.observe()
    }
    fn measure(&self, view: &dyn View<Node<S>>, seen: &Seen) -> Vec<(&'static str, f64)> {
        self.0.measure(view, seen)
    }
    fn checks(&self) -> Names {
        self.0.checks()
    }
    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Self>, String> {
        self.0.check(name, with)
    }
    fn heap_bytes(&self, nodes: u64) -> u64 {
        self.0.heap_bytes(nodes)
    }
}
