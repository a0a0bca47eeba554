//! Any bytes as a request and as a reply: no decoder panics, and none runs out of its slice.

use dm_abi::ioctl::Header;
use dm_abi::ioctl::load::{LoadRecords, payload_message, payload_text};
use dm_abi::ioctl::reply::{read_deps, read_names, read_status, read_versions};

pub(crate) fn run(bytes: &[u8]) {
    let Some(header) = Header::read(bytes) else { return };
    let mut copy = bytes.to_vec();
    assert!(header.write(&mut copy) && copy == bytes);
    let (start, count) = (header.data_start, header.target_count);
    for record in LoadRecords::new(bytes, start, count).flatten() {
        assert!(record.kind.len() < 16 && record.params.len() < bytes.len());
    }
    let _ = payload_text(bytes, start);
    let _ = payload_message(bytes, start);
    let payload = bytes.get(312..).unwrap_or_default();
    assert!(read_status(payload, count).count() <= payload.len());
    assert!(read_names(payload).count() <= payload.len());
    assert!(read_versions(payload).count() <= payload.len());
    assert!(read_deps(payload).count() <= payload.len());
}
