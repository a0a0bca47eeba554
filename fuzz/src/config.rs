//! A configuration text: what was parsed and written parses again to the same tree, and is written the same.

use bstr::BStr;
use libdevmapper::config::{Duplicates, Node, NodeRef, Scalar, Tree, Value, flatten};

pub(crate) fn run(bytes: &[u8]) {
    for duplicates in [Duplicates::Merge, Duplicates::Keep, Duplicates::KeepUntil(b"metadata")] {
        let Ok(tree) = Tree::parse_with(bytes, duplicates) else {
            continue;
        };
        look(&tree, bytes);
        let written = tree.to_bytes();
        if !keeps_its_meaning(&tree) {
            continue;
        }
        let again = Tree::parse_with(&written, duplicates);
        if let Duplicates::KeepUntil(_) = duplicates {
            // It may skip more of what is written than of the input.
            continue;
        }
        let again = again.unwrap_or_else(|error| panic!("{error}: {}", BStr::new(&written)));
        assert_eq!(BStr::new(&again.to_bytes()), BStr::new(&written));
    }
}

/// Asks for what programs ask for.
fn look(tree: &Tree, bytes: &[u8]) {
    for path in [
        b"a".as_slice(),
        b"a/b",
        b"metadata/creation_time",
        &bytes[..bytes.len().min(8)],
    ] {
        let found = tree.find(path);
        let _ = (tree.find_int(path), tree.find_str(path), tree.find_bool(path));
        assert_eq!(found.is_some(), tree.find(path).is_some());
    }
    let mut copy = Tree::new();
    let _ = flatten(&mut copy, &[tree.root()]);
}

/// Whether the text form says the same as the tree. It does not where a key or a string has what the language cannot
/// write: the writer is made for keys of words, as programs use.
fn keeps_its_meaning(tree: &Tree) -> bool {
    fn plain(key: &[u8]) -> bool {
        let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+' | b'@');
        !key.is_empty() && key.iter().all(word)
    }
    let mut open: Vec<NodeRef<'_>> = tree.root().into_iter().collect();
    while let Some(node) = open.pop() {
        open.extend(node.sibling());
        // A node with a value is written without its children.
        if node.value().is_some() && node.child().is_some() || !plain(node.key()) {
            return false;
        }
        let mut value = node.value();
        while let Some(v) = value {
            match v.scalar() {
                // Single precision and six places are kept; what is out of that range is not.
                Scalar::Float(float) if !float.is_finite() || float.abs() > 1e30 => return false,
                _ => {}
            }
            value = v.next();
        }
        open.extend(node.child());
    }
    true
}
