//! Tokens of selections.

/// White space as C's `isspace` in the C locale has it.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Position of the first byte at or after `at` that is no white space.
pub(super) fn skip_space(text: &[u8], at: usize) -> usize {
    text[at..]
        .iter()
        .position(|b| !is_space(*b))
        .map_or(text.len(), |n| at + n)
}

/// Length of the logical operator at the start of `text`, 0 if there is none.
pub(super) fn logical_operator(text: &[u8]) -> usize {
    match text {
        [b'&', b'&', ..] | [b'|', b'|', ..] => 2,
        [b',' | b'#', ..] => 1,
        _ => 0,
    }
}

/// A piece of the selection text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where parsing goes on.
    pub(super) next: usize,
}

/// A quoted text without its end.
#[derive(Debug)]
pub(super) struct Unterminated;

/// Reads the quoted text at `at`, which ends at the byte `close`. No escapes.
pub(super) fn quoted(text: &[u8], at: usize, close: u8) -> Result<Token, Unterminated> {
    let start = at + 1;
    match text[start..].iter().position(|b| *b == close) {
        Some(len) => Ok(Token {
            start,
            end: start + len,
            next: start + len + 1,
        }),
        None => {
            crate::log_error!("Missing end quote.");
            Err(Unterminated)
        }
    }
}

/// Reads a plain value: it ends at a blank or in front of a logical operator or one of the bytes `close`. White space in
/// front of what follows is not part of it, but white space at the end of the text is.
pub(super) fn plain(text: &[u8], at: usize, close: &[u8]) -> Token {
    let mut end = at;
    while end < text.len() && text[end] != b' ' && !close.contains(&text[end]) && logical_operator(&text[end..]) == 0 {
        end += 1;
    }
    let next = end;
    if skip_space(text, end) < text.len() {
        while end > at && is_space(text[end - 1]) {
            end -= 1;
        }
    }
    Token { start: at, end, next }
}

/// Reads a plain or quoted value.
pub(super) fn value(text: &[u8], at: usize) -> Result<Token, Unterminated> {
    match text.get(at) {
        Some(quote @ (b'"' | b'\'')) => quoted(text, at, *quote),
        _ => Ok(plain(text, at, b")")),
    }
}
