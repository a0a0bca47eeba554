//! Writing property lists in the form that proplib writes and reads.

use alloc::vec::Vec;

use super::{Dict, Number, Value};

const HEAD: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
<plist version=\"1.0\">\n";
const TAIL: &[u8] = b"</plist>\n";

/// Writes a dictionary as a document, without NUL.
#[must_use]
pub fn write(dict: &Dict) -> Vec<u8> {
    let mut out = HEAD.to_vec();
    write_dict(&mut out, dict, 0);
    out.extend_from_slice(TAIL);
    out
}

fn indent(out: &mut Vec<u8>, depth: usize) {
    out.extend(core::iter::repeat_n(b'\t', depth));
}

fn write_dict(out: &mut Vec<u8>, dict: &Dict, depth: usize) {
    indent(out, depth);
    if dict.is_empty() {
        out.extend_from_slice(b"<dict/>\n");
        return;
    }
    out.extend_from_slice(b"<dict>\n");
    for (key, value) in dict.iter() {
        indent(out, depth + 1);
        element(out, "key", key);
        write_value(out, value, depth + 1);
    }
    indent(out, depth);
    out.extend_from_slice(b"</dict>\n");
}

fn write_value(out: &mut Vec<u8>, value: &Value, depth: usize) {
    match value {
        Value::Dict(dict) => return write_dict(out, dict, depth),
        Value::Array(elements) => {
            indent(out, depth);
            if elements.is_empty() {
                out.extend_from_slice(b"<array/>\n");
                return;
            }
            out.extend_from_slice(b"<array>\n");
            for element in elements {
                write_value(out, element, depth + 1);
            }
            indent(out, depth);
            out.extend_from_slice(b"</array>\n");
            return;
        }
        _ => indent(out, depth),
    }
    match value {
        Value::Bool(true) => out.extend_from_slice(b"<true/>\n"),
        Value::Bool(false) => out.extend_from_slice(b"<false/>\n"),
        Value::Integer(Number::Signed(value)) => element(out, "integer", alloc::format!("{value}").as_bytes()),
        Value::Integer(Number::Unsigned(value)) => element(out, "integer", alloc::format!("{value:#x}").as_bytes()),
        Value::String(text) => element(out, "string", text),
        Value::Data(text) => element(out, "data", text),
        Value::Array(_) | Value::Dict(_) => {}
    }
}

/// An element with a text, in one line.
fn element(out: &mut Vec<u8>, tag: &str, text: &[u8]) {
    out.push(b'<');
    out.extend_from_slice(tag.as_bytes());
    if text.is_empty() {
        out.extend_from_slice(b"/>\n");
        return;
    }
    out.push(b'>');
    for &byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            // XML has no other way for these. Proplib does not know this one, and takes them raw; the library does not
            // send them to the stock driver.
            0..=8 | 11..=31 => out.extend_from_slice(alloc::format!("&#{byte};").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.extend_from_slice(b"</");
    out.extend_from_slice(tag.as_bytes());
    out.extend_from_slice(b">\n");
}
