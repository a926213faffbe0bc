//! Numbers as people read them: counts with their nouns, times in one unit, times as decimals.

use alloc::format;
use alloc::string::String;
use core::fmt::Display;
use core::time::Duration;

/// A count with its noun, which is given for one: `1 member`, `2 members`, `3 tries`, `4 addresses`.
pub fn count<N: Display + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    match is_one(&n) {
        true => format!("{n} {noun}"),
        false => format!("{n} {}", plural(noun)),
    }
}

/// The word for one, or the word for any other number.
pub fn either<'a, N: PartialEq + From<u8>>(n: N, one: &'a str, others: &'a str) -> &'a str {
    if is_one(&n) { one } else { others }
}

fn is_one<N: PartialEq + From<u8>>(n: &N) -> bool {
    *n == N::from(1)
}

/// The plural of an English noun that follows the rules.
fn plural(noun: &str) -> String {
    let ends = |with: &[&str]| with.iter().any(|end| noun.ends_with(end));
    match noun.strip_suffix('y') {
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "z", "ch", "sh"]) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// A span of seconds in one unit: `340 ms`, `4.2 s`, `3 min`, `5 h`, `12 d`.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s.max(0.0) * 1e3),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        s if s < 7170.0 => format!("{:.0} min", s / 60.0),
        s if s < 171_000.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// What a person called a member, with its id: `web-1 (00000000000000aa)`. The id alone if that is what was said.
pub fn with_id(called: &str, id: impl Display) -> String {
    let id = format!("{id}");
    if called == id { id } else { format!("{called} ({id})") }
}

/// Seconds for JSON, to the microsecond: a number without digits that nobody measured.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}

/// Milliseconds for JSON, to the nanosecond.
pub fn millis(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_follows_its_count() {
        assert_eq!(
            [count(0, "member"), count(1, "member"), count(2, "member")],
            ["0 members", "1 member", "2 members"]
        );
        assert_eq!(count(2_usize, "try"), "2 tries");
        assert_eq!(count(3_u64, "key"), "3 keys");
        assert_eq!(count(2_u32, "address"), "2 addresses");
        assert_eq!(count(2_u8, "match"), "2 matches");
        assert_eq!(count(1_u64, "address"), "1 address");
        assert_eq!(count(2, "other member"), "2 other members");
        assert_eq!((either(1, "is", "are"), either(0, "is", "are")), ("is", "are"));
    }

    #[test]
    fn a_member_is_called_as_the_person_called_it() {
        assert_eq!(with_id("web-1", "00aa"), "web-1 (00aa)");
        assert_eq!(with_id("00aa", "00aa"), "00aa");
    }

    #[test]
    fn a_measured_time_has_no_digits_that_nobody_measured() {
        let took = Duration::from_nanos(158_425);
        assert_eq!(format!("{}", took.as_secs_f64() * 1e3), "0.15842499999999998");
        assert_eq!(format!("{} {}", millis(took), seconds(took)), "0.158425 0.000158");
        assert_eq!(format!("{}", seconds(Duration::from_millis(86_400_100))), "86400.1");
    }

    #[test]
    fn spans_have_one_unit_and_no_more_digits_than_they_need() {
        let shown = [0.0, 0.34, 0.9996, 4.25, 9.96, 119.0, 119.6, 180.0, 7199.0, 7200.0, 86_400.0, 864_000.0]
            .map(span);
        assert_eq!(
            shown,
            [
                "0 ms", "340 ms", "1.0 s", "4.2 s", "10 s", "119 s", "2 min", "3 min", "2 h", "2 h", "24 h",
                "10 d"
            ]
        );
        assert_eq!(span(-1.0), "0 ms");
    }
}
