//! Patterns (separated by newlines), a NUL, subjects (separated by NULs): the same answers as a plain matcher.

use bstr::BStr;
use libdevmapper::regex::Regex;

pub(crate) fn run(bytes: &[u8]) {
    let [patterns, subjects] = super::parts(bytes);
    let patterns: Vec<&[u8]> = patterns.split(|&b| b == b'\n').collect();
    let compiled = Regex::new(&patterns);
    let plain: Option<Vec<Plain>> = patterns.iter().map(|pattern| Plain::parse(pattern)).collect();
    // Both are too small here for the limit of size.
    assert_eq!(compiled.is_ok(), plain.is_some(), "{patterns:?}");
    let (Ok(regex), Some(plain)) = (compiled, plain) else {
        return;
    };
    // It looks at all states, of which there may be thousands.
    if patterns.iter().map(|p| p.len()).sum::<usize>() <= 20 {
        let _ = regex.fingerprint();
    }
    for subject in subjects.split(|&b| b == 0) {
        let found = regex.find(subject);
        assert_eq!(found, regex.find(subject), "now all states are known");
        if subject.len() <= MAX_SUBJECT && plain.iter().all(|p| p.depth <= MAX_DEPTH) {
            let want = plain.iter().rposition(|p| p.found(subject));
            let shown: Vec<&BStr> = patterns.iter().copied().map(BStr::new).collect();
            assert_eq!(found, want, "{shown:?} in {:?}", BStr::new(subject));
        }
    }
}

/// Positions are bits of a u64: START, the subject, END, and the position behind.
const MAX_SUBJECT: usize = 61;
/// A repetition within repetitions costs that many rounds more.
const MAX_DEPTH: usize = 6;
/// The bytes that `^` and `$` stand for.
const START: u8 = 2;
const END: u8 = 3;

/// A part of a pattern.
enum Part {
    Byte(u8),
    Class(Box<[bool; 256]>),
    All(Vec<Part>),
    Any(Vec<Part>),
    /// What is repeated, whether it may be absent, whether it may come several times.
    Repeat(Box<Part>, bool, bool),
}

/// A pattern, read and matched in the plainest way.
struct Plain {
    whole: Part,
    depth: usize,
}

impl Plain {
    fn parse(pattern: &[u8]) -> Option<Self> {
        let mut open: Vec<(Vec<Part>, Vec<Part>)> = vec![Default::default()];
        let mut bytes = pattern.iter().copied();
        let mut depth = 0;
        while let Some(byte) = bytes.next() {
            let part = match byte {
                b'(' => {
                    open.push(Default::default());
                    continue;
                }
                b')' if open.len() == 1 => return None,
                b')' => close(open.pop()?)?,
                b'|' => {
                    let (done, sequence) = open.last_mut()?;
                    if sequence.is_empty() {
                        return None;
                    }
                    done.push(Part::All(std::mem::take(sequence)));
                    continue;
                }
                b'*' | b'+' | b'?' => {
                    let inner = open.last_mut()?.1.pop()?;
                    let (absent, several) = (byte != b'+', byte != b'?');
                    // One repetition directly behind the other says no more than one that allows both.
                    match inner {
                        Part::Repeat(inner, a, s) => Part::Repeat(inner, a || absent, s || several),
                        inner => Part::Repeat(Box::new(inner), absent, several),
                    }
                }
                b'[' => Part::Class(Box::new(class(&mut bytes)?)),
                b'.' => Part::Class(Box::new(std::array::from_fn(|b| !matches!(b, 0 | 10 | 13)))),
                b'^' => Part::Byte(START),
                b'$' => Part::Byte(END),
                b'\\' => Part::Byte(escaped(bytes.next()?)),
                byte => Part::Byte(byte),
            };
            depth = depth.max(open.len());
            open.last_mut()?.1.push(part);
        }
        let whole = close(open.pop()?)?;
        open.is_empty().then_some(Self { whole, depth })
    }

    /// Whether it is in the subject; a newline or return in front of it hides it.
    fn found(&self, subject: &[u8]) -> bool {
        let text = [&[START], subject, &[END]].concat();
        let hidden = text
            .iter()
            .position(|b| matches!(b, b'\n' | b'\r'))
            .unwrap_or(text.len());
        self.whole.ends(&text, u64::MAX >> (63 - hidden)) != 0
    }
}

fn close((mut done, sequence): (Vec<Part>, Vec<Part>)) -> Option<Part> {
    if sequence.is_empty() {
        return None;
    }
    done.push(Part::All(sequence));
    Some(Part::Any(done))
}

fn escaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        byte => byte,
    }
}

fn class(bytes: &mut impl Iterator<Item = u8>) -> Option<[bool; 256]> {
    let mut text = Vec::new();
    let mut negated = false;
    let mut from = None;
    let mut set = [false; 256];
    loop {
        let byte = bytes.next()?;
        text.push(byte);
        let to = match (byte, from) {
            (b']', _) => break,
            (b'^', _) if text.len() == 1 => {
                negated = true;
                continue;
            }
            (b'-', Some(from)) => {
                let to = bytes.next()?;
                (to.min(from)..=to.max(from)).for_each(|b| set[usize::from(b)] = true);
                to
            }
            (b'\\', _) => escaped(bytes.next()?),
            (byte, _) => byte,
        };
        set[usize::from(to)] = true;
        from = Some(to);
    }
    let mut set = set.map(|inside| inside != negated);
    set[0] = false;
    Some(set)
}

impl Part {
    /// The positions at which it can end, from those at which it can begin; both as bits.
    fn ends(&self, text: &[u8], begins: u64) -> u64 {
        let one = |takes: &dyn Fn(u8) -> bool| {
            let bit = |at: usize| if takes(text[at]) { 2_u64 << at } else { 0 };
            (0..text.len())
                .filter(|at| begins >> at & 1 == 1)
                .map(bit)
                .fold(0, |all, end| all | end)
        };
        if begins == 0 {
            return 0;
        }
        match self {
            Self::Byte(byte) => one(&|b| b == *byte && b != 0),
            Self::Class(set) => one(&|b| set[usize::from(b)]),
            Self::All(parts) => parts.iter().fold(begins, |at, part| part.ends(text, at)),
            Self::Any(parts) => parts.iter().fold(0, |all, part| all | part.ends(text, begins)),
            Self::Repeat(part, absent, several) => {
                let mut ends = part.ends(text, begins);
                let mut before = if *several { 0 } else { ends };
                while ends != before {
                    before = ends;
                    ends |= part.ends(text, ends);
                }
                ends | if *absent { begins } else { 0 }
            }
        }
    }
}
