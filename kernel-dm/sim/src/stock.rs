//! NetBSD's stock dm(4) driver as it was observed, mistakes included: its errors are swallowed, its replies echo the
//! request, and what crashed the kernel panics here.
//!
//! Seen on 7.99.34 (2016) and 10.99.12 (2025); [`Year`] says whose ways are meant where they differ. The first runs in a
//! rump kernel too, with the same list of steps: `compat-tests/rump/run --stock`.

use std::collections::BTreeSet;

use dm_abi::errno::Errno;
use dm_abi::ioctl::flag;
use dm_abi::plist::{Dict, Number, Value, key, parse, write};

/// The version that the driver answers.
pub const VERSION: [u32; 3] = [4, 16, 0];
/// The driver's longest component path with its NUL, in bytes.
const PATH_SIZE: usize = 32;
/// Its longest parameters with their NUL, in bytes.
const PARAMS_SIZE: usize = 1024;

/// Which driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Year {
    /// Requests of up to 64 KiB; tables name components by path; no parameters in a status; components listed repeatedly;
    /// up to 4 stripes; `error` and `zero` in modules of their own, which crash the kernel.
    Y2016,
    /// Requests of up to 128 KiB; tables name components by number; up to 15 stripes.
    Y2025,
}

/// A line of a table.
#[derive(Clone, Debug)]
struct Line {
    start: u64,
    length: u64,
    kind: Vec<u8>,
    params: Vec<u8>,
    /// Word of `params` and device number of each component.
    components: Vec<(usize, u64)>,
}

/// Why a line is refused, which says what becomes of those before it.
enum Refusal {
    /// They stay in the slot, and the next table is put in front of them.
    Type,
    /// They are dropped.
    Component,
}

#[derive(Clone, Debug)]
struct Device {
    name: Vec<u8>,
    uuid: Vec<u8>,
    minor: u32,
    live: Vec<Line>,
    inactive: Vec<Line>,
    /// The inactive table was accepted.
    is_whole: bool,
    suspended: bool,
    /// Somebody has it open. The driver does not tell, and removes it all the same.
    open: bool,
}

/// How the driver finds block devices: the device number of a path.
pub type Lookup = Box<dyn Fn(&[u8]) -> Option<u64> + Send>;

/// The driver.
pub struct StockDriver {
    year: Year,
    lookup: Lookup,
    /// Whether the callers may change anything.
    pub privileged: bool,
    devices: Vec<Device>,
    /// Disks that somebody else has open.
    open_disks: BTreeSet<Vec<u8>>,
    next_minor: u32,
}

impl std::fmt::Debug for StockDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StockDriver")
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}

fn hex(dict: &mut Dict, key: &[u8], value: u64) {
    dict.set(key, Value::unsigned(value));
}

fn decimal(value: u64) -> Value {
    Value::Integer(Number::Signed(i64::try_from(value).expect("small")))
}

impl StockDriver {
    /// A driver without devices.
    #[must_use]
    pub fn new(year: Year, lookup: Lookup) -> Self {
        Self {
            year,
            lookup,
            privileged: true,
            devices: Vec::new(),
            open_disks: BTreeSet::new(),
            next_minor: 1,
        }
    }

    /// Names of the devices.
    #[must_use]
    pub fn names(&self) -> Vec<&[u8]> {
        self.devices.iter().map(|device| device.name.as_slice()).collect()
    }

    /// Opens or closes the block node of a device or, by its path, a disk, as a user would do; false when there is none.
    pub fn set_open(&mut self, name: &[u8], open: bool) -> bool {
        if name.first() == Some(&b'/') {
            if open {
                self.open_disks.insert(name.to_vec());
            } else {
                self.open_disks.remove(name);
            }
            return (self.lookup)(name).is_some();
        }
        let device = self.devices.iter_mut().find(|device| device.name == name);
        device.map(|device| device.open = open).is_some()
    }

    /// Whether the block node of a device or disk is open, which NetBSD lets happen once; `None` when there is none.
    #[must_use]
    pub fn is_open(&self, name: &[u8]) -> Option<bool> {
        if name.first() == Some(&b'/') {
            let number = (self.lookup)(name)?;
            return Some(self.open_disks.contains(name) || self.holds(number).is_some());
        }
        let device = self.devices.iter().find(|device| device.name == name);
        device.map(|device| device.open)
    }

