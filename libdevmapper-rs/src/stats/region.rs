//! Regions and groups: what a handle knows of them, and the parsers of the engine's replies.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use super::message::MILLISECOND;
use super::number;
use super::tag;
use crate::error::{Error, Result};

/// Counters of one area.
pub(super) const COUNTERS: usize = 13;
/// Those that are times: scaled to nanoseconds.
const TIMES: [usize; 6] = [3, 7, 9, 10, 11, 12];

/// What the engine counted in a region, area by area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Samples {
    /// Counters of each area; times in nanoseconds.
    pub counters: Vec<[u64; COUNTERS]>,
    /// Histograms of all areas one behind the other.
    pub bins: Vec<u64>,
}

/// A part of a device that the engine keeps statistics of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    pub(super) id: u64,
    pub(super) group: Option<u64>,
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) step: u64,
    pub(super) program_id: BString,
    pub(super) aux: BString,
    pub(super) timescale: u64,
    pub(super) bounds: Option<Vec<u64>>,
    pub(super) samples: Option<Samples>,
}

impl Region {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The group that it is a member of.
    #[must_use]
    pub fn group(&self) -> Option<u64> {
        self.group
    }

    /// First sector of 512 bytes.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Length in sectors; after populating, that of all its areas, which may be more than was asked for.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: the engine refuses regions of no length.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Length of an area in sectors.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Number of areas.
    #[must_use]
    pub fn areas(&self) -> u64 {
        self.len.div_ceil(self.step)
    }

    /// Who made it.
    #[must_use]
    pub fn program_id(&self) -> &[u8] {
        &self.program_id
    }

    /// The user's aux data, without a group's tag.
    #[must_use]
    pub fn aux(&self) -> &[u8] {
        &self.aux
    }

    /// Whether times are kept in nanoseconds.
    #[must_use]
    pub fn precise(&self) -> bool {
        self.timescale == 1
    }

    /// Upper bounds of the histogram's bins in nanoseconds, without the open last bin.
    #[must_use]
    pub fn bounds(&self) -> Option<&[u64]> {
        self.bounds.as_deref()
    }

    /// Bins of the histogram, the open one included; 0 without.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bounds.as_ref().map_or(0, |b| b.len() + 1)
    }

    /// One past the last sector.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// Regions that are reported together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub(super) alias: Option<BString>,
    pub(super) members: BTreeSet<u64>,
}

impl Group {
    /// Its name.
    #[must_use]
    pub fn alias(&self) -> Option<&[u8]> {
        self.alias.as_ref().map(|a| a.as_slice())
    }

    /// Ids of the member regions; the first is the group's id.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<u64> {
        &self.members
    }

    /// The members as a list: `0-1,4`.
    #[must_use]
    pub fn descriptor(&self) -> BString {
        super::members::format(&self.members)
    }
}

/// A line of a reply to `@stats_list`: the region, whose aux data still hold a group's tag.
type Listed = Region;

/// Parses a reply to `@stats_list`.
///
/// ```text
/// ID: START+LENGTH STEP PROGRAM_ID AUX[ precise_timestamps][ histogram:a,b,c]
/// ```
/// Aux data are printed with the blanks that are in them, so the options are looked for from the end of the line.
///
/// # Errors
/// A line that is not so.
pub(super) fn parse_list(reply: &[u8]) -> Result<Vec<Listed>> {
    lines(reply)
        .map(|line| parse_list_line(line).ok_or_else(|| wrong("@stats_list", line)))
        .collect()
}

/// The lines of a reply; the last one may lack its line break.
fn lines(reply: &[u8]) -> impl Iterator<Item = &[u8]> {
    let reply = reply.strip_suffix(b"\n").unwrap_or(reply);
    let reply = (!reply.is_empty()).then_some(reply);
    reply.into_iter().flat_map(|r| r.split_str("\n"))
}

fn wrong(message: &str, line: &[u8]) -> Error {
    Error::Parse(format!("Could not parse {message} response: '{}'", line.as_bstr()))
}

