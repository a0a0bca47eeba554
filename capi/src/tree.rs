//! `dm_tree_*`: dependency trees.
//!
//! A node pointer is the same for the same node and lives until `dm_tree_free`, and so do the strings and the `dm_info`
//! that it hands out. Everything behind the pointers is read through shared references with cells, because a callback
//! may call back into the tree that calls it.

mod targets;

use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::{CString, c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::rc::Rc;

use libdevmapper::error::{Error, Result};
use libdevmapper::library::Library;
use libdevmapper::log_error;
use libdevmapper::task::DevNo;
use libdevmapper::tree::{Callback, CallbackEvent, NewDev, NodeId, ROOT, ReadAhead, TaskDriver, Tree};

use bstr::{BStr, BString};

use crate::entry::{bytes, one_zero};
use crate::task::dm_info;
pub use targets::*;

/// A tree (opaque to C).
pub struct dm_tree {
    tree: Tree,
    /// Nodes by index, from `Box::into_raw` when C first sees them, else NULL.
    nodes: RefCell<Vec<*mut dm_tree_node>>,
}

/// A node (opaque to C, but for its first field: LVM2 reads the tree there when it adds a stand-in for a missing device).
#[repr(C)]
pub struct dm_tree_node {
    /// The tree that owns the node.
    tree: *const dm_tree,
    id: NodeId,
    context: Cell<*mut c_void>,
    info: UnsafeCell<dm_info>,
    /// Names and uuids that were handed out, from `CString::into_raw`; a name changes when the device is renamed.
    strings: RefCell<Vec<*mut c_char>>,
}

const _: () = assert!(std::mem::offset_of!(dm_tree_node, tree) == 0);

/// Tells a program about a node: 1 or 0.
type dm_node_callback_fn =
    Option<unsafe extern "C" fn(node: *mut dm_tree_node, r#type: c_uint, cb_data: *mut c_void) -> c_int>;

impl dm_tree {
    /// The pointer that C has for a node.
    fn node(&self, id: NodeId) -> *mut dm_tree_node {
        let mut nodes = self.nodes.borrow_mut();
        if nodes.len() <= id.index() {
            nodes.resize(id.index() + 1, ptr::null_mut());
        }
        let slot = &mut nodes[id.index()];
        if slot.is_null() {
            *slot = Box::into_raw(Box::new(dm_tree_node {
                tree: self,
                id,
                context: Cell::new(ptr::null_mut()),
                info: UnsafeCell::new(self.tree.info(id).into()),
                strings: RefCell::default(),
            }));
        }
        *slot
    }

    /// Brings the `dm_info` of all nodes that C knows up to date.
    fn refresh(&self) {
        for node in self.nodes.borrow().iter() {
            // SAFETY: NULL or one of our nodes, which live as long as the tree and are only read. Nobody in Rust holds a
            // reference into the cell, and C does not read it while it calls us.
            unsafe {
                if let Some(node) = node.as_ref() {
                    *node.info.get() = self.tree.info(node.id).into();
                }
            }
        }
    }
}

impl Drop for dm_tree {
    fn drop(&mut self) {
        for node in self.nodes.get_mut().iter().filter(|node| !node.is_null()) {
            // SAFETY: made by `node` from a box, and freed only here.
            drop(unsafe { Box::from_raw(*node) });
        }
    }
}

impl Drop for dm_tree_node {
    fn drop(&mut self) {
        for text in self.strings.get_mut().iter() {
            // SAFETY: made by `string` from a CString, and freed only here.
            drop(unsafe { CString::from_raw(*text) });
        }
    }
}

impl dm_tree_node {
    fn string(&self, text: &BStr) -> *const c_char {
        if text.is_empty() {
            return c"".as_ptr();
        }
        let mut strings = self.strings.borrow_mut();
        // SAFETY: C strings of this node, which live as long as it.
        let same = |known: &&*mut c_char| unsafe { bytes(**known) } == Some(text.as_ref());
        if let Some(known) = strings.iter().find(same) {
            return known.cast_const();
        }
        // Names come from C strings, so there is no NUL inside.
        let new = CString::new(text.to_vec()).unwrap_or_default().into_raw();
        strings.push(new);
        new
    }
}

/// The tree behind a C pointer.
///
/// # Safety
/// `tree` is NULL or came from `dm_tree_create` and is not freed during `'a`.
unsafe fn tree_ref<'a>(tree: *const dm_tree) -> Option<&'a dm_tree> {
    // SAFETY: by contract; trees are only ever read through shared references.
    unsafe { tree.as_ref() }
}

/// The node behind a C pointer, and its tree.
///
/// # Safety
/// `node` is NULL or came from a tree that is not freed during `'a`.
unsafe fn node_ref<'a>(node: *const dm_tree_node) -> Option<(&'a dm_tree, &'a dm_tree_node)> {
    // SAFETY: by contract; a node's tree lives as long as the node.
    unsafe {
        let node = node.as_ref()?;
        Some((&*node.tree, node))
    }
}

/// Acts on a node: 1 or 0.
///
/// # Safety
/// As of [`node_ref`].
unsafe fn with(node: *const dm_tree_node, act: impl FnOnce(&Tree, NodeId) -> Result<()>) -> c_int {
    // SAFETY: by contract.
    let Some((tree, node)) = (unsafe { node_ref(node) }) else {
        return 0;
    };
    let result = act(&tree.tree, node.id);
    tree.refresh();
    one_zero(result)
}

/// Sets something on a node.
///
/// # Safety
/// As of [`node_ref`].
unsafe fn set(node: *const dm_tree_node, set: impl FnOnce(&Tree, NodeId)) {
    // SAFETY: by contract.
    if let Some((tree, node)) = unsafe { node_ref(node) } {
        set(&tree.tree, node.id);
    }
}

/// A walk limited to uuids that begin with the first `len` bytes of `prefix`.
///
/// # Safety
/// As of [`node_ref`]; `prefix` is NULL or a C string.
unsafe fn walk(
    node: *const dm_tree_node,
    prefix: *const c_char,
    len: usize,
    walk: impl FnOnce(&Tree, NodeId, Option<&BStr>) -> Result<()>,
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        let prefix = bytes(prefix).map(|prefix| BStr::new(&prefix[..prefix.len().min(len)]));
        with(node, |tree, id| walk(tree, id, prefix))
    }
}

