//! Replies of the engine to `@stats_list` and `@stats_print`, and texts of a program: bounds, members.

use bstr::BString;
use libdevmapper::Error;
use libdevmapper::stats::{Binding, Channel, Counter, Histogram, Metric, NewRegion, Scope, Stats, Walk, histogram};

/// An engine that says what the input says.
struct Replies {
    list: BString,
    print: BString,
    other: BString,
}

impl Channel for Replies {
    fn message(&self, _: &Binding, message: &[u8]) -> Result<BString, Error> {
        assert!(!message.contains(&0));
        Ok(if message.starts_with(b"@stats_list") {
            self.list.clone()
        } else if message.starts_with(b"@stats_print") {
            self.print.clone()
        } else {
            self.other.clone()
        })
    }

    fn name(&self, _: &Binding) -> Option<BString> {
        Some("device".into())
    }

    fn supports_precise(&self) -> bool {
        true
    }

    fn is_dm_major(&self, _: u32) -> bool {
        true
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let [flags, list, print, other, bounds, members] = super::parts(bytes);
    let members = members.split(|&b| b == 0).next().unwrap_or_default();
    let mut flags = super::Reader(flags);
    let replies = Replies {
        list: list.into(),
        print: print.into(),
        other: other.into(),
    };
    let Ok(mut stats) = Stats::with_channel(Box::new(replies), Some(b"prog")) else {
        return;
    };
    stats.bind(Binding::Name("device".into()));
    stats.set_sampling_interval_ns(1 + u64::from(flags.number(4)));
    let (width, style) = (flags.number(4).cast_signed(), flags.byte());

    let bounds = histogram::parse_bounds(bounds).ok();
    let _ = stats.create_region(&NewRegion {
        bounds: bounds.as_deref(),
        precise: style & 1 == 1,
        aux: members,
        ..NewRegion::default()
    });
    if stats.list(Some(b"")).is_ok() {
        look(&mut stats, width, u32::from(style));
    }
    if stats.populate(Some(b"")).is_ok() {
        look(&mut stats, width, u32::from(style));
    }
    let _ = stats.create_group(members, Some(b"alias"));
    look(&mut stats, width, u32::from(style));
    let groups: Vec<u64> = stats.groups().map(|(id, _)| id).take(4).collect();
    for group in groups {
        let _ = stats.set_alias(group, members);
        let _ = stats.delete_group(group, style & 1 == 1);
    }
    let regions: Vec<u64> = stats.regions().map(|r| r.id()).take(4).collect();
    for region in regions {
        let _ = stats.delete_region(region);
    }
}

/// Asks for everything that a report shows.
fn look(stats: &mut Stats, width: i32, flags: u32) {
    let mut scopes = vec![Scope::Region(7), Scope::Group(7)];
    stats.walk_init(Walk {
        groups: true,
        skip_single_area: flags & 0x80 != 0,
        ..Walk::default()
    });
    stats.walk_start();
    // A region may have any number of areas.
    for _ in 0..64 {
        scopes.extend(stats.position());
        stats.walk_next();
    }
    for _ in 0..64 {
        scopes.extend(stats.position());
        stats.walk_next_region();
    }
    for (group, members) in stats.groups() {
        let _ = (members.descriptor(), members.alias());
        scopes.push(Scope::GroupArea { group, area: 0 });
    }
    for region in stats.regions() {
        assert!(region.areas() > 0 && region.step() > 0);
        let _ = (
            stats.alias(region.id()),
            region.aux(),
            region.program_id(),
            region.bounds(),
        );
    }
    for scope in scopes {
        let _ = (
            stats.start(scope),
            stats.offset(scope),
            stats.region_len(scope),
            stats.area_len(scope),
        );
        for counter in Counter::ALL {
            let _ = stats.counter(*counter, scope);
        }
        for metric in Metric::ALL {
            assert!(stats.metric(*metric, scope).is_some_and(f64::is_finite));
        }
        let _ = stats.utilization(scope);
        if let Some(bins) = stats.histogram(scope) {
            let histogram = Histogram::new(&bins);
            let _ = histogram.sum();
            for bin in [None, Some(0), Some(bins.len() - 1), Some(bins.len())] {
                let _ = histogram.format(bin, width, flags);
            }
            for bin in 0..bins.len() {
                let _ = (histogram.lower(bin), histogram.width(bin), histogram.percent(bin));
            }
        }
    }
}
