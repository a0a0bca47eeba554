//! Lists of devices: the driver's records, and lists for C.

use std::ffi::{c_char, c_int, c_uint};
use std::mem::offset_of;
use std::ptr;

use dm_abi::ioctl::reply::{NameEntry, write_names};
use libdevmapper::task::Listed;

use super::owned::Owned;
use super::{dm_task, read};
use crate::list::{self, dm_list};

/// A device of a list. At a distance of `next` bytes is the next record.
#[repr(C)]
#[derive(Debug)]
pub struct dm_names {
    /// Its number, as `dev_t`; 0 in the first record when there are no devices.
    pub dev: u64,
    /// Distance to the next record; 0 in the last.
    pub next: u32,
    /// The name, NUL-terminated.
    pub name: [c_char; 0],
}

/// A device of a list for C.
#[repr(C)]
#[derive(Debug)]
pub struct dm_active_device {
    /// The link.
    pub list: dm_list,
    /// Its number.
    pub devno: libc::dev_t,
    /// Its name.
    pub name: *const c_char,
    /// Number of its last event.
    pub event_nr: u32,
    /// Its uuid, empty if it has none.
    pub uuid: *const c_char,
}

/// Feature bit of a list: event numbers are known.
const HAS_EVENT_NR: c_uint = 1;
/// Feature bit of a list: some device has a uuid.
const HAS_UUID: c_uint = 2;

const _: () = {
    assert!(size_of::<dm_names>() == 16 && offset_of!(dm_names, next) == 8 && offset_of!(dm_names, name) == 12);
    assert!(size_of::<dm_active_device>() == 48 && offset_of!(dm_active_device, devno) == 16);
    assert!(offset_of!(dm_active_device, name) == 24 && offset_of!(dm_active_device, event_nr) == 32);
    assert!(offset_of!(dm_active_device, uuid) == 40);
};

