//! Nodes and values of C programs, as cursors for the library and as what its parser builds.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

use libdevmapper::config::{Builder, NoMemory, Node, Scalar, Value};

use super::{dm_config_node, dm_config_value, dm_config_value_u};
use crate::pool::{self, dm_pool};

pub(super) const INT: u32 = 0;
pub(super) const FLOAT: u32 = 1;
pub(super) const STRING: u32 = 2;
pub(super) const EMPTY_ARRAY: u32 = 3;

/// A cursor on a node that a C program or the parser made.
///
/// The type promises that the node, what it links to, and their strings live for `'a` and that nobody changes them
/// while the library reads; the program's callbacks run between reads.
#[derive(Clone, Copy, Debug)]
pub struct CNode<'a> {
    node: *const dm_config_node,
    tree: PhantomData<&'a dm_config_node>,
}

impl CNode<'_> {
    /// A cursor on `node`; `None` for NULL.
    ///
    /// # Safety
    /// `node` is NULL or a node with links and strings as libdevmapper.h says, which all live for `'a`.
    pub unsafe fn new(node: *const dm_config_node) -> Option<Self> {
        (!node.is_null()).then_some(Self {
            node,
            tree: PhantomData,
        })
    }

    /// The C node.
    pub fn as_ptr(self) -> *const dm_config_node {
        self.node
    }
}

impl<'a> Node<'a> for CNode<'a> {
    type Value = CValue<'a>;

    fn key(self) -> &'a [u8] {
        // SAFETY: by the promise of the type.
        unsafe { text((*self.node).key) }
    }

    fn parent(self) -> Option<Self> {
        // SAFETY: by the promise of the type.
        unsafe { Self::new((*self.node).parent) }
    }

    fn sibling(self) -> Option<Self> {
        // SAFETY: by the promise of the type.
        unsafe { Self::new((*self.node).sib) }
    }

    fn child(self) -> Option<Self> {
        // SAFETY: by the promise of the type.
        unsafe { Self::new((*self.node).child) }
    }

    fn value(self) -> Option<CValue<'a>> {
        // SAFETY: by the promise of the type.
        unsafe { CValue::new((*self.node).v) }
    }

    fn id(self) -> i32 {
        // SAFETY: by the promise of the type.
        unsafe { (*self.node).id }
    }

    fn key_is(self, key: &[u8]) -> bool {
        // SAFETY: by the promise of the type.
        unsafe { is((*self.node).key, key) }
    }
}

/// A cursor on a value, with the same promise as [`CNode`].
#[derive(Clone, Copy, Debug)]
pub struct CValue<'a> {
    value: *const dm_config_value,
    tree: PhantomData<&'a dm_config_value>,
}

impl CValue<'_> {
    /// A cursor on `value`; `None` for NULL.
    ///
    /// # Safety
    /// `value` is NULL or a value with links and strings as libdevmapper.h says, which all live for `'a`.
    pub unsafe fn new(value: *const dm_config_value) -> Option<Self> {
        (!value.is_null()).then_some(Self {
            value,
            tree: PhantomData,
        })
    }

    /// The C value.
    pub fn as_ptr(self) -> *const dm_config_value {
        self.value
    }

    /// The string of a value that has one, as it was given.
    pub(super) fn string(self) -> *const c_char {
        // SAFETY: by the promise of the type; the callers have found that the value is a string.
        unsafe { (*self.value).v.str }
    }
}

impl<'a> Value<'a> for CValue<'a> {
    fn scalar(self) -> Scalar<'a> {
        // SAFETY: by the promise of the type; `r#type` says which member of the union is set.
        unsafe {
            match (*self.value).r#type {
                INT => Scalar::Int((*self.value).v.i),
                FLOAT => Scalar::Float((*self.value).v.f),
                STRING => Scalar::Str(text((*self.value).v.str)),
                EMPTY_ARRAY => Scalar::EmptyArray,
                kind => Scalar::Unknown(kind),
            }
        }
    }

    fn next(self) -> Option<Self> {
        // SAFETY: by the promise of the type.
        unsafe { Self::new((*self.value).next) }
    }

    fn format_flags(self) -> u32 {
        // SAFETY: by the promise of the type.
        unsafe { (*self.value).format_flags }
    }
}