/// A text of the caller's, or an error that says what is missing.
///
/// # Safety
/// `text` is NULL or a C string that lives for `'a`.
unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a BStr> {
    // SAFETY: by contract.
    match unsafe { bytes(text) } {
        Some(text) => Ok(BStr::new(text)),
        None => {
            log_error!("Internal error: {what} is missing.");
            Err(Error::Invalid(format!("{what} is missing")))
        }
    }
}

/// # Safety
/// As of [`tree_ref`]; `name` and `uuid` are NULL or C strings.
unsafe fn add_new_dev(
    tree: *mut dm_tree,
    name: *const c_char,
    uuid: *const c_char,
    new: NewDev,
    context: *mut c_void,
) -> *mut dm_tree_node {
    // SAFETY: by contract.
    let (Some(tree), name, uuid) = (unsafe { (tree_ref(tree), bytes(name), bytes(uuid)) }) else {
        return ptr::null_mut();
    };
    let (Some(name), Some(uuid)) = (name, uuid) else {
        log_error!("Cannot add device without name and uuid.");
        return ptr::null_mut();
    };
    let added = tree.tree.add_new_dev(BStr::new(name), BStr::new(uuid), new);
    tree.refresh();
    let Ok(id) = added else { return ptr::null_mut() };
    let node = tree.node(id);
    // SAFETY: a node that was just made or found.
    unsafe { (*node).context.set(context) };
    node
}

/// # Safety
/// As of [`tree_ref`].
unsafe fn add_dev(tree: *mut dm_tree, major: u32, minor: u32, udev_flags: u16) -> c_int {
    // SAFETY: by contract.
    match unsafe { tree_ref(tree) } {
        Some(tree) => one_zero(tree.tree.add_dev(DevNo { major, minor }, udev_flags)),
        None => 0,
    }
}

/// The callback of the library for one of C.
fn callback(tree: *const dm_tree, function: dm_node_callback_fn, data: *mut c_void) -> Option<Callback> {
    let function = function?;
    Some(Rc::new(move |_: &Tree, id, event| {
        let event = match event {
            CallbackEvent::Preloaded => 0,
            CallbackEvent::Deactivated => 1,
        };
        // SAFETY: the callback lives in a node of this tree, which is being walked; the program's function gets the node
        // and the data that it asked for.
        unsafe {
            let tree = &*tree;
            tree.refresh();
            function(tree.node(id), event, data) != 0
        }
    }))
}

