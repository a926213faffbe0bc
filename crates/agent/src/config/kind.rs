//! The kinds of settings. A kind reads a value from TOML, from an environment variable or from flags, and writes it as TOML.

use std::collections::BTreeMap;
use std::time::Duration;
use toml::de::DeValue;

/// A value as its source has it.
pub(super) enum Raw<'a> {
    /// From a file.
    Toml(&'a DeValue<'a>),
    /// From the environment.
    Text(&'a str),
}

/// What a setting can be.
pub(super) trait Kind: Sized {
    /// What is expected, for the message when it is not found.
    const WANTS: &'static str;
    /// The kind is a list: its flag takes several values, and may be repeated.
    const MANY: bool = false;
    /// Reads it, or nothing if it is something else.
    fn read(raw: Raw<'_>) -> Option<Self>;
    /// Reads the values of its flag, in the order of the command line.
    fn flag(values: &[String]) -> Option<Self> {
        values.last().and_then(|value| Self::read(Raw::Text(value)))
    }
    /// Its value in TOML.
    fn toml(&self) -> String;
}

fn quoted(text: impl ToString) -> String {
    toml::Value::String(text.to_string()).to_string()
}

impl Kind for String {
    const WANTS: &'static str = "text in quotes";
    fn read(raw: Raw<'_>) -> Option<String> {
        match raw {
            Raw::Toml(DeValue::String(s)) => Some(s.to_string()),
            Raw::Toml(_) => None,
            Raw::Text(s) => Some(s.to_string()),
        }
    }
    fn toml(&self) -> String {
        quoted(self)
    }
}

impl Kind for bool {
    const WANTS: &'static str = "on or off";
    fn read(raw: Raw<'_>) -> Option<bool> {
        match raw {
            Raw::Toml(DeValue::Boolean(b)) => Some(*b),
            Raw::Toml(DeValue::String(s)) => switch(s),
            Raw::Toml(_) => None,
            Raw::Text(s) => switch(s),
        }
    }
    fn toml(&self) -> String {
        self.to_string()
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

impl Kind for u64 {
    const WANTS: &'static str = "a whole number, zero or more";
    fn read(raw: Raw<'_>) -> Option<u64> {
        match raw {
            Raw::Toml(DeValue::Integer(i)) => u64::from_str_radix(i.as_str(), i.radix()).ok(),
            Raw::Toml(_) => None,
            Raw::Text(s) => s.trim().parse().ok(),
        }
    }
    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Kind for f64 {
    const WANTS: &'static str = "a number";
    fn read(raw: Raw<'_>) -> Option<f64> {
        let number: f64 = match raw {
            Raw::Toml(DeValue::Integer(i)) => i.as_str().parse().ok()?,
            Raw::Toml(DeValue::Float(x)) => x.as_str().parse().ok()?,
            Raw::Toml(_) => return None,
            Raw::Text(s) => s.trim().parse().ok()?,
        };
        number.is_finite().then_some(number)
    }
    fn toml(&self) -> String {
        toml::Value::Float(*self).to_string()
    }
}

/// A number of bytes: `2048`, `"2 KiB"`, `"8MiB/s"`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Kind for Bytes {
    const WANTS: &'static str = "a number of bytes such as 2048 or \"8 MiB\"";
    fn read(raw: Raw<'_>) -> Option<Bytes> {
        match raw {
            Raw::Toml(DeValue::Integer(_)) => u64::read(raw).map(Bytes),
            Raw::Toml(DeValue::String(s)) => s.parse().ok(),
            Raw::Toml(_) => None,
            Raw::Text(s) => s.parse().ok(),
        }
    }
    fn toml(&self) -> String {
        quoted(self)
    }
}

const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

impl std::str::FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Bytes, String> {
        let wrong = || format!("{text:?} is not {}", Bytes::WANTS);
        let bare = text.trim().strip_suffix("/s").unwrap_or(text).trim();
        let digits = bare.find(|c: char| !c.is_ascii_digit()).unwrap_or(bare.len());
        let number: u64 = bare[..digits].parse().map_err(|_| wrong())?;
        let unit = match bare[digits..].trim() {
            "" => 1,
            unit => UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|u| u.1)
                .ok_or_else(wrong)?,
        };
        number.checked_mul(unit).map(Bytes).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = UNITS[..4].iter().rev().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size));
        match unit {
            Some((name, size)) => write!(f, "{} {name}", self.0 / size),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// A length of time: `"30s"`, `"1m 30s"`, or whole seconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Kind for Span {
    const WANTS: &'static str = "a time such as \"30s\" or \"5m\"";
    fn read(raw: Raw<'_>) -> Option<Span> {
        match raw {
            Raw::Toml(DeValue::Integer(_)) => u64::read(raw).map(|s| Span(Duration::from_secs(s))),
            Raw::Toml(DeValue::String(s)) => s.parse().ok(),
            Raw::Toml(_) => None,
            Raw::Text(s) => s.parse().ok(),
        }
    }
    fn toml(&self) -> String {
        quoted(self)
    }
}

impl std::str::FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Span, String> {
        humantime::parse_duration(text.trim())
            .map(Span)
            .map_err(|_| format!("{text:?} is not {}", Span::WANTS))
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

/// Whole seconds: `86400`, or a time such as `"24h"`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl Kind for Seconds {
    const WANTS: &'static str = "a number of seconds, or a time such as \"24h\", in whole seconds";
    fn read(raw: Raw<'_>) -> Option<Seconds> {
        let text: &str = match raw {
            Raw::Toml(DeValue::Integer(_)) => return u64::read(raw).map(Seconds),
            Raw::Toml(DeValue::String(s)) => s,
            Raw::Toml(_) => return None,
            Raw::Text(s) => s,
        };
        let seconds =
            text.trim().parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(text.trim()));
        seconds.ok().filter(|time| time.subsec_nanos() == 0).map(|time| Seconds(time.as_secs()))
    }
    fn toml(&self) -> String {
        self.0.to_string()
    }
}

