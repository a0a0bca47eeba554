//! One request on its way: the checks before it, the wiping and the reply after it, and its waits.

use alloc::vec::Vec;

use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, DATA_OFFSET, Header, MAX_DATA_SIZE, VERSION, flag};

use super::suspend::Flow;
use super::{Awaited, Control, Outcome, Ticket};
use crate::host::{DeviceId, Host, SharedTable};

/// Size of the version at the start of a buffer.
pub(super) const VERSION_SIZE: usize = 12;

/// The size of a reply without payload.
const EMPTY_REPLY: u32 = 305;
const _: () = assert!(EMPTY_REPLY as usize == DATA_OFFSET);

/// A request that passed the checks that need no device.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) command: Command,
    /// The header, at first the request's, in the end the reply's.
    pub(super) header: Header,
    /// How much of the buffer the request looks at.
    pub(super) limit: usize,
    /// The request's event number, where it is a udev cookie.
    pub(super) cookie: u32,
    secure: bool,
}

/// What a handler of a command answers.
#[derive(Debug)]
pub(super) enum Step<C> {
    Done(Result<(), Errno>),
    /// The request starts again from its beginning after the next change.
    Again,
    /// The request waits for an event on the device.
    Event(DeviceId),
    /// A suspend or resume waits.
    Flow(Flow, Awaited),
    /// A table is not yet read.
    Load(DeviceId, SharedTable<C>),
    /// A removed device's tables are not yet out of use.
    Retire(DeviceId),
}

/// How a suspend or resume goes on.
#[derive(Debug)]
pub(super) enum FlowStep {
    Done(Result<(), Errno>),
    Wait(Flow, Awaited),
}

impl<C> From<FlowStep> for Step<C> {
    fn from(step: FlowStep) -> Self {
        match step {
            FlowStep::Done(result) => Step::Done(result),
            FlowStep::Wait(flow, what) => Step::Flow(flow, what),
        }
    }
}

/// A request that waits.
#[derive(Debug)]
pub(super) enum Pending<C> {
    Again(Call),
    Event(Call, DeviceId),
    Flow(Call, Flow),
    /// Its device is gone; this is the answer it gets.
    Answered(Call, Vec<u8>),
    Load(Call, DeviceId, SharedTable<C>),
    Retire(Call, DeviceId),
}

impl Call {
    /// Checks a new request; `None` when it asks for the version and is done.
    pub(super) fn begin(command: u32, buffer: &mut [u8]) -> Result<Option<Self>, Errno> {
        let wanted = buffer.first_chunk::<VERSION_SIZE>().ok_or(Errno::EFAULT)?;
        let (major, minor) = (
            u32::from_ne_bytes([wanted[0], wanted[1], wanted[2], wanted[3]]),
            u32::from_ne_bytes([wanted[4], wanted[5], wanted[6], wanted[7]]),
        );
        Header::write_version(buffer);
        if major != VERSION[0] || minor > VERSION[1] {
            return Err(Errno::EINVAL);
        }
        let command = Command::from_number(command).ok_or(Errno::ENOTTY)?;
        if command == Command::Version {
            return Ok(None);
        }
        let mut header = Header::read(buffer).ok_or(Errno::EFAULT)?;
        let size = usize::try_from(header.data_size).map_err(|_| Errno::EINVAL)?;
        if size < DATA_OFFSET || header.data_size > MAX_DATA_SIZE {
            return Err(Errno::EINVAL);
        }
        let limit = if command.header_only() { DATA_OFFSET } else { size };
        if limit > buffer.len() {
            return Err(Errno::EFAULT);
        }
        let secure = header.flags & flag::SECURE_DATA != 0;
        header.flags &= !(flag::SECURE_DATA | flag::BUFFER_FULL | flag::UEVENT_GENERATED | flag::DATA_OUT);
        if !matches!(
            command,
            Command::RemoveAll | Command::ListDevices | Command::ListVersions
        ) {
            header.terminate();
        }
        let call = Self {
            command,
            cookie: header.event_nr,
            header,
            limit,
            secure,
        };
        match call.names_agree() {
            true => Ok(Some(call)),
            false => Err(call.fail(Errno::EINVAL, buffer)),
        }
    }

    /// A device is named in one way only.
    fn names_agree(&self) -> bool {
        match self.command {
            Command::RemoveAll | Command::ListDevices | Command::ListVersions => true,
            Command::DevCreate => !self.header.name().is_empty(),
            _ => self.header.name().is_empty() || self.header.uuid().is_empty(),
        }
    }

    fn fail(&self, errno: Errno, buffer: &mut [u8]) -> Errno {
        if self.secure {
            buffer.iter_mut().take(self.limit).for_each(|byte| *byte = 0);
        }
        errno
    }

    /// Puts the header into the buffer, behind which the payload is already.
    fn reply(&self, buffer: &mut [u8]) -> usize {
        let used = match usize::try_from(self.header.data_size) {
            Ok(used) if !self.command.without_reply() && self.header.write(buffer) => used.min(buffer.len()),
            _ if self.secure => 0,
            _ => return VERSION_SIZE,
        };
        if self.secure {
            let rest = buffer.get_mut(used..self.limit.max(used)).unwrap_or_default();
            rest.fill(0);
            return used.max(self.limit);
        }
        used
    }

    pub(super) fn done(&self, result: Result<(), Errno>, buffer: &mut [u8]) -> Outcome {
        Outcome::Done(match result {
            Ok(()) => Ok(self.reply(buffer)),
            Err(errno) => Err(self.fail(errno, buffer)),
        })
    }
}