c_api! {
    /// Makes a tree.
    fn dm_tree_create() -> *mut dm_tree {
        let driver = TaskDriver::new(std::sync::Arc::clone(Library::global()));
        Box::into_raw(Box::new(dm_tree { tree: Tree::new(Rc::new(driver)), nodes: RefCell::default() }))
    }

    /// Frees a tree with its nodes.
    fn dm_tree_free(tree: *mut dm_tree) -> () {
        if !tree.is_null() {
            // SAFETY: the caller passes a tree from `dm_tree_create` that nobody uses any more.
            drop(unsafe { Box::from_raw(tree) });
        }
    }

    /// Suffixes of uuids that may be missing.
    fn dm_tree_set_optional_uuid_suffixes(dtree: *mut dm_tree, optional_uuid_suffixes: *mut *const c_char) -> () {
        // SAFETY: the caller passes a tree, and an array of C strings that ends with NULL, or NULL.
        unsafe {
            let Some(tree) = tree_ref(dtree) else { return };
            let mut suffixes = Vec::new();
            let mut next = optional_uuid_suffixes;
            while !next.is_null() && let Some(suffix) = bytes(*next) {
                suffixes.push(BString::from(suffix));
                next = next.add(1);
            }
            tree.tree.set_optional_uuid_suffixes(suffixes);
        }
    }

    /// Adds an existing device and what it uses.
    fn dm_tree_add_dev(tree: *mut dm_tree, major: u32, minor: u32) -> c_int {
        // SAFETY: the caller passes a tree.
        unsafe { add_dev(tree, major, minor, 0) }
    }

    /// Adds an existing device and what it uses.
    fn dm_tree_add_dev_with_udev_flags(tree: *mut dm_tree, major: u32, minor: u32, udev_flags: u16) -> c_int {
        // SAFETY: the caller passes a tree.
        unsafe { add_dev(tree, major, minor, udev_flags) }
    }

    /// Adds a device to be created or changed.
    fn dm_tree_add_new_dev(
        tree: *mut dm_tree, name: *const c_char, uuid: *const c_char, major: u32, minor: u32, read_only: c_int,
        clear_inactive: c_int, context: *mut c_void,
    ) -> *mut dm_tree_node {
        let new = NewDev {
            number: Some(DevNo { major, minor }),
            read_only: read_only != 0,
            clear_inactive: clear_inactive != 0,
            udev_flags: 0,
        };
        // SAFETY: the caller passes a tree and strings.
        unsafe { add_new_dev(tree, name, uuid, new, context) }
    }

    /// Adds a device to be created or changed.
    fn dm_tree_add_new_dev_with_udev_flags(
        tree: *mut dm_tree, name: *const c_char, uuid: *const c_char, major: u32, minor: u32, read_only: c_int,
        clear_inactive: c_int, context: *mut c_void, udev_flags: u16,
    ) -> *mut dm_tree_node {
        let new = NewDev {
            number: Some(DevNo { major, minor }),
            read_only: read_only != 0,
            clear_inactive: clear_inactive != 0,
            udev_flags,
        };
        // SAFETY: the caller passes a tree and strings.
        unsafe { add_new_dev(tree, name, uuid, new, context) }
    }

    /// Finds a node by number; 0:0 is the root.
    fn dm_tree_find_node(tree: *mut dm_tree, major: u32, minor: u32) -> *mut dm_tree_node {
        // SAFETY: the caller passes a tree.
        let Some(tree) = (unsafe { tree_ref(tree) }) else { return ptr::null_mut() };
        tree.tree.find(DevNo { major, minor }).map_or(ptr::null_mut(), |id| tree.node(id))
    }

    /// Finds a node by uuid; NULL and "" are the root.
    fn dm_tree_find_node_by_uuid(tree: *mut dm_tree, uuid: *const c_char) -> *mut dm_tree_node {
        // SAFETY: the caller passes a tree, and a string or NULL.
        let (Some(tree), uuid) = (unsafe { (tree_ref(tree), bytes(uuid)) }) else { return ptr::null_mut() };
        let uuid = BStr::new(uuid.unwrap_or_default());
        tree.tree.find_by_uuid(uuid).map_or(ptr::null_mut(), |id| tree.node(id))
    }

    /// The next child, or parent if `inverted`. The handle counts; it starts as NULL.
    fn dm_tree_next_child(handle: *mut *mut c_void, parent: *const dm_tree_node, inverted: u32) -> *mut dm_tree_node {
        required!(dm_tree_next_child: handle => ptr::null_mut());
        // SAFETY: the caller passes a handle and a node.
        unsafe {
            let Some((tree, node)) = node_ref(parent) else { return ptr::null_mut() };
            let n = (*handle).addr();
            match tree.tree.nth_child(node.id, n, inverted != 0) {
                Some(child) => {
                    *handle = ptr::without_provenance_mut(n + 1);
                    tree.node(child)
                }
                None => {
                    *handle = ptr::null_mut();
                    ptr::null_mut()
                }
            }
        }
    }

    /// Number of children, or parents if `inverted`, without the root.
    fn dm_tree_node_num_children(node: *const dm_tree_node, inverted: u32) -> c_int {
        // SAFETY: the caller passes a node.
        match unsafe { node_ref(node) } {
            Some((tree, node)) => tree.tree.num_children(node.id, inverted != 0).try_into().unwrap_or(c_int::MAX),
            None => 0,
        }
    }

    /// The device's name; "" while it does not exist.
    fn dm_tree_node_get_name(node: *const dm_tree_node) -> *const c_char {
        // SAFETY: the caller passes a node.
        match unsafe { node_ref(node) } {
            Some((tree, node)) => node.string(tree.tree.name(node.id).as_ref()),
            None => c"".as_ptr(),
        }
    }

    /// The device's uuid; "" while it does not exist.
    fn dm_tree_node_get_uuid(node: *const dm_tree_node) -> *const c_char {
        // SAFETY: the caller passes a node.
        match unsafe { node_ref(node) } {
            Some((tree, node)) => node.string(tree.tree.uuid(node.id).as_ref()),
            None => c"".as_ptr(),
        }
    }

    /// What is known about the device.
    fn dm_tree_node_get_info(node: *const dm_tree_node) -> *const dm_info {
        // SAFETY: the caller passes a node; nobody in Rust holds a reference into the cell.
        unsafe {
            let Some((tree, node)) = node_ref(node) else { return ptr::null() };
            *node.info.get() = tree.tree.info(node.id).into();
            node.info.get()
        }
    }

    /// What `dm_tree_add_new_dev` was given for the node.
    fn dm_tree_node_get_context(node: *const dm_tree_node) -> *mut c_void {
        // SAFETY: the caller passes a node.
        match unsafe { node_ref(node) } {
            Some((_, node)) => node.context.get(),
            None => ptr::null_mut(),
        }
    }

    /// How the last load changed the size: 1, 0, -1.
    fn dm_tree_node_size_changed(dnode: *const dm_tree_node) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { node_ref(dnode) }.map_or(0, |(tree, node)| tree.tree.size_changed(node.id))
    }

    /// Whether the last load changed the size: 1 or 0.
    fn dm_tree_node_size_changed__Base(dnode: *const dm_tree_node) -> c_int {
        // SAFETY: the caller passes a node.
        unsafe { node_ref(dnode) }.map_or(0, |(tree, node)| c_int::from(tree.tree.size_changed(node.id) != 0))
    }

    /// Removes the devices below a node.
    fn dm_tree_deactivate_children(dnode: *mut dm_tree_node, uuid_prefix: *const c_char, uuid_prefix_len: usize) -> c_int {
        // SAFETY: the caller passes a node, and a string or NULL.
        unsafe { walk(dnode, uuid_prefix, uuid_prefix_len, Tree::deactivate_children) }
    }

    /// Creates devices and loads tables below a node.
    fn dm_tree_preload_children(dnode: *mut dm_tree_node, uuid_prefix: *const c_char, uuid_prefix_len: usize) -> c_int {
        // SAFETY: the caller passes a node, and a string or NULL.
        unsafe { walk(dnode, uuid_prefix, uuid_prefix_len, Tree::preload_children) }
    }

    /// Renames and resumes the devices below a node.
    fn dm_tree_activate_children(dnode: *mut dm_tree_node, uuid_prefix: *const c_char, uuid_prefix_len: usize) -> c_int {
        // SAFETY: the caller passes a node, and a string or NULL.
        unsafe { walk(dnode, uuid_prefix, uuid_prefix_len, Tree::activate_children) }
    }

    /// Suspends the devices below a node.
    fn dm_tree_suspend_children(dnode: *mut dm_tree_node, uuid_prefix: *const c_char, uuid_prefix_len: usize) -> c_int {
        // SAFETY: the caller passes a node, and a string or NULL.
        unsafe { walk(dnode, uuid_prefix, uuid_prefix_len, Tree::suspend_children) }
    }

    /// Whether the uuid of a direct child begins with the prefix.
    fn dm_tree_children_use_uuid(dnode: *mut dm_tree_node, uuid_prefix: *const c_char, uuid_prefix_len: usize) -> c_int {
        let mut found = false;
        // SAFETY: the caller passes a node, and a string or NULL.
        unsafe {
            walk(dnode, uuid_prefix, uuid_prefix_len, |tree, id, prefix| {
                found = tree.children_use_uuid(id, prefix);
                Ok(())
            });
        }
        found.into()
    }

    /// Suspends without freezing filesystems.
    fn dm_tree_skip_lockfs(dnode: *mut dm_tree_node) -> () {
        // SAFETY: the caller passes a node.
        unsafe { set(dnode, |tree, _| tree.skip_lockfs()) }
    }

    /// Suspends without flushing.
    fn dm_tree_use_no_flush_suspend(dnode: *mut dm_tree_node) -> () {
        // SAFETY: the caller passes a node.
        unsafe { set(dnode, |tree, _| tree.use_no_flush_suspend()) }
    }

    /// Tries removals again.
    fn dm_tree_retry_remove(dnode: *mut dm_tree_node) -> () {
        // SAFETY: the caller passes a node.
        unsafe { set(dnode, |tree, _| tree.retry_remove()) }
    }

    /// Sets the udev flags of a node.
    fn dm_tree_node_set_udev_flags(node: *mut dm_tree_node, udev_flags: u16) -> () {
        // SAFETY: the caller passes a node.
        unsafe { set(node, |tree, id| tree.set_udev_flags(id, udev_flags)) }
    }

    /// Sets the read-ahead of a node.
    fn dm_tree_node_set_read_ahead(dnode: *mut dm_tree_node, read_ahead: u32, read_ahead_flags: u32) -> () {
        let read_ahead = ReadAhead { sectors: read_ahead, flags: read_ahead_flags };
        // SAFETY: the caller passes a node.
        unsafe { set(dnode, |tree, id| tree.set_read_ahead(id, read_ahead)) }
    }

    /// Names the child that is suspended before the node is removed.
    fn dm_tree_node_set_presuspend_node(node: *mut dm_tree_node, presuspend_node: *mut dm_tree_node) -> () {
        // SAFETY: the caller passes two nodes of one tree; a node of another tree is not taken.
        unsafe {
            let presuspend = node_ref(presuspend_node);
            let Some((tree, node)) = node_ref(node) else { return };
            if presuspend.is_some_and(|(other, _)| !ptr::eq(other, tree)) {
                log_error!("Internal error: presuspend node of another tree.");
                return;
            }
            tree.tree.set_presuspend_node(node.id, presuspend.map(|(_, node)| node.id).filter(|id| *id != ROOT));
        }
    }

    /// Sets the callback of a node.
    fn dm_tree_node_set_callback(node: *mut dm_tree_node, cb: dm_node_callback_fn, cb_data: *mut c_void) -> () {
        // SAFETY: the caller passes a node, and a function that may be called while the tree lives.
        unsafe {
            if let Some((tree, node)) = node_ref(node) {
                tree.tree.set_callback(node.id, callback(tree, cb, cb_data));
            }
        }
    }

    /// Sets the udev cookie.
    fn dm_tree_set_cookie(node: *mut dm_tree_node, cookie: u32) -> () {
        // SAFETY: the caller passes a node.
        unsafe { set(node, |tree, _| tree.set_cookie(cookie)) }
    }

    /// The udev cookie.
    fn dm_tree_get_cookie(node: *mut dm_tree_node) -> u32 {
        // SAFETY: the caller passes a node.
        unsafe { node_ref(node) }.map_or(0, |(tree, _)| tree.tree.cookie())
    }
}

const _: () = assert!(size_of::<usize>() == size_of::<c_ulong>(), "size_t is unsigned long");
