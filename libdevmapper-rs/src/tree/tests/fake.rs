//! A driver in memory.

use crate::error::{Error, Result};
use crate::task::{DevNo, Info, Target};
use crate::tree::{Deps, Driver, Identity, Load, Loaded, ReadAhead};
use bstr::{BStr, BString, ByteSlice};
use dm_abi::errno::Errno;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Major number of the fake's devices.
pub const MAJOR: u32 = 254;

#[derive(Clone, Debug, Default)]
pub struct Device {
    pub name: BString,
    pub uuid: BString,
    pub live: Option<Vec<Target>>,
    pub inactive: Option<Vec<Target>>,
    pub suspended: bool,
    pub read_only: bool,
    /// Opened by somebody.
    pub held: i32,
    pub read_ahead: Option<ReadAhead>,
}

/// Devices, and a log of requests. A request that fails is logged with a `!`.
#[derive(Default)]
pub struct Fake {
    pub devices: RefCell<BTreeMap<u32, Device>>,
    log: RefCell<Vec<String>>,
    /// `REQUEST NAME` of requests to be refused, with EINVAL.
    pub refuse: RefCell<Vec<String>>,
    /// Refusals of messages.
    pub refuse_messages: RefCell<Vec<(String, Errno)>>,
    /// What STATUS prints for devices of this name.
    pub status: RefCell<BTreeMap<BString, String>>,
    pub suspended: Cell<i32>,
    pub raid_version: Cell<Option<Result3>>,
    pub no_sysfs: Cell<bool>,
    pub mounted: Cell<bool>,
    pub vdo_blocks: Cell<Option<u64>>,
    pub max_targets_seen: Cell<usize>,
}

/// A version.
pub type Result3 = [u32; 3];

fn errno<T>(command: &'static str, errno: Errno) -> Result<T> {
    Err(Error::Ioctl { command, errno })
}

fn size(table: Option<&Vec<Target>>) -> u64 {
    table
        .and_then(|lines| lines.last())
        .map_or(0, |line| line.start + line.length)
}

/// Devices named in a table, the last first as the kernel lists them.
fn used(table: Option<&Vec<Target>>) -> Vec<DevNo> {
    let mut devs = Vec::new();
    for line in table.into_iter().flatten() {
        for word in line.params.fields() {
            let word = word.to_str_lossy();
            let Some((major, minor)) = word.trim_start_matches("meta_device:").split_once(':') else {
                continue;
            };
            if let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) {
                let dev = DevNo { major, minor };
                if !devs.contains(&dev) {
                    devs.insert(0, dev);
                }
            }
        }
    }
    devs
}

impl Fake {
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.borrow_mut())
    }

    pub fn number(&self, name: &str) -> DevNo {
        let devices = self.devices.borrow();
        let minor = devices.iter().find(|(_, d)| d.name == name).map(|(minor, _)| *minor);
        DevNo {
            major: MAJOR,
            minor: minor.unwrap_or_else(|| panic!("no device {name}")),
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.devices.borrow().values().map(|d| d.name.to_string()).collect()
    }

    /// `START LENGTH TYPE PARAMS` of each line of the live table.
    pub fn live(&self, name: &str) -> Vec<String> {
        let devices = self.devices.borrow();
        let device = devices.values().find(|d| d.name == name).unwrap();
        device.live.iter().flatten().map(show).collect()
    }

    /// The same for the inactive table.
    pub fn inactive(&self, name: &str) -> Vec<String> {
        let devices = self.devices.borrow();
        let device = devices.values().find(|d| d.name == name).unwrap();
        device.inactive.iter().flatten().map(show).collect()
    }

    pub fn change(&self, name: &str, change: impl FnOnce(&mut Device)) {
        let minor = self.number(name).minor;
        change(self.devices.borrow_mut().get_mut(&minor).unwrap());
    }

    fn name_of(&self, dev: DevNo) -> String {
        match self.devices.borrow().get(&dev.minor).filter(|_| dev.major == MAJOR) {
            Some(device) => device.name.to_string(),
            None => dev.to_string(),
        }
    }

    /// Logs a request, and refuses it if that was asked for.
    fn ask(&self, request: &'static str, who: &str, rest: &str) -> Result<()> {
        let refused = self.refuse.borrow().iter().any(|r| *r == format!("{request} {who}"));
        let mark = if refused { "!" } else { "" };
        self.log.borrow_mut().push(format!("{mark}{request} {who}{rest}"));
        if refused { errno(request, Errno::EINVAL) } else { Ok(()) }
    }

    fn info_of(&self, dev: DevNo) -> Info {
        let devices = self.devices.borrow();
        let Some(device) = devices.get(&dev.minor).filter(|_| dev.major == MAJOR) else {
            return Info::default();
        };
        let users = devices
            .values()
            .filter(|d| used(d.live.as_ref()).contains(&dev) || used(d.inactive.as_ref()).contains(&dev))
            .count();
        Info {
            exists: true,
            suspended: device.suspended,
            live_table: device.live.is_some(),
            inactive_table: device.inactive.is_some(),
            open_count: device.held + i32::try_from(users).unwrap(),
            major: dev.major,
            minor: dev.minor,
            read_only: device.read_only,
            target_count: device.live.as_ref().map_or(0, |t| i32::try_from(t.len()).unwrap()),
            ..Info::default()
        }
    }

    fn with<T>(&self, command: &'static str, dev: DevNo, act: impl FnOnce(&mut Device) -> Result<T>) -> Result<T> {
        match self
            .devices
            .borrow_mut()
            .get_mut(&dev.minor)
            .filter(|_| dev.major == MAJOR)
        {
            Some(device) => act(device),
            None => errno(command, Errno::ENXIO),
        }
    }

    fn identity(&self, dev: DevNo) -> Identity {
        let device = self
            .devices
            .borrow()
            .get(&dev.minor)
            .filter(|_| dev.major == MAJOR)
            .cloned()
            .unwrap_or_default();
        Identity {
            info: self.info_of(dev),
            name: device.name,
            uuid: device.uuid,
        }
    }
}

