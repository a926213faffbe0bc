//! The catalog: every protocol says here what it is called and what its messages look like, and a visitor goes through all of them.
//!
//! A protocol implements [`Catalogued`] in its own file and has one line in the `family!` of its module. By that it has golden packets,
//! fuzz seeds, hostile inputs, a scenario stack, its line in help texts and in the table of this crate, and the tests of its family.

mod each;

pub use each::each;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Debug;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::protocol::Protocol;

/// A protocol with all that is said of it outside its own file.
pub trait Catalogued: Protocol<Call: Send, Message: Send, Timer: Send, Event: Send> + Send + 'static {
    /// Its settings. A scenario's `[settings.NAME]` is this type.
    type Config: Settings;
    /// Name of its scenario stack, and prefix of its golden packets and fuzz seeds.
    const NAME: &'static str;
    /// What it does, in one line of help.
    const ABOUT: &'static str;
    /// Where it comes from.
    const PAPER: &'static str;
    /// What it costs.
    const COST: &'static str;

    /// A node in this life that knows nobody yet. Many nodes share one `config`.
    fn start(config: &Arc<Self::Config>, me: NodeId, life: Life) -> Self;
    /// Refuses settings that contradict each other.
    ///
    /// # Errors
    /// Says which, and what to give instead.
    fn check(_: &Self::Config) -> Result<(), String> {
        Ok(())
    }
    /// These settings, with those that have no effect beside the others as they are by default: two that come to the same make nodes that do the same.
    fn in_effect(config: &Self::Config) -> Self::Config {
        config.clone()
    }
    /// The settings of a node that knows only its neighbours in a graph of `nodes` nodes: what it would work out from the number of its peers is filled in.
    ///
    /// # Errors
    /// Says why this protocol does not run on a graph, and what to give instead.
    fn on_graph(config: &Self::Config, _nodes: u64) -> Result<Self::Config, String> {
        Ok(config.clone())
    }
    /// One of each message, and some more at the ends of their ranges. A golden packet freezes each of them: a sample is never changed,
    /// and a new one goes to the end.
    fn samples() -> Vec<(&'static str, Self::Message)>;
}

/// Settings of a protocol; with the feature `serde` they can be read from a file.
#[cfg(feature = "serde")]
pub trait Settings:
    Clone + Debug + Default + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static
{
}

#[cfg(feature = "serde")]
impl<T> Settings for T where
    T: Clone + Debug + Default + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static
{
}

/// Settings of a protocol; with the feature `serde` they can be read from a file.
#[cfg(not(feature = "serde"))]
pub trait Settings: Clone + Debug + Default + Send + Sync + 'static {}

#[cfg(not(feature = "serde"))]
impl<T: Clone + Debug + Default + Send + Sync + 'static> Settings for T {}

/// Acts on one protocol, whichever it is.
pub trait Visit {
    /// What comes of it.
    type Out;
    /// Acts on this one.
    fn visit<P: Catalogued>(self) -> Self::Out;
}

/// Lists the protocols of a module, and with that enters them into the catalog. Those before the semicolon implement the family's trait, so that each can
/// take another's place; those behind it stand alone.
macro_rules! family {
    ($family:ident: $($member:ty),* $(,)? $(; $($alone:ty),+ $(,)?)?) => {
        /// Acts on one protocol of this family, whichever it is.
        pub trait Visit {
            /// What comes of it.
            type Out;
            /// Acts on this one.
            fn visit<P: $family>(self) -> Self::Out;
        }

        /// Visits all protocols of this family, in the order of the catalog.
        #[allow(unused_variables)] // a family may be empty
        pub fn each<V: Visit>(visit: impl Fn() -> V) -> ::alloc::vec::Vec<V::Out> {
            ::alloc::vec![$(visit().visit::<$member>()),*]
        }

        /// Visits the protocol of that name.
        ///
        /// # Errors
        /// Gives the visitor back if no protocol of this family has that name.
        #[allow(unused_variables)] // as above
        pub fn named<V: Visit>(name: &str, visit: V) -> Result<V::Out, V> {
            $(if name == <$member as $crate::catalog::Catalogued>::NAME {
                return Ok(visit.visit::<$member>());
            })*
            Err(visit)
        }

        /// Visits all protocols of this module, those that stand alone too.
        #[allow(unused_variables)] // as above
        pub(crate) fn all<V: $crate::catalog::Visit>(visit: &impl Fn() -> V) -> ::alloc::vec::Vec<V::Out> {
            ::alloc::vec![$(visit().visit::<$member>(),)* $($(visit().visit::<$alone>(),)+)?]
        }
    };
}
pub(crate) use family;
