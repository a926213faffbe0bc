//! Polling with a deadline: what a test does in place of sleeping.

use std::time::{Duration, Instant};

/// How long [`until`] pauses between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` returns something, and returns it with the time that took.
///
/// # Panics
/// After `deadline_s` seconds, naming `what`. Deadlines are for what went wrong, so let them be generous.
pub fn until<T>(what: &str, deadline_s: u64, mut look: impl FnMut() -> Option<T>) -> (T, Duration) {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, start.elapsed());
        }
        assert!(start.elapsed().as_secs() < deadline_s, "waited {deadline_s} s in vain until {what}");
        std::thread::sleep(PAUSE);
    }
}

/// As [`until`], for what only is or is not.
///
/// # Panics
/// As [`until`].
pub fn until_true(what: &str, deadline_s: u64, mut look: impl FnMut() -> bool) -> Duration {
    until(what, deadline_s, || look().then_some(())).1
}

/// Looks for `for_s` seconds, and wants `look` to hold each time: for what must *not* happen.
///
/// # Panics
/// At the first look that does not hold, naming `what`.
pub fn while_true(what: &str, for_s: f64, mut look: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < for_s {
        assert!(look(), "after {:.1} s no longer: {what}", start.elapsed().as_secs_f64());
        std::thread::sleep(PAUSE * 5);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_what_was_found_and_gives_up_with_the_name_of_what_was_not() {
        let mut looks = 0;
        let (found, _) = until("the third look", 60, || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
        let lost = std::panic::catch_unwind(|| until("the sea runs dry", 0, || None::<()>));
        let said = lost.unwrap_err();
        assert!(said.downcast_ref::<String>().unwrap().contains("the sea runs dry"));
    }
}
