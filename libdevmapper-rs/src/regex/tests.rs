use super::Regex;
use proptest::prelude::*;

fn find(patterns: &[&str], subject: &str) -> i64 {
    let regex = Regex::new(patterns).unwrap_or_else(|e| panic!("{patterns:?}: {e}"));
    let first = regex.find(subject.as_bytes());
    assert_eq!(
        first,
        regex.find(subject.as_bytes()),
        "the second time all states are known"
    );
    first.map_or(-1, |i| i as i64)
}

#[test]
fn examples_of_matching() {
    for (patterns, cases) in [
        (&["a"][..], &[("a", 0), ("ba", 0), ("", -1), ("A", -1)][..]),
        (&["^a$"], &[("a", 0), ("aa", -1)]),
        (&["a", "b"], &[("ab", 1), ("ba", 1), ("a", 0), ("c", -1)]),
        (&["foo", "foobar"], &[("foobar", 1), ("fooba", 0)]),
        (&["a.*", ".*b", "a"], &[("ab", 2), ("xb", 1)]),
        (&["a", "a"], &[("a", 1)]),
        (
            &[".*", ".*/dev/md.*", "loop"],
            &[("foo", 0), ("/dev/md1", 1), ("loop", 2)],
        ),
        (&["^a|b$"], &[("ax", 0), ("xb", 0), ("x", -1)]),
        (&["^ab?c$"], &[("ac", 0), ("abc", 0), ("abbc", -1)]),
        (&["a$"], &[("a", 0), ("a\n", -1)]),
        (&["a{2}"], &[("aa", -1), ("a{2}", 0)]),
        (&["a"], &[("b\na", -1), ("\na", -1)]),
        (&["\\n"], &[("a\nb", 0)]),
        (&["a\nb"], &[("a\nb", 0)]),
        (&["."], &[("", 0)]),
        (&[".."], &[("", 0)]),
        (&["a."], &[("a", 0)]),
        (&["[^a]"], &[("", 0), ("a", 0)]),
        (&["^.$"], &[("a", 0), ("", -1), ("ab", -1)]),
        (&["^[^a]$"], &[("b", 0), ("", -1)]),
        (&["^((ab)*|ac)$"], &[("", 0), ("abab", 0), ("ac", 0), ("abb", -1)]),
        (&["^(a+)?$"], &[("", 0), ("aaa", 0), ("b", -1)]),
        (&["^a+?$", "^a**$"], &[("", 1), ("aaa", 1), ("b", -1)]),
        (&["a^b"], &[("a\u{2}b", 0), ("ab", -1)]),
    ] {
        for &(subject, want) in cases {
            assert_eq!(find(patterns, subject), want, "{patterns:?} in {subject:?}");
        }
    }
}

#[test]
fn examples_of_classes() {
    for (pattern, yes, no) in [
        ("^[a-]b]$", "ab_]^", "-c"),
        ("^[c-a]$", "abc", "d-"),
        ("^[a\\-z]$", "a-z", "m"),
        ("^[a-\\n]$", "\\^]_`an", "b\n-"),
        ("^[\\^a]$", "^a", "b"),
        ("^[-a]$", "-a", "b"),
        ("^[^-a]$", "b^", "-a"),
        ("^[a-c-e]$", "abcde", "-f"),
        ("^[.*$^]$", ".*$^", "a"),
        ("^[^]$", "a]", ""),
        ("^[\\]\\n]$", "]\n", "\\n"),
    ] {
        for (subjects, want) in [(yes, 0), (no, -1)] {
            for c in subjects.chars() {
                assert_eq!(find(&[pattern], &c.to_string()), want, "{pattern:?} with {c:?}");
            }
        }
    }
    assert_eq!(find(&["[]", "b"], "]"), -1);
    assert_eq!(find(&["x[]a]"], "xa]"), -1);
}

#[test]
fn bytes_beyond_ascii() {
    let patterns: [&[u8]; 3] = [b"foo\x80bar", b"foo\xc2bar", b"\x80"];
    let regex = Regex::new(patterns).unwrap();
    assert_eq!(regex.find(b"foo\x80bar"), Some(2));
    assert_eq!(regex.find(b"foo\xc2bar"), Some(1));
    assert_eq!(regex.find(b"foo\xc2b"), None);
    let class = Regex::new([&b"^[\x80-\xff]+$"[..], b"\\\xfe"]).unwrap();
    assert_eq!(class.find(b"\x80\xff\x90"), Some(0));
    assert_eq!(class.find(b"\xfe"), Some(1));
}

#[test]
fn device_paths() {
    let patterns = ["loop/[0-9]+", "hd[a-d][0-5]+"];
    for (subject, want) in [
        ("/dev/loop/0", 0),
        ("/dev/loop/12345", 0),
        ("/dev/hda1", 1),
        ("/dev/hdd5", 1),
        ("/dev/hda", -1),
        ("/dev/hde1", -1),
        ("/dev/sda1", -1),
    ] {
        assert_eq!(find(&patterns, subject), want, "{subject}");
    }
}

#[test]
fn malformed_patterns_are_refused() {
    for pattern in [
        "", "()", "(a", "a)", "[a", "[a-]", "\\", "a\\", "*", "+a", "?", "a|", "|a", "a||b", "(|a)", "(a|)", "a|*",
        "[\\", "[a-",
    ] {
        assert!(Regex::new(["x", pattern]).is_err(), "{pattern:?}");
    }
    assert!(Regex::new([""; 0]).is_err());
    assert!(Regex::new([&b"a\0b"[..]]).is_err());
}

