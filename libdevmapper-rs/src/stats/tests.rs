//! Handles against a small engine.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bstr::{BString, ByteSlice};

use super::*;
use crate::percent::Percent;

/// A region of the small engine.
pub(super) struct Kept {
    start: u64,
    len: u64,
    step: u64,
    program: BString,
    aux: BString,
    options: String,
    bins: usize,
}

#[derive(Default)]
pub(super) struct Engine {
    pub regions: BTreeMap<u64, Kept>,
    sent: Vec<BString>,
    /// A message that begins so is refused.
    pub refuse: Option<&'static str>,
    /// Writes and histogram counts of each area.
    writes: u64,
}

const DEVICE_LEN: u64 = 100_000;

/// Words of a message: backslashes escape.
fn words(message: &[u8]) -> Vec<BString> {
    let mut words = Vec::new();
    let mut word: Option<BString> = None;
    let mut bytes = message.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

impl Engine {
    fn answer(&mut self, message: &[u8]) -> Option<BString> {
        self.sent.push(message.into());
        if self.refuse.is_some_and(|r| message.starts_with(r.as_bytes())) {
            return None;
        }
        let words = words(message);
        let mut words = words.iter();
        let command = words.next()?;
        if command == "@stats_list" {
            let program = words.next();
            let lines = self
                .regions
                .iter()
                .filter(|(_, r)| program.is_none_or(|p| *p == r.program))
                .map(|(id, r)| {
                    format!(
                        "{id}: {}+{} {} {} {}{}\n",
                        r.start, r.len, r.step, r.program, r.aux, r.options
                    )
                });
            return Some(lines.collect::<String>().into());
        }
        if command == "@stats_create" {
            let range = words.next()?;
            let (start, len) = match range.split_once_str("+") {
                Some((start, len)) => (number(start)?, number(len)?),
                None => (0, DEVICE_LEN),
            };
            let step = words.next()?;
            let step = match step.strip_prefix(b"/") {
                Some(areas) => len.div_ceil(number(areas)?),
                None => number(step)?,
            };
            let mut rest: Vec<&BString> = words.collect();
            let (mut options, mut bins) = (String::new(), 0);
            if let Some(count) = rest.first().and_then(|w| w.to_str().ok()?.parse::<usize>().ok()) {
                for option in &rest[1..=count] {
                    options += &format!(" {option}");
                    if option.starts_with(b"histogram:") {
                        bins = option.split_str(",").count() + 1;
                    }
                }
                rest.drain(..=count);
            }
            if rest.len() > 2 || len == 0 || step == 0 {
                return None;
            }
            let text = |i: usize| rest.get(i).map_or_else(|| "-".into(), |&w| w.clone());
            let kept = Kept {
                start,
                len,
                step,
                program: text(0),
                aux: text(1),
                options,
                bins,
            };
            let id = (0..).find(|id| !self.regions.contains_key(id))?;
            self.regions.insert(id, kept);
            return Some(id.to_string().into());
        }
        let id = number(words.next()?)?;
        let region = self.regions.get_mut(&id)?;
        match command.as_slice() {
            b"@stats_delete" => drop(self.regions.remove(&id)),
            b"@stats_set_aux" => {
                region.aux = words.next()?.clone();
                if words.next().is_some() {
                    return None;
                }
            }
            b"@stats_print" | b"@stats_print_clear" => {
                let mut text = String::new();
                for area in 0..region.len.div_ceil(region.step) {
                    let start = region.start + area * region.step;
                    text += &format!("{start}+{} 4 1 256 2 {} 1 1024 3 0 5 6 7 8", region.step, self.writes);
                    if region.bins > 0 {
                        text += &format!(" {}{}", self.writes, ":0".repeat(region.bins - 1));
                    }
                    text.push('\n');
                }
                return Some(text.into());
            }
            _ => {}
        }
        Some(BString::default())
    }
}

struct Fake(Rc<RefCell<Engine>>);

impl Channel for Fake {
    fn message(&self, _device: &Binding, message: &[u8]) -> Result<BString> {
        let answer = self.0.borrow_mut().answer(message);
        answer.ok_or_else(|| Error::Invalid("refused".into()))
    }

    fn name(&self, _device: &Binding) -> Option<BString> {
        Some("st".into())
    }

    fn supports_precise(&self) -> bool {
        true
    }

    fn is_dm_major(&self, _major: u32) -> bool {
        true
    }
}

pub(super) fn handle() -> (Stats, Rc<RefCell<Engine>>) {
    let engine = Rc::new(RefCell::new(Engine {
        writes: 8,
        ..Engine::default()
    }));
    let mut stats = Stats::with_channel(Box::new(Fake(Rc::clone(&engine))), Some(b"prog")).unwrap();
    stats.bind(Binding::Name("st".into()));
    (stats, engine)
}

const SECOND: u64 = 1_000_000_000;

/// Regions 0 (1 area), 1 (4), 2 (4), 3 (1), 4 (4), 5 (2), 6 (1); 3, 4 and 5 have histograms.
fn seven() -> (Stats, Rc<RefCell<Engine>>) {
    let (mut stats, engine) = handle();
    let bounds = [SECOND, 2 * SECOND];
    let histogram = Some(&bounds[..]);
    let region = |start, len, step, bounds, aux| NewRegion {
        start,
        len,
        step,
        bounds,
        aux,
        ..NewRegion::default()
    };
    for region in [
        region(0, 0, Step::Areas(1), None, &b""[..]),
        region(0, 4096, Step::Sectors(1024), None, b"user data\\x"),
        region(1024, 2048, Step::Areas(4), None, b"a"),
        region(50_000, 100, Step::Areas(1), histogram, b"-"),
        region(8192, 8192, Step::Sectors(2048), histogram, b"hist"),
        region(20_000, 2000, Step::Sectors(1500), histogram, b"five"),
        region(30_000, 10, Step::Areas(1), None, b"six"),
    ] {
        stats.create_region(&region).unwrap();
    }
    stats.list(None).unwrap();
    engine.borrow_mut().sent.clear();
    (stats, engine)
}

pub(super) fn sent(engine: &RefCell<Engine>) -> Vec<String> {
    engine.borrow_mut().sent.drain(..).map(|m| m.to_string()).collect()
}

fn places(stats: &mut Stats, walk: Walk) -> Vec<String> {
    stats.walk_init(walk);
    stats.walk_start();
    let mut places = Vec::new();
    while let Some(at) = stats.position() {
        places.push(match at {
            Scope::Area { region, area } => format!("{region}/{area}"),
            Scope::Region(id) => format!("{id}"),
            Scope::Group(id) => format!("g{id}"),
            Scope::GroupArea { .. } => unreachable!(),
        });
        stats.walk_next();
    }
    places
}

#[test]
fn unbound_and_empty() {
    let (mut stats, engine) = handle();
    stats.list(None).unwrap();
    assert!(!stats.is_listed());
    assert!(stats.populate(None).is_err());
    assert!(stats.delete_region(0).is_err());
    assert!(stats.create_group(b"0", None).is_err());
    assert!(
        places(
            &mut stats,
            Walk {
                groups: true,
                ..Walk::default()
            }
        )
        .is_empty()
    );
    assert_eq!((stats.regions().len(), stats.groups().len()), (0, 0));
    sent(&engine);
    stats.bind(Binding::DevNo { major: 0, minor: 1 });
    assert!(stats.list(None).is_err());
    assert!(stats.create_region(&NewRegion::default()).is_err());
    assert!(stats.clear_region(0).is_err());
    assert!(sent(&engine).is_empty());
    assert!(stats.set_program_id(b"", false).is_err());
    stats.set_program_id(b"", true).unwrap();
}

#[test]
fn listed_regions() {
    let (stats, _) = seven();
    let areas: Vec<u64> = stats.regions().map(Region::areas).collect();
    assert_eq!(areas, [1, 4, 4, 1, 4, 2, 1]);
    assert_eq!(stats.region(1).unwrap().aux(), b"user data\\x");
    assert_eq!(stats.region(3).unwrap().aux(), b"");
    assert_eq!(stats.region(4).unwrap().bins(), 3);
    assert_eq!(stats.alias(4).unwrap(), b"st");
    assert_eq!(stats.start(Scope::Area { region: 4, area: 1 }), Some(10240));
    assert_eq!(stats.offset(Scope::Area { region: 4, area: 1 }), Some(2048));
    assert_eq!(
        (stats.offset(Scope::Region(4)), stats.area_len(Scope::Region(4))),
        (Some(0), Some(8192))
    );
    assert_eq!(stats.start(Scope::Region(9)), None);
}

#[test]
fn groups() {
    let (mut stats, engine) = seven();
    assert_eq!(stats.create_group(b"0-1,4", Some(b"my alias")).unwrap(), 0);
    assert_eq!(sent(&engine), ["@stats_set_aux 0 DMS_GROUP=\"my\\ alias\":0-1,4#- "]);
    assert!(stats.create_group(b"4,5", None).is_err());
    assert!(stats.create_group(b"5,7", None).is_err());
    assert!(stats.create_group(b"", None).is_err());
    assert!(stats.create_group(b"5,6", Some(b"a:b")).is_err());
    assert!(sent(&engine).is_empty());
    assert_eq!(stats.create_group(b"6,5", None).unwrap(), 5);
    assert_eq!(sent(&engine), ["@stats_set_aux 5 DMS_GROUP=:5-6#five "]);

    // What the engine keeps says the same.
    let before: Vec<(u64, Group)> = stats.groups().map(|(id, g)| (id, g.clone())).collect();
    stats.list(None).unwrap();
    let after: Vec<(u64, Group)> = stats.groups().map(|(id, g)| (id, g.clone())).collect();
    assert_eq!(before, after);
    assert_eq!(stats.region(5).unwrap().aux(), b"five");
    assert_eq!(
        (stats.region(4).unwrap().group(), stats.region(2).unwrap().group()),
        (Some(0), None)
    );
    assert_eq!(
        (stats.alias(4), stats.alias(5)),
        (Some(&b"my alias"[..]), Some(&b"st"[..]))
    );
    assert_eq!(stats.region_len(Scope::Group(0)), Some(DEVICE_LEN + 4096 + 8192));
    assert_eq!(stats.region_len(Scope::Group(1)), None);

    sent(&engine);
    stats.set_alias(0, b"new alias").unwrap();
    assert!(stats.set_alias(1, b"x").is_err());
    assert!(stats.set_alias(2, b"x").is_err());
    stats.delete_region(1).unwrap();
    stats.delete_region(0).unwrap();
    assert_eq!(
        sent(&engine),
        [
            "@stats_set_aux 0 DMS_GROUP=\"new\\ alias\":0-1,4#- ",
            "@stats_set_aux 0 DMS_GROUP=\"new\\ alias\":0,4#- ",
            "@stats_delete 1",
            "@stats_set_aux 0 - ",
            "@stats_delete 0",
        ]
    );
    assert_eq!((stats.region(4).unwrap().group(), stats.groups().len()), (None, 1));
    assert!(stats.delete_region(0).is_err());

    assert!(stats.delete_group(4, false).is_err());
    assert!(stats.delete_group(99, false).is_err());
    sent(&engine);
    stats.delete_group(5, false).unwrap();
    assert_eq!(sent(&engine), ["@stats_set_aux 5 five "]);
    stats.create_group(b"2-4", None).unwrap();
    stats.delete_group(2, true).unwrap();
    assert_eq!(
        sent(&engine)[1..],
        ["@stats_delete 4", "@stats_delete 3", "@stats_delete 2"]
    );
    let left: Vec<u64> = stats.regions().map(Region::id).collect();
    assert_eq!(left, [5, 6]);
}

#[test]
fn refusals_change_nothing() {
    let (mut stats, engine) = seven();
    engine.borrow_mut().refuse = Some("@stats_set_aux");
    assert!(stats.create_group(b"0-1", None).is_err());
    assert_eq!((stats.groups().len(), stats.region(1).unwrap().group()), (0, None));
    engine.borrow_mut().refuse = None;
    stats.create_group(b"0-1", Some(b"old")).unwrap();
    engine.borrow_mut().refuse = Some("@stats_set_aux");
    assert!(stats.set_alias(0, b"new").is_err());
    assert_eq!(stats.alias(1).unwrap(), b"old");
    assert!(stats.delete_region(1).is_err());
    assert!(stats.delete_group(0, false).is_err());
    assert_eq!(
        (stats.group(0).unwrap().descriptor(), stats.regions().len()),
        ("0-1".into(), 7)
    );
}

#[test]
fn deletion_without_listing() {
    let (mut stats, engine) = seven();
    stats.bind(Binding::Name("st".into()));
    stats.delete_region(6).unwrap();
    assert_eq!(sent(&engine), ["@stats_list prog", "@stats_delete 6"]);
    assert!(!stats.is_listed());
    assert!(stats.delete_region(6).is_err());
    assert!(!stats.is_listed());
}

#[test]
fn mixed_histograms_are_not_grouped() {
    let (mut stats, _) = seven();
    let other = NewRegion {
        bounds: Some(&[SECOND]),
        ..NewRegion::default()
    };
    let id = stats.create_region(&other).unwrap();
    stats.list(None).unwrap();
    assert!(stats.create_group(format!("4,{id}").as_bytes(), None).is_err());
}

#[test]
fn tags_that_are_wrong() {
    let (mut stats, engine) = seven();
    {
        let mut engine = engine.borrow_mut();
        let mut aux = |id, text: &str| engine.regions.get_mut(&id).unwrap().aux = text.into();
        aux(0, "DMS_GROUP=\"a\":0,5-99999999999999#-");
        aux(1, "DMS_GROUP=\"a\":2-3#u");
        aux(2, "DMS_GROUP=nonsense#u");
    }
    stats.list(None).unwrap();
    assert_eq!(stats.groups().map(|(id, _)| id).collect::<Vec<_>>(), [0]);
    assert_eq!(stats.group(0).unwrap().descriptor(), "0,5-6");
    assert_eq!(stats.region(1).unwrap().aux(), b"u");
}

#[test]
fn walks() {
    let (mut stats, _) = seven();
    let none = Walk {
        areas: false,
        regions: false,
        groups: false,
        skip_single_area: false,
    };
    assert_eq!(places(&mut stats, Walk { groups: true, ..none }), [""; 0]);
    stats.create_group(b"0-1", None).unwrap();
    stats.create_group(b"4-5", None).unwrap();
    let areas = [
        "0/0", "1/0", "1/1", "1/2", "1/3", "2/0", "2/1", "2/2", "2/3", "3/0", "4/0", "4/1", "4/2", "4/3", "5/0", "5/1",
        "6/0",
    ];
    assert_eq!(places(&mut stats, Walk { areas: true, ..none }), areas);
    assert_eq!(
        places(&mut stats, Walk { regions: true, ..none }),
        ["0", "1", "2", "3", "4", "5", "6"]
    );
    let skip = Walk {
        regions: true,
        skip_single_area: true,
        ..none
    };
    assert_eq!(places(&mut stats, skip), ["1", "2", "4", "5"]);
    assert_eq!(places(&mut stats, Walk { groups: true, ..none }), ["g0", "g4"]);
    let all = places(
        &mut stats,
        Walk {
            areas: true,
            groups: true,
            ..skip
        },
    );
    assert_eq!(all, [&areas[..], &["1", "2", "4", "5", "g0", "g4"]].concat());
    assert_eq!(places(&mut stats, none), [""; 0]);

    // Region by region.
    let jump = |stats: &mut Stats, walk| {
        stats.walk_init(walk);
        stats.walk_start();
        let mut count = 0;
        while stats.position().is_some() {
            count += 1;
            stats.walk_next_region();
        }
        count
    };
    assert_eq!(jump(&mut stats, Walk { areas: true, ..none }), 1);
    assert_eq!(
        jump(
            &mut stats,
            Walk {
                areas: true,
                regions: true,
                ..none
            }
        ),
        7
    );
    assert_eq!(
        jump(
            &mut stats,
            Walk {
                areas: true,
                groups: true,
                ..none
            }
        ),
        3
    );
    assert_eq!(
        jump(
            &mut stats,
            Walk {
                areas: true,
                groups: true,
                ..skip
            }
        ),
        1 + 4 + 2
    );

    // A region that goes while the walk is there.
    stats.walk_init(Walk { areas: true, ..none });
    stats.walk_start();
    stats.walk_next();
    stats.delete_region(1).unwrap();
    stats.walk_next();
    assert_eq!(stats.position(), Some(Scope::Area { region: 2, area: 0 }));
}

#[test]
fn counters_and_metrics() {
    let (mut stats, engine) = seven();
    stats.create_group(b"0-1,4", None).unwrap();
    stats.create_group(b"5-6", None).unwrap();
    assert_eq!(stats.counter(Counter::Writes, Scope::Region(4)), 0);
    stats.populate(None).unwrap();
    assert_eq!(sent(&engine).last().unwrap(), "@stats_print_clear 6 ");
    let area = Scope::Area { region: 4, area: 3 };
    assert_eq!(stats.counter(Counter::Writes, area), 8);
    assert_eq!(stats.counter(Counter::WriteNsecs, area), 3_000_000);
    assert_eq!(stats.counter(Counter::Writes, Scope::Area { region: 4, area: 4 }), 0);
    assert_eq!(stats.counter(Counter::Writes, Scope::Region(4)), 32);
    assert_eq!(stats.counter(Counter::Writes, Scope::Group(0)), 8 * 9);
    assert_eq!(
        stats.counter(Counter::Writes, Scope::GroupArea { group: 0, area: 1 }),
        16
    );
    assert_eq!(stats.region(5).unwrap().len(), 3000);

    assert_eq!(stats.metric(Metric::ReadsPerSec, area), None);
    stats.set_sampling_interval_ns(SECOND);
    let value = |metric| stats.metric(metric, area).unwrap();
    assert_eq!(value(Metric::ReadMergesPerSec), 1e-9);
    assert_eq!((value(Metric::ReadsPerSec), value(Metric::WritesPerSec)), (4.0, 8.0));
    assert_eq!(
        (value(Metric::ReadSectorsPerSec), value(Metric::WriteSectorsPerSec)),
        (256.0, 1024.0)
    );
    assert_eq!(format!("{:.6}", value(Metric::AverageRequestSize)), "106.666667");
    assert_eq!(value(Metric::Throughput), 12.0);
    assert_eq!(
        (value(Metric::AverageReadWaitTime), value(Metric::AverageWriteWaitTime)),
        (500_000.0, 375_000.0)
    );
    assert_eq!(value(Metric::Utilization), 0.005);
    assert_eq!(value(Metric::ServiceTime), 0.0);
    assert_eq!(stats.utilization(area), Some(Percent(500_000)));

    let counts = |scope| {
        stats
            .histogram(scope)
            .unwrap()
            .iter()
            .map(|b| b.count)
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(area), [8, 0, 0]);
    assert_eq!(counts(Scope::Region(4)), [32, 0, 0]);
    // The second member has no histogram.
    assert_eq!(counts(Scope::Group(5)), [16, 0, 0]);
    assert_eq!(stats.histogram(Scope::Region(4)).unwrap()[2].upper, u64::MAX);
    assert_eq!(stats.histogram(Scope::Group(0)), None);
}

#[test]
fn service_time_and_utilization() {
    let (mut stats, _) = seven();
    stats.populate(None).unwrap();
    // 5 ms of 10 ms, 12 requests.
    stats.set_sampling_interval_ns(10_000_000);
    let area = Scope::Area { region: 4, area: 0 };
    let time = stats.metric(Metric::ServiceTime, area).unwrap();
    assert_eq!(time, 1e9 * f64::from(50.0_f32 / 1e6) / (100.0 * 1200.0));
    stats.set_sampling_interval_ns(1_000_000);
    assert_eq!(stats.utilization(area), Some(Percent::HUNDRED));
}

#[test]
fn populating_one_region() {
    let (mut stats, engine) = seven();
    stats.populate_region(4).unwrap();
    assert_eq!(sent(&engine), ["@stats_print_clear 4 "]);
    assert_eq!(stats.counter(Counter::Writes, Scope::Region(1)), 0);
    assert!(stats.populate_region(9).is_err());
    assert!(!stats.is_listed());
    assert!(stats.populate_region(4).is_err());
}

#[test]
fn names() {
    let stats = Stats::with_channel(Box::new(Fake(Rc::default())), None).unwrap();
    assert!(!stats.program_id().is_empty() && !stats.program_id().ends_with(b"\n"));
}
