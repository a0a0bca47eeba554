//! Sizes with units, percentages.

use std::ffi::{c_char, c_int, c_uint};

use libdevmapper::log_error;
use libdevmapper::percent::Percent;
use libdevmapper::units::{self, Format, Suffix};

use crate::pool::{self, dm_pool};

/// `dm_percent_t`
pub type dm_percent_t = i32;

/// Bytes that a size as text takes in the pool.
const SIZE_BUFFER: usize = 128;

c_api! {
    /// Reads a size such as "4k".
    fn dm_units_to_factor(units: *const c_char, unit_type: *mut c_char, strict: c_int, endptr: *mut *const c_char) -> u64 {
        // SAFETY: the caller passes a C string, and NULL or places for the results.
        unsafe {
            let found = units::to_factor(crate::entry::bytes(units).unwrap_or_default(), strict != 0);
            if !endptr.is_null() {
                *endptr = units.add(found.len);
            }
            if let (Some(unit), false) = (found.unit, unit_type.is_null()) {
                *unit_type = unit as c_char;
            }
            found.factor
        }
    }

    /// Writes a size in sectors for people to read.
    fn dm_size_to_string(
        mem: *mut dm_pool,
        size: u64,
        unit_type: c_char,
        use_si_units: c_int,
        unit_factor: u64,
        include_suffix: c_int,
        suffix_type: c_int,
    ) -> *const c_char {
        required!(dm_size_to_string: mem => std::ptr::null());
        let style = match suffix_type {
            0 => Suffix::Long,
            1 => Suffix::Short,
            _ => Suffix::Unit,
        };
        let format = Format {
            unit: unit_type as u8,
            si: use_si_units != 0,
            factor: unit_factor,
            suffix: include_suffix != 0,
            style,
        };
        let Some(text) = units::size_to_string(size, &format) else { return c"".as_ptr() };
        // SAFETY: the caller passes a pool. The buffer holds the text and its NUL; a longer one is cut.
        unsafe {
            let buffer = pool::zalloc(mem, SIZE_BUFFER).cast::<u8>();
            if buffer.is_null() {
                log_error!("no memory for size display buffer");
                return c"".as_ptr();
            }
            buffer.copy_from_nonoverlapping(text.as_ptr(), text.len().min(SIZE_BUFFER - 1));
            buffer.cast()
        }
    }

    /// `numerator / denominator` as a percentage.
    fn dm_make_percent(numerator: u64, denominator: u64) -> dm_percent_t {
        Percent::of(numerator, denominator).0
    }

    /// A percentage as a number.
    fn dm_percent_to_float(percent: dm_percent_t) -> f32 {
        Percent(percent).to_float()
    }

    /// As `dm_percent_to_float`, with what is near 0 % and 100 % not rounded to it.
    fn dm_percent_to_round_float(percent: dm_percent_t, digits: c_uint) -> f32 {
        Percent(percent).to_round_float(digits)
    }
}