/// The bytes of a C string; NULL counts as empty.
///
/// # Safety
/// `string` is NULL or a C string that lives and stays unchanged for `'a`.
unsafe fn text<'a>(string: *const c_char) -> &'a [u8] {
    if string.is_null() {
        return b"";
    }
    // SAFETY: by contract.
    unsafe { CStr::from_ptr(string) }.to_bytes()
}

/// Whether a C string is `wanted`; reads no further than the first difference.
///
/// # Safety
/// `string` is NULL or a C string.
unsafe fn is(string: *const c_char, wanted: &[u8]) -> bool {
    if string.is_null() {
        return wanted.is_empty();
    }
    // Miri has no `strncmp`.
    if cfg!(miri) {
        // SAFETY: by contract.
        return unsafe { text(string) } == wanted;
    }
    // SAFETY: `strncmp` reads up to the first difference or the string's NUL, and at most the bytes of `wanted`; if
    // these are equal and hold no NUL, the string has at least one byte more.
    unsafe {
        let first = *string.cast::<u8>();
        wanted.first().is_none_or(|&byte| byte == first)
            && libc::strncmp(string, wanted.as_ptr().cast(), wanted.len()) == 0
            && !wanted.contains(&0)
            && *string.add(wanted.len()) == 0
    }
}

/// Makes C nodes and values in a pool.
pub(super) struct InPool {
    pool: *mut dm_pool,
    /// First node of the top level.
    pub(super) root: *mut dm_config_node,
}

impl InPool {
    /// Builds in `pool`.
    ///
    /// # Safety
    /// `pool` is a living pool that no one else uses while this exists, and every handle given to the methods is a
    /// living node or value of the program that no one else changes.
    pub(super) unsafe fn new(pool: *mut dm_pool) -> Self {
        Self {
            pool,
            root: ptr::null_mut(),
        }
    }

    /// Relinks only; new nodes are refused.
    ///
    /// # Safety
    /// Every handle given to the methods is a living node or value of the program that no one else changes.
    pub(super) unsafe fn links_only() -> Self {
        Self {
            pool: ptr::null_mut(),
            root: ptr::null_mut(),
        }
    }

    /// Memory for a `T` with a copy of `text` and a NUL behind it: the pointers to both.
    fn alloc_with_text<T>(&mut self, text: &[u8]) -> Result<(*mut T, *const c_char), NoMemory> {
        if self.pool.is_null() {
            return Err(NoMemory);
        }
        // SAFETY: the pool lives by the contract of `new`; the object has room for the struct, the text and the NUL, and
        // is new, so that `text` cannot overlap it.
        unsafe {
            let object = pool::alloc(self.pool, size_of::<T>() + text.len() + 1).cast::<T>();
            if object.is_null() {
                return Err(NoMemory);
            }
            let copy = object.add(1).cast::<u8>();
            copy.copy_from_nonoverlapping(text.as_ptr(), text.len());
            copy.add(text.len()).write(0);
            Ok((object, copy.cast()))
        }
    }

    fn alloc_value(&mut self, value: dm_config_value) -> Result<*mut dm_config_value, NoMemory> {
        if self.pool.is_null() {
            return Err(NoMemory);
        }
        // SAFETY: the pool lives by the contract of `new`; the object has room for the value.
        unsafe {
            let object = pool::alloc_for::<dm_config_value>(self.pool);
            if object.is_null() {
                return Err(NoMemory);
            }
            object.write(value);
            Ok(object)
        }
    }
}

/// The C spelling of `Option`.
fn or_null<T>(pointer: Option<*mut T>) -> *mut T {
    pointer.unwrap_or(ptr::null_mut())
}

fn some<T>(pointer: *mut T) -> Option<*mut T> {
    (!pointer.is_null()).then_some(pointer)
}

