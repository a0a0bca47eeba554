//! Many patterns matched at once by one automaton.
//!
//! The language is that of LVM's device filters: `.` (any byte but NUL, newline, return), `^`, `$`, classes, groups, `|`,
//! `*`, `+`, `?`. A pattern matches when it is found somewhere in the subject; of several the last one counts.
//!
//! A subject is read as the bytes START (2), its own, END (3); `^` and `$` are ordinary characters that stand for these
//! two. Text before a match is skipped by `.*`, so it holds no newline.
//!
//! Patterns become positions (see `parse`): each occurrence of a character is one, and what may follow it is known.
//! A state is a set of positions. States are made when a subject first leads to them, and kept.

mod fingerprint;
mod parse;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::log_error;
use parse::{Accepts, Positions};

/// The byte that `^` stands for.
const START: u8 = 2;
/// The byte that `$` stands for.
const END: u8 = 3;

/// Most transitions and positions that are kept in states (4 bytes each). Beyond that, all states are forgotten.
const MAX_KEPT: usize = 4 << 20;

/// A transition that is not known yet.
const UNKNOWN: u32 = u32::MAX;
/// A transition to nowhere: nothing can match any more.
const DEAD: u32 = u32::MAX - 1;

/// A set of patterns, compiled.
pub struct Regex {
    /// What all states share.
    automaton: Automaton,
    states: RefCell<States>,
}

/// The parts that do not change.
struct Automaton {
    positions: Positions,
    /// Class of each byte: bytes of one class are accepted by the same positions.
    class_of: [u8; 256],
    /// A byte of each class.
    sample: Vec<u8>,
    /// Per class, the positions that it leads to from those that are always waiting: the first ones of all patterns.
    from_first: Vec<Vec<u32>>,
    /// Whether a position is one of those.
    is_first: Vec<bool>,
    /// Number of the highest pattern that matches the empty string, plus 1.
    empty_accept: u32,
    patterns: usize,
}

/// A state's positions: with `skipping` also the first ones of all patterns, which are then left out of `set`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    skipping: bool,
    set: Rc<[u32]>,
}

/// The states made so far.
struct States {
    ids: HashMap<Key, u32>,
    keys: Vec<Key>,
    /// Highest pattern that matches in a state, plus 1.
    accepts: Vec<u32>,
    /// Row of a state, class by class: number of the next state, or [`UNKNOWN`], or [`DEAD`].
    next: Vec<u32>,
    /// Total number of positions in `keys`.
    kept: usize,
    marks: Vec<bool>,
}

impl std::fmt::Debug for Regex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Regex")
            .field("patterns", &self.automaton.patterns)
            .field("positions", &self.automaton.positions.len())
            .finish_non_exhaustive()
    }
}

impl Regex {
    /// Compiles patterns into one matcher.
    ///
    /// # Errors
    /// [`Error::Parse`] for a malformed or empty pattern or for none at all, with an error logged.
    pub fn new<P: AsRef<[u8]>>(patterns: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut positions = Positions::default();
        let mut count = 0;
        for pattern in patterns {
            let pattern = pattern.as_ref();
            if let Err(problem) = positions.add_pattern(pattern) {
                log_error!("{problem}");
                return Err(Self::refused(problem));
            }
            count += 1;
        }
        if count == 0 {
            return Err(Self::refused("no pattern"));
        }
        positions.finish();
        Ok(Self {
            states: RefCell::new(States::new(positions.len())),
            automaton: Automaton::new(positions, count),
        })
    }

    fn refused(problem: &str) -> Error {
        log_error!("Couldn't parse regex");
        Error::Parse(problem.to_string())
    }

    /// The highest index of a pattern that is found in `subject`, up to its first NUL.
    #[must_use]
    pub fn find(&self, subject: &[u8]) -> Option<usize> {
        let mut states = self.states.borrow_mut();
        let automaton = &self.automaton;
        let classes = automaton.sample.len();
        let mut best = automaton.empty_accept;
        let mut state = states.start(automaton);
        // The start state has read nothing; every state after it at least START.
        let mut step = |states: &mut States, byte: u8| {
            let class = usize::from(automaton.class_of[usize::from(byte)]);
            let mut next = states.next[state as usize * classes + class];
            if next >= DEAD {
                if next == UNKNOWN {
                    (state, next) = states.discover(automaton, state, class);
                }
                if next == DEAD {
                    return true;
                }
            }
            state = next;
            best = best.max(states.accepts[state as usize]);
            best as usize == automaton.patterns
        };
        let mut done = step(&mut states, START);
        for &byte in subject {
            if done || byte == 0 {
                break;
            }
            done = step(&mut states, byte);
        }
        if !done {
            step(&mut states, END);
        }
        (best as usize).checked_sub(1)
    }

