//! Requests on their way through tables to disks, in an order that the test chooses.
//!
//! A request enters its device's gate, is cut into pieces, and each piece becomes one item of work. The test picks which
//! item is done next; a delayed one can be picked once its time has come. A piece for another mapped device
//! becomes a request there. What a target's machine wants becomes work, too, and is done in any order.

use std::sync::{Arc, Weak};

use dm_abi::errno::Errno;
use dm_core::host::{Component, DevNo, DeviceId, SharedTable};
use dm_core::io::{Bio, Corrupt, Op, Piece, Verb};
use dm_core::machine::{self, Action, Lock, PieceId, SharedMachine, Token};
use dm_core::targets::Direction;
use dm_core::volume::Enter;

use crate::disk::SECTOR;
use crate::host::{Handle, Sim};

/// Names a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// A request that is not complete.
#[derive(Debug)]
pub(crate) struct Request {
    device: DeviceId,
    bio: Bio,
    /// Read into or written from; empty for other operations.
    data: Vec<u8>,
    parent: Parent,
    /// The table, while it is let in.
    table: Option<SharedTable<Handle>>,
    /// Number of pieces that are not complete.
    pieces: usize,
    /// What the first piece that failed had.
    error: Option<Errno>,
    /// It is to be done once more.
    again: bool,
}

/// Where a request comes from.
#[derive(Debug)]
enum Parent {
    /// The test.
    Test,
    /// It is a piece of another request.
    Piece(RequestId, Piece),
    /// It is a piece of another request, which a machine holds.
    Sent(RequestId, Piece, Own),
    /// A machine.
    Machine(Own),
}

/// I/O of a machine.
#[derive(Debug)]
pub(crate) struct Own {
    machine: SharedMachine<Handle>,
    token: Token,
    /// The second half of a copy: what is read is written there.
    then: Option<(Component<Handle>, u64)>,
}

/// Something that can be done.
#[derive(Debug)]
pub(crate) enum Work {
    Piece {
        request: RequestId,
        piece: Piece,
        /// When it can be done.
        due_ms: u64,
        /// It counts as delayed.
        delayed: bool,
    },
    /// A piece that a machine holds, at a component.
    Sent { request: RequestId, piece: Piece, own: Own },
    /// I/O of a machine on a disk.
    Own {
        own: Own,
        dev: DevNo,
        bio: Bio,
        data: Vec<u8>,
    },
    /// A machine waits, if it is still there.
    Wait {
        machine: Weak<dyn Lock<Handle>>,
        token: Token,
        due_ms: u64,
    },
}

impl Work {
    fn due_ms(&self) -> u64 {
        match self {
            Work::Piece { due_ms, .. } | Work::Wait { due_ms, .. } => *due_ms,
            Work::Own { .. } | Work::Sent { .. } => 0,
        }
    }
}

/// Whether requests of an operation carry data.
fn has_data(op: Op) -> bool {
    matches!(op, Op::Read | Op::Write)
}

/// Number of bytes of some sectors.
fn bytes(sectors: u64) -> usize {
    usize::try_from(sectors).expect("requests fit in memory") * SECTOR
}

impl Sim {
    /// Hands in a request. `data` are the sectors of a write; of a read, its length is the bio's.
    ///
    /// # Panics
    /// When a write's data have another length than the bio, or there is no such device.
    pub fn submit(&mut self, device: DeviceId, bio: Bio, data: Vec<u8>) -> RequestId {
        let data = match bio.op {
            Op::Read => vec![0xee; bytes(bio.sectors)],
            _ => data,
        };
        let expected = if has_data(bio.op) { bytes(bio.sectors) } else { 0 };
        assert_eq!(data.len(), expected, "a request's data fill its sectors");
        self.start(device, bio, data, Parent::Test)
    }

    /// Hands in a request and does all work that there is, until it is complete.
    ///
    /// # Errors
    /// What the request failed with.
    ///
    /// # Panics
    /// As [`Sim::submit`], and when the request cannot be completed because a gate is closed.
    pub fn io(&mut self, device: DeviceId, bio: Bio, data: Vec<u8>) -> Result<Vec<u8>, Errno> {
        let request = self.submit(device, bio, data);
        self.run();
        self.take(request).expect("no gate on the way is closed")
    }

