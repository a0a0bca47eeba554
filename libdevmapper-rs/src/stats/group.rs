//! Groups of regions.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use bstr::BString;

use super::tag::{self, Tag};
use super::{Group, Region, Stats, Table, members, message, refused, shown};
use crate::error::Result;

/// So many members that are not there are named in warnings for one group.
const MAX_WARNINGS: usize = 64;

impl Table {
    /// The listed ids in some ranges.
    fn present(&self, ranges: &[RangeInclusive<u64>]) -> BTreeSet<u64> {
        ranges
            .iter()
            .flat_map(|r| self.regions.range(r.clone()))
            .map(|(&id, _)| id)
            .collect()
    }

    /// The first ids in some ranges that are not listed.
    fn absent(&self, ranges: &[RangeInclusive<u64>], most: usize) -> Vec<u64> {
        let ids = ranges.iter().flat_map(|range| {
            // Ends early even for the widest range: ids that are there are few, and of the others `most` are taken.
            range.clone().filter(|id| !self.regions.contains_key(id))
        });
        ids.take(most).collect()
    }

    /// Adds the group that a region's tag describes.
    pub(super) fn add_tagged(&mut self, id: u64, tag: Tag) {
        if tag.members.iter().map(RangeInclusive::start).min() != Some(&id) {
            crate::log_error!("Found invalid group descriptor in region {id} aux_data.");
            return;
        }
        for absent in self.absent(&tag.members, MAX_WARNINGS) {
            crate::log_warn!("Group descriptor {id} contains non-existent region_id {absent}.");
        }
        let members = self.present(&tag.members);
        self.add_group(
            id,
            Group {
                alias: tag.alias,
                members,
            },
        );
    }

    fn add_group(&mut self, id: u64, group: Group) {
        for member in &group.members {
            if let Some(region) = self.regions.get_mut(member) {
                region.group = Some(id);
            }
        }
        self.groups.insert(id, group);
    }

    fn remove_group(&mut self, id: u64) -> Option<Group> {
        let group = self.groups.remove(&id)?;
        for member in &group.members {
            if let Some(region) = self.regions.get_mut(member).filter(|r| r.group == Some(id)) {
                region.group = None;
            }
        }
        Some(group)
    }

    /// Pairs of regions that share sectors, by their starts.
    fn overlaps(&self, ids: &BTreeSet<u64>) -> Vec<(u64, u64)> {
        let mut regions: Vec<&Region> = ids.iter().filter_map(|id| self.regions.get(id)).collect();
        regions.sort_by_key(|r| (r.start, r.id));
        let mut pairs = Vec::new();
        for (i, first) in regions.iter().enumerate() {
            let end = first.end();
            let later = regions[i + 1..].iter().take_while(|r| r.start < end);
            pairs.extend(later.map(|second| (first.id.min(second.id), first.id.max(second.id))));
        }
        pairs
    }
}

impl Stats {
    /// Makes a group of listed regions, given as a list like `0-1,4`, and returns its id, that of the first member.
    ///
    /// # Errors
    /// Nothing is listed, the list cannot be parsed, a region is not there or in another group, histograms differ, the
    /// alias cannot be stored, or the engine refuses; logged.
    pub fn create_group(&mut self, list: &[u8], alias: Option<&[u8]>) -> Result<u64> {
        self.bound()?;
        let Some(table) = &self.table else {
            return refused("Could not create group: no regions found.".into());
        };
        let Ok(ranges) = members::parse(list) else {
            return refused(format!("Could not parse list: '{}'", shown(list)));
        };
        if let Some(alias) = alias {
            tag::check_alias(alias)?;
        }
        let last = table.regions.last_key_value().map_or(0, |(&id, _)| id);
        match ranges.iter().map(|r| *r.end()).max() {
            Some(highest) if highest <= last => {}
            Some(highest) => return refused(format!("Invalid region ID: {highest}")),
            None => return refused(format!("Could not parse list: '{}'", shown(list))),
        }
        if let Some(absent) = table.absent(&ranges, 1).first() {
            return refused(format!("Region ID {absent} does not exist"));
        }
        let members = table.present(&ranges);
        self.add_new_group(members, alias.map(BString::from))
    }

