use proptest::prelude::*;

use super::*;

/// A tree in one line: `key:values{children}`.
fn show(tree: &Tree) -> String {
    fn level(node: Option<NodeRef<'_>>, out: &mut String) {
        let mut next = node;
        while let Some(node) = next {
            if !out.is_empty() && !out.ends_with('{') {
                out.push(' ');
            }
            out.push_str(&String::from_utf8_lossy(node.key()));
            let mut value = node.value();
            while let Some(v) = value {
                match v.scalar() {
                    Scalar::Int(i) => out.push_str(&format!(":{i}")),
                    Scalar::Float(f) => out.push_str(&format!(":f{f}")),
                    Scalar::Str(s) => out.push_str(&format!(":\"{}\"", String::from_utf8_lossy(s))),
                    Scalar::EmptyArray => out.push_str(":[]"),
                    Scalar::Unknown(kind) => out.push_str(&format!(":?{kind}")),
                }
                value = v.next();
            }
            if node.value().is_none() || node.child().is_some() {
                out.push('{');
                level(node.child(), out);
                out.push('}');
            }
            next = node.sibling();
        }
    }
    let mut out = String::new();
    level(tree.root(), &mut out);
    out
}

fn parsed(text: &str) -> String {
    parsed_with(text, Duplicates::Merge)
}

