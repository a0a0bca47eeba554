//! Reading a store, or making a new one.
//!
//! ```text
//! header ---> area by area, in parts, up to the end of the list ---> (the rest of the area: is it zero?) ---> ready
//!        \--> new: zero the first area -> flush -> write the header ---> ready
//! ```

use alloc::vec::Vec;

use dm_abi::errno::Errno;

use super::format::{Header, Layout, chunk_fits, pair};
use super::store::{List, State, Store};
use super::{Group, Job, Kind, MemberId};
use crate::io::{Bio, Op};
use crate::machine::Action;

/// Sectors of pairs that are read at once.
const PART: u64 = 128;

/// How far the reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loading {
    Start,
    Header,
    /// The part of the current area that begins with this sector is being read.
    Area(u64),
    /// The list has ended; the rest of the area is looked at, from this sector on.
    Tail(u64),
    New(New),
    Done,
}

/// The steps to a new store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum New {
    Zero,
    Flush,
    Header,
}

impl<C: Clone> Group<C> {
    /// Begins to read a member's store, unless that was done.
    pub(crate) fn load(&mut self, id: MemberId, out: &mut Vec<Action<C>>) {
        let Some(id) = self.members.get(&id.0).and_then(|member| member.store) else {
            return;
        };
        let Some(store) = self.stores.get_mut(&id) else { return };
        if store.state != State::Loading || store.loading != Loading::Start {
            return;
        }
        if store.kind == Kind::Transient {
            store.state = State::Ready;
            return;
        }
        store.loading = Loading::Header;
        let sectors = store.unit();
        self.io(id, Job::Load(id), Bio::new(Op::Read, 0, sectors), Vec::new(), out);
    }

    /// A step of the reading is done.
    pub(super) fn load_step(&mut self, id: u64, result: Result<Vec<u8>, Errno>, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        if store.state != State::Loading {
            return;
        }
        if store.closing {
            store.state = State::Failed(Errno::EIO);
            return self.usable(id, out);
        }
        let next = match result {
            Ok(data) => store.loaded(&data),
            // As on Linux, whatever the device said.
            Err(_) => Err(Errno::EIO),
        };
        match next {
            Ok(Some((io, data))) => self.io(id, Job::Load(id), io, data, out),
            Ok(None) => self.usable(id, out),
            Err(errno) => {
                let lost = store.active && errno == Errno::EIO;
                store.state = State::Failed(errno);
                if lost {
                    // The origin goes on without it, so it must never look whole again.
                    store.state = State::Loading;
                    self.invalidate(id, out);
                }
                self.usable(id, out);
            }
        }
    }

    /// The state of a store is known: whoever waited for that goes on.
    fn usable(&mut self, id: u64, out: &mut Vec<Action<C>>) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        let shown = (store.shown_chunk(), store.kind);
        let arrived = core::mem::take(&mut store.arrived);
        let waiting = core::mem::take(&mut store.after_load);
        for member in self.members.values().filter(|member| member.store == Some(id)) {
            member.shape.set(shown.0, shown.1);
        }
        for number in waiting {
            self.wake(number);
        }
        for held in arrived {
            self.arrive(held, out);
        }
        self.merge(id, out);
        out.push(Action::Settled);
    }
}

/// The next operation of a reading, with the data of a write.
type Next = Option<(Bio, Vec<u8>)>;

impl<C> Store<C> {
    /// What was asked for is there. Gives what comes next; `None` when the state is known.
    fn loaded(&mut self, data: &[u8]) -> Result<Next, Errno> {
        match self.loading {
            Loading::Header => self.header_read(data),
            Loading::New(New::Zero) => {
                self.loading = Loading::New(New::Flush);
                Ok(Some((Bio::flush(), Vec::new())))
            }
            Loading::New(New::Flush) => {
                self.loading = Loading::New(New::Header);
                Ok(Some(self.header(true)))
            }
            Loading::New(New::Header) => self.end(),
            Loading::Area(first) => self.part_read(first, data),
            Loading::Tail(first) => self.tail_read(first, data),
            Loading::Start | Loading::Done => Ok(None),
        }
    }

    fn layout(&self) -> Layout {
        Layout {
            chunk: self.chunk,
            unit: self.unit(),
        }
    }

