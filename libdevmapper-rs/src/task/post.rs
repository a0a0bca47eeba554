//! After the request: names are unmangled, node operations queued, cookies completed.

use std::sync::Arc;

use bstr::{BString, ByteSlice};
use dm_abi::ioctl::flag;

use super::reply::Reply;
use super::{AddNode, Extra, READ_AHEAD_AUTO, Task, TaskType};
use crate::error::Result;
use crate::mangle::{Mode, What, decode, mangle, mangle_once, unmangle};
use crate::nodes::{Action, Operation};
use crate::transport::Transport;
use crate::udev::{self, Flags};

impl Task {
    /// Takes in the reply of a request that succeeded.
    pub(super) fn finish(&mut self, kind: TaskType, mut reply: Reply, transport: &dyn Transport) -> Result<()> {
        let library = Arc::clone(&self.library);
        library.note_driver_version(reply.header.version);
        if kind.has_uevent()
            && library.udev.is_active(&library, transport)
            && library.driver_has(17)
            && !reply.has(flag::UEVENT_GENERATED)
        {
            crate::log_debug!("No uevent for {}: completing its cookie.", self.label());
            self.complete_cookie();
        }
        let mode = library.settings().mangling;
        let unmangled =
            |text: &[u8], what| Ok::<_, crate::Error>(BString::from(unmangle(text, what, mode)?.into_owned()));
        if mode != Mode::None {
            reply.name = unmangled(&reply.raw_name, What::Name)?;
            if kind != TaskType::Remove {
                reply.uuid = unmangled(&reply.uuid, What::Uuid)?;
            }
        }
        if kind == TaskType::List {
            reply.devices(mode).try_for_each(|entry| entry.map(drop))?;
            reply.list = Some(mode);
        }
        if kind.returns_targets() {
            self.targets = reply.targets();
        }
        self.queue_nodes(kind, &reply, transport);
        self.reply = Some(reply);
        Ok(())
    }

    /// Node operations that the request makes necessary.
    fn queue_nodes(&self, kind: TaskType, reply: &Reply, transport: &dyn Transport) {
        let flags = Flags::of_word(self.event_nr);
        let trust = self.cookie_set && flags.has(Flags::DISABLE_LIBRARY_FALLBACK);
        let verify = self.cookie_set
            && !trust
            && !flags.has(Flags::DISABLE_DM_RULES)
            && self.library.udev.is_active(&self.library, transport);
        let dev = reply.dev();
        let named = self.name.as_ref().map(|n| &n.sent).filter(|n| !n.is_empty());
        let queue = |name: &BString, action: Action, verify: bool, trust: bool| {
            self.library.nodes.push(Operation {
                name: name.clone(),
                action,
                twin: transport.char_major(),
                verify,
                trust,
            });
        };
        let link = transport.kernel_node(dev).filter(|_| self.library.driver_has(15));
        let add = Action::Add {
            dev,
            uid: self.uid,
            gid: self.gid,
            mode: self.mode,
            link,
        };
        match (kind, named) {
            (TaskType::Create, Some(name)) if self.add_node == AddNode::OnCreate && !trust => {
                queue(name, add, verify, trust);
            }
            (TaskType::Resume, Some(name)) => {
                if self.add_node == AddNode::OnResume {
                    queue(name, add, verify, trust);
                }
                if self.read_ahead != READ_AHEAD_AUTO {
                    let action = Action::ReadAhead {
                        dev,
                        value: self.read_ahead,
                        flags: self.read_ahead_flags,
                    };
                    queue(name, action, false, false);
                }
            }
            (TaskType::Remove, Some(name)) if !trust => queue(name, Action::Delete, verify, trust),
            (TaskType::Rename, Some(name)) => {
                let Extra {
                    new_name: Some(new),
                    new_is_uuid: false,
                    ..
                } = &self.extra
                else {
                    return;
                };
                queue(name, Action::Rename { to: new.sent.clone() }, verify, trust);
            }
            // Nodes are called what the driver calls the devices, as udev does it.
            (TaskType::Mknodes, _) if reply.has(flag::EXISTS) => queue(&reply.raw_name, add, false, false),
            (TaskType::Mknodes, Some(name)) => queue(name, Action::Delete, false, false),
            _ => {}
        }
    }

