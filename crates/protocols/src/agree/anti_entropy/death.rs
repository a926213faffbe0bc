//! Death certificates: what is gone has to be remembered, or whoever missed that brings it back (section 2).
//!
//! A certificate is kept by everybody for a time τ1 after it became active, and compared and passed on like a value. Then all forget it but
//! its retention sites, drawn at random and named in it: these keep it *dormant* for another τ2, where it takes no part in
//! comparisons. If a value that it had killed comes by all the same, it is *awakened*: active again from now on, with its ordinary stamp
//! unchanged, so that it kills the same values as before and none that was written since.
//!
//! Clocks that differ end a certificate at different times. For so long stores differ by it: who has done with it does not take it again,
//! but lets it kill what it kills.

use super::config::{Certificates, Config};
use super::entry::{Entry, SITES_MAX, place_of};
use super::store::Store;
use alloc::vec::Vec;
use core::cmp::Ordering;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Wall};

/// What is to become of a certificate.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Everybody keeps it and passes it on.
    Active,
    /// Its retention sites keep it.
    Dormant,
    /// Nobody does.
    Gone,
}

/// What is to become of a certificate here, by this clock.
pub(super) fn fate(entry: &Entry, config: &Config, wall: Wall, me: NodeId) -> Fate {
    let Some(certificates) = &config.certificates else { return Fate::Gone };
    let age = wall.since(entry.activated().wall);
    if age < certificates.active {
        Fate::Active
    } else if age < certificates.active.saturating_add(certificates.dormant) && entry.sites().contains(&me) {
        Fate::Dormant
    } else {
        Fate::Gone
    }
}

/// `time` later by this clock.
fn later(wall: Wall, time: Duration) -> Wall {
    Wall(wall.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

/// Draws the retention sites of a new certificate: up to `sites` peers, each once; the author itself where there are none.
pub(super) fn draw_sites(
    certificates: &Certificates,
    me: NodeId,
    mut pick: impl FnMut() -> Option<NodeId>,
) -> Vec<NodeId> {
    let wanted = certificates.sites.min(SITES_MAX);
    let mut sites = Vec::with_capacity(wanted);
    for _ in 0..4 * wanted {
        let Some(site) = pick() else { break };
        if sites.len() < wanted && !sites.contains(&site) {
            sites.push(site);
        }
    }
    if sites.is_empty() && wanted > 0 {
        sites.push(me);
    }
    sites
}

/// The dormant certificates of one node, and when the next certificate changes its state.
#[derive(Debug)]
pub(super) struct DormantCertificates {
    /// In the order of place and key.
    dormant: Vec<Entry>,
    /// Nothing changes its state before this.
    due: Wall,
}

impl Default for DormantCertificates {
    fn default() -> Self {
        DormantCertificates { dormant: Vec::new(), due: Wall(u64::MAX) }
    }
}

impl DormantCertificates {
    pub fn len(&self) -> usize {
        self.dormant.len()
    }

    /// What the dormant ones take.
    #[cfg(test)]
    pub fn allocated_bytes(&self) -> usize {
        self.dormant.capacity() * size_of::<Entry>()
    }

    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        self.dormant.binary_search_by(|entry| (entry.place(), &**entry.key()).cmp(&(place_of(key), key)))
    }

    /// The dormant certificate of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Entry> {
        if self.dormant.is_empty() {
            return None; // nearly always
        }
        self.find(key).ok().map(|at| &self.dormant[at])
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        if self.dormant.is_empty() {
            return None;
        }
        self.find(key).ok().map(|at| self.dormant.remove(at))
    }

    /// An active certificate is in the store: it will change its state.
    pub fn note(&mut self, entry: &Entry, config: &Config) {
        if let (None, Some(certificates)) = (entry.value(), &config.certificates) {
            self.due = self.due.min(later(entry.activated().wall, certificates.active));
        }
    }

    /// Lays a certificate down. Returns whether another one had to go for it.
    pub fn lay(&mut self, entry: Entry, config: &Config) -> bool {
        let Some(certificates) = &config.certificates else { return false };
        self.note_end(&entry, certificates);
        match self.find(entry.key()) {
            Ok(at) if self.dormant[at].age_order(&entry) == Ordering::Less => self.dormant[at] = entry,
            Ok(_) => {}
            Err(at) => self.dormant.insert(at, entry),
        }
        let full = self.dormant.len() > certificates.dormant_max;
        if full {
            let (at, _) = self
                .dormant
                .iter()
                .enumerate()
                .min_by_key(|(_, entry)| entry.activated())
                .expect("there is the one just laid down");
            self.dormant.remove(at);
        }
        full
    }

    fn note_end(&mut self, entry: &Entry, certificates: &Certificates) {
        let lives = certificates.active.saturating_add(certificates.dormant);
        self.due = self.due.min(later(entry.activated().wall, lives));
    }

    /// Lets certificates grow dormant and go whose time has come. Costs one comparison while there is none. Returns how many dormant ones
    /// went before their time for want of room.
    pub fn sweep(&mut self, store: &mut Store, config: &Config, wall: Wall, me: NodeId) -> u64 {
        if wall < self.due {
            return 0;
        }
        self.due = Wall(u64::MAX);
        let Some(certificates) = &config.certificates else { return 0 };
        let mut dormant = core::mem::take(&mut self.dormant);
        dormant.retain(|entry| fate(entry, config, wall, me) != Fate::Gone);
        dormant.iter().for_each(|entry| self.note_end(entry, certificates));
        self.dormant = dormant;
        let deaths = store.slots().iter().map(|slot| &slot.entry).filter(|entry| entry.value().is_none());
        let mut over = Vec::new();
        for entry in deaths {
            match fate(entry, config, wall, me) {
                Fate::Active => self.note(entry, config),
                _ => over.push(entry.clone()),
            }
        }
        let mut dropped = 0;
        for entry in over {
            store.remove(entry.key());
            if fate(&entry, config, wall, me) == Fate::Dormant {
                dropped += u64::from(self.lay(entry, config));
            }
        }
        dropped
    }
}
