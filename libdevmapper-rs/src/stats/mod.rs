//! Device-mapper statistics: regions, areas, groups, histograms.
//!
//! The engine counts the I/O of *regions* of a device, each divided into *areas* of equal length. A [`Stats`] handle
//! creates and deletes them by messages to the device, lists them, reads their counters and computes from these what a
//! report shows. *Groups* are this library's: the first region of a group keeps their description in its aux data.
//!
//! ```no_run
//! use libdevmapper::stats::{Binding, Counter, Scope, Stats};
//! let mut stats = Stats::new(Some(b"prog"))?;
//! stats.bind(Binding::Name("vg-lv".into()));
//! let id = stats.create_region(&Default::default())?;
//! stats.populate(None)?;
//! println!("{} writes", stats.counter(Counter::Writes, Scope::Region(id)));
//! stats.delete_region(id)?;
//! # Ok::<(), libdevmapper::Error>(())
//! ```
//! Errors are logged where they arise.

mod channel;
mod filemap;
mod filemapd;
mod group;
pub mod histogram;
mod members;
mod message;
mod metric;
mod region;
mod tag;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use bstr::{BStr, BString};

use crate::error::{Error, Result};
use crate::library::Library;
pub use channel::{Binding, Channel, TaskChannel};
pub use filemapd::{FilemapdMode, start_filemapd};
pub use histogram::{Bin, Histogram};
pub use message::{NewRegion, Step};
pub use metric::{Counter, Metric};
pub use region::{Group, Region};
pub use walk::{Scope, Walk};

/// A decimal number of digits only.
fn number(text: &[u8]) -> Option<u64> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn refused<T>(message: String) -> Result<T> {
    crate::log_error!("{message}");
    Err(Error::Invalid(message))
}

/// What a listing found.
#[derive(Clone, Debug, Default)]
struct Table {
    regions: BTreeMap<u64, Region>,
    groups: BTreeMap<u64, Group>,
}

/// A handle on the statistics of a device.
pub struct Stats {
    channel: Box<dyn Channel>,
    binding: Option<Binding>,
    program_id: BString,
    name: Option<BString>,
    interval_ns: u64,
    table: Option<Table>,
    cursor: walk::Cursor,
}

