//! `mirror LOG NLOG logarg{NLOG} NLEGS (DEV OFFSET){NLEGS} [NF feature...]`: the old mirror, with a log of its regions.
//!
//! Logs are `core REGION [sync|nosync]` and `disk DEV REGION [sync|nosync]`; features are handle_errors and keep_log.
//! What it does is in [`crate::mirrors`].

use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::args::{self, Args, Refusal};
use super::{Devices, Extent, FlushRule, Joins, Open, Part, TargetKind};
use crate::io::Verb;
use crate::mirrors::{Line, LogKind, MAX_LEGS, Start, log};

/// All legs have the same data.
#[derive(Debug)]
pub struct Mirror {
    line: Line,
}

impl TargetKind for Mirror {
    const NAME: &'static str = "mirror";
    const VERSION: [u32; 3] = [1, 14, 0];
    const MACHINE: bool = true;
    const FLUSH: FlushRule = FlushRule::Ask;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        let count: usize = args.number(1, "number of log arguments")?;
        let words = args
            .rest(2)
            .get(..count)
            .ok_or_else(|| Refusal::invalid("fewer log arguments than announced"))?;
        let (on_disk, words) = match (args.word(0), words) {
            (b"core", words) => (None, words),
            (b"disk", [device, words @ ..]) => (Some(device), words),
            (b"disk", []) => return Err(Refusal::invalid("the log has no device")),
            (other, _) => return Err(args::bad("type of a log", other)),
        };
        let (region, start) = log_words(words, args.length)?;
        let log = match on_disk {
            None => LogKind::Core,
            Some(device) => LogKind::Disk(open(device)?),
        };
        let rest = args.rest(2 + count);
        let [count, rest @ ..] = rest else {
            return Err(Refusal::invalid("no number of legs"));
        };
        let count = args::number(count)
            .filter(|count| (2..=MAX_LEGS).contains(count))
            .ok_or_else(|| args::bad("number of legs", count))?;
        let (devices, rest) = rest
            .split_at_checked(2 * count)
            .ok_or_else(|| Refusal::invalid("fewer legs than announced"))?;
        let mut legs = Vec::with_capacity(count);
        for leg in devices.chunks_exact(2) {
            let offset = args::number(&leg[1]).ok_or_else(|| args::bad("offset", &leg[1]))?;
            legs.push((open(&leg[0])?, offset));
        }
        let (handle_errors, keep_log) = features(rest)?;
        Ok(Self {
            line: Line {
                log,
                region,
                start,
                legs,
                handle_errors,
                keep_log,
            },
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let line = &self.line;
        let words = usize::from(line.start != Start::Unknown);
        match line.log {
            LogKind::Core => write!(out, "core {} {}", 1 + words, line.region)?,
            LogKind::Disk(device) => write!(out, "disk {} {} {}", 2 + words, devices(device), line.region)?,
        }
        match line.start {
            Start::Unknown => {}
            Start::Sync => out.write_str(" sync")?,
            Start::NoSync => out.write_str(" nosync")?,
        }
        write!(out, " {}", line.legs.len())?;
        for &(device, offset) in &line.legs {
            write!(out, " {} {offset}", devices(device))?;
        }
        match (line.handle_errors, line.keep_log) {
            (true, true) => out.write_str(" 2 handle_errors keep_log"),
            (true, false) => out.write_str(" 1 handle_errors"),
            (false, _) => Ok(()),
        }
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        let region = self.line.region;
        (part.left().min(region - part.next() % region), Verb::Ask)
    }

    /// The machine flushes all legs: it is asked once, with the last of them.
    fn flush(&self, _: u32, nth: u32, _: u64) -> Verb {
        let log = usize::from(matches!(self.line.log, LogKind::Disk(_)));
        if nth as usize + 1 == self.line.legs.len() + log {
            Verb::Ask
        } else {
            Verb::Drop
        }
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        if let LogKind::Disk(component) = self.line.log {
            f(Extent {
                component,
                first: 0,
                sectors: log::sectors(length.div_ceil(self.line.region)),
            });
        }
        for &(component, first) in &self.line.legs {
            f(Extent {
                component,
                first,
                sectors: length,
            });
        }
    }

    fn joins(&self) -> Option<Joins> {
        Some(Joins::Mirror(self.line.clone()))
    }
}

/// `REGION [sync|nosync]`.
fn log_words(words: &[Vec<u8>], length: u64) -> Result<(u64, Start), Refusal> {
    let (region, start) = match words {
        [region] => (region, Start::Unknown),
        [region, word] => {
            let start = match word.as_slice() {
                b"sync" => Start::Sync,
                b"nosync" => Start::NoSync,
                word => return Err(args::bad("word about synchronisation", word)),
            };
            (region, start)
        }
        _ => return Err(Refusal::invalid("a wrong number of log arguments")),
    };
    let size = args::number::<u32>(region)
        .map(u64::from)
        .filter(|size| size.is_power_of_two() && *size >= 2 && *size <= length)
        .ok_or_else(|| args::bad("region size", region))?;
    Ok((size, start))
}

/// Reads `COUNT word...` at the end of the line.
fn features(words: &[Vec<u8>]) -> Result<(bool, bool), Refusal> {
    let [count, words @ ..] = words else {
        return Ok((false, false));
    };
    if args::number(count) != Some(words.len()) {
        return Err(args::bad("number of feature arguments", count));
    }
    let (mut handle_errors, mut keep_log) = (false, false);
    for word in words {
        match word.as_slice() {
            b"handle_errors" => handle_errors = true,
            b"keep_log" => keep_log = true,
            _ => return Err(args::bad("feature", word)),
        }
    }
    if keep_log && !handle_errors {
        return Err(Refusal::invalid("keep_log needs handle_errors"));
    }
    Ok((handle_errors, keep_log))
}