impl<H: Host> Control<H> {
    pub(super) fn run(&mut self, call: Call, ticket: Option<Ticket>, buffer: &mut [u8]) -> Outcome {
        let mut reply = call.clone();
        reply.header.data_size = EMPTY_REPLY;
        let step = match buffer.get_mut(..call.limit) {
            Some(area) => self.dispatch(&mut reply, area),
            None => Step::Done(Err(Errno::EFAULT)),
        };
        match step {
            Step::Done(result) => reply.done(result, buffer),
            Step::Again => self.hold(ticket, Pending::Again(call), Awaited::Changed),
            Step::Event(id) => self.hold(ticket, Pending::Event(reply, id), Awaited::Changed),
            Step::Flow(flow, what) => self.hold(ticket, Pending::Flow(reply, flow), what),
            Step::Load(id, table) => self.hold(ticket, Pending::Load(reply, id, table), Awaited::Changed),
            Step::Retire(id) => self.hold(ticket, Pending::Retire(reply, id), Awaited::Changed),
        }
    }

    pub(super) fn go_on(
        &mut self,
        ticket: Ticket,
        pending: Pending<H::Component>,
        result: Result<(), Errno>,
        buffer: &mut [u8],
    ) -> Outcome {
        match pending {
            Pending::Again(call) => self.run(call, Some(ticket), buffer),
            Pending::Event(mut call, id) => match self.registry.get(id) {
                None => call.done(Err(Errno::ENXIO), buffer),
                Some(device) if device.event_nr == call.header.event_nr => {
                    self.hold(Some(ticket), Pending::Event(call, id), Awaited::Changed)
                }
                Some(_) => {
                    self.fill(&mut call, id);
                    let result = match buffer.get_mut(..call.limit) {
                        Some(area) => {
                            self.write_status(&mut call, id, area);
                            Ok(())
                        }
                        None => Err(Errno::EFAULT),
                    };
                    call.done(result, buffer)
                }
            },
            Pending::Answered(call, answer) => answered(&call, &answer, buffer),
            Pending::Load(mut call, id, table) => match table.loaded() {
                None => self.hold(Some(ticket), Pending::Load(call, id, table), Awaited::Changed),
                Some(read) => {
                    let result = self.loaded(&mut call, id, table, read);
                    call.done(result, buffer)
                }
            },
            Pending::Retire(call, id) if self.is_retiring(id) => {
                self.hold(Some(ticket), Pending::Retire(call, id), Awaited::Changed)
            }
            Pending::Retire(call, _) => call.done(Ok(()), buffer),
            Pending::Flow(mut call, flow) => {
                let step = self.advance(&mut call, flow, result);
                self.flowed(ticket, call, step, buffer)
            }
        }
    }

    pub(super) fn give_up(&mut self, ticket: Ticket, pending: Pending<H::Component>, buffer: &mut [u8]) -> Outcome {
        match pending {
            Pending::Again(call) | Pending::Event(call, _) => call.done(Err(Errno::EINTR), buffer),
            Pending::Answered(call, answer) => answered(&call, &answer, buffer),
            Pending::Load(call, id, table) => {
                self.drop_table(id, Some(table));
                call.done(Err(Errno::EINTR), buffer)
            }
            // It is removed, and the client may know.
            Pending::Retire(call, _) => call.done(Ok(()), buffer),
            Pending::Flow(mut call, flow) => {
                let step = self.interrupt(&mut call, flow);
                self.flowed(ticket, call, step, buffer)
            }
        }
    }

    fn flowed(&mut self, ticket: Ticket, call: Call, step: FlowStep, buffer: &mut [u8]) -> Outcome {
        match step {
            FlowStep::Wait(flow, what) => self.hold(Some(ticket), Pending::Flow(call, flow), what),
            FlowStep::Done(result) => call.done(result, buffer),
        }
    }

    /// Makes a waiting entry; a request keeps its number through all its waits.
    fn hold(&mut self, ticket: Option<Ticket>, pending: Pending<H::Component>, what: Awaited) -> Outcome {
        let ticket = ticket.unwrap_or_else(|| {
            let number = self.next_ticket;
            self.next_ticket = number.wrapping_add(1);
            Ticket(number)
        });
        self.pending.insert(ticket.0, pending);
        Outcome::Wait(ticket, what)
    }

    /// Answers those who wait for an event on a device that is gone but for its entry: they get its last state.
    pub(super) fn answer_waiters(&mut self, id: DeviceId) {
        let numbers: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| matches!(pending, Pending::Event(_, waits) if *waits == id))
            .map(|(&number, _)| number)
            .collect();
        for number in numbers {
            if let Some(Pending::Event(mut call, _)) = self.pending.remove(&number) {
                let mut answer = alloc::vec![0; call.limit];
                self.fill_with(&mut call, id, 0);
                self.write_status(&mut call, id, &mut answer);
                answer.truncate(usize::try_from(call.header.data_size).unwrap_or(DATA_OFFSET));
                self.pending.insert(number, Pending::Answered(call, answer));
            }
        }
    }
}

/// Puts an answer that was made earlier into the buffer.
fn answered(call: &Call, answer: &[u8], buffer: &mut [u8]) -> Outcome {
    match buffer.get_mut(..answer.len()) {
        None => call.done(Err(Errno::EFAULT), buffer),
        Some(area) => {
            area.copy_from_slice(answer);
            call.done(Ok(()), buffer)
        }
    }
}
