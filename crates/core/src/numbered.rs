//! Messages of several protocols, told apart on the wire by a number: `[number, message]`.
//!
//! A number that this version does not know is a protocol that a newer one added: its message becomes `Unknown`, without harm to its neighbours in
//! the datagram.

#[doc(hidden)]
pub use minicbor;

/// Bytes around a numbered message: an array of two, and the number.
pub const FRAME_BYTES: usize = 2;
/// What `Unknown` is written as, though it is never sent. Numbers are below it, so that each takes one byte.
pub const UNKNOWN: u8 = 23;

/// Refuses numbers that occur twice, that were retired, or that take more than a byte.
#[doc(hidden)]
pub const fn check(numbers: &[u64], retired: &[u64]) {
    let mut at = 0;
    while at < numbers.len() {
        assert!(numbers[at] < UNKNOWN as u64, "a protocol's number is below 23");
        assert!(!holds(numbers.split_at(at).0, numbers[at]), "two protocols have the same number");
        assert!(!holds(retired, numbers[at]), "a retired number must not be used again");
        at += 1;
    }
}

const fn holds(numbers: &[u64], number: u64) -> bool {
    let mut at = 0;
    while at < numbers.len() {
        if numbers[at] == number {
            return true;
        }
        at += 1;
    }
    false
}

/// Makes the message type of a composite; [`composite!`](crate::composite) is where it is used.
///
/// Each message type has a number of its own:
///
/// ```
/// # use rumormill_core::{Lane, Message as _};
/// # #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
/// # pub struct Word(#[n(0)] u64);
/// # impl rumormill_core::Message for Word { const LANES: &'static [Lane] = &[Lane::new("word")]; }
/// rumormill_core::numbered! { pub enum Message { 3 Alarm(Word), 4 Log(Word) } retired 5 }
/// # fn main() {}
/// ```
///
/// Two with one number do not compile,
///
/// ```compile_fail,E0080
/// # use rumormill_core::{Lane, Message as _};
/// # #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
/// # pub struct Word(#[n(0)] u64);
/// # impl rumormill_core::Message for Word { const LANES: &'static [Lane] = &[Lane::new("word")]; }
/// rumormill_core::numbered! { pub enum Message { 3 Alarm(Word), 3 Log(Word) } retired }
/// # fn main() {}
/// ```
///
/// nor does one with a number that was retired,
///
/// ```compile_fail,E0080
/// # use rumormill_core::{Lane, Message as _};
/// # #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
/// # pub struct Word(#[n(0)] u64);
/// # impl rumormill_core::Message for Word { const LANES: &'static [Lane] = &[Lane::new("word")]; }
/// rumormill_core::numbered! { pub enum Message { 3 Alarm(Word), 5 Log(Word) } retired 5 }
/// # fn main() {}
/// ```
///
/// nor one with a number that takes more than a byte.
///
/// ```compile_fail,E0080
/// # use rumormill_core::{Lane, Message as _};
/// # #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
/// # pub struct Word(#[n(0)] u64);
/// # impl rumormill_core::Message for Word { const LANES: &'static [Lane] = &[Lane::new("word")]; }
/// rumormill_core::numbered! { pub enum Message { 3 Alarm(Word), 23 Log(Word) } retired }
/// # fn main() {}
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! numbered {
    (
        $(#[$about:meta])*
        pub enum $Name:ident { $($(#[$doc:meta])* $number:literal $Variant:ident($M:ty)),+ }
        retired $($retired:literal),*
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub enum $Name {
            $($(#[$doc])* $Variant($M),)+
            /// The message of a protocol that this version does not know. It is never sent.
            Unknown,
        }
        const _: () = $crate::numbered::check(&[$($number),+], &[$($retired),*]);
        const LANES: &[&[$crate::Lane]] = &[$(<$M as $crate::Message>::LANES),+];
        const ALL_LANES: $crate::lane::Lanes = $crate::lane::Lanes::of(LANES);
        enum Place { $($Variant),+ }
        impl $crate::Message for $Name {
            const LANES: &'static [$crate::Lane] = ALL_LANES.as_slice();
            fn lane(&self) -> usize {
                match self {
                    $($Name::$Variant(m) => $crate::Message::lane(m)
                        + const { $crate::lane::Lanes::before(LANES, Place::$Variant as usize) },)+
                    $Name::Unknown => 0,
                }
            }
            fn replayable(&self) -> bool {
                match self {
                    $($Name::$Variant(m) => $crate::Message::replayable(m),)+
                    $Name::Unknown => false,
                }
            }
        }
        use $crate::numbered::minicbor::{self as cbor, decode, encode};
        impl cbor::Encode<()> for $Name {
            fn encode<W: encode::Write>(
                &self,
                e: &mut cbor::Encoder<W>,
                c: &mut (),
            ) -> Result<(), encode::Error<W::Error>> {
                e.array(2)?;
                match self {
                    $($Name::$Variant(m) => m.encode(e.u8($number)?, c),)+
                    $Name::Unknown => e.u8($crate::numbered::UNKNOWN)?.null()?.ok(),
                }
            }
        }
        impl<'b> cbor::Decode<'b, ()> for $Name {
            fn decode(d: &mut cbor::Decoder<'b>, c: &mut ()) -> Result<Self, decode::Error> {
                let found = $crate::wire::array(d, 2)?;
                let (message, known) = match d.u64()? {
                    $($number => ($Name::$Variant(cbor::Decode::decode(d, c)?), 2),)+
                    _ => ($Name::Unknown, 1),
                };
                $crate::wire::skip_rest(d, known, found)?;
                Ok(message)
            }
        }
        impl cbor::CborLen<()> for $Name {
            fn cbor_len(&self, c: &mut ()) -> usize {
                $crate::numbered::FRAME_BYTES
                    + match self { $($Name::$Variant(m) => m.cbor_len(c),)+ $Name::Unknown => 1 }
            }
        }
    };
}
