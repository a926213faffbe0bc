//! Text, LIKE and regular expressions.

use super::{Args, Cx, Function, function, int, string, truth};
use crate::error::{Error, SqlState};
use crate::types::Type::{Bool, Int, Text};
use rusqlite::types::{Value, ValueRef};
use std::cell::RefCell;

/// Bytes of the longest text that a function gives.
pub const LONGEST: usize = 256 << 10;
/// Steps of one LIKE; more are refused, for nothing can interrupt them.
const LIKE_STEPS: usize = 10_000_000;
/// Bytes of a compiled regular expression, and of the longest text that it may be tried on: at the worst each state is looked at for each byte, and
/// nothing can interrupt that.
const REGEX_SIZES: [(usize, usize); 3] = [(4 << 10, 64 << 10), (32 << 10, 8 << 10), (256 << 10, 1 << 10)];
/// Compiled regular expressions that a thread keeps.
const REGEX_KEPT: usize = 8;

pub const FUNCTIONS: &[Function] = &[
    function("lower", &[Text], Text, |_, a| fit(lower(string(a, 0)?))),
    function("upper", &[Text], Text, |_, a| fit(upper(string(a, 0)?))),
    function("length", &[Text], Int, |_, a| count(string(a, 0)?.chars().count())),
    function("char_length", &[Text], Int, |_, a| count(string(a, 0)?.chars().count())),
    function("character_length", &[Text], Int, |_, a| count(string(a, 0)?.chars().count())),
    function("octet_length", &[Text], Int, |_, a| count(string(a, 0)?.len())),
    function("substr", &[Text, Int], Text, |_, a| substr(a, None)),
    function("substr", &[Text, Int, Int], Text, |_, a| substr(a, Some(int(a, 2)?))),
    function("substring", &[Text, Int], Text, |_, a| substr(a, None)),
    function("substring", &[Text, Int, Int], Text, |_, a| substr(a, Some(int(a, 2)?))),
    function("left", &[Text, Int], Text, |_, a| end_of(a, false)),
    function("right", &[Text, Int], Text, |_, a| end_of(a, true)),
    function("btrim", &[Text], Text, |_, a| fit(string(a, 0)?.trim_matches(' ').to_owned())),
    function("ltrim", &[Text], Text, |_, a| fit(string(a, 0)?.trim_start_matches(' ').to_owned())),
    function("rtrim", &[Text], Text, |_, a| fit(string(a, 0)?.trim_end_matches(' ').to_owned())),
    function("btrim", &[Text, Text], Text, |_, a| {
        let set = string(a, 1)?;
        fit(string(a, 0)?.trim_matches(|c| set.contains(c)).to_owned())
    }),
    function("ltrim", &[Text, Text], Text, |_, a| {
        let set = string(a, 1)?;
        fit(string(a, 0)?.trim_start_matches(|c| set.contains(c)).to_owned())
    }),
    function("rtrim", &[Text, Text], Text, |_, a| {
        let set = string(a, 1)?;
        fit(string(a, 0)?.trim_end_matches(|c| set.contains(c)).to_owned())
    }),
    function("replace", &[Text, Text, Text], Text, |_, a| replace(a)),
    function("strpos", &[Text, Text], Int, |_, a| position(string(a, 0)?, string(a, 1)?)),
    function("starts_with", &[Text, Text], Bool, |_, a| Ok(truth(string(a, 0)?.starts_with(string(a, 1)?)))),
    function("repeat", &[Text, Int], Text, |_, a| {
        let (text, times) = (string(a, 0)?, usize::try_from(int(a, 1)?).unwrap_or(0));
        room(text.len().saturating_mul(times))?;
        fit(text.repeat(times))
    }),
    function("reverse", &[Text], Text, |_, a| fit(string(a, 0)?.chars().rev().collect())),
    function("lpad", &[Text, Int], Text, |_, a| pad(string(a, 0)?, int(a, 1)?, " ", true)),
    function("lpad", &[Text, Int, Text], Text, |_, a| pad(string(a, 0)?, int(a, 1)?, string(a, 2)?, true)),
    function("rpad", &[Text, Int], Text, |_, a| pad(string(a, 0)?, int(a, 1)?, " ", false)),
    function("rpad", &[Text, Int, Text], Text, |_, a| pad(string(a, 0)?, int(a, 1)?, string(a, 2)?, false)),
    function("split_part", &[Text, Text, Int], Text, |_, a| split_part(a)),
    Function {
        name: "concat",
        args: &[Text],
        gives: Text,
        strict: false,
        variadic: true,
        call: |_, a| joined("", a),
    },
    Function {
        name: "concat_ws",
        args: &[Text, Text],
        gives: Text,
        strict: false,
        variadic: true,
        call: |_, a| match a {
            [ValueRef::Null, ..] => Ok(Value::Null),
            [_, rest @ ..] => joined(string(a, 0)?, rest),
            [] => Ok(Value::Null),
        },
    },
    function("ascii", &[Text], Int, |_, a| {
        Ok(Value::Integer(string(a, 0)?.chars().next().map_or(0, |c| i64::from(u32::from(c)))))
    }),
    function("quote_ident", &[Text], Text, |_, a| {
        let name = string(a, 0)?;
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        fit(if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) })
    }),
    function(".like", &[Text, Text, Text], Bool, |_, a| {
        like(string(a, 0)?, string(a, 1)?, string(a, 2)?).map(truth)
    }),
    function(".ilike", &[Text, Text, Text], Bool, |_, a| {
        let (text, pattern) = (lower(string(a, 0)?), lower(string(a, 1)?));
        like(&text, &pattern, string(a, 2)?).map(truth)
    }),
    function(".regex", &[Text, Text], Bool, |cx, a| matches(cx, a, false).map(truth)),
    function(".iregex", &[Text, Text], Bool, |cx, a| matches(cx, a, true).map(truth)),
    function("regexp_like", &[Text, Text], Bool, |cx, a| matches(cx, a, false).map(truth)),
];

