//! Configuration trees: parse, find, change, write.
//!
//! A tree is made of *nodes* with a key. A node without a value is a *section* and may have children; a node with a
//! value is an *entry*. Several values in a row are an array. The text form is that of `lvm.conf` and of LVM2's metadata.
//!
//! C programs walk and relink nodes as they like, so nothing here owns the links: lookups, the writer and the copies work
//! on any type that implements [`Node`] and [`Value`] (cursors), the parser and the copies build through [`Builder`].
//! [`Tree`] is the library's own implementation of all three; `capi` has one over the C structs.
//!
//! No algorithm here recurses, so the depth of a tree is limited by memory only.

mod copy;
mod find;
mod index;
mod number;
mod parse;
mod tree;
mod write;

#[cfg(test)]
mod tests;

pub use copy::{clone_node, flatten, remove_child};
pub use find::{
    bool_of, bool_or, find_in_trees, find_node, find_str, find_str_allow_empty, float_or, get_int, get_list,
    get_section, get_str, int_or, int64_or, maybe_section, parent_name, value_is_bool,
};
pub use parse::{Duplicates, ParseError, parse};
pub use tree::{NodeId, NodeRef, Tree, ValueId, ValueRef};
pub use write::{Line, Output, write_node, write_one_node};

/// Flag of a node's first value: write a single value in brackets.
pub const FORMAT_ARRAY: u32 = 0x1;
/// Flag of a node's first value: blanks around `=`, inside brackets and after commas.
pub const FORMAT_EXTRA_SPACES: u32 = 0x2;
/// Flag of an integer: write it in octal with a leading 0.
pub const FORMAT_INT_OCTAL: u32 = 0x1_0000;
/// Flag of a string: write it without the surrounding quotes.
pub const FORMAT_STRING_NO_QUOTES: u32 = 0x1_0000;

/// What one value holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// An integer.
    Int(i64),
    /// A floating point number; single precision is what the format keeps.
    Float(f32),
    /// A string of any bytes but NUL.
    Str(&'a [u8]),
    /// The empty array `[]`.
    EmptyArray,
    /// A type number that this library does not know; only values made by hand have one.
    Unknown(u32),
}

/// A cursor on one value; it is cheap to copy.
pub trait Value<'a>: Copy {
    /// The content.
    fn scalar(self) -> Scalar<'a>;
    /// The next element of the array.
    fn next(self) -> Option<Self>;
    /// How to write it: `FORMAT_*`.
    fn format_flags(self) -> u32;
}

/// A cursor on one node; it is cheap to copy.
pub trait Node<'a>: Copy {
    /// Cursor on the node's values.
    type Value: Value<'a>;
    /// The key: one component of a path.
    fn key(self) -> &'a [u8];
    /// The enclosing section; `None` at the top level and where it was never set.
    fn parent(self) -> Option<Self>;
    /// The next node of the same section.
    fn sibling(self) -> Option<Self>;
    /// The first child.
    fn child(self) -> Option<Self>;
    /// The first value; `None` for a section.
    fn value(self) -> Option<Self::Value>;
    /// A number that is free for the program's use.
    fn id(self) -> i32;
    /// Whether the key is `key`.
    fn key_is(self, key: &[u8]) -> bool {
        self.key() == key
    }
}

/// Memory for something new could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl std::fmt::Display for NoMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        ParseError::NoMemory.fmt(f)
    }
}

impl std::error::Error for NoMemory {}

impl From<NoMemory> for crate::Error {
    fn from(_: NoMemory) -> Self {
        ParseError::NoMemory.into()
    }
}

/// Makes nodes and values and links them.
///
/// New nodes and values are unlinked; their flags and ids are 0.
pub trait Builder {
    /// Handle of a node.
    type Node: Copy + Eq + std::hash::Hash;
    /// Handle of a value.
    type Value: Copy;

    /// Makes a section with a copy of `key`.
    fn new_node(&mut self, key: &[u8]) -> Result<Self::Node, NoMemory>;
    /// Makes a value with a copy of the content.
    fn new_value(&mut self, content: Scalar<'_>) -> Result<Self::Value, NoMemory>;
    /// Sets the enclosing section.
    fn set_parent(&mut self, node: Self::Node, parent: Self::Node);
    /// Sets the first child of `parent`, or for `None` the first node of the tree.
    fn set_child(&mut self, parent: Option<Self::Node>, child: Option<Self::Node>);
    /// Sets the next node of the same section.
    fn set_sibling(&mut self, node: Self::Node, sibling: Option<Self::Node>);
    /// Sets the first value.
    fn set_value(&mut self, node: Self::Node, value: Self::Value);
    /// Sets the next element of an array.
    fn set_next(&mut self, value: Self::Value, next: Self::Value);
    /// Sets the program's number.
    fn set_id(&mut self, node: Self::Node, id: i32);

    /// The first child of `parent`, or for `None` the first node of the tree.
    fn child(&self, parent: Option<Self::Node>) -> Option<Self::Node>;
    /// The next node of the same section.
    fn sibling(&self, node: Self::Node) -> Option<Self::Node>;
    /// Whether the node has a value.
    fn has_value(&self, node: Self::Node) -> bool;
    /// The key.
    fn key(&self, node: Self::Node) -> &[u8];
    /// Whether the key is `key`.
    fn key_is(&self, node: Self::Node, key: &[u8]) -> bool {
        self.key(node) == key
    }
}

/// The components of a path: what is between slashes, empty ones left out except a last one behind a trailing slash.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(path);
    std::iter::from_fn(move || {
        let path = rest?;
        let start = path.iter().position(|&b| b != b'/').unwrap_or(path.len());
        let path = &path[start..];
        match path.iter().position(|&b| b == b'/') {
            Some(end) => {
                rest = Some(&path[end..]);
                Some(&path[..end])
            }
            None => {
                rest = None;
                Some(path)
            }
        }
    })
}
