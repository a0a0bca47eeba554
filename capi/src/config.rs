//! `dm_config_*`.
//!
//! Everything of a tree lies in its pool, the tree itself included. Programs read, relink and make nodes and values by
//! hand; [`nodes`] shows them to the library.

mod nodes;

use std::ffi::{c_char, c_float, c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr;

use libdevmapper::config::{
    self, Builder, Duplicates, Line, Output, ParseError, bool_of, bool_or, find_in_trees, find_node, float_or, get_int,
    int_or, int64_or,
};
use libdevmapper::config::{Node, Value};

use crate::entry::bytes;
use crate::pool::{self, dm_pool};
use nodes::InPool;
pub use nodes::{CNode, CValue};

/// The content of a value; its type says which member is set.
#[repr(C)]
#[derive(Clone, Copy)]
pub union dm_config_value_u {
    /// DM_CFG_INT
    pub i: i64,
    /// DM_CFG_FLOAT
    pub f: c_float,
    /// Not used.
    pub d: f64,
    /// DM_CFG_STRING
    pub str: *const c_char,
}

/// A value, or an element of an array.
#[repr(C)]
pub struct dm_config_value {
    /// dm_config_value_type_t
    pub r#type: c_uint,
    /// Content.
    pub v: dm_config_value_u,
    /// The next element of the array.
    pub next: *mut dm_config_value,
    /// DM_CONFIG_VALUE_FMT_*
    pub format_flags: u32,
}

/// A section (no value) or an entry.
#[repr(C)]
pub struct dm_config_node {
    /// One component of a path.
    pub key: *const c_char,
    /// The enclosing section; NULL at the top level.
    pub parent: *mut dm_config_node,
    /// The next node of the section.
    pub sib: *mut dm_config_node,
    /// The first child.
    pub child: *mut dm_config_node,
    /// The first value.
    pub v: *mut dm_config_value,
    /// For the program's use.
    pub id: c_int,
}

/// A tree.
#[repr(C)]
pub struct dm_config_tree {
    /// The first node of the top level.
    pub root: *mut dm_config_node,
    /// The next lower tree.
    pub cascade: *mut dm_config_tree,
    /// Where everything of the tree lies, this struct too.
    pub mem: *mut dm_pool,
    /// For the program's use.
    pub custom: *mut c_void,
}

const _: () = {
    assert!(size_of::<dm_config_value>() == 32);
    assert!(offset_of!(dm_config_value, v) * 8 == 64);
    assert!(offset_of!(dm_config_value, next) * 8 == 128);
    assert!(offset_of!(dm_config_value, format_flags) * 8 == 192);
    assert!(size_of::<dm_config_node>() == 48);
    assert!(offset_of!(dm_config_node, parent) * 8 == 64);
    assert!(offset_of!(dm_config_node, sib) * 8 == 128);
    assert!(offset_of!(dm_config_node, child) * 8 == 192);
    assert!(offset_of!(dm_config_node, v) * 8 == 256);
    assert!(offset_of!(dm_config_node, id) * 8 == 320);
    assert!(size_of::<dm_config_tree>() == 32);
    assert!(offset_of!(dm_config_tree, cascade) * 8 == 64);
    assert!(offset_of!(dm_config_tree, mem) * 8 == 128);
    assert!(offset_of!(dm_config_tree, custom) * 8 == 192);
    assert!(size_of::<dm_config_node_out_spec>() == 24);
};

/// Takes one line.
type dm_putline_fn = Option<unsafe extern "C" fn(line: *const c_char, baton: *mut c_void) -> c_int>;
/// Takes one line, or an indentation, of a node.
type dm_config_node_out_fn =
    Option<unsafe extern "C" fn(cn: *const dm_config_node, line: *const c_char, baton: *mut c_void) -> c_int>;

/// Callbacks of the writer; each may be NULL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dm_config_node_out_spec {
    /// Called before a node.
    pub prefix_fn: dm_config_node_out_fn,
    /// Called for each line.
    pub line_fn: dm_config_node_out_fn,
    /// Called after a node.
    pub suffix_fn: dm_config_node_out_fn,
}

