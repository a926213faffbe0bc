//! The counters of a protocol: one list gives their names, their meaning and their sum.

/// Makes the struct of a protocol's counters. Each is a `u64`; the comment above its name is its help text. The struct has their sum (`+=`) and `each`, which
/// goes through all of them.
///
/// ```
/// rumormill_core::counters! {
///     /// What a prober counts.
///     pub struct Counters {
///         /// Members probed.
///         probes,
///         /// Probes without an answer
///         /// by any path.
///         probes_failed,
///     }
/// }
/// let mut total = Counters { probes: 7, ..Counters::default() };
/// total += Counters { probes: 1, probes_failed: 2 };
/// assert!(total.each().eq([
///     ("probes", "Members probed", 8),
///     ("probes_failed", "Probes without an answer by any path", 2),
/// ]));
/// ```
#[macro_export]
macro_rules! counters {
    ($(#[$about:meta])* pub struct $Name:ident { $($(#[doc = $help:literal])+ $counter:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
        pub struct $Name { $($(#[doc = $help])+ pub $counter: u64),+ }

        impl $Name {
            /// Each counter: its name, its help text without the full stop, and its value.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                let each = [$((stringify!($counter), concat!($($help),+), self.$counter)),+];
                each.into_iter().map(|(name, help, value)| (name, help.trim_matches([' ', '.']), value))
            }
        }

        impl ::core::ops::AddAssign for $Name {
            fn add_assign(&mut self, other: $Name) {
                $(self.$counter += other.$counter;)+
            }
        }
    };
}
