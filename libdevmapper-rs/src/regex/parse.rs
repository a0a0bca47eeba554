//! Patterns into positions.
//!
//! Every occurrence of a character, a class, an anchor is a position; each pattern ends with a private end marker. For a
//! part of a pattern it is known where it can begin and end and whether it can be empty; joining parts tells which
//! position may follow which. The grammar is read without recursion, so nesting is limited by memory only.

use super::{END, START};

/// Most pairs of positions that follow each other.
const MAX_PAIRS: usize = 16 << 20;

/// 256 bits, one for each byte.
pub(super) type ByteSet = [u64; 4];

/// What a position takes.
pub(super) enum Accepts {
    Byte(u8),
    Class(Box<ByteSet>),
    /// The end of the pattern of this index. It takes the byte 0, which is in no subject.
    End(u32),
}

impl Accepts {
    pub(super) fn byte(&self, byte: u8) -> bool {
        match self {
            Self::Byte(b) => *b == byte,
            Self::Class(set) => has(set, byte),
            Self::End(_) => byte == 0,
        }
    }
}

fn has(set: &ByteSet, byte: u8) -> bool {
    set[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
}

fn put(set: &mut ByteSet, byte: u8) {
    set[usize::from(byte >> 6)] |= 1 << (byte & 63);
}

fn take(set: &mut ByteSet, byte: u8) {
    set[usize::from(byte >> 6)] &= !(1 << (byte & 63));
}

/// All positions of all patterns.
#[derive(Default)]
pub(super) struct Positions {
    accepts: Vec<Accepts>,
    follow: Vec<Vec<u32>>,
    /// Where the patterns begin.
    first: Vec<u32>,
    patterns: u32,
    pairs: usize,
}

/// A part of a pattern: where it can begin and end.
struct Part {
    first: Vec<u32>,
    last: Vec<u32>,
    nullable: bool,
    /// Its begin already follows its end.
    repeats: bool,
}

/// What has been read since an opening parenthesis, or since the start.
#[derive(Default)]
struct Level {
    /// Alternatives that are complete.
    alternatives: Option<Part>,
    /// The alternative under way, without `atom`.
    sequence: Option<Part>,
    /// What a `*` would repeat.
    atom: Option<Part>,
}

const MISSING_PARENTHESIS: &str = "missing ')' in regular expression";
const PARSE_ERROR: &str = "Parse error in regex";
const BAD_OR: &str = "Badly formed 'or' expression";
const BAD_QUOTE: &str = "Badly quoted character at end of expression";
const TOO_LARGE: &str = "Regular expression is too large";

type Parsed<T> = Result<T, &'static str>;

impl Positions {
    pub(super) fn len(&self) -> usize {
        self.accepts.len()
    }

    pub(super) fn accepts(&self, position: u32) -> &Accepts {
        &self.accepts[position as usize]
    }

    pub(super) fn follow(&self, position: u32) -> &[u32] {
        &self.follow[position as usize]
    }

    pub(super) fn first(&self) -> &[u32] {
        &self.first
    }

    /// Adds a pattern, or says what is wrong with it.
    pub(super) fn add_pattern(&mut self, pattern: &[u8]) -> Parsed<()> {
        let mut whole = self.parse(pattern)?;
        let end = self.position(Accepts::End(self.patterns))?;
        self.join(&whole.last, &[end])?;
        if whole.nullable {
            whole.first.push(end);
        }
        self.first.append(&mut whole.first);
        self.patterns += 1;
        Ok(())
    }

    /// Orders what was collected.
    pub(super) fn finish(&mut self) {
        for set in self.follow.iter_mut().chain([&mut self.first]) {
            set.sort_unstable();
            set.dedup();
        }
    }

    fn position(&mut self, accepts: Accepts) -> Parsed<u32> {
        let number = u32::try_from(self.accepts.len()).map_err(|_| TOO_LARGE)?;
        self.accepts.push(accepts);
        self.follow.push(Vec::new());
        Ok(number)
    }

    /// Lets each of `then` follow each of `last`.
    fn join(&mut self, last: &[u32], then: &[u32]) -> Parsed<()> {
        self.pairs = self.pairs.saturating_add(last.len().saturating_mul(then.len()));
        if self.pairs > MAX_PAIRS {
            return Err(TOO_LARGE);
        }
        for &p in last {
            self.follow[p as usize].extend_from_slice(then);
        }
        Ok(())
    }

    fn single(&mut self, accepts: Accepts) -> Parsed<Part> {
        let p = self.position(accepts)?;
        Ok(Part {
            first: vec![p],
            last: vec![p],
            nullable: false,
            repeats: false,
        })
    }

    /// `a` and then `b`.
    fn concatenate(&mut self, a: Option<Part>, mut b: Part) -> Parsed<Part> {
        let Some(mut a) = a else { return Ok(b) };
        self.join(&a.last, &b.first)?;
        if a.nullable {
            a.first.append(&mut b.first);
        }
        if b.nullable {
            b.last.append(&mut a.last);
        }
        Ok(Part {
            first: a.first,
            last: b.last,
            nullable: a.nullable && b.nullable,
            repeats: false,
        })
    }

    fn parse(&mut self, pattern: &[u8]) -> Parsed<Part> {
        let mut outer: Vec<Level> = Vec::new();
        let mut level = Level::default();
        let mut rest = pattern.iter().copied();
        while let Some(byte) = rest.next() {
            let atom = match byte {
                b'*' | b'+' | b'?' => {
                    let mut atom = level.atom.take().ok_or(PARSE_ERROR)?;
                    if byte != b'?' && !atom.repeats {
                        self.join(&atom.last, &atom.first)?;
                        atom.repeats = true;
                    }
                    atom.nullable |= byte != b'+';
                    level.atom = Some(atom);
                    continue;
                }
                b'|' => {
                    self.end_alternative(&mut level)?;
                    continue;
                }
                b'(' => {
                    outer.push(std::mem::take(&mut level));
                    continue;
                }
                b')' => {
                    self.end_alternative(&mut level)?;
                    let group = level.alternatives.ok_or(PARSE_ERROR)?;
                    level = outer.pop().ok_or(PARSE_ERROR)?;
                    group
                }
                b'[' => {
                    let set = class(&mut rest)?;
                    self.single(Accepts::Class(Box::new(set)))?
                }
                b'.' => {
                    let mut set = [u64::MAX; 4];
                    for byte in [0, b'\n', b'\r'] {
                        take(&mut set, byte);
                    }
                    self.single(Accepts::Class(Box::new(set)))?
                }
                b'^' => self.single(Accepts::Byte(START))?,
                b'$' => self.single(Accepts::Byte(END))?,
                b'\\' => {
                    let byte = escaped(rest.next().ok_or(BAD_QUOTE)?);
                    self.single(Accepts::Byte(byte))?
                }
                0 => return Err(PARSE_ERROR),
                byte => self.single(Accepts::Byte(byte))?,
            };
            self.push_atom(&mut level)?;
            level.atom = Some(atom);
        }
        if !outer.is_empty() {
            return Err(MISSING_PARENTHESIS);
        }
        self.end_alternative(&mut level)?;
        level.alternatives.ok_or(PARSE_ERROR)
    }

    /// Nothing can repeat the last atom any more.
    fn push_atom(&mut self, level: &mut Level) -> Parsed<()> {
        if let Some(atom) = level.atom.take() {
            level.sequence = Some(self.concatenate(level.sequence.take(), atom)?);
        }
        Ok(())
    }

    fn end_alternative(&mut self, level: &mut Level) -> Parsed<()> {
        self.push_atom(level)?;
        let problem = if level.alternatives.is_some() {
            BAD_OR
        } else {
            PARSE_ERROR
        };
        let mut done = level.sequence.take().ok_or(problem)?;
        level.alternatives = Some(match level.alternatives.take() {
            None => done,
            Some(mut others) => {
                others.first.append(&mut done.first);
                others.last.append(&mut done.last);
                Part {
                    nullable: others.nullable || done.nullable,
                    repeats: false,
                    ..others
                }
            }
        });
        Ok(())
    }

    /// Splits the bytes into classes that no position tells apart: the class of each byte, and a byte of each class.
    pub(super) fn byte_classes(&self) -> ([u8; 256], Vec<u8>) {
        let mut class_of = [0_u8; 256];
        let mut count = 1_usize;
        let mut split = |inside: &dyn Fn(u8) -> bool| {
            // A class of which only a part is inside loses that part to a new class.
            let mut new_class = [None::<u8>; 256];
            let mut outside = [false; 256];
            for byte in 0..=255_u8 {
                outside[usize::from(class_of[usize::from(byte)])] |= !inside(byte);
            }
            for byte in 0..=255_u8 {
                let class = &mut class_of[usize::from(byte)];
                if inside(byte) && outside[usize::from(*class)] {
                    *class = *new_class[usize::from(*class)].get_or_insert_with(|| {
                        count += 1;
                        u8::try_from(count - 1).unwrap_or(u8::MAX)
                    });
                }
            }
        };
        split(&|byte| matches!(byte, b'\n' | b'\r'));
        split(&|byte| byte == 0);
        let mut single = [false; 256];
        for accepts in &self.accepts {
            match accepts {
                Accepts::Byte(byte) => single[usize::from(*byte)] = true,
                Accepts::Class(set) => split(&|byte| has(set, byte)),
                Accepts::End(_) => {}
            }
        }
        for only in (0..=255_u8).filter(|&b| single[usize::from(b)]) {
            split(&|byte| byte == only);
        }
        let mut sample = vec![0_u8; count];
        for byte in 0..=255_u8 {
            sample[usize::from(class_of[usize::from(byte)])] = byte;
        }
        (class_of, sample)
    }
}

/// What a backslash in front makes of a byte.
fn escaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        byte => byte,
    }
}

/// A class, from behind its `[`.
fn class(rest: &mut impl Iterator<Item = u8>) -> Parsed<ByteSet> {
    let mut set = [0_u64; 4];
    let mut negated = false;
    let mut previous = None;
    let mut start = true;
    loop {
        let byte = rest.next().ok_or(PARSE_ERROR)?;
        let member = match (byte, previous) {
            (b'^', _) if start && !negated => {
                negated = true;
                continue;
            }
            (b']', _) => break,
            (b'-', Some(from)) => {
                let to = rest.next().ok_or(PARSE_ERROR)?;
                for byte in to.min(from)..=to.max(from) {
                    put(&mut set, byte);
                }
                to
            }
            (b'\\', _) => escaped(rest.next().ok_or(PARSE_ERROR)?),
            (byte, _) => byte,
        };
        start = false;
        put(&mut set, member);
        previous = Some(member);
    }
    if negated {
        set = set.map(|word| !word);
    }
    take(&mut set, 0);
    Ok(set)
}
