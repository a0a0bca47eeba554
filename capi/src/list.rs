//! `dm_list_*`: circular doubly linked lists whose links lie in the client's structures.

use std::ffi::{c_char, c_int, c_uint};
use std::ptr;

/// A list head or the link of an element. An empty head leads to itself both ways.
#[repr(C)]
#[derive(Debug)]
pub struct dm_list {
    /// Next.
    pub n: *mut dm_list,
    /// Previous.
    pub p: *mut dm_list,
}

/// An element that carries a string.
#[repr(C)]
#[derive(Debug)]
pub struct dm_str_list {
    /// The link.
    pub list: dm_list,
    /// The string.
    pub str: *const c_char,
}

const _: () = {
    assert!(size_of::<dm_list>() == 16 && std::mem::offset_of!(dm_list, p) == 8);
    assert!(size_of::<dm_str_list>() == 24 && std::mem::offset_of!(dm_str_list, str) == 16);
};

/// Makes `head` an empty list.
///
/// # Safety
/// `head` may be written.
#[inline]
pub unsafe fn init(head: *mut dm_list) {
    // SAFETY: by contract.
    unsafe { head.write(dm_list { n: head, p: head }) }
}

/// Inserts `element` before `head`: at the end, if that is a list's head.
///
/// # Safety
/// `head` belongs to a list, `element` may be written.
#[inline]
pub unsafe fn add(head: *mut dm_list, element: *mut dm_list) {
    // SAFETY: by contract; links of a list lead to its members.
    unsafe {
        assert!(!(*head).n.is_null(), "list head is not initialised");
        (*element).n = head;
        (*element).p = (*head).p;
        (*(*head).p).n = element;
        (*head).p = element;
    }
}

/// The elements of a list from first to last, as raw links; the current one may be removed.
///
/// # Safety
/// `head` is the head of a list that stays a list while the iterator lives.
pub unsafe fn iter(head: *const dm_list) -> impl Iterator<Item = *mut dm_list> {
    // SAFETY: by contract.
    let mut next = unsafe { (*head).n };
    std::iter::from_fn(move || {
        let element = next;
        if element.cast_const() == head {
            return None;
        }
        // SAFETY: links of a list lead to its members.
        next = unsafe { (*element).n };
        Some(element)
    })
}

c_api! {
    /// Makes an empty list.
    fn dm_list_init(head: *mut dm_list) -> () {
        required!(dm_list_init: head);
        // SAFETY: the caller passes a head.
        unsafe { init(head) }
    }

    /// Appends `elem` to the list of `head`.
    fn dm_list_add(head: *mut dm_list, elem: *mut dm_list) -> () {
        required!(dm_list_add: head, elem);
        // SAFETY: the caller passes a list and an element.
        unsafe { add(head, elem) }
    }

    /// Puts `elem` right behind `head`.
    fn dm_list_add_h(head: *mut dm_list, elem: *mut dm_list) -> () {
        required!(dm_list_add_h: head, elem);
        // SAFETY: the caller passes a list and an element.
        unsafe {
            assert!(!(*head).n.is_null(), "list head is not initialised");
            (*elem).n = (*head).n;
            (*elem).p = head;
            (*(*head).n).p = elem;
            (*head).n = elem;
        }
    }

    /// Takes `elem` out of its list; its own links stay as they are.
    fn dm_list_del(elem: *mut dm_list) -> () {
        required!(dm_list_del: elem);
        // SAFETY: the caller passes a member of a list.
        unsafe {
            (*(*elem).n).p = (*elem).p;
            (*(*elem).p).n = (*elem).n;
        }
    }

    /// Takes `elem` out of its list and appends it to that of `head`.
    fn dm_list_move(head: *mut dm_list, elem: *mut dm_list) -> () {
        required!(dm_list_move: head, elem);
        // SAFETY: the caller passes a list and a member of a list.
        unsafe {
            (*(*elem).n).p = (*elem).p;
            (*(*elem).p).n = (*elem).n;
            add(head, elem);
        }
    }

    /// Appends all elements of `head1` to `head`; `head1` is then empty.
    fn dm_list_splice(head: *mut dm_list, head1: *mut dm_list) -> () {
        required!(dm_list_splice: head, head1);
        // SAFETY: the caller passes two lists.
        unsafe {
            assert!(!(*head).n.is_null() && !(*head1).n.is_null(), "list head is not initialised");
            let (first, last) = ((*head1).n, (*head1).p);
            if first == head1 {
                return;
            }
            (*first).p = (*head).p;
            (*(*head).p).n = first;
            (*last).n = head;
            (*head).p = last;
            init(head1);
        }
    }

    /// 1 for a list without elements.
    fn dm_list_empty(head: *const dm_list) -> c_int {
        required!(dm_list_empty: head => 1);
        // SAFETY: the caller passes a list.
        c_int::from(unsafe { (*head).n.cast_const() == head })
    }

    /// 1 if `elem` is the first of the list.
    fn dm_list_start(head: *const dm_list, elem: *const dm_list) -> c_int {
        required!(dm_list_start: head, elem => 0);
        // SAFETY: the caller passes a list and its member.
        c_int::from(unsafe { (*elem).p.cast_const() == head })
    }

    /// 1 if `elem` is the last of the list.
    fn dm_list_end(head: *const dm_list, elem: *const dm_list) -> c_int {
        required!(dm_list_end: head, elem => 0);
        // SAFETY: the caller passes a list and its member.
        c_int::from(unsafe { (*elem).n.cast_const() == head })
    }

    /// The first element, NULL if there is none.
    fn dm_list_first(head: *const dm_list) -> *mut dm_list {
        required!(dm_list_first: head => ptr::null_mut());
        // SAFETY: the caller passes a list.
        other_than(head, unsafe { (*head).n })
    }

    /// The last element, NULL if there is none.
    fn dm_list_last(head: *const dm_list) -> *mut dm_list {
        required!(dm_list_last: head => ptr::null_mut());
        // SAFETY: the caller passes a list.
        other_than(head, unsafe { (*head).p })
    }

    /// The element before `elem`, NULL if that is the first.
    fn dm_list_prev(head: *const dm_list, elem: *const dm_list) -> *mut dm_list {
        required!(dm_list_prev: head, elem => ptr::null_mut());
        // SAFETY: the caller passes a list and its member.
        other_than(head, unsafe { (*elem).p })
    }

    /// The element behind `elem`, NULL if that is the last.
    fn dm_list_next(head: *const dm_list, elem: *const dm_list) -> *mut dm_list {
        required!(dm_list_next: head, elem => ptr::null_mut());
        // SAFETY: the caller passes a list and its member.
        other_than(head, unsafe { (*elem).n })
    }

    /// Number of elements.
    fn dm_list_size(head: *const dm_list) -> c_uint {
        required!(dm_list_size: head => 0);
        // SAFETY: the caller passes a list.
        unsafe { iter(head) }.count() as c_uint
    }
}

