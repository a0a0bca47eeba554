//! Tables for the stock driver. It checks next to nothing: what it cannot take crashes the kernel at once or at the first
//! I/O, so every line is checked here as Linux would check it.

use std::collections::BTreeMap;

use dm_abi::errno::Errno;
use dm_abi::plist::reply::TypeVersion;
use dm_abi::plist::request::Line;

use super::{Result, Stock};
use crate::task::DevNo;
use crate::transport::Failure;

/// Longest component path that the driver keeps, in bytes without NUL.
const PATH_MAX: usize = 31;
/// Longest parameters, in bytes without NUL.
const PARAMS_MAX: usize = 1023;
/// Most stripes.
const STRIPES_MAX: usize = 15;
/// Most stripes of the driver that has `error` and `zero` in modules of their own.
const OLD_STRIPES_MAX: usize = 4;
/// Target types of the driver that work, where it lists them. A type that is not listed is never tried: the old modules of
/// `error` and `zero` crash the kernel as soon as it loads them.
const WORKING: [&[u8]; 4] = [b"linear", b"striped", b"error", b"zero"];

/// What is known about the driver while a table is prepared.
struct Known {
    types: Vec<TypeVersion>,
    /// See [`Stock::held`].
    held: BTreeMap<DevNo, Option<Vec<u8>>>,
    /// Paths that were found and may be opened, with their sizes in sectors.
    found: BTreeMap<DevNo, (Vec<u8>, Option<u64>)>,
}

impl Known {
    fn has_type(&self, kind: &[u8]) -> bool {
        self.types.iter().any(|entry| entry.name == kind)
    }

    fn stripes_max(&self) -> usize {
        match self.has_type(b"error") && self.has_type(b"zero") {
            true => STRIPES_MAX,
            false => OLD_STRIPES_MAX,
        }
    }
}

/// A refusal and its reason.
type Refusal = (Errno, String);

fn refuse<T>(errno: Errno, reason: impl Into<String>) -> std::result::Result<T, Refusal> {
    Err((errno, reason.into()))
}

fn invalid<T>(reason: impl Into<String>) -> std::result::Result<T, Refusal> {
    refuse(Errno::EINVAL, reason)
}

fn words(params: &[u8]) -> Vec<&[u8]> {
    params
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Decimal digits and nothing else.
fn decimal(word: &[u8]) -> Option<u64> {
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(word).ok()?.parse().ok())?
}

/// `major:minor`.
pub(super) fn pair(word: &[u8]) -> Option<DevNo> {
    let (major, minor) = std::str::from_utf8(word).ok()?.split_once(':')?;
    let number = |text: &str| decimal(text.as_bytes()).and_then(|n| u32::try_from(n).ok());
    Some(DevNo {
        major: number(major)?,
        minor: number(minor)?,
    })
}

/// Where the words of a target name components.
fn positions(kind: &[u8], count: usize) -> Vec<usize> {
    match kind {
        b"linear" => vec![0],
        b"striped" => (2..count).step_by(2).collect(),
        _ => Vec::new(),
    }
}

/// The components that a line names, as it names them.
pub(super) fn devices<'a>(kind: &[u8], params: &'a [u8]) -> Vec<&'a [u8]> {
    let words = words(params);
    positions(kind, words.len())
        .into_iter()
        .filter_map(|at| words.get(at).copied())
        .collect()
}

impl Stock {
    /// The number of a component that a table names by number or path.
    pub(super) fn number(&self, word: &[u8]) -> std::result::Result<DevNo, Errno> {
        match pair(word) {
            Some(dev) => Ok(dev),
            None => self.machine.number(word),
        }
    }

