//! The parser of selections.

use crate::log::Raw;
use crate::log_error;
use crate::regex::Regex;
use crate::report::Printer;
use crate::report::columns::Columns;
use crate::report::listing::Listing;
use crate::report::schema::{FieldRef, Kind, Name, Schema};
use crate::units;

use super::list::{self, ListTest};
use super::reserved::{self, Found, Reserved, ReservedHandler, ReservedValue, Target};
use super::token::{self, skip_space};
use super::{Clause, Comparison, FULL, Node, Test, print_help, time};

/// Parentheses may be nested this deep.
const MAX_DEPTH: usize = 500;

/// What a parse works on.
pub(crate) struct Context<'c, 'a> {
    pub(crate) schema: &'c Schema<'a>,
    pub(crate) prefix: &'a [u8],
    pub(crate) reserved: &'c [Reserved<'a>],
    pub(crate) handler: &'c mut dyn ReservedHandler,
    pub(crate) printer: &'c dyn Printer,
    pub(crate) columns: &'c mut Columns,
    /// Fields that the report does not have are added as hidden columns.
    pub(crate) may_add: bool,
    /// The object types of the report; those of the selection's fields are added.
    pub(crate) types: &'c mut u32,
}

/// A parsed selection, or `None` for one that all rows pass.
pub(crate) type Parsed = Result<Node, BadSelection>;

/// The selection is wrong; logged.
#[derive(Debug)]
pub(crate) struct BadSelection;

/// Parses a whole selection.
pub(crate) fn parse(text: &[u8], context: Context<'_, '_>) -> Parsed {
    let mut parser = Parser {
        text,
        context,
        depth: 0,
    };
    let (node, at) = parser.any_of(0)?;
    let at = skip_space(text, at);
    if at < text.len() {
        log_error!("Expecting logical operator");
        return Err(parser.syntax_error(at));
    }
    Ok(node)
}

struct Parser<'t, 'c, 'a> {
    text: &'t [u8],
    context: Context<'c, 'a>,
    depth: usize,
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Compare(Comparison),
    /// `=~`, or with `true` `!~`.
    Regex(bool),
    /// One of the words for times.
    Word(Comparison),
}

/// Longest first.
const OPERATORS: [(&[u8], Operator); 12] = [
    (b"=~", Operator::Regex(false)),
    (b"!~", Operator::Regex(true)),
    (b"=", Operator::Compare(Comparison::Equal)),
    (b"!=", Operator::Compare(Comparison::NotEqual)),
    (b">=", Operator::Compare(Comparison::GreaterEqual)),
    (b">", Operator::Compare(Comparison::Greater)),
    (b"<=", Operator::Compare(Comparison::LessEqual)),
    (b"<", Operator::Compare(Comparison::Less)),
    (b"since", Operator::Word(Comparison::GreaterEqual)),
    (b"after", Operator::Word(Comparison::Greater)),
    (b"until", Operator::Word(Comparison::LessEqual)),
    (b"before", Operator::Word(Comparison::Less)),
];

/// The letters that may follow a size.
const UNITS: &[u8] = b"hHrRbBsSkKmMgGtTpPeE";

/// Bytes of a unit.
fn unit_factor(letter: u8) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 10^18, and sizes are doubles")]
    let factor = units::to_factor(&[letter], true).factor as f64;
    factor
}

/// A number as written: digits with at most one point.
fn number_end(text: &[u8], at: usize) -> usize {
    let mut end = at;
    let mut point = false;
    while let Some(byte) = text.get(end) {
        match byte {
            b'0'..=b'9' => {}
            b'.' if !point => point = true,
            _ => break,
        }
        end += 1;
    }
    end
}

/// A number as written, as a double.
fn decimal(text: &[u8]) -> f64 {
    let text = std::str::from_utf8(text).unwrap_or_default();
    // What has no digits counts as 0.
    text.parse().unwrap_or(0.0)
}

