//! String helpers: quoting, splitting, dm names of LVM volumes.
//!
//! Functions that C programs apply to their own buffers work in place on a `&mut [u8]` and return how much of it is left.

/// White space as `isspace` has it in the C locale.
#[must_use]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The words of a line, at most `max`: where each begins and ends.
pub fn words(line: &[u8], max: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let begin = at + line[at..].iter().position(|&b| !is_space(b))?;
        let len = line[begin..]
            .iter()
            .position(|&b| is_space(b))
            .unwrap_or(line.len() - begin);
        at = begin + len;
        Some((begin, at))
    })
    .take(max)
}

/// The part of a path behind its last slash.
#[must_use]
pub fn basename(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&b| b == b'/').map_or(path, |at| &path[at + 1..])
}

/// The text with a backslash in front of every double quote and backslash.
#[must_use]
pub fn escape_double_quotes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// Takes the backslash from before each of `special` and each backslash, in place; tells `each` of every one of `special`
/// that had none, with its new place. Returns the new length.
fn unescape(text: &mut [u8], special: &[u8], mut each: impl FnMut(u8, usize)) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < text.len() {
        if text[from] == b'\\'
            && text
                .get(from + 1)
                .is_some_and(|next| *next == b'\\' || special.contains(next))
        {
            from += 1;
        } else if special.contains(&text[from]) {
            each(text[from], to);
        }
        text[to] = text[from];
        from += 1;
        to += 1;
    }
    to
}

/// Turns `\"` and `\\` back, in place. Other backslashes stay. Returns the new length.
pub fn unescape_double_quotes(text: &mut [u8]) -> usize {
    unescape(text, b"\"", |_, _| {})
}

/// Turns `\:`, `\@` and `\\` back, in place. Returns the new length, and where the first `:` and the first `@` without a
/// backslash then are.
pub fn unescape_colons_and_at_signs(text: &mut [u8]) -> (usize, Option<usize>, Option<usize>) {
    let (mut colon, mut at) = (None, None);
    let len = unescape(text, b":@", |byte, place| {
        if byte == b':' { &mut colon } else { &mut at }.get_or_insert(place);
    });
    (len, colon, at)
}

/// The name of an LVM volume's device: `vg-lv` or `vg-lv-layer`, with each hyphen of a part doubled. A layer that begins
/// with `_` is appended as it is.
///
/// ```
/// use libdevmapper::string::build_dm_name;
/// assert_eq!(build_dm_name(b"my-vg", b"lv", b"cow"), b"my--vg-lv-cow");
/// ```
#[must_use]
pub fn build_dm_name(vg: &[u8], lv: &[u8], layer: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(vg.len() + lv.len() + layer.len() + 8);
    let mut append = |part: &[u8], hyphen: bool| {
        if hyphen {
            name.push(b'-');
        }
        for &byte in part {
            if byte == b'-' {
                name.push(byte);
            }
            name.push(byte);
        }
    };
    append(vg, false);
    append(lv, true);
    if !layer.is_empty() {
        append(layer, layer[0] != b'_');
    }
    name
}

/// The uuid of an LVM volume's device: prefix, id and, if not empty, `-layer`.
#[must_use]
pub fn build_dm_uuid(prefix: &[u8], lvid: &[u8], layer: &[u8]) -> Vec<u8> {
    if layer.is_empty() {
        [prefix, lvid].concat()
    } else {
        [prefix, lvid, b"-", layer].concat()
    }
}

/// Where the parts of an LVM volume's device name are in a buffer that [`split_lvm_name`] has changed: begin and end.
pub type Parts = [(usize, usize); 3];

