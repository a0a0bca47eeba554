//! Reports through the C entries: rows of a C program's structures, its functions for fields and reserved values, groups.
//! Built with the address sanitizer like [`crate::c_entries`].

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr::{self, null};

use devmapper_capi::list::{self, dm_list, dm_str_list};
use devmapper_capi::pool::{dm_pool, dm_pool_alloc, dm_pool_strdup};
use devmapper_capi::report::{
    dm_report, dm_report_column_headings, dm_report_compact_fields, dm_report_compact_given_fields,
    dm_report_destroy_rows, dm_report_field, dm_report_field_int32, dm_report_field_percent,
    dm_report_field_reserved_value, dm_report_field_set_value, dm_report_field_string, dm_report_field_string_list,
    dm_report_field_string_list_unsorted, dm_report_field_type, dm_report_field_uint64, dm_report_free,
    dm_report_group_create, dm_report_group_destroy, dm_report_group_pop, dm_report_group_push,
    dm_report_init_with_selection, dm_report_is_empty, dm_report_object, dm_report_object_is_selected,
    dm_report_object_type, dm_report_output, dm_report_reserved_value, dm_report_set_output_field_name_prefix,
    dm_report_set_selection, dm_report_value_cache_get, dm_report_value_cache_set, report_fn,
};

/// A row.
struct Object {
    name: *const c_char,
    number: u64,
    size: f64,
    percent: i32,
    signed: i32,
    time: i64,
    tags: dm_list,
}

/// What DM_REPORT_FIELD_TYPE_* and DM_REPORT_FIELD_RESERVED_VALUE_* are.
const STRING: u32 = 0x10;
const NUMBER: u32 = 0x20;
const SIZE: u32 = 0x40;
const PERCENT: u32 = 0x80;
const STRING_LIST: u32 = 0x100;
const TIME: u32 = 0x200;
const NAMED: u32 = 1;
const RANGE: u32 = 2;
const DYNAMIC: u32 = 4;
const FUZZY: u32 = 8;

unsafe extern "C" fn same(object: *mut c_void) -> *mut c_void {
    object
}

macro_rules! shows {
    ($($name:ident: |$report:ident, $field:ident, $data:ident| $set:expr;)*) => {
        $(unsafe extern "C" fn $name(
            $report: *mut dm_report,
            _: *mut dm_pool,
            $field: *mut dm_report_field,
            $data: *const c_void,
            _: *mut c_void,
        ) -> c_int {
            // SAFETY: `data` leads to the member of an object that the field is for.
            unsafe { $set }
        })*
    };
}

shows! {
    string: |report, field, data| dm_report_field_string(report, field, data.cast());
    number: |report, field, data| dm_report_field_uint64(report, field, data.cast());
    percent: |report, field, data| dm_report_field_percent(report, field, data.cast());
    signed: |report, field, data| dm_report_field_int32(report, field, data.cast());
    tags: |report, field, data| dm_report_field_string_list(report, field, data.cast(), null());
    tags_unsorted: |report, field, data| dm_report_field_string_list_unsorted(report, field, data.cast(), c"; ".as_ptr());
}

/// A text and a sort value in the report's pool, as lvm has it for sizes and times.
unsafe extern "C" fn custom<T: Copy>(
    _: *mut dm_report,
    pool: *mut dm_pool,
    field: *mut dm_report_field,
    data: *const c_void,
    text: *mut c_void,
) -> c_int {
    // SAFETY: `data` is a `T` of an object, `text` a C string; what the pool gives has room for a `T`.
    unsafe {
        let sort = dm_pool_alloc(pool, size_of::<T>()).cast::<T>();
        *sort = *data.cast::<T>();
        let shown = dm_pool_strdup(pool, text.cast());
        dm_report_field_set_value(field, shown.cast(), sort.cast());
    }
    1
}

/// The time that a name stands for, and names that begin with `dyn`.
unsafe extern "C" fn reserved_time(
    _: *mut dm_report,
    pool: *mut dm_pool,
    _: u32,
    action: c_uint,
    input: *const c_void,
    output: *mut *const c_void,
) -> c_int {
    // SAFETY: the input is a name, the output a place for the answer, and the pool's memory has room for two times.
    unsafe {
        *output = null();
        if action == 0 {
            let name = CStr::from_ptr(input.cast());
            if name.to_bytes().starts_with(b"dyn") {
                *output = dm_pool_strdup(pool, name.as_ptr()).cast();
            }
        } else {
            let range = dm_pool_alloc(pool, 16).cast::<i64>();
            range.write(0);
            range.add(1).write(1_500_000_000);
            *output = range.cast();
        }
    }
    1
}