/// NULL instead of the head.
fn other_than(head: *const dm_list, element: *mut dm_list) -> *mut dm_list {
    if element.cast_const() == head {
        ptr::null_mut()
    } else {
        element
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::undocumented_unsafe_blocks, reason = "the tests own their lists")]
    use super::*;

    fn node() -> Box<dm_list> {
        Box::new(dm_list {
            n: ptr::null_mut(),
            p: ptr::null_mut(),
        })
    }

    #[test]
    fn order_neighbours_and_splice() {
        let (mut a, mut b) = (node(), node());
        let (a, b) = (&raw mut *a, &raw mut *b);
        let mut nodes: Vec<_> = (0..10).map(|_| node()).collect();
        let e: Vec<_> = nodes.iter_mut().map(|n| &raw mut **n).collect();
        unsafe {
            init(a);
            init(b);
            assert_eq!((dm_list_empty(a), dm_list_size(a)), (1, 0));
            assert!(dm_list_first(a).is_null() && dm_list_last(a).is_null());
            dm_list_splice(a, b);
            assert_eq!(dm_list_empty(a), 1);
            for &x in &e[1..9] {
                dm_list_add(a, x);
            }
            dm_list_add_h(a, e[0]);
            dm_list_add(b, e[9]);
            dm_list_move(a, e[9]);
            assert_eq!(dm_list_empty(b), 1);
            assert_eq!(iter(a).collect::<Vec<_>>(), e);
            assert_eq!((dm_list_start(a, e[0]), dm_list_start(a, e[1])), (1, 0));
            assert_eq!((dm_list_end(a, e[9]), dm_list_end(a, e[0])), (1, 0));
            assert_eq!((dm_list_next(a, e[3]), dm_list_prev(a, e[3])), (e[4], e[2]));
            assert!(dm_list_next(a, e[9]).is_null() && dm_list_prev(a, e[0]).is_null());
            dm_list_splice(b, a);
            assert_eq!((dm_list_size(a), dm_list_size(b)), (0, 10));
            assert_eq!(iter(b).collect::<Vec<_>>(), e);
            dm_list_del(e[4]);
            assert_eq!(((*e[4]).n, (*e[4]).p), (e[5], e[3]));
            assert_eq!(dm_list_size(b), 9);
        }
    }
}
