//! The data path of one mapped device: the suspend gate and the live table.

use crate::host::SharedTable;

/// The gate and the live table of one mapped device. A host keeps it behind a short lock.
#[derive(Debug)]
pub struct Volume<C> {
    table: Option<SharedTable<C>>,
    held: bool,
    in_flight: u64,
}

/// The answer of [`Volume::enter`].
#[derive(Debug)]
pub enum Enter<C> {
    /// Go on with this table, and call [`Volume::exit`] when the request is complete.
    Go(SharedTable<C>),
    /// The device is suspended: keep the request and enter again when the gate opens.
    Hold,
    /// There is no table: the request fails with EIO.
    NoTable,
}

impl<C> Default for Volume<C> {
    fn default() -> Self {
        Self {
            table: None,
            held: false,
            in_flight: 0,
        }
    }
}

impl<C> Volume<C> {
    /// Lets one request in.
    #[must_use]
    pub fn enter(&mut self) -> Enter<C> {
        if self.held {
            return Enter::Hold;
        }
        match &self.table {
            None => Enter::NoTable,
            Some(table) => {
                self.in_flight += 1;
                Enter::Go(table.clone())
            }
        }
    }

    /// One request that was let in is complete. True when it was the last one and somebody waits for that.
    #[must_use]
    pub fn exit(&mut self) -> bool {
        debug_assert!(self.in_flight > 0);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.held && self.in_flight == 0
    }

    /// Closes the gate: from now on [`Volume::enter`] answers [`Enter::Hold`].
    pub fn close(&mut self) {
        self.held = true;
    }

    /// Opens the gate.
    pub fn open(&mut self) {
        self.held = false;
    }

    /// Whether the gate is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.held
    }

    /// Whether no request is under way.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.in_flight == 0
    }

    /// Replaces the live table and gives the old one back.
    pub fn swap(&mut self, table: Option<SharedTable<C>>) -> Option<SharedTable<C>> {
        core::mem::replace(&mut self.table, table)
    }

    /// The live table.
    #[must_use]
    pub fn table(&self) -> Option<&SharedTable<C>> {
        self.table.as_ref()
    }
}
