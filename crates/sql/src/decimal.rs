//! Exact decimal numbers: PostgreSQL's `numeric`, with its rules for the digits behind the point.
//!
//! Inside of SQLite a decimal is text in one canonical form, the one that PostgreSQL prints; the collation [`COLLATION`] compares such texts by their
//! values, so that 1.0 and 1.00 are equal and 10 is greater than 9.

use crate::error::{Error, SqlState};
use num_bigint::{BigInt, Sign};
use std::cmp::Ordering;
use std::fmt;

/// The collation that compares decimals.
pub const COLLATION: &str = "pg_numeric";

/// Digits of a number, before and behind the point together. PostgreSQL has more; a longer one is refused.
const DIGITS_MAX: u32 = 1_000;
/// Digits that a quotient, a mean or a root has at least.
const SIGNIFICANT: i64 = 16;
/// PostgreSQL computes in groups of four digits, which shows in the scale of its quotients.
const GROUP: i64 = 4;

/// `unscaled` divided by ten to the power of `scale`. The scale is how many digits are shown behind the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    unscaled: BigInt,
    scale: u32,
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self { unscaled: value.into(), scale: 0 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.unscaled.magnitude().to_string(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.unscaled.sign() == Sign::Minus { "-" } else { "" };
        if scale == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

fn ten_to(power: u32) -> BigInt {
    BigInt::from(10_u8).pow(power)
}

/// The quotient, rounded half away from zero.
fn rounded(dividend: &BigInt, divisor: &BigInt) -> BigInt {
    let quotient = dividend / divisor;
    let rest = dividend - &quotient * divisor;
    if rest.magnitude() * 2_u32 < *divisor.magnitude() {
        return quotient;
    }
    if (dividend.sign() == Sign::Minus) == (divisor.sign() == Sign::Minus) {
        quotient + 1
    } else {
        quotient - 1
    }
}

impl Decimal {
    /// The value of `12`, `-1.50`, `.5`, `1e-7`; none if the text has another form.
    ///
    /// # Errors
    /// If the number is too long.
    pub fn parse(text: &str) -> Result<Option<Self>, Error> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => match exponent.parse::<i32>() {
                Ok(exponent) => (mantissa, i64::from(exponent)),
                Err(_) => return Ok(None),
            },
            None => (text, 0),
        };
        let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 {
            return Ok(None);
        }
        let scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX) - exponent;
        let most = i64::from(DIGITS_MAX);
        if whole.len() + fraction.len() > DIGITS_MAX as usize || !(-most..=most).contains(&scale) {
            return Err(too_long());
        }
        let Some(mut unscaled) = BigInt::parse_bytes(format!("{whole}{fraction}").as_bytes(), 10) else {
            return Ok(None);
        };
        if mantissa.starts_with('-') {
            unscaled = -unscaled;
        }
        if let (Ok(missing), true) = (u32::try_from(-scale), scale < 0) {
            unscaled *= ten_to(missing);
        }
        Self { unscaled, scale: u32::try_from(scale.max(0)).unwrap_or(0) }.fit().map(Some)
    }

    /// The decimal of a float: its first 15 digits, as PostgreSQL converts one.
    ///
    /// # Errors
    /// If it is infinite.
    pub fn of_float(value: f64) -> Result<Self, Error> {
        if !value.is_finite() {
            return Err(Error::unsupported("an infinite numeric"));
        }
        let scientific = format!("{value:.14e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        let parsed = Self::parse(&format!("{digits}e{exponent}"))?;
        parsed.ok_or_else(|| Error::new(SqlState::INTERNAL, "a float without digits"))
    }

    /// The nearest float.
    pub fn to_float(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The nearest whole number, half away from zero.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn to_int(&self) -> Result<i64, Error> {
        let whole = self.at_scale(0).unscaled;
        i64::try_from(whole).map_err(|_| Error::new(SqlState::OUT_OF_RANGE, "bigint out of range"))
    }

    /// Digits behind the point.
    pub fn scale(&self) -> u32 {
        self.scale
    }

    /// True of zero.
    pub fn is_zero(&self) -> bool {
        self.unscaled.sign() == Sign::NoSign
    }

    /// True below zero.
    pub fn is_negative(&self) -> bool {
        self.unscaled.sign() == Sign::Minus
    }

    fn fit(self) -> Result<Self, Error> {
        // 3.33 bits are more than a decimal digit has.
        if self.scale > DIGITS_MAX || self.unscaled.bits() > u64::from(DIGITS_MAX) * 333 / 100 {
            return Err(too_long());
        }
        Ok(self)
    }

    /// The same with so many digits behind the point, rounded half away from zero.
    #[must_use]
    pub fn at_scale(&self, scale: u32) -> Self {
        let unscaled = if scale >= self.scale {
            &self.unscaled * ten_to(scale - self.scale)
        } else {
            rounded(&self.unscaled, &ten_to(self.scale - scale))
        };
        Self { unscaled, scale }
    }

    fn aligned(&self, other: &Self) -> (BigInt, BigInt, u32) {
        let scale = self.scale.max(other.scale);
        (self.at_scale(scale).unscaled, other.at_scale(scale).unscaled, scale)
    }

    /// The sum.
    pub fn add(&self, other: &Self) -> Result<Self, Error> {
        let (a, b, scale) = self.aligned(other);
        Self { unscaled: a + b, scale }.fit()
    }

    /// The difference.
    pub fn sub(&self, other: &Self) -> Result<Self, Error> {
        let (a, b, scale) = self.aligned(other);
        Self { unscaled: a - b, scale }.fit()
    }

    /// The product.
    pub fn mul(&self, other: &Self) -> Result<Self, Error> {
        Self { unscaled: &self.unscaled * &other.unscaled, scale: self.scale + other.scale }.fit()
    }

    /// The quotient, with the digits that PostgreSQL gives it.
    pub fn div(&self, other: &Self) -> Result<Self, Error> {
        if other.is_zero() {
            return Err(Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
        }
        let scale = self.scale_of_quotient(other);
        // The scale is at least that of the dividend.
        let dividend = &self.unscaled * ten_to(scale + other.scale - self.scale);
        Self { unscaled: rounded(&dividend, &other.unscaled), scale }.fit()
    }

    /// The whole part of the quotient.
    pub fn div_whole(&self, other: &Self) -> Result<Self, Error> {
        if other.is_zero() {
            return Err(Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
        }
        let (a, b, _) = self.aligned(other);
        Ok(Self { unscaled: a / b, scale: 0 })
    }

    /// The remainder, with the sign of the dividend.
    pub fn rem(&self, other: &Self) -> Result<Self, Error> {
        if other.is_zero() {
            return Err(Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
        }
        let (a, b, scale) = self.aligned(other);
        Ok(Self { unscaled: a % b, scale })
    }

    /// The number with the other sign.
    #[must_use]
    pub fn neg(&self) -> Self {
        Self { unscaled: -&self.unscaled, scale: self.scale }
    }

    /// The number without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.is_negative() { self.neg() } else { self.clone() }
    }

    /// -1, 0 or 1.
    #[must_use]
    pub fn sign(&self) -> Self {
        Self::from(match self.unscaled.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        })
    }

    /// The greatest whole number that is not greater.
    #[must_use]
    pub fn floor(&self) -> Self {
        let cut = self.cut(0);
        let below = self.is_negative() && cut.compare(self) != Ordering::Equal;
        Self { unscaled: cut.unscaled - i32::from(below), scale: 0 }
    }

    /// The least whole number that is not less.
    #[must_use]
    pub fn ceil(&self) -> Self {
        self.neg().floor().neg()
    }

    /// Rounded to so many digits behind the point, half away from zero; in front of it if negative.
    pub fn round(&self, places: i64) -> Result<Self, Error> {
        self.reduce(places, rounded)
    }

    /// Cut to so many digits behind the point; in front of it if negative.
    pub fn trunc(&self, places: i64) -> Result<Self, Error> {
        self.reduce(places, |dividend, divisor| dividend / divisor)
    }

    fn cut(&self, scale: u32) -> Self {
        Self { unscaled: &self.unscaled / ten_to(self.scale.saturating_sub(scale)), scale }
    }

    fn reduce(&self, places: i64, divide: fn(&BigInt, &BigInt) -> BigInt) -> Result<Self, Error> {
        let most = i64::from(DIGITS_MAX) + 1;
        let places = places.clamp(-most, most);
        match u32::try_from(places) {
            Ok(scale) if scale >= self.scale => self.at_scale(scale.min(DIGITS_MAX + 1)).fit(),
            Ok(scale) => Ok(Self { unscaled: divide(&self.unscaled, &ten_to(self.scale - scale)), scale }),
            Err(_) => {
                let zeros = u32::try_from(-places).unwrap_or(0);
                let unscaled = divide(&self.unscaled, &ten_to(self.scale + zeros)) * ten_to(zeros);
                Self { unscaled, scale: 0 }.fit()
            }
        }
    }

    /// The square root, with the digits that PostgreSQL gives it.
    pub fn sqrt(&self) -> Result<Self, Error> {
        if self.is_negative() {
            return Err(Error::new(SqlState("2201F"), "cannot take square root of a negative number"));
        }
        let before = self.head().0 * GROUP / 2 + 1;
        Ok(self.root(bounded(SIGNIFICANT - before).max(self.scale)))
    }

    fn root(&self, scale: u32) -> Self {
        // One digit more, to round by it. The scale is at least half of the number's own.
        let places = 2 * (scale + 1);
        let square = if places >= self.scale {
            &self.unscaled * ten_to(places - self.scale)
        } else {
            &self.unscaled / ten_to(self.scale - places)
        };
        Self { unscaled: rounded(&square.sqrt(), &BigInt::from(10)), scale }
    }

    /// Variance or deviation of `count` numbers of which the sum is `self`.
    pub fn deviation(&self, squares: &Self, count: i64, sample: bool, root: bool) -> Result<Self, Error> {
        let count_of = Self::from(count);
        let numerator = count_of.mul(squares)?.sub(&self.mul(self)?)?;
        if numerator.is_negative() || numerator.is_zero() {
            return Ok(Self::from(0));
        }
        let divisor = count_of.mul(&Self::from(count - i64::from(sample)))?;
        let variance = numerator.div(&divisor)?;
        Ok(if root { variance.root(variance.scale) } else { variance })
    }

    /// The place of the first group of four digits that is not zero, counted from the point, and that group.
    fn head(&self) -> (i64, u32) {
        if self.is_zero() {
            return (0, 0);
        }
        let digits = self.unscaled.magnitude().to_string();
        let behind = i64::from(self.scale.next_multiple_of(4));
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX) + behind - i64::from(self.scale);
        let place = (length + GROUP - 1) / GROUP - behind / GROUP - 1;
        let first = usize::try_from((length - 1) % GROUP + 1).unwrap_or(1);
        let group: String = digits.chars().chain("000".chars()).take(first).collect();
        (place, group.parse().unwrap_or(0))
    }

    fn scale_of_quotient(&self, other: &Self) -> u32 {
        let ((place, first), (other_place, other_first)) = (self.head(), other.head());
        let place = place - other_place - i64::from(first <= other_first);
        bounded(SIGNIFICANT - place * GROUP).max(self.scale).max(other.scale)
    }

    /// Compares by value.
    pub fn compare(&self, other: &Self) -> Ordering {
        let (a, b, _) = self.aligned(other);
        a.cmp(&b)
    }

    /// PostgreSQL's binary form.
    #[cfg_attr(not(feature = "pg"), allow(dead_code))]
    pub fn to_binary(&self) -> Vec<u8> {
        let padded = self.at_scale(self.scale.next_multiple_of(4));
        let mut groups = Vec::new();
        let mut rest = padded.unscaled.magnitude().to_string();
        while !rest.is_empty() {
            let group = rest.split_off(rest.len().saturating_sub(4));
            groups.push(group.parse::<u16>().unwrap_or(0));
        }
        groups.reverse();
        let behind = i64::from(padded.scale / 4);
        let weight = i64::try_from(groups.len()).unwrap_or(0) - behind - 1;
        while groups.last() == Some(&0) {
            groups.pop();
        }
        let sign: u16 = if self.is_negative() { 0x4000 } else { 0 };
        let weight = i16::try_from(weight).unwrap_or(0).cast_unsigned();
        let count = u16::try_from(groups.len()).unwrap_or(0);
        let head = [count, weight, sign, u16::try_from(self.scale).unwrap_or(0)];
        head.into_iter().chain(groups).flat_map(u16::to_be_bytes).collect()
    }

    /// The value of PostgreSQL's binary form; none if it is no number.
    ///
    /// # Errors
    /// If the number is too long.
    #[cfg_attr(not(feature = "pg"), allow(dead_code))]
    pub fn of_binary(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let words: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        let [count, weight, sign, scale, groups @ ..] = words.as_slice() else { return Ok(None) };
        let negative = match sign {
            0 => false,
            0x4000 => true,
            _ => return Err(Error::unsupported("NaN and an infinite numeric")),
        };
        if usize::from(*count) != groups.len() || groups.iter().any(|group| *group > 9_999) {
            return Ok(None);
        }
        let mut digits: String = groups.iter().map(|group| format!("{group:04}")).collect();
        if digits.is_empty() {
            digits.push('0');
        }
        let exponent =
            (i64::from(weight.cast_signed()) + 1) * GROUP - i64::try_from(groups.len()).unwrap_or(0) * GROUP;
        let sign = if negative { "-" } else { "" };
        let parsed = Self::parse(&format!("{sign}{digits}e{exponent}"))?;
        Ok(parsed.map(|value| value.at_scale(u32::from(*scale).min(DIGITS_MAX))))
    }
}

/// A scale that PostgreSQL chooses itself.
fn bounded(scale: i64) -> u32 {
    u32::try_from(scale.clamp(0, i64::from(DIGITS_MAX))).unwrap_or(0)
}

fn too_long() -> Error {
    Error::unsupported(format!("a numeric of more than {DIGITS_MAX} digits"))
        .hint("Cast to double precision, for example value::float8.")
}

/// Compares two canonical texts by value.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => compare_sizes(a, b),
        (Some(a), Some(b)) => compare_sizes(b, a),
    }
}

