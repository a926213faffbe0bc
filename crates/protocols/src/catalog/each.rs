//! All protocols: the lists of the families, one after the other. In a file of its own, since each protocol uses the catalog.

use super::Visit;
use crate::{agree, detect, member, spread, sum};
use alloc::vec::Vec;

/// Visits all protocols there are.
pub fn each<V: Visit>(visit: impl Fn() -> V) -> Vec<V::Out> {
    let modules =
        [member::all(&visit), agree::all(&visit), spread::all(&visit), sum::all(&visit), detect::all(&visit)];
    modules.into_iter().flatten().collect()
}
