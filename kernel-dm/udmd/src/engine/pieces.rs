//! From the pieces of a request to requests to components, and their ends.

use dm_abi::errno::Errno;
use dm_core::host::Component;
use dm_core::io::{Bio, Op, Piece, Verb};

use super::now_ms;
use super::own::Wait;
use super::reactor::{Raised, Reactor};
use super::request::{Delayed, Frame, Job, Origin, Work};
use crate::component::Handle;

/// Devices stacked on each other.
const MAX_DEPTH: usize = 64;

impl Reactor {
    pub(super) fn start_piece(&mut self, index: usize, piece: Piece, now: u64) {
        if let Verb::Remap { delay_ms, .. } = piece.verb
            && delay_ms > 0
        {
            let due = now.saturating_add(u64::from(delay_ms));
            self.delayed
                .insert((due, self.next_delayed), Delayed { frame: index, piece });
            self.next_delayed += 1;
            return;
        }
        self.do_piece(index, piece);
    }

    pub(super) fn start_due(&mut self) {
        if self.delayed.is_empty() && self.waits.is_empty() {
            return;
        }
        let now = now_ms();
        while let Some(entry) = self.waits.first_entry()
            && entry.key().0 <= now
        {
            let Wait { machine, token } = entry.remove();
            if let Some(machine) = machine.upgrade() {
                self.tell_machine(&machine, token, Ok(Vec::new()));
            }
        }
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= now
        {
            let delayed = entry.remove();
            self.delay_over(delayed);
        }
    }

    pub(super) fn delay_over(&mut self, delayed: Delayed) {
        let Delayed { frame: index, piece } = delayed;
        let frame = &self.frames[index];
        if let Some(table) = &frame.table {
            table.delay_over(&frame.bio, &piece);
        }
        self.do_piece(index, piece);
        self.enter_all();
    }

    pub(super) fn do_piece(&mut self, index: usize, piece: Piece) {
        let frame = &self.frames[index];
        let carries = matches!(frame.bio.op, Op::Read | Op::Write);
        let bytes = |sectors: u64| usize::try_from(sectors << 9).unwrap_or(usize::MAX);
        let data = if carries { frame.data + bytes(piece.offset) } else { 0 };
        match piece.verb {
            Verb::Ask => self.ask(index, piece),
            Verb::Transform { component, .. } => self.transform(index, piece, component, data),
            Verb::Drop => self.piece_done(index, Ok(())),
            Verb::Again => {
                self.frames[index].again = true;
                self.piece_done(index, Ok(()));
            }
            Verb::Fail(errno) => self.piece_done(index, Err(errno)),
            Verb::Zero => {
                let root = frame.root;
                if frame.bio.op == Op::Read
                    && let Some(buffer) = &mut self.frames[root].buffer
                {
                    buffer.zero(data, bytes(piece.sectors));
                }
                self.piece_done(index, Ok(()));
            }
            Verb::Remap {
                component,
                sector,
                corrupt,
                ..
            } => {
                let (root, first) = (frame.root, frame.data);
                let op = frame.bio.op;
                let corrupt = corrupt.filter(|_| carries).map(|corrupt| {
                    (
                        first.saturating_add(usize::try_from(corrupt.byte).unwrap_or(usize::MAX)),
                        corrupt.value,
                    )
                });
                if op == Op::Write
                    && let Some((byte, value)) = corrupt
                    && let Some(buffer) = &mut self.frames[root].buffer
                    && byte < buffer.capacity()
                {
                    buffer.set(byte, value);
                }
                self.remap(
                    index,
                    piece,
                    component,
                    sector,
                    data,
                    corrupt.filter(|_| op == Op::Read),
                );
            }
        }
    }

    fn remap(
        &mut self,
        index: usize,
        piece: Piece,
        component: u32,
        sector: u64,
        data: usize,
        corrupt: Option<(usize, u8)>,
    ) {
        let frame = &self.frames[index];
        let bio = Bio {
            sector,
            sectors: piece.sectors,
            ..frame.bio
        };
        let target = frame
            .table
            .as_ref()
            .and_then(|table| table.components().get(component as usize))
            .cloned();
        match target {
            None => self.piece_done(index, Err(Errno::EIO)),
            Some(component) => self.send(index, piece, component, bio, data, corrupt),
        }
    }