fn compare_sizes(a: &str, b: &str) -> Ordering {
    let parts = |text: &'_ str| -> (usize, usize) {
        let whole = text.find('.').unwrap_or(text.len());
        (whole, (whole + 1).min(text.len()))
    };
    let ((a_whole, a_behind), (b_whole, b_behind)) = (parts(a), parts(b));
    let whole = a_whole.cmp(&b_whole).then_with(|| a[..a_whole].cmp(&b[..b_whole]));
    let fraction = || a[a_behind..].trim_end_matches('0').cmp(b[b_behind..].trim_end_matches('0'));
    whole.then_with(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap().unwrap()
    }

    #[test]
    fn text_and_binary_read_back() {
        for text in ["0", "-0.50", "0.00", "12345.6789", "-99999999999999999999.1", "10000", "0.0001", "1.5"]
        {
            assert_eq!(number(text).to_string(), text);
            let back = Decimal::of_binary(&number(text).to_binary()).unwrap().unwrap();
            assert_eq!(back.to_string(), text);
        }
        for (text, shown) in
            [(".5", "0.5"), ("5.", "5"), ("+1e3", "1000"), ("1.50e1", "15.0"), ("-0.0", "0.0")]
        {
            assert_eq!(number(text).to_string(), shown);
        }
        for wrong in ["", ".", "-", "1e", "e1", "1.2.3", "0x1", "1 2", "NaN"] {
            assert_eq!(Decimal::parse(wrong).unwrap(), None, "{wrong}");
        }
        assert_eq!(Decimal::parse("1e2000").unwrap_err().code.0, "0A000");
    }

    /// The expected texts are PostgreSQL 15's.
    #[test]
    fn quotients_and_roots_have_postgresqls_digits() {
        for (a, b, quotient) in [
            ("1", "3", "0.33333333333333333333"),
            ("2", "3", "0.66666666666666666667"),
            ("10", "3", "3.3333333333333333"),
            ("10000", "3", "3333.3333333333333333"),
            ("1.5", "0.5", "3.0000000000000000"),
            ("-7", "2", "-3.5000000000000000"),
            ("1", "7000", "0.00014285714285714286"),
        ] {
            assert_eq!(number(a).div(&number(b)).unwrap().to_string(), quotient, "{a} / {b}");
        }
        assert_eq!(number("2").sqrt().unwrap().to_string(), "1.414213562373095");
    }

    #[test]
    fn texts_compare_by_value() {
        let sorted = ["-10", "-9.5", "-1.00", "0", "0.05", "0.5", "1", "9", "10", "10.01", "100"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
                assert_eq!(number(a).compare(&number(b)), i.cmp(&j), "{a} {b}");
            }
        }
        assert_eq!(compare("1.0", "1.000"), Ordering::Equal);
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (text, places, round, trunc) in [
            ("2.5", 0, "3", "2"),
            ("-2.5", 0, "-3", "-2"),
            ("2.675", 2, "2.68", "2.67"),
            ("-1234.567", -2, "-1200", "-1200"),
            ("50", -2, "100", "0"),
            ("1.5", 3, "1.500", "1.500"),
        ] {
            assert_eq!(number(text).round(places).unwrap().to_string(), round);
            assert_eq!(number(text).trunc(places).unwrap().to_string(), trunc);
        }
        assert_eq!(
            (number("-1.2").floor().to_string(), number("-1.2").ceil().to_string()),
            ("-2".into(), "-1".into())
        );
    }
}