fn field(type_: u32, flags: u32, offset: usize, name: &CStr, report_fn: Option<report_fn>) -> dm_report_field_type {
    let mut id = [0; 32];
    for (to, &from) in id.iter_mut().zip(name.to_bytes()) {
        *to = from.cast_signed();
    }
    dm_report_field_type {
        type_,
        flags,
        offset: u32::try_from(offset).expect("a small structure"),
        width: 3,
        id,
        heading: id,
        report_fn,
        desc: c"A field".as_ptr(),
    }
}

/// The definitions of a program, which outlive its reports.
struct Program {
    types: [dm_report_object_type; 3],
    fields: [dm_report_field_type; 9],
    values: [dm_report_reserved_value; 6],
}

const NAMES: [[*const c_char; 3]; 5] = [
    [c"unknown".as_ptr(), c"none".as_ptr(), null()],
    [c"undef".as_ptr(), null(), null()],
    [c"small".as_ptr(), null(), null()],
    [c"dynamic".as_ptr(), null(), null()],
    [c"some".as_ptr(), null(), null()],
];

fn program(of_field: &dm_report_field_reserved_value) -> Program {
    let object = |id, prefix: &'static CStr| dm_report_object_type {
        id,
        desc: c"Object".as_ptr(),
        prefix: prefix.as_ptr(),
        data_fn: Some(same),
    };
    let value = |type_, value: *const c_void, names: *const *const c_char| dm_report_reserved_value {
        type_,
        value,
        names,
        description: c"A value".as_ptr(),
    };
    Program {
        types: [
            object(1, c"o_"),
            object(2, c"p_"),
            dm_report_object_type {
                id: 0,
                desc: null(),
                prefix: null(),
                data_fn: None,
            },
        ],
        fields: [
            field(1, STRING, offset_of!(Object, name), c"o_name", Some(string)),
            field(1, NUMBER, offset_of!(Object, number), c"o_num", Some(number)),
            field(1, SIZE, offset_of!(Object, size), c"o_size", Some(custom::<f64>)),
            field(2, PERCENT, offset_of!(Object, percent), c"p_pct", Some(percent)),
            field(2, STRING_LIST, offset_of!(Object, tags), c"p_tags", Some(tags)),
            field(2, TIME, offset_of!(Object, time), c"p_time", Some(custom::<i64>)),
            field(2, NUMBER, offset_of!(Object, signed), c"p_signed", Some(signed)),
            field(
                2,
                STRING_LIST,
                offset_of!(Object, tags),
                c"p_given",
                Some(tags_unsorted),
            ),
            field(0, 0, 0, c"", None),
        ],
        values: [
            value(NUMBER, (&raw const UNKNOWN).cast(), NAMES[0].as_ptr()),
            value(STRING | NAMED, c"undefined".as_ptr().cast(), NAMES[1].as_ptr()),
            value(SIZE | NAMED | RANGE, (&raw const SMALL).cast(), NAMES[2].as_ptr()),
            value(
                TIME | NAMED | RANGE | DYNAMIC | FUZZY,
                reserved_time as *const c_void,
                NAMES[3].as_ptr(),
            ),
            value(0, ptr::from_ref(of_field).cast(), NAMES[4].as_ptr()),
            value(0, null(), null()),
        ],
    }
}

static UNKNOWN: u64 = u64::MAX;
static SMALL: [f64; 2] = [0.0, 1.0];
static SOME: u64 = 42;

/// # Safety
/// `tags` stay where they are while the object is in use.
unsafe fn object(row: usize, tags: &mut [dm_str_list]) -> Box<Object> {
    let mut object = Box::new(Object {
        name: [c"", c"abc", c"a\xffb", c"don't"][row].as_ptr(),
        number: [0, 1, 42, u64::MAX][row],
        size: [0.0, 1.0, 8192.0, 1e300][row],
        percent: [0, 100_000_000, -1, 1][row],
        signed: [0, -1, i32::MIN, 42][row],
        time: [0, 1_500_000_000, -1, i64::MAX][row],
        tags: dm_list {
            n: ptr::null_mut(),
            p: ptr::null_mut(),
        },
    });
    // SAFETY: the list's head is in the box, its elements are the caller's.
    unsafe {
        let head = &raw mut object.tags;
        list::init(head);
        for tag in tags {
            list::add(head, (&raw mut *tag).cast());
        }
    }
    object
}