fn show(line: &Target) -> String {
    format!("{} {} {} {}", line.start, line.length, line.kind, line.params)
        .trim_end()
        .to_owned()
}

fn cookie_word(udev_flags: u16) -> String {
    if udev_flags == 0 {
        String::new()
    } else {
        format!(" flags=0x{udev_flags:x}")
    }
}

impl Driver for Fake {
    fn create(&self, name: &BStr, uuid: &BStr, number: Option<DevNo>, read_only: bool) -> Result<Info> {
        let ro = if read_only { " ro" } else { "" };
        let at = number.map(|n| format!(" at {n}")).unwrap_or_default();
        self.ask("create", &name.to_string(), &format!("{at}{ro}"))?;
        let mut devices = self.devices.borrow_mut();
        if devices.values().any(|d| d.name == name || d.uuid == uuid) {
            return errno("create", Errno::EBUSY);
        }
        let minor = number.map_or_else(|| (0..).find(|n| !devices.contains_key(n)).unwrap(), |n| n.minor);
        let device = Device {
            name: name.into(),
            uuid: uuid.into(),
            read_only,
            ..Device::default()
        };
        devices.insert(minor, device);
        drop(devices);
        Ok(self.info_of(DevNo { major: MAJOR, minor }))
    }

    fn load(&self, load: Load<'_>) -> Result<Loaded> {
        let who = self.name_of(load.dev);
        let ro = if load.read_only { " ro" } else { "" };
        self.ask("load", &who, ro)?;
        self.max_targets_seen.set(load.targets.len());
        for dev in used(Some(&load.targets)) {
            if dev.major == MAJOR && !self.info_of(dev).exists {
                return errno("reload", Errno::ENXIO);
            }
        }
        let live_size = self.with("reload", load.dev, |device| {
            let same = device.live.as_ref().is_some_and(|live| {
                live.len() == load.targets.len()
                    && live.iter().zip(&load.targets).all(|(a, b)| {
                        (a.start, a.length, &a.kind) == (b.start, b.length, &b.kind)
                            && (load.ignore_params || a.params == b.params)
                    })
            });
            if !same {
                device.inactive = Some(load.targets);
            }
            Ok(size(device.live.as_ref()))
        })?;
        Ok(Loaded {
            info: self.info_of(load.dev),
            live_size,
        })
    }

    fn resume(&self, dev: DevNo, _: &BStr, read_ahead: ReadAhead, cookie: &mut u32, udev_flags: u16) -> Result<Info> {
        self.ask("resume", &self.name_of(dev), &cookie_word(udev_flags))?;
        self.with("resume", dev, |device| {
            if let Some(table) = device.inactive.take() {
                device.live = Some(table);
            }
            if device.live.is_none() {
                return errno("resume", Errno::EINVAL);
            }
            device.suspended = false;
            device.read_ahead = Some(read_ahead);
            Ok(())
        })?;
        *cookie = cookie.wrapping_add(1);
        Ok(self.info_of(dev))
    }

    fn suspend(&self, dev: DevNo, skip_lockfs: bool, no_flush: bool) -> Result<Info> {
        let how = format!(
            "{}{}",
            if skip_lockfs { " skiplockfs" } else { "" },
            if no_flush { " noflush" } else { "" }
        );
        self.ask("suspend", &self.name_of(dev), &how)?;
        self.with("suspend", dev, |device| {
            device.suspended = true;
            Ok(())
        })?;
        Ok(self.info_of(dev))
    }

    fn remove(&self, dev: DevNo, _: &BStr, retry: bool, cookie: &mut u32, udev_flags: u16) -> Result<()> {
        let retry = if retry { " retry" } else { "" };
        self.ask(
            "remove",
            &self.name_of(dev),
            &format!("{retry}{}", cookie_word(udev_flags)),
        )?;
        let info = self.info_of(dev);
        if !info.exists {
            return errno("remove", Errno::ENXIO);
        }
        if info.open_count > 0 {
            return errno("remove", Errno::EBUSY);
        }
        self.devices.borrow_mut().remove(&dev.minor);
        *cookie = cookie.wrapping_add(1);
        Ok(())
    }