/// Output through a `dm_putline_fn`.
struct PutLine {
    put: unsafe extern "C" fn(line: *const c_char, baton: *mut c_void) -> c_int,
    baton: *mut c_void,
}

impl Output<CNode<'_>> for PutLine {
    fn line(&mut self, _: CNode<'_>, line: Line<'_>) {
        // SAFETY: the program's function, with a C string and the baton that it gave; the answer has no meaning.
        unsafe { (self.put)(line.bytes_with_nul().as_ptr().cast(), self.baton) };
    }
}

/// Output through a `dm_config_node_out_spec`.
struct OutSpec {
    spec: dm_config_node_out_spec,
    baton: *mut c_void,
}

impl OutSpec {
    fn call(&self, function: dm_config_node_out_fn, node: CNode<'_>, text: Line<'_>) {
        if let Some(function) = function {
            // SAFETY: the program's function, with its own node, a C string and the baton that it gave; the answer has
            // no meaning.
            unsafe { function(node.as_ptr(), text.bytes_with_nul().as_ptr().cast(), self.baton) };
        }
    }
}

impl Output<CNode<'_>> for OutSpec {
    fn prefix(&mut self, node: CNode<'_>, indent: Line<'_>) {
        self.call(self.spec.prefix_fn, node, indent);
    }

    fn line(&mut self, node: CNode<'_>, line: Line<'_>) {
        self.call(self.spec.line_fn, node, line);
    }

    fn suffix(&mut self, node: CNode<'_>, indent: Line<'_>) {
        self.call(self.spec.suffix_fn, node, indent);
    }
}

fn write(node: Option<CNode<'_>>, one: bool, output: Option<&mut impl for<'a> Output<CNode<'a>>>) -> c_int {
    match (node, output) {
        (None, _) => 1,
        (_, None) => 0,
        (node, Some(output)) => {
            if one {
                config::write_one_node(node, output);
            } else {
                config::write_node(node, output);
            }
            1
        }
    }
}

/// Copies the callbacks.
///
/// # Safety
/// `spec` is NULL or readable.
unsafe fn out_spec(spec: *const dm_config_node_out_spec, baton: *mut c_void) -> Option<OutSpec> {
    if spec.is_null() {
        return None;
    }
    // SAFETY: by contract.
    let spec = unsafe { *spec };
    Some(OutSpec { spec, baton })
}

/// Finds the node at `path` from `cn` on.
///
/// # Safety
/// `cn` is NULL or a node as libdevmapper.h says, living for `'a`; `path` is NULL or a C string.
unsafe fn find<'a>(cn: *const dm_config_node, path: *const c_char) -> Option<CNode<'a>> {
    // SAFETY: by contract.
    unsafe { find_node(CNode::new(cn), bytes(path).unwrap_or_default()) }
}

/// Finds the node at `path` in the first of cascaded trees that has it.
///
/// # Safety
/// `cft` is NULL or a tree as libdevmapper.h says, living for `'a`; `path` is NULL or a C string.
unsafe fn tree_find<'a>(cft: *const dm_config_tree, path: *const c_char) -> Option<CNode<'a>> {
    // SAFETY: by contract.
    unsafe { find_in_trees(roots(cft), bytes(path).unwrap_or_default()) }
}

/// The first nodes of cascaded trees.
///
/// # Safety
/// `cft` is NULL or a tree as libdevmapper.h says, living for `'a`.
unsafe fn roots<'a>(cft: *const dm_config_tree) -> impl Iterator<Item = Option<CNode<'a>>> {
    let mut next = cft;
    std::iter::from_fn(move || {
        if next.is_null() {
            return None;
        }
        // SAFETY: by contract `next` is a living tree.
        unsafe {
            let root = CNode::new((*next).root);
            next = (*next).cascade;
            Some(root)
        }
    })
}