fn parse_list_line(line: &[u8]) -> Option<Listed> {
    let (id, rest) = line.split_once_str(": ")?;
    let (start, rest) = rest.split_once_str("+")?;
    let (len, rest) = rest.split_once_str(" ")?;
    let (step, rest) = rest.split_once_str(" ")?;
    let (program_id, rest) = rest.split_once_str(" ").unwrap_or((rest, b""));
    let (start, len, step) = (number(start)?, number(len)?, number(step)?);
    if len == 0 || step == 0 {
        return None;
    }

    // What does not read as an option is part of the aux data, whoever wrote them.
    let (rest, histogram) = match rest.rsplit_once_str(" histogram:") {
        Some((before, bounds)) => match bounds.split_str(",").map(number).collect::<Option<Vec<u64>>>() {
            Some(bounds) => (before, Some(bounds)),
            None => (rest, None),
        },
        None => (rest, None),
    };
    let (aux, precise) = match rest.strip_suffix(b" precise_timestamps") {
        Some(aux) => (aux, true),
        None => (rest, false),
    };
    let timescale = if precise { 1 } else { MILLISECOND };
    let bounds = histogram.map(|bounds| bounds.iter().map(|b| b.saturating_mul(timescale)).collect());
    Some(Region {
        id: number(id)?,
        group: None,
        start,
        len,
        step,
        program_id: present(program_id),
        aux: present(aux),
        timescale,
        bounds,
        samples: None,
    })
}

/// A text of which the engine prints `-` for none.
pub(super) fn present(text: &[u8]) -> BString {
    if text.starts_with(b"-") {
        BString::default()
    } else {
        text.into()
    }
}

/// Takes the tag out of a region's aux data and leaves the user's part there.
pub(super) fn take_tag(region: &mut Region) -> Option<Result<tag::Tag>> {
    let (tag, user) = tag::split(&region.aux)?;
    let user = present(user);
    region.aux = user;
    Some(tag)
}

/// What a reply to `@stats_print` says of its region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Printed {
    pub start: u64,
    pub step: u64,
    pub len: u64,
    pub samples: Samples,
}

