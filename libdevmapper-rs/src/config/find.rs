//! Lookups by path and typed answers.

use bstr::ByteSlice;

use super::{Node, Scalar, Value};
use crate::log::Raw;

/// Finds the node at `path`, whose first component is looked for in `start` and its following siblings.
///
/// The first match counts; a further sibling with the same key gets a warning. Extra slashes do not matter, except that
/// one at the end finds nothing.
pub fn find_node<'a, N: Node<'a>>(start: Option<N>, path: &[u8]) -> Option<N> {
    let mut level = start;
    let mut rest = path.trim_start_with(|c| c == '/').as_bytes();
    loop {
        let length = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
        let key = &rest[..length];
        if key.is_empty() {
            return None;
        }
        let mut found: Option<N> = None;
        let mut next = level;
        while let Some(node) = next {
            if node.key_is(key) {
                if found.is_none() {
                    found = Some(node);
                } else {
                    crate::log_warn!(
                        "WARNING: Ignoring duplicate config node: {} (seeking {})",
                        Raw(key),
                        Raw(rest)
                    );
                }
            }
            next = node.sibling();
        }
        if length == rest.len() {
            return found;
        }
        level = found?.child();
        rest = rest[length..].trim_start_with(|c| c == '/').as_bytes();
    }
}

/// Finds the node at `path` in the first of several trees that has it; `roots` are their first nodes, upper trees first.
pub fn find_in_trees<'a, N: Node<'a>>(roots: impl IntoIterator<Item = Option<N>>, path: &[u8]) -> Option<N> {
    roots.into_iter().find_map(|root| find_node(root, path))
}

fn first<'a, N: Node<'a>>(node: Option<N>) -> Option<Scalar<'a>> {
    Some(node?.value()?.scalar())
}

/// The first value of `node` if it is a string and not empty.
///
/// Another type gets a warning about `path`, and with `has_default` an empty string gets it too.
pub fn find_str<'a, N: Node<'a>>(node: Option<N>, path: &[u8], has_default: bool) -> Option<N::Value> {
    let value = node?.value()?;
    match value.scalar() {
        Scalar::Str(text) if !text.is_empty() => return Some(value),
        Scalar::Str(_) if !has_default => {}
        _ => warn_unsupported(path),
    }
    None
}

/// The first value of `node` if it is a string; another type gets a warning about `path`.
pub fn find_str_allow_empty<'a, N: Node<'a>>(node: Option<N>, path: &[u8]) -> Option<N::Value> {
    let value = node?.value()?;
    if matches!(value.scalar(), Scalar::Str(_)) {
        return Some(value);
    }
    warn_unsupported(path);
    None
}

fn warn_unsupported(path: &[u8]) {
    crate::log_warn!("WARNING: Ignoring unsupported value for {}.", Raw(path));
}

/// The integer value of `node`, else `default`.
pub fn int64_or<'a, N: Node<'a>>(node: Option<N>, default: i64) -> i64 {
    get_int(node).unwrap_or(default)
}

/// The low 32 bits of the integer value of `node`, else `default`.
pub fn int_or<'a, N: Node<'a>>(node: Option<N>, default: i32) -> i32 {
    #[allow(clippy::cast_possible_truncation, reason = "the documented meaning")]
    get_int(node).map_or(default, |value| value as i32)
}

/// The floating point value of `node`, else `default`; an integer is not converted.
pub fn float_or<'a, N: Node<'a>>(node: Option<N>, default: f32) -> f32 {
    match first(node) {
        Some(Scalar::Float(value)) => value,
        _ => default,
    }
}

/// The truth value of `node`, else `default`: an integer that is not 0, or one of the words of [`value_is_bool`].
pub fn bool_or<'a, N: Node<'a>>(node: Option<N>, default: i32) -> i32 {
    first(node).and_then(bool_of).map_or(default, i32::from)
}

/// The truth value of a scalar, if it has one.
pub fn bool_of(scalar: Scalar<'_>) -> Option<bool> {
    match scalar {
        Scalar::Int(value) => Some(value != 0),
        Scalar::Str(word) => {
            let is = |words: [&[u8]; 4]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
            if is([b"y", b"yes", b"on", b"true"]) {
                Some(true)
            } else if is([b"n", b"no", b"off", b"false"]) {
                Some(false)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Whether a value is an integer or one of the words y, yes, on, true, n, no, off, false in any case.
pub fn value_is_bool<'a, V: Value<'a>>(value: V) -> bool {
    bool_of(value.scalar()).is_some()
}

/// The integer value of `node`.
pub fn get_int<'a, N: Node<'a>>(node: Option<N>) -> Option<i64> {
    match first(node) {
        Some(Scalar::Int(value)) => Some(value),
        _ => None,
    }
}

/// The first value of `node` if it is a string.
pub fn get_str<'a, N: Node<'a>>(node: Option<N>) -> Option<N::Value> {
    let value = node?.value()?;
    matches!(value.scalar(), Scalar::Str(_)).then_some(value)
}

/// The first value of `node`, whatever it is.
pub fn get_list<'a, N: Node<'a>>(node: Option<N>) -> Option<N::Value> {
    node?.value()
}

/// `node` if it has no value.
pub fn get_section<'a, N: Node<'a>>(node: Option<N>) -> Option<N> {
    node.filter(|node| node.value().is_none())
}

/// The key of the enclosing section, `(root)` at the top level.
pub fn parent_name<'a, N: Node<'a>>(node: N) -> &'a [u8] {
    node.parent().map_or(b"(root)", Node::key)
}

/// Whether a text may be a section: it has a `{` and as many `}`.
pub fn maybe_section(text: &[u8]) -> bool {
    let count = |wanted: u8| text.iter().filter(|&&byte| byte == wanted).count();
    let begins = count(b'{');
    begins > 0 && begins == count(b'}')
}
