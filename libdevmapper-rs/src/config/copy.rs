//! Copies of trees, and taking nodes out.

use super::index::{ChildIndex, Place};
use super::{Builder, NoMemory, Node, Value};

/// Copies a node with everything in it, and with `siblings` the nodes that follow it too. Ids are copied, format flags
/// are not, and the copies have no parents.
pub fn clone_node<'a, N: Node<'a>, B: Builder>(builder: &mut B, node: N, siblings: bool) -> Result<B::Node, NoMemory> {
    let copy = copy_one(builder, node)?;
    // What is left to do: a node, its copy, and whether the siblings are wanted.
    let mut todo = vec![(node, copy, siblings)];
    while let Some((node, copy, siblings)) = todo.pop() {
        if siblings && let Some(sibling) = node.sibling() {
            let sibling_copy = copy_one(builder, sibling)?;
            builder.set_sibling(copy, Some(sibling_copy));
            todo.push((sibling, sibling_copy, true));
        }
        if let Some(child) = node.child() {
            let child_copy = copy_one(builder, child)?;
            builder.set_child(Some(copy), Some(child_copy));
            todo.push((child, child_copy, true));
        }
    }
    Ok(copy)
}

fn copy_one<'a, N: Node<'a>, B: Builder>(builder: &mut B, node: N) -> Result<B::Node, NoMemory> {
    let copy = builder.new_node(node.key())?;
    if let Some(value) = node.value() {
        let values = copy_values(builder, value)?;
        builder.set_value(copy, values);
    }
    builder.set_id(copy, node.id());
    Ok(copy)
}

fn copy_values<'a, V: Value<'a>, B: Builder>(builder: &mut B, first: V) -> Result<B::Value, NoMemory> {
    let first_copy = builder.new_value(first.scalar())?;
    let (mut next, mut last) = (first.next(), first_copy);
    while let Some(value) = next {
        let copy = builder.new_value(value.scalar())?;
        builder.set_next(last, copy);
        last = copy;
        next = value.next();
    }
    Ok(first_copy)
}

/// Merges several trees into the empty one that `builder` holds. `roots` are their first nodes, the most important tree
/// first: its values win.
///
/// Only values are carried over, so empty sections vanish; of a node with both value and children, the children. New
/// keys come before their siblings.
pub fn flatten<'a, N: Node<'a>, B: Builder>(builder: &mut B, roots: &[Option<N>]) -> Result<(), NoMemory> {
    let mut index = ChildIndex::new();
    for &root in roots.iter().rev() {
        merge(builder, &mut index, root)?;
    }
    Ok(())
}

fn merge<'a, N: Node<'a>, B: Builder>(
    builder: &mut B,
    index: &mut ChildIndex<B::Node>,
    root: Option<N>,
) -> Result<(), NoMemory> {
    // The open sections of the source and, once needed, their counterparts.
    let mut open: Vec<(N, Option<B::Node>)> = Vec::new();
    let mut next = root;
    loop {
        let Some(node) = next else {
            match open.pop() {
                Some((section, _)) => next = section.sibling(),
                None => return Ok(()),
            }
            continue;
        };
        if let Some(child) = node.child() {
            open.push((node, None));
            next = Some(child);
            continue;
        }
        if let Some(value) = node.value() {
            let parent = make_sections(builder, index, &mut open)?;
            let leaf = find_or_prepend(builder, index, parent, node.key())?;
            let copy = copy_values(builder, value)?;
            builder.set_value(leaf, copy);
        }
        next = node.sibling();
    }
}

fn make_sections<'a, N: Node<'a>, B: Builder>(
    builder: &mut B,
    index: &mut ChildIndex<B::Node>,
    open: &mut [(N, Option<B::Node>)],
) -> Result<Option<B::Node>, NoMemory> {
    let made = open.iter().rposition(|(_, made)| made.is_some()).map_or(0, |at| at + 1);
    let mut parent = made.checked_sub(1).and_then(|at| open[at].1);
    for (section, made) in &mut open[made..] {
        *made = Some(find_or_prepend(builder, index, parent, section.key())?);
        parent = *made;
    }
    Ok(parent)
}

fn find_or_prepend<B: Builder>(
    builder: &mut B,
    index: &mut ChildIndex<B::Node>,
    parent: Option<B::Node>,
    key: &[u8],
) -> Result<B::Node, NoMemory> {
    match index.find(builder, parent, key) {
        Place::Found(node) => Ok(node),
        Place::After(_) => index.prepend(builder, parent, key),
    }
}

/// Takes `node` out of the children of `parent`; whether it was one. The node keeps its own links.
pub fn remove_child<B: Builder>(builder: &mut B, parent: B::Node, node: B::Node) -> bool {
    let mut next = builder.child(Some(parent));
    let mut last = None;
    while let Some(child) = next {
        next = builder.sibling(child);
        if child == node {
            match last {
                Some(last) => builder.set_sibling(last, next),
                None => builder.set_child(Some(parent), next),
            }
            return true;
        }
        last = Some(child);
    }
    false
}