    /// The result of a request, once: what was read, or the error.
    pub fn take(&mut self, request: RequestId) -> Option<Result<Vec<u8>, Errno>> {
        self.done.remove(&request)
    }

    /// Number of requests that are not complete, those held at gates included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Number of items of work that can be done now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.work.iter().filter(|work| work.due_ms() <= self.now_ms).count()
    }

    /// Does item number `choice` (modulo their number) of the work that can be done now. False if there is none.
    pub fn step(&mut self, choice: usize) -> bool {
        let ready = self.ready();
        if ready == 0 {
            return false;
        }
        let now_ms = self.now_ms;
        let mut indices = (0..self.work.len()).filter(|&index| self.work[index].due_ms() <= now_ms);
        let index = indices.nth(choice % ready).expect("counted before");
        let work = self.work.remove(index);
        self.do_work(work);
        true
    }

    /// Lets time pass.
    pub fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// Lets time pass until some work can be done. False if there is none at all; that a machine waits is none.
    pub fn advance_to_work(&mut self) -> bool {
        let work = self.work.iter().filter(|work| !matches!(work, Work::Wait { .. }));
        let due = work.map(Work::due_ms).min();
        self.now_ms = self.now_ms.max(due.unwrap_or(0));
        due.is_some()
    }

    /// Does all work, in the order in which it came up; time passes when only delayed work is left.
    pub fn run(&mut self) {
        self.run_until(|_| false);
    }

    /// Does work until `enough` says so or none is left.
    pub fn run_until(&mut self, enough: impl Fn(&Sim) -> bool) {
        while !enough(self) && (self.step(0) || self.advance_to_work()) {}
    }

    /// Does all work in an order that `choose` tells: it gets the number of items and picks one.
    pub fn run_in_order(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        loop {
            match self.ready() {
                0 if !self.advance_to_work() => return,
                0 => {}
                ready => {
                    self.step(choose(ready));
                }
            }
        }
    }

    fn start(&mut self, device: DeviceId, bio: Bio, data: Vec<u8>, parent: Parent) -> RequestId {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.requests.insert(
            id,
            Request {
                device,
                bio,
                data,
                parent,
                table: None,
                pieces: 0,
                error: None,
                again: false,
            },
        );
        self.enter(id);
        id
    }

    /// Brings a request to its device's gate.
    pub(crate) fn enter(&mut self, id: RequestId) {
        let request = self.requests.get_mut(&id).expect("it is not complete");
        let Some(device) = self.devices.get_mut(&request.device) else {
            return self.finish(id, Some(Errno::EIO));
        };
        match device.volume.enter() {
            Enter::Hold => device.held.push(id),
            Enter::NoTable => self.finish(id, Some(Errno::EIO)),
            Enter::Go(table) => {
                request.table = Some(table.clone());
                for piece in table.pieces(request.bio, self.now_ms) {
                    let delay_ms = match piece.verb {
                        Verb::Remap { delay_ms, .. } => u64::from(delay_ms),
                        _ => 0,
                    };
                    request.pieces += 1;
                    self.work.push(Work::Piece {
                        request: id,
                        piece,
                        due_ms: self.now_ms + delay_ms,
                        delayed: delay_ms > 0,
                    });
                }
                if request.pieces == 0 {
                    self.finish(id, None);
                }
            }
        }
    }

    /// Ends the delays on a device.
    pub(crate) fn hurry(&mut self, device: DeviceId) {
        for work in &mut self.work {
            if let Work::Piece { request, due_ms, .. } = work
                && self.requests[request].device == device
            {
                *due_ms = self.now_ms.min(*due_ms);
            }
        }
    }

    fn do_work(&mut self, work: Work) {
        match work {
            Work::Piece {
                request,
                piece,
                delayed,
                ..
            } => self.do_piece(request, piece, delayed),
            Work::Sent { request, piece, own } => self.do_sent(request, piece, own),
            Work::Own {
                own,
                dev,
                bio,
                mut data,
            } => {
                let result = self
                    .disk_mut(dev)
                    .operate(bio.op, bio.fua, bio.sector, bio.sectors, &mut data);
                self.own_done(own, result.map(|()| data));
            }
            Work::Wait { machine, token, .. } => {
                if let Some(machine) = machine.upgrade() {
                    self.tell_machine(&machine, token, Ok(Vec::new()));
                }
            }
        }
    }

    /// Starts what a machine wants.
    pub(crate) fn perform_actions(&mut self, machine: &SharedMachine<Handle>, actions: Vec<Action<Handle>>) {
        for action in actions {
            match action {
                Action::Io {
                    token,
                    component,
                    bio,
                    data,
                } => {
                    assert!(!has_data(bio.op) || bio.sectors <= machine::MAX_IO);
                    let own = Own {
                        machine: machine.clone(),
                        token,
                        then: None,
                    };
                    self.start_own(own, &component, bio, data);
                }
                Action::Copy {
                    token,
                    from,
                    to,
                    sectors,
                } => {
                    assert!(sectors > 0 && sectors <= machine::MAX_IO);
                    let own = Own {
                        machine: machine.clone(),
                        token,
                        then: Some(to),
                    };
                    let read = Bio::new(Op::Read, from.1, sectors);
                    self.start_own(own, &from.0, read, Vec::new());
                }
                Action::Send {
                    token,
                    piece,
                    component,
                    sector,
                } => {
                    let (request, piece) = self.asked[&piece];
                    let own = Own {
                        machine: machine.clone(),
                        token,
                        then: None,
                    };
                    let verb = Verb::remap(component, sector);
                    self.work.push(Work::Sent {
                        request,
                        piece: Piece { verb, ..piece },
                        own,
                    });
                }
                Action::Data { token, piece } => {
                    let (request, piece) = self.asked[&piece];
                    let request = &self.requests[&request];
                    assert_eq!(request.bio.op, Op::Write);
                    let first = bytes(piece.offset);
                    let data = request.data[first..first + bytes(piece.sectors)].to_vec();
                    self.tell_machine(machine, token, Ok(data));
                }
                Action::Release { piece, verb, report } => {
                    let (request, piece) = self.asked.remove(&piece).expect("the machine holds it");
                    assert_ne!(verb, Verb::Ask);
                    let piece = Piece { verb, ..piece };
                    if let Some(token) = report {
                        self.reports.push((request, piece, machine.clone(), token));
                    }
                    self.work.push(Work::Piece {
                        request,
                        piece,
                        due_ms: self.now_ms,
                        delayed: false,
                    });
                }
                Action::Wait { token, ms } => self.work.push(Work::Wait {
                    machine: Arc::downgrade(machine),
                    token,
                    due_ms: self.now_ms + u64::from(ms),
                }),
                Action::Event(id) => {
                    if let Some(device) = self.devices.get_mut(&id) {
                        device.events += 1;
                    }
                }
                Action::Settled | Action::Changed => self.changes += 1,
            }
        }
    }

    fn start_own(&mut self, own: Own, component: &Component<Handle>, bio: Bio, data: Vec<u8>) {
        let data = match bio.op {
            Op::Read => vec![0xee; bytes(bio.sectors)],
            _ => data,
        };
        match component {
            Component::Host(opened) => self.work.push(Work::Own {
                own,
                dev: opened.handle.dev(),
                bio,
                data,
            }),
            Component::Mapped { id, .. } => {
                self.start(*id, bio, data, Parent::Machine(own));
            }
        }
    }

    fn own_done(&mut self, own: Own, result: Result<Vec<u8>, Errno>) {
        match (own.then, result) {
            (Some((component, sector)), Ok(data)) => {
                let write = Bio::new(Op::Write, sector, (data.len() / SECTOR) as u64);
                let own = Own { then: None, ..own };
                self.start_own(own, &component, write, data);
            }
            (_, result) => self.tell_machine(&own.machine, own.token, result),
        }
    }

    fn tell_machine(&mut self, machine: &SharedMachine<Handle>, token: Token, result: Result<Vec<u8>, Errno>) {
        let mut actions = Vec::new();
        machine::done(machine, token, result, &mut actions);
        self.perform_actions(machine, actions);
    }

    fn ask(&mut self, id: RequestId, piece: Piece) {
        let request = &self.requests[&id];
        let (table, bio) = (request.table.clone().expect("it was let in"), request.bio);
        self.last_asked += 1;
        let asked = PieceId(self.last_asked);
        self.asked.insert(asked, (id, piece));
        let mut actions = Vec::new();
        match table.ask(asked, &bio, &piece, &mut actions) {
            Some(machine) => self.perform_actions(&machine, actions),
            None => {
                self.asked.remove(&asked);
                self.piece_done(id, &piece, Err(Errno::EIO));
            }
        }
    }

    fn do_piece(&mut self, id: RequestId, piece: Piece, delayed: bool) {
        if piece.verb == Verb::Ask {
            return self.ask(id, piece);
        }
        let request = self.requests.get_mut(&id).expect("it has pieces");
        let table = request.table.clone().expect("it was let in");
        let bio = request.bio;
        if delayed {
            table.delay_over(&bio, &piece);
        }
        let data = match bio.op {
            Op::Read | Op::Write => {
                let first = bytes(piece.offset);
                &mut request.data[first..first + bytes(piece.sectors)]
            }
            _ => &mut [],
        };
        match piece.verb {
            Verb::Ask => {}
            Verb::Again => {
                request.again = true;
                self.piece_done(id, &piece, Ok(()));
            }
            Verb::Fail(errno) => self.piece_done(id, &piece, Err(errno)),
            Verb::Drop => self.piece_done(id, &piece, Ok(())),
            Verb::Transform { component, sector } => {
                let mut data = match bio.op {
                    Op::WriteZeroes => vec![0; bytes(piece.sectors)],
                    _ => data.to_vec(),
                };
                let op = if bio.op == Op::WriteZeroes { Op::Write } else { bio.op };
                if op == Op::Write
                    && let Err(errno) = table.transform(Direction::Write, &bio, &piece, 0, &mut data)
                {
                    return self.piece_done(id, &piece, Err(errno));
                }
                let bio = Bio {
                    op,
                    sector,
                    sectors: piece.sectors,
                    ..bio
                };
                match &table.components()[component as usize] {
                    Component::Host(opened) => self.disk_io(id, &piece, opened.handle.dev(), bio, data),
                    Component::Mapped { id: below, .. } => {
                        self.start(*below, bio, data, Parent::Piece(id, piece));
                    }
                }
            }
            Verb::Zero => {
                if bio.op == Op::Read {
                    data.fill(0);
                }
                self.piece_done(id, &piece, Ok(()));
            }
            Verb::Remap {
                component,
                sector,
                corrupt,
                ..
            } => {
                // The caller's data stay as they are.
                let mut data = data.to_vec();
                if bio.op == Op::Write {
                    damage(&mut data, &piece, corrupt);
                }
                let bio = Bio {
                    sector,
                    sectors: piece.sectors,
                    ..bio
                };
                match &table.components()[component as usize] {
                    Component::Host(opened) => self.disk_io(id, &piece, opened.handle.dev(), bio, data),
                    Component::Mapped { id: below, .. } => {
                        self.start(*below, bio, data, Parent::Piece(id, piece));
                    }
                }
            }
        }
    }

    /// Does what a machine wants with a piece that it holds.
    fn do_sent(&mut self, id: RequestId, piece: Piece, own: Own) {
        let Verb::Remap { component, sector, .. } = piece.verb else {
            return;
        };
        let request = &self.requests[&id];
        let table = request.table.clone().expect("it was let in");
        let data = if has_data(request.bio.op) {
            let first = bytes(piece.offset);
            request.data[first..first + bytes(piece.sectors)].to_vec()
        } else {
            Vec::new()
        };
        let bio = Bio {
            sector,
            sectors: piece.sectors,
            ..request.bio
        };
        match &table.components()[component as usize] {
            Component::Host(opened) => {
                let (dev, mut data) = (opened.handle.dev(), data);
                let result = self
                    .disk_mut(dev)
                    .operate(bio.op, bio.fua, bio.sector, bio.sectors, &mut data);
                self.sent_done(id, &piece, own, result.map(|()| data));
            }
            Component::Mapped { id: below, .. } => {
                self.start(*below, bio, data, Parent::Sent(id, piece, own));
            }
        }
    }

    fn sent_done(&mut self, id: RequestId, piece: &Piece, own: Own, result: Result<Vec<u8>, Errno>) {
        let request = self.requests.get_mut(&id).expect("its piece is held");
        if let Ok(data) = &result
            && request.bio.op == Op::Read
        {
            let first = bytes(piece.offset);
            request.data[first..first + data.len()].copy_from_slice(data);
        }
        self.tell_machine(&own.machine, own.token, result.map(|_| Vec::new()));
    }

    fn disk_io(&mut self, id: RequestId, piece: &Piece, dev: DevNo, bio: Bio, mut data: Vec<u8>) {
        let result = self
            .disk_mut(dev)
            .operate(bio.op, bio.fua, bio.sector, bio.sectors, &mut data);
        self.remap_done(id, piece, result.map(|()| data));
    }

    /// A piece that went to a component is complete, with the data of its sectors.
    fn remap_done(&mut self, id: RequestId, piece: &Piece, result: Result<Vec<u8>, Errno>) {
        let request = self.requests.get_mut(&id).expect("it has pieces");
        let result = match result {
            Ok(mut data) => {
                if request.bio.op == Op::Read {
                    if let Verb::Remap { corrupt, .. } = piece.verb {
                        damage(&mut data, piece, corrupt);
                    }
                    if let Verb::Transform { .. } = piece.verb {
                        let table = request.table.as_ref().expect("it was let in");
                        if let Err(errno) = table.transform(Direction::Read, &request.bio, piece, 0, &mut data) {
                            return self.piece_done(id, piece, Err(errno));
                        }
                    }
                    let first = bytes(piece.offset);
                    request.data[first..first + data.len()].copy_from_slice(&data);
                }
                Ok(())
            }
            Err(errno) => {
                let table = request.table.clone().expect("it was let in");
                if errno != Errno::EOPNOTSUPP && table.piece_failed(&request.bio, piece) {
                    let device = request.device;
                    self.devices.get_mut(&device).expect("it has I/O").events += 1;
                }
                Err(errno)
            }
        };
        self.piece_done(id, piece, result);
    }

    fn piece_done(&mut self, id: RequestId, piece: &Piece, result: Result<(), Errno>) {
        let reported = |(request, other, ..): &(RequestId, Piece, _, _)| *request == id && other == piece;
        if let Some(index) = self.reports.iter().position(reported) {
            let (_, _, machine, token) = self.reports.remove(index);
            self.tell_machine(&machine, token, result.map(|()| Vec::new()));
        }
        let request = self.requests.get_mut(&id).expect("it has pieces");
        request.error = request.error.or(result.err());
        request.pieces -= 1;
        if request.pieces > 0 {
            return;
        }
        if !request.again {
            let error = request.error;
            return self.finish(id, error);
        }
        (request.again, request.error, request.table) = (false, None, None);
        if let Some(device) = self.devices.get_mut(&request.device) {
            let _ = device.volume.exit();
        }
        self.enter(id);
    }

    /// Completes a request.
    pub(crate) fn finish(&mut self, id: RequestId, error: Option<Errno>) {
        let request = self.requests.remove(&id).expect("it is completed once");
        if request.table.is_some()
            && let Some(device) = self.devices.get_mut(&request.device)
        {
            // Whoever waits for the last one looks at `is_drained`.
            let _ = device.volume.exit();
        }
        let result = match error {
            Some(errno) => Err(errno),
            None => Ok(request.data),
        };
        match request.parent {
            Parent::Piece(parent, piece) => self.remap_done(parent, &piece, result),
            Parent::Sent(parent, piece, own) => self.sent_done(parent, &piece, own, result),
            Parent::Machine(own) => self.own_done(own, result),
            Parent::Test => {
                let result = result.map(|data| if request.bio.op == Op::Read { data } else { Vec::new() });
                self.done.insert(id, result);
            }
        }
    }
}

/// Changes the byte that the target wants changed, in the data of a piece.
fn damage(data: &mut [u8], piece: &Piece, corrupt: Option<Corrupt>) {
    let Some(Corrupt { byte, value }) = corrupt else {
        return;
    };
    let index = byte
        .checked_sub(piece.offset * SECTOR as u64)
        .and_then(|index| usize::try_from(index).ok());
    let place = index.and_then(|index| data.get_mut(index));
    *place.expect("a damaged byte lies in its piece") = value;
}