/// Splits a device name into volume group, logical volume and layer, in place. The parts that are missing are empty; a
/// fourth one is left out.
///
/// ```
/// use libdevmapper::string::split_lvm_name;
/// let mut name = *b"my--vg-lv-cow";
/// let [vg, lv, layer] = split_lvm_name(&mut name).map(|(begin, end)| &name[begin..end]);
/// assert_eq!((vg, lv, layer), (&b"my-vg"[..], &b"lv"[..], &b"cow"[..]));
/// ```
pub fn split_lvm_name(name: &mut [u8]) -> Parts {
    let mut parts = Parts::default();
    let mut from = 0;
    for part in &mut parts {
        let begin = from;
        let mut to = begin;
        let mut separator = false;
        while from < name.len() {
            if name[from] == b'-' {
                match name.get(from + 1) {
                    Some(b'-') => from += 1,
                    Some(_) => {
                        separator = true;
                        from += 1;
                        break;
                    }
                    None => {}
                }
            }
            name[to] = name[from];
            to += 1;
            from += 1;
        }
        *part = (begin, to);
        if !separator {
            from = name.len();
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splitting_words() {
        let split = |line: &'static str, max| {
            words(line.as_bytes(), max)
                .map(|(b, e)| &line[b..e])
                .collect::<Vec<_>>()
        };
        assert_eq!(split("# comment x", 10), ["#", "comment", "x"]);
        assert_eq!(split(" 'a b'\t", 10), ["'a", "b'"]);
        assert_eq!(split("a b c", 2), ["a", "b"]);
        assert!(split("a", 0).is_empty() && split(" \n\x0b\x0c\r", 3).is_empty());
    }

    #[test]
    fn basenames() {
        for (path, want) in [("/a/b", "b"), ("a/", ""), ("/", ""), ("a", "a"), ("", "")] {
            assert_eq!(basename(path.as_bytes()), want.as_bytes());
        }
    }

    #[test]
    fn quotes() {
        assert_eq!(escape_double_quotes(br#"a"b\c"#), br#"a\"b\\c"#);
        for (text, want) in [
            (&br#"x\y\"z\w"#[..], &br#"x\y"z\w"#[..]),
            (br"\n\t", br"\n\t"),
            (br"a\\b\", br"a\b\"),
        ] {
            let mut buffer = text.to_vec();
            let len = unescape_double_quotes(&mut buffer);
            assert_eq!(&buffer[..len], want);
        }
    }

    #[test]
    fn colons_and_at_signs() {
        for (text, want, colon, at) in [
            ("/dev/a:b@c", "/dev/a:b@c", Some(":b@c"), Some("@c")),
            (r"/dev/a\:b\@c", "/dev/a:b@c", None, None),
            (r"a\\:b", r"a\:b", Some(":b"), None),
            (r"\:\@:@", ":@:@", Some(":@"), Some("@")),
            (r"x\y", r"x\y", None, None),
            (r"x\", r"x\", None, None),
        ] {
            let mut buffer = text.as_bytes().to_vec();
            let (len, c, a) = unescape_colons_and_at_signs(&mut buffer);
            let rest = |at: Option<usize>| at.map(|at| std::str::from_utf8(&buffer[at..len]).unwrap());
            assert_eq!(
                (&buffer[..len], rest(c), rest(a)),
                (want.as_bytes(), colon, at),
                "{text}"
            );
        }
    }

    #[test]
    fn names_of_volumes() {
        for (vg, lv, layer, want) in [
            ("vg", "lv", "", "vg-lv"),
            ("vg", "lv", "cow", "vg-lv-cow"),
            ("v-g", "l--v", "a-b", "v--g-l----v-a--b"),
            ("vg", "lv", "_mlog", "vg-lv_mlog"),
            ("vg", "lv", "_m-log", "vg-lv_m--log"),
            ("", "", "", "-"),
        ] {
            assert_eq!(
                build_dm_name(vg.as_bytes(), lv.as_bytes(), layer.as_bytes()),
                want.as_bytes()
            );
        }
        assert_eq!(build_dm_uuid(b"LVM-", b"ab-c", b"tpool"), b"LVM-ab-c-tpool");
        assert_eq!(build_dm_uuid(b"LVM-", b"abc", b""), b"LVM-abc");
        for (name, want) in [
            ("vg-lv", ["vg", "lv", ""]),
            ("vg--a-lv--b-layer--c", ["vg-a", "lv-b", "layer-c"]),
            ("vg", ["vg", "", ""]),
            ("a-b-c-d", ["a", "b", "c"]),
            ("-a", ["", "a", ""]),
            ("a-", ["a-", "", ""]),
            ("a--", ["a-", "", ""]),
            ("a---b", ["a-", "b", ""]),
            ("vg-lv_tmeta", ["vg", "lv_tmeta", ""]),
            ("vg-lv-", ["vg", "lv-", ""]),
            ("", ["", "", ""]),
        ] {
            let mut buffer = name.as_bytes().to_vec();
            let parts = split_lvm_name(&mut buffer);
            assert_eq!(
                parts.map(|(b, e)| std::str::from_utf8(&buffer[b..e]).unwrap()),
                want,
                "{name}"
            );
        }
    }

    proptest! {
        #[test]
        fn names_survive(vg in "[a-z-]{0,6}[a-z]", lv in "[a-z][a-z-]{0,6}[a-z]", layer in "([a-z][a-z-]{0,4}[a-z])?") {
            let mut name = build_dm_name(vg.as_bytes(), lv.as_bytes(), layer.as_bytes());
            let parts = split_lvm_name(&mut name);
            prop_assert_eq!(parts.map(|(b, e)| &name[b..e]), [vg.as_bytes(), lv.as_bytes(), layer.as_bytes()]);
        }

        #[test]
        fn quoting_survives(text in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut quoted = escape_double_quotes(&text);
            let len = unescape_double_quotes(&mut quoted);
            prop_assert_eq!(&quoted[..len], &text[..]);
        }

        #[test]
        fn any_name_splits(name in prop::collection::vec(prop::sample::select(b"a-_".to_vec()), 0..12)) {
            let mut name = name;
            let len = name.len();
            for (begin, end) in split_lvm_name(&mut name) {
                prop_assert!(begin <= end && end <= len);
            }
        }
    }
}