/// Parses a reply to `@stats_print` of a whole region with histograms of so many bins (0 without).
///
/// ```text
/// START+LEN c1 ... c13[ h0:h1:...:hn]
/// ```
/// Times become nanoseconds. The last area is printed with the length of the others, so the region may seem longer.
///
/// # Errors
/// A line that is not so, or none.
pub(super) fn parse_print(reply: &[u8], bins: usize, timescale: u64) -> Result<Printed> {
    let mut printed: Option<Printed> = None;
    for line in lines(reply) {
        let wrong = || wrong("@stats_print", line);
        let mut words = line.split_str(" ").filter(|w| !w.is_empty());
        let (start, len) = words.next().and_then(|w| w.split_once_str("+")).ok_or_else(wrong)?;
        let start = number(start).ok_or_else(wrong)?;
        let len = number(len).filter(|&l| l > 0).ok_or_else(wrong)?;
        let mut counters = [0; COUNTERS];
        for counter in &mut counters {
            *counter = words.next().and_then(number).ok_or_else(wrong)?;
        }
        for time in TIMES {
            counters[time] = counters[time].saturating_mul(timescale);
        }
        let all = printed.get_or_insert_with(|| Printed {
            start,
            step: len,
            ..Printed::default()
        });
        if bins > 0 {
            let before = all.samples.bins.len();
            for count in words.next().ok_or_else(wrong)?.split_str(":") {
                all.samples.bins.push(number(count).ok_or_else(wrong)?);
            }
            if all.samples.bins.len() - before != bins {
                return Err(wrong());
            }
        }
        all.len = start
            .checked_add(len)
            .and_then(|end| end.checked_sub(all.start))
            .ok_or_else(wrong)?;
        all.samples.counters.push(counters);
    }
    printed.ok_or_else(|| wrong("@stats_print", b""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn list_lines() {
        let reply = b"0: 0+100000 100000 prog -\n\
            1: 0+4096 1024 other user data\\x\n\
            2: 1024+2048 512 prog DMS_GROUP=\"my alias\":2,6#- precise_timestamps\n\
            4: 8192+8192 2048 - hist histogram:1,10,100\n\
            6: 0+1000 334 prog precise_timestamps precise_timestamps histogram:500000\n\
            7: 0+1000 334 prog x histogram:a,b\n";
        let regions = parse_list(reply).unwrap();
        let ids: Vec<u64> = regions.iter().map(Region::id).collect();
        assert_eq!(ids, [0, 1, 2, 4, 6, 7]);
        assert_eq!((regions[0].program_id(), regions[0].aux()), (&b"prog"[..], &b""[..]));
        assert_eq!(
            (regions[1].program_id(), regions[1].aux()),
            (&b"other"[..], &b"user data\\x"[..])
        );
        assert!(regions[2].precise() && !regions[1].precise());
        assert_eq!(regions[2].aux(), b"DMS_GROUP=\"my alias\":2,6#-");
        assert_eq!((regions[3].program_id(), regions[3].aux()), (&b""[..], &b"hist"[..]));
        assert_eq!(regions[3].bounds(), Some(&[1_000_000, 10_000_000, 100_000_000][..]));
        assert_eq!((regions[3].bins(), regions[3].areas(), regions[0].bins()), (4, 4, 0));
        assert_eq!(regions[4].aux(), b"precise_timestamps");
        assert!(regions[4].precise());
        assert_eq!(regions[4].bounds(), Some(&[500_000][..]));
        assert_eq!(regions[4].areas(), 3);
        assert_eq!((regions[5].aux(), regions[5].bins()), (&b"x histogram:a,b"[..], 0));
        assert_eq!(parse_list(b"").unwrap(), []);
    }

    #[test]
    fn wrong_list_lines() {
        for wrong in [
            &b"x"[..],
            b"0: 0+0 1 p -",
            b"0: 0+1 0 p -",
            b"0: 0+1",
            b"0: -1+1 1 p -",
            b"0: 0+99999999999999999999 1 p -",
            b"0: 0+1 1 p -\n\n1: 0+1 1 p -",
        ] {
            assert!(parse_list(wrong).is_err(), "{}", wrong.as_bstr());
        }
    }

    #[test]
    fn print_lines() {
        let reply = b"0+334 1 2 3 4 5 6 7 8 9 10 11 12 13 0:1\n668+334 0 0 0 0 0 0 0 0 0 0 0 0 0 2:3\n";
        let printed = parse_print(reply, 2, 1_000_000).unwrap();
        assert_eq!((printed.start, printed.step, printed.len), (0, 334, 1002));
        assert_eq!(
            printed.samples.counters[0],
            [
                1, 2, 3, 4_000_000, 5, 6, 7, 8_000_000, 9, 10_000_000, 11_000_000, 12_000_000, 13_000_000
            ]
        );
        assert_eq!(printed.samples.bins, [0, 1, 2, 3]);
        assert!(parse_print(reply, 3, 1).is_err());
        assert!(parse_print(b"", 0, 1).is_err());
        assert!(parse_print(b"0+1 1 2 3 4 5 6 7 8 9 10 11 12\n", 0, 1).is_err());
        assert!(parse_print(b"10+1 0 0 0 0 0 0 0 0 0 0 0 0 0\n0+1 0 0 0 0 0 0 0 0 0 0 0 0 0\n", 0, 1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes(reply in proptest::collection::vec(any::<u8>(), 0..120), bins in 0usize..4) {
            let _ = parse_list(&reply);
            let _ = parse_print(&reply, bins, 1_000_000);
        }

        #[test]
        fn any_line_of_the_alphabet(reply in "[0-9+: a,#\"\n-]{0,80}", bins in 0usize..4) {
            let _ = parse_list(reply.as_bytes());
            let _ = parse_print(reply.as_bytes(), bins, u64::MAX);
        }

        #[test]
        fn any_cut(cut in 0usize..400) {
            let list = b"0: 0+1000 334 prog DMS_GROUP=\"a b\":0#x precise_timestamps histogram:1,2,3\n1: 0+1 1 - -\n";
            let print = b"0+334 1 2 3 4 5 6 7 8 9 10 11 12 13 0:1\n334+334 0 0 0 0 0 0 0 0 0 0 0 0 0 2:3\n";
            let _ = parse_list(&list[..cut.min(list.len())]);
            let _ = parse_print(&print[..cut.min(print.len())], 2, 1);
        }

        #[test]
        fn printed_lines_are_parsed_back(
            rows in proptest::collection::vec(proptest::array::uniform13(0u64..1_000_000), 1..5),
        ) {
            let mut text = String::new();
            for (i, row) in rows.iter().enumerate() {
                let words: Vec<String> = row.iter().map(u64::to_string).collect();
                text += &format!("{}+8 {} {}:1\n", i * 8, words.join(" "), i);
            }
            let printed = parse_print(text.as_bytes(), 2, 1).unwrap();
            prop_assert_eq!(printed.len, rows.len() as u64 * 8);
            prop_assert_eq!(&printed.samples.counters, &rows);
            prop_assert_eq!(printed.samples.bins.len(), rows.len() * 2);
        }
    }
}
