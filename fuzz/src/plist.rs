//! Any bytes as a property list, as a request and as a reply: nothing panics, and what was read is written the same.

use dm_abi::ioctl::Header;
use dm_abi::plist::{self, ask, parse, serve, write};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(dict) = parse(bytes, 1 << 20) {
        assert_eq!(parse(&write(&dict), 1 << 24), Ok(dict.clone()));
        if let Ok(request) = plist::Request::decode(&dict) {
            assert_eq!(plist::Request::decode(&request.encode()), Ok(request));
        }
    }
    if let Ok(mut served) = serve::Served::begin(bytes, 169) {
        assert!(served.command() < 18);
        let header = Header::read(served.buffer()).expect("a header");
        assert!(header.data_size as usize == served.buffer().len());
        let _ = served.end(Ok(305));
    }
    // A buffer of the client's, then a reply to it.
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let (nr, mut buffer) = (u32::from(first % 18), rest.to_vec());
    if ask::encode(nr, &buffer).is_ok() {
        ask::refused(nr, &mut buffer, [4, 48, 0]);
    }
    let mut header = Header::default();
    (header.data_size, header.data_start) = (600, 312);
    let mut buffer = vec![0; 600];
    assert!(header.write(&mut buffer));
    if ask::decode(nr, &mut buffer, rest).is_ok() {
        assert!(Header::read(&buffer).expect("a header").data_size <= 600);
    }
}