#[test]
fn deep_nesting_and_size() {
    let deep = "(".repeat(100_000) + "a" + &")".repeat(100_000);
    assert_eq!(find(&[&deep], "xa"), 0);
    let stars = "a".to_string() + &"*".repeat(100_000);
    assert_eq!(find(&[&stars], ""), 0);
    assert!(Regex::new(["a?".repeat(100_000)]).is_err());
    assert!(Regex::new(["(".repeat(100_000)]).is_err());
}

#[test]
fn many_states_stay_bounded() {
    // 2^20 states in theory.
    let regex = Regex::new(["^.*a".to_string() + &".".repeat(20) + "$"]).unwrap();
    let mut x = 1_u32;
    for _ in 0..3 {
        let subject: Vec<u8> = (0..100_000)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if x >> 31 == 1 { b'a' } else { b'b' }
            })
            .collect();
        assert_eq!(regex.find(&subject).is_some(), subject[subject.len() - 21] == b'a');
    }
}

#[test]
fn fingerprints() {
    for (patterns, want) in [
        (&["a"][..], 0x0f2b_1404),
        (&["ab", "ac"], 0x2c20_3a0e),
        (&["a*b|c"], 0x0208_3a04),
        (&["loop/[0-9]+", "hd[a-d][0-5]+"], 0x7f55_6c09),
    ] {
        assert_eq!(Regex::new(patterns).unwrap().fingerprint(), want, "{patterns:?}");
    }
}

#[test]
fn fingerprints_stay_bounded() {
    let many = Regex::new(["^(a|b)*a".to_string() + &"(a|b)".repeat(40) + "$"]).unwrap();
    assert_eq!(many.fingerprint(), 0);
    let few = Regex::new(["^(a|b)*a".to_string() + &"(a|b)".repeat(6) + "$"]).unwrap();
    assert_ne!(few.fingerprint(), 0);
}

/// A model: patterns as trees, matched by sets of end indexes.
#[derive(Clone, Debug)]
enum Tree {
    Byte(u8),
    Any,
    Start,
    End,
    Not(u8),
    Cat(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Star(Box<Tree>),
    Plus(Box<Tree>),
    Maybe(Box<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Byte(b) => char::from(*b).to_string(),
            Self::Any => ".".into(),
            Self::Start => "^".into(),
            Self::End => "$".into(),
            Self::Not(b) => format!("[^{}]", char::from(*b)),
            Self::Cat(a, b) => format!("{}{}", a.text(), b.text()),
            Self::Or(a, b) => format!("({}|{})", a.text(), b.text()),
            Self::Star(a) => format!("({})*", a.text()),
            Self::Plus(a) => format!("({})+", a.text()),
            Self::Maybe(a) => format!("({})?", a.text()),
        }
    }

    fn ends(&self, s: &[u8], from: usize) -> Vec<usize> {
        let one = |ok: &dyn Fn(u8) -> bool| {
            if from < s.len() && ok(s[from]) {
                vec![from + 1]
            } else {
                vec![]
            }
        };
        let mut ends = match self {
            Self::Byte(b) => one(&|c| c == *b),
            Self::Any => one(&|c| c != b'\n' && c != b'\r'),
            Self::Start => one(&|c| c == super::START),
            Self::End => one(&|c| c == super::END),
            Self::Not(b) => one(&|c| c != *b),
            Self::Cat(a, b) => a.ends(s, from).into_iter().flat_map(|at| b.ends(s, at)).collect(),
            Self::Or(a, b) => [a.ends(s, from), b.ends(s, from)].concat(),
            Self::Maybe(a) => [a.ends(s, from), vec![from]].concat(),
            Self::Star(a) | Self::Plus(a) => {
                let mut all = if matches!(self, Self::Star(_)) {
                    vec![from]
                } else {
                    a.ends(s, from)
                };
                let mut i = 0;
                while i < all.len() {
                    for end in a.ends(s, all[i]) {
                        if !all.contains(&end) {
                            all.push(end);
                        }
                    }
                    i += 1;
                }
                all
            }
        };
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    fn found(&self, subject: &[u8]) -> bool {
        let s = [&[super::START], subject, &[super::END]].concat();
        let mut from = 0;
        loop {
            if !self.ends(&s, from).is_empty() {
                return true;
            }
            if from == s.len() || matches!(s[from], b'\n' | b'\r') {
                return false;
            }
            from += 1;
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        6 => prop::sample::select(vec![b'a', b'b', b'\n']).prop_map(Tree::Byte),
        1 => Just(Tree::Any),
        1 => Just(Tree::Start),
        1 => Just(Tree::End),
        1 => prop::sample::select(vec![b'a', b'b']).prop_map(Tree::Not),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| Tree::Cat(Box::new(a), Box::new(b))),
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| Tree::Or(Box::new(a), Box::new(b))),
            1 => inner.clone().prop_map(|a| Tree::Star(Box::new(a))),
            1 => inner.clone().prop_map(|a| Tree::Plus(Box::new(a))),
            1 => inner.prop_map(|a| Tree::Maybe(Box::new(a))),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_the_model(
        patterns in prop::collection::vec(tree(), 1..4),
        subjects in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab\n\rc".to_vec()), 0..8), 1..6),
    ) {
        let regex = Regex::new(patterns.iter().map(Tree::text)).unwrap();
        for subject in subjects {
            let want = patterns.iter().rposition(|p| p.found(&subject));
            prop_assert_eq!(regex.find(&subject), want, "{:?} in {:?}", patterns.iter().map(Tree::text).collect::<Vec<_>>(), subject);
        }
    }

    #[test]
    fn any_bytes_as_pattern(pattern in prop::collection::vec(any::<u8>(), 0..20), subject in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok(regex) = Regex::new([&pattern]) {
            let _ = regex.find(&subject);
            let _ = regex.fingerprint();
        }
    }
}
