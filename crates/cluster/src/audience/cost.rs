//! What a pattern costs a member, counted on its syntax tree before anything is compiled.
//!
//! The size of the compiled pattern bounds neither: folding a large class under `(?i)` looks at each of its code points, a class of classes is
//! sorted again for each of its items, and a counted repetition of a repetition makes a program of which each byte of a value visits all.

use regex_syntax::ast::{
    Ast, ClassBracketed, ClassPerlKind, ClassSet, ClassSetItem, Flag, RepetitionKind, RepetitionRange,
};
use std::ops::Add;

/// Places of a pattern in which a match can be at one time, over all patterns of a filter: what each byte of a value is held against (our guess:
/// more than the longest pattern without a counted repetition has).
pub const PLACES_MAX: u64 = 640;
/// Ranges that are sorted while classes are put together, over all patterns of a filter (our guess: five times `[\w.-]`).
pub const RANGES_MAX: u64 = 16 * 1_024;
/// Code points that are looked up while classes are folded under `(?i)`, over all patterns of a filter (our guess: once `[\w.-]`).
pub const FOLDED_MAX: u64 = 160 * 1_024;

/// A code point of a range costs so many times what one of `\w` costs, most of which have no case (measured: 29 against 8 ns).
const OF_RANGE: u64 = 4;
/// A negated class is compiled to so many times what the class itself is (measured: 3.7 against 0.9 ms until it is too large).
const OF_NEGATED: u64 = 4;

/// All code points there are, as a class that is negated may hold.
const CODE_POINTS: u64 = 0x11_0000;
/// Ranges and code points of `\w`, `\d` and `\s` in Unicode 16, rounded up.
const WORD: Class = Class { ranges: 800, code_points: 150_000 };
const DIGIT: Class = Class { ranges: 80, code_points: 800 };
const SPACE: Class = Class { ranges: 12, code_points: 30 };

/// What patterns cost.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// See [`PLACES_MAX`].
    pub places: u64,
    /// See [`RANGES_MAX`].
    pub ranges: u64,
    /// See [`FOLDED_MAX`].
    pub folded: u64,
}

impl Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        Cost {
            places: self.places.saturating_add(other.places),
            ranges: self.ranges.saturating_add(other.ranges),
            folded: self.folded.saturating_add(other.folded),
        }
    }
}

impl Cost {
    /// Of a pattern. What is folded counts only if it says `(?i)` somewhere.
    pub fn of(pattern: &Ast) -> Cost {
        let mut folds = false;
        let cost = of(pattern, &mut folds);
        Cost { folded: if folds { cost.folded } else { 0 }, ..cost }
    }

    /// What is too much, in words; none if nothing is.
    pub fn excess(self) -> Option<String> {
        let bounds = [
            (self.places, PLACES_MAX, "characters, classes and groups, counted repetitions written out"),
            (self.ranges, RANGES_MAX, "ranges in its classes, those in classes of classes counted again"),
            (self.folded, FOLDED_MAX, "characters in classes under (?i)"),
        ];
        let (found, max, what) = bounds.into_iter().find(|(found, max, _)| found > max)?;
        Some(format!("the patterns have {found} {what}; {max} are the most"))
    }
}

