//! The number that identifies an automaton.
//!
//! It is a hash over all states and their transitions, in an order and with an identity of states that are fixed (see
//! the comments), so that independent implementations agree.

use std::collections::HashMap;

use super::{Automaton, Key};

/// Most states that are looked at: their number can grow exponentially with the length of a pattern.
const MAX_STATES: usize = 1 << 14;

/// States made so far, in order, and how often each set of positions has come up.
struct Table<'a> {
    automaton: &'a Automaton,
    keys: Vec<Key>,
    /// First and second state of a set.
    seen: HashMap<Key, (u32, Option<u32>)>,
}

impl Table<'_> {
    /// The state for a set that a transition leads to. The first and the second time that a set comes up it gets a state
    /// of its own; from the third time on the second one is meant.
    fn produce(&mut self, key: Key) -> u32 {
        let new = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        match self.seen.get_mut(&key) {
            None => {
                self.seen.insert(key.clone(), (new, None));
            }
            Some((_, Some(second))) => return *second,
            Some((_, second)) => *second = Some(new),
        }
        self.keys.push(key);
        new
    }

    /// Transitions of a state for the bytes 0 to 255; `None` where no position takes the byte.
    fn row(&mut self, state: usize, marks: &mut [bool]) -> Vec<Option<u32>> {
        let key = self.keys[state].clone();
        // The end of a pattern takes byte 0, and nothing follows it: that leads to the empty set.
        let targets: Vec<Option<Key>> = (0..self.automaton.sample.len())
            .map(|class| self.automaton.advance(&key, class, marks))
            .collect();
        let classes = self.automaton.class_of;
        classes
            .iter()
            .map(|&class| targets[usize::from(class)].clone().map(|key| self.produce(key)))
            .collect()
    }
}

fn combine(a: u32, b: u32) -> u32 {
    a.rotate_left(8) ^ b.wrapping_mul(4_294_967_291)
}

/// The fingerprint of an automaton; 0, with an error logged, when it has too many states.
pub(super) fn fingerprint(automaton: &Automaton) -> u32 {
    let mut table = Table {
        automaton,
        keys: Vec::new(),
        seen: HashMap::new(),
    };
    let mut marks = vec![false; automaton.positions.len()];
    table.produce(Automaton::start());
    let mut rows = Vec::new();
    // Breadth first: rows are worked out in the order in which their states were made.
    while rows.len() < table.keys.len() {
        let row = table.row(rows.len(), &mut marks);
        rows.push(row);
        if table.keys.len() > MAX_STATES {
            crate::log_error!("Regular expression has too many states for a fingerprint.");
            return 0;
        }
    }

    // Depth first from a stack; "nowhere" is a node too, numbered like the others, and ends the walk when it is due.
    let mut numbers: HashMap<Option<u32>, u32> = HashMap::from([(Some(0), 1)]);
    let mut stack = vec![Some(0)];
    let mut hash = 0;
    while let Some(Some(state)) = stack.pop() {
        hash = combine(hash, automaton.accept(&table.keys[state as usize]));
        for &target in &rows[state as usize] {
            let new = u32::try_from(numbers.len() + 1).unwrap_or(u32::MAX);
            let number = *numbers.entry(target).or_insert_with(|| {
                stack.push(target);
                new
            });
            hash = combine(hash, number);
        }
    }
    hash
}
