//! Trees, tasks and statistics through the C entries, over the engine inside the process: a program of a few calls.
//! Built with the address sanitizer like [`crate::c_entries`].

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr::{self, null, null_mut};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use devmapper_capi::status::dm_vdo_target_params;
use devmapper_capi::tree::{dm_tree, dm_tree_node};
use devmapper_capi::{config, stats, task, tree};
use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, HEADER_SIZE, Header};
use dm_core::control::{Control, Outcome};
use dm_sim::{Disk, Sim};
use libdevmapper::library::Library;
use libdevmapper::transport::{Failure, Transport};

use crate::Reader;

/// The engine of one input, and what it answers to messages about statistics.
struct Engine {
    control: Control<Sim>,
    list: Vec<u8>,
    print: Vec<u8>,
}

/// The way to the engine of the input that runs.
#[derive(Debug, Default)]
struct Inside(Mutex<Option<Engine>>);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    fn new(list: &[u8], print: &[u8]) -> Self {
        let mut sim = Sim::new();
        for minor in 0..3 {
            sim.add_disk(1, minor, &format!("/dev/ram{minor}"), Disk::new(4096));
        }
        Self {
            control: Control::new(sim),
            list: list.to_vec(),
            print: print.to_vec(),
        }
    }

    /// Answers a message about statistics, as the kernel does; the engine has none.
    fn statistics(&self, buffer: &mut [u8]) -> Option<Result<(), Failure>> {
        let text = buffer[HEADER_SIZE..].windows(7).position(|bytes| bytes == b"@stats_")?;
        let message = &buffer[HEADER_SIZE + text..];
        let reply = if message.starts_with(b"@stats_list") {
            &self.list[..]
        } else if message.starts_with(b"@stats_print") {
            &self.print
        } else if message.starts_with(b"@stats_create") {
            &b"0"[..]
        } else {
            b""
        };
        let mut header = Header::read(buffer)?;
        let start = usize::try_from(header.data_start).ok()?;
        let place = buffer.get_mut(start..)?;
        if place.len() <= reply.len() {
            header.flags |= dm_abi::ioctl::flag::BUFFER_FULL;
        } else {
            place[..reply.len()].copy_from_slice(reply);
            place[reply.len()] = 0;
            header.flags |= dm_abi::ioctl::flag::DATA_OUT;
        }
        assert!(header.write(buffer));
        Some(Ok(()))
    }
}

impl Transport for Inside {
    fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> Result<(), Failure> {
        let mut engine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_mut().expect("an input runs");
        if nr == Command::TargetMsg.number()
            && let Some(done) = engine.statistics(buffer)
        {
            return done;
        }
        let mut outcome = engine.control.request(nr, buffer);
        // What stores and logs have to read is never read here.
        for _ in 0..100 {
            match outcome {
                Outcome::Done(Ok(_)) => return Ok(()),
                Outcome::Done(Err(errno)) => return Err(Failure::Refused(errno)),
                Outcome::Wait(ticket, _) => outcome = engine.control.proceed(ticket, Ok(()), buffer),
            }
        }
        if let Outcome::Wait(ticket, _) = outcome {
            let _ = engine.control.cancel(ticket, buffer);
        }
        Err(Failure::Refused(Errno::EINTR))
    }

    fn dm_major(&self) -> Option<u32> {
        Some(254)
    }

    fn has_udev(&self) -> bool {
        false
    }

    fn wait_event(&self) -> Result<(), Failure> {
        Err(Failure::Refused(Errno::EOPNOTSUPP))
    }
}

/// The transport of this process; made the process's own at the first call.
fn inside() -> &'static Inside {
    static INSIDE: OnceLock<Arc<Inside>> = OnceLock::new();
    INSIDE.get_or_init(|| {
        let inside = Arc::new(Inside::default());
        let library = Library::global();
        // Nothing calls `dm_lib_release`, which would close it.
        library.set_transport(Arc::<Inside>::clone(&inside));
        // No directory, so that nodes are made nowhere.
        library.change_settings(|s| s.dm_dir = "/dev/null/mapper".into());
        inside
    })
}

/// Inputs run one after the other: tests have threads.
static ONE: Mutex<()> = Mutex::new(());