/// As PostgreSQL does it, character by character: one whose other case is several characters stays.
fn by_character<I: ExactSizeIterator<Item = char>>(text: &str, other_case: fn(char) -> I) -> String {
    let one = |c| match other_case(c) {
        mut case if case.len() == 1 => case.next().unwrap_or(c),
        _ => c,
    };
    text.chars().map(one).collect()
}

fn lower(text: &str) -> String {
    by_character(text, char::to_lowercase)
}

fn upper(text: &str) -> String {
    by_character(text, char::to_uppercase)
}

fn room(bytes: usize) -> Result<(), Error> {
    if bytes > LONGEST {
        return Err(Error::new(SqlState::TOO_LONG, format!("a text is longer than {} KiB", LONGEST >> 10)));
    }
    Ok(())
}

pub fn fit(text: String) -> Result<Value, Error> {
    room(text.len())?;
    Ok(Value::Text(text))
}

fn count(number: usize) -> Result<Value, Error> {
    Ok(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
}

fn joined(separator: &str, parts: &Args<'_>) -> Result<Value, Error> {
    let mut texts = Vec::new();
    for i in 0..parts.len() {
        if !matches!(parts[i], ValueRef::Null) {
            texts.push(string(parts, i)?);
        }
    }
    room(texts.iter().map(|text| text.len() + separator.len()).sum())?;
    fit(texts.join(separator))
}

/// The characters from `from`, which counts from 1 and may lie before the text.
fn substr(args: &Args<'_>, length: Option<i64>) -> Result<Value, Error> {
    let from = int(args, 1)?;
    let end = match length {
        Some(length) if length < 0 => {
            return Err(Error::new(SqlState("22011"), "negative substring length not allowed"));
        }
        Some(length) => from.saturating_add(length),
        None => i64::MAX,
    };
    let skip = usize::try_from(from.max(1) - 1).unwrap_or(usize::MAX);
    let take = usize::try_from(end.saturating_sub(from.max(1))).unwrap_or(0);
    fit(string(args, 0)?.chars().skip(skip).take(take).collect())
}

/// `left` and `right`: a negative count leaves out that many at the other end.
fn end_of(args: &Args<'_>, right: bool) -> Result<Value, Error> {
    let (text, wanted) = (string(args, 0)?, int(args, 1)?);
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let taken = if wanted < 0 { (length + wanted.max(-length)).max(0) } else { wanted.min(length) };
    let skip = if right { length - taken } else { 0 };
    let (skip, taken) = (usize::try_from(skip).unwrap_or(0), usize::try_from(taken).unwrap_or(0));
    fit(text.chars().skip(skip).take(taken).collect())
}

fn replace(args: &Args<'_>) -> Result<Value, Error> {
    let (text, from, to) = (string(args, 0)?, string(args, 1)?, string(args, 2)?);
    if from.is_empty() {
        return fit(text.to_owned());
    }
    room(text.len() + text.matches(from).count().saturating_mul(to.len()))?;
    fit(text.replace(from, to))
}

fn position(text: &str, part: &str) -> Result<Value, Error> {
    count(text.find(part).map_or(0, |at| text[..at].chars().count() + 1))
}

fn pad(text: &str, length: i64, fill: &str, left: bool) -> Result<Value, Error> {
    let length = usize::try_from(length).unwrap_or(0);
    room(length)?;
    let have = text.chars().count();
    if have >= length {
        return fit(text.chars().take(length).collect());
    }
    let filling: String =
        fill.chars().cycle().take(if fill.is_empty() { 0 } else { length - have }).collect();
    fit(if left { filling + text } else { text.to_owned() + &filling })
}

fn split_part(args: &Args<'_>) -> Result<Value, Error> {
    let (text, by, field) = (string(args, 0)?, string(args, 1)?, int(args, 2)?);
    if field == 0 {
        return Err(Error::new(SqlState::INVALID_PARAMETER, "field position must not be zero"));
    }
    let parts: Vec<&str> = if by.is_empty() { vec![text] } else { text.split(by).collect() };
    let parts_count = i64::try_from(parts.len()).unwrap_or(i64::MAX);
    let index = if field > 0 { field - 1 } else { parts_count + field };
    let found = usize::try_from(index).ok().and_then(|index| parts.get(index));
    fit(found.copied().unwrap_or_default().to_owned())
}

/// SQL's LIKE: `%` is any text, `_` any character. Goes back to the last `%` only, so it takes at most length times length steps.
fn like(text: &str, pattern: &str, escape: &str) -> Result<bool, Error> {
    let text: Vec<char> = text.chars().collect();
    let (pattern, dangles) = elements(pattern, escape)?;
    let dangling = || Error::new(SqlState("22025"), "LIKE pattern must not end with escape character");
    // PostgreSQL finds an escape without a character only when it comes so far, and looks past wildcards for one.
    let fixed = |element: &Element| matches!(element, Element::Is(_));
    let wild_end = pattern.iter().rposition(fixed).map_or(0, |last| last + 1);
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    let mut steps = 0;
    while t < text.len() {
        steps += 1;
        if steps > LIKE_STEPS {
            return Err(Error::new(SqlState::TOO_COMPLEX, "the pattern takes too many steps on this text"));
        }
        match pattern.get(p) {
            Some(Element::Any) if dangles && p >= wild_end => {
                let ones = pattern[p..].iter().filter(|element| matches!(element, Element::One)).count();
                return if ones <= text.len() - t { Err(dangling()) } else { Ok(false) };
            }
            None if dangles => return Err(dangling()),
            Some(Element::Any) => {
                back = Some((p, t));
                p += 1;
                continue;
            }
            Some(Element::One) => {}
            Some(Element::Is(c)) if *c == text[t] => {}
            _ => match back {
                Some((percent, from)) => {
                    back = Some((percent, from + 1));
                    (p, t) = (percent + 1, from + 1);
                    continue;
                }
                None => return Ok(false),
            },
        }
        (t, p) = (t + 1, p + 1);
    }
    Ok(!dangles && pattern[p..].iter().all(|element| matches!(element, Element::Any)))
}

enum Element {
    Any,
    One,
    Is(char),
}

/// The pattern, and whether it ends with an escape that has no character.
fn elements(pattern: &str, escape: &str) -> Result<(Vec<Element>, bool), Error> {
    let mut marks = escape.chars();
    let mark = marks.next();
    if marks.next().is_some() {
        let error = Error::new(SqlState("22019"), "invalid escape string");
        return Err(error.hint("Escape string must be empty or one character."));
    }
    let mut elements = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        elements.push(if Some(c) == mark {
            let Some(escaped) = chars.next() else { return Ok((elements, true)) };
            Element::Is(escaped)
        } else if c == '%' {
            Element::Any
        } else if c == '_' {
            Element::One
        } else {
            Element::Is(c)
        });
    }
    Ok((elements, false))
}

