//! States of features, one value of each type, found by its type.
//!
//! A feature keeps here what it remembers between requests. The agent owns the states without naming any feature, so a new feature changes no file
//! but its own.

use std::any::{Any, TypeId, type_name};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values by their types. Filled before the agent starts, then only read; what changes in them is behind a lock or an atomic.
#[derive(Default)]
pub struct States(Vec<(TypeId, Box<dyn Any + Send + Sync>)>);

impl States {
    /// Adds the value of a type.
    pub fn add<T: Any + Send + Sync>(&mut self, state: T) {
        self.0.push((TypeId::of::<T>(), Box::new(state)));
    }

    /// The value of a type.
    ///
    /// # Panics
    /// If no feature added one: a programming error that every start finds.
    pub fn get<T: Any + Send + Sync>(&self) -> &T {
        let found = self.0.iter().find(|(id, _)| *id == TypeId::of::<T>());
        let state = found.and_then(|(_, state)| state.downcast_ref());
        state.unwrap_or_else(|| panic!("no feature has added a {}", type_name::<T>()))
    }
}

/// Locks a mutex, also after a panic in another thread that held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_own_state() {
        let mut states = States::default();
        states.add(Mutex::new(7_u32));
        states.add(Mutex::new("seven"));
        *lock(states.get::<Mutex<u32>>()) += 1;
        assert_eq!((*lock(states.get::<Mutex<u32>>()), *lock(states.get::<Mutex<&str>>())), (8, "seven"));
    }
}