pub(crate) fn run(bytes: &[u8]) {
    let [list, print, program] = super::parts(bytes);
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    *inside().0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Engine::new(list, print));
    // SAFETY: a new tree, which nobody else has.
    unsafe {
        Program {
            reader: Reader(program),
            tree: tree::dm_tree_create(),
            nodes: Vec::new(),
        }
        .run();
    }
    drop(one);
}

const NAMES: [&CStr; 6] = [c"a", c"b", c"c", c"d-real", c"e f", c""];
const UUIDS: [&CStr; 6] = [c"LVM-A", c"LVM-B", c"LVM-C", c"LVM-A-cow", c"CRYPT-x", c""];
const AREAS: [&CStr; 4] = [c"/dev/ram0", c"/dev/ram1", c"1:2", c"/nowhere"];
const TYPES: [&CStr; 8] = [
    c"linear",
    c"zero",
    c"error",
    c"striped",
    c"snapshot-origin",
    c"mirror",
    c"crypt",
    c"raid1",
];
const PARAMS: [&CStr; 7] = [
    c"/dev/ram0 0",
    c"2 8 1:0 0 1:1 0",
    c"1:2",
    c"core 1 8 2 1:0 0 1:1 0",
    c"aes-xts-plain64 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff 0 1:0 0",
    c"254:0 0",
    c"",
];
const MESSAGES: [&CStr; 4] = [c"@stats_list", c"key wipe", c"set_region_mappings", c"\\ x"];
/// What may be asked again and again without an end.
const WAITEVENT: c_int = 8;
const TASK_KINDS: c_int = 21;

struct Program<'p> {
    reader: Reader<'p>,
    tree: *mut dm_tree,
    /// Of this tree.
    nodes: Vec<*mut dm_tree_node>,
}

