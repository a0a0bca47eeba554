//! Bad blocks: the machine behind the target dust.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use dm_abi::errno::Errno;

use crate::host::Component;
use crate::io::{Bio, Op, Verb};
use crate::machine::{Action, PieceId};
use crate::targets::args;

/// A table line; the component is an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The component.
    pub component: u32,
    /// First sector on it.
    pub offset: u64,
    /// Sectors of a block.
    pub block: u64,
}

/// The bad blocks of a segment. They are counted on the component, from its first sector on.
#[derive(Debug)]
pub struct Dust<C> {
    line: Line,
    component: Component<C>,
    /// The bad blocks, with the number of writes that still fail.
    bad: BTreeMap<u64, u8>,
    /// Bad blocks are bad.
    enabled: bool,
    quiet: bool,
}

impl<C> Dust<C> {
    pub(crate) fn new(line: Line, component: Component<C>) -> Self {
        Self {
            line,
            component,
            bad: BTreeMap::new(),
            enabled: false,
            quiet: false,
        }
    }

    /// A piece arrives, in sectors of the segment. The block of its first sector counts.
    pub(crate) fn ask(&mut self, piece: PieceId, bio: &Bio, out: &mut Vec<Action<C>>) {
        let sector = self.line.offset + bio.sector;
        let bad = match self.enabled {
            true => self.touch(sector / self.line.block, bio.op, out),
            false => false,
        };
        let verb = match bad {
            true => Verb::Fail(Errno::EIO),
            false => Verb::remap(self.line.component, sector),
        };
        let report = None;
        out.push(Action::Release { piece, verb, report });
    }

    /// Whether an operation fails on a block. A write makes the block good, once it does not fail any more.
    fn touch(&mut self, block: u64, op: Op, out: &mut Vec<Action<C>>) -> bool {
        let Some(failures) = self.bad.get_mut(&block) else {
            return false;
        };
        if op == Op::Read {
            return true;
        }
        out.push(Action::Changed);
        match failures.checked_sub(1) {
            Some(left) => {
                *failures = left;
                true
            }
            None => {
                self.bad.remove(&block);
                false
            }
        }
    }

    /// For an exported state: two flags, and each bad block with its number of failures.
    pub(crate) fn state(&self, out: &mut Vec<u8>) {
        if self.bad.is_empty() && !self.enabled && !self.quiet {
            return;
        }
        out.extend([u8::from(self.enabled), u8::from(self.quiet)]);
        for (block, failures) in &self.bad {
            out.extend(block.to_le_bytes());
            out.push(*failures);
        }
    }

    /// `None` when that is no state.
    pub(crate) fn restore(&mut self, state: &[u8]) -> Option<()> {
        let (&[enabled @ 0..=1, quiet @ 0..=1], blocks) = state.split_first_chunk()? else {
            return None;
        };
        let (blocks, []) = blocks.as_chunks::<9>() else {
            return None;
        };
        let block = |[bytes @ .., failures]: &[u8; 9]| (u64::from_le_bytes(*bytes), *failures);
        self.bad = blocks.iter().map(block).collect();
        (self.enabled, self.quiet) = (enabled == 1, quiet == 1);
        Some(())
    }

    pub(crate) fn status(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let mode = if self.enabled {
            "fail_read_on_bad_block"
        } else {
            "bypass"
        };
        let log = if self.quiet { "quiet" } else { "verbose" };
        write!(out, "{} {mode} {log}", self.component.dev())
    }

    /// Obeys a message; the answers are those of Linux.
    pub(crate) fn message(&mut self, words: &[Vec<u8>], reply: &mut Vec<u8>) -> Result<(), Errno> {
        let name = words.first().ok_or(Errno::EINVAL)?.to_ascii_lowercase();
        let block = |index: usize| {
            let number: u64 = words
                .get(index)
                .and_then(|word| args::number(word))
                .ok_or(Errno::EINVAL)?;
            // As on Linux, one more than there are.
            let count = self.component.sectors() / self.line.block;
            if number > count { Err(Errno::EINVAL) } else { Ok(number) }
        };
        match (name.as_slice(), words.len()) {
            (b"addbadblock", 2 | 3) => {
                let block = block(1)?;
                let failures = match words.get(2) {
                    Some(word) => args::number(word).ok_or(Errno::EINVAL)?,
                    None => 0,
                };
                if self.bad.contains_key(&block) {
                    return Err(Errno::EINVAL);
                }
                self.bad.insert(block, failures);
            }
            (b"removebadblock", 2) => {
                let block = block(1)?;
                self.bad.remove(&block).ok_or(Errno::EINVAL)?;
            }
            (b"queryblock", 2) => {
                let block = block(1)?;
                let not = if self.bad.contains_key(&block) { "" } else { "not " };
                *reply = format!("dust_query_block: block {block} {not}found in badblocklist").into_bytes();
            }
            (b"countbadblocks", 1) => {
                *reply = format!("countbadblocks: {} badblock(s) found", self.bad.len()).into_bytes();
            }
            (b"listbadblocks", 1) if self.bad.is_empty() => reply.extend_from_slice(b"No blocks in badblocklist"),
            (b"listbadblocks", 1) => {
                for block in self.bad.keys() {
                    reply.extend_from_slice(format!("{block}\n").as_bytes());
                }
            }
            (b"clearbadblocks", 1) => {
                let answer = match self.bad.is_empty() {
                    true => "dust_clear_badblocks: no badblocks found",
                    false => "dust_clear_badblocks: badblocks cleared",
                };
                self.bad.clear();
                reply.extend_from_slice(answer.as_bytes());
            }
            (b"enable", 1) => self.enabled = true,
            (b"disable", 1) => self.enabled = false,
            (b"quiet", 1) => self.quiet = !self.quiet,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }
}
