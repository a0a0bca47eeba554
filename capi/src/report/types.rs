//! The structures in which clients describe objects, fields and reserved values.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::offset_of;

use libdevmapper::report::{Align, FieldType, Kind, ObjectType, Reserved, ReservedScope, ReservedValue, Schema};

use super::dm_report;
use super::field::dm_report_field;
use crate::pool::dm_pool;

/// An object type. The array ends with an entry without `data_fn`.
#[repr(C)]
pub struct dm_report_object_type {
    /// A power of two.
    pub id: u32,
    /// Title in listings.
    pub desc: *const c_char,
    /// Prefix of the ids of its fields.
    pub prefix: *const c_char,
    /// From an object of the report to the data that field offsets are relative to.
    pub data_fn: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
}

/// A function that sets the value of a field.
pub type report_fn =
    unsafe extern "C" fn(*mut dm_report, *mut dm_pool, *mut dm_report_field, *const c_void, *mut c_void) -> c_int;

/// A field. The array ends with an entry without id and function.
#[repr(C)]
pub struct dm_report_field_type {
    /// Id of its object type.
    pub type_: u32,
    /// Type and alignment.
    pub flags: u32,
    /// Where its data begins, from the data of the object.
    pub offset: u32,
    /// Least width of the column.
    pub width: i32,
    /// Name.
    pub id: [c_char; 32],
    /// Heading.
    pub heading: [c_char; 32],
    /// Sets the value.
    pub report_fn: Option<report_fn>,
    /// Line in listings.
    pub desc: *const c_char,
}

/// A reserved value of one field.
#[repr(C)]
pub struct dm_report_field_reserved_value {
    /// Index of the field.
    pub field_num: u32,
    /// The value.
    pub value: *const c_void,
}

/// A reserved value. The array ends with an entry without value.
#[repr(C)]
pub struct dm_report_reserved_value {
    /// Field type and flags.
    pub type_: u32,
    /// The value, or the function that knows it.
    pub value: *const c_void,
    /// Names, ended by NULL.
    pub names: *const *const c_char,
    /// Line in the selection help.
    pub description: *const c_char,
}

const _: () = {
    assert!(size_of::<dm_report_object_type>() == 32);
    assert!(offset_of!(dm_report_object_type, desc) == 8);
    assert!(offset_of!(dm_report_object_type, prefix) == 16);
    assert!(offset_of!(dm_report_object_type, data_fn) == 24);
    assert!(size_of::<dm_report_field_type>() == 96);
    assert!(offset_of!(dm_report_field_type, flags) == 4);
    assert!(offset_of!(dm_report_field_type, offset) == 8);
    assert!(offset_of!(dm_report_field_type, width) == 12);
    assert!(offset_of!(dm_report_field_type, id) == 16);
    assert!(offset_of!(dm_report_field_type, heading) == 48);
    assert!(offset_of!(dm_report_field_type, report_fn) == 80);
    assert!(offset_of!(dm_report_field_type, desc) == 88);
    assert!(size_of::<dm_report_field_reserved_value>() == 16);
    assert!(offset_of!(dm_report_field_reserved_value, value) == 8);
    assert!(size_of::<dm_report_reserved_value>() == 32);
    assert!(offset_of!(dm_report_reserved_value, value) == 8);
    assert!(offset_of!(dm_report_reserved_value, names) == 16);
    assert!(offset_of!(dm_report_reserved_value, description) == 24);
};

/// Flags of a reserved value.
const NAMED: u32 = 1;
const RANGE: u32 = 2;
const DYNAMIC: u32 = 4;
const FUZZY: u32 = 8;

/// A C string that lives as long as the report; empty for NULL.
///
/// # Safety
/// `text` is NULL or a C string that is neither changed nor freed while the report lives.
unsafe fn borrowed(text: *const c_char) -> &'static [u8] {
    // SAFETY: by contract.
    unsafe { crate::entry::bytes(text) }.unwrap_or_default()
}