impl Program<'_> {
    fn pick<'a>(&mut self, of: &[&'a CStr]) -> &'a CStr {
        of[usize::from(self.reader.byte()) % of.len()]
    }

    /// One of them, or NULL.
    fn pick_or_null(&mut self, of: &[&CStr]) -> *const c_char {
        match usize::from(self.reader.byte()) % (of.len() + 1) {
            0 => null(),
            n => of[n - 1].as_ptr(),
        }
    }

    fn node(&mut self) -> *mut dm_tree_node {
        match self.nodes.len() {
            0 => null_mut(),
            len => self.nodes[usize::from(self.reader.byte()) % len],
        }
    }

    fn flag(&mut self) -> c_int {
        c_int::from(self.reader.byte() & 1)
    }

    /// Runs calls until the input ends.
    ///
    /// # Safety
    /// The tree is alive and nobody else has it.
    unsafe fn run(mut self) {
        // SAFETY: pointers come from the library; those of a tree are dropped with it.
        unsafe {
            while !self.reader.is_empty() {
                match self.reader.byte() % 8 {
                    0 => self.new_device(),
                    1 | 2 => self.segment(),
                    3 => self.walk(),
                    4 => self.setting(),
                    5 => self.look(tree::dm_tree_find_node(self.tree, 0, 0), 0),
                    6 => self.task(),
                    _ => self.statistics(),
                }
            }
            tree::dm_tree_free(self.tree);
        }
    }

    unsafe fn new_device(&mut self) {
        let (name, uuid) = (self.pick_or_null(&NAMES), self.pick_or_null(&UUIDS));
        let minor = u32::from(self.reader.byte());
        let major = if minor & 0x80 == 0 { 0 } else { 254 };
        let (read_only, clear) = (self.flag(), self.flag());
        // SAFETY: as for `run`; the context is only compared.
        unsafe {
            let context = ptr::without_provenance_mut::<c_void>(8);
            let node = if minor & 0x40 == 0 {
                tree::dm_tree_add_new_dev(self.tree, name, uuid, major, minor & 7, read_only, clear, context)
            } else {
                tree::dm_tree_add_dev(self.tree, 254, minor & 7);
                tree::dm_tree_find_node(self.tree, 254, minor & 7)
            };
            if !node.is_null() {
                self.nodes.push(node);
            }
        }
    }

    unsafe fn segment(&mut self) {
        let node = self.node();
        let size = u64::from(self.reader.byte()) * 8;
        let small = u32::from(self.reader.byte());
        let (origin, cow) = (self.pick_or_null(&UUIDS), self.pick_or_null(&UUIDS));
        let what = self.reader.byte();
        // SAFETY: as for `run`; the structures are as libdevmapper.h says, the strings are C strings or NULL.
        unsafe {
            match what % 20 {
                0 => tree::dm_tree_node_add_linear_target(node, size),
                1 => tree::dm_tree_node_add_striped_target(node, size, small),
                2 => tree::dm_tree_node_add_error_target(node, size),
                3 => tree::dm_tree_node_add_zero_target(node, size),
                4 => tree::dm_tree_node_add_mirror_target(node, size),
                5 => tree::dm_tree_node_add_mirror_target_log(node, small, small & 1, origin, small & 3, small),
                6 => tree::dm_tree_node_add_snapshot_origin_target(node, size, origin),
                7 => {
                    tree::dm_tree_node_add_snapshot_target(node, size, origin, cow, c_int::from(what & 32 != 0), small)
                }
                8 => {
                    let merge = self.pick_or_null(&UUIDS);
                    tree::dm_tree_node_add_snapshot_merge_target(node, size, origin, cow, merge, small)
                }
                9 => tree::dm_tree_node_add_crypt_target(
                    node,
                    size,
                    c"aes".as_ptr(),
                    c"xts".as_ptr(),
                    c"plain64".as_ptr(),
                    small.into(),
                    c"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".as_ptr(),
                ),
                10 => tree::dm_tree_node_add_thin_pool_target(node, size, 1, origin, cow, small * 128, 1, 0),
                11 => tree::dm_tree_node_add_thin_target(node, size, origin, small),
                12 => tree::dm_tree_node_add_thin_pool_message(node, small % 5, 1, 2),
                13 => {
                    let raid = tree::dm_tree_node_raid_params_v2 {
                        raid_type: [c"raid1", c"raid5_ls", c"raid10", c"x"][usize::from(what / 20) % 4].as_ptr(),
                        stripes: 1,
                        mirrors: 2,
                        region_size: small * 8,
                        stripe_size: small,
                        delta_disks: c_int::from(what & 1),
                        data_offset: 0,
                        rebuilds: [u64::from(small); 4],
                        writemostly: [u64::from(what); 4],
                        writebehind: small,
                        data_copies: 2,
                        sync_daemon_sleep: 0,
                        max_recovery_rate: small,
                        min_recovery_rate: 1,
                        stripe_cache: 0,
                        flags: u64::from(small),
                    };
                    tree::dm_tree_node_add_raid_target_with_params_v2(node, size, &raw const raid)
                }
                14 => self.cache(node, size, u64::from(small), origin, cow),
                15 => {
                    // SAFETY: numbers and NULL.
                    let mut settings: tree::dm_integrity_settings = std::mem::zeroed();
                    settings.mode[0] = b'J'.cast_signed();
                    settings.internal_hash = c"crc32c".as_ptr();
                    settings.set = small;
                    tree::dm_tree_node_add_integrity_target(node, size, origin, cow, &raw mut settings, 1)
                }
                16 => {
                    // SAFETY: numbers and NULL.
                    let mut settings: tree::dm_writecache_settings = std::mem::zeroed();
                    settings.set = small;
                    tree::dm_tree_node_add_writecache_target(node, size, origin, cow, 0, 512, &raw mut settings)
                }
                17 => {
                    // SAFETY: numbers.
                    let mut params: dm_vdo_target_params = std::mem::zeroed();
                    params.minimum_io_size = small;
                    tree::dm_tree_node_add_vdo_target(node, size, 4, c"pool".as_ptr(), origin, size, &raw const params)
                }
                18 => tree::dm_tree_node_add_null_area(node, 0),
                _ => 0,
            };
            // Most segments want areas.
            for _ in 0..what >> 6 {
                let (path, uuid) = (self.pick_or_null(&AREAS), self.pick_or_null(&UUIDS));
                tree::dm_tree_node_add_target_area(node, path, uuid, u64::from(self.reader.byte()));
            }
        }
    }

    /// A cache with a policy's settings from a configuration.
    unsafe fn cache(
        &mut self,
        node: *mut dm_tree_node,
        size: u64,
        flags: u64,
        origin: *const c_char,
        fast: *const c_char,
    ) -> c_int {
        // SAFETY: as for `run`; the configuration is there during the call.
        unsafe {
            let settings =
                config::dm_config_from_string(c"settings { migration_threshold=2048 random=\"x\" }".as_ptr());
            let first = (*settings).root;
            let policy = c"smq".as_ptr();
            let added = tree::dm_tree_node_add_cache_target(node, size, flags, fast, fast, origin, policy, first, 64);
            config::dm_config_destroy(settings);
            added
        }
    }

    unsafe fn walk(&mut self) {
        let node = self.node();
        let what = self.reader.byte();
        let prefix = self.pick_or_null(&[c"LVM-", c"LVM-A", c""]);
        let len = if prefix.is_null() { 0 } else { 4 };
        // SAFETY: as for `run`.
        unsafe {
            let node = if what & 0x80 == 0 {
                tree::dm_tree_find_node(self.tree, 0, 0)
            } else {
                node
            };
            match what % 6 {
                0 => tree::dm_tree_preload_children(node, prefix, len),
                1 => tree::dm_tree_activate_children(node, prefix, len),
                2 => tree::dm_tree_suspend_children(node, prefix, len),
                3 => tree::dm_tree_deactivate_children(node, prefix, len),
                4 => tree::dm_tree_children_use_uuid(node, prefix, len),
                _ => {
                    self.nodes.clear();
                    tree::dm_tree_free(self.tree);
                    self.tree = tree::dm_tree_create();
                    tree::dm_tree_add_dev(self.tree, 254, u32::from(what >> 4) & 7)
                }
            };
        }
    }

    unsafe fn setting(&mut self) {
        let (node, other) = (self.node(), self.node());
        let what = self.reader.byte();
        let data = if what & 0x80 == 0 { node } else { null_mut() };
        // SAFETY: as for `run`; both nodes are of this tree.
        unsafe {
            match what % 8 {
                0 => tree::dm_tree_node_set_callback(node, Some(callback), data.cast()),
                1 => tree::dm_tree_node_set_presuspend_node(node, other),
                2 => tree::dm_tree_node_set_read_ahead(node, what.into(), (what >> 4).into()),
                3 => tree::dm_tree_skip_lockfs(node),
                4 => tree::dm_tree_use_no_flush_suspend(node),
                5 => {
                    let mut suffixes = [c"-cow".as_ptr(), null()];
                    tree::dm_tree_set_optional_uuid_suffixes(self.tree, suffixes.as_mut_ptr());
                }
                6 => tree::dm_tree_node_set_udev_flags(node, what.into()),
                _ => {
                    tree::dm_tree_node_set_thin_external_origin(node, UUIDS[1].as_ptr());
                    tree::dm_tree_node_set_thin_pool_discard(node, what.into(), 1);
                }
            }
        }
    }

    /// Reads a node and all that are below it, and keeps their pointers.
    unsafe fn look(&mut self, node: *mut dm_tree_node, depth: u32) {
        if depth > 6 || node.is_null() {
            return;
        }
        // SAFETY: as for `run`.
        unsafe {
            let strings = [tree::dm_tree_node_get_name(node), tree::dm_tree_node_get_uuid(node)];
            let info = &*tree::dm_tree_node_get_info(node);
            assert!(info.exists <= 1 && tree::dm_tree_node_size_changed(node).abs() <= 1);
            let _ = tree::dm_tree_node_get_context(node);
            for inverted in [1, 0] {
                let mut handle = null_mut();
                for _ in 0..tree::dm_tree_node_num_children(node, inverted) {
                    let child = tree::dm_tree_next_child(&raw mut handle, node, inverted);
                    if inverted == 0 {
                        self.look(child, depth + 1);
                    }
                }
            }
            for string in strings {
                let _ = CStr::from_ptr(string).to_bytes();
            }
            if self.nodes.len() < 16 && depth > 0 {
                self.nodes.push(node);
            }
        }
    }

    unsafe fn task(&mut self) {
        let kind = c_int::from(self.reader.byte()) % TASK_KINDS;
        if kind == WAITEVENT {
            return;
        }
        let settings = self.reader.byte();
        // SAFETY: as for `run`.
        unsafe {
            let dmt = task::dm_task_create(kind);
            if dmt.is_null() {
                return;
            }
            match settings & 3 {
                0 => task::dm_task_set_name(dmt, self.pick(&NAMES).as_ptr()),
                1 => task::dm_task_set_uuid(dmt, self.pick(&UUIDS).as_ptr()),
                2 => task::dm_task_set_major_minor(dmt, 254, c_int::from(settings >> 5), 1),
                _ => 1,
            };
            if settings & 4 != 0 {
                task::dm_task_set_newname(dmt, self.pick(&NAMES).as_ptr());
                task::dm_task_set_message(dmt, self.pick(&MESSAGES).as_ptr());
            }
            let mut start = 0;
            for _ in 0..settings >> 3 & 3 {
                let size = u64::from(self.reader.byte());
                let (kind, params) = (self.pick(&TYPES), self.pick(&PARAMS));
                task::dm_task_add_target(dmt, start, size, kind.as_ptr(), params.as_ptr());
                start += size;
            }
            if settings & 0x20 != 0 {
                task::dm_task_query_inactive_table(dmt);
                task::dm_task_suppress_identical_reload(dmt);
                task::dm_task_set_record_timestamp(dmt);
            }
            for _ in 0..=(settings >> 6 & 1) {
                if task::dm_task_run(dmt) == 1 {
                    results(dmt);
                }
                task::dm_task_get_errno(dmt);
            }
            task::dm_task_destroy(dmt);
        }
    }

    unsafe fn statistics(&mut self) {
        let (what, width) = (self.reader.byte(), c_int::from(self.reader.byte()));
        // SAFETY: as for `run`; what the handle gives out is used before the handle changes.
        unsafe {
            let dms = stats::dm_stats_create(if what & 1 == 0 { null() } else { c"prog".as_ptr() });
            if dms.is_null() {
                return;
            }
            match what & 6 {
                0 => stats::dm_stats_bind_name(dms, self.pick(&NAMES).as_ptr()),
                2 => stats::dm_stats_bind_uuid(dms, self.pick(&UUIDS).as_ptr()),
                _ => stats::dm_stats_bind_devno(dms, 254, c_int::from(what >> 5)),
            };
            stats::dm_stats_set_sampling_interval_ms(dms, 1 + u64::from(what));
            let bounds = stats::dm_histogram_bounds_from_string(c"1ms,2ms".as_ptr());
            let mut region = 0;
            stats::dm_stats_create_region(dms, &raw mut region, 0, 0, -1, 0, bounds, null(), c"aux".as_ptr());
            stats::dm_histogram_bounds_destroy(bounds);
            let all = c"".as_ptr();
            if stats::dm_stats_list(dms, all) == 1 {
                regions(dms, width);
            }
            if stats::dm_stats_populate(dms, all, u64::MAX) == 1 {
                regions(dms, width);
                let mut group = 0;
                let members = c"0-1,3".as_ptr();
                if stats::dm_stats_create_group(dms, members, c"alias".as_ptr(), &raw mut group) == 1 {
                    stats::dm_stats_set_alias(dms, group, c"other".as_ptr());
                    regions(dms, width);
                    stats::dm_stats_delete_group(dms, group, c_int::from(what & 8 != 0));
                }
                let buffer = stats::dm_stats_print_region(dms, region, 0, 0, 0);
                if !buffer.is_null() {
                    let _ = CStr::from_ptr(buffer).to_bytes();
                    stats::dm_stats_buffer_destroy(dms, buffer);
                }
                stats::dm_stats_delete_region(dms, region);
                regions(dms, width);
            }
            stats::dm_stats_destroy(dms);
        }
    }
}

