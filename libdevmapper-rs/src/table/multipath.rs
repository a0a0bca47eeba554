//! multipath.

use super::line::Line;
use super::values::{Device, Word};
use super::words::{Field, Result, Words, options, text, words};

words! {
    /// How a multipath device handles requests.
    pub enum QueueMode {
        /// As they come.
        Bio = "bio",
        /// As the block layer has merged them.
        Request = "rq",
        /// As [`QueueMode::Request`].
        MultiQueue = "mq",
    }
}

options! {
    /// A feature of [`Multipath`].
    pub enum MultipathFeature, "feature of multipath" {
        /// Requests wait while no path works.
        QueueIfNoPath = "queue_if_no_path",
        /// The hardware handler that a path has already is kept.
        RetainAttachedHwHandler = "retain_attached_hw_handler",
        /// How often the initialisation of a group is tried again.
        PgInitRetries(count: u32, "number of retries") = "pg_init_retries",
        /// Milliseconds between two tries.
        PgInitDelayMsecs(time: u32, "time in milliseconds") = "pg_init_delay_msecs",
        /// How requests are handled.
        QueueMode(mode: QueueMode, "bio, rq or mq") = "queue_mode",
    }
}

/// A path: `DEVICE ARGUMENT...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    device: Device,
    arguments: Vec<Word>,
}

impl Path {
    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What the selector is told about it, such as `repeat_count`.
    #[must_use]
    pub fn arguments(&self) -> &[Word] {
        &self.arguments
    }
}

/// A group of paths that are used together:
/// `SELECTOR COUNT ARGUMENT... PATHS PATH_ARGUMENTS (DEVICE ARGUMENT...)...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathGroup {
    /// Who chooses a path: `round-robin`, `queue-length`, `service-time`, ...
    pub selector: Word,
    /// What it is told.
    pub selector_arguments: Vec<Word>,
    path_arguments: usize,
    paths: Vec<Path>,
}

impl PathGroup {
    /// A group without paths. `path_arguments` is how many arguments each path has.
    #[must_use]
    pub fn new(selector: Word, selector_arguments: Vec<Word>, path_arguments: usize) -> Self {
        Self {
            selector,
            selector_arguments,
            path_arguments,
            paths: Vec::new(),
        }
    }

    /// Adds a path.
    ///
    /// # Errors
    /// It has not as many arguments as the group demands.
    pub fn push(&mut self, device: Device, arguments: Vec<Word>) -> crate::error::Result<()> {
        if arguments.len() != self.path_arguments {
            let (has, wants) = (arguments.len(), self.path_arguments);
            return Err(crate::Error::Invalid(format!(
                "path {device} has {has} arguments, its group wants {wants}"
            )));
        }
        self.paths.push(Path { device, arguments });
        Ok(())
    }

    /// The paths.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }
}

impl Field for PathGroup {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let selector = words.read("path selector")?;
        let selector_arguments = words.group("argument of the path selector")?;
        let count: u64 = words.read("number of paths")?;
        let path_arguments: u32 = words.read("number of arguments of a path")?;
        let mut paths = Vec::new();
        for _ in 0..count {
            paths.push(Path {
                device: words.read("path (MAJOR:MINOR or path)")?,
                arguments: words.times(path_arguments.into(), "argument of the path")?,
            });
        }
        Ok(Self {
            selector,
            selector_arguments,
            path_arguments: usize::try_from(path_arguments).unwrap_or(usize::MAX),
            paths,
        })
    }

    fn write(&self, line: &mut Line) {
        self.selector.write(line);
        line.group(&self.selector_arguments)
            .word(self.paths.len())
            .word(self.path_arguments);
        for path in &self.paths {
            line.values([&path.device]).values(&path.arguments);
        }
    }
}

/// multipath: one device by several paths, `COUNT FEATURE... COUNT HANDLER... GROUPS INITIAL GROUP...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Multipath {
    /// Features.
    pub features: Vec<MultipathFeature>,
    /// The hardware handler and its arguments; empty for none.
    pub handler: Vec<Word>,
    /// The group that is used first, from 1; 0 without groups.
    pub initial_group: u32,
    /// The groups.
    pub groups: Vec<PathGroup>,
}

impl Field for Multipath {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let features = words.group("feature of multipath")?;
        let handler = words.group("hardware handler")?;
        let count = words.read("number of groups")?;
        Ok(Self {
            features,
            handler,
            initial_group: words.read("initial group, from 1")?,
            groups: words.times(count, "group")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.group(&self.features).group(&self.handler);
        line.word(self.groups.len())
            .word(self.initial_group)
            .values(&self.groups);
        line.trailing_blank();
    }
}

words! {
    /// State of a group of paths.
    pub enum GroupState {
        /// It is in use.
        Active = "A",
        /// It can be used.
        Enabled = "E",
        /// It must not be used.
        Disabled = "D",
    }
}

words! {
    /// State of a path.
    pub enum PathState {
        /// It works.
        Active = "A",
        /// It has failed.
        Failed = "F",
    }
}

/// A path in a status: `DEVICE STATE FAILS STATISTIC...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathStatus {
    /// The device.
    pub device: Device,
    /// Its state.
    pub state: PathState,
    /// How often it failed.
    pub failures: u32,
    /// What the selector says about it, such as the length of its queue.
    statistics: Vec<Word>,
}