    /// Sets the flags that udev needs to tell this event from others.
    pub(super) fn mark_primary_source(&mut self, transport: &dyn Transport) {
        let mut flags = Flags::PRIMARY_SOURCE;
        if !self.cookie_set && self.library.udev.is_active(&self.library, transport) {
            crate::log_debug!(
                "Cookie value is not set while trying to call {} ioctl.",
                self.kind().map_or("", TaskType::word)
            );
            crate::log_debug!("The library makes the nodes itself; udev rules for them are switched off.");
            flags |= Flags::DISABLE_DM_RULES | Flags::DISABLE_SUBSYSTEM_RULES;
        }
        self.event_nr |= u32::from(flags) << udev::FLAGS_SHIFT;
    }

    /// Tells the cookie that no event will come for this task.
    pub(super) fn complete_cookie(&self) {
        if let Some(cookie) = self.cookie() {
            let _ = udev::complete(&self.library, cookie);
        }
    }

    /// The cookie in the event word, if there is one.
    pub(super) fn cookie(&self) -> Option<u32> {
        let base = self.event_nr & udev::BASE_MASK;
        (self.cookie_set && base != 0).then_some(udev::MAGIC << udev::FLAGS_SHIFT | base)
    }

    /// Makes the task part of a transaction with udev: [`udev::wait`] on `cookie` returns when udev has processed the
    /// task's event. A cookie of 0 is replaced by a new one. Without udev, `cookie` becomes 0.
    ///
    /// # Errors
    /// No semaphore can be made, or the cookie's is gone; logged.
    pub fn set_cookie(&mut self, cookie: &mut u32, flags: u16) -> Result<()> {
        let has_udev = self.library.transport().is_ok_and(|transport| transport.has_udev());
        let flags = self.library.udev.forced(flags, has_udev);
        self.event_nr = u32::from(flags) << udev::FLAGS_SHIFT;
        if !udev::sync_support(&self.library) {
            *cookie = 0;
            self.cookie_set = true;
            return Ok(());
        }
        match udev::join(*cookie) {
            Ok(joined) => {
                *cookie = joined;
                self.event_nr |= joined & udev::BASE_MASK;
                self.cookie_set = true;
                Ok(())
            }
            Err(error) => {
                self.event_nr = 0;
                Err(error)
            }
        }
    }

    /// The name in the reply in mangled form.
    ///
    /// # Errors
    /// It cannot be mangled, or there is no reply; logged.
    pub fn name_mangled(&self) -> Result<BString> {
        self.converted(self.name(), What::Name, true)
    }

    /// The uuid in the reply in mangled form.
    ///
    /// # Errors
    /// It cannot be mangled, or there is no reply; logged.
    pub fn uuid_mangled(&self) -> Result<BString> {
        self.converted(self.uuid(), What::Uuid, true)
    }

    /// The name in the reply in unmangled form.
    ///
    /// # Errors
    /// It cannot be unmangled, or there is no reply; logged.
    pub fn name_unmangled(&self) -> Result<BString> {
        self.converted(self.name(), What::Name, false)
    }

    /// The uuid in the reply in unmangled form.
    ///
    /// # Errors
    /// It cannot be unmangled, or there is no reply; logged.
    pub fn uuid_unmangled(&self) -> Result<BString> {
        self.converted(self.uuid(), What::Uuid, false)
    }

    fn converted(&self, text: Option<&bstr::BStr>, what: What, mangled: bool) -> Result<BString> {
        let text = text.ok_or_else(|| crate::Error::NotFound(format!("{} in the reply", what.text())))?;
        let mode = self.library.settings().mangling;
        let converted = match (mode, mangled) {
            (Mode::None, true) => mangle_once(text, what),
            (Mode::None, false) => Ok(decode(text, what)),
            (mode, true) => mangle(text, what, mode),
            (_, false) => return Ok(text.into()),
        };
        converted.map(|text| BString::from(text.as_bytes())).inspect_err(|_| {
            let verb = if mangled { "mangle" } else { "unmangle" };
            crate::log_error!("Failed to {verb} device {} \"{text}\".", what.text());
        })
    }
}