fn node_ptr(node: Option<CNode<'_>>) -> *mut dm_config_node {
    node.map_or(ptr::null_mut(), |node| node.as_ptr().cast_mut())
}

/// The string value of a node that was looked up as `path`, or `fail`.
///
/// # Safety
/// `path` is NULL or a C string.
unsafe fn str_or(
    node: Option<CNode<'_>>,
    path: *const c_char,
    fail: *const c_char,
    allow_empty: bool,
) -> *const c_char {
    // SAFETY: by contract.
    let path = unsafe { bytes(path) }.unwrap_or_default();
    let found = if allow_empty {
        config::find_str_allow_empty(node, path)
    } else {
        config::find_str(node, path, !fail.is_null())
    };
    found.map_or(fail, CValue::string)
}

/// Stores what was found, if it was and if there is a place; 1 or 0.
///
/// # Safety
/// `result` is NULL or writable.
unsafe fn store<T>(found: Option<T>, result: *mut T) -> c_int {
    match found {
        Some(found) => {
            if !result.is_null() {
                // SAFETY: by contract.
                unsafe { result.write(found) };
            }
            1
        }
        None => 0,
    }
}

/// Parses into a tree and replaces its root.
///
/// # Safety
/// `cft` is a living tree; `start` and `end` are the bounds of readable bytes.
unsafe fn parse(
    cft: *mut dm_config_tree,
    start: *const c_char,
    end: *const c_char,
    duplicates: Duplicates<'_>,
) -> Result<(), ParseError> {
    let length = (end as usize).saturating_sub(start as usize);
    let text = if start.is_null() || length == 0 {
        &[]
    } else {
        // SAFETY: by contract the bytes between the bounds are readable.
        unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }
    };
    // SAFETY: by contract the tree lives, and its pool with it.
    unsafe {
        let mut builder = InPool::new((*cft).mem);
        let result = config::parse(&mut builder, text, duplicates);
        (*cft).root = if result.is_ok() { builder.root } else { ptr::null_mut() };
        result
    }
}

/// Size of a tree's first chunk of memory, in bytes.
const POOL_HINT: usize = 10 * 1024;

/// Makes an empty tree; NULL after an error message.
fn create() -> *mut dm_config_tree {
    let mem = pool::create_static(c"config", POOL_HINT);
    if mem.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the pool is new; the tree is written before use.
    unsafe {
        let cft = pool::alloc_for::<dm_config_tree>(mem);
        if cft.is_null() {
            pool::destroy(mem);
            return ptr::null_mut();
        }
        cft.write(dm_config_tree {
            root: ptr::null_mut(),
            cascade: ptr::null_mut(),
            mem,
            custom: ptr::null_mut(),
        });
        cft
    }
}

/// Copies a node, with siblings or without; NULL after an error message.
///
/// # Safety
/// `mem` is a living pool; `cn` is NULL or a node as libdevmapper.h says.
unsafe fn clone_node(mem: *mut dm_pool, cn: *const dm_config_node, siblings: c_int) -> *mut dm_config_node {
    // SAFETY: by contract.
    let (mut builder, node) = unsafe { (InPool::new(mem), CNode::new(cn)) };
    let Some(node) = node else {
        libdevmapper::log_error!("Cannot clone NULL config node.");
        return ptr::null_mut();
    };
    config::clone_node(&mut builder, node, siblings != 0).unwrap_or_else(|_| {
        libdevmapper::log_error!("Failed to clone config node.");
        ptr::null_mut()
    })
}