    fn header_read(&mut self, data: &[u8]) -> Result<Next, Errno> {
        let block = u32::try_from(self.unit()).unwrap_or(u32::MAX);
        let Some(header) = Header::read(data, block)? else {
            if !chunk_fits(self.shown_chunk(), block) {
                return Err(Errno::EINVAL);
            }
            let layout = self.layout();
            self.list = Some(List::new(layout));
            self.use_up(1);
            self.loading = Loading::New(New::Zero);
            let area = layout.area(0) * layout.chunk;
            if !self.has_chunk(layout.area(0)) {
                return Err(Errno::EIO);
            }
            return Ok(Some((Bio::new(Op::WriteZeroes, area, layout.chunk), Vec::new())));
        };
        self.chunk = header.chunk.into();
        self.list = Some(List::new(self.layout()));
        self.use_up(1);
        if !header.valid {
            self.state = State::Invalid;
            self.loading = Loading::Done;
            return Ok(None);
        }
        self.read_part(0)
    }

    /// Reads on in the current area; or ends, when there is no such area because the device is full.
    fn read_part(&mut self, first: u64) -> Result<Next, Errno> {
        let Some(list) = &self.list else {
            return Err(Errno::EINVAL);
        };
        let layout = list.layout;
        if !self.has_chunk(layout.area(list.area)) {
            return if list.area == 0 { Err(Errno::EIO) } else { self.end() };
        }
        let start = layout.area(list.area) * layout.chunk;
        self.loading = Loading::Area(first);
        Ok(Some((
            Bio::new(Op::Read, start + first, PART.min(layout.chunk - first)),
            Vec::new(),
        )))
    }

    fn part_read(&mut self, first: u64, data: &[u8]) -> Result<Next, Errno> {
        let Some(layout) = self.list.as_ref().map(|list| list.layout) else {
            return Err(Errno::EINVAL);
        };
        let pairs = (data.len() / 16) as u64;
        for index in 0..pairs {
            let Some((old, new)) = pair(data, index) else { break };
            if new == 0 {
                return self.list_ends(first, data, index);
            }
            if !layout.is_data(new) || !self.has_chunk(new) || !self.table.insert(old, new) {
                return self.contradiction();
            }
            self.use_up(new);
            if let Some(list) = &mut self.list {
                list.index += 1;
            }
        }
        let next = first + data.len() as u64 / 512;
        if next < layout.chunk {
            return self.read_part(next);
        }
        if let Some(list) = &mut self.list {
            list.index = 0;
            list.area += 1;
        }
        self.read_part(0)
    }

    /// Pair number `index` of the part that begins with sector `first` ends the list.
    fn list_ends(&mut self, first: u64, data: &[u8], index: u64) -> Result<Next, Errno> {
        let Some(list) = &mut self.list else {
            return Err(Errno::EINVAL);
        };
        let bytes = list.layout.unit_bytes();
        let used = usize::try_from(index * 16).unwrap_or(0);
        let unit = used / bytes * bytes;
        list.unit.fill(0);
        if let (Some(place), Some(pairs)) = (list.unit.get_mut(..used - unit), data.get(unit..used)) {
            place.copy_from_slice(pairs);
        }
        list.tail = data.get(used..).is_some_and(|rest| rest.iter().any(|&byte| byte != 0));
        self.tail_from(first + data.len() as u64 / 512)
    }

    fn tail_read(&mut self, first: u64, data: &[u8]) -> Result<Next, Errno> {
        if let Some(list) = &mut self.list {
            list.tail |= data.iter().any(|&byte| byte != 0);
        }
        self.tail_from(first + data.len() as u64 / 512)
    }

    fn tail_from(&mut self, first: u64) -> Result<Next, Errno> {
        let Some(list) = &self.list else {
            return Err(Errno::EINVAL);
        };
        let layout = list.layout;
        if list.tail || first >= layout.chunk {
            return self.end();
        }
        let start = layout.area(list.area) * layout.chunk;
        self.loading = Loading::Tail(first);
        Ok(Some((
            Bio::new(Op::Read, start + first, PART.min(layout.chunk - first)),
            Vec::new(),
        )))
    }

    /// The list is read.
    fn end(&mut self) -> Result<Next, Errno> {
        self.loading = Loading::Done;
        let mut stored: Vec<u64> = self.table.stored().collect();
        stored.sort_unstable();
        if stored.windows(2).any(|pair| pair[0] == pair[1]) {
            return self.contradiction();
        }
        self.state = State::Ready;
        Ok(None)
    }

    /// The list says what cannot be. (Linux takes such a list as it is.)
    fn contradiction(&mut self) -> Result<Next, Errno> {
        self.loading = Loading::Done;
        self.state = State::Invalid;
        Ok(None)
    }
}
