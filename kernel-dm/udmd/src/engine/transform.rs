//! Pieces whose data their target changes on their way: reads in place when they are complete, writes in a copy.

use dm_abi::errno::Errno;
use dm_core::io::{Bio, Op, Piece, Verb};
use dm_core::targets::Direction;

use super::reactor::Reactor;
use super::request::{Frame, Origin};

/// Sectors of zeroes that are written at a time.
const ZEROES: u64 = 1024;

fn bytes(sectors: u64) -> usize {
    usize::try_from(sectors << 9).unwrap_or(usize::MAX)
}

impl Reactor {
    /// Starts a piece with [`Verb::Transform`], whose data begin at byte `data` of its root's buffer.
    pub(super) fn transform(&mut self, index: usize, piece: Piece, component: u32, data: usize) {
        let frame = &self.frames[index];
        let (bio, root, above_root) = (frame.bio, frame.root, frame.data);
        debug_assert!(data >= above_root);
        let len = match bio.op {
            Op::Read => 0,
            Op::Write => bytes(piece.sectors),
            Op::WriteZeroes => bytes(piece.sectors.min(ZEROES)),
            Op::Flush | Op::Discard => return self.piece_done(index, Err(Errno::EIO)),
        };
        let mut copy = None;
        if len > 0 {
            let Some(mut taken) = self.pool.take(len) else {
                return self.piece_done(index, Err(Errno::ENOMEM));
            };
            if bio.op == Op::Write {
                let written = self.frames[root].buffer.as_ref();
                let Some(end) = data
                    .checked_add(len)
                    .filter(|&end| written.is_some_and(|b| end <= b.capacity()))
                else {
                    self.pool.give(taken);
                    return self.piece_done(index, Err(Errno::EIO));
                };
                if let Some(written) = written {
                    taken.bytes_mut(0, len).copy_from_slice(&written.bytes(0, end)[data..]);
                }
            }
            copy = Some(taken);
        }
        let (device, unmap) = (self.nobody.clone(), self.frames[index].unmap);
        let entry = self.frames.vacant_entry();
        let child = entry.key();
        let origin = Origin::Transformed {
            above: index,
            piece,
            done: 0,
        };
        let (root, data) = if copy.is_some() { (child, 0) } else { (root, data) };
        entry.insert(Frame {
            buffer: copy,
            ..Frame::new(origin, root, data, device, bio, unmap)
        });
        self.send_transformed(child, component);
    }

    /// Sends what is next of a transformed piece: all of it, or some of its zeroes.
    fn send_transformed(&mut self, child: usize, component: u32) {
        let frame = &mut self.frames[child];
        frame.pending = 1;
        let Origin::Transformed { above, piece, done } = frame.origin else {
            return;
        };
        let (bio, data) = (frame.bio, frame.data);
        let sectors = match bio.op {
            Op::WriteZeroes => (piece.sectors - done).min(ZEROES),
            _ => piece.sectors,
        };
        let mut buffer = frame.buffer.take();
        let frame = &self.frames[above];
        let table = frame.table.clone();
        let mut ready = Ok(());
        if let Some(buffer) = &mut buffer {
            let data = buffer.bytes_mut(0, bytes(sectors));
            if bio.op == Op::WriteZeroes {
                data.fill(0);
            }
            ready = match &table {
                Some(table) => table.transform(Direction::Write, &frame.bio, &piece, done, data),
                None => Err(Errno::EIO),
            };
        }
        self.frames[child].buffer = buffer;
        let target = table.and_then(|table| table.components().get(component as usize).cloned());
        let (Ok(()), Some(target), Verb::Transform { sector, .. }) = (ready, target, piece.verb) else {
            return self.piece_done(child, Err(Errno::EIO));
        };
        let sent = Bio {
            op: if bio.op == Op::Read { Op::Read } else { Op::Write },
            sector: sector + done,
            sectors,
            fua: bio.fua,
        };
        let whole = Piece {
            offset: 0,
            sectors,
            verb: Verb::remap(0, sent.sector),
        };
        self.send(child, whole, target, sent, data, None);
    }

    /// If the frame is a transformed piece: what was read is changed back, or what is left is sent. True when something is
    /// under way again.
    pub(super) fn transformed(&mut self, index: usize) -> bool {
        let frame = &mut self.frames[index];
        let Origin::Transformed { above, piece, done } = &mut frame.origin else {
            return false;
        };
        let (above, piece, before) = (*above, *piece, *done);
        if frame.error.is_some() {
            return false;
        }
        match frame.bio.op {
            Op::WriteZeroes => {
                *done = piece.sectors.min(before + ZEROES);
                if *done == piece.sectors {
                    return false;
                }
                let Verb::Transform { component, .. } = piece.verb else {
                    return false;
                };
                self.send_transformed(index, component);
                true
            }
            Op::Read => {
                let (root, data, len) = (frame.root, frame.data, bytes(piece.sectors));
                let mut buffer = self.frames[root].buffer.take();
                let read = buffer.as_mut().and_then(|buffer| {
                    let end = data.checked_add(len).filter(|&end| end <= buffer.capacity())?;
                    buffer.bytes_mut(0, end).get_mut(data..)
                });
                let frame = &self.frames[above];
                let result = match (read, &frame.table) {
                    (Some(read), Some(table)) => table.transform(Direction::Read, &frame.bio, &piece, 0, read),
                    _ => Err(Errno::EIO),
                };
                self.frames[root].buffer = buffer;
                self.frames[index].error = result.err();
                false
            }
            Op::Write | Op::Flush | Op::Discard => false,
        }
    }
}
