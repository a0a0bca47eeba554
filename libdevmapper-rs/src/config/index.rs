//! Finding a child by key while a tree grows, in time that does not depend on the number of children.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::{Builder, NoMemory};

/// Sections with more children than this get a hash table.
const SHORT: usize = 32;

/// Where to link a new child.
pub(super) enum Place<N> {
    /// The key exists.
    Found(N),
    /// It does not; this is the last child so far.
    After(Option<N>),
}

struct Large<N> {
    last: N,
    /// The first child with a hash. A different key with the same hash is told apart by comparing.
    keys: HashMap<u64, N>,
}

/// Hash tables of the large sections of a tree that is being built. All children must be added through it.
pub(super) struct ChildIndex<N> {
    hasher: RandomState,
    large: HashMap<Option<N>, Large<N>>,
}

impl<N: Copy + Eq + std::hash::Hash> ChildIndex<N> {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            large: HashMap::new(),
        }
    }

    /// Looks for a child of `parent` (`None`: the top level).
    pub(super) fn find<B: Builder<Node = N>>(&mut self, builder: &B, parent: Option<N>, key: &[u8]) -> Place<N> {
        let (mut next, mut last, mut count) = (builder.child(parent), None, 0);
        while let Some(node) = next {
            if builder.key_is(node, key) {
                return Place::Found(node);
            }
            count += 1;
            if count > SHORT {
                return self.find_large(builder, parent, key);
            }
            last = next;
            next = builder.sibling(node);
        }
        Place::After(last)
    }

    fn find_large<B: Builder<Node = N>>(&mut self, builder: &B, parent: Option<N>, key: &[u8]) -> Place<N> {
        let hasher = &self.hasher;
        let Some(first) = builder.child(parent) else {
            return Place::After(None);
        };
        let large = self.large.entry(parent).or_insert_with(|| {
            let mut large = Large {
                last: first,
                keys: HashMap::new(),
            };
            let mut next = Some(first);
            while let Some(node) = next {
                large.keys.entry(hasher.hash_one(builder.key(node))).or_insert(node);
                large.last = node;
                next = builder.sibling(node);
            }
            large
        });
        match large.keys.get(&hasher.hash_one(key)) {
            None => Place::After(Some(large.last)),
            Some(&node) if builder.key_is(node, key) => Place::Found(node),
            Some(_) => {
                let mut next = Some(first);
                while let Some(node) = next {
                    if builder.key_is(node, key) {
                        return Place::Found(node);
                    }
                    next = builder.sibling(node);
                }
                Place::After(Some(large.last))
            }
        }
    }

    /// Makes a child of `parent` and links it at `after` (`None`: as the first child).
    pub(super) fn append<B: Builder<Node = N>>(
        &mut self,
        builder: &mut B,
        parent: Option<N>,
        after: Option<N>,
        key: &[u8],
    ) -> Result<N, NoMemory> {
        let node = builder.new_node(key)?;
        if let Some(parent) = parent {
            builder.set_parent(node, parent);
        }
        match after {
            Some(last) => builder.set_sibling(last, Some(node)),
            None => builder.set_child(parent, Some(node)),
        }
        self.note(parent, key, node, true);
        Ok(node)
    }

    /// Makes a child of `parent` and links it in front of the others.
    pub(super) fn prepend<B: Builder<Node = N>>(
        &mut self,
        builder: &mut B,
        parent: Option<N>,
        key: &[u8],
    ) -> Result<N, NoMemory> {
        let node = builder.new_node(key)?;
        if let Some(parent) = parent {
            builder.set_parent(node, parent);
        }
        builder.set_sibling(node, builder.child(parent));
        builder.set_child(parent, Some(node));
        self.note(parent, key, node, false);
        Ok(node)
    }

    fn note(&mut self, parent: Option<N>, key: &[u8], node: N, is_last: bool) {
        if self.large.is_empty() {
            return;
        }
        if let Some(large) = self.large.get_mut(&parent) {
            large.keys.entry(self.hasher.hash_one(key)).or_insert(node);
            if is_last {
                large.last = node;
            }
        }
    }
}