fn of(ast: &Ast, folds: &mut bool) -> Cost {
    let one = Cost { places: 1, ..Cost::default() };
    match ast {
        Ast::Empty(_) | Ast::Literal(_) | Ast::Assertion(_) => one,
        Ast::Dot(_) => one + Cost { ranges: 8, ..Cost::default() },
        Ast::Flags(set) => {
            *folds |= set.flags.flag_state(Flag::CaseInsensitive) == Some(true);
            one
        }
        Ast::ClassUnicode(_) => one + WORD.cost(), // none is compiled in: it is refused later
        Ast::ClassPerl(class) => one + Class::of_perl(&class.kind, class.negated).cost(),
        Ast::ClassBracketed(class) => {
            let mut cost = one;
            bracketed(class, &mut cost);
            cost
        }
        Ast::Repetition(repetition) => {
            let times = match &repetition.op.kind {
                RepetitionKind::Range(RepetitionRange::Exactly(n) | RepetitionRange::Bounded(_, n)) => *n,
                RepetitionKind::Range(RepetitionRange::AtLeast(n)) => n.saturating_add(1),
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => 1,
            };
            let cost = of(&repetition.ast, folds);
            Cost { places: cost.places.saturating_mul(times.max(1).into()), ..cost }
        }
        Ast::Group(group) => {
            let flags = group.flags();
            *folds |= flags.is_some_and(|flags| flags.flag_state(Flag::CaseInsensitive) == Some(true));
            one + of(&group.ast, folds)
        }
        Ast::Alternation(all) => sum(&all.asts, folds),
        Ast::Concat(all) => sum(&all.asts, folds),
    }
}

fn sum(all: &[Ast], folds: &mut bool) -> Cost {
    all.iter().fold(Cost::default(), |sum, ast| sum + of(ast, folds))
}

/// A set of code points.
#[derive(Copy, Clone, Default)]
struct Class {
    ranges: u64,
    code_points: u64,
}

impl Class {
    fn of_perl(kind: &ClassPerlKind, negated: bool) -> Class {
        let class = match kind {
            ClassPerlKind::Word => WORD,
            ClassPerlKind::Digit => DIGIT,
            ClassPerlKind::Space => SPACE,
        };
        class.negated(negated)
    }

    fn negated(self, negated: bool) -> Class {
        if negated { Class { ranges: OF_NEGATED * self.ranges, code_points: CODE_POINTS } } else { self }
    }

    fn and(self, other: Class) -> Class {
        let code_points = (self.code_points + other.code_points).min(CODE_POINTS);
        Class { ranges: self.ranges + other.ranges, code_points }
    }

    fn cost(self) -> Cost {
        Cost { ranges: self.ranges, ..Cost::default() }
    }
}

/// A class in brackets: it is folded as a whole, however often what is in it was folded before.
fn bracketed(class: &ClassBracketed, cost: &mut Cost) -> Class {
    let found = set(&class.kind, cost);
    *cost = *cost + Cost { ranges: found.ranges, folded: found.code_points, places: 0 };
    found.negated(class.negated)
}

fn set(set_of: &ClassSet, cost: &mut Cost) -> Class {
    match set_of {
        ClassSet::Item(found) => item(found, cost),
        ClassSet::BinaryOp(op) => {
            let both = set(&op.lhs, cost).and(set(&op.rhs, cost));
            *cost = *cost + Cost { ranges: 2 * both.ranges, folded: both.code_points, places: 0 };
            both
        }
    }
}

fn item(found: &ClassSetItem, cost: &mut Cost) -> Class {
    match found {
        ClassSetItem::Empty(_) => Class::default(),
        ClassSetItem::Literal(_) => Class { ranges: 1, code_points: 1 },
        ClassSetItem::Range(range) => {
            let code_points = u64::from(u32::from(range.end.c).saturating_sub(range.start.c.into())) + 1;
            Class { ranges: 1, code_points: OF_RANGE * code_points }
        }
        ClassSetItem::Ascii(class) => Class { ranges: 4, code_points: 128 }.negated(class.negated),
        ClassSetItem::Unicode(class) => WORD.negated(class.negated),
        ClassSetItem::Perl(class) => Class::of_perl(&class.kind, class.negated),
        ClassSetItem::Bracketed(class) => bracketed(class, cost),
        ClassSetItem::Union(union) => {
            let mut all = Class::default();
            for found in &union.items {
                all = all.and(item(found, cost));
                cost.ranges = cost.ranges.saturating_add(all.ranges); // sorted again
            }
            all
        }
    }
}
