//! Reading and writing numbers and texts in byte slices, without panics.

/// The 4 bytes at `offset` as a number.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// The 8 bytes at `offset` as a number.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Puts bytes at `offset`; false, and nothing written, when they do not fit.
pub(super) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) -> bool {
    let Some(place) = offset
        .checked_add(value.len())
        .and_then(|end| bytes.get_mut(offset..end))
    else {
        return false;
    };
    place.copy_from_slice(value);
    true
}

/// The text before the first NUL; `None` without one.
pub(super) fn terminated(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    bytes.get(..end)
}

/// The text before the first NUL, or all of it.
pub(super) fn text(bytes: &[u8]) -> &[u8] {
    terminated(bytes).unwrap_or(bytes)
}

/// The next multiple of 8.
pub(super) fn align8(offset: usize) -> usize {
    offset.saturating_add(7) & !7
}