    /// The driver's parameters with components as `major:minor`, as Linux prints them.
    pub(super) fn numbered(&self, kind: &[u8], params: &[u8]) -> Vec<u8> {
        let words = words(params);
        let places = positions(kind, words.len());
        let mut out = Vec::with_capacity(params.len());
        for (at, word) in words.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            match self.number(word) {
                Ok(dev) if places.contains(&at) => out.extend_from_slice(dev.to_string().as_bytes()),
                _ => out.extend_from_slice(word),
            }
        }
        out
    }

    /// Checks a table as Linux would and writes it as the driver needs it, with components by path.
    pub(super) fn prepared(&self, minor: u32, lines: &[Line]) -> Result<Vec<Line>> {
        let mut known = Known {
            types: self.types()?,
            held: self.held()?,
            found: BTreeMap::new(),
        };
        let mut next = 0;
        let mut prepared = Vec::with_capacity(lines.len());
        for line in lines {
            match self.line(minor, &mut next, &mut known, line) {
                Ok(params) => prepared.push(Line { params, ..line.clone() }),
                Err((errno, reason)) => {
                    crate::log_notice!("{} {} {}: {reason}.", line.start, line.length, super::shown(&line.kind));
                    return Err(Failure::Refused(errno));
                }
            }
        }
        if prepared.is_empty() {
            crate::log_notice!("A table needs at least one line.");
            return Err(Failure::Refused(Errno::EINVAL));
        }
        Ok(prepared)
    }

    /// The parameters of a line for the driver. `next` is where the line has to begin.
    fn line(
        &self,
        minor: u32,
        next: &mut u64,
        known: &mut Known,
        line: &Line,
    ) -> std::result::Result<Vec<u8>, Refusal> {
        if line.length == 0 || line.start != *next {
            return invalid("lines have to follow each other without gap");
        }
        *next = match line.start.checked_add(line.length) {
            Some(next) => next,
            None => return invalid("the table is too long"),
        };
        if !known.has_type(&line.kind) {
            return invalid("unknown target type");
        }
        if !WORKING.contains(&line.kind.as_slice()) {
            return invalid("a target type of NetBSD's stock driver that does not work");
        }
        let words = words(&line.params);
        let params = match (line.kind.as_slice(), words.as_slice()) {
            (b"error", _) | (b"zero", []) => Vec::new(),
            (b"zero", _) => return invalid("zero takes no parameters"),
            (b"linear", [dev, offset]) => {
                let (path, offset) = self.extent(minor, known, dev, offset, line.length)?;
                [path.as_slice(), b" ", offset].concat()
            }
            (b"linear", _) => return invalid("linear takes a device and an offset"),
            (_, [count, chunk, rest @ ..]) => self.striped(minor, known, line.length, count, chunk, rest)?,
            _ => {
                return invalid("striped takes a number of stripes, a chunk size, and a device and an offset for each");
            }
        };
        if params.len() > PARAMS_MAX {
            return invalid(format!(
                "the parameters have more than the {PARAMS_MAX} bytes of NetBSD's stock driver"
            ));
        }
        Ok(params)
    }

    fn striped(
        &self,
        minor: u32,
        known: &mut Known,
        length: u64,
        count: &[u8],
        chunk: &[u8],
        rest: &[&[u8]],
    ) -> std::result::Result<Vec<u8>, Refusal> {
        let Some(stripes) = decimal(count).filter(|&stripes| stripes > 0) else {
            return invalid("the number of stripes is wrong");
        };
        if !rest.len().is_multiple_of(2) || u64::try_from(rest.len() / 2) != Ok(stripes) {
            return invalid("there has to be a device and an offset for each stripe");
        }
        let most = known.stripes_max();
        if rest.len() / 2 > most {
            return invalid(format!("NetBSD's stock driver takes at most {most} stripes"));
        }
        let Some(sectors) = decimal(chunk).filter(|&sectors| sectors > 0 && u32::try_from(sectors).is_ok()) else {
            return invalid("the chunk size is wrong");
        };
        if !length.is_multiple_of(stripes) || !(length / stripes).is_multiple_of(sectors) {
            return invalid("the length is not a multiple of stripes and chunks");
        }
        let mut out = format!("{stripes} {sectors}").into_bytes();
        for extent in rest.chunks_exact(2) {
            if let [dev, offset] = extent {
                let (path, offset) = self.extent(minor, known, dev, offset, length / stripes)?;
                for part in [b" ".as_slice(), &path, b" ", offset] {
                    out.extend_from_slice(part);
                }
            }
        }
        Ok(out)
    }

    /// A component by path, and its offset.
    fn extent<'o>(
        &self,
        minor: u32,
        known: &mut Known,
        dev: &[u8],
        offset: &'o [u8],
        length: u64,
    ) -> std::result::Result<(Vec<u8>, &'o [u8]), Refusal> {
        let shown = super::shown(dev);
        let Some(first) = decimal(offset) else {
            return invalid(format!("the offset on {shown} is no number"));
        };
        let number = match self.number(dev) {
            Ok(number) => number,
            Err(errno) => return refuse(errno, format!("{shown} is no block device")),
        };
        let (path, size) = match known.found.get(&number) {
            Some(found) => found.clone(),
            None => {
                let found = self.component(minor, known, dev, number)?;
                known.found.insert(number, found.clone());
                found
            }
        };
        let end = first.checked_add(length);
        match (end, size) {
            (None, _) => invalid(format!("the offset on {shown} is too large")),
            (Some(end), Some(size)) if end > size => {
                invalid(format!("{shown} has {size} sectors and ends before the line does"))
            }
            _ => Ok((path, offset)),
        }
    }

    /// Path and size of a component that the driver can open.
    fn component(
        &self,
        minor: u32,
        known: &Known,
        dev: &[u8],
        number: DevNo,
    ) -> std::result::Result<(Vec<u8>, Option<u64>), Refusal> {
        let shown = super::shown(dev);
        let held = known.held.get(&number);
        let path = match (held, self.machine.path(number, PATH_MAX)) {
            (Some(Some(path)), _) => path.clone(),
            (_, Some(path)) => path,
            (_, None) if pair(dev).is_some() => {
                return refuse(Errno::ENXIO, format!("no node in /dev is the block device {shown}"));
            }
            (_, None) if dev.len() <= PATH_MAX => dev.to_vec(),
            _ => return invalid(format!("NetBSD's stock driver takes no path as long as {shown}")),
        };
        // After a component that it cannot open, the driver crashes the kernel if the target is striped.
        if held.is_none() {
            let opened = self.machine.try_open(&path);
            match opened
                .map_err(Failure::Refused)
                .and_then(|()| self.channel.try_open(&path))
            {
                Ok(()) => {}
                Err(Failure::Refused(errno)) => return refuse(errno, format!("{shown} cannot be opened")),
                Err(Failure::Broken) => return refuse(Errno::EIO, format!("{shown} cannot be opened")),
            }
        }
        match self.stacked_size(minor, number) {
            Ok(Some(sectors)) => Ok((path, Some(sectors))),
            Ok(None) => {
                let size = self.machine.sectors(&path).filter(|&sectors| sectors > 0);
                Ok((path, size))
            }
            Err(errno) => refuse(errno, format!("{shown} cannot be used")),
        }
    }

    /// The size of a component that is one of the driver's own devices, whose size the driver gives as 0.
    ///
    /// # Errors
    /// EINVAL when it is the device itself, or is above it.
    fn stacked_size(&self, minor: u32, component: DevNo) -> std::result::Result<Option<u64>, Errno> {
        if component.major != self.block_major() {
            return Ok(None);
        }
        let plain = |failure| match failure {
            Failure::Refused(errno) => errno,
            Failure::Broken => Errno::EIO,
        };
        let names = self.names().map_err(plain)?;
        let mut above = vec![component.minor];
        let mut seen = Vec::new();
        while let Some(next) = above.pop() {
            if next == minor {
                return Err(Errno::EINVAL);
            }
            let Some((_, name)) = names.iter().find(|(number, _)| *number == next) else {
                return Err(Errno::ENXIO);
            };
            seen.push(next);
            for inactive in [false, true] {
                for dev in self.components(name, inactive).map_err(plain)? {
                    let dev = DevNo::decode(dev);
                    if dev.major == self.block_major() && !seen.contains(&dev.minor) {
                        above.push(dev.minor);
                    }
                }
            }
        }
        let name = names.iter().find(|(number, _)| *number == component.minor);
        let Some((_, name)) = name else {
            return Err(Errno::ENXIO);
        };
        let lines = self.lines(name, false).map_err(plain)?;
        Ok(Some(
            lines.last().map_or(0, |line| line.start.saturating_add(line.length)),
        ))
    }
}