    /// One ioctl.
    ///
    /// # Errors
    /// EIO for bytes that are no dictionary, EINVAL for too many. Nothing else is ever told.
    ///
    /// # Panics
    /// Where the kernel would.
    pub fn ioctl(&mut self, xml: &[u8]) -> Result<Vec<u8>, Errno> {
        let limit = match self.year {
            Year::Y2016 => 64 << 10,
            Year::Y2025 => 128 << 10,
        };
        // Proplib knows no references by number.
        if xml.windows(2).any(|two| two == b"&#") {
            return Err(Errno::EIO);
        }
        let mut dict = parse(xml, limit).map_err(|error| error.errno())?;
        let [major, minor, _] = dict.get(key::VERSION).and_then(Value::as_version).unwrap_or([0; 3]);
        if major == VERSION[0] && minor <= VERSION[1] {
            self.command(&mut dict);
        }
        Ok(write(&dict))
    }

    /// The path by which the driver has a component open.
    fn holds(&self, number: u64) -> Option<&[u8]> {
        let lines = self
            .devices
            .iter()
            .flat_map(|device| device.live.iter().chain(&device.inactive));
        let mut components = lines.flat_map(|line| line.components.iter().map(move |component| (line, component)));
        let (line, (at, _)) = components.find(|(_, (_, dev))| *dev == number)?;
        line.params.split(|&byte| byte == b' ').nth(*at)
    }

    /// Opens a component: its number. Once for all tables that name it by the same path.
    fn open_component(&self, path: &[u8]) -> Option<u64> {
        let number = (self.lookup)(path)?;
        match self.holds(number) {
            Some(known) if known == path => Some(number),
            Some(_) => None,
            None => (!self.open_disks.contains(path)).then_some(number),
        }
    }

    fn command(&mut self, dict: &mut Dict) {
        match dict.string(key::COMMAND).to_vec().as_slice() {
            b"version" => dict.set(key::VERSION, Value::version(VERSION)),
            b"targets" => self.targets(dict),
            b"names" => self.list(dict),
            b"info" | b"mknodes" => self.info(dict),
            b"table" | b"status" => self.table(dict),
            b"deps" => self.deps(dict),
            // Refused to users, who do not hear of it.
            _ if !self.privileged => {}
            b"create" => self.create(dict),
            b"reload" => self.reload(dict),
            b"resume" => self.resume(dict),
            b"suspend" => self.suspend(dict),
            b"rename" => self.rename(dict),
            b"clear" => {
                if let Some(device) = self.find(dict) {
                    device.inactive.clear();
                    device.is_whole = false;
                }
            }
            b"remove" => self.remove(dict),
            _ => {}
        }
    }

    fn find(&mut self, dict: &Dict) -> Option<&mut Device> {
        let (name, uuid) = (dict.string(key::NAME), dict.string(key::UUID));
        let minor = dict
            .u32(key::MINOR)
            .expect("the kernel takes a minor number from its stack");
        let is_minor = |device: &Device| minor > 0 && device.minor == minor;
        let is_name = |device: &Device| !name.is_empty() && device.name == name;
        let is_uuid = |device: &Device| !uuid.is_empty() && device.uuid == uuid;
        let devices = &self.devices;
        let at = devices
            .iter()
            .position(is_minor)
            .or_else(|| devices.iter().position(is_name))
            .or_else(|| devices.iter().position(is_uuid))?;
        self.devices.get_mut(at)
    }

    fn targets(&self, dict: &mut Dict) {
        let targets = [
            ("linear", [1, 0, 2]),
            ("striped", [1, 0, 3]),
            ("error", [1, 0, 0]),
            ("zero", [1, 0, 0]),
        ];
        let count = match self.year {
            Year::Y2016 => 2,
            Year::Y2025 => targets.len(),
        };
        let list = targets.iter().take(count).map(|(name, version)| {
            let entry = [
                (key::NAME, Value::string(name.as_bytes())),
                (key::TYPE_VERSION, Value::version(*version)),
            ];
            Value::Dict(entry.into_iter().collect())
        });
        dict.set(key::DATA, Value::Array(list.collect()));
    }

    fn list(&self, dict: &mut Dict) {
        let list = self.devices.iter().map(|device| {
            let entry = [
                (key::DEV, Value::unsigned(device.minor.into())),
                (key::NAME, Value::string(&device.name)),
            ];
            Value::Dict(entry.into_iter().collect())
        });
        dict.set(key::DATA, Value::Array(list.collect()));
    }

    fn create(&mut self, dict: &mut Dict) {
        let (name, uuid) = (dict.string(key::NAME).to_vec(), dict.string(key::UUID).to_vec());
        let exists = flag::EXISTS | dict.u32(key::FLAGS).unwrap_or(0);
        hex(dict, key::FLAGS, exists.into());
        if self
            .devices
            .iter()
            .any(|device| device.name == name || !uuid.is_empty() && device.uuid == uuid)
        {
            return;
        }
        assert!(name.len() < 128, "the name overflows the driver's buffer");
        let minor = self.next_minor;
        self.next_minor += 1;
        self.devices.push(Device {
            name,
            uuid,
            minor,
            live: Vec::new(),
            inactive: Vec::new(),
            is_whole: false,
            suspended: false,
            open: false,
        });
        hex(dict, key::MINOR, minor.into());
    }

