//! The device-mapper library in safe Rust: what `libdevmapper` offers to C programs, without its C conventions.
//!
//! | to do | module |
//! |---|---|
//! | create, change, ask and remove devices | [`device`]; with every option of a request: [`task`] |
//! | read and write table lines and status lines | [`table`]: a type per target |
//! | bring up, change or take down stacks of devices | [`tree`] |
//! | count I/O by regions | [`stats`] |
//! | read and write `lvm.conf` and LVM2's metadata | [`config`] |
//! | print, sort and select rows as `lvs` does | [`report`] |
//! | LVM2's names, sizes, percentages | [`string`], [`units`], [`percent`] |
//! | say where messages go | [`log`] |
//!
//! Requests go to the kernel's driver, or to the udmd daemon where the kernel has none: see [`transport`]. A program
//! needs no unsafe code and no raw pointer. Byte strings (`&[u8]`, [`bstr::BStr`]) are used wherever a name, a parameter
//! line or a configuration text may hold arbitrary bytes. A sector is 512 bytes.
//!
//! The examples below that need devices run on the engine inside the process; a program leaves `.on(&library)` out.
//!
//! # Devices and tables
//! ```
//! # let library = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/engine.rs"));
//! use libdevmapper::device::{self, MappedDevice};
//! use libdevmapper::table::{Params, Status};
//!
//! let device = MappedDevice::create("data").on(&library).table("0 4096 linear 1:0 8".parse()?).run()?;
//! for entry in device::list_on(&library)? {
//!     for line in MappedDevice::by_number(entry.dev).on(&library).table()?.lines() {
//!         match &line.params {
//!             Params::Linear(linear) => assert_eq!(linear.area.offset, 8),
//!             other => println!("{}: {other:?}", entry.name),
//!         }
//!     }
//! }
//! device.remove()?;
//! # Ok::<(), libdevmapper::Error>(())
//! ```
//!
//! # Trees of devices
//! ```
//! # let library = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/engine.rs"));
//! use std::rc::Rc;
//! use libdevmapper::tree::{NewDev, ROOT, TaskDriver, Tree};
//!
//! let tree = Tree::new(Rc::new(TaskDriver::new(library.clone())));
//! let below = tree.add_new_dev("below".into(), "LVM-1".into(), NewDev::default())?;
//! tree.add_zero_target(below, 4096)?;
//! let above = tree.add_new_dev("above".into(), "LVM-2".into(), NewDev::default())?;
//! tree.add_linear_target(above, 1024)?;
//! tree.add_target_area(above, None, Some("LVM-1".into()), 128)?;
//!
//! tree.preload_children(ROOT, None)?; // creates and loads, from the leaves up
//! tree.activate_children(ROOT, None)?; // resumes
//! assert!(tree.info(above).live_table);
//! assert_eq!(tree.children(above), [below]);
//! tree.deactivate_children(ROOT, None)?; // removes, from the top down
//! assert!(libdevmapper::device::list_on(&library)?.is_empty());
//! # Ok::<(), libdevmapper::Error>(())
//! ```
//!
//! # Statistics
//! A handle sends messages to a device by a [`stats::Channel`], normally through [`task`]s; here by one that knows the
//! answers.
//! ```
//! use bstr::BString;
//! use libdevmapper::stats::{Binding, Channel, Counter, Metric, Scope, Stats};
//!
//! struct Recorded;
//! impl Channel for Recorded {
//!     fn message(&self, _: &Binding, message: &[u8]) -> libdevmapper::error::Result<BString> {
//!         Ok(match message {
//!             b"@stats_list prog" => "0: 0+2048 1024 prog -\n".into(),
//!             _ => "0+1024 4 0 32 8 6 0 48 12 0 20 20 8 12\n1024+1024 0 0 0 0 2 0 16 4 0 4 4 0 4\n".into(),
//!         })
//!     }
//! #   fn name(&self, _: &Binding) -> Option<BString> { Some("data".into()) }
//! #   fn supports_precise(&self) -> bool { true }
//! #   fn is_dm_major(&self, major: u32) -> bool { major == 254 }
//! }
//!
//! let mut stats = Stats::with_channel(Box::new(Recorded), Some(b"prog"))?;
//! stats.bind(Binding::Name("data".into()));
//! stats.set_sampling_interval_ns(1_000_000_000);
//! stats.populate(None)?;
//! assert_eq!(stats.counter(Counter::Writes, Scope::Region(0)), 8);
//! assert_eq!(stats.counter(Counter::Writes, Scope::Area { region: 0, area: 1 }), 2);
//! assert_eq!(stats.metric(Metric::ReadsPerSec, Scope::Region(0)), Some(4.0));
//! # Ok::<(), libdevmapper::Error>(())
//! ```
//!
//! # Configuration
//! ```
//! use libdevmapper::config::{Scalar, Tree};
//!
//! let mut tree = Tree::parse(b"devices { dir=\"/dev\" }\nglobal/umask=077")?;
//! assert_eq!(tree.find_str(b"devices/dir"), Some(&b"/dev"[..]));
//! let global = tree.section(None, b"global")?;
//! let node = tree.section(Some(global), b"units")?;
//! tree.set(node, &[Scalar::Str(b"h")])?;
//! assert_eq!(tree.to_string(), "devices {\n\tdir=\"/dev\"\n}\nglobal {\n\tumask=63\n\tunits=\"h\"\n}\n");
//! # Ok::<(), libdevmapper::Error>(())
//! ```
//!
//! # Reports
//! ```
//! use std::rc::Rc;
//! use libdevmapper::report::{Collected, FieldType, Kind, ObjectType, RowSource, Schema, Setup, SourceError, Value};
//!
//! struct Volume(&'static str, u64);
//! impl RowSource for Volume {
//!     fn value(&mut self, field: usize, value: &mut Value<'_>) -> Result<(), SourceError> {
//!         match field {
//!             0 => value.text(self.0.as_bytes())?,
//!             _ => value.unsigned(self.1),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let schema = Schema {
//!     types: vec![ObjectType { id: 1, description: b"Volume", prefix: b"lv_" }],
//!     fields: vec![
//!         FieldType::new(1, Kind::String, b"lv_name", b"Name"),
//!         FieldType::new(1, Kind::Number, b"lv_extents", b"Extents"),
//!     ],
//! };
//! let lines = Rc::new(Collected::default());
//! let setup = Setup { sort_keys: b"-extents", printer: lines.clone(), ..Setup::new(schema, b"name,extents") };
//! let mut report = setup.select(b"extents>1 && name=~^r")?;
//! for (name, extents) in [("root", 10), ("swap", 4), ("raid", 20)] {
//!     report.object(&mut Volume(name, extents), true)?;
//! }
//! report.output()?;
//! assert_eq!(lines.take(), ["Name Extents", "raid      20", "root      10"]);
//! # Ok::<(), libdevmapper::Error>(())
//! ```
#![deny(unsafe_code)]

pub mod bitset;
pub mod config;
pub mod device;
pub mod errno;
pub mod error;
pub mod files;
pub mod hash;
pub mod library;
mod locale;
pub mod log;
pub mod mangle;
pub mod nodes;
pub mod percent;
pub mod regex;
pub mod report;
pub mod settings;
pub mod stats;
pub mod status;
pub mod string;
pub mod sysfs;
pub mod table;
pub mod task;
pub mod timestamp;
pub mod transport;
pub mod tree;
pub mod udev;
pub mod units;
mod wiped;

pub use error::Error;