impl Builder for InPool {
    type Node = *mut dm_config_node;
    type Value = *mut dm_config_value;

    fn new_node(&mut self, key: &[u8]) -> Result<*mut dm_config_node, NoMemory> {
        let (node, key) = self.alloc_with_text::<dm_config_node>(key)?;
        // SAFETY: `node` is new memory for a node.
        unsafe {
            node.write(dm_config_node {
                key,
                parent: ptr::null_mut(),
                sib: ptr::null_mut(),
                child: ptr::null_mut(),
                v: ptr::null_mut(),
                id: 0,
            });
        }
        Ok(node)
    }

    fn new_value(&mut self, content: Scalar<'_>) -> Result<*mut dm_config_value, NoMemory> {
        let value = |kind, v| dm_config_value {
            r#type: kind,
            v,
            next: ptr::null_mut(),
            format_flags: 0,
        };
        match content {
            Scalar::Int(i) => self.alloc_value(value(INT, dm_config_value_u { i })),
            Scalar::Float(f) => {
                let mut v = dm_config_value_u { i: 0 };
                v.f = f;
                self.alloc_value(value(FLOAT, v))
            }
            Scalar::Str(text) => {
                let (object, str) = self.alloc_with_text::<dm_config_value>(text)?;
                // SAFETY: `object` is new memory for a value.
                unsafe { object.write(value(STRING, dm_config_value_u { str })) };
                Ok(object)
            }
            Scalar::EmptyArray => self.alloc_value(value(EMPTY_ARRAY, dm_config_value_u { i: 0 })),
            Scalar::Unknown(kind) => self.alloc_value(value(kind, dm_config_value_u { i: 0 })),
        }
    }

    fn set_parent(&mut self, node: *mut dm_config_node, parent: *mut dm_config_node) {
        // SAFETY: a living node by the contract of `new`.
        unsafe { (*node).parent = parent }
    }

    fn set_child(&mut self, parent: Option<*mut dm_config_node>, child: Option<*mut dm_config_node>) {
        match parent {
            // SAFETY: a living node by the contract of `new`.
            Some(parent) => unsafe { (*parent).child = or_null(child) },
            None => self.root = or_null(child),
        }
    }

    fn set_sibling(&mut self, node: *mut dm_config_node, sibling: Option<*mut dm_config_node>) {
        // SAFETY: a living node by the contract of `new`.
        unsafe { (*node).sib = or_null(sibling) }
    }

    fn set_value(&mut self, node: *mut dm_config_node, value: *mut dm_config_value) {
        // SAFETY: a living node by the contract of `new`.
        unsafe { (*node).v = value }
    }

    fn set_next(&mut self, value: *mut dm_config_value, next: *mut dm_config_value) {
        // SAFETY: a living value by the contract of `new`.
        unsafe { (*value).next = next }
    }

    fn set_id(&mut self, node: *mut dm_config_node, id: c_int) {
        // SAFETY: a living node by the contract of `new`.
        unsafe { (*node).id = id }
    }

    fn child(&self, parent: Option<*mut dm_config_node>) -> Option<*mut dm_config_node> {
        match parent {
            // SAFETY: a living node by the contract of `new`.
            Some(parent) => some(unsafe { (*parent).child }),
            None => some(self.root),
        }
    }

    fn sibling(&self, node: *mut dm_config_node) -> Option<*mut dm_config_node> {
        // SAFETY: a living node by the contract of `new`.
        some(unsafe { (*node).sib })
    }

    fn has_value(&self, node: *mut dm_config_node) -> bool {
        // SAFETY: a living node by the contract of `new`.
        unsafe { !(*node).v.is_null() }
    }

    fn key(&self, node: *mut dm_config_node) -> &[u8] {
        // SAFETY: a living node by the contract of `new`; its key is not changed while the builder is borrowed.
        unsafe { text((*node).key) }
    }

    fn key_is(&self, node: *mut dm_config_node, key: &[u8]) -> bool {
        // SAFETY: a living node by the contract of `new`.
        unsafe { is((*node).key, key) }
    }
}