/// The text in an array, up to its NUL or its end.
fn in_array(text: &'static [c_char; 32]) -> &'static [u8] {
    // SAFETY: c_char and u8 are both one byte without invalid values.
    let bytes = unsafe { std::slice::from_raw_parts(text.as_ptr().cast::<u8>(), text.len()) };
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// The client's arrays, and for each field the index of its object type.
pub(super) struct Definitions {
    pub(super) types: &'static [dm_report_object_type],
    pub(super) fields: &'static [dm_report_field_type],
    pub(super) type_of_field: Vec<Option<usize>>,
}

impl Definitions {
    /// # Safety
    /// The arrays end as libdevmapper.h says, and stay unchanged while the report lives.
    pub(super) unsafe fn new(types: *const dm_report_object_type, fields: *const dm_report_field_type) -> Self {
        let (mut type_count, mut field_count) = (0, 0);
        // SAFETY: neither loop goes beyond the last entry.
        let (types, fields) = unsafe {
            if !types.is_null() {
                while (*types.add(type_count)).data_fn.is_some() {
                    type_count += 1;
                }
            }
            if !fields.is_null() {
                loop {
                    let field = &*fields.add(field_count);
                    if field.id[0] == 0 && field.report_fn.is_none() {
                        break;
                    }
                    field_count += 1;
                }
            }
            (slice(types, type_count), slice(fields, field_count))
        };
        let type_of_field = fields
            .iter()
            .map(|field| types.iter().position(|t| t.id == field.type_))
            .collect();
        Self {
            types,
            fields,
            type_of_field,
        }
    }

    /// # Safety
    /// The strings stay unchanged while the report lives.
    pub(super) unsafe fn schema(&self) -> Schema<'static> {
        // SAFETY: by contract.
        let types = self.types.iter().map(|t| unsafe {
            ObjectType {
                id: t.id,
                description: borrowed(t.desc),
                prefix: borrowed(t.prefix),
            }
        });
        let fields = self.fields.iter().map(|f| FieldType {
            object_type: f.type_,
            kind: Kind::from_bits(f.flags),
            align: match f.flags & 0xf {
                flags if flags & 1 != 0 => Align::Left,
                flags if flags & 2 != 0 => Align::Right,
                _ => Align::Default,
            },
            width: usize::try_from(f.width).unwrap_or(0),
            id: in_array(&f.id),
            heading: in_array(&f.heading),
            // SAFETY: by contract.
            description: unsafe { borrowed(f.desc) },
        });
        Schema {
            types: types.collect(),
            fields: fields.collect(),
        }
    }
}

/// # Safety
/// `start` is NULL, or `len` entries live and stay unchanged while the report lives.
unsafe fn slice<T>(start: *const T, len: usize) -> &'static [T] {
    if start.is_null() {
        return &[];
    }
    // SAFETY: by contract.
    unsafe { std::slice::from_raw_parts(start, len) }
}

/// Where the value of an entry is, and which fields it is for.
fn scope(entry: &dm_report_reserved_value) -> (ReservedScope, *const c_void) {
    match Kind::from_bits(entry.type_) {
        Kind::None if entry.type_ & 0xff0 == 0 => {
            // SAFETY: without a type, the value is that of a field.
            let of_field = unsafe { &*entry.value.cast::<dm_report_field_reserved_value>() };
            (ReservedScope::Field(of_field.field_num as usize), of_field.value)
        }
        kind => (ReservedScope::Kind(kind), entry.value),
    }
}

/// The function of an entry whose value is computed, or NULL.
pub(super) fn handler_of(entry: &dm_report_reserved_value) -> *const c_void {
    if entry.type_ & (DYNAMIC | FUZZY) == 0 {
        std::ptr::null()
    } else {
        scope(entry).1
    }
}

/// Whether an entry stands for a range.
pub(super) fn is_range(entry: &dm_report_reserved_value) -> bool {
    entry.type_ & RANGE != 0
}

/// The value at `value`.
///
/// # Safety
/// `value` leads to what libdevmapper.h says for the kind: two of them for a range, for texts it is the C string.
pub(super) unsafe fn read_value(value: *const c_void, kind: Kind, range: bool) -> Option<ReservedValue> {
    if value.is_null() {
        return None;
    }
    let high = usize::from(range);
    // SAFETY: by contract.
    Some(unsafe {
        match kind {
            Kind::Number | Kind::Percent => {
                let value = value.cast::<u64>();
                ReservedValue::Number(value.read_unaligned(), value.add(high).read_unaligned())
            }
            Kind::Size => {
                let value = value.cast::<f64>();
                ReservedValue::Size(value.read_unaligned(), value.add(high).read_unaligned())
            }
            Kind::Time => {
                let value = value.cast::<libc::time_t>();
                ReservedValue::Time(value.read_unaligned(), value.add(high).read_unaligned())
            }
            Kind::String => ReservedValue::Text(CStr::from_ptr(value.cast()).to_bytes().to_vec()),
            Kind::StringList | Kind::None => return None,
        }
    })
}

/// The client's reserved values.
///
/// # Safety
/// `entries` is NULL or ends as libdevmapper.h says, and everything it leads to stays unchanged while the report lives.
pub(super) unsafe fn reserved(
    entries: *const dm_report_reserved_value,
    schema: &Schema<'static>,
) -> (&'static [dm_report_reserved_value], Vec<Reserved<'static>>) {
    let mut count = 0;
    // SAFETY: the loop stops at the last entry.
    let entries = unsafe {
        while !entries.is_null() && !(*entries.add(count)).value.is_null() {
            count += 1;
        }
        slice(entries, count)
    };
    let converted = entries.iter().map(|entry| {
        let (scope, value) = scope(entry);
        let kind = match scope {
            ReservedScope::Kind(kind) => kind,
            ReservedScope::Field(index) => schema.fields.get(index).map_or(Kind::None, |f| f.kind),
        };
        let computed = entry.type_ & (DYNAMIC | FUZZY) != 0;
        let value = if computed {
            None
        } else {
            // SAFETY: an entry that is not computed has its value there.
            unsafe { read_value(value, kind, is_range(entry)) }
        };
        let mut names = Vec::new();
        let mut name = entry.names;
        // SAFETY: the array of names ends with NULL, and the names are C strings.
        unsafe {
            while !name.is_null() && !(*name).is_null() {
                names.push(borrowed(*name));
                name = name.add(1);
            }
        }
        Reserved {
            scope,
            named: entry.type_ & NAMED != 0,
            fuzzy: entry.type_ & FUZZY != 0,
            value: value.unwrap_or(ReservedValue::Dynamic),
            names,
            // SAFETY: by contract.
            description: unsafe { borrowed(entry.description) },
        }
    });
    let converted = converted.collect();
    (entries, converted)
}