    fn reload(&mut self, dict: &mut Dict) {
        let lines = dict.get(key::DATA).and_then(Value::as_array);
        let lines = lines.expect("the kernel panics: reload without an array");
        let Some(device) = self.find(dict) else { return };
        let minor = device.minor;
        // It is gone before its successor is looked at, unless it is the rest of a table that was refused.
        let rest = match std::mem::take(&mut device.is_whole) {
            true => {
                device.inactive.clear();
                Vec::new()
            }
            false => std::mem::take(&mut device.inactive),
        };
        let mut table = Vec::new();
        let mut refused = None;
        for line in lines {
            let line = line
                .as_dict()
                .expect("the kernel panics: a table line that is no dictionary");
            let read = self.line(
                line.u64(key::START).expect("a start"),
                line.u64(key::LENGTH).expect("a length"),
                line.string(key::TYPE),
                line.string(key::PARAMS),
            );
            match read {
                Ok(line) => table.push(line),
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        table.extend(rest);
        let device = self.devices.iter_mut().find(|device| device.minor == minor);
        let device = device.expect("it was found before");
        match refused {
            None => {
                (device.inactive, device.is_whole) = (table, true);
                let flags = dict.u32(key::FLAGS).unwrap_or(0) | flag::INACTIVE_PRESENT;
                hex(dict, key::FLAGS, flags.into());
            }
            Some(Refusal::Type) => device.inactive = table,
            Some(Refusal::Component) => device.inactive.clear(),
        }
        hex(dict, key::MINOR, minor.into());
    }

    /// A line with its components.
    fn line(&self, start: u64, length: u64, kind: &[u8], params: &[u8]) -> Result<Line, Refusal> {
        assert!(kind.len() < 16, "the target type overflows the driver's buffer");
        assert!(
            params.len() < PARAMS_SIZE,
            "the parameters overflow the driver's buffer"
        );
        let words: Vec<&[u8]> = params.split(|&byte| byte == b' ').collect();
        let places: Vec<usize> = match kind {
            b"linear" => {
                assert!(
                    words.len() == 2,
                    "the kernel panics: linear without offset or parameters"
                );
                vec![0]
            }
            b"striped" => {
                let number = |at: usize| std::str::from_utf8(words.get(at)?).ok()?.parse::<usize>().ok();
                let count = number(0).expect("the kernel panics: striped without count");
                assert!(
                    count > 0,
                    "the kernel divides by zero at the first I/O: striped with count 0"
                );
                assert!(
                    number(1) > Some(0),
                    "the kernel divides by zero at the first I/O: striped with chunk 0"
                );
                let most = match self.year {
                    Year::Y2016 => 4,
                    Year::Y2025 => 15,
                };
                assert!(count <= most, "the kernel panics: {count} stripes");
                assert!(
                    words.len() == 2 + 2 * count,
                    "the kernel panics: striped with a wrong number of words"
                );
                (0..count).map(|stripe| 2 + 2 * stripe).collect()
            }
            b"error" | b"zero" => {
                assert!(
                    self.year != Year::Y2016,
                    "the kernel panics: a module whose target has no sector size"
                );
                Vec::new()
            }
            _ => return Err(Refusal::Type),
        };
        let mut components = Vec::new();
        for at in places {
            let path = words[at];
            assert!(path.len() < PATH_SIZE, "the path overflows the driver's buffer");
            // No other form is understood.
            let number = match path.first() {
                Some(b'/') => self.open_component(path),
                _ => None,
            };
            assert!(
                number.is_some() || kind != b"striped",
                "the kernel panics: striped without a component counts its users down twice"
            );
            components.push((at, number.ok_or(Refusal::Component)?));
        }
        Ok(Line {
            start,
            length,
            kind: kind.to_vec(),
            params: params.to_vec(),
            components,
        })
    }

    fn resume(&mut self, dict: &mut Dict) {
        let Some(device) = self.find(dict) else { return };
        // Always, also for none.
        device.live = std::mem::take(&mut device.inactive);
        (device.suspended, device.is_whole) = (false, false);
        let minor = device.minor;
        let flags = dict.u32(key::FLAGS).unwrap_or(0) | flag::EXISTS;
        hex(dict, key::FLAGS, flags.into());
        hex(dict, key::MINOR, minor.into());
        hex(dict, key::OPEN_COUNT, 0);
    }

    fn suspend(&mut self, dict: &mut Dict) {
        let Some(device) = self.find(dict) else { return };
        device.suspended = true;
        let minor = device.minor;
        let flags = flag::EXISTS | flag::SUSPEND | flag::ACTIVE_PRESENT;
        hex(dict, key::FLAGS, flags.into());
        hex(dict, key::MINOR, minor.into());
    }

    fn info(&mut self, dict: &mut Dict) {
        let mut flags = dict.u32(key::FLAGS).unwrap_or(0);
        let Some(device) = self.find(dict).cloned() else {
            return hex(dict, key::FLAGS, (flags & !flag::EXISTS).into());
        };
        flags &= !(flag::ACTIVE_PRESENT | flag::INACTIVE_PRESENT);
        for (set, bit) in [
            (device.suspended, flag::SUSPEND),
            (!device.live.is_empty(), flag::ACTIVE_PRESENT),
            (!device.inactive.is_empty(), flag::INACTIVE_PRESENT),
        ] {
            flags |= if set { bit } else { 0 };
        }
        hex(dict, key::FLAGS, flags.into());
        hex(dict, key::MINOR, device.minor.into());
        dict.set(key::UUID, Value::string(&device.uuid));
        hex(dict, key::TARGET_COUNT, device.live.len() as u64);
        hex(dict, key::OPEN_COUNT, 0);
    }

    fn table(&mut self, dict: &mut Dict) {
        let flags = dict.u32(key::FLAGS).unwrap_or(0);
        let (year, with_table) = (self.year, flags & flag::STATUS_TABLE != 0);
        let Some(device) = self.find(dict) else { return };
        let minor = device.minor;
        let lines = if flags & flag::QUERY_INACTIVE_TABLE != 0 {
            &device.inactive
        } else {
            &device.live
        };
        let lines = lines.iter().map(|line| {
            let mut entry: Dict = [
                (key::TYPE, Value::string(&line.kind)),
                (key::START, Value::unsigned(line.start)),
                (key::LENGTH, Value::unsigned(line.length)),
                (key::STATUS, decimal(0)),
            ]
            .into_iter()
            .collect();
            if with_table {
                entry.set(key::PARAMS, Value::string(&printed(line, year)));
            } else if year == Year::Y2025 {
                entry.set(key::PARAMS, Value::string(b""));
            }
            Value::Dict(entry)
        });
        let lines = Value::Array(lines.collect());
        dict.set(key::DATA, lines);
        hex(dict, key::MINOR, minor.into());
    }

    fn deps(&mut self, dict: &mut Dict) {
        let year = self.year;
        let Some(device) = self.find(dict) else { return };
        let mut devs = Vec::new();
        for (_, dev) in device.live.iter().flat_map(|line| &line.components) {
            if year == Year::Y2016 || !devs.contains(dev) {
                devs.push(*dev);
            }
        }
        dict.set(key::DATA, Value::Array(devs.into_iter().map(decimal).collect()));
    }

    fn rename(&mut self, dict: &mut Dict) {
        let to = match dict.get(key::DATA).and_then(Value::as_array) {
            Some([Value::String(to)]) => to.clone(),
            _ => panic!("the kernel panics: rename without a string"),
        };
        assert!(to.len() < 128, "the name overflows the driver's buffer");
        let name = dict.string(key::NAME).to_vec();
        let Some(at) = self.devices.iter().position(|device| device.name == name) else {
            return;
        };
        let mut device = self.devices.remove(at);
        dict.set(key::UUID, Value::string(&device.uuid));
        hex(dict, key::MINOR, device.minor.into());
        hex(dict, key::OPEN_COUNT, 0);
        // Onto an existing name the device is lost.
        if !self.devices.iter().any(|other| other.name == to) && to != name {
            device.name = to;
            self.devices.push(device);
        }
    }

    fn remove(&mut self, dict: &mut Dict) {
        let flags = dict.u32(key::FLAGS).unwrap_or(0);
        let Some(device) = self.find(dict) else {
            return hex(dict, key::FLAGS, (flags & !flag::EXISTS).into());
        };
        assert!(!device.open, "the driver removes a device that somebody has open");
        let minor = device.minor;
        self.devices.retain(|device| device.minor != minor);
    }
}

/// A table line as this driver prints it.
fn printed(line: &Line, year: Year) -> Vec<u8> {
    if year == Year::Y2016 {
        return line.params.clone();
    }
    let words = line.params.split(|&byte| byte == b' ').enumerate().map(|(at, word)| {
        match line.components.iter().find(|(place, _)| *place == at) {
            Some((_, dev)) => {
                let (major, minor) = dm_abi::ioctl::decode_dev(*dev);
                format!("{major}:{minor}").into_bytes()
            }
            None => word.to_vec(),
        }
    });
    words.collect::<Vec<_>>().join(&b' ')
}