    /// Starts a piece's operation on its component.
    pub(super) fn send(
        &mut self,
        index: usize,
        piece: Piece,
        component: Component<Handle>,
        bio: Bio,
        data: usize,
        corrupt: Option<(usize, u8)>,
    ) {
        let frame = &self.frames[index];
        match component {
            Component::Host(opened) => {
                let work = match bio.op {
                    Op::Read => Work::Read,
                    Op::Write => Work::Write { durable: bio.fua },
                    Op::Flush => Work::Flush,
                    Op::Discard | Op::WriteZeroes => Work::Zero { unmap: frame.unmap },
                };
                self.start_job(Job {
                    frame: index,
                    piece,
                    work,
                    component: opened.handle,
                    position: bio.sector << 9,
                    len: bio.sectors << 9,
                    done: 0,
                    data,
                    corrupt,
                });
            }
            Component::Mapped { id, .. } => {
                let (root, unmap) = (frame.root, frame.unmap);
                let device = self.shared.device(id);
                let Some(device) = device.filter(|_| self.depth(index) < MAX_DEPTH) else {
                    return self.piece_done(index, Err(Errno::EIO));
                };
                let origin = Origin::Frame(index, piece);
                let child = self.frames.insert(Frame::new(origin, root, data, device, bio, unmap));
                self.entering.push_back(child);
            }
        }
    }

    fn depth(&self, mut index: usize) -> usize {
        let mut depth = 1;
        while let Origin::Frame(above, _)
        | Origin::Reported(above, _)
        | Origin::Sent(above, _)
        | Origin::Transformed { above, .. } = self.frames[index].origin
        {
            index = above;
            depth += 1;
        }
        depth
    }

    fn start_job(&mut self, job: Job) {
        let index = self.jobs.insert(job);
        self.start_inserted(index);
    }

    fn start_inserted(&mut self, index: usize) {
        let job = &self.jobs[index];
        let root = self.frames[job.frame].root;
        let data = match (&self.frames[root].buffer, job.work) {
            (Some(buffer), Work::Read | Work::Write { .. }) => {
                // The kernel must not touch memory that is not the buffer's, whatever the table says.
                let end = usize::try_from(job.len).ok().and_then(|len| job.data.checked_add(len));
                if end.is_none_or(|end| end > buffer.capacity()) {
                    return self.job_failed(index, Errno::EIO);
                }
                buffer.payload_ptr(job.data)
            }
            (None, Work::Read | Work::Write { .. }) => return self.job_failed(index, Errno::EIO),
            _ => std::ptr::null_mut(),
        };
        self.ring.start(index, job, data);
    }

    fn job_failed(&mut self, index: usize, errno: Errno) {
        let job = self.jobs.remove(index);
        self.tell_failed(job.frame, &job.piece, errno);
        self.piece_done(job.frame, Err(errno));
    }

    /// Tells a table that one of its components failed.
    pub(super) fn tell_failed(&self, index: usize, piece: &Piece, errno: Errno) {
        let frame = &self.frames[index];
        if errno != Errno::EOPNOTSUPP
            && let Some(table) = &frame.table
            && table.piece_failed(&frame.bio, piece)
        {
            // Nobody listens only when the daemon is about to end.
            let _ = self.events.send(Raised::Event(frame.device.id));
        }
    }

    pub(super) fn job_done(&mut self, index: usize, result: i32) {
        let job = &mut self.jobs[index];
        if result < 0 {
            match (-result, job.work) {
                (libc::EINTR | libc::EAGAIN, _) => return self.start_inserted(index),
                // The component cannot give up storage: write the zeroes.
                (libc::EOPNOTSUPP, Work::Zero { unmap: true }) => {
                    job.work = Work::Zero { unmap: false };
                    return self.start_inserted(index);
                }
                (errno, _) => return self.job_failed(index, Errno(errno)),
            }
        }
        if matches!(job.work, Work::Read | Work::Write { .. }) {
            let moved = u64::from(result.unsigned_abs());
            job.done += moved;
            if job.done < job.len {
                // A part that does not end at a block cannot be continued.
                if moved == 0 || !job.done.is_multiple_of(u64::from(job.component.block())) {
                    return self.job_failed(index, Errno::EIO);
                }
                return self.start_inserted(index);
            }
        }
        let job = self.jobs.remove(index);
        if let Some((byte, value)) = job.corrupt {
            let root = self.frames[job.frame].root;
            if let Some(buffer) = &mut self.frames[root].buffer
                && byte < buffer.capacity()
            {
                buffer.set(byte, value);
            }
        }
        self.piece_done(job.frame, Ok(()));
    }
}
