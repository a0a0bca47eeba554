//! Selections: which rows pass.
//!
//! ```text
//! selection : or
//! or        : and ( ("||" | "#") and )*
//! and       : term ( ("&&" | ",") term )*
//! term      : "(" or ")"  |  "!" "(" or ")"  |  clause
//! clause    : field  operator  value
//! ```
//!
//! Clauses look at the sort values of a row.

mod help;
mod list;
mod parse;
mod reserved;
mod time;
mod token;

pub(crate) use help::print_help;
pub(crate) use parse::{Context, parse};
pub use reserved::{HandlerError, NoHandler, Reserved, ReservedHandler, ReservedScope, ReservedValue};

use list::ListTest;

use super::store::Store;
use crate::regex::Regex;

/// A condition on a row.
#[derive(Debug)]
pub(crate) enum Node {
    /// All must hold.
    All(Vec<Node>),
    /// One must hold.
    Any(Vec<Node>),
    /// Must not hold.
    Not(Box<Node>),
    /// A condition on one value.
    Clause(Clause),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

impl Comparison {
    fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// Whether `value` is inside, above or below the inclusive range, as the operator says.
    fn holds<T: PartialOrd>(self, value: T, low: T, high: T) -> bool {
        match self {
            Self::Equal => low <= value && value <= high,
            Self::NotEqual => !(low <= value && value <= high),
            Self::Greater => value > high,
            Self::GreaterEqual => value >= low,
            Self::Less => value < low,
            Self::LessEqual => value <= high,
        }
    }
}

/// A condition on the value of one column.
#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) column: usize,
    pub(crate) test: Test,
}

/// What a value is tested for.
#[derive(Debug)]
pub(crate) enum Test {
    /// Never holds: an order comparison with a reserved value.
    Never,
    Text {
        text: Vec<u8>,
        negate: bool,
    },
    Matches {
        regex: Box<Regex>,
        negate: bool,
    },
    Number {
        comparison: Comparison,
        low: u64,
        high: u64,
        reserved: Vec<(u64, u64)>,
    },
    Size {
        comparison: Comparison,
        low: f64,
        high: f64,
        reserved: Vec<(f64, f64)>,
    },
    Percent {
        comparison: Comparison,
        low: u64,
        high: u64,
        reserved: Vec<(u64, u64)>,
    },
    Time {
        comparison: Comparison,
        low: i64,
        high: i64,
        reserved: Vec<(i64, i64)>,
    },
    List {
        test: ListTest,
        negate: bool,
    },
}

/// 100 % as a sort value.
const FULL: u64 = 100_000_000;

fn within<T: PartialOrd>(value: T, ranges: &[(T, T)]) -> bool {
    ranges.iter().any(|(low, high)| *low <= value && value <= *high)
}

/// Comparison of sizes: numbers that differ by less than the smallest step at 1.0 are equal.
fn size_holds(comparison: Comparison, value: f64, low: f64, high: f64) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() < f64::EPSILON;
    let inside = (value > low || near(value, low)) && (value < high || near(value, high));
    match comparison {
        Comparison::Equal => inside,
        Comparison::NotEqual => !inside,
        Comparison::Greater => value > high && !near(value, high),
        Comparison::GreaterEqual => value > low || near(value, low),
        Comparison::Less => value < low && !near(value, low),
        Comparison::LessEqual => value < high || near(value, high),
    }
}

impl Test {
    fn holds(&self, store: &Store, row: usize, column: usize) -> bool {
        match self {
            Self::Never => false,
            Self::Text { text, negate } => (store.sort_text(row, column) == text) != *negate,
            Self::Matches { regex, negate } => regex.is_match(store.sort_text(row, column)) != *negate,
            Self::Number {
                comparison,
                low,
                high,
                reserved,
            } => {
                let value = store.number(row, column);
                !(comparison.is_order() && within(value, reserved)) && comparison.holds(value, *low, *high)
            }
            Self::Percent {
                comparison,
                low,
                high,
                reserved,
            } => {
                let value = store.number(row, column);
                value <= FULL
                    && !(comparison.is_order() && within(value, reserved))
                    && comparison.holds(value, *low, *high)
            }
            Self::Size {
                comparison,
                low,
                high,
                reserved,
            } => {
                let value = f64::from_bits(store.number(row, column));
                !(comparison.is_order() && within(value, reserved)) && size_holds(*comparison, value, *low, *high)
            }
            Self::Time {
                comparison,
                low,
                high,
                reserved,
            } => {
                let value = store.number(row, column).cast_signed();
                !(comparison.is_order() && within(value, reserved)) && comparison.holds(value, *low, *high)
            }
            Self::List { test, negate } => test.holds(store.sorted_items(row, column)) != *negate,
        }
    }
}

impl Node {
    /// Whether a row passes.
    pub(crate) fn holds(&self, store: &Store, row: usize) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(store, row)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(store, row)),
            Self::Not(node) => !node.holds(store, row),
            Self::Clause(clause) => clause.test.holds(store, row, clause.column),
        }
    }
}