/// A compiled pattern, whether it ignores case, and the bytes of the longest text that it may be tried on.
type Compiled = (String, bool, regex::Regex, usize);

thread_local! {
    static COMPILED: RefCell<Vec<Compiled>> = const { RefCell::new(Vec::new()) };
}

/// True if the second text, a pattern, is found in the first one.
fn matches(cx: &Cx, args: &Args<'_>, ignore_case: bool) -> Result<bool, Error> {
    let (text, pattern) = (string(args, 0)?, string(args, 1)?);
    COMPILED.with_borrow_mut(|kept| {
        let at =
            match kept.iter().position(|(known, ignores, ..)| known == pattern && *ignores == ignore_case) {
                Some(at) => at,
                None => {
                    cx.work.set(LONGEST); // to compile one may take milliseconds
                    let (regex, longest) = compile(pattern, ignore_case)?;
                    if kept.len() == REGEX_KEPT {
                        kept.remove(0);
                    }
                    kept.push((pattern.to_owned(), ignore_case, regex, longest));
                    kept.len() - 1
                }
            };
        let (_, _, regex, longest) = &kept[at];
        if text.len() > *longest {
            let message = "the regular expression takes too many steps on a text of that length";
            return Err(Error::new(SqlState::TOO_COMPLEX, message));
        }
        Ok(regex.is_match(text))
    })
}

