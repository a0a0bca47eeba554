//! Documents as the stock driver reads and writes them, and any bytes at all.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::request::Line;
use super::*;
use crate::errno::Errno;
use crate::ioctl::{Command, Header, flag};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n";

fn document(body: &str) -> Vec<u8> {
    alloc::format!("{HEAD}<plist version=\"1.0\">{body}</plist>\n").into_bytes()
}

fn read(body: &str) -> Result<Dict, Error> {
    parse(&document(body), 1 << 20)
}

#[test]
fn a_request_in_proplibs_form() {
    let mut fields = Fields {
        version: Some([4, 0, 0]),
        name: b"a<b&c".to_vec(),
        flags: 0x4,
        ..Fields::default()
    };
    fields.minor = Some(3);
    let request = Request {
        word: word(Command::TableLoad, 4),
        fields,
        payload: Payload::Table(vec![Line {
            start: 0,
            length: 16,
            kind: b"linear".to_vec(),
            params: b"/dev/wd0e 0".to_vec(),
        }]),
    };
    let text = String::from_utf8(write(&request.encode())).unwrap();
    let body = "<plist version=\"1.0\">\n<dict>\n\
\t<key>cmd_data</key>\n\t<array>\n\t\t<dict>\n\
\t\t\t<key>length</key>\n\t\t\t<integer>0x10</integer>\n\
\t\t\t<key>params</key>\n\t\t\t<string>/dev/wd0e 0</string>\n\
\t\t\t<key>start</key>\n\t\t\t<integer>0x0</integer>\n\
\t\t\t<key>type</key>\n\t\t\t<string>linear</string>\n\
\t\t</dict>\n\t</array>\n\
\t<key>command</key>\n\t<string>reload</string>\n\
\t<key>event_nr</key>\n\t<integer>0x0</integer>\n\
\t<key>flags</key>\n\t<integer>0x4</integer>\n\
\t<key>minor</key>\n\t<integer>0x3</integer>\n\
\t<key>name</key>\n\t<string>a&lt;b&amp;c</string>\n\
\t<key>open_count</key>\n\t<integer>0x0</integer>\n\
\t<key>target_count</key>\n\t<integer>0x0</integer>\n\
\t<key>version</key>\n\t<array>\n\t\t<integer>4</integer>\n\t\t<integer>0</integer>\n\t\t<integer>0</integer>\n\t</array>\n\
</dict>\n</plist>\n";
    assert_eq!(text, alloc::format!("{HEAD}{body}"));
    let mut with_nul = text.into_bytes();
    with_nul.push(0);
    let dict = parse(&with_nul, 1 << 20).unwrap();
    assert_eq!(Request::decode(&dict), Ok(request));
}

#[test]
fn what_is_a_property_list() {
    let dict = read(
        "<dict><key>a</key><integer>0x4</integer><key>b</key><integer>-7</integer><key>c</key><integer>18446744073709551615</integer>\
<key>d</key><string/><key>e</key><string>&lt;&#65;&#xe9;&quot;&apos;</string><key>f</key><true/><key>g</key><array/><!-- x -->\
<key>h</key><data>AAEC</data><key>i</key><string><![CDATA[<&]]></string></dict>",
    )
    .unwrap();
    assert_eq!(dict.get(b"a"), Some(&Value::Integer(Number::Unsigned(4))));
    assert_eq!(dict.get(b"b"), Some(&Value::Integer(Number::Signed(-7))));
    assert_eq!(dict.get(b"b").unwrap().as_u32(), Some(0xffff_fff9));
    assert_eq!(dict.u64(b"c"), Some(u64::MAX));
    assert_eq!(dict.get(b"d"), Some(&Value::String(vec![])));
    assert_eq!(dict.string(b"e"), b"<A\xe9\"'");
    assert_eq!(dict.get(b"f"), Some(&Value::Bool(true)));
    assert_eq!(dict.get(b"g"), Some(&Value::Array(vec![])));
    assert_eq!(dict.get(b"h"), Some(&Value::Data(b"AAEC".to_vec())));
    assert_eq!(dict.string(b"i"), b"<&");
    // Bytes that are no UTF-8 come through as they are.
    assert_eq!(
        parse(
            b"<plist><dict><key>k</key><string>\xff\xc3\xa9</string></dict></plist>",
            1000
        )
        .unwrap()
        .string(b"k"),
        b"\xff\xc3\xa9"
    );
}