    /// Whether any pattern is found in `subject`.
    #[must_use]
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.find(subject).is_some()
    }

    /// A number that identifies the automaton, the same in every implementation of the library. 0, with an error logged,
    /// for patterns with more than 16384 states.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        fingerprint::fingerprint(&self.automaton)
    }
}

impl Automaton {
    fn new(positions: Positions, patterns: usize) -> Self {
        let (class_of, sample) = positions.byte_classes();
        let mut is_first = vec![false; positions.len()];
        let mut empty_accept = 0;
        for &p in positions.first() {
            is_first[p as usize] = true;
            if let Accepts::End(pattern) = *positions.accepts(p) {
                empty_accept = empty_accept.max(pattern + 1);
            }
        }
        let from_first = sample
            .iter()
            .map(|&byte| {
                let mut set = Vec::new();
                for &p in positions.first() {
                    if positions.accepts(p).byte(byte) {
                        set.extend_from_slice(positions.follow(p));
                    }
                }
                set.sort_unstable();
                set.dedup();
                set
            })
            .collect();
        Self {
            positions,
            class_of,
            sample,
            from_first,
            is_first,
            empty_accept,
            patterns,
        }
    }

    /// Whether `.` takes the byte, by which text before a match is skipped.
    fn skips(byte: u8) -> bool {
        !matches!(byte, 0 | b'\n' | b'\r')
    }

    /// The state behind `key` by a byte of `class`; `None` when nothing accepts the byte. `marks` is all false, as long
    /// as there are positions, and will be so again.
    fn advance(&self, key: &Key, class: usize, marks: &mut [bool]) -> Option<Key> {
        let byte = self.sample[class];
        let skipping = key.skipping && Self::skips(byte);
        let mut any = skipping;
        let mut set = Vec::new();
        let mut add = |more: &[u32]| {
            for &p in more {
                let mark = &mut marks[p as usize];
                let implied = skipping && self.is_first[p as usize];
                if !*mark && !implied {
                    *mark = true;
                    set.push(p);
                }
            }
        };
        if key.skipping {
            any |= self
                .positions
                .first()
                .iter()
                .any(|&p| self.positions.accepts(p).byte(byte));
            add(&self.from_first[class]);
        }
        for &p in &*key.set {
            if self.positions.accepts(p).byte(byte) {
                any = true;
                add(self.positions.follow(p));
            }
        }
        for &p in &set {
            marks[p as usize] = false;
        }
        set.sort_unstable();
        any.then(|| Key {
            skipping,
            set: set.into(),
        })
    }

    /// The highest pattern that matches in a state, plus 1.
    fn accept(&self, key: &Key) -> u32 {
        let waiting = if key.skipping { self.empty_accept } else { 0 };
        let ends = key.set.iter().filter_map(|&p| match *self.positions.accepts(p) {
            Accepts::End(pattern) => Some(pattern + 1),
            _ => None,
        });
        ends.fold(waiting, u32::max)
    }

    /// The state before anything was read.
    fn start() -> Key {
        Key {
            skipping: true,
            set: Rc::new([]),
        }
    }
}

impl States {
    fn new(positions: usize) -> Self {
        Self {
            ids: HashMap::new(),
            keys: Vec::new(),
            accepts: Vec::new(),
            next: Vec::new(),
            kept: 0,
            marks: vec![false; positions],
        }
    }

    /// Number of the start state, always 0.
    fn start(&mut self, automaton: &Automaton) -> u32 {
        if self.keys.is_empty() {
            self.intern(automaton, Automaton::start());
        }
        0
    }

    fn intern(&mut self, automaton: &Automaton, key: Key) -> u32 {
        if let Some(&id) = self.ids.get(&key) {
            return id;
        }
        self.kept += key.set.len();
        // MAX_KEPT keeps the number far below DEAD.
        let id = u32::try_from(self.keys.len()).unwrap_or(0);
        self.accepts.push(automaton.accept(&key));
        self.next.resize(self.next.len() + automaton.sample.len(), UNKNOWN);
        self.keys.push(key.clone());
        self.ids.insert(key, id);
        id
    }

    /// Works out a transition. Gives the numbers of the state itself, which may have changed, and of the next one.
    #[cold]
    fn discover(&mut self, automaton: &Automaton, state: u32, class: usize) -> (u32, u32) {
        let key = self.keys[state as usize].clone();
        let mut marks = std::mem::take(&mut self.marks);
        let target = automaton.advance(&key, class, &mut marks);
        self.marks = marks;
        let mut state = state;
        let next = match target {
            None => DEAD,
            Some(target) => {
                if self.next.len() + self.kept > MAX_KEPT {
                    self.kept = 0;
                    self.ids.clear();
                    self.keys.clear();
                    self.accepts.clear();
                    self.next.clear();
                    self.start(automaton);
                    state = self.intern(automaton, key);
                }
                self.intern(automaton, target)
            }
        };
        self.next[state as usize * automaton.sample.len() + class] = next;
        (state, next)
    }
}

#[cfg(test)]
mod tests;