c_api! {
    /// Makes an empty tree.
    fn dm_config_create() -> *mut dm_config_tree {
        create()
    }

    /// Makes a tree from a text.
    fn dm_config_from_string(config_settings: *const c_char) -> *mut dm_config_tree {
        required!(dm_config_from_string: config_settings => ptr::null_mut());
        let cft = create();
        if cft.is_null() {
            return cft;
        }
        // SAFETY: by the caller's contract `config_settings` is a C string; the tree is new.
        unsafe {
            let text = bytes(config_settings).unwrap_or_default();
            let bounds = text.as_ptr_range();
            if parse(cft, bounds.start.cast(), bounds.end.cast(), Duplicates::Merge).is_err() {
                pool::destroy((*cft).mem);
                return ptr::null_mut();
            }
        }
        cft
    }

    /// Releases a tree.
    fn dm_config_destroy(cft: *mut dm_config_tree) -> () {
        if !cft.is_null() {
            // SAFETY: by the caller's contract.
            unsafe { pool::destroy((*cft).mem) }
        }
    }

    /// The tree's pool.
    fn dm_config_memory(cft: *mut dm_config_tree) -> *mut dm_pool {
        required!(dm_config_memory: cft => ptr::null_mut());
        // SAFETY: by the caller's contract.
        unsafe { (*cft).mem }
    }

    /// The program's pointer.
    fn dm_config_get_custom(cft: *mut dm_config_tree) -> *mut c_void {
        required!(dm_config_get_custom: cft => ptr::null_mut());
        // SAFETY: by the caller's contract.
        unsafe { (*cft).custom }
    }

    /// Sets the program's pointer.
    fn dm_config_set_custom(cft: *mut dm_config_tree, custom: *mut c_void) -> () {
        required!(dm_config_set_custom: cft);
        // SAFETY: by the caller's contract.
        unsafe { (*cft).custom = custom }
    }

    /// Puts `second_cft` below `first_cft`.
    fn dm_config_insert_cascaded_tree(
        first_cft: *mut dm_config_tree,
        second_cft: *mut dm_config_tree,
    ) -> *mut dm_config_tree {
        required!(dm_config_insert_cascaded_tree: first_cft => ptr::null_mut());
        // SAFETY: by the caller's contract.
        unsafe { (*first_cft).cascade = second_cft };
        first_cft
    }

    /// Takes away and returns what is below a tree.
    fn dm_config_remove_cascaded_tree(cft: *mut dm_config_tree) -> *mut dm_config_tree {
        if cft.is_null() {
            return cft;
        }
        // SAFETY: by the caller's contract.
        unsafe { ptr::replace(&raw mut (*cft).cascade, ptr::null_mut()) }
    }

    /// Merges cascaded trees into a new one.
    fn dm_config_flatten(cft: *mut dm_config_tree) -> *mut dm_config_tree {
        let flat = create();
        if flat.is_null() {
            return flat;
        }
        // SAFETY: by the caller's contract; the new tree is ours.
        unsafe {
            let roots: Vec<_> = roots(cft).collect();
            let mut builder = InPool::new((*flat).mem);
            if config::flatten(&mut builder, &roots).is_err() {
                libdevmapper::log_error!("Failed to flatten the whole config tree.");
            }
            (*flat).root = builder.root;
        }
        flat
    }

    /// Parses a text; repeated sections are merged.
    fn dm_config_parse(cft: *mut dm_config_tree, start: *const c_char, end: *const c_char) -> c_int {
        required!(dm_config_parse: cft => 0);
        // SAFETY: by the caller's contract.
        crate::entry::one_zero(unsafe { parse(cft, start, end, Duplicates::Merge) })
    }

    /// Parses a text; repeated names make nodes of their own.
    fn dm_config_parse_without_dup_node_check(
        cft: *mut dm_config_tree,
        start: *const c_char,
        end: *const c_char,
    ) -> c_int {
        required!(dm_config_parse_without_dup_node_check: cft => 0);
        // SAFETY: by the caller's contract.
        crate::entry::one_zero(unsafe { parse(cft, start, end, Duplicates::Keep) })
    }

    /// Parses a text as `dm_config_parse_without_dup_node_check` does, skipping what follows a section in the enclosing
    /// one.
    fn dm_config_parse_only_section(
        cft: *mut dm_config_tree,
        start: *const c_char,
        end: *const c_char,
        section: *const c_char,
    ) -> c_int {
        required!(dm_config_parse_only_section: cft => 0);
        // SAFETY: by the caller's contract.
        unsafe {
            let duplicates = bytes(section).map_or(Duplicates::Keep, Duplicates::KeepUntil);
            crate::entry::one_zero(parse(cft, start, end, duplicates))
        }
    }

    /// Finds a node by path.
    fn dm_config_find_node(cn: *const dm_config_node, path: *const c_char) -> *mut dm_config_node {
        // SAFETY: by the caller's contract.
        node_ptr(unsafe { find(cn, path) })
    }

    /// Whether a path leads to a node.
    fn dm_config_has_node(cn: *const dm_config_node, path: *const c_char) -> c_int {
        // SAFETY: by the caller's contract.
        c_int::from(unsafe { find(cn, path) }.is_some())
    }

    /// Unlinks a child.
    fn dm_config_remove_node(parent: *mut dm_config_node, rem_node: *mut dm_config_node) -> c_int {
        if parent.is_null() {
            return 0;
        }
        // SAFETY: by the caller's contract.
        c_int::from(config::remove_child(&mut unsafe { InPool::links_only() }, parent, rem_node))
    }

    /// A string that is not empty.
    fn dm_config_find_str(cn: *const dm_config_node, path: *const c_char, fail: *const c_char) -> *const c_char {
        // SAFETY: by the caller's contract.
        unsafe { str_or(find(cn, path), path, fail, false) }
    }

    /// A string.
    fn dm_config_find_str_allow_empty(
        cn: *const dm_config_node,
        path: *const c_char,
        fail: *const c_char,
    ) -> *const c_char {
        // SAFETY: by the caller's contract.
        unsafe { str_or(find(cn, path), path, fail, true) }
    }

    /// An integer, cut to 32 bits.
    fn dm_config_find_int(cn: *const dm_config_node, path: *const c_char, fail: c_int) -> c_int {
        // SAFETY: by the caller's contract.
        int_or(unsafe { find(cn, path) }, fail)
    }

    /// An integer.
    fn dm_config_find_int64(cn: *const dm_config_node, path: *const c_char, fail: i64) -> i64 {
        // SAFETY: by the caller's contract.
        int64_or(unsafe { find(cn, path) }, fail)
    }

    /// A floating point number.
    fn dm_config_find_float(cn: *const dm_config_node, path: *const c_char, fail: c_float) -> c_float {
        // SAFETY: by the caller's contract.
        float_or(unsafe { find(cn, path) }, fail)
    }

    /// A truth value.
    fn dm_config_find_bool(cn: *const dm_config_node, path: *const c_char, fail: c_int) -> c_int {
        // SAFETY: by the caller's contract.
        bool_or(unsafe { find(cn, path) }, fail)
    }

    /// Finds a node by path in cascaded trees.
    fn dm_config_tree_find_node(cft: *const dm_config_tree, path: *const c_char) -> *const dm_config_node {
        // SAFETY: by the caller's contract.
        node_ptr(unsafe { tree_find(cft, path) })
    }

    /// A string that is not empty, in cascaded trees.
    fn dm_config_tree_find_str(
        cft: *const dm_config_tree,
        path: *const c_char,
        fail: *const c_char,
    ) -> *const c_char {
        // SAFETY: by the caller's contract.
        unsafe { str_or(tree_find(cft, path), path, fail, false) }
    }

    /// A string, in cascaded trees.
    fn dm_config_tree_find_str_allow_empty(
        cft: *const dm_config_tree,
        path: *const c_char,
        fail: *const c_char,
    ) -> *const c_char {
        // SAFETY: by the caller's contract.
        unsafe { str_or(tree_find(cft, path), path, fail, true) }
    }

    /// An integer, cut to 32 bits, in cascaded trees.
    fn dm_config_tree_find_int(cft: *const dm_config_tree, path: *const c_char, fail: c_int) -> c_int {
        // SAFETY: by the caller's contract.
        int_or(unsafe { tree_find(cft, path) }, fail)
    }

    /// An integer, in cascaded trees.
    fn dm_config_tree_find_int64(cft: *const dm_config_tree, path: *const c_char, fail: i64) -> i64 {
        // SAFETY: by the caller's contract.
        int64_or(unsafe { tree_find(cft, path) }, fail)
    }

    /// A floating point number, in cascaded trees.
    fn dm_config_tree_find_float(cft: *const dm_config_tree, path: *const c_char, fail: c_float) -> c_float {
        // SAFETY: by the caller's contract.
        float_or(unsafe { tree_find(cft, path) }, fail)
    }

    /// A truth value, in cascaded trees.
    fn dm_config_tree_find_bool(cft: *const dm_config_tree, path: *const c_char, fail: c_int) -> c_int {
        // SAFETY: by the caller's contract.
        bool_or(unsafe { tree_find(cft, path) }, fail)
    }

    /// Whether a value is a truth value.
    fn dm_config_value_is_bool(v: *const dm_config_value) -> c_int {
        // SAFETY: by the caller's contract.
        c_int::from(unsafe { CValue::new(v) }.is_some_and(|value| bool_of(value.scalar()).is_some()))
    }

    /// The low 32 bits of an integer.
    fn dm_config_get_uint32(cn: *const dm_config_node, path: *const c_char, result: *mut u32) -> c_int {
        // SAFETY: by the caller's contract.
        unsafe { store(get_int(find(cn, path)).map(|value| value as u32), result) }
    }

    /// The bits of an integer.
    fn dm_config_get_uint64(cn: *const dm_config_node, path: *const c_char, result: *mut u64) -> c_int {
        // SAFETY: by the caller's contract.
        unsafe { store(get_int(find(cn, path)).map(i64::cast_unsigned), result) }
    }

    /// A string.
    fn dm_config_get_str(cn: *const dm_config_node, path: *const c_char, result: *mut *const c_char) -> c_int {
        // SAFETY: by the caller's contract.
        unsafe { store(config::get_str(find(cn, path)).map(CValue::string), result) }
    }

    /// The values of a node.
    fn dm_config_get_list(
        cn: *const dm_config_node,
        path: *const c_char,
        result: *mut *const dm_config_value,
    ) -> c_int {
        // SAFETY: by the caller's contract.
        unsafe { store(config::get_list(find(cn, path)).map(CValue::as_ptr), result) }
    }

    /// A section.
    fn dm_config_get_section(
        cn: *const dm_config_node,
        path: *const c_char,
        result: *mut *const dm_config_node,
    ) -> c_int {
        // SAFETY: by the caller's contract.
        unsafe { store(config::get_section(find(cn, path)).map(CNode::as_ptr), result) }
    }

    /// Whether a text has braces in pairs.
    fn dm_config_maybe_section(str: *const c_char, len: c_uint) -> c_uint {
        if str.is_null() || len == 0 {
            return 0;
        }
        // SAFETY: by the caller's contract `len` bytes are readable.
        c_uint::from(config::maybe_section(unsafe { std::slice::from_raw_parts(str.cast::<u8>(), len as usize) }))
    }

    /// The key of the enclosing section.
    fn dm_config_parent_name(n: *const dm_config_node) -> *const c_char {
        // SAFETY: by the caller's contract.
        let parent = unsafe { CNode::new(n) }.and_then(Node::parent);
        // SAFETY: a parent lives by the caller's contract.
        parent.map_or(c"(root)".as_ptr(), |parent| unsafe { (*parent.as_ptr()).key })
    }

    /// Writes a node and its siblings.
    fn dm_config_write_node(cn: *const dm_config_node, putline: dm_putline_fn, baton: *mut c_void) -> c_int {
        // SAFETY: by the caller's contract.
        let node = unsafe { CNode::new(cn) };
        write(node, false, putline.map(|put| PutLine { put, baton }).as_mut())
    }

    /// Writes a node.
    fn dm_config_write_one_node(cn: *const dm_config_node, putline: dm_putline_fn, baton: *mut c_void) -> c_int {
        // SAFETY: by the caller's contract.
        let node = unsafe { CNode::new(cn) };
        write(node, true, putline.map(|put| PutLine { put, baton }).as_mut())
    }

    /// Writes a node and its siblings.
    fn dm_config_write_node_out(
        cn: *const dm_config_node,
        out_spec_arg: *const dm_config_node_out_spec,
        baton: *mut c_void,
    ) -> c_int {
        // SAFETY: by the caller's contract.
        let (node, mut output) = unsafe { (CNode::new(cn), out_spec(out_spec_arg, baton)) };
        write(node, false, output.as_mut())
    }

    /// Writes a node.
    fn dm_config_write_one_node_out(
        cn: *const dm_config_node,
        out_spec_arg: *const dm_config_node_out_spec,
        baton: *mut c_void,
    ) -> c_int {
        // SAFETY: by the caller's contract.
        let (node, mut output) = unsafe { (CNode::new(cn), out_spec(out_spec_arg, baton)) };
        write(node, true, output.as_mut())
    }

    /// Makes an unlinked node.
    fn dm_config_create_node(cft: *mut dm_config_tree, key: *const c_char) -> *mut dm_config_node {
        required!(dm_config_create_node: cft, key => ptr::null_mut());
        // SAFETY: by the caller's contract.
        let node = unsafe { InPool::new((*cft).mem).new_node(bytes(key).unwrap_or_default()) };
        node.unwrap_or_else(|_| {
            libdevmapper::log_error!("Failed to create config node's key.");
            ptr::null_mut()
        })
    }

    /// Makes an unlinked value, an integer 0.
    fn dm_config_create_value(cft: *mut dm_config_tree) -> *mut dm_config_value {
        required!(dm_config_create_value: cft => ptr::null_mut());
        // SAFETY: by the caller's contract.
        unsafe { pool::zalloc((*cft).mem, size_of::<dm_config_value>()).cast() }
    }

    /// Copies a node into the tree's pool.
    fn dm_config_clone_node(
        cft: *mut dm_config_tree,
        cn: *const dm_config_node,
        siblings: c_int,
    ) -> *mut dm_config_node {
        required!(dm_config_clone_node: cft => ptr::null_mut());
        // SAFETY: by the caller's contract.
        unsafe { clone_node((*cft).mem, cn, siblings) }
    }

    /// Copies a node into a pool.
    fn dm_config_clone_node_with_mem(
        mem: *mut dm_pool,
        cn: *const dm_config_node,
        siblings: c_int,
    ) -> *mut dm_config_node {
        required!(dm_config_clone_node_with_mem: mem => ptr::null_mut());
        // SAFETY: by the caller's contract.
        unsafe { clone_node(mem, cn, siblings) }
    }

    /// Sets how a value is written.
    fn dm_config_value_set_format_flags(cv: *mut dm_config_value, format_flags: u32) -> () {
        if !cv.is_null() {
            // SAFETY: by the caller's contract.
            unsafe { (*cv).format_flags = format_flags }
        }
    }

    /// How a value is written.
    fn dm_config_value_get_format_flags(cv: *mut dm_config_value) -> u32 {
        // SAFETY: by the caller's contract.
        unsafe { CValue::new(cv) }.map_or(0, Value::format_flags)
    }
}