#[test]
fn what_is_none() {
    for body in [
        "",
        "<dict>",
        "<dict></array>",
        "<dict><key>a</key></dict>",
        "<dict><string>a</string></dict>",
        "<dict><key>a</key><string>1</string><key>a</key><string>2</string></dict>",
        "<dict><key>a</key><integer>0x</integer></dict>",
        "<dict><key>a</key><integer></integer></dict>",
        "<dict><key>a</key><integer>1 2</integer></dict>",
        "<dict><key>a</key><integer>18446744073709551616</integer></dict>",
        "<dict><key>a</key><integer>-9223372036854775809</integer></dict>",
        "<dict><key>a</key><string>&nope;</string></dict>",
        "<dict><key>a</key><string>&#0;</string></dict>",
        "<dict><key>a</key><string>&#256;</string></dict>",
        "<dict><key>a</key><string>&lt</string></dict>",
        "<dict><key>a</key><true>x</true></dict>",
        "<dict><key>a</key><real>1</real></dict>",
        "<dict>text</dict>",
        "<dict/><dict/>",
        "<x:dict/>",
        "<plist><dict/></plist>",
    ] {
        assert_eq!(read(body), Err(Error::Malformed), "{body}");
    }
    assert_eq!(read("<array/>"), Err(Error::NotADictionary));
    assert_eq!(read("<string>x</string>"), Err(Error::NotADictionary));
    let deep = |n| {
        alloc::format!(
            "<dict><key>a</key>{}{}</dict>",
            "<array>".repeat(n),
            "</array>".repeat(n)
        )
    };
    assert!(read(&deep(MAX_DEPTH - 2)).is_ok());
    assert_eq!(read(&deep(MAX_DEPTH)), Err(Error::TooDeep));
    assert_eq!(read(&deep(10_000)), Err(Error::TooDeep));
    assert_eq!(parse(b"<dict/>", 1000), Err(Error::Malformed));
    assert_eq!(parse(&document("<dict/>"), 100), Err(Error::TooLong));
    assert_eq!(
        (Error::TooLong.errno(), Error::Malformed.errno()),
        (Errno::EINVAL, Errno::EIO)
    );
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE plist [<!ENTITY a \"x\">]><plist><dict><key>a</key><string>&a;</string></dict></plist>";
    assert_eq!(parse(bomb.as_bytes(), 1000), Err(Error::Malformed));
}

#[test]
fn requests_that_a_driver_refuses() {
    let begin = |body: &str| serve::Served::begin(&document(body), 169).map(drop);
    let command =
        |word: &str, rest: &str| alloc::format!("<dict><key>command</key><string>{word}</string>{rest}</dict>");
    assert_eq!(begin(&command("version", "")), Ok(()));
    assert_eq!(begin(&command("nonsense", "")), Err(Errno::ENOTTY));
    assert_eq!(begin("<dict/>"), Err(Errno::ENOTTY));
    assert_eq!(begin("<array/>"), Err(Errno::EIO));
    // What crashes the stock driver.
    for (word, rest) in [
        ("reload", "<key>cmd_data</key><string>x</string>"),
        ("reload", "<key>cmd_data</key><array><string>x</string></array>"),
        ("reload", "<key>cmd_data</key><array><dict/></array>"),
        ("rename", "<key>cmd_data</key><array/>"),
        ("rename", "<key>cmd_data</key><array><integer>1</integer></array>"),
        ("message", "<key>cmd_data</key><array><dict/></array>"),
    ] {
        assert_eq!(begin(&command(word, rest)), Err(Errno::EINVAL), "{word} {rest}");
    }
    // Without the array the engine answers, which finds nothing there.
    let mut served = serve::Served::begin(&document(&command("reload", "")), 169).unwrap();
    assert_eq!(served.command(), Command::TableLoad.number());
    assert_eq!(Header::read(served.buffer()).unwrap().data_start, 0);
    let long = alloc::format!("<key>name</key><string>{}</string>", "n".repeat(128));
    assert_eq!(begin(&command("info", &long)), Err(Errno::EINVAL));
}

#[test]
fn numbers_of_old_tools_go_with_no_name() {
    let dev = |rest: &str| {
        let xml = document(&alloc::format!(
            "<dict><key>command</key><string>info</string>{rest}</dict>"
        ));
        let mut served = serve::Served::begin(&xml, 169).unwrap();
        crate::ioctl::decode_dev(Header::read(served.buffer()).unwrap().dev)
    };
    assert_eq!(dev("<key>minor</key><integer>0x3</integer>"), (169, 3));
    assert_eq!(
        dev("<key>minor</key><integer>3</integer><key>name</key><string>x</string>"),
        (0, 0)
    );
    assert_eq!(
        dev(
            "<key>minor</key><integer>3</integer><key>major</key><integer>7</integer><key>name</key><string>x</string>"
        ),
        (7, 3)
    );
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(1..=255u8, 0..12),
        "[a-z/ 0-9.<>&\"']{0,20}".prop_map(String::into_bytes),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::unsigned),
        any::<i64>().prop_map(|n| Value::Integer(Number::Signed(n))),
        text().prop_map(Value::String),
        "[A-Za-z0-9+/]{0,8}".prop_map(|text| Value::Data(text.into_bytes())),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((text(), inner), 0..6)
                .prop_map(|pairs| Value::Dict(pairs.iter().map(|(k, v)| (k.as_slice(), v.clone())).collect())),
        ]
    })
}