impl std::fmt::Debug for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stats")
            .field("binding", &self.binding)
            .field("program_id", &self.program_id)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl Stats {
    /// A handle that reaches devices through the process's library. Without a program id, the process's name is taken.
    ///
    /// # Errors
    /// The process's name is not known; logged.
    pub fn new(program_id: Option<&[u8]>) -> Result<Self> {
        Self::with_channel(Box::new(TaskChannel(Arc::clone(Library::global()))), program_id)
    }

    /// A handle that reaches devices through `channel`. Without a program id, the process's name is taken.
    ///
    /// # Errors
    /// The process's name is not known; logged.
    pub fn with_channel(channel: Box<dyn Channel>, program_id: Option<&[u8]>) -> Result<Self> {
        let program_id = match program_id {
            Some(id) if !id.is_empty() => id.into(),
            _ => process_name()?,
        };
        Ok(Self {
            channel,
            binding: None,
            program_id,
            name: None,
            interval_ns: 0,
            table: None,
            cursor: walk::Cursor::default(),
        })
    }

    /// Says which device it is about, and drops all that is known of the one before. It is not looked whether there is
    /// such a device. Major number 0 means none.
    pub fn bind(&mut self, binding: Binding) {
        self.drop_table();
        self.name = None;
        self.binding = Some(binding).filter(|b| !matches!(b, Binding::DevNo { major: 0, .. }));
    }

    /// The device that it is about.
    #[must_use]
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// Makes the error of calls that need a device.
    fn bound(&self) -> Result<&Binding> {
        match &self.binding {
            Some(binding) => Ok(binding),
            None => refused(format!("Stats handle at {self:p} is not bound.")),
        }
    }

    fn send(&self, message: &[u8]) -> Result<BString> {
        self.channel.message(self.bound()?, message)
    }

    fn drop_table(&mut self) {
        self.table = None;
        self.cursor.leave();
    }

    /// Who makes regions by default, and whose are listed.
    #[must_use]
    pub fn program_id(&self) -> &[u8] {
        &self.program_id
    }

    /// Changes the program id.
    ///
    /// # Errors
    /// It is empty though that was not allowed; logged.
    pub fn set_program_id(&mut self, program_id: &[u8], allow_empty: bool) -> Result<()> {
        if program_id.is_empty() && !allow_empty {
            return refused("Empty program_id not permitted without allow_empty=1".into());
        }
        self.program_id = program_id.into();
        Ok(())
    }

    /// Time between two readings of the counters in nanoseconds; 0 if it was not set.
    #[must_use]
    pub fn sampling_interval_ns(&self) -> u64 {
        self.interval_ns
    }

    /// Sets the time between two readings of the counters, which metrics need.
    pub fn set_sampling_interval_ns(&mut self, nanoseconds: u64) {
        self.interval_ns = nanoseconds;
    }

    /// Whether the engine keeps times in nanoseconds, and histograms.
    #[must_use]
    pub fn supports_precise(&self) -> bool {
        self.channel.supports_precise()
    }

    /// The device's name, known from the first listing on.
    #[must_use]
    pub fn device_name(&self) -> Option<&[u8]> {
        self.name.as_ref().map(|n| n.as_slice())
    }

    /// Whether regions were listed and any were found.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.table.is_some()
    }

    /// Creates a region and returns its id. What is listed does not change.
    ///
    /// # Errors
    /// The region makes no sense, the engine refuses, or it cannot keep precise times or histograms though these were
    /// asked for; logged.
    pub fn create_region(&self, region: &NewRegion<'_>) -> Result<u64> {
        self.bound()?;
        if (region.precise || region.bounds.is_some()) && !self.supports_precise() {
            return refused("The engine does not support precise timestamps and histograms.".into());
        }
        self.create_unchecked(region)
    }

    /// [`Stats::create_region`] without asking whether the engine can keep precise times and histograms; it then says so
    /// itself.
    ///
    /// # Errors
    /// As there.
    pub fn create_unchecked(&self, region: &NewRegion<'_>) -> Result<u64> {
        let message = message::create(region, &self.program_id)?;
        Ok(message::created_id(&self.send(&message)?))
    }

    /// Deletes a region; one that is a member of a group leaves it first, and the leader takes the group along. What is
    /// not listed is listed for that.
    ///
    /// # Errors
    /// There is no such region, or the engine refuses; logged.
    pub fn delete_region(&mut self, id: u64) -> Result<()> {
        self.bound()?;
        if self.table.is_some() {
            return self.delete_listed(id);
        }
        self.list(None)?;
        let result = self.delete_listed(id);
        self.drop_table();
        result
    }

    fn delete_listed(&mut self, id: u64) -> Result<()> {
        let Some(table) = self.table.as_ref().filter(|t| !t.regions.is_empty()) else {
            return refused(format!("Could not delete region ID {id}: no regions found"));
        };
        if !table.regions.contains_key(&id) {
            return refused(format!("Region ID {id} does not exist"));
        }
        self.leave_group(id)?;
        self.send(format!("@stats_delete {id}").as_bytes())?;
        if let Some(table) = &mut self.table {
            table.regions.remove(&id);
        }
        Ok(())
    }

    /// Sets the counters of a region to 0, but for requests in flight.
    ///
    /// # Errors
    /// The engine refuses; logged.
    pub fn clear_region(&self, id: u64) -> Result<()> {
        self.send(format!("@stats_clear {id}").as_bytes()).map(drop)
    }

    /// The engine's text of a region's counters, a line per area. `lines` picks a first line and a number of lines;
    /// `clear` sets the counters to 0 in the same step.
    ///
    /// # Errors
    /// The engine refuses; logged.
    pub fn print_region(&self, id: u64, lines: Option<(u32, u32)>, clear: bool) -> Result<BString> {
        self.send(&message::print(id, lines, clear))
    }

    /// Lists the regions of a program: `None` for the handle's own id, empty for all. Counters are not read.
    ///
    /// # Errors
    /// The engine refuses, or its reply is not understood; logged.
    pub fn list(&mut self, program_id: Option<&[u8]>) -> Result<()> {
        let binding = self.bound()?;
        if self.name.is_none() {
            self.name = self.channel.name(binding);
        }
        let message = message::list(program_id.unwrap_or(&self.program_id));
        self.drop_table();
        let reply = self.send(&message)?;
        let regions = region::parse_list(&reply).inspect_err(|error| crate::log_error!("{error}"))?;
        if !regions.is_empty() {
            self.table = Some(Table::new(regions));
        }
        Ok(())
    }

    /// Lists the regions of a program as [`Stats::list`] does and reads all counters, which start at 0 again.
    ///
    /// # Errors
    /// There are no regions, the engine refuses, or its reply is not understood; logged.
    pub fn populate(&mut self, program_id: Option<&[u8]>) -> Result<()> {
        self.list(program_id)?;
        let ids: Vec<u64> = self.regions().map(Region::id).collect();
        if ids.is_empty() {
            return self.no_regions();
        }
        ids.into_iter().try_for_each(|id| self.populate_region(id))
    }

    fn no_regions(&self) -> Result<()> {
        let name = self
            .name
            .clone()
            .or_else(|| self.binding.as_ref().map(|b| b.to_string().into()));
        let message = format!("No stats regions registered: {}", name.unwrap_or_default());
        crate::log_notice!("{message}");
        Err(Error::NotFound("regions".into()))
    }

    /// Reads the counters of one region that is listed; they start at 0 again. On an error nothing is listed any more.
    ///
    /// # Errors
    /// There is no such region, the engine refuses, or its reply is not understood; logged.
    pub fn populate_region(&mut self, id: u64) -> Result<()> {
        self.bound()?;
        if self.table.is_none() {
            return self.no_regions();
        }
        let result = self.read_counters(id);
        if result.is_err() {
            self.drop_table();
        }
        result
    }

    fn read_counters(&mut self, id: u64) -> Result<()> {
        let Some(region) = self.region(id) else {
            return refused(format!("Region ID {id} does not exist"));
        };
        let (bins, timescale) = (region.bins(), region.timescale);
        let reply = self.print_region(id, None, true)?;
        let printed = region::parse_print(&reply, bins, timescale).inspect_err(|error| crate::log_error!("{error}"))?;
        if let Some(region) = self.table.as_mut().and_then(|t| t.regions.get_mut(&id)) {
            region.start = printed.start;
            region.step = printed.step;
            region.len = printed.len;
            region.samples = Some(printed.samples);
        }
        Ok(())
    }

    /// The listed regions, by ascending id.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = &Region> {
        static NONE: BTreeMap<u64, Region> = BTreeMap::new();
        self.table.as_ref().map_or(&NONE, |t| &t.regions).values()
    }

    /// The groups of the listed regions, by ascending id.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (u64, &Group)> {
        static NONE: BTreeMap<u64, Group> = BTreeMap::new();
        self.table
            .as_ref()
            .map_or(&NONE, |t| &t.groups)
            .iter()
            .map(|(&id, group)| (id, group))
    }

    /// A listed region.
    #[must_use]
    pub fn region(&self, id: u64) -> Option<&Region> {
        self.table.as_ref()?.regions.get(&id)
    }

    /// A group of the listed regions.
    #[must_use]
    pub fn group(&self, id: u64) -> Option<&Group> {
        self.table.as_ref()?.groups.get(&id)
    }

    /// The listed members of a group.
    fn members_of(&self, group: u64) -> impl Iterator<Item = &Region> {
        let members = self.group(group).into_iter().flat_map(|g| &g.members);
        members.filter_map(|&id| self.region(id))
    }

    /// Name of the group that a region is a member of, or else the device's name.
    #[must_use]
    pub fn alias(&self, id: u64) -> Option<&[u8]> {
        let group = self.region(id).and_then(Region::group).and_then(|g| self.group(g));
        group.and_then(Group::alias).or_else(|| self.device_name())
    }

    /// First sector of a scope; a group's is that of its first member.
    #[must_use]
    pub fn start(&self, scope: Scope) -> Option<u64> {
        match scope {
            Scope::Area { region, area } => {
                let region = self.region(region)?;
                Some(region.start.saturating_add(region.step.saturating_mul(area)))
            }
            Scope::Region(id) | Scope::Group(id) | Scope::GroupArea { group: id, .. } => Some(self.region(id)?.start),
        }
    }

    /// First sector of a scope, from the start of its region on.
    #[must_use]
    pub fn offset(&self, scope: Scope) -> Option<u64> {
        match scope {
            Scope::Area { region, area } => Some(self.region(region)?.step.saturating_mul(area)),
            Scope::Region(id) | Scope::Group(id) | Scope::GroupArea { group: id, .. } => self.region(id).map(|_| 0),
        }
    }

    /// Sectors of a region, or of all members of a group.
    #[must_use]
    pub fn region_len(&self, scope: Scope) -> Option<u64> {
        match scope {
            Scope::Area { region, .. } | Scope::Region(region) => Some(self.region(region)?.len),
            Scope::Group(group) | Scope::GroupArea { group, .. } => {
                if self.group(group).is_none() {
                    crate::log_error!("Group ID {group} does not exist");
                    return None;
                }
                Some(self.members_of(group).fold(0, |sum, r| sum.saturating_add(r.len)))
            }
        }
    }

    /// Sectors of a scope: of an area, or of all of a region or group.
    #[must_use]
    pub fn area_len(&self, scope: Scope) -> Option<u64> {
        match scope {
            Scope::Area { region, .. } => Some(self.region(region)?.step),
            _ => self.region_len(scope),
        }
    }
}