impl Kind for Vec<String> {
    const WANTS: &'static str = "a list of texts";
    const MANY: bool = true;
    fn read(raw: Raw<'_>) -> Option<Vec<String>> {
        match raw {
            Raw::Toml(DeValue::Array(items)) => {
                items.iter().map(|item| String::read(Raw::Toml(item.get_ref()))).collect()
            }
            Raw::Toml(DeValue::String(s)) => Some(comma_separated(s)),
            Raw::Toml(_) => None,
            Raw::Text(s) => Some(comma_separated(s)),
        }
    }
    fn flag(values: &[String]) -> Option<Vec<String>> {
        Some(values.iter().flat_map(|value| comma_separated(value)).collect())
    }
    fn toml(&self) -> String {
        array(self)
    }
}

fn array(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(quoted).collect();
    format!("[{}]", texts.join(", "))
}

/// Texts that may hold commas: a list, or one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<String>);

impl Kind for Lines {
    const WANTS: &'static str = "a list of texts, or one a line";
    const MANY: bool = true;
    fn read(raw: Raw<'_>) -> Option<Lines> {
        let lines =
            |text: &str| text.lines().filter(|line| !line.trim().is_empty()).map(str::to_string).collect();
        match raw {
            Raw::Toml(DeValue::String(s)) => Some(Lines(lines(s))),
            Raw::Toml(_) => Vec::<String>::read(raw).map(Lines),
            Raw::Text(s) => Some(Lines(lines(s))),
        }
    }
    /// Each value is one text, whatever it holds: a command may take several lines.
    fn flag(values: &[String]) -> Option<Lines> {
        Some(Lines(values.to_vec()))
    }
    fn toml(&self) -> String {
        array(&self.0)
    }
}

fn comma_separated(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_string).collect()
}

impl Kind for BTreeMap<String, String> {
    const WANTS: &'static str = "a table of texts, or K=V,K=V";
    const MANY: bool = true;
    fn read(raw: Raw<'_>) -> Option<BTreeMap<String, String>> {
        match raw {
            Raw::Toml(DeValue::Table(table)) => table
                .iter()
                .map(|(key, value)| {
                    let text = match value.get_ref() {
                        DeValue::String(s) => s.to_string(),
                        DeValue::Integer(i) => i.as_str().to_string(),
                        DeValue::Float(x) => x.as_str().to_string(),
                        DeValue::Boolean(b) => b.to_string(),
                        _ => return None,
                    };
                    Some((key.get_ref().to_string(), text))
                })
                .collect(),
            Raw::Toml(DeValue::String(s)) => pairs(s),
            Raw::Toml(list @ DeValue::Array(_)) => Self::flag(&Vec::<String>::read(Raw::Toml(list))?),
            Raw::Toml(_) => None,
            Raw::Text(s) => pairs(s),
        }
    }
    fn flag(values: &[String]) -> Option<BTreeMap<String, String>> {
        values.iter().map(|value| pairs(value)).try_fold(BTreeMap::new(), |mut all, more| {
            all.extend(more?);
            Some(all)
        })
    }
    fn toml(&self) -> String {
        let pairs = self.iter().map(|(key, value)| (key.clone(), toml::Value::String(value.clone())));
        toml::Value::Table(pairs.collect()).to_string()
    }
}