/// Compiles a pattern. What PostgreSQL and the regex crate read differently is refused.
fn compile(pattern: &str, ignore_case: bool) -> Result<(regex::Regex, usize), Error> {
    let bad = |message: String| Error::new(SqlState::INVALID_REGEX, message);
    if let Some(part) = differs(pattern) {
        return Err(bad(format!("invalid regular expression: {part} is not supported")));
    }
    let mut failure = String::new();
    for (size, longest) in REGEX_SIZES {
        let mut builder = regex::RegexBuilder::new(pattern);
        builder.case_insensitive(ignore_case).dot_matches_new_line(true);
        match builder.size_limit(size).dfa_size_limit(size).build() {
            Ok(regex) => return Ok((regex, longest)),
            Err(error) => failure = error.to_string(),
        }
    }
    Err(bad(format!("invalid regular expression: {}", last_line(&failure))))
}

fn last_line(message: &str) -> &str {
    message.lines().last().unwrap_or(message).trim_start_matches("error: ")
}

/// A part of the pattern that means one thing in PostgreSQL and another in the regex crate.
fn differs(pattern: &str) -> Option<&'static str> {
    if pattern.starts_with("***") {
        return Some("***");
    }
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(
                    'b' | 'B' | '<' | '>' | 'p' | 'P' | 'y' | 'Y' | 'm' | 'M' | 'z' | 'A' | 'Z' | 'x' | 'u'
                    | 'U',
                ) => {
                    return Some("an escape like \\b, \\m, \\p or \\x");
                }
                Some(_) if in_class => return Some("an escape in a bracket expression"),
                _ => {}
            },
            '[' if !in_class => {
                in_class = true;
                if chars.peek() == Some(&'^') {
                    chars.next();
                }
                if chars.peek() == Some(&']') {
                    chars.next();
                }
            }
            ']' => in_class = false,
            '[' => match chars.next() {
                Some(':') => {
                    // [[:alpha:]]: to its end.
                    while let Some(c) = chars.next() {
                        if c == ':' && chars.peek() == Some(&']') {
                            chars.next();
                            break;
                        }
                    }
                }
                _ => return Some("a bracket in a bracket expression"),
            },
            '&' | '~' | '-' if in_class && chars.peek() == Some(&c) => {
                return Some("a doubled character in a bracket expression");
            }
            // A plain character in PostgreSQL.
            '{' if !in_class && !chars.peek().is_some_and(char::is_ascii_digit) => {
                return Some("a brace without a number");
            }
            '(' if chars.peek() == Some(&'?') => {
                chars.next();
                if !matches!(chars.peek(), Some(':')) {
                    return Some("a group that begins with (?");
                }
            }
            _ => {}
        }
    }
    None
}
