//! The library's own tree: nodes in one array, text in another.

use std::fmt;
use std::ops::Range;

use bstr::BStr;

use super::{
    Builder, Duplicates, Line, NoMemory, Node, Output, ParseError, Scalar, Value, find_node, find_str_allow_empty,
    parse, write_node,
};

/// Names a node of one [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// Names a value of one [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(u32);

#[derive(Clone, Debug)]
struct NodeData {
    key: Range<usize>,
    parent: Option<NodeId>,
    sibling: Option<NodeId>,
    child: Option<NodeId>,
    value: Option<ValueId>,
    id: i32,
}

#[derive(Clone, Debug)]
enum Stored {
    Int(i64),
    Float(f32),
    Str(Range<usize>),
    EmptyArray,
    Unknown(u32),
}

#[derive(Clone, Debug)]
struct ValueData {
    content: Stored,
    next: Option<ValueId>,
    flags: u32,
}

/// A configuration tree.
///
/// ```
/// use libdevmapper::config::{Node, Tree};
///
/// let mut tree = Tree::parse(b"devices { dir=\"/dev\" } global/umask=077")?;
/// assert_eq!(tree.find_str(b"devices/dir"), Some(b"/dev".as_slice()));
/// assert_eq!(tree.find_int(b"global/umask"), Some(63));
/// assert_eq!(tree.to_bytes(), b"devices {\n\tdir=\"/dev\"\n}\nglobal {\n\tumask=63\n}\n");
/// # Ok::<(), libdevmapper::config::ParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: Vec<NodeData>,
    values: Vec<ValueData>,
    text: Vec<u8>,
    root: Option<NodeId>,
}

impl Tree {
    /// A tree without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses a text; repeated sections are merged. Logs why it failed.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        Self::parse_with(text, Duplicates::Merge)
    }

    /// Parses a text. Logs why it failed.
    pub fn parse_with(text: &[u8], duplicates: Duplicates<'_>) -> Result<Self, ParseError> {
        let mut tree = Self::new();
        parse(&mut tree, text, duplicates)?;
        Ok(tree)
    }

    /// The first node of the top level.
    pub fn root(&self) -> Option<NodeRef<'_>> {
        self.root.map(|id| self.node(id))
    }

    /// A cursor on a node of this tree.
    pub fn node(&self, id: NodeId) -> NodeRef<'_> {
        NodeRef { tree: self, id }
    }

    /// Finds a node by path.
    pub fn find(&self, path: &[u8]) -> Option<NodeRef<'_>> {
        find_node(self.root(), path)
    }

    /// The string at `path`, empty or not, with a warning if there is another value.
    pub fn find_str(&self, path: &[u8]) -> Option<&[u8]> {
        match find_str_allow_empty(self.find(path), path)?.scalar() {
            Scalar::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The integer at `path`.
    pub fn find_int(&self, path: &[u8]) -> Option<i64> {
        super::get_int(self.find(path))
    }

    /// The truth value at `path`.
    pub fn find_bool(&self, path: &[u8]) -> Option<bool> {
        super::bool_of(self.find(path)?.value()?.scalar())
    }

    /// Finds the child of `parent` (`None`: the top level) with this key or adds it behind the others.
    pub fn section(&mut self, parent: Option<NodeId>, key: &[u8]) -> Result<NodeId, NoMemory> {
        let (mut next, mut last) = (self.child(parent), None);
        while let Some(node) = next {
            if self.key(node) == key {
                return Ok(node);
            }
            last = next;
            next = self.sibling(node);
        }
        let node = self.new_node(key)?;
        self.nodes[node.index()].parent = parent;
        match last {
            Some(last) => self.set_sibling(last, Some(node)),
            None => self.set_child(parent, Some(node)),
        }
        Ok(node)
    }

    /// Sets what a node holds: one value, or an array of several.
    pub fn set(&mut self, node: NodeId, values: &[Scalar<'_>]) -> Result<(), NoMemory> {
        let (first, rest) = values.split_first().unwrap_or((&Scalar::EmptyArray, &[]));
        let first = self.new_value(*first)?;
        let mut last = first;
        for value in rest {
            let value = self.new_value(*value)?;
            self.set_next(last, value);
            last = value;
        }
        self.set_value(node, first);
        Ok(())
    }

    /// Sets how a value is written: `FORMAT_*`.
    pub fn set_format_flags(&mut self, value: ValueId, flags: u32) {
        self.values[value.index()].flags = flags;
    }

    /// The text form, with a newline behind each line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = Text(Vec::new());
        write_node(self.root(), &mut text);
        text.0
    }

    fn store(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        start..self.text.len()
    }
}

struct Text(Vec<u8>);

impl<N> Output<N> for Text {
    fn line(&mut self, _: N, line: Line<'_>) {
        self.0.extend_from_slice(line.bytes());
        self.0.push(b'\n');
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(BStr::new(&self.to_bytes()), f)
    }
}

impl NodeId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

impl ValueId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

impl Builder for Tree {
    type Node = NodeId;
    type Value = ValueId;

    fn new_node(&mut self, key: &[u8]) -> Result<NodeId, NoMemory> {
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(|_| NoMemory)?);
        let key = self.store(key);
        self.nodes.push(NodeData {
            key,
            parent: None,
            sibling: None,
            child: None,
            value: None,
            id: 0,
        });
        Ok(id)
    }

    fn new_value(&mut self, content: Scalar<'_>) -> Result<ValueId, NoMemory> {
        let id = ValueId(u32::try_from(self.values.len()).map_err(|_| NoMemory)?);
        let content = match content {
            Scalar::Int(value) => Stored::Int(value),
            Scalar::Float(value) => Stored::Float(value),
            Scalar::Str(text) => Stored::Str(self.store(text)),
            Scalar::EmptyArray => Stored::EmptyArray,
            Scalar::Unknown(kind) => Stored::Unknown(kind),
        };
        self.values.push(ValueData {
            content,
            next: None,
            flags: 0,
        });
        Ok(id)
    }

    fn set_parent(&mut self, node: NodeId, parent: NodeId) {
        self.nodes[node.index()].parent = Some(parent);
    }

    fn set_child(&mut self, parent: Option<NodeId>, child: Option<NodeId>) {
        match parent {
            Some(parent) => self.nodes[parent.index()].child = child,
            None => self.root = child,
        }
    }

    fn set_sibling(&mut self, node: NodeId, sibling: Option<NodeId>) {
        self.nodes[node.index()].sibling = sibling;
    }

    fn set_value(&mut self, node: NodeId, value: ValueId) {
        self.nodes[node.index()].value = Some(value);
    }

    fn set_next(&mut self, value: ValueId, next: ValueId) {
        self.values[value.index()].next = Some(next);
    }

    fn set_id(&mut self, node: NodeId, id: i32) {
        self.nodes[node.index()].id = id;
    }

    fn child(&self, parent: Option<NodeId>) -> Option<NodeId> {
        match parent {
            Some(parent) => self.nodes[parent.index()].child,
            None => self.root,
        }
    }

    fn sibling(&self, node: NodeId) -> Option<NodeId> {
        self.nodes[node.index()].sibling
    }

    fn has_value(&self, node: NodeId) -> bool {
        self.nodes[node.index()].value.is_some()
    }

    fn key(&self, node: NodeId) -> &[u8] {
        &self.text[self.nodes[node.index()].key.clone()]
    }
}

