//! How messages get to a device.

use std::sync::Arc;

use bstr::BString;

use crate::error::Result;
use crate::library::Library;
use crate::task::{Task, TaskType};

/// The device that a handle is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// By number.
    DevNo {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// By name.
    Name(BString),
    /// By uuid.
    Uuid(BString),
}

impl std::fmt::Display for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DevNo { major, minor } => write!(f, "{major}:{minor}"),
            Self::Name(name) => write!(f, "{name}"),
            Self::Uuid(uuid) => write!(f, "{uuid}"),
        }
    }
}

/// What a handle needs of the engine. Errors are logged where they arise.
pub trait Channel {
    /// Sends a message to the device as a whole (sector 0) and returns the reply, empty if there is none.
    ///
    /// # Errors
    /// No such device, or the engine refuses.
    fn message(&self, device: &Binding, message: &[u8]) -> Result<BString>;

    /// The device's name; `None` when there is no such device.
    fn name(&self, device: &Binding) -> Option<BString>;

    /// Whether the engine keeps times in nanoseconds, and histograms.
    fn supports_precise(&self) -> bool;

    /// Whether block devices of this major number are the engine's.
    fn is_dm_major(&self, major: u32) -> bool;
}

/// The way through tasks of a library.
#[derive(Debug)]
pub struct TaskChannel(pub Arc<Library>);

impl TaskChannel {
    fn task(&self, kind: TaskType, device: &Binding) -> Result<Task> {
        let mut task = Task::on(&self.0, kind)?;
        match device {
            Binding::DevNo { major, minor } => {
                // Numbers beyond i32 are no device's; as negative ones they are refused like those.
                task.set_major(major.cast_signed());
                task.set_minor(minor.cast_signed());
            }
            Binding::Name(name) => task.set_name(name)?,
            Binding::Uuid(uuid) => task.set_uuid(uuid)?,
        }
        Ok(task)
    }
}

impl Channel for TaskChannel {
    fn message(&self, device: &Binding, message: &[u8]) -> Result<BString> {
        let mut task = self.task(TaskType::TargetMsg, device)?;
        task.set_sector(0);
        task.set_message(message);
        task.run()?;
        Ok(task.message_response().map(Into::into).unwrap_or_default())
    }

    fn name(&self, device: &Binding) -> Option<BString> {
        let mut task = self.task(TaskType::Info, device).ok()?;
        task.run().ok()?;
        task.info().filter(|i| i.exists)?;
        task.name().map(Into::into)
    }

    fn supports_precise(&self) -> bool {
        self.0.supports_precise_timestamps()
    }

    fn is_dm_major(&self, major: u32) -> bool {
        self.0.is_dm_major(major)
    }
}