/// What Linux says as status of a line, which the driver does not.
pub(super) fn status(line: &Line) -> Vec<u8> {
    if line.kind != b"striped" {
        return Vec::new();
    }
    let devices = devices(&line.kind, &line.params);
    let mut out = devices.len().to_string().into_bytes();
    for dev in &devices {
        out.push(b' ');
        out.extend_from_slice(dev);
    }
    out.extend_from_slice(b" 1 ");
    out.extend(std::iter::repeat_n(b'A', devices.len()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_lines() {
        assert_eq!(pair(b"7:12"), Some(DevNo { major: 7, minor: 12 }));
        for text in ["7", "7:", ":1", "7:1x", "+7:1", "/dev/x", "7:99999999999"] {
            assert_eq!(pair(text.as_bytes()), None, "{text}");
        }
        assert_eq!(devices(b"linear", b"/dev/a 0"), [b"/dev/a"]);
        assert_eq!(devices(b"striped", b"2 8 a 0  b 8"), [b"a", b"b"]);
        assert!(devices(b"striped", b"2").is_empty() && devices(b"zero", b"").is_empty());
        let line = Line {
            start: 0,
            length: 16,
            kind: b"striped".to_vec(),
            params: b"2 8 7:1 0 7:2 0".to_vec(),
        };
        assert_eq!(status(&line), b"2 7:1 7:2 1 AA");
    }
}