    /// Checks regions that are there and makes a group of them.
    pub(super) fn add_new_group(&mut self, members: BTreeSet<u64>, alias: Option<BString>) -> Result<u64> {
        let regions: Vec<&Region> = members.iter().filter_map(|&id| self.region(id)).collect();
        let Some(leader) = regions.first().map(|r| r.id) else {
            return refused("Could not create group: no regions found.".into());
        };
        if let Some((region, group)) = regions.iter().find_map(|r| Some((r.id, r.group?))) {
            return refused(format!("Region ID {region} already a member of group ID {group}"));
        }
        let mut histograms = regions.iter().filter_map(|r| r.bounds());
        let first = histograms.next();
        if histograms.any(|bounds| Some(bounds) != first) {
            return refused("All region histogram bounds must match exactly".into());
        }
        if regions.iter().any(|r| r.precise() != regions[0].precise()) {
            crate::log_warn!("WARNING: Grouping regions with different clock resolution: precision may be lost.");
        }
        let overlaps = self.table.as_ref().map(|t| t.overlaps(&members)).unwrap_or_default();
        for (a, b) in &overlaps {
            crate::log_warn!("WARNING: Region IDs {a} and {b} overlap. Some events will be counted twice.");
        }
        if !overlaps.is_empty() {
            crate::log_info!("Creating group with overlapping regions.");
        }
        let group = Group { alias, members };
        self.write_aux(leader, Some(&group))?;
        if let Some(table) = &mut self.table {
            table.add_group(leader, group);
        }
        Ok(leader)
    }

    /// Writes the aux data of a region: the tag of the group that it leads, and the user's part.
    pub(super) fn write_aux(&self, id: u64, group: Option<&Group>) -> Result<()> {
        let tag = group
            .map(|g| tag::format(g.alias(), &g.descriptor()))
            .unwrap_or_default();
        let user = self.region(id).map_or(&b""[..], |r| r.aux());
        self.send(&message::set_aux(id, &tag, user)).map(drop)
    }

    /// Takes a region out of its group; the leader's leaving is the group's end.
    pub(super) fn leave_group(&mut self, id: u64) -> Result<()> {
        let Some(group_id) = self.region(id).and_then(Region::group) else {
            return Ok(());
        };
        let Some(mut group) = self.group(group_id).cloned() else {
            return Ok(());
        };
        if group_id == id {
            self.write_aux(id, None)?;
            if let Some(table) = &mut self.table {
                table.remove_group(id);
            }
            return Ok(());
        }
        group.members.remove(&id);
        self.write_aux(group_id, Some(&group))?;
        if let Some(table) = &mut self.table {
            table.groups.insert(group_id, group);
            if let Some(region) = table.regions.get_mut(&id) {
                region.group = None;
            }
        }
        Ok(())
    }

    /// The id of a group that is there.
    pub(super) fn known_group(&self, id: u64) -> Result<&Group> {
        if let Some(group) = self.group(id) {
            return Ok(group);
        }
        let last = self.table.as_ref().and_then(|t| t.regions.last_key_value());
        if last.is_none_or(|(&last, _)| id > last) {
            return refused(format!("Invalid group ID: {id}"));
        }
        refused(format!("Group ID {id} does not exist"))
    }

    /// Ends a group, and with `remove_regions` deletes its members.
    ///
    /// # Errors
    /// There is no such group, or the engine refuses what concerns its leader; logged. Other members that cannot be
    /// deleted only cause a warning.
    pub fn delete_group(&mut self, id: u64, remove_regions: bool) -> Result<()> {
        self.bound()?;
        let members = self.known_group(id)?.members.clone();
        if remove_regions {
            for &member in members.iter().rev().filter(|&&m| m != id) {
                if self.send(format!("@stats_delete {member}").as_bytes()).is_err() {
                    let name = self.device_name().map(|n| shown(n).to_string()).unwrap_or_default();
                    crate::log_warn!("WARNING: Failed to delete region {member} on {name}.");
                } else if let Some(table) = &mut self.table {
                    table.regions.remove(&member);
                }
            }
            self.send(format!("@stats_delete {id}").as_bytes())?;
        } else {
            self.write_aux(id, None)?;
        }
        if let Some(table) = &mut self.table {
            table.remove_group(id);
            if remove_regions {
                table.regions.remove(&id);
            }
        }
        Ok(())
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// The id is not a group's, the alias cannot be stored, or the engine refuses; logged.
    pub fn set_alias(&mut self, id: u64, alias: &[u8]) -> Result<()> {
        self.bound()?;
        match self.region(id).and_then(Region::group) {
            Some(group) if group == id => {}
            Some(_) => return refused(format!("Cannot set alias for group member {id}.")),
            None => return refused(format!("Cannot set alias for ungrouped region ID {id}")),
        }
        tag::check_alias(alias)?;
        let mut group = self.known_group(id)?.clone();
        group.alias = Some(alias.into());
        self.write_aux(id, Some(&group))?;
        if let Some(table) = &mut self.table {
            table.groups.insert(id, group);
        }
        Ok(())
    }
}