impl Table {
    /// Puts regions in order and takes the groups out of their aux data.
    fn new(regions: Vec<Region>) -> Self {
        let mut table = Self::default();
        let mut tags = Vec::new();
        for mut region in regions {
            let text = region.aux.clone();
            match region::take_tag(&mut region) {
                Some(Ok(tag)) => tags.push((region.id, tag)),
                Some(Err(_)) => {
                    let text = crate::log::Raw(&text);
                    crate::log_error!(
                        "Failed to parse group descriptor from region_id {} aux_data:'{text}'",
                        region.id
                    );
                }
                None => {}
            }
            table.regions.insert(region.id, region);
        }
        for (id, tag) in tags {
            table.add_tagged(id, tag);
        }
        table
    }
}

/// The name that the process has.
fn process_name() -> Result<BString> {
    let path = "/proc/self/comm";
    match std::fs::read(path) {
        Ok(mut name) => {
            name.truncate(name.trim_ascii_end().len());
            return Ok(name.into());
        }
        Err(error) if cfg!(target_os = "linux") => {
            crate::log_sys_error!(path, "read", error);
            return Err(Error::System {
                path: path.into(),
                call: "read",
                source: error,
            });
        }
        Err(_) => {}
    }
    let program = std::env::current_exe().ok();
    let name = program
        .as_ref()
        .and_then(|p| p.file_name())
        .map(std::os::unix::ffi::OsStrExt::as_bytes);
    match name {
        Some(name) => Ok(name.into()),
        None => refused("Could not find out the name of this process.".into()),
    }
}

/// Text for messages.
fn shown(text: &[u8]) -> &BStr {
    BStr::new(text)
}