/// A cursor on a node of a [`Tree`].
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'t> {
    tree: &'t Tree,
    id: NodeId,
}

impl<'t> NodeRef<'t> {
    /// The handle, for changes to the tree.
    pub fn handle(self) -> NodeId {
        self.id
    }

    fn data(self) -> &'t NodeData {
        &self.tree.nodes[self.id.index()]
    }

    fn at(self, id: Option<NodeId>) -> Option<Self> {
        id.map(|id| self.tree.node(id))
    }
}

impl<'t> Node<'t> for NodeRef<'t> {
    type Value = ValueRef<'t>;

    fn key(self) -> &'t [u8] {
        &self.tree.text[self.data().key.clone()]
    }

    fn parent(self) -> Option<Self> {
        self.at(self.data().parent)
    }

    fn sibling(self) -> Option<Self> {
        self.at(self.data().sibling)
    }

    fn child(self) -> Option<Self> {
        self.at(self.data().child)
    }

    fn value(self) -> Option<ValueRef<'t>> {
        self.data().value.map(|id| ValueRef { tree: self.tree, id })
    }

    fn id(self) -> i32 {
        self.data().id
    }
}

/// A cursor on a value of a [`Tree`].
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'t> {
    tree: &'t Tree,
    id: ValueId,
}

impl<'t> ValueRef<'t> {
    /// The handle, for changes to the tree.
    pub fn handle(self) -> ValueId {
        self.id
    }

    fn data(self) -> &'t ValueData {
        &self.tree.values[self.id.index()]
    }
}

impl<'t> Value<'t> for ValueRef<'t> {
    fn scalar(self) -> Scalar<'t> {
        match &self.data().content {
            Stored::Int(value) => Scalar::Int(*value),
            Stored::Float(value) => Scalar::Float(*value),
            Stored::Str(range) => Scalar::Str(&self.tree.text[range.clone()]),
            Stored::EmptyArray => Scalar::EmptyArray,
            Stored::Unknown(kind) => Scalar::Unknown(*kind),
        }
    }

    fn next(self) -> Option<Self> {
        self.data().next.map(|id| Self { tree: self.tree, id })
    }

    fn format_flags(self) -> u32 {
        self.data().flags
    }
}
