//! From a tree to text, line by line.

use std::io::Write as _;

use super::{FORMAT_ARRAY, FORMAT_EXTRA_SPACES, FORMAT_INT_OCTAL, FORMAT_STRING_NO_QUOTES, Node, Scalar, Value};

/// Deeper levels are not indented further.
const MAX_INDENT: usize = 32;

/// A line of output, without newline.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a>(&'a [u8]);

impl<'a> Line<'a> {
    /// The text.
    pub fn bytes(self) -> &'a [u8] {
        &self.0[..self.0.len() - 1]
    }

    /// The text and a NUL behind it, for C.
    pub fn bytes_with_nul(self) -> &'a [u8] {
        self.0
    }
}

/// Takes what the writer produces.
pub trait Output<N> {
    /// Called before the first line of a node, with its indentation.
    fn prefix(&mut self, node: N, indent: Line<'_>) {
        let _ = (node, indent);
    }
    /// Called for each line; the line with the closing brace belongs to the section.
    fn line(&mut self, node: N, line: Line<'_>);
    /// Called after the last line of a node, with its indentation.
    fn suffix(&mut self, node: N, indent: Line<'_>) {
        let _ = (node, indent);
    }
}

/// Writes a node, its following siblings, and everything in them.
pub fn write_node<'a, N: Node<'a>>(node: Option<N>, output: &mut impl Output<N>) {
    write(node, false, output);
}

/// Writes a node and everything in it.
pub fn write_one_node<'a, N: Node<'a>>(node: Option<N>, output: &mut impl Output<N>) {
    write(node, true, output);
}

static INDENT: [u8; MAX_INDENT + 1] = {
    let mut indent = [b'\t'; MAX_INDENT + 1];
    indent[MAX_INDENT] = 0;
    indent
};

/// The indentation of a level, and its NUL.
fn indent(level: usize) -> &'static [u8] {
    &INDENT[MAX_INDENT - level.min(MAX_INDENT)..]
}

fn write<'a, N: Node<'a>>(start: Option<N>, one: bool, output: &mut impl Output<N>) {
    let mut open: Vec<N> = Vec::new();
    let mut line = Vec::new();
    let mut next = start;
    loop {
        let (node, is_end) = match next {
            Some(node) => (node, false),
            None => match open.pop() {
                Some(section) => (section, true),
                None => return,
            },
        };
        let indent = indent(open.len());
        line.clear();
        line.extend_from_slice(&indent[..indent.len() - 1]);
        if is_end {
            line.extend_from_slice(b"}\0");
            output.line(node, Line(&line));
        } else {
            output.prefix(node, Line(indent));
            write_key(&mut line, node.key());
            if let Some(value) = node.value() {
                write_values(&mut line, value);
                line.push(0);
                output.line(node, Line(&line));
            } else {
                line.extend_from_slice(b" {\0");
                output.line(node, Line(&line));
                open.push(node);
                next = node.child();
                continue;
            }
        }
        output.suffix(node, Line(indent));
        next = if one && open.is_empty() { None } else { node.sibling() };
    }
}

fn write_key(line: &mut Vec<u8>, key: &[u8]) {
    if key.iter().any(|byte| matches!(byte, b'#' | b'"' | b'!')) {
        line.push(b'"');
        escape(line, key);
        line.push(b'"');
    } else {
        line.extend_from_slice(key);
    }
}

fn escape(line: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        line.extend_from_slice(&rest[..at]);
        line.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

fn write_values<'a, V: Value<'a>>(line: &mut Vec<u8>, first: V) {
    let flags = first.format_flags();
    let spaces = flags & FORMAT_EXTRA_SPACES != 0;
    line.extend_from_slice(if spaces { b" = " } else { b"=" });
    let empty = matches!(first.scalar(), Scalar::EmptyArray);
    let more = first.next().is_some();
    if empty && !more {
        line.extend_from_slice(if spaces { b"[ ]" } else { b"[]" });
        return;
    }
    let brackets = more || flags & FORMAT_ARRAY != 0;
    if brackets {
        line.extend_from_slice(if spaces { b"[ " } else { b"[" });
    }
    let mut next = Some(first);
    let mut separate = false;
    while let Some(value) = next {
        if matches!(value.scalar(), Scalar::EmptyArray) {
            break;
        }
        if separate {
            line.extend_from_slice(if spaces { b", " } else { b"," });
        }
        separate = true;
        write_value(line, value);
        next = value.next();
    }
    if brackets {
        line.extend_from_slice(if spaces { b" ]" } else { b"]" });
    }
}

fn write_value<'a, V: Value<'a>>(line: &mut Vec<u8>, value: V) {
    let flags = value.format_flags();
    // Writing to a vector does not fail.
    let _ = match value.scalar() {
        Scalar::Int(int) if flags & FORMAT_INT_OCTAL != 0 => write!(line, "0{int:o}"),
        Scalar::Int(int) => write!(line, "{int}"),
        Scalar::Float(float) if float.is_nan() => {
            write!(line, "{}nan", if float.is_sign_negative() { "-" } else { "" })
        }
        Scalar::Float(float) => write!(line, "{:.6}", f64::from(float)),
        Scalar::Str(text) => {
            let quotes = flags & FORMAT_STRING_NO_QUOTES == 0;
            if quotes {
                line.push(b'"');
            }
            escape(line, text);
            if quotes {
                line.push(b'"');
            }
            Ok(())
        }
        Scalar::EmptyArray => Ok(()),
        Scalar::Unknown(kind) => {
            crate::log_error!("_write_value: Unknown value type: {kind}");
            Ok(())
        }
    };
}