/// The part of a text that C sees.
fn c_part(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The driver's records with unmangled names. What follows a name is behind the name as it is here, so that clients who
/// look for it there find it.
fn records(devices: &[Listed<'_>]) -> Owned {
    let entries = devices.iter().map(|device| NameEntry {
        dev: device.dev.encode(),
        name: c_part(&device.name),
        event_nr: device.event_nr.unwrap_or(0),
        uuid: device.uuid.as_ref().map(|uuid| c_part(uuid)),
    });
    // An empty list is read as a record of the device number 0.
    let size = entries
        .clone()
        .map(|entry| entry.size())
        .sum::<usize>()
        .max(size_of::<dm_names>());
    Owned::filled(size, |area| {
        write_names(area, entries);
    })
}

/// One block from malloc: the head, the entries, their strings. NULL without memory.
fn list_of(devices: &[Listed<'_>]) -> *mut dm_list {
    let strings: usize = devices
        .iter()
        .map(|device| device.name.len() + uuid(device).len() + 2)
        .sum();
    let head_size = size_of::<dm_list>();
    // SAFETY: malloc has no preconditions.
    let block = unsafe { libc::malloc(head_size + size_of_val_of::<dm_active_device>(devices.len()) + strings) };
    if block.is_null() {
        return ptr::null_mut();
    }
    let head = block.cast::<dm_list>();
    let first = block.cast::<u8>().wrapping_add(head_size).cast::<dm_active_device>();
    let mut text = first.wrapping_add(devices.len()).cast::<u8>();
    let mut put = |bytes: &[u8]| {
        let start = text;
        // SAFETY: `strings` counted these bytes and the NUL, and the block is new.
        unsafe {
            text.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            text.add(bytes.len()).write(0);
        }
        text = text.wrapping_add(bytes.len() + 1);
        start.cast::<c_char>().cast_const()
    };
    // SAFETY: malloc aligns for any type, the head is 16 bytes and there is room for each entry.
    unsafe {
        list::init(head);
        for (index, device) in devices.iter().enumerate() {
            let entry = first.add(index);
            entry.write(dm_active_device {
                list: dm_list {
                    n: ptr::null_mut(),
                    p: ptr::null_mut(),
                },
                devno: libc::makedev(device.dev.major, device.dev.minor),
                name: put(&device.name),
                event_nr: device.event_nr.unwrap_or(0),
                uuid: put(uuid(device)),
            });
            list::add(head, &raw mut (*entry).list);
        }
    }
    head
}

fn uuid<'a>(device: &'a Listed<'_>) -> &'a [u8] {
    device.uuid.as_deref().unwrap_or_default()
}

const fn size_of_val_of<T>(count: usize) -> usize {
    size_of::<T>().saturating_mul(count)
}

/// The numbers and uuids of a list.
///
/// # Safety
/// `list` is the head of a list of `dm_active_device` that lives for `'a`.
unsafe fn identities<'a>(list: *const dm_list) -> impl Iterator<Item = (libc::dev_t, &'a [u8])> {
    // SAFETY: by contract; `list` is the first member.
    unsafe { list::iter(list) }.map(|link| {
        let entry = link.cast::<dm_active_device>();
        // SAFETY: by contract.
        unsafe { ((*entry).devno, crate::entry::bytes((*entry).uuid).unwrap_or_default()) }
    })
}

c_api! {
    /// The driver's list of devices, lent.
    fn dm_task_get_names(dmt: *mut dm_task) -> *mut dm_names {
        // SAFETY: the caller passes a task.
        let Some(dmt) = (unsafe { read(dmt) }) else { return ptr::null_mut() };
        let Some(devices) = dmt.task.listed() else { return ptr::null_mut() };
        dmt.cache.names.get_or_init(|| records(&devices.collect::<Vec<_>>())).as_ptr()
    }

    /// A list of devices for C, which the caller destroys.
    fn dm_task_get_device_list(dmt: *mut dm_task, devs_list: *mut *mut dm_list, devs_features: *mut c_uint) -> c_int {
        // SAFETY: the caller passes a task.
        let Some(devices) = (unsafe { read(dmt) }).and_then(|dmt| dmt.task.listed()) else { return 0 };
        if devs_list.is_null() {
            return 0;
        }
        let devices: Vec<_> = devices.collect();
        let list = list_of(&devices);
        if list.is_null() {
            return 0;
        }
        let has_events = devices.iter().any(|device| device.event_nr.is_some());
        let has_uuids = devices.iter().any(|device| device.uuid.as_ref().is_some_and(|uuid| !uuid.is_empty()));
        let bit = |on: bool, bit| if on || devices.is_empty() { bit } else { 0 };
        // SAFETY: the caller passes places that may be written.
        unsafe {
            devs_list.write(list);
            if !devs_features.is_null() {
                devs_features.write(bit(has_events, HAS_EVENT_NR) | bit(has_uuids, HAS_UUID));
            }
        }
        1
    }

    /// Whether two lists have the same devices: numbers and uuids in the same order.
    fn dm_device_list_equal(list1: *const dm_list, list2: *const dm_list) -> c_int {
        if list1.is_null() || list2.is_null() {
            return c_int::from(list1 == list2);
        }
        // SAFETY: the caller passes lists.
        c_int::from(unsafe { identities(list1).eq(identities(list2)) })
    }

    /// Ends a list and sets the pointer NULL.
    fn dm_device_list_destroy(devs_list: *mut *mut dm_list) -> () {
        // SAFETY: the caller passes the place of a list that `dm_task_get_device_list` made, in one block.
        unsafe {
            if let Some(list) = devs_list.as_mut() {
                libc::free((*list).cast());
                *list = ptr::null_mut();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use libdevmapper::task::DevNo;

    use super::*;

    fn device<'a>(minor: u32, name: &'a str, uuid: &'a str) -> Listed<'a> {
        Listed {
            dev: DevNo { major: 254, minor },
            name: name.as_bytes().into(),
            raw_name: name.into(),
            event_nr: Some(minor + 10),
            uuid: Some(uuid.as_bytes().into()),
        }
    }

    #[test]
    fn lists() {
        let mut one = list_of(&[device(1, "a b", ""), device(2, "c", "U")]);
        let mut same = list_of(&[device(1, "other", ""), device(2, "c", "U")]);
        let mut other = list_of(&[device(1, "a b", "X"), device(2, "c", "U")]);
        let mut empty = list_of(&[]);
        // SAFETY: the lists live until they are destroyed.
        unsafe {
            let entry = (*one).n.cast::<dm_active_device>();
            assert_eq!(((*entry).event_nr, (*entry).devno), (11, libc::makedev(254, 1)));
            assert_eq!(crate::entry::bytes((*entry).name), Some(&b"a b"[..]));
            assert_eq!(dm_device_list_equal(one, same), 1);
            assert_eq!(dm_device_list_equal(one, other), 0);
            assert_eq!(dm_device_list_equal(one, empty), 0);
            assert_eq!(dm_device_list_equal(one, ptr::null()), 0);
            assert_eq!(dm_device_list_equal(ptr::null(), ptr::null()), 1);
            for list in [&mut one, &mut same, &mut other, &mut empty] {
                dm_device_list_destroy(list);
            }
        }
        assert!(one.is_null());
    }

    #[test]
    fn records_of_unmangled_names() {
        let area = records(&[device(1, "b 1", "U-1"), device(2, "zz", "")]);
        let entries: Vec<_> = dm_abi::ioctl::reply::read_names(area.bytes()).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[0].name, entries[0].event_nr, entries[0].uuid),
            (&b"b 1"[..], 11, Some(&b"U-1"[..]))
        );
        assert!(records(&[]).bytes().iter().all(|&byte| byte == 0));
    }
}