pub(crate) fn run(bytes: &[u8]) {
    let &[flags, how, ref rest @ ..] = bytes else { return };
    let rest: Vec<CString> = rest
        .splitn(5, |&byte| byte == 0)
        .chain(std::iter::repeat(&b""[..]))
        .take(5)
        .map(|part| CString::new(part.split(|&byte| byte == 0).next().unwrap_or_default()).unwrap_or_default())
        .collect();
    let [fields, keys, selection, later, name] = rest.as_slice() else {
        return;
    };
    let of_field = dm_report_field_reserved_value {
        field_num: 1,
        value: (&raw const SOME).cast(),
    };
    let program = program(&of_field);
    let words = [c"b", c"a", c"a", c"c,d\xff"];
    let mut tags: Vec<Vec<dm_str_list>> = (0..4)
        .map(|row| words[..row].iter().map(|word| tag(word)).collect())
        .collect();
    // SAFETY: the arrays end as libdevmapper.h says and outlive the reports, as the objects do.
    unsafe {
        let objects: Vec<_> = tags
            .iter_mut()
            .enumerate()
            .map(|(row, tags)| object(row, tags))
            .collect();
        let make = |selection: &CStr| {
            let mut types = 0;
            dm_report_init_with_selection(
                &raw mut types,
                program.types.as_ptr(),
                program.fields.as_ptr(),
                fields.as_ptr(),
                c" ".as_ptr(),
                flags.into(),
                keys.as_ptr(),
                selection.as_ptr(),
                program.values.as_ptr(),
                // Shown by `custom`.
                c"shown".as_ptr().cast_mut().cast(),
            )
        };
        let report = make(selection);
        if !report.is_null() {
            fill(report, &objects);
            dm_report_set_output_field_name_prefix(report, name.as_ptr());
            if how & 1 == 1 {
                dm_report_compact_fields(report);
            }
            if how & 2 == 2 {
                dm_report_compact_given_fields(report, name.as_ptr());
            }
            if how & 4 == 4 {
                dm_report_column_headings(report);
            }
            let cached = objects[0].name.cast::<c_void>();
            assert_eq!(dm_report_value_cache_set(report, name.as_ptr(), cached), 1);
            assert_eq!(dm_report_value_cache_get(report, name.as_ptr()), cached);
            assert_eq!(dm_report_output(report), 1);
            // DM_REPORT_OUTPUT_MULTIPLE_TIMES keeps the rows.
            assert!(flags & 0x40 != 0 || dm_report_is_empty(report) == 1);
            if dm_report_set_selection(report, later.as_ptr()) == 1 {
                for object in &objects {
                    let mut selected = 7;
                    let done = dm_report_object_is_selected(
                        report,
                        ptr::from_ref(&**object).cast_mut().cast(),
                        1,
                        &mut selected,
                    );
                    // A report that only helps selects nothing.
                    assert!(done == 0 || matches!(selected, 0 | 1 | 7));
                }
            }
            if how & 8 == 8 {
                dm_report_destroy_rows(report);
            }
            group(how, report, make(later), &objects, name);
        }
    }
}

fn tag(word: &'static CStr) -> dm_str_list {
    dm_str_list {
        list: dm_list {
            n: ptr::null_mut(),
            p: ptr::null_mut(),
        },
        str: word.as_ptr(),
    }
}

/// # Safety
/// A report, and its objects.
unsafe fn fill(report: *mut dm_report, objects: &[Box<Object>]) {
    for object in objects {
        // SAFETY: as the caller promises; the functions only read the object.
        unsafe { dm_report_object(report, ptr::from_ref(&**object).cast_mut().cast()) };
    }
}

/// Two reports in a group, one of them in a group inside; `second` may be NULL. Frees both before the group or after it.
///
/// # Safety
/// Reports, and their objects.
unsafe fn group(how: u8, first: *mut dm_report, second: *mut dm_report, objects: &[Box<Object>], name: &CStr) {
    // SAFETY: as the caller promises.
    unsafe {
        let group = dm_report_group_create(c_uint::from(how >> 4) % 5, ptr::null_mut());
        let name = name.as_ptr().cast_mut().cast();
        dm_report_group_push(group, first, name);
        fill(first, objects);
        dm_report_group_push(group, ptr::null_mut(), name);
        if !second.is_null() {
            dm_report_group_push(group, second, name);
            fill(second, objects);
        }
        dm_report_output(first);
        if how & 1 == 1 {
            dm_report_group_pop(group);
        }
        let before = how & 2 == 2;
        if before {
            dm_report_free(first);
            dm_report_free(second);
        }
        dm_report_group_destroy(group);
        if !before {
            dm_report_free(first);
            dm_report_free(second);
        }
    }
}
