//! Loading the table of a node.

use super::Tree;
use super::driver::Load;
use super::node::{Delay, Node, NodeId};
use super::segment::{Kind, Surroundings};
use crate::error::{Error, Result};
use crate::task::{DevNo, Target};
use bstr::BStr;

impl Surroundings for Tree {
    fn number(&self, id: NodeId) -> Result<DevNo> {
        self.node(id).number_for_table()
    }

    fn target_version(&self, kind: &str) -> Result<Option<[u32; 3]>> {
        self.driver.target_version(kind)
    }
}

impl Tree {
    /// Loads the node's segments as its inactive table, unless the live table is the same, and notes how its size changes.
    pub(super) fn load(&self, node: &Node) -> Result<()> {
        node.pending.set(false);
        self.enlarge_vdo(node);
        crate::log_notice!("Loading table for {node}.");
        let (targets, size) = self.lines(node)?;
        let name = node.name.borrow().clone();
        let ignore_params = node.ignore_params.get();
        let loaded = self.driver.load(Load {
            dev: node.number(),
            name: name.as_ref(),
            read_only: node.read_only.get(),
            secure: ignore_params,
            ignore_params,
            targets,
        })?;
        node.info.set(loaded.info);
        if !loaded.info.inactive_table {
            crate::log_notice!("Suppressed {node} identical table reload.");
        }
        self.note_size(node, loaded.live_size, size);
        Ok(())
    }

    /// The lines of the table, and its length.
    fn lines(&self, node: &Node) -> Result<(Vec<Target>, u64)> {
        let segments = node.segments.borrow();
        let mut targets = Vec::with_capacity(segments.len());
        let mut start = 0u64;
        for segment in segments.iter() {
            let kind = segment.kind.target();
            let params = segment.params(start, self)?;
            let needs_params = matches!(segment.kind, Kind::Linear | Kind::Striped { .. } | Kind::Crypt(_));
            if params.is_empty() && needs_params {
                let text = format!("No parameters supplied for {kind} target {}.", node.number());
                crate::log_error!("{text}");
                return Err(Error::Invalid(text));
            }
            let shown = match segment.kind {
                Kind::Crypt(_) => BStr::new("(not shown)"),
                _ => BStr::new(&params),
            };
            crate::log_activation!(
                "Adding target to ({}): {start} {} {kind} {shown}",
                node.number(),
                segment.size
            );
            targets.push(Target {
                start,
                length: segment.size,
                kind: kind.into(),
                params: params.into(),
            });
            start = match start.checked_add(segment.size) {
                Some(end) => end,
                None => {
                    crate::log_error!("Table of {node} is too long.");
                    return Err(Error::Invalid("table too long".into()));
                }
            };
        }
        Ok((targets, start))
    }

    fn note_size(&self, node: &Node, live: u64, new: u64) {
        let changed = match new.cmp(&live) {
            std::cmp::Ordering::Equal => {
                node.size_changed.set(0);
                return;
            }
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Greater => 1,
        };
        let ignored = live == 0 && node.delay_if_new.get() != Delay::No;
        let note = if ignored { " (Ignoring.)" } else { "" };
        crate::log_debug!("Table size changed from {live} to {new} for {node}.{note}");
        let delayed = live != 0 && node.delay_if_extended.get();
        if delayed {
            crate::log_debug!("Resume of table of extended device {node} delayed.");
        }
        node.size_changed.set(if ignored || delayed { 0 } else { changed });
    }

    /// A VDO volume is at least as long as it runs now, or as it was formatted: less would cut data off.
    fn enlarge_vdo(&self, node: &Node) {
        let mut segments = node.segments.borrow_mut();
        for segment in segments.iter_mut() {
            let Kind::Vdo(vdo) = &segment.kind else {
                continue;
            };
            let info = node.info.get();
            let live = if info.exists && info.live_table {
                let lines = self.driver.table(node.number()).unwrap_or_default();
                lines.first().filter(|line| line.kind == "vdo").map(|line| line.length)
            } else {
                None
            };
            let size = live.or_else(|| {
                let data = self.number(vdo.data).ok()?;
                self.driver.vdo_logical_size(data).ok()?.checked_mul(8)
            });
            if let Some(size) = size.filter(|size| *size > segment.size) {
                crate::log_debug!(
                    "Enlarging VDO segment of {node} from {} to {size} sectors.",
                    segment.size
                );
                segment.size = size;
            }
        }
    }
}