    fn rename(&self, old: &BStr, new: &BStr, cookie: &mut u32, udev_flags: u16) -> Result<()> {
        self.ask("rename", &format!("{old} {new}"), &cookie_word(udev_flags))?;
        let mut devices = self.devices.borrow_mut();
        if devices.values().any(|d| d.name == new) {
            return errno("rename", Errno::EBUSY);
        }
        let Some(device) = devices.values_mut().find(|d| d.name == old) else {
            return errno("rename", Errno::ENXIO);
        };
        device.name = new.into();
        *cookie = cookie.wrapping_add(1);
        Ok(())
    }

    fn clear(&self, dev: DevNo) -> Result<Info> {
        self.ask("clear", &self.name_of(dev), "")?;
        self.with("clear", dev, |device| {
            device.inactive = None;
            Ok(())
        })?;
        Ok(self.info_of(dev))
    }

    fn deps(&self, dev: DevNo, inactive: bool) -> Result<Deps> {
        self.ask("deps", &self.name_of(dev), if inactive { " inactive" } else { "" })?;
        let deps = self.with("deps", dev, |device| {
            Ok(used(if inactive {
                device.inactive.as_ref()
            } else {
                device.live.as_ref()
            }))
        })?;
        Ok(Deps {
            device: self.identity(dev),
            deps,
        })
    }

    fn info(&self, dev: DevNo, open_count: bool) -> Result<Identity> {
        self.ask("info", &self.name_of(dev), if open_count { " opencount" } else { "" })?;
        Ok(self.identity(dev))
    }

    fn status(&self, dev: DevNo) -> Result<Vec<Target>> {
        let who = self.name_of(dev);
        self.ask("status", &who, "")?;
        let mut lines = self.with("status", dev, |device| Ok(device.live.clone().unwrap_or_default()))?;
        if let (Some(text), Some(line)) = (self.status.borrow().get(who.as_bytes().as_bstr()), lines.first_mut()) {
            line.params = text.as_str().into();
        }
        Ok(lines)
    }

    fn table(&self, dev: DevNo) -> Result<Vec<Target>> {
        self.ask("table", &self.name_of(dev), "")?;
        self.with("table", dev, |device| Ok(device.live.clone().unwrap_or_default()))
    }

    fn message(&self, dev: DevNo, message: &BStr, tolerated: Option<Errno>) -> Result<()> {
        let who = self.name_of(dev);
        self.ask("message", &who, &format!(" {message}"))?;
        let refused = self
            .refuse_messages
            .borrow()
            .iter()
            .find(|(m, _)| message == m.as_str())
            .map(|(_, e)| *e);
        if let Some(refused) = refused {
            return if tolerated == Some(refused) {
                Ok(())
            } else {
                errno("message", refused)
            };
        }
        if let Some(rest) = message.strip_prefix(b"set_transaction_id ") {
            let new = rest.to_str_lossy().split(' ').nth(1).unwrap().to_owned();
            let mut status = self.status.borrow_mut();
            let line = status.get_mut(who.as_bytes().as_bstr()).unwrap();
            *line = format!("{new} {}", line.split_once(' ').unwrap().1);
        }
        Ok(())
    }

    fn target_version(&self, _: &str) -> Result<Option<[u32; 3]>> {
        self.ask("versions", "raid", "")?;
        Ok(self.raid_version.get())
    }

    fn is_dm_major(&self, major: u32) -> bool {
        major == MAJOR
    }

    fn uuid_prefix(&self) -> BString {
        "LVM-".into()
    }

    fn wait_for_udev(&self, cookie: u32) {
        self.log
            .borrow_mut()
            .push(format!("wait{}", if cookie == 0 { " for nothing" } else { "" }));
    }

    fn count_suspended(&self) {
        self.suspended.set(self.suspended.get() + 1);
    }

    fn count_resumed(&self) {
        self.suspended.set(self.suspended.get() - 1);
    }

    fn has_sysfs(&self) -> bool {
        !self.no_sysfs.get()
    }

    fn has_holders(&self, dev: DevNo) -> bool {
        self.info_of(dev).open_count > self.identity_held(dev)
    }

    fn has_mounted_filesystem(&self, _: DevNo) -> bool {
        self.mounted.get()
    }

    fn block_device(&self, path: &BStr) -> Result<DevNo> {
        match path
            .strip_prefix(b"/dev/ram")
            .and_then(|n| n.to_str().ok())
            .and_then(|n| n.parse().ok())
        {
            Some(minor) => Ok(DevNo { major: 1, minor }),
            None => Err(Error::NotFound(path.to_string())),
        }
    }

    fn vdo_logical_size(&self, dev: DevNo) -> Result<u64> {
        self.vdo_blocks.get().ok_or_else(|| Error::NotFound(dev.to_string()))
    }
}

impl Fake {
    fn identity_held(&self, dev: DevNo) -> i32 {
        self.devices.borrow().get(&dev.minor).map_or(0, |d| d.held)
    }
}
