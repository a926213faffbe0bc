//! Where the settings came from, so that they can be read again.

use super::check::{Checked, Setting};
use super::load_with;
use super::partial::Partial;
use std::path::PathBuf;

/// The sources of a configuration, and what they said.
#[derive(Clone, PartialEq)]
pub struct Origin {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What they said.
    pub settings: Vec<Setting>,
    pub(super) vars: Vec<(String, String)>,
    pub(super) flags: Partial,
}

impl Origin {
    /// Reads the same sources again. Touches disks, so it may take its time.
    pub fn read_again(&self) -> Checked {
        load_with(self.file.as_deref(), self.vars.clone(), self.flags.clone())
    }
}

/// Without the environment, which may hold secrets of others.
impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("file", &self.file).finish_non_exhaustive()
    }
}