fn dict() -> impl Strategy<Value = Dict> {
    proptest::collection::vec((text(), value()), 0..8)
        .prop_map(|pairs| pairs.iter().map(|(k, v)| (k.as_slice(), v.clone())).collect())
}

/// Bytes that resemble a document, so that the reader gets beyond its first tag.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(
            &[
                "<plist>",
                "</plist>",
                "<dict>",
                "</dict>",
                "<dict/>",
                "<array>",
                "</array>",
                "<key>",
                "</key>",
                "<string>",
                "</string>",
                "<integer>",
                "</integer>",
                "<true/>",
                "&lt;",
                "&#6;",
                "&",
                "]]>",
                "<![CDATA[",
                "<!--",
                "-->",
                "0x4",
                "command",
                "cmd_data",
                "reload",
                "names",
                " a='b'",
                "<?x?>",
                "<!DOCTYPE plist [",
                "<!ENTITY a 'b'>",
                "\0",
                "\n",
            ][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read(dict in dict()) {
        prop_assert_eq!(parse(&write(&dict), 1 << 20), Ok(dict));
    }

    #[test]
    fn any_bytes(bytes in soup(), nr in 0..20u32) {
        if let Ok(dict) = parse(&bytes, 1 << 20) {
            prop_assert_eq!(parse(&write(&dict), 1 << 20), Ok(dict.clone()));
            if let Some(&command) = Command::ALL.get(nr as usize) {
                let _ = Reply::decode(command, &dict);
            }
        }
        if let Ok(mut served) = serve::Served::begin(&bytes, 169) {
            let len = served.buffer().len();
            prop_assert!(Header::read(served.buffer()).is_some());
            let _ = served.end(Ok(len));
        }
        let mut buffer = vec![0; 400];
        let header = header(0);
        prop_assert!(header.write(&mut buffer));
        let _ = ask::decode(nr, &mut buffer, &bytes);
    }

    /// Any buffer becomes a request that the driver's side reads back to the same header.
    #[test]
    fn any_buffer(mut bytes in proptest::collection::vec(any::<u8>(), 312..700), nr in 0..18u32) {
        bytes[..20].fill(0);
        let size = u32::try_from(bytes.len()).unwrap();
        bytes[12..16].copy_from_slice(&size.to_ne_bytes());
        bytes[44..48].fill(0);
        let header = Header::read(&bytes).unwrap();
        let xml = ask::encode(nr, &bytes).unwrap();
        match serve::Served::begin(&xml, 169) {
            Ok(mut served) => {
                prop_assert_eq!(served.command(), nr);
                let sent = Header::read(served.buffer()).unwrap();
                prop_assert_eq!(sent.name(), header.name());
                prop_assert_eq!(sent.uuid(), header.uuid());
                prop_assert_eq!(sent.flags, header.flags);
                prop_assert_eq!(crate::ioctl::decode_dev(sent.dev), crate::ioctl::decode_dev(header.dev));
                prop_assert_eq!(sent.event_nr, header.event_nr);
            }
            Err(errno) => prop_assert!(false, "{errno}"),
        }
    }
}

/// The header of a request of 400 bytes.
fn header(flags: u32) -> Header {
    let mut header = Header::default();
    header.data_size = 400;
    header.data_start = 312;
    header.flags = flags;
    header
}

#[test]
fn secrets_are_wiped_on_both_ways() {
    let mut header = header(flag::SECURE_DATA);
    assert!(header.set_name(b"x"));
    let mut buffer = vec![7; 400];
    assert!(header.write(&mut buffer));
    let mut other = buffer.clone();
    ask::refused(Command::TableLoad.number(), &mut other, [4, 48, 0]);
    assert_eq!(other, vec![0; 400]);
    let xml = ask::encode(Command::TableStatus.number(), &buffer).unwrap();
    let mut served = serve::Served::begin(&xml, 169).unwrap();
    let mut reply = Header::read(served.buffer()).unwrap();
    reply.data_size = 305;
    assert!(reply.write(served.buffer()));
    let serve::Ended::Reply(xml) = served.end(Ok(305)) else {
        panic!("no reply")
    };
    ask::decode(Command::TableStatus.number(), &mut buffer, &xml).unwrap();
    assert_eq!(buffer[305..], [0; 95]);
}