/// Reads `K=V,K=V`. A comma that no `K=` follows belongs to the value before it.
fn pairs(text: &str) -> Option<BTreeMap<String, String>> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    let mut rest = String::new(); // commas and blanks, which count only if more of the value follows
    for piece in text.split(',') {
        match (piece.split_once('='), pairs.last_mut()) {
            (Some((key, value)), _) => {
                rest.clear();
                pairs.push((key.trim(), value.to_string()));
            }
            (None, Some((_, value))) => {
                rest.push(',');
                rest.push_str(piece);
                if !piece.trim().is_empty() {
                    value.push_str(&std::mem::take(&mut rest));
                }
            }
            (None, None) if piece.trim().is_empty() => {}
            (None, None) => return None,
        }
    }
    Some(pairs.into_iter().map(|(key, value)| (key.to_string(), value.trim().to_string())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_and_without_units_and_written_back() {
        for (text, bytes, shown) in [
            ("2048", 2048, "2 KiB"),
            ("2KiB/s", 2048, "2 KiB"),
            ("8 MiB", 8 << 20, "8 MiB"),
            ("1 mb", 1_000_000, "1000000 B"),
            ("0", 0, "0 B"),
        ] {
            let read: Bytes = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (bytes, shown), "{text}");
        }
        for wrong in ["", "MiB", "1 parsec", "-1", "99999999999 GiB"] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_with_their_units_and_written_back() {
        for (text, ms, shown) in [
            ("30s", 30_000, "30s"),
            (" 90s ", 90_000, "1m 30s"),
            ("1m 30s", 90_000, "1m 30s"),
            ("250ms", 250, "250ms"),
            ("1h", 3_600_000, "1h"),
        ] {
            let read: Span = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (Duration::from_millis(ms), shown), "{text}");
            assert_eq!(Span::read(Raw::Text(text)), Some(read), "{text}");
        }
        for wrong in ["", "s", "30", "-1s", "1 fortnight", "99999999999999999999s"] {
            let error = wrong.parse::<Span>().unwrap_err();
            assert!(error.contains("is not a time such as"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_number_in_a_file_is_a_time_in_seconds() {
        let table = toml::de::DeTable::parse("a = 30\nb = \"5m\"\nc = -1\nd = 1.5").unwrap();
        let read = |key: &str| Span::read(Raw::Toml(table.get_ref()[key].get_ref()));
        assert_eq!(read("a"), Some(Span(Duration::from_secs(30))));
        assert_eq!(read("b"), Some(Span(Duration::from_secs(300))));
        assert_eq!((read("c"), read("d")), (None, None));
    }

    #[test]
    fn seconds_are_a_number_or_a_time() {
        for (text, seconds) in
            [("86400", Some(86_400)), ("24h", Some(86_400)), (" 1m 30s ", Some(90)), ("0", Some(0))]
        {
            assert_eq!(Seconds::read(Raw::Text(text)).map(|read| read.0), seconds, "{text}");
        }
        for wrong in ["", "-1", "1500ms", "soon"] {
            assert_eq!(Seconds::read(Raw::Text(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn a_list_is_separated_by_commas_and_a_comma_may_stand_in_a_tag() {
        let values = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let list = <Vec<String> as Kind>::flag(&values(&["a, b", "c", ""]));
        assert_eq!(list, Some(values(&["a", "b", "c"])));
        let tags = |given: &[&str]| {
            let read = <BTreeMap<String, String> as Kind>::flag(&values(given))?;
            Some(read.into_iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(" "))
        };
        for (given, read) in [
            (&["role=web, rack=7"][..], Some("rack:7 role:web")),
            (&["role=web", "rack=7"], Some("rack:7 role:web")),
            (&["disks=a,b,,c,role=web,"], Some("disks:a,b,,c role:web")),
            (&["a=x=y,"], Some("a:x=y")),
            (&["novalue"], None),
        ] {
            assert_eq!(tags(given).as_deref(), read, "{given:?}");
        }
        assert_eq!(Lines::flag(&values(&["a=b\nc,d"])), Some(Lines(values(&["a=b\nc,d"]))));
    }

    #[test]
    fn a_value_is_read_again_as_a_file_has_it() {
        fn again<K: Kind + PartialEq + std::fmt::Debug>(text: &str) {
            let value = K::read(Raw::Text(text)).unwrap_or_else(|| panic!("{text}"));
            let line = format!("key = {}", value.toml());
            let table = toml::de::DeTable::parse(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(K::read(Raw::Toml(table.get_ref()["key"].get_ref())), Some(value), "{line}");
        }
        again::<String>("a \"quoted\" text");
        again::<bool>("off");
        again::<u64>("7");
        again::<f64>("4");
        again::<Bytes>("2 KiB/s");
        again::<Span>("90s");
        again::<Seconds>("24h");
        again::<Vec<String>>("a,b");
        again::<Lines>("event:a=echo 'x' \"y\"\n*=z");
        again::<BTreeMap<String, String>>("role=web,disk=a b");
    }
}