impl PathStatus {
    /// What the selector says about it, such as the length of its queue.
    #[must_use]
    pub fn statistics(&self) -> &[Word] {
        &self.statistics
    }
}

/// A group in a status: `STATE COUNT ARGUMENT... PATHS STATISTICS PATH...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathGroupStatus {
    /// Its state.
    pub state: GroupState,
    /// What the selector says about itself.
    pub selector_arguments: Vec<Word>,
    path_statistics: usize,
    paths: Vec<PathStatus>,
}

impl PathGroupStatus {
    /// The paths.
    #[must_use]
    pub fn paths(&self) -> &[PathStatus] {
        &self.paths
    }
}

impl Field for PathGroupStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        let state = words.read("state of a group (A, E or D)")?;
        let selector_arguments = words.group("argument of the path selector")?;
        let count: u64 = words.read("number of paths")?;
        let statistics: u32 = words.read("number of statistics of a path")?;
        let mut paths = Vec::new();
        for _ in 0..count {
            paths.push(PathStatus {
                device: words.read("path (MAJOR:MINOR)")?,
                state: words.read("state of the path (A or F)")?,
                failures: words.read("failures of the path")?,
                statistics: words.times(statistics.into(), "statistic of the path")?,
            });
        }
        Ok(Self {
            state,
            selector_arguments,
            path_statistics: usize::try_from(statistics).unwrap_or(usize::MAX),
            paths,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.state).group(&self.selector_arguments);
        line.word(self.paths.len()).word(self.path_statistics);
        for path in &self.paths {
            line.values([&path.device])
                .word(path.state)
                .word(path.failures)
                .values(&path.statistics);
        }
    }
}

/// Status of multipath: `2 QUEUED PG_INIT COUNT HANDLER... GROUPS ACTIVE GROUP...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct MultipathStatus {
    /// Requests wait for a path, or a group is being initialised.
    pub queueing: u32,
    /// How often a group was initialised.
    pub pg_init_count: u32,
    /// What the hardware handler says.
    pub handler: Vec<Word>,
    /// The group that is used next, from 1; 0 without groups.
    pub next_group: u32,
    /// The groups.
    pub groups: Vec<PathGroupStatus>,
}

impl Field for MultipathStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        words.choice("number of features (2)", &[("2", ())])?;
        let queueing = words.read("queueing (0 or 1)")?;
        let pg_init_count = words.read("number of initialisations")?;
        let handler = words.group("word of the hardware handler")?;
        let count = words.read("number of groups")?;
        Ok(Self {
            queueing,
            pg_init_count,
            handler,
            next_group: words.read("next group, from 1")?,
            groups: words.times(count, "group")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(2)
            .word(self.queueing)
            .word(self.pg_init_count)
            .group(&self.handler);
        line.word(self.groups.len()).word(self.next_group).values(&self.groups);
        line.trailing_blank();
    }
}

text!(Multipath, MultipathStatus);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    impl Arbitrary for PathGroup {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;

        fn arbitrary_with((): ()) -> Self::Strategy {
            (any::<Word>(), vec(any::<Word>(), 0..3), 0usize..3)
                .prop_flat_map(|(selector, arguments, count)| {
                    let path = (any::<Device>(), vec(any::<Word>(), count));
                    vec(path, 0..4).prop_map(move |paths| {
                        let mut group = Self::new(selector.clone(), arguments.clone(), count);
                        for (device, arguments) in paths {
                            group.push(device, arguments).unwrap();
                        }
                        group
                    })
                })
                .boxed()
        }
    }

    impl Arbitrary for PathGroupStatus {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;

        fn arbitrary_with((): ()) -> Self::Strategy {
            (any::<GroupState>(), vec(any::<Word>(), 0..3), 0usize..3)
                .prop_flat_map(|(state, selector_arguments, path_statistics)| {
                    let path = (any::<(Device, PathState, u32)>(), vec(any::<Word>(), path_statistics));
                    let path = path.prop_map(|((device, state, failures), statistics)| PathStatus {
                        device,
                        state,
                        failures,
                        statistics,
                    });
                    vec(path, 0..4).prop_map(move |paths| Self {
                        state,
                        selector_arguments: selector_arguments.clone(),
                        path_statistics,
                        paths,
                    })
                })
                .boxed()
        }
    }

    #[test]
    fn paths_of_a_group_are_alike() {
        let mut group = PathGroup::new("round-robin".parse().unwrap(), Vec::new(), 1);
        group.push(Device::new(8, 0), vec![1000.into()]).unwrap();
        assert!(group.push(Device::new(8, 16), Vec::new()).is_err());
        assert_eq!(group.paths().len(), 1);
    }
}