/// Called in the middle of a walk: looks at the tree that is being walked.
unsafe extern "C" fn callback(node: *mut dm_tree_node, what: c_uint, data: *mut c_void) -> c_int {
    // SAFETY: both are NULL or nodes of the tree.
    unsafe {
        assert!(what <= 1);
        for node in [node, data.cast()] {
            let _ = CStr::from_ptr(tree::dm_tree_node_get_name(node)).to_bytes();
            let info = tree::dm_tree_node_get_info(node);
            assert!(info.is_null() || (*info).exists <= 1);
            tree::dm_tree_node_num_children(node, 1);
        }
    }
    1
}

/// Reads all that a task may have.
///
/// # Safety
/// A task that ran.
unsafe fn results(dmt: *mut task::dm_task) {
    // SAFETY: what the task gives out is read before it changes, along the links that libdevmapper.h describes.
    unsafe {
        let mut info = task::dm_info::default();
        task::dm_task_get_info_with_deferred_remove(dmt, &raw mut info);
        task::dm_task_get_info(dmt, &raw mut info);
        for text in [
            task::dm_task_get_name(dmt),
            task::dm_task_get_uuid(dmt),
            task::dm_task_get_message_response(dmt),
        ] {
            if !text.is_null() {
                let _ = CStr::from_ptr(text).to_bytes();
            }
        }
        for text in [
            task::dm_task_get_name_mangled(dmt),
            task::dm_task_get_uuid_unmangled(dmt),
        ] {
            devmapper_capi::malloc::dm_free_wrapper(text.cast());
        }
        let deps = task::dm_task_get_deps(dmt);
        if !deps.is_null() {
            let first = (&raw const (*deps).device).cast::<u64>();
            for n in 0..(*deps).count as usize {
                let _ = *first.add(n);
            }
        }
        let mut names = task::dm_task_get_names(dmt);
        while !names.is_null() && (*names).dev != 0 {
            let _ = CStr::from_ptr((&raw const (*names).name).cast()).to_bytes();
            let next = (*names).next as usize;
            names = if next == 0 { null_mut() } else { names.byte_add(next) };
        }
        let mut versions = task::dm_task_get_versions(dmt);
        while !versions.is_null() {
            let _ = CStr::from_ptr((&raw const (*versions).name).cast()).to_bytes();
            let next = (*versions).next as usize;
            versions = if next == 0 { null_mut() } else { versions.byte_add(next) };
        }
        let (mut list, mut features) = (null_mut(), 0);
        if task::dm_task_get_device_list(dmt, &raw mut list, &raw mut features) == 1 {
            assert_eq!(task::dm_device_list_equal(list, list), 1);
            task::dm_device_list_destroy(&raw mut list);
        }
        let mut next = null_mut();
        loop {
            let (mut start, mut length, mut kind, mut params) = (0, 0, null_mut(), null_mut());
            next = task::dm_get_next_target(
                dmt,
                next,
                &raw mut start,
                &raw mut length,
                &raw mut kind,
                &raw mut params,
            );
            for text in [kind, params] {
                if !text.is_null() {
                    let _ = CString::from(CStr::from_ptr(text));
                }
            }
            if next.is_null() {
                break;
            }
        }
    }
}