fn parsed_with(text: &str, duplicates: Duplicates<'_>) -> String {
    match Tree::parse_with(text.as_bytes(), duplicates) {
        Ok(tree) => show(&tree),
        Err(ParseError::Syntax { byte, line, what }) => format!("byte {byte} (line {line}): {what}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn examples_of_the_language() {
    for (text, result) in [
        ("", "No configuration entries found."),
        ("# only\n", "No configuration entries found."),
        ("a=1", "a:1"),
        ("a=010 b=0 c=-7 d=+9", "a:8 b:0 c:-7 d:9"),
        ("a=0x10", "Failed to read int token."),
        ("a=1.5 b=.5 c=5.", "a:f1.5 b:f0.5 c:f5"),
        ("a=1.5.6", "byte 8 (line 1): unexpected token"),
        ("a=123abc", "byte 9 (line 1): unexpected token"),
        ("a=-abc", "Failed to read int token."),
        (r#"a="x\"y\\z\n""#, r#"a:"x"y\z\n""#),
        (r#"a='x\"y'"#, r#"a:"x\"y""#),
        ("a=[]", "a:[]"),
        ("a=[ ]", "a:[]"),
        ("a=[1, \"x\", 2.5]", "a:1:\"x\":f2.5"),
        ("a=[1", "byte 5 (line 1): expected a value"),
        ("a=[1,,2]", "byte 6 (line 1): expected a value"),
        ("a=[[1],2]", "byte 4 (line 1): expected a value"),
        ("a=[foo, bar]", "byte 9 (line 1): expected a value"),
        ("a=[foo , bar ]", "a:\"foo\":\"bar\""),
        ("a=[1 2]", "byte 6 (line 1): expected a value"),
        ("a=['x''y']", "a:\"x\":\"y\""),
        ("a/b=1 a/c=2", "a{b:1 c:2}"),
        ("a { b=1 } z=3 a { c=2 }", "a{b:1 c:2} z:3"),
        ("a=1 a=2", "a:2"),
        ("\"a b\"=1", "a b:1"),
        ("tags/@foo {}", "tags{@foo{}}"),
        ("a", "byte 2 (line 1): unexpected token"),
        ("a=", "byte 3 (line 1): expected a value"),
        ("a b", "byte 3 (line 1): unexpected token"),
        ("a {", "byte 4 (line 1): unexpected token"),
        ("a }", "byte 3 (line 1): unexpected token"),
        ("}", "byte 1 (line 1): unexpected token"),
        ("a = {", "byte 5 (line 1): expected a value"),
        ("a { b }", "byte 7 (line 1): unexpected token"),
        ("\"\"=1", "byte 3 (line 1): empty section identifier"),
        ("a=\"", "byte 3 (line 1): expected a string token."),
        ("\n\n  a = [\n x", "byte 13 (line 4): expected a value"),
        ("a=#c\n5", "a:5"),
        ("a=1\r\nb=2\r\n", "a:1 b:2"),
        ("a=\"foo", "a:\"fo\""),
        ("a=\"foo\\", "a:\"foo\""),
        ("a=\"l1\nl2\" }", "byte 11 (line 1): unexpected token"),
        ("a=1 { b=2 }", "byte 5 (line 1): unexpected token"),
        ("a=1 a { b=2 }", "a:1{b:2}"),
        ("a=1;b=2", "a:1 ;b:2"),
        ("a+=2 -x=1 a[0]=5", "a+:2 -x:1 a[0]:5"),
        ("a/=1 /=2", "a{:1} :2"),
        ("creation_time=99999999999999999999", "creation_time:1527120000"),
        ("creation_time/x=99999999999999999999", "Failed to read int token."),
        ("a=1 \0 b=2", "a:1"),
    ] {
        assert_eq!(parsed(text), result, "{text:?}");
    }
}

#[test]
fn duplicates_can_be_kept() {
    let text = "a { x=1 } a { y=2 } b=1 b=2 c/d=1 c/e=2";
    assert_eq!(
        parsed_with(text, Duplicates::Keep),
        "a{x:1} a{y:2} b:1 b:2 c{d:1} c{e:2}"
    );
    let tree = Tree::parse_with(text.as_bytes(), Duplicates::Keep).unwrap();
    assert_eq!(tree.find_int(b"a/x"), Some(1));
    assert_eq!(tree.find_int(b"a/y"), None);
    assert_eq!(tree.find_int(b"b"), Some(1));
    assert_eq!(tree.find_int(b"c/e"), None);
}

#[test]
fn the_rest_of_a_section_is_skipped() {
    let pv = Duplicates::KeepUntil(b"pv");
    for (text, result) in [
        (
            "vg {\n pv {\n a=1\n }\n lv { garbage === }\n}\nc=\"t\"\n",
            "vg{pv{a:1}} c:\"t\"",
        ),
        ("vg { pv {} }\nw {\n x=1\n}\nz=1\n", "vg{pv{}} z:1"),
        ("vg { pv {}", "byte 11 (line 1): unexpected token"),
        ("vg { pv {} }", "byte 12 (line 1): unexpected token"),
        ("vg { pv {} x", "byte 12 (line 1): empty section identifier"),
        ("vg { pv {} \"x\"", "byte 12 (line 1): expected a string token."),
        ("vg { pv {} # c\n", "byte 16 (line 2): unexpected token"),
        ("vg { pv {} x \n}\n}\n z ", "byte 22 (line 2): unexpected token"),
        ("vg { pv {}\n\n\n'a\n}\nb'\n ]", "byte 23 (line 6): unexpected token"),
        ("vg { x/pv {} a=1\n}\nb=1", "vg{x{pv{}} a:1} b:1"),
        ("pv {} b { c { pv {} d=1 } } f=1", "pv{} b{c{pv{} d:1}} f:1"),
        ("vg { pv {}\n}\nc=1 \0\n}\nd=1 ", "vg{pv{}} d:1"),
    ] {
        assert_eq!(parsed_with(text, pv), result, "{text:?}");
    }
}

#[test]
fn lookups() {
    let tree = Tree::parse(b"sec { a=1 sub { b=\"B\" } } empty { } n=no big=4294967297 es=\"\"").unwrap();
    for (path, key) in [
        ("sec/sub/b", "b"),
        ("/sec//sub/b", "b"),
        ("sec", "sec"),
        ("empty", "empty"),
    ] {
        assert_eq!(
            tree.find(path.as_bytes()).map(Node::key),
            Some(key.as_bytes()),
            "{path}"
        );
    }
    for path in ["sec/", "sec/a/", "", "/", "empty/x", "a", "SEC"] {
        assert!(tree.find(path.as_bytes()).is_none(), "{path}");
    }
    let sec = tree.root();
    assert_eq!(find_node(sec, b"empty").map(Node::key), Some(b"empty".as_slice()));
    assert_eq!(
        find_node(sec.and_then(Node::child), b"a").map(Node::key),
        Some(b"a".as_slice())
    );
    assert_eq!(parent_name(tree.find(b"sec/a").unwrap()), b"sec");
    assert_eq!(parent_name(tree.find(b"sec").unwrap()), b"(root)");
    assert_eq!(int_or(tree.find(b"big"), 9), 1);
    assert_eq!(bool_or(tree.find(b"n"), 9), 0);
    assert_eq!(bool_or(tree.find(b"sec"), 9), 9);
    assert!(find_str(tree.find(b"es"), b"es", true).is_none());
    assert!(find_str(tree.find(b"es"), b"es", false).is_none());
    assert!(find_str_allow_empty(tree.find(b"es"), b"es").is_some());
    assert!(maybe_section(b"}{"));
    assert!(!maybe_section(b"{"));
}

#[test]
fn the_first_tree_with_the_node_decides() {
    let upper = Tree::parse(b"id=\"two\" pv { b=22 e=5 } x=\"str\"").unwrap();
    let lower = Tree::parse(b"id=\"one\" pv { a=1 b=2 } x=1 only1=1").unwrap();
    let find = |path: &[u8]| find_in_trees([upper.root(), lower.root()], path);
    assert_eq!(get_int(find(b"pv/a")), Some(1));
    assert_eq!(get_int(find(b"pv/b")), Some(22));
    assert_eq!(get_int(find(b"only1")), Some(1));
    assert_eq!(int_or(find(b"x"), 99), 99);
    assert!(find(b"nothing").is_none());
}

#[test]
fn flattened_trees() {
    let upper = Tree::parse(b"id=\"two\" pv { b=22 e=5 } x=\"str\" only2=2 empty { e {} }").unwrap();
    let lower = Tree::parse(b"id=\"one\" flags=[] pv { a=1 b=2 c { d=1 } } x=1 only1=1").unwrap();
    let mut flat = Tree::new();
    flatten(&mut flat, &[upper.root(), lower.root()]).unwrap();
    assert_eq!(
        flat.to_string(),
        "only2=2\nonly1=1\nx=\"str\"\npv {\n\te=5\n\tc {\n\t\td=1\n\t}\n\tb=22\n\ta=1\n}\nflags=[]\nid=\"two\"\n"
    );
}

#[test]
fn written_forms() {
    let mut tree = Tree::new();
    let node = tree.section(None, b"k").unwrap();
    let mut line = |values: &[Scalar<'_>], flags: u32| {
        tree.set(node, values).unwrap();
        let mut value = tree.node(node).value();
        let mut all = Vec::new();
        while let Some(v) = value {
            all.push(v.handle());
            value = v.next();
        }
        for v in all {
            tree.set_format_flags(v, flags);
        }
        tree.to_string()
    };
    use Scalar::{EmptyArray, Float, Int, Str};
    assert_eq!(line(&[Int(5)], 1), "k=[5]\n");
    assert_eq!(line(&[Int(5)], 2), "k = 5\n");
    assert_eq!(line(&[Int(5)], 3), "k = [ 5 ]\n");
    assert_eq!(line(&[Int(0o644)], 0x10000), "k=0644\n");
    assert_eq!(line(&[Int(0)], 0x10000), "k=00\n");
    assert_eq!(line(&[Int(-8)], 0x10000), "k=01777777777777777777770\n");
    assert_eq!(line(&[Int(1), Int(2)], 2), "k = [ 1, 2 ]\n");
    assert_eq!(line(&[EmptyArray], 2), "k = [ ]\n");
    assert_eq!(line(&[EmptyArray, Int(1)], 0), "k=[]\n");
    assert_eq!(line(&[EmptyArray, Int(1)], 2), "k = [  ]\n");
    assert_eq!(line(&[Int(1), EmptyArray, Int(2)], 0), "k=[1]\n");
    assert_eq!(line(&[Str(b"x"), Str(b"y")], 0x10003), "k = [ x, y ]\n");
    assert_eq!(line(&[Str(b"a\"b\\c\nd")], 0), "k=\"a\\\"b\\\\c\nd\"\n");
    for (float, text) in [
        (2.5, "2.500000"),
        (0.007_812_5, "0.007812"),
        (0.023_437_5, "0.023438"),
        (-0.0, "-0.000000"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
        (f32::NAN, "nan"),
        (1e30, "1000000015047466219876688855040.000000"),
        (f32::MIN_POSITIVE, "0.000000"),
    ] {
        assert_eq!(line(&[Float(float)], 0), format!("k={text}\n"));
    }
    let tree = Tree::parse(b"'a#b'=1 'a\"b' {} a\\b=2 'a\\!b'=3").unwrap();
    assert_eq!(tree.to_string(), "\"a#b\"=1\n\"a\\\"b\" {\n}\na\\b=2\n\"a\\\\!b\"=3\n");
}

#[test]
fn many_children_are_found_quickly_and_correctly() {
    // Miri would take hours.
    let children = if cfg!(miri) { 50 } else { 5000 };
    let mut text = String::new();
    for round in 0..2 {
        for i in 0..children {
            text.push_str(&format!("s/k{i} {{ r{round}={i} }}\n"));
        }
    }
    let tree = Tree::parse(text.as_bytes()).unwrap();
    let mut count = 0;
    let mut next = tree.root().and_then(Node::child);
    while let Some(node) = next {
        assert_eq!(node.key(), format!("k{count}").as_bytes());
        assert_eq!(
            find_node(node.child(), b"r1").and_then(|n| get_int(Some(n))),
            Some(count)
        );
        count += 1;
        next = node.sibling();
    }
    assert_eq!(count, children);
}

#[test]
fn depth_is_no_problem() {
    // Miri would take hours.
    let depth = if cfg!(miri) { 200 } else { 10_000 };
    let text = format!("{}x=1 {}", "s{".repeat(depth), "}".repeat(depth));
    let tree = Tree::parse(text.as_bytes()).unwrap();
    let mut copy = Tree::new();
    let root = clone_node(&mut copy, tree.root().unwrap(), true).unwrap();
    copy.set_child(None, Some(root));
    assert_eq!(copy.to_bytes(), tree.to_bytes());
    let mut flat = Tree::new();
    flatten(&mut flat, &[tree.root()]).unwrap();
    assert_eq!(flat.to_bytes(), tree.to_bytes());
    assert!(Tree::parse("s{".repeat(depth).as_bytes()).is_err());
}

#[test]
fn nodes_can_be_taken_out() {
    let mut tree = Tree::parse(b"s { a=1 b=2 c=3 }").unwrap();
    let s = tree.root().unwrap().handle();
    let b = tree.find(b"s/b").unwrap().handle();
    assert!(remove_child(&mut tree, s, b));
    assert!(!remove_child(&mut tree, s, b));
    assert_eq!(show(&tree), "s{a:1 c:3}");
    let a = tree.find(b"s/a").unwrap().handle();
    assert!(remove_child(&mut tree, s, a));
    assert_eq!(show(&tree), "s{c:3}");
}

fn key() -> impl Strategy<Value = String> {
    "[a-zA-Z_@.0-9+!#\"-]{1,12}"
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|i| i.to_string()),
        (-1000i32..1000).prop_map(|i| format!("{:.6}", f64::from(i) / 64.0)),
        "[^\0\"\\\\]{0,20}".prop_map(|s| format!("\"{s}\"")),
        "[a-z\"\\\\ ]{0,10}".prop_map(|s| format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\""))),
    ]
}

/// A text as the writer makes it.
fn canonical() -> impl Strategy<Value = String> {
    let entry =
        (key(), prop::collection::vec(scalar(), 0..4)).prop_map(|(key, values)| (key, Some(values), Vec::new()));
    type Item = (String, Option<Vec<String>>, Vec<String>);
    let leaf = prop::collection::vec(entry, 0..4);
    fn render(items: Vec<Item>) -> String {
        let mut out = String::new();
        for (key, values, children) in items {
            let key = format!("\"{}\"", key.replace('"', "\\\""));
            match values {
                Some(values) => out.push_str(&format!("{key}=[{}] ", values.join(","))),
                None => out.push_str(&format!("{key} {{ {} }} ", children.join(" "))),
            }
        }
        out
    }
    leaf.prop_map(render).prop_recursive(4, 32, 4, |inner| {
        prop::collection::vec((key(), prop::collection::vec(inner, 0..3)), 0..4).prop_map(|sections| {
            render(
                sections
                    .into_iter()
                    .map(|(key, children)| (key, None, children))
                    .collect(),
            )
        })
    })
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer(text in prop::collection::vec(any::<u8>(), 0..200)) {
        for how in [Duplicates::Merge, Duplicates::Keep, Duplicates::KeepUntil(b"a")] {
            let _ = Tree::parse_with(&text, how);
        }
    }

    #[test]
    fn any_words_are_an_answer(words in prop::collection::vec(prop::sample::select(vec![
        "a", "b", "a/b", "=", "{", "}", "[", "]", ",", "\"", "'", "\"s\"", "\\", "1", "010", "1.5", ".", "-", "#", "\n",
        " ", "/", "\n}\n", "\0", "99999999999999999999", "creation_time", "x",
    ]), 0..40)) {
        let text = words.concat();
        for how in [Duplicates::Merge, Duplicates::Keep, Duplicates::KeepUntil(b"a")] {
            if let Ok(tree) = Tree::parse_with(text.as_bytes(), how) {
                prop_assert!(tree.root().is_some());
                let _ = tree.to_bytes();
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again(text in canonical()) {
        if let Ok(tree) = Tree::parse(text.as_bytes()) {
            let written = tree.to_bytes();
            let again = Tree::parse(&written).unwrap();
            prop_assert_eq!(show(&again), show(&tree));
            prop_assert_eq!(again.to_bytes(), written);
        }
    }

    #[test]
    fn merging_agrees_with_a_list_of_paths(names in prop::collection::vec(0u32..80, 0..300)) {
        let text: String = names.iter().enumerate().map(|(i, name)| format!("s/n{name}={i}\n")).collect();
        if names.is_empty() {
            return Ok(());
        }
        let tree = Tree::parse(text.as_bytes()).unwrap();
        let mut expected: Vec<(u32, usize)> = Vec::new();
        for (i, &name) in names.iter().enumerate() {
            match expected.iter_mut().find(|(known, _)| *known == name) {
                Some((_, value)) => *value = i,
                None => expected.push((name, i)),
            }
        }
        let entries: Vec<String> = expected.iter().map(|(name, i)| format!("n{name}:{i}")).collect();
        prop_assert_eq!(show(&tree), format!("s{{{}}}", entries.join(" ")));
    }
}
