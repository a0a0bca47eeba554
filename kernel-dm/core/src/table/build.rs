//! From the lines of a client to a table.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use dm_abi::errno::Errno;
use zeroize::Zeroize;

use super::index::Index;
use super::pieces::FlushStep;
use super::{Line, OpenComponent, Segment, Table, TableError};
use crate::host::{Component, DevNo, DevSpec};
use crate::targets::TargetType;
use crate::targets::args::{self, Args, Given, Refusal};

/// Largest size of a device in sectors: its bytes fit in 63 bits.
const MAX_SECTORS: u64 = i64::MAX as u64 >> 9;

/// See [`Table::build`].
pub(super) fn build<'l, C>(
    open: &mut OpenComponent<'_, C>,
    lines: &mut dyn Iterator<Item = Line<'l>>,
    read_only: bool,
    given: Given,
) -> Result<Table<C>, TableError> {
    let mut components = Components {
        open,
        read_only,
        list: Vec::new(),
        by_number: BTreeMap::new(),
        by_path: BTreeMap::new(),
    };
    let mut segments: Vec<Segment> = Vec::new();
    let mut misplaced = None;
    let mut end = 0;
    for (index, line) in lines.enumerate() {
        let secret = TargetType::find(line.kind).is_some_and(|kind| kind.secret);
        let refuse = |refusal: Refusal| TableError {
            errno: refusal.errno,
            reason: format!(
                "line {} (`{} {} {} {}`): {}",
                index + 1,
                line.start,
                line.length,
                String::from_utf8_lossy(line.kind),
                String::from_utf8_lossy(if secret { b"..." } else { line.params }),
                refusal.reason
            ),
        };
        let segment = build_segment(&mut components, &line, end, given).map_err(refuse)?;
        end = segment.start + segment.length;
        // As on Linux, what one of the later lines gets wrong comes first.
        if misplaced.is_none() {
            misplaced = check_extents(&components.list, &segment).map_err(refuse).err();
        }
        segments.push(segment);
    }
    if let Some(error) = misplaced {
        return Err(error);
    }
    let refuse = |reason: &str| TableError {
        errno: Errno::EINVAL,
        reason: reason.into(),
    };
    if segments.is_empty() {
        return Err(refuse("the table has no lines"));
    }
    if end > MAX_SECTORS {
        return Err(refuse("the table is larger than the largest device"));
    }
    Ok(Table {
        index: Index::new(segments.iter().map(|segment| segment.start).collect(), end),
        flushes: FlushStep::plan(&segments),
        segments: segments.into_boxed_slice(),
        components: components.list.into_boxed_slice(),
        members: super::members::none(),
        read_only,
    })
}

fn build_segment<C>(
    components: &mut Components<'_, C>,
    line: &Line<'_>,
    end: u64,
    given: Given,
) -> Result<Segment, Refusal> {
    if line.start != end {
        let what = if line.start < end {
            "overlaps"
        } else {
            "leaves a gap after"
        };
        return Err(Refusal::invalid(format!("{what} the lines before, which end at {end}")));
    }
    if line.length == 0 {
        return Err(Refusal::invalid("has length 0"));
    }
    if line.start.checked_add(line.length).is_none() {
        return Err(Refusal::invalid("ends beyond the largest sector number"));
    }
    let kind = TargetType::find(line.kind).ok_or_else(|| Refusal::invalid("unknown target type"))?;
    let mut words = args::split(line.params);
    let target = kind.parse(&Args::new(&words, line.start, line.length, given), &mut |word| {
        components.get(word)
    });
    if kind.secret {
        words.zeroize();
    }
    let target = target?;
    Ok(Segment {
        start: line.start,
        length: line.length,
        target,
    })
}

/// Checks that a segment lies within its components.
///
/// A mapped device that has no live table yet has size 0 and is taken as it is, as on Linux: clients load stacked
/// tables before they resume the lower device. What it then cannot do fails when it is asked to do it.
fn check_extents<C>(components: &[Component<C>], segment: &Segment) -> Result<(), Refusal> {
    let mut fits = Ok(());
    segment.target.extents(segment.length, &mut |extent| {
        let component = &components[extent.component as usize];
        let size = match component {
            Component::Mapped { sectors: 0, .. } => MAX_SECTORS,
            _ => component.sectors(),
        };
        if extent.first.checked_add(extent.sectors).is_none_or(|end| end > size) {
            fits = Err(Refusal::invalid(format!(
                "sectors {}+{} are beyond the end of {}, which has {size}",
                extent.first,
                extent.sectors,
                component.dev(),
            )));
        }
    });
    fits
}

/// The components that were opened so far.
struct Components<'o, C> {
    open: &'o mut OpenComponent<'o, C>,
    read_only: bool,
    list: Vec<Component<C>>,
    by_number: BTreeMap<DevNo, u32>,
    by_path: BTreeMap<Box<[u8]>, u32>,
}

impl<C> Components<'_, C> {
    fn get(&mut self, word: &[u8]) -> Result<u32, Refusal> {
        let spec = args::device(word)?;
        let known = match spec {
            DevSpec::Number(dev) => self.by_number.get(&dev),
            DevSpec::Path(path) => self.by_path.get(path),
        };
        if let Some(&index) = known {
            return Ok(index);
        }
        let component = (self.open)(spec, self.read_only).map_err(|errno| Refusal {
            errno,
            reason: format!("cannot use {}: {errno}", String::from_utf8_lossy(word)),
        })?;
        let next = u32::try_from(self.list.len()).map_err(|_| Refusal::invalid("too many components"))?;
        let index = *self.by_number.entry(component.dev()).or_insert(next);
        if index == next {
            self.list.push(component);
        }
        if let DevSpec::Path(path) = spec {
            self.by_path.insert(path.into(), index);
        }
        Ok(index)
    }
}
