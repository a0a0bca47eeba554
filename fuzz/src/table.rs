//! Table lines: a table that is built prints lines that build it again, and cuts requests into pieces that cover them
//! and stay inside the components.

use dm_abi::errno::Errno;
use dm_core::host::{Component, DevNo, DevSpec, DeviceId, Opened};
use dm_core::io::{Bio, Op, Piece, Verb};
use dm_core::table::{Line, Table};
use dm_core::targets::args::Given;

/// Disks of several sizes, mapped devices with a table and without one.
fn open(spec: DevSpec<'_>, _read_only: bool) -> Result<Component<()>, Errno> {
    let dev = match spec {
        DevSpec::Number(dev) => dev,
        DevSpec::Path(b"/dev/ram0") => DevNo { major: 1, minor: 0 },
        DevSpec::Path(_) => return Err(Errno::ENOENT),
    };
    match (dev.major, dev.minor) {
        (1, minor @ 0..4) => Ok(Component::Host(Opened {
            handle: (),
            dev,
            sectors: [1 << 17, 4096, u64::MAX >> 10, 7][minor as usize],
            logical_block_size: if minor == 1 { 4096 } else { 512 },
            discard: minor != 2,
        })),
        (254, minor @ 0..2) => Ok(Component::Mapped {
            id: DeviceId(u64::from(minor)),
            dev,
            sectors: if minor == 0 { 1024 } else { 0 },
            logical_block_size: 512,
            discard: true,
        }),
        _ => Err(Errno::ENXIO),
    }
}

fn number(word: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(word?).ok()?.parse().ok()
}

/// `START LENGTH KIND PARAMS` in each line.
fn lines(text: &[u8]) -> Option<Vec<Line<'_>>> {
    text.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.splitn(4, |&byte| byte == b' ');
            Some(Line {
                start: number(words.next())?,
                length: number(words.next())?,
                kind: words.next()?,
                params: words.next().unwrap_or_default(),
            })
        })
        .collect()
}

const NOW: u64 = 1 << 40;

fn build(text: &[u8]) -> Option<Table<()>> {
    Table::build(&mut open, lines(text)?, false, Given::at(NOW)).ok()
}

fn print(table: &Table<()>) -> String {
    let mut text = String::new();
    for segment in table.segments() {
        text += &format!("{} {} {} ", segment.start, segment.length, segment.target.name());
        table
            .write_table(segment, &mut text)
            .expect("a String takes everything");
        text.push('\n');
        table
            .write_status(segment, &mut String::new())
            .expect("a String takes everything");
    }
    text
}

pub(crate) fn run(bytes: &[u8]) {
    let [text, requests, message] = super::parts(bytes);
    let Some(table) = build(text) else { return };
    let printed = print(&table);
    let again = build(printed.as_bytes()).unwrap_or_else(|| panic!("refuses what it printed: {printed}"));
    assert_eq!(print(&again), printed);
    assert_eq!(again.limits(), table.limits());
    let asked = dm_core::targets::Asked { suspended: true };
    let _ = table.message(0, message, &asked, &mut Vec::new());

    let mut requests = super::Reader(requests);
    for _ in 0..16 {
        let op = [Op::Read, Op::Write, Op::Flush, Op::Discard, Op::WriteZeroes][usize::from(requests.byte() % 5)];
        let (sector, sectors) = (u64::from(requests.number(4)), u64::from(requests.number(2)));
        // From the front, from the back, and around a segment's border.
        let from = requests.byte();
        let border = &table.segments()[usize::from(from) % table.segments().len()];
        for sector in [
            sector % table.sectors(),
            table.sectors().saturating_sub(sector),
            (border.start + border.length).saturating_sub(sector % 64),
        ] {
            let bio = Bio {
                op,
                sector,
                sectors: if op == Op::Flush { 0 } else { sectors + 1 },
                fua: from % 2 == 1 && op == Op::Write,
            };
            check(&table, bio);
        }
        if requests.is_empty() {
            break;
        }
    }
}

fn check(table: &Table<()>, bio: Bio) {
    // No more pieces than chunks of one sector.
    let pieces: Vec<Piece> = table.pieces(bio, NOW).take(1 << 17).collect();
    let inside = bio
        .sector
        .checked_add(bio.sectors)
        .is_some_and(|end| end <= table.sectors());
    if bio.op != Op::Flush && !inside {
        assert!(
            matches!(
                pieces[..],
                [Piece {
                    verb: Verb::Fail(_),
                    ..
                }]
            ),
            "{bio:?}: {pieces:?}"
        );
        return;
    }
    if bio.op != Op::Flush {
        assert_eq!(
            pieces.iter().map(|p| u128::from(p.sectors)).sum::<u128>(),
            u128::from(bio.sectors),
            "{bio:?}"
        );
    }
    let mut next = 0;
    for piece in &pieces {
        if matches!(bio.op, Op::Read | Op::Write) {
            assert_eq!(piece.offset, next, "{bio:?}");
            assert!(piece.sectors > 0);
            next += piece.sectors;
        }
        if let Verb::Remap {
            component,
            sector,
            delay_ms,
            corrupt,
        } = piece.verb
        {
            let component = &table.components()[component as usize];
            let size = match component {
                Component::Mapped { sectors: 0, .. } => u64::MAX,
                _ => component.sectors(),
            };
            assert!(
                sector.checked_add(piece.sectors).is_some_and(|end| end <= size),
                "{bio:?}: {piece:?}"
            );
            if let Some(corrupt) = corrupt {
                assert!(corrupt.byte < bio.sectors * 512, "{bio:?}: {piece:?}");
            }
            if delay_ms > 0 {
                table.delay_over(&bio, piece);
            }
            let _ = table.piece_failed(&bio, piece);
        }
    }
}