/// Walks over all regions and areas of a handle.
///
/// # Safety
/// A handle.
unsafe fn regions(dms: *mut stats::dm_stats, width: c_int) {
    // SAFETY: as the caller promises.
    unsafe {
        stats::dm_stats_walk_init(dms, 0xf_0000_0000_0000);
        stats::dm_stats_walk_start(dms);
        for _ in 0..50 {
            if stats::dm_stats_walk_end(dms) == 1 {
                break;
            }
            let (region, area) = (
                stats::dm_stats_get_current_region(dms),
                stats::dm_stats_get_current_area(dms),
            );
            for text in [
                stats::dm_stats_get_current_region_program_id(dms),
                stats::dm_stats_get_current_region_aux_data(dms),
                stats::dm_stats_get_alias(dms, region),
            ] {
                if !text.is_null() {
                    let _ = CStr::from_ptr(text).to_bytes();
                }
            }
            let (mut number, mut part, mut rate) = (0, 0, 0.0);
            stats::dm_stats_get_current_area_start(dms, &raw mut number);
            stats::dm_stats_get_counter(dms, 4, region, area);
            stats::dm_stats_get_utilization(dms, &raw mut part, region, area);
            stats::dm_stats_get_metric(dms, 3, region, area, &raw mut rate);
            let histogram = stats::dm_stats_get_histogram(dms, region, area);
            if !histogram.is_null() {
                let bins = stats::dm_histogram_get_nr_bins(histogram);
                stats::dm_histogram_get_bin_upper(histogram, bins - 1);
                let text = stats::dm_histogram_to_string(histogram, -1, width, 0x21);
                assert!(text.is_null() || CStr::from_ptr(text).count_bytes() < 1 << 20);
            }
            let mut descriptor = null_mut();
            if stats::dm_stats_get_group_descriptor(dms, region, &raw mut descriptor) == 1 {
                let _ = CStr::from_ptr(descriptor).to_bytes();
            }
            stats::dm_stats_walk_next(dms);
        }
    }
}