/// The digits of a number up to the point, `None` beyond 64 bits.
fn integer(text: &[u8]) -> Option<u64> {
    let digits = text.split(|b| *b == b'.').next().unwrap_or_default();
    digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// A part of a selection and where it ends.
type Operand = Result<(Node, usize), BadSelection>;

/// The value of a clause as written.
enum Written<'t> {
    Reserved(Found),
    Text(&'t [u8]),
    List(list::ListText<'t>),
    /// Digits, and for sizes the unit.
    Number(&'t [u8], Option<u8>),
    Time(i64, i64),
}

impl<'t> Parser<'t, '_, '_> {
    fn rest(&self, at: usize) -> Raw<'t> {
        Raw(&self.text[at..])
    }

    /// The two lines after most errors.
    fn syntax_error(&self, at: usize) -> BadSelection {
        log_error!("Selection syntax error at '{}'.", self.rest(at));
        log_error!("Use 'help' for selection to get more help.");
        BadSelection
    }

    fn any_of(&mut self, at: usize) -> Operand {
        self.chain(at, [b"||", b"#"], Self::all_of, Node::Any)
    }

    fn all_of(&mut self, at: usize) -> Operand {
        self.chain(at, [b"&&", b","], Self::term, Node::All)
    }

    /// Operands joined by one of two operators. A single operand stands for itself.
    fn chain(
        &mut self,
        at: usize,
        operators: [&[u8]; 2],
        operand: fn(&mut Self, usize) -> Operand,
        join: fn(Vec<Node>) -> Node,
    ) -> Operand {
        let (first, mut at) = operand(self, at)?;
        let mut nodes = vec![first];
        loop {
            let after = skip_space(self.text, at);
            let Some(operator) = operators.iter().find(|o| self.text[after..].starts_with(o)) else {
                let node = if nodes.len() == 1 {
                    nodes.swap_remove(0)
                } else {
                    join(nodes)
                };
                return Ok((node, at));
            };
            let (node, next) = operand(self, after + operator.len())?;
            nodes.push(node);
            at = next;
        }
    }

    fn term(&mut self, at: usize) -> Operand {
        let mut at = skip_space(self.text, at);
        let negate = self.text.get(at) == Some(&b'!');
        if negate {
            at = skip_space(self.text, at + 1);
            if self.text.get(at) != Some(&b'(') {
                log_error!("Syntax error: left parenthesis expected at '{}'", self.rest(at));
                return Err(BadSelection);
            }
        }
        if self.text.get(at) != Some(&b'(') {
            return self.clause(at);
        }
        if self.depth == MAX_DEPTH {
            log_error!("Selection has more than {MAX_DEPTH} parentheses inside each other.");
            return Err(self.syntax_error(at));
        }
        self.depth += 1;
        let (node, next) = self.any_of(at + 1)?;
        self.depth -= 1;
        let at = skip_space(self.text, next);
        if self.text.get(at) != Some(&b')') {
            log_error!("Syntax error: right parenthesis expected at '{}'", self.rest(next));
            return Err(BadSelection);
        }
        Ok((if negate { Node::Not(Box::new(node)) } else { node }, at + 1))
    }

    fn print_listing(&self) {
        Listing {
            schema: self.context.schema,
            printer: self.context.printer,
        }
        .print(true);
    }

    fn print_help(&self) {
        print_help(self.context.printer, self.context.reserved, self.context.schema);
    }

    fn clause(&mut self, start: usize) -> Operand {
        let text = self.text;
        let len = text[start..]
            .iter()
            .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')))
            .unwrap_or(text.len() - start);
        if len == 0 {
            log_error!("Expecting field name");
            return Err(self.syntax_error(start));
        }
        let name = &text[start..start + len];
        let schema = self.context.schema;
        let field = Name::new(&text[start..], len)
            .ok()
            .and_then(|name| schema.find(&name, self.context.prefix));
        let field = match field {
            Some(field @ (FieldRef::Listed(_) | FieldRef::Selected)) => field,
            unusable => {
                self.print_listing();
                match unusable {
                    None => log_error!("Unrecognised selection field: {}", Raw(name)),
                    Some(_) => log_error!("Selection field is uncomparable: {}.", Raw(name)),
                }
                return Err(self.syntax_error(start));
            }
        };
        let (operator, at) = self.operator(start, start + len, schema.get(field).kind)?;
        let at = skip_space(text, at);
        let (written, next) = self.value(start, at, field, operator)?;
        let Some(column) = self.column(field) else {
            log_error!(
                "Unable to create selection with field '{}' which is not included in current report.",
                Raw(schema.get(field).id)
            );
            return Err(BadSelection);
        };
        let test = self.test(field, operator, written)?;
        let next = skip_space(text, next);
        Ok((Node::Clause(Clause { column, test }), next))
    }

    fn column(&mut self, field: FieldRef) -> Option<usize> {
        if !self.context.may_add {
            return self.context.columns.of_field(field);
        }
        if let FieldRef::Listed(_) = field {
            *self.context.types |= self.context.schema.get(field).object_type;
        }
        Some(self.context.columns.of_field_or_hidden(field, self.context.schema))
    }

    fn operator(&self, start: usize, name_end: usize, kind: Kind) -> Result<(Operator, usize), BadSelection> {
        let at = skip_space(self.text, name_end);
        let found = OPERATORS.iter().find(|(text, _)| self.text[at..].starts_with(text));
        let Some((text, operator)) = found else {
            self.print_help();
            log_error!("Unrecognised comparison operator: {}", self.rest(name_end));
            return Err(self.syntax_error(start));
        };
        let refused = match operator {
            Operator::Word(_) => (kind != Kind::Time).then_some("time"),
            Operator::Compare(comparison) if comparison.is_order() => {
                (!kind.is_numeric()).then_some("number, size, time or percent")
            }
            _ => None,
        };
        if let Some(kinds) = refused {
            self.print_help();
            log_error!("Operator can be used only with {kinds} fields: {}", self.rest(start));
            return Err(self.syntax_error(start));
        }
        Ok((*operator, at + text.len()))
    }

    /// Reads the value at `at`, of the clause at `start`.
    fn value(
        &mut self,
        start: usize,
        at: usize,
        field: FieldRef,
        operator: Operator,
    ) -> Result<(Written<'t>, usize), BadSelection> {
        let definition = self.context.schema.get(field);
        let id = definition.id;
        if let Operator::Regex(_) = operator {
            return self.regex_value(start, at, definition.kind, id);
        }
        if let Some(found) = self.reserved_value(at, field)? {
            return Ok(found);
        }
        let failed = |what: &str| {
            log_error!("Failed to parse {what} value for selection field {}.", Raw(id));
            self.syntax_error(start)
        };
        match definition.kind {
            Kind::String | Kind::None => {
                let token = token::value(self.text, at).map_err(|_| failed("string"))?;
                Ok((Written::Text(&self.text[token.start..token.end]), token.next))
            }
            Kind::StringList => {
                let (list, next) = list::parse(self.text, at, id).map_err(|_| failed("string list"))?;
                Ok((Written::List(list), next))
            }
            Kind::Time => self.time_value(at, id).map_err(|_| failed("time")),
            kind @ (Kind::Number | Kind::Size | Kind::Percent) => self.number_value(start, at, kind, id),
        }
    }

    fn regex_value(
        &self,
        start: usize,
        at: usize,
        kind: Kind,
        id: &[u8],
    ) -> Result<(Written<'t>, usize), BadSelection> {
        let text = self.text;
        if at == text.len() {
            log_error!("Regular expression expected for selection field {}", Raw(id));
            return Err(self.syntax_error(start));
        }
        if kind == Kind::StringList && matches!(text[at], b'[' | b'{') {
            let parsed = list::parse(text, at, id);
            let (list, next) = parsed.map_err(|_| {
                log_error!("Failed to parse string list value for selection field {}.", Raw(id));
                self.syntax_error(start)
            })?;
            return Ok((Written::List(list), next));
        }
        let token = match text[at] {
            quote @ (b'"' | b'\'') => token::quoted(text, at, quote),
            b'(' => token::quoted(text, at, b')'),
            b'{' => token::quoted(text, at, b'}'),
            b'[' => token::quoted(text, at, b']'),
            _ => Ok(token::plain(text, at, b")")),
        };
        let token = token.map_err(|_| {
            log_error!("Failed to parse regex value for selection field {}.", Raw(id));
            self.syntax_error(start)
        })?;
        Ok((Written::Text(&text[token.start..token.end]), token.next))
    }

    fn reserved_value(&mut self, at: usize, field: FieldRef) -> Result<Option<(Written<'t>, usize)>, BadSelection> {
        if self.context.reserved.is_empty() {
            return Ok(None);
        }
        // Whatever kind the value is of, it may be a quoted name.
        let Ok(token) = token::value(self.text, at) else {
            return Ok(None);
        };
        let FieldRef::Listed(index) = field else {
            return Ok(None);
        };
        let definition = self.context.schema.get(field);
        let target = Target {
            index,
            kind: definition.kind,
            id: definition.id,
        };
        let name = &self.text[token.start..token.end];
        let found = reserved::find(self.context.reserved, self.context.handler, &target, name);
        Ok(found.map(|found| (Written::Reserved(found), token.next)))
    }

    fn number_value(
        &self,
        start: usize,
        at: usize,
        kind: Kind,
        id: &[u8],
    ) -> Result<(Written<'t>, usize), BadSelection> {
        let text = self.text;
        let mut end = number_end(text, at);
        if end == at {
            log_error!("Failed to parse numeric value for selection field {}.", Raw(id));
            return Err(self.syntax_error(start));
        }
        let digits = &text[at..end];
        let expected = match kind {
            Kind::Size => "size",
            Kind::Percent => "percent",
            _ => "numeric",
        };
        let mut unit = None;
        match text.get(end) {
            Some(b'%') if kind == Kind::Percent => end += 1,
            Some(b'%') => {
                log_error!(
                    "Found percent value but {expected} value expected for selection field {}.",
                    Raw(id)
                );
                return Err(self.syntax_error(start));
            }
            Some(letter) if UNITS.contains(letter) => {
                if kind != Kind::Size {
                    log_error!(
                        "Found size unit specifier but {expected} value expected for selection field {}.",
                        Raw(id)
                    );
                    return Err(self.syntax_error(start));
                }
                unit = Some(*letter);
                end += 1;
            }
            _ => {}
        }
        Ok((Written::Number(digits, unit), end))
    }

    fn time_value(&self, at: usize, id: &[u8]) -> Result<(Written<'t>, usize), time::BadTime> {
        let text = self.text;
        if text.get(at) == Some(&b'@') {
            let end = number_end(text, at + 1);
            if end == at + 1 {
                return Err(time::BadTime);
            }
            let digits = &text[at + 1..end];
            let Some(instant) = integer(digits).and_then(|n| i64::try_from(n).ok()) else {
                self.out_of_range(digits, id);
                return Err(time::BadTime);
            };
            return Ok((Written::Time(instant, instant), end));
        }
        let token = token::value(text, at).map_err(|_| time::BadTime)?;
        let (first, last) = time::parse(&text[token.start..token.end])?;
        Ok((Written::Time(first, last), token.next))
    }

    fn out_of_range(&self, value: &[u8], id: &[u8]) -> BadSelection {
        log_error!(
            "Field selection value {} out of supported range for field {}.",
            Raw(value),
            Raw(id)
        );
        BadSelection
    }

    /// Makes the test of a clause.
    fn test(&mut self, field: FieldRef, operator: Operator, written: Written<'_>) -> Result<Test, BadSelection> {
        let definition = self.context.schema.get(field);
        let (kind, id) = (definition.kind, definition.id);
        let index = match field {
            FieldRef::Listed(index) => index,
            _ => usize::MAX,
        };
        let target = Target { index, kind, id };
        let comparison = match operator {
            Operator::Regex(negate) => return regex_test(kind, id, &written, negate),
            Operator::Compare(comparison) | Operator::Word(comparison) => comparison,
        };
        let written = match written {
            Written::Reserved(found) => {
                let value = found.resolve(self.context.handler, self.context.reserved, &target);
                let value = value.map_err(|_| {
                    log_error!(
                        "dm_report: could not get reserved value while processing selection field {}",
                        Raw(id)
                    );
                    BadSelection
                })?;
                let strict = reserved::strict(self.context.reserved, &target);
                if found.is_strict(self.context.reserved) && comparison.is_order() {
                    return Ok(Test::Never);
                }
                return from_reserved(kind, comparison, value, &strict).ok_or_else(|| {
                    log_error!("Reserved value of selection field {} is of another type.", Raw(id));
                    BadSelection
                });
            }
            written => written,
        };
        let strict = reserved::strict(self.context.reserved, &target);
        let is_reserved = |what: &str, value: &dyn std::fmt::Display| {
            log_error!("{what} value {value} found in selection is reserved.");
            BadSelection
        };
        Ok(match (written, kind) {
            (Written::List(list), _) => Test::List {
                test: ListTest::texts(&list),
                negate: comparison == Comparison::NotEqual,
            },
            (Written::Time(low, high), _) => Test::Time {
                comparison,
                low,
                high,
                reserved: time_ranges(&strict),
            },
            (Written::Text(text), _) => {
                if strict.iter().any(|r| matches!(r, ReservedValue::Text(t) if t == text)) {
                    return Err(is_reserved("String", &Raw(text)));
                }
                Test::Text {
                    text: text.to_vec(),
                    negate: comparison == Comparison::NotEqual,
                }
            }
            (Written::Number(digits, unit), Kind::Size) => {
                let size = decimal(digits) * unit_factor(unit.unwrap_or(b'm')) / 512.0;
                let reserved = size_ranges(&strict);
                if super::within(size, &reserved) {
                    return Err(is_reserved("Size", &format_args!("{size:.6}")));
                }
                Test::Size {
                    comparison,
                    low: size,
                    high: size,
                    reserved,
                }
            }
            (Written::Number(digits, _), Kind::Percent) => {
                let percent = decimal(digits);
                if !(0.0..=100.0).contains(&percent) {
                    return Err(self.out_of_range(digits, id));
                }
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^8")]
                let value = ((percent * 1_000_000.0) as u64).min(FULL);
                let reserved = number_ranges(&strict);
                if super::within(value, &reserved) {
                    return Err(is_reserved("Percent", &Raw(digits)));
                }
                Test::Percent {
                    comparison,
                    low: value,
                    high: value,
                    reserved,
                }
            }
            (Written::Number(digits, _), _) => {
                let Some(value) = integer(digits) else {
                    return Err(self.out_of_range(digits, id));
                };
                let reserved = number_ranges(&strict);
                if super::within(value, &reserved) {
                    return Err(is_reserved("Numeric", &Raw(digits)));
                }
                Test::Number {
                    comparison,
                    low: value,
                    high: value,
                    reserved,
                }
            }
            (Written::Reserved(_), _) => Test::Never,
        })
    }
}

/// The ranges of the reserved values of one kind.
fn ranges<T>(strict: &[&ReservedValue], of_kind: fn(&ReservedValue) -> Option<(T, T)>) -> Vec<(T, T)> {
    strict.iter().filter_map(|value| of_kind(value)).collect()
}

fn number_ranges(strict: &[&ReservedValue]) -> Vec<(u64, u64)> {
    ranges(strict, |value| match value {
        ReservedValue::Number(low, high) => Some((*low, *high)),
        _ => None,
    })
}

fn size_ranges(strict: &[&ReservedValue]) -> Vec<(f64, f64)> {
    ranges(strict, |value| match value {
        ReservedValue::Size(low, high) => Some((*low, *high)),
        _ => None,
    })
}

fn time_ranges(strict: &[&ReservedValue]) -> Vec<(i64, i64)> {
    ranges(strict, |value| match value {
        ReservedValue::Time(low, high) => Some((*low, *high)),
        _ => None,
    })
}

/// The test for a value that was written by its reserved name.
fn from_reserved(kind: Kind, comparison: Comparison, value: ReservedValue, strict: &[&ReservedValue]) -> Option<Test> {
    Some(match (value, kind) {
        (ReservedValue::Number(low, high), Kind::Number) => Test::Number {
            comparison,
            low,
            high,
            reserved: number_ranges(strict),
        },
        (ReservedValue::Number(low, high), Kind::Percent) => Test::Percent {
            comparison,
            low,
            high,
            reserved: number_ranges(strict),
        },
        (ReservedValue::Size(low, high), Kind::Size) => Test::Size {
            comparison,
            low,
            high,
            reserved: size_ranges(strict),
        },
        (ReservedValue::Time(low, high), Kind::Time) => Test::Time {
            comparison,
            low,
            high,
            reserved: time_ranges(strict),
        },
        (ReservedValue::Text(text), Kind::String) => Test::Text {
            text,
            negate: comparison == Comparison::NotEqual,
        },
        _ => return None,
    })
}

fn regex_test(kind: Kind, id: &[u8], written: &Written<'_>, negate: bool) -> Result<Test, BadSelection> {
    if !matches!(kind, Kind::String | Kind::StringList) {
        log_error!(
            "dm_report: incompatible comparison type for selection field {}",
            Raw(id)
        );
        return Err(BadSelection);
    }
    let compile = |patterns: &[&[u8]]| {
        Regex::new(patterns).map(Box::new).map_err(|_| {
            log_error!(
                "dm_report: failed to create regex matcher for selection field {}",
                Raw(id)
            );
            BadSelection
        })
    };
    Ok(match written {
        Written::List(list) => {
            let regex = compile(&list.items)?;
            Test::List {
                test: ListTest::Patterns {
                    form: list.form,
                    count: list.items.len(),
                    regex,
                },
                negate,
            }
        }
        Written::Text(text) if kind == Kind::StringList => {
            let regex = compile(&[text])?;
            Test::List {
                test: ListTest::Patterns {
                    form: list::Form::SubsetAny,
                    count: 1,
                    regex,
                },
                negate,
            }
        }
        Written::Text(text) => Test::Matches {
            regex: compile(&[text])?,
            negate,
        },
        _ => Test::Never,
    })
}
