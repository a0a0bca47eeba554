/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * libdevmapper.h - the C interface of libdevmapper 1.02.
 *
 * Conventions, unless a comment says otherwise:
 *   - A function that returns int gives 1 for success and 0 for failure, after a message to the log function.
 *   - Sizes and offsets of devices are in sectors of 512 bytes.
 *   - A returned const char * stays the library's; a returned char * is from malloc and the caller's to free.
 *   - "pool" is memory of a struct dm_pool and goes with it.
 *   - One object must not be used from two threads at once. Settings and callbacks are those of the process.
 */
#ifndef LIB_DEVICE_MAPPER_H
#define LIB_DEVICE_MAPPER_H

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#ifdef __linux__
#include <linux/types.h>
#endif

#if !defined(__GNUC__) && !defined(__attribute__)
#define __attribute__(x)
#endif

/* Private to this header. */
#define DM_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define DM_CHECK_RESULT __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * Small helpers
 * --------------------------------------------------------------------------------------------------------------- */

/* The text of A, and of what the macro A stands for. */
#define DM_TO_STRING_EXP(A) #A
#define DM_TO_STRING(A) DM_TO_STRING_EXP(A)

/* Number of elements of an array (not of a pointer). */
#define DM_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Sectors to bytes. */
#define DM_SECTOR_SHIFT 9L

/* ------------------------------------------------------------------------------------------------------------------
 * Logging
 *
 * The low three bits of a level are the severity: 2 fatal, 3 error, 4 warning or normal output, 5 verbose,
 * 6 very verbose, 7 debug. Bit 0x80 asks for standard error, 0x100 for once only, 0x200 to leave out log reports.
 * --------------------------------------------------------------------------------------------------------------- */

/* Takes a message. errno_or_class is -1 with errors, a class number with debug messages, else 0. */
typedef void (*dm_log_with_errno_fn)(int level, const char *file, int line, int errno_or_class, const char *f, ...)
		DM_PRINTF(5, 6);
/* The old style of the same. */
typedef void (*dm_log_fn)(int level, const char *file, int line, const char *f, ...) DM_PRINTF(4, 5);

/* Install a function, or with NULL the default, which prints. The last call of either counts. */
void dm_log_with_errno_init(dm_log_with_errno_fn fn);
void dm_log_init(dm_log_fn fn);

/* Whether the default function shows severities 5 to 7. */
void dm_log_init_verbose(int level);

/* 1 if a function was installed. */
int dm_log_is_non_default(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Tasks: one request to the driver
 *
 * dm_task_create, set what the request needs, dm_task_run, get what it brought, dm_task_destroy.
 * --------------------------------------------------------------------------------------------------------------- */

enum {
	DM_DEVICE_CREATE,
	DM_DEVICE_RELOAD,
	DM_DEVICE_REMOVE,
	DM_DEVICE_REMOVE_ALL,
	DM_DEVICE_SUSPEND,
	DM_DEVICE_RESUME,
	DM_DEVICE_INFO,
	DM_DEVICE_DEPS,
	DM_DEVICE_RENAME,
	DM_DEVICE_VERSION,
	DM_DEVICE_STATUS,
	DM_DEVICE_TABLE,
	DM_DEVICE_WAITEVENT,
	DM_DEVICE_LIST,
	DM_DEVICE_CLEAR,
	DM_DEVICE_MKNODES,
	DM_DEVICE_LIST_VERSIONS,
	DM_DEVICE_TARGET_MSG,
	DM_DEVICE_SET_GEOMETRY,
	DM_DEVICE_ARM_POLL,
	DM_DEVICE_GET_TARGET_VERSION
};

struct dm_task;
struct dm_pool;
struct dm_list;
struct dm_timestamp;

struct dm_info {
	int exists;
	int suspended;
	int live_table;
	int inactive_table;
	int32_t open_count;
	uint32_t event_nr;
	uint32_t major;
	uint32_t minor;		/* of the device, not of its components */
	int read_only;		/* 0 read-write, 1 read-only */
	int32_t target_count;	/* segments of the live table */
	int deferred_remove;
	int internal_suspend;
};

/* The devices that a table uses, as dev_t numbers. */
struct dm_deps {
	uint32_t count;
	uint32_t filler;
	uint64_t device[];
};

/* One device of a list; the next one is `next` bytes further on, 0 for the last. */
struct dm_names {
	uint64_t dev;
	uint32_t next;
	char name[];
};

/* One target type of a list, linked likewise. */
struct dm_versions {
	uint32_t next;
	uint32_t version[3];
	char name[];
};

struct dm_task *dm_task_create(int type);
void dm_task_destroy(struct dm_task *dmt);

/* What the request is about. */
int dm_task_set_name(struct dm_task *dmt, const char *name);
int dm_task_set_uuid(struct dm_task *dmt, const char *uuid);
int dm_task_set_major(struct dm_task *dmt, int major);
int dm_task_set_minor(struct dm_task *dmt, int minor);
int dm_task_set_major_minor(struct dm_task *dmt, int major, int minor, int allow_default_major_fallback);

/* Owner and permissions of the node that a request makes. */
int dm_task_set_uid(struct dm_task *dmt, uid_t uid);
int dm_task_set_gid(struct dm_task *dmt, gid_t gid);
int dm_task_set_mode(struct dm_task *dmt, mode_t mode);

/* When the node is made: with the device, or with its first resume (the default). */
typedef enum dm_add_node_e {
	DM_ADD_NODE_ON_RESUME,
	DM_ADD_NODE_ON_CREATE
} dm_add_node_t;
int dm_task_set_add_node(struct dm_task *dmt, dm_add_node_t add_node);

/* Arguments of single request types. */
int dm_task_set_ro(struct dm_task *dmt);
int dm_task_set_newname(struct dm_task *dmt, const char *newname);
int dm_task_set_newuuid(struct dm_task *dmt, const char *newuuid);
int dm_task_set_event_nr(struct dm_task *dmt, uint32_t event_nr);
int dm_task_set_geometry(struct dm_task *dmt, const char *cylinders, const char *heads, const char *sectors,
		const char *start);
int dm_task_set_message(struct dm_task *dmt, const char *message);
int dm_task_set_sector(struct dm_task *dmt, uint64_t sector);

/* Ways of doing it. */
int dm_task_no_flush(struct dm_task *dmt);
int dm_task_no_open_count(struct dm_task *dmt);
int dm_task_skip_lockfs(struct dm_task *dmt);
int dm_task_query_inactive_table(struct dm_task *dmt);
int dm_task_suppress_identical_reload(struct dm_task *dmt);
int dm_task_secure_data(struct dm_task *dmt);
int dm_task_retry_remove(struct dm_task *dmt);
int dm_task_deferred_remove(struct dm_task *dmt);
int dm_task_ima_measurement(struct dm_task *dmt);

/* Refuse names and lines that cannot be right. */
int dm_task_enable_checks(struct dm_task *dmt);

/* Read ahead of the device, in sectors; the flag makes it a minimum. */
#define DM_READ_AHEAD_AUTO UINT32_MAX
#define DM_READ_AHEAD_NONE 0
#define DM_READ_AHEAD_MINIMUM_FLAG 0x1
int dm_task_set_read_ahead(struct dm_task *dmt, uint32_t read_ahead, uint32_t read_ahead_flags);
uint32_t dm_task_get_read_ahead(const struct dm_task *dmt, uint32_t *read_ahead);

/* Adds a segment to the table that is loaded. */
int dm_task_add_target(struct dm_task *dmt, uint64_t start, uint64_t size, const char *ttype,
		const char *params);

/* Takes the time right after the ioctl. */
int dm_task_set_record_timestamp(struct dm_task *dmt);
struct dm_timestamp *dm_task_get_ioctl_timestamp(struct dm_task *dmt);

/* Sends the request. Afterwards dm_task_get_errno is the driver's answer, 0 without an error. */
int dm_task_run(struct dm_task *dmt);
int dm_task_get_errno(struct dm_task *dmt);

/* What the request brought; pointers live as long as the task. */
int dm_task_get_info(struct dm_task *dmt, struct dm_info *info);
const char *dm_task_get_name(const struct dm_task *dmt);
const char *dm_task_get_uuid(const struct dm_task *dmt);
struct dm_deps *dm_task_get_deps(struct dm_task *dmt);
struct dm_names *dm_task_get_names(struct dm_task *dmt);
struct dm_versions *dm_task_get_versions(struct dm_task *dmt);
const char *dm_task_get_message_response(struct dm_task *dmt);
int dm_task_get_driver_version(struct dm_task *dmt, char *version, size_t size);

/* Steps through a table or its status: give NULL first, then what was returned, until that is NULL. */
void *dm_get_next_target(struct dm_task *dmt, void *next, uint64_t *start, uint64_t *length, char **target_type,
		char **params);

/* Names and uuids with special characters as \xNN, or with these turned back. */
char *dm_task_get_name_mangled(const struct dm_task *dmt);
char *dm_task_get_name_unmangled(const struct dm_task *dmt);
char *dm_task_get_uuid_mangled(const struct dm_task *dmt);
char *dm_task_get_uuid_unmangled(const struct dm_task *dmt);

/* A list of active devices, as dm_task_get_device_list makes it. */
struct dm_active_device;
/* Bits of *devs_features: what the driver told of each device. */
#define DM_DEVICE_LIST_HAS_EVENT_NR 1
#define DM_DEVICE_LIST_HAS_UUID 2
int dm_task_get_device_list(struct dm_task *dmt, struct dm_list **devs_list, uint32_t *devs_features);
void dm_device_list_destroy(struct dm_list **devs_list);

/* 1 if both lists hold the same devices. */
int dm_device_list_equal(const struct dm_list *list1, const struct dm_list *list2);

/* Text of a device number. */
#define DM_FORMAT_DEV_BUFSIZE 13
int dm_format_dev(char *buf, int bufsize, unsigned dev_major, unsigned dev_minor);

/* ------------------------------------------------------------------------------------------------------------------
 * The library and the driver
 * --------------------------------------------------------------------------------------------------------------- */

/* Version texts; 0 if it does not fit. */
int dm_get_library_version(char *version, size_t size);
int dm_driver_version(char *version, size_t size);

/* Devices that this process has suspended and not resumed. */
int dm_get_suspended_counter(void);

/* Start and end of the library (automatic), and of what it keeps open. */
void dm_lib_init(void)
		__attribute__((constructor));
void dm_lib_release(void);
void dm_lib_exit(void)
		__attribute__((destructor));

/* Keep the control node open over dm_lib_release. */
void dm_hold_control_dev(int hold_open);

/* Directory of the nodes ("/dev/mapper"), of sysfs ("/sys/", empty for none), and the uuid prefix ("LVM-"). */
int dm_set_dev_dir(const char *dir);
const char *dm_dir(void);
int dm_set_sysfs_dir(const char *dir);
const char *dm_sysfs_dir(void);
int dm_set_uuid_prefix(const char *uuid_prefix);
const char *dm_uuid_prefix(void);

/* Treatment of characters in names that udev does not like. */
typedef enum dm_string_mangling_e {
	DM_STRING_MANGLING_NONE,	/* leave all as it is */
	DM_STRING_MANGLING_AUTO,	/* mangle what is not mangled yet */
	DM_STRING_MANGLING_HEX		/* mangle always */
} dm_string_mangling_t;
int dm_set_name_mangling_mode(dm_string_mangling_t name_mangling);
dm_string_mangling_t dm_get_name_mangling_mode(void);

/* Carries out the queued changes of nodes; (re)makes the nodes of one device or of all. */
void dm_task_update_nodes(void);
int dm_mknodes(const char *name);

/* Umask while the library makes directories and the control node. */
#define DM_DEV_DIR_UMASK 0022
#define DM_CONTROL_NODE_UMASK 0177

/* Questions about devices, answered from /proc and sysfs. */
int dm_is_dm_major(unsigned major);
int dm_device_get_name(unsigned major, unsigned minor, int prefer_kernel_name, char *buf, size_t buf_size);
int dm_device_has_holders(unsigned major, unsigned minor);
int dm_device_has_mounted_fs(unsigned major, unsigned minor);

/* Calls read_fn for each line of the process's mountinfo with its device number and mount point. */
typedef int (*dm_mountinfo_line_callback_fn)(char *line, unsigned maj, unsigned min, char *target, void *cb_data);
int dm_mountinfo_read(dm_mountinfo_line_callback_fn read_fn, void *cb_data);

/* SELinux label of a path that is about to be made (NULL: no more), or that exists. Without SELinux they do nothing. */
int dm_prepare_selinux_context(const char *path, mode_t mode);
int dm_set_selinux_context(const char *path, mode_t mode);

/* ------------------------------------------------------------------------------------------------------------------
 * Status lines of targets, parsed into pool memory
 * --------------------------------------------------------------------------------------------------------------- */

typedef enum dm_status_mirror_health_e {
	DM_STATUS_MIRROR_ALIVE = 'A',
	DM_STATUS_MIRROR_FLUSH_FAILED = 'F',
	DM_STATUS_MIRROR_WRITE_FAILED = 'D',
	DM_STATUS_MIRROR_SYNC_FAILED = 'S',
	DM_STATUS_MIRROR_READ_FAILED = 'R',
	DM_STATUS_MIRROR_UNCLASSIFIED = 'U'
} dm_status_mirror_health_t;

/* The health structures have names of their own, so that C++ sees them outside of the struct too. */
struct dm_dev_leg_health_s {
	dm_status_mirror_health_t health;
	uint32_t major;
	uint32_t minor;
};

struct dm_dev_log_health_s {
	dm_status_mirror_health_t health;
	uint32_t major;
	uint32_t minor;
};

struct dm_status_mirror {
	uint64_t total_regions;
	uint64_t insync_regions;
	uint32_t dev_count;
	struct dm_dev_leg_health_s *devs;
	const char *log_type;
	uint32_t log_count;
	struct dm_dev_log_health_s *logs;
};
int dm_get_status_mirror(struct dm_pool *mem, const char *params, struct dm_status_mirror **status);

struct dm_status_raid {
	uint64_t reserved;
	uint64_t total_regions;
	uint64_t insync_regions;
	uint64_t mismatch_count;
	uint32_t dev_count;
	char *raid_type;
	char *dev_health;	/* a character per device: A alive, a alive and not in sync, D dead */
	char *sync_action;	/* idle, frozen, resync, recover, check, repair */
	uint64_t data_offset;
};
int dm_get_status_raid(struct dm_pool *mem, const char *params, struct dm_status_raid **status);

#define DM_CACHE_FEATURE_WRITEBACK 0x00000001
#define DM_CACHE_FEATURE_WRITETHROUGH 0x00000002
#define DM_CACHE_FEATURE_PASSTHROUGH 0x00000004
#define DM_CACHE_FEATURE_METADATA2 0x00000008
#define DM_CACHE_FEATURE_NO_DISCARD_PASSDOWN 0x00000010

struct dm_config_node;

struct dm_status_cache {
	uint64_t version;
	uint32_t metadata_block_size;	/* sectors */
	uint32_t block_size;		/* sectors */
	uint64_t metadata_used_blocks;
	uint64_t metadata_total_blocks;
	uint64_t used_blocks;
	uint64_t dirty_blocks;
	uint64_t total_blocks;
	uint64_t read_hits;
	uint64_t read_misses;
	uint64_t write_hits;
	uint64_t write_misses;
	uint64_t demotions;
	uint64_t promotions;
	uint64_t feature_flags;		/* DM_CACHE_FEATURE_* */
	int core_argc;
	char **core_argv;
	char *policy_name;
	int policy_argc;
	char **policy_argv;
	unsigned error:1;		/* the target could not tell */
	unsigned fail:1;
	unsigned needs_check:1;
	unsigned read_only:1;
	uint32_t reserved:28;
};
int dm_get_status_cache(struct dm_pool *mem, const char *params, struct dm_status_cache **status);

struct dm_status_writecache {
	uint64_t error;
	uint64_t total_blocks;
	uint64_t free_blocks;
	uint64_t writeback_blocks;
};
int dm_get_status_writecache(struct dm_pool *mem, const char *params, struct dm_status_writecache **status);

struct dm_status_integrity {
	uint64_t number_of_mismatches;
	uint64_t provided_data_sectors;
	uint64_t recalc_sector;
};
int dm_get_status_integrity(struct dm_pool *mem, const char *params, struct dm_status_integrity **status);

struct dm_status_snapshot {
	uint64_t used_sectors;
	uint64_t total_sectors;
	uint64_t metadata_sectors;
	unsigned has_metadata_sectors:1;	/* old drivers do not tell them */
	unsigned invalid:1;
	unsigned merge_failed:1;
	unsigned overflow:1;
};
int dm_get_status_snapshot(struct dm_pool *mem, const char *params, struct dm_status_snapshot **status);

typedef enum dm_thin_discards_e {
	DM_THIN_DISCARDS_IGNORE,
	DM_THIN_DISCARDS_NO_PASSDOWN,
	DM_THIN_DISCARDS_PASSDOWN
} dm_thin_discards_t;

struct dm_status_thin_pool {
	uint64_t transaction_id;
	uint64_t used_metadata_blocks;
	uint64_t total_metadata_blocks;
	uint64_t used_data_blocks;
	uint64_t total_data_blocks;
	uint64_t held_metadata_root;
	uint32_t read_only;
	dm_thin_discards_t discards;
	uint32_t fail:1;
	uint32_t error_if_no_space:1;
	uint32_t out_of_data_space:1;
	uint32_t needs_check:1;
	uint32_t error:1;
	uint32_t reserved:27;
};
int dm_get_status_thin_pool(struct dm_pool *mem, const char *params, struct dm_status_thin_pool **status);

struct dm_status_thin {
	uint64_t mapped_sectors;
	uint64_t highest_mapped_sector;
	uint32_t fail:1;
	uint32_t reserved:31;
};
int dm_get_status_thin(struct dm_pool *mem, const char *params, struct dm_status_thin **status);

/* Reads the superblock of a raid metadata device: how many members it says have failed; and forgets that. */
int dm_raid_count_failed_devices(const char *dev_path, uint32_t *nr_failed);
int dm_raid_clear_failed_devices(const char *dev_path, uint32_t *nr_failed);

/* ------------------------------------------------------------------------------------------------------------------
 * Statistics (@stats messages)
 * --------------------------------------------------------------------------------------------------------------- */

struct dm_stats;
struct dm_histogram;

/* In place of an id: all programs, regions; what the cursor is on; no group. */
#define DM_STATS_ALL_PROGRAMS ""
#define DM_STATS_REGIONS_ALL UINT64_MAX
#define DM_STATS_REGION_CURRENT UINT64_MAX
#define DM_STATS_AREA_CURRENT UINT64_MAX
#define DM_STATS_GROUP_NONE UINT64_MAX

struct dm_stats *dm_stats_create(const char *program_id);
void dm_stats_destroy(struct dm_stats *dms);

/* Which device the handle is for. */
int dm_stats_bind_devno(struct dm_stats *dms, int major, int minor);
int dm_stats_bind_name(struct dm_stats *dms, const char *name);
int dm_stats_bind_uuid(struct dm_stats *dms, const char *uuid);
int dm_stats_bind_from_fd(struct dm_stats *dms, int fd);

/* What the driver can do. */
int dm_message_supports_precise_timestamps(void);
int dm_stats_driver_supports_precise(void);
int dm_stats_driver_supports_histogram(void);

/* Name of the program that makes regions. */
int dm_stats_set_program_id(struct dm_stats *dms, int allow_empty, const char *program_id);

/* Reads the list of regions; reads their counters too. */
int dm_stats_list(struct dm_stats *dms, const char *program_id);
int dm_stats_populate(struct dm_stats *dms, const char *program_id, uint64_t region_id);

/* Regions in the driver. A negative step is a number of areas, a positive one their length. */
int dm_stats_create_region(struct dm_stats *dms, uint64_t *region_id, uint64_t start, uint64_t len,
		int64_t step, int precise, struct dm_histogram *bounds, const char *program_id,
		const char *user_data);
int dm_stats_delete_region(struct dm_stats *dms, uint64_t region_id);
int dm_stats_clear_region(struct dm_stats *dms, uint64_t region_id);

/* The driver's answer as text, to be released with dm_stats_buffer_destroy. */
char *dm_stats_print_region(struct dm_stats *dms, uint64_t region_id, unsigned start_line, unsigned num_lines,
		unsigned clear);
void dm_stats_buffer_destroy(struct dm_stats *dms, char *buffer);

/* How many, and whether. */
uint64_t dm_stats_get_nr_regions(const struct dm_stats *dms);
uint64_t dm_stats_get_nr_groups(const struct dm_stats *dms);
uint64_t dm_stats_get_nr_areas(const struct dm_stats *dms);
uint64_t dm_stats_get_region_nr_areas(const struct dm_stats *dms, uint64_t region_id);
int dm_stats_get_region_nr_histogram_bins(const struct dm_stats *dms, uint64_t region_id);
int dm_stats_region_present(const struct dm_stats *dms, uint64_t region_id);
int dm_stats_group_present(const struct dm_stats *dms, uint64_t group_id);

/* Bounds of histogram bins, in nanoseconds; "10ms,20ms,1s" or an array that 0 ends. */
struct dm_histogram *dm_histogram_bounds_from_string(const char *bounds_str);
struct dm_histogram *dm_histogram_bounds_from_uint64(const uint64_t *bounds);
void dm_histogram_bounds_destroy(struct dm_histogram *bounds);

/* Time between two readings, for the rates. */
void dm_stats_set_sampling_interval_ns(struct dm_stats *dms, uint64_t interval_ns);
void dm_stats_set_sampling_interval_ms(struct dm_stats *dms, uint64_t interval_ms);
uint64_t dm_stats_get_sampling_interval_ns(const struct dm_stats *dms);
uint64_t dm_stats_get_sampling_interval_ms(const struct dm_stats *dms);

/* Properties of a region or area, in sectors. */
int dm_stats_get_region_start(const struct dm_stats *dms, uint64_t *start, uint64_t region_id);
int dm_stats_get_region_len(const struct dm_stats *dms, uint64_t *len, uint64_t region_id);
int dm_stats_get_region_area_len(const struct dm_stats *dms, uint64_t *len, uint64_t region_id);
int dm_stats_get_area_start(const struct dm_stats *dms, uint64_t *start, uint64_t region_id, uint64_t area_id);
int dm_stats_get_area_offset(const struct dm_stats *dms, uint64_t *offset, uint64_t region_id, uint64_t area_id);
const char *dm_stats_get_region_program_id(const struct dm_stats *dms, uint64_t region_id);
const char *dm_stats_get_region_aux_data(const struct dm_stats *dms, uint64_t region_id);
int dm_stats_get_region_precise_timestamps(const struct dm_stats *dms, uint64_t region_id);

/* The cursor visits areas, regions and groups, in this order, each by ascending id. */
#define DM_STATS_WALK_AREA 0x1000000000000ULL
#define DM_STATS_WALK_REGION 0x2000000000000ULL
#define DM_STATS_WALK_GROUP 0x4000000000000ULL
#define DM_STATS_WALK_ALL 0x7000000000000ULL
#define DM_STATS_WALK_DEFAULT (DM_STATS_WALK_AREA | DM_STATS_WALK_REGION)
/* No regions of one area, whose region would say the same again. */
#define DM_STATS_WALK_SKIP_SINGLE_AREA 0x8000000000000ULL
int dm_stats_walk_init(struct dm_stats *dms, uint64_t flags);
void dm_stats_walk_start(struct dm_stats *dms);
void dm_stats_walk_next(struct dm_stats *dms);
void dm_stats_walk_next_region(struct dm_stats *dms);
int dm_stats_walk_end(struct dm_stats *dms);

typedef enum dm_stats_obj_type_e {
	DM_STATS_OBJECT_TYPE_NONE,
	DM_STATS_OBJECT_TYPE_AREA,
	DM_STATS_OBJECT_TYPE_REGION,
	DM_STATS_OBJECT_TYPE_GROUP
} dm_stats_obj_type_t;
dm_stats_obj_type_t dm_stats_object_type(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
dm_stats_obj_type_t dm_stats_current_object_type(const struct dm_stats *dms);

/* Loops over all objects of one kind; within, the "current" functions tell about the one that is visited. */
#define dm_stats_foreach_region(dms) \
	for (dm_stats_walk_init((dms), DM_STATS_WALK_REGION), dm_stats_walk_start((dms)); \
	     !dm_stats_walk_end((dms)); dm_stats_walk_next_region((dms)))
#define dm_stats_foreach_area(dms) \
	for (dm_stats_walk_init((dms), DM_STATS_WALK_AREA), dm_stats_walk_start((dms)); \
	     !dm_stats_walk_end((dms)); dm_stats_walk_next((dms)))
#define dm_stats_foreach_group(dms) \
	for (dm_stats_walk_init((dms), DM_STATS_WALK_GROUP), dm_stats_walk_start((dms)); \
	     !dm_stats_walk_end((dms)); dm_stats_walk_next((dms)))

/* dm_stats_walk_do(dms) { ... dm_stats_walk_next(dms); } dm_stats_walk_while(dms); with the flags set before. */
#define dm_stats_walk_do(dms) do { dm_stats_walk_start((dms)); do
#define dm_stats_walk_while(dms) while (!dm_stats_walk_end((dms))); } while (0)

uint64_t dm_stats_get_current_nr_areas(const struct dm_stats *dms);
uint64_t dm_stats_get_current_region(const struct dm_stats *dms);
uint64_t dm_stats_get_current_area(const struct dm_stats *dms);
int dm_stats_get_current_region_start(const struct dm_stats *dms, uint64_t *start);
int dm_stats_get_current_region_len(const struct dm_stats *dms, uint64_t *len);
int dm_stats_get_current_region_area_len(const struct dm_stats *dms, uint64_t *area_len);
int dm_stats_get_current_area_start(const struct dm_stats *dms, uint64_t *start);
int dm_stats_get_current_area_offset(const struct dm_stats *dms, uint64_t *offset);
int dm_stats_get_current_area_len(const struct dm_stats *dms, uint64_t *len);
const char *dm_stats_get_current_region_program_id(const struct dm_stats *dms);
const char *dm_stats_get_current_region_aux_data(const struct dm_stats *dms);
int dm_stats_get_current_region_precise_timestamps(const struct dm_stats *dms);

/* Groups of regions that do not overlap; members is a list such as "0-3,7". */
int dm_stats_create_group(struct dm_stats *dms, const char *members, const char *alias, uint64_t *group_id);
int dm_stats_delete_group(struct dm_stats *dms, uint64_t group_id, int remove);
int dm_stats_set_alias(struct dm_stats *dms, uint64_t group_id, const char *alias);
const char *dm_stats_get_alias(const struct dm_stats *dms, uint64_t id);
uint64_t dm_stats_get_group_id(const struct dm_stats *dms, uint64_t region_id);
int dm_stats_get_group_descriptor(const struct dm_stats *dms, uint64_t group_id, char **buf);

/* A region per extent of a file. The result is a malloc'ed array of region ids that DM_STATS_REGIONS_ALL ends. */
uint64_t *dm_stats_create_regions_from_fd(struct dm_stats *dms, int fd, int group, int precise,
		struct dm_histogram *bounds, const char *alias);
uint64_t *dm_stats_update_regions_from_fd(struct dm_stats *dms, int fd, uint64_t group_id);

/* The daemon that keeps the regions of a file up to date: follow the file (inode), the path, or stop with it. */
typedef enum dm_filemapd_mode_e {
	DM_FILEMAPD_FOLLOW_INODE,
	DM_FILEMAPD_FOLLOW_PATH,
	DM_FILEMAPD_FOLLOW_NONE
} dm_filemapd_mode_t;
dm_filemapd_mode_t dm_filemapd_mode_from_string(const char *mode_str);
int dm_stats_start_filemapd(int fd, uint64_t group_id, const char *path, dm_filemapd_mode_t mode,
		unsigned foreground, unsigned verbose);

/* Counters as the driver keeps them; times in nanoseconds. */
typedef enum dm_stats_counter_e {
	DM_STATS_READS_COUNT,
	DM_STATS_READS_MERGED_COUNT,
	DM_STATS_READ_SECTORS_COUNT,
	DM_STATS_READ_NSECS,
	DM_STATS_WRITES_COUNT,
	DM_STATS_WRITES_MERGED_COUNT,
	DM_STATS_WRITE_SECTORS_COUNT,
	DM_STATS_WRITE_NSECS,
	DM_STATS_IO_IN_PROGRESS_COUNT,
	DM_STATS_IO_NSECS,
	DM_STATS_WEIGHTED_IO_NSECS,
	DM_STATS_TOTAL_READ_NSECS,
	DM_STATS_TOTAL_WRITE_NSECS,
	DM_STATS_NR_COUNTERS
} dm_stats_counter_t;
uint64_t dm_stats_get_counter(const struct dm_stats *dms, dm_stats_counter_t counter, uint64_t region_id,
		uint64_t area_id);
uint64_t dm_stats_get_reads(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_reads_merged(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_read_sectors(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_read_nsecs(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_writes(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_writes_merged(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_write_sectors(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_write_nsecs(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_io_in_progress(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_io_nsecs(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_weighted_io_nsecs(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_total_read_nsecs(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
uint64_t dm_stats_get_total_write_nsecs(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);

/* Rates and averages, from the counters and the sampling interval. */
typedef enum dm_stats_metric_e {
	DM_STATS_RD_MERGES_PER_SEC,
	DM_STATS_WR_MERGES_PER_SEC,
	DM_STATS_READS_PER_SEC,
	DM_STATS_WRITES_PER_SEC,
	DM_STATS_READ_SECTORS_PER_SEC,
	DM_STATS_WRITE_SECTORS_PER_SEC,
	DM_STATS_AVERAGE_REQUEST_SIZE,
	DM_STATS_AVERAGE_QUEUE_SIZE,
	DM_STATS_AVERAGE_WAIT_TIME,
	DM_STATS_AVERAGE_RD_WAIT_TIME,
	DM_STATS_AVERAGE_WR_WAIT_TIME,
	DM_STATS_SERVICE_TIME,
	DM_STATS_THROUGHPUT,
	DM_STATS_UTILIZATION,
	DM_STATS_NR_METRICS
} dm_stats_metric_t;

/* A percentage in steps of a millionth of a percent. */
typedef int32_t dm_percent_t;

int dm_stats_get_metric(const struct dm_stats *dms, int metric, uint64_t region_id, uint64_t area_id,
		double *value);
int dm_stats_get_rd_merges_per_sec(const struct dm_stats *dms, double *rrqm, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_wr_merges_per_sec(const struct dm_stats *dms, double *wrqm, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_reads_per_sec(const struct dm_stats *dms, double *rd_s, uint64_t region_id, uint64_t area_id);
int dm_stats_get_writes_per_sec(const struct dm_stats *dms, double *wr_s, uint64_t region_id, uint64_t area_id);
int dm_stats_get_read_sectors_per_sec(const struct dm_stats *dms, double *rsec_s, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_write_sectors_per_sec(const struct dm_stats *dms, double *wsec_s, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_average_request_size(const struct dm_stats *dms, double *arqsz, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_service_time(const struct dm_stats *dms, double *svctm, uint64_t region_id, uint64_t area_id);
int dm_stats_get_average_queue_size(const struct dm_stats *dms, double *qusz, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_average_wait_time(const struct dm_stats *dms, double *await, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_average_rd_wait_time(const struct dm_stats *dms, double *await, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_average_wr_wait_time(const struct dm_stats *dms, double *await, uint64_t region_id,
		uint64_t area_id);
int dm_stats_get_throughput(const struct dm_stats *dms, double *tput, uint64_t region_id, uint64_t area_id);
int dm_stats_get_utilization(const struct dm_stats *dms, dm_percent_t *util, uint64_t region_id,
		uint64_t area_id);

/* Histograms of latency: bin i counts what took from its lower up to its upper bound. */
struct dm_histogram *dm_stats_get_histogram(const struct dm_stats *dms, uint64_t region_id, uint64_t area_id);
int dm_histogram_get_nr_bins(const struct dm_histogram *dmh);
uint64_t dm_histogram_get_bin_lower(const struct dm_histogram *dmh, int bin);
uint64_t dm_histogram_get_bin_upper(const struct dm_histogram *dmh, int bin);
uint64_t dm_histogram_get_bin_width(const struct dm_histogram *dmh, int bin);
uint64_t dm_histogram_get_bin_count(const struct dm_histogram *dmh, int bin);
dm_percent_t dm_histogram_get_bin_percent(const struct dm_histogram *dmh, int bin);
uint64_t dm_histogram_get_sum(const struct dm_histogram *dmh);

/* How dm_histogram_to_string writes one bin, or all with -1. */
#define DM_HISTOGRAM_SUFFIX 0x1
#define DM_HISTOGRAM_VALUES 0x2
#define DM_HISTOGRAM_PERCENT 0X4
#define DM_HISTOGRAM_BOUNDS_LOWER 0x10
#define DM_HISTOGRAM_BOUNDS_UPPER 0x20
#define DM_HISTOGRAM_BOUNDS_RANGE 0x30
const char *dm_histogram_to_string(const struct dm_histogram *dmh, int bin, int width, int flags);

/* ------------------------------------------------------------------------------------------------------------------
 * Trees of devices
 *
 * A tree knows devices by what they use and by what uses them, and changes them in an order that is safe.
 * --------------------------------------------------------------------------------------------------------------- */

struct dm_tree;
struct dm_tree_node;

struct dm_tree *dm_tree_create(void);
void dm_tree_free(struct dm_tree *tree);

/* uuid suffixes (NULL at the end) under which a device may be active as well. */
void dm_tree_set_optional_uuid_suffixes(struct dm_tree *dtree, const char **optional_uuid_suffixes);

/* Adds an active device with all that it uses; adds one that is to be made or changed. */
int dm_tree_add_dev(struct dm_tree *tree, uint32_t major, uint32_t minor);
int dm_tree_add_dev_with_udev_flags(struct dm_tree *tree, uint32_t major, uint32_t minor, uint16_t udev_flags);
struct dm_tree_node *dm_tree_add_new_dev(struct dm_tree *tree, const char *name, const char *uuid,
		uint32_t major, uint32_t minor, int read_only, int clear_inactive, void *context);
struct dm_tree_node *dm_tree_add_new_dev_with_udev_flags(struct dm_tree *tree, const char *name,
		const char *uuid, uint32_t major, uint32_t minor, int read_only, int clear_inactive,
		void *context, uint16_t udev_flags);

/* Major and minor 0 find the root. */
struct dm_tree_node *dm_tree_find_node(struct dm_tree *tree, uint32_t major, uint32_t minor);
struct dm_tree_node *dm_tree_find_node_by_uuid(struct dm_tree *tree, const char *uuid);

/* Steps through what a device uses, or inverted what uses it: *handle starts as NULL. */
struct dm_tree_node *dm_tree_next_child(void **handle, const struct dm_tree_node *parent, unsigned inverted);

const char *dm_tree_node_get_name(const struct dm_tree_node *node);
const char *dm_tree_node_get_uuid(const struct dm_tree_node *node);
const struct dm_info *dm_tree_node_get_info(const struct dm_tree_node *node);
void *dm_tree_node_get_context(const struct dm_tree_node *node);
int dm_tree_node_num_children(const struct dm_tree_node *node, unsigned inverted);

/* 1 if the device grew, -1 if it shrank, 0 if neither. */
int dm_tree_node_size_changed(const struct dm_tree_node *dnode);

/* Work on all children whose uuid starts with the prefix. */
int dm_tree_deactivate_children(struct dm_tree_node *dnode, const char *uuid_prefix, size_t uuid_prefix_len);
int dm_tree_preload_children(struct dm_tree_node *dnode, const char *uuid_prefix, size_t uuid_prefix_len);
int dm_tree_activate_children(struct dm_tree_node *dnode, const char *uuid_prefix, size_t uuid_prefix_len);
int dm_tree_suspend_children(struct dm_tree_node *dnode, const char *uuid_prefix, size_t uuid_prefix_len);
int dm_tree_children_use_uuid(struct dm_tree_node *dnode, const char *uuid_prefix, size_t uuid_prefix_len);

void dm_tree_skip_lockfs(struct dm_tree_node *dnode);
void dm_tree_use_no_flush_suspend(struct dm_tree_node *dnode);
void dm_tree_retry_remove(struct dm_tree_node *dnode);

/* Segments of a node's new table. */
int dm_tree_node_add_snapshot_origin_target(struct dm_tree_node *dnode, uint64_t size, const char *origin_uuid);
int dm_tree_node_add_snapshot_target(struct dm_tree_node *node, uint64_t size, const char *origin_uuid,
		const char *cow_uuid, int persistent, uint32_t chunk_size);
int dm_tree_node_add_snapshot_merge_target(struct dm_tree_node *node, uint64_t size, const char *origin_uuid,
		const char *cow_uuid, const char *merge_uuid, uint32_t chunk_size);
int dm_tree_node_add_error_target(struct dm_tree_node *node, uint64_t size);
int dm_tree_node_add_zero_target(struct dm_tree_node *node, uint64_t size);
int dm_tree_node_add_linear_target(struct dm_tree_node *node, uint64_t size);
int dm_tree_node_add_striped_target(struct dm_tree_node *node, uint64_t size, uint32_t stripe_size);

#define DM_CRYPT_IV_DEFAULT UINT64_C(-1)	/* no iv_offset: start at the segment's own offset */
int dm_tree_node_add_crypt_target(struct dm_tree_node *node, uint64_t size, const char *cipher,
		const char *chainmode, const char *iv, uint64_t iv_offset, const char *key);

int dm_tree_node_add_mirror_target(struct dm_tree_node *node, uint64_t size);

/* Flags of a mirror's log. */
#define DM_NOSYNC 0x00000001		/* all is in sync from the start */
#define DM_FORCESYNC 0x00000002		/* nothing is */
#define DM_BLOCK_ON_ERROR 0x00000004	/* hold I/O after a failure until told what to do */
#define DM_CORELOG 0x00000008		/* in memory */
int dm_tree_node_add_mirror_target_log(struct dm_tree_node *node, uint32_t region_size, unsigned clustered,
		const char *log_uuid, unsigned area_count, unsigned flags);

int dm_tree_node_add_raid_target(struct dm_tree_node *node, uint64_t size, const char *raid_type,
		uint32_t region_size, uint32_t stripe_size, uint64_t rebuilds, uint64_t flags);

/* Number of 64-bit words in the bitmaps of raid devices. */
#define RAID_BITMAP_SIZE 4

struct dm_tree_node_raid_params {
	const char *raid_type;
	uint32_t stripes;
	uint32_t mirrors;
	uint32_t region_size;
	uint32_t stripe_size;
	uint64_t rebuilds;		/* a bit per device */
	uint64_t writemostly;		/* a bit per device */
	uint32_t writebehind;
	uint32_t sync_daemon_sleep;	/* milliseconds */
	uint32_t max_recovery_rate;	/* kB per second and disk */
	uint32_t min_recovery_rate;	/* kB per second and disk */
	uint32_t stripe_cache;		/* sectors */
	uint64_t flags;			/* DM_NOSYNC and so on */
	uint32_t reserved2;
};

struct dm_tree_node_raid_params_v2 {
	const char *raid_type;
	uint32_t stripes;
	uint32_t mirrors;
	uint32_t region_size;
	uint32_t stripe_size;
	int delta_disks;		/* devices added, or removed when negative */
	int data_offset;		/* sectors, room for a reshape */
	uint64_t rebuilds[RAID_BITMAP_SIZE];
	uint64_t writemostly[RAID_BITMAP_SIZE];
	uint32_t writebehind;
	uint32_t data_copies;		/* raid10 */
	uint32_t sync_daemon_sleep;
	uint32_t max_recovery_rate;
	uint32_t min_recovery_rate;
	uint32_t stripe_cache;
	uint64_t flags;
};
int dm_tree_node_add_raid_target_with_params(struct dm_tree_node *node, uint64_t size,
		const struct dm_tree_node_raid_params *p);
int dm_tree_node_add_raid_target_with_params_v2(struct dm_tree_node *node, uint64_t size,
		const struct dm_tree_node_raid_params_v2 *p);

/* Cache blocks, in sectors. */
#define DM_CACHE_MIN_DATA_BLOCK_SIZE (UINT32_C(64))
#define DM_CACHE_MAX_DATA_BLOCK_SIZE (UINT32_C(2097152))
/* Largest metadata of a cache: that of a thin pool. */
#define DM_CACHE_METADATA_MAX_SECTORS DM_THIN_MAX_METADATA_SIZE
int dm_tree_node_add_cache_target(struct dm_tree_node *node, uint64_t size, uint64_t feature_flags,
		const char *metadata_uuid, const char *data_uuid, const char *origin_uuid,
		const char *policy_name, const struct dm_config_node *policy_settings, uint32_t data_block_size);
int dm_tree_node_add_cachevol_target(struct dm_tree_node *node, uint64_t size, uint64_t feature_flags,
		const char *metadata_uuid, const char *data_uuid, const char *cachevol_uuid,
		const char *origin_uuid, const char *policy_name, const struct dm_config_node *policy_settings,
		uint64_t metadata_start, uint64_t metadata_len, uint64_t data_start, uint64_t data_len,
		uint32_t data_block_size);

struct dm_writecache_settings {
	char *new_key;			/* one setting that this struct does not know */
	char *new_val;
	unsigned high_watermark_set:1;
	unsigned low_watermark_set:1;
	unsigned writeback_jobs_set:1;
	unsigned autocommit_blocks_set:1;
	unsigned autocommit_time_set:1;
	unsigned fua_set:1;
	unsigned nofua_set:1;
	unsigned cleaner_set:1;
	unsigned max_age_set:1;
	unsigned metadata_only_set:1;
	unsigned pause_writeback_set:1;
	unsigned reserved:21;
	uint64_t high_watermark;
	uint64_t low_watermark;
	uint64_t writeback_jobs;
	uint64_t autocommit_blocks;
	uint64_t autocommit_time;	/* milliseconds */
	uint32_t fua;
	uint32_t nofua;
	uint32_t cleaner;
	uint32_t max_age;
	uint32_t metadata_only;
	uint32_t pause_writeback;
};
int dm_tree_node_add_writecache_target(struct dm_tree_node *node, uint64_t size, const char *origin_uuid,
		const char *cache_uuid, int pmem, uint32_t writecache_block_size,
		struct dm_writecache_settings *settings);

struct dm_integrity_settings {
	char mode[8];
	uint32_t tag_size;
	uint32_t block_size;		/* bytes */
	const char *internal_hash;
	uint32_t journal_sectors;
	uint32_t interleave_sectors;
	uint32_t buffer_sectors;
	uint32_t journal_watermark;
	uint32_t commit_time;
	uint32_t bitmap_flush_interval;
	uint64_t sectors_per_bit;
	uint32_t allow_discards;
	unsigned journal_sectors_set:1;
	unsigned interleave_sectors_set:1;
	unsigned buffer_sectors_set:1;
	unsigned journal_watermark_set:1;
	unsigned commit_time_set:1;
	unsigned bitmap_flush_interval_set:1;
	unsigned sectors_per_bit_set:1;
	unsigned allow_discards_set:1;
};
int dm_tree_node_add_integrity_target(struct dm_tree_node *node, uint64_t size, const char *origin_uuid,
		const char *meta_uuid, struct dm_integrity_settings *settings, int recalculate);

/* The replicator target, which no kernel has: these two always fail. */
typedef enum dm_replicator_mode_e {
	DM_REPLICATOR_SYNC,
	DM_REPLICATOR_ASYNC_WARN,
	DM_REPLICATOR_ASYNC_STALL,
	DM_REPLICATOR_ASYNC_DROP,
	DM_REPLICATOR_ASYNC_FAIL,
	NUM_DM_REPLICATOR_MODES
} dm_replicator_mode_t;
int dm_tree_node_add_replicator_target(struct dm_tree_node *node, uint64_t size, const char *rlog_uuid,
		const char *rlog_type, uint32_t rsite_index, dm_replicator_mode_t mode, uint32_t async_timeout,
		uint64_t fall_behind_data, uint32_t fall_behind_ios);
int dm_tree_node_add_replicator_dev_target(struct dm_tree_node *node, uint64_t size,
		const char *replicator_uuid, uint64_t rdevice_index, const char *rdev_uuid,
		uint32_t rsite_index, const char *slog_uuid, uint32_t slog_flags, uint32_t slog_region_size);

/* Thin pool blocks, in sectors; device ids; metadata, in sectors. */
#define DM_THIN_MIN_DATA_BLOCK_SIZE (UINT32_C(128))
#define DM_THIN_MAX_DATA_BLOCK_SIZE (UINT32_C(2097152))
#define DM_THIN_MAX_DEVICE_ID (UINT32_C((1 << 24) - 1))
#define DM_THIN_MAX_METADATA_SIZE (UINT64_C(255) * (1 << 14) * (4096 / (1 << 9)) - 256 * 1024)
int dm_tree_node_add_thin_pool_target(struct dm_tree_node *node, uint64_t size, uint64_t transaction_id,
		const char *metadata_uuid, const char *pool_uuid, uint32_t data_block_size,
		uint64_t low_water_mark, unsigned skip_block_zeroing);
int dm_tree_node_add_thin_pool_target_v1(struct dm_tree_node *node, uint64_t size, uint64_t transaction_id,
		const char *metadata_uuid, const char *pool_uuid, uint32_t data_block_size,
		uint64_t low_water_mark, unsigned skip_block_zeroing, unsigned crop_metadata);

typedef enum dm_thin_message_e {
	DM_THIN_MESSAGE_CREATE_SNAP,		/* device_id, origin_id */
	DM_THIN_MESSAGE_CREATE_THIN,		/* device_id */
	DM_THIN_MESSAGE_DELETE,			/* device_id */
	DM_THIN_MESSAGE_SET_TRANSACTION_ID,	/* current_id, new_id */
	DM_THIN_MESSAGE_RESERVE_METADATA_SNAP,
	DM_THIN_MESSAGE_RELEASE_METADATA_SNAP
} dm_thin_message_t;
int dm_tree_node_add_thin_pool_message(struct dm_tree_node *node, dm_thin_message_t type, uint64_t id1,
		uint64_t id2);

int dm_tree_node_set_thin_pool_discard(struct dm_tree_node *node, unsigned ignore, unsigned no_passdown);
int dm_tree_node_set_thin_pool_error_if_no_space(struct dm_tree_node *node, unsigned error_if_no_space);
int dm_tree_node_set_thin_pool_read_only(struct dm_tree_node *node, unsigned read_only);
int dm_tree_node_add_thin_target(struct dm_tree_node *node, uint64_t size, const char *pool_uuid,
		uint32_t device_id);
int dm_tree_node_set_thin_external_origin(struct dm_tree_node *node, const char *external_uuid);

/* Adds a component to the segment that was added last, by name or by uuid; or one that is not there. */
int dm_tree_node_add_target_area(struct dm_tree_node *node, const char *dev_name, const char *uuid,
		uint64_t offset);
int dm_tree_node_add_null_area(struct dm_tree_node *node, uint64_t offset);

/* A device that has to be suspended first. */
void dm_tree_node_set_presuspend_node(struct dm_tree_node *node, struct dm_tree_node *presuspend_node);

void dm_tree_node_set_udev_flags(struct dm_tree_node *node, uint16_t udev_flags);
void dm_tree_node_set_read_ahead(struct dm_tree_node *dnode, uint32_t read_ahead, uint32_t read_ahead_flags);

/* Told when a node was preloaded or deactivated. */
typedef enum dm_node_callback_e {
	DM_NODE_CALLBACK_PRELOADED,
	DM_NODE_CALLBACK_DEACTIVATED
} dm_node_callback_t;
typedef int (*dm_node_callback_fn)(struct dm_tree_node *node, dm_node_callback_t type, void *cb_data);
void dm_tree_node_set_callback(struct dm_tree_node *node, dm_node_callback_fn cb, void *cb_data);

void dm_tree_set_cookie(struct dm_tree_node *node, uint32_t cookie);
uint32_t dm_tree_get_cookie(struct dm_tree_node *node);

/* ------------------------------------------------------------------------------------------------------------------
 * VDO
 * --------------------------------------------------------------------------------------------------------------- */

enum dm_vdo_operating_mode {
	DM_VDO_MODE_RECOVERING,
	DM_VDO_MODE_READ_ONLY,
	DM_VDO_MODE_NORMAL
};

enum dm_vdo_compression_state {
	DM_VDO_COMPRESSION_ONLINE,
	DM_VDO_COMPRESSION_OFFLINE
};

enum dm_vdo_index_state {
	DM_VDO_INDEX_ERROR,
	DM_VDO_INDEX_CLOSED,
	DM_VDO_INDEX_OPENING,
	DM_VDO_INDEX_CLOSING,
	DM_VDO_INDEX_OFFLINE,
	DM_VDO_INDEX_ONLINE,
	DM_VDO_INDEX_UNKNOWN
};

struct dm_vdo_status {
	char *device;
	enum dm_vdo_operating_mode operating_mode;
	int recovering;
	enum dm_vdo_index_state index_state;
	enum dm_vdo_compression_state compression_state;
	uint64_t used_blocks;
	uint64_t total_blocks;
};

#define DM_VDO_MAX_ERROR 256

struct dm_vdo_status_parse_result {
	char error[DM_VDO_MAX_ERROR];
	struct dm_vdo_status *status;
};
int dm_vdo_status_parse(struct dm_pool *mem, const char *input, struct dm_vdo_status_parse_result *result);

enum dm_vdo_write_policy {
	DM_VDO_WRITE_POLICY_AUTO,
	DM_VDO_WRITE_POLICY_SYNC,
	DM_VDO_WRITE_POLICY_ASYNC,
	DM_VDO_WRITE_POLICY_ASYNC_UNSAFE
};

struct dm_vdo_target_params {
	uint32_t minimum_io_size;	/* sectors */
	uint32_t block_map_cache_size_mb;
	union {
		uint32_t block_map_era_length;
		uint32_t block_map_period;	/* its old name */
	};
	uint32_t index_memory_size_mb;
	uint32_t slab_size_mb;
	uint32_t max_discard;
	uint32_t ack_threads;
	uint32_t bio_threads;
	uint32_t bio_rotation;
	uint32_t cpu_threads;
	uint32_t hash_zone_threads;
	uint32_t logical_threads;
	uint32_t physical_threads;
	int use_compression;
	int use_deduplication;
	int use_metadata_hints;
	int use_sparse_index;
	enum dm_vdo_write_policy write_policy;
};

/* A block in sectors, and in bytes. */
#define DM_VDO_BLOCK_SIZE UINT64_C(8)
#define DM_VDO_BLOCK_SIZE_KB (DM_VDO_BLOCK_SIZE << DM_SECTOR_SHIFT)

/* Limits of the parameters. */
#define DM_VDO_BLOCK_MAP_CACHE_SIZE_MINIMUM_MB (128)
#define DM_VDO_BLOCK_MAP_CACHE_SIZE_MAXIMUM_MB (16 * 1024 * 1024 - 1)
#define DM_VDO_BLOCK_MAP_CACHE_SIZE_MINIMUM_PER_LOGICAL_THREAD (4096 * DM_VDO_BLOCK_SIZE_KB)
#define DM_VDO_BLOCK_MAP_ERA_LENGTH_MINIMUM 1
#define DM_VDO_BLOCK_MAP_ERA_LENGTH_MAXIMUM 16380
#define DM_VDO_INDEX_MEMORY_SIZE_MINIMUM_MB 256
#define DM_VDO_INDEX_MEMORY_SIZE_MAXIMUM_MB (1024 * 1024 * 1024)
#define DM_VDO_SLAB_SIZE_MINIMUM_MB 128
#define DM_VDO_SLAB_SIZE_MAXIMUM_MB (32 * 1024)
#define DM_VDO_SLABS_MAXIMUM 8192
#define DM_VDO_LOGICAL_SIZE_MAXIMUM (UINT64_C(4) * 1024 * 1024 * 1024 * 1024 * 1024 >> DM_SECTOR_SHIFT)
#define DM_VDO_PHYSICAL_SIZE_MAXIMUM (UINT64_C(64) * DM_VDO_BLOCK_SIZE_KB * 1024 * 1024 * 1024 >> DM_SECTOR_SHIFT)
#define DM_VDO_ACK_THREADS_MINIMUM 0
#define DM_VDO_ACK_THREADS_MAXIMUM 100
#define DM_VDO_BIO_THREADS_MINIMUM 1
#define DM_VDO_BIO_THREADS_MAXIMUM 100
#define DM_VDO_BIO_ROTATION_MINIMUM 1
#define DM_VDO_BIO_ROTATION_MAXIMUM 1024
#define DM_VDO_CPU_THREADS_MINIMUM 1
#define DM_VDO_CPU_THREADS_MAXIMUM 100
#define DM_VDO_HASH_ZONE_THREADS_MINIMUM 0
#define DM_VDO_HASH_ZONE_THREADS_MAXIMUM 100
#define DM_VDO_LOGICAL_THREADS_MINIMUM 0
#define DM_VDO_LOGICAL_THREADS_MAXIMUM 60
#define DM_VDO_PHYSICAL_THREADS_MINIMUM 0
#define DM_VDO_PHYSICAL_THREADS_MAXIMUM 16
#define DM_VDO_MAX_DISCARD_MINIMUM 1
#define DM_VDO_MAX_DISCARD_MAXIMUM (UINT32_MAX / (uint32_t)(DM_VDO_BLOCK_SIZE_KB))
int dm_vdo_validate_target_params(const struct dm_vdo_target_params *vtp, uint64_t vdo_size);
int dm_tree_node_add_vdo_target(struct dm_tree_node *node, uint64_t size, uint32_t vdo_version,
		const char *vdo_pool_name, const char *data_uuid, uint64_t data_size,
		const struct dm_vdo_target_params *vtp);

/* Logical size that a VDO volume was formatted with, in blocks. */
int dm_vdo_parse_logical_size(const char *vdo_path, uint64_t *logical_blocks);

struct dm_vdo_stats {
	uint64_t physical_blocks;
	uint64_t logical_blocks;
	uint64_t bytes_per_physical_block;
	uint64_t bytes_per_logical_block;
	uint64_t data_blocks_used;
	uint64_t overhead_blocks_used;
	uint64_t logical_blocks_used;
	uint64_t bios_in;
	uint64_t bios_out;
	uint64_t bios_meta;
	enum dm_vdo_operating_mode operating_mode;
};

#define DM_VDO_STAT_FIELD_LEN 80

struct dm_vdo_stats_field {
	char label[DM_VDO_STAT_FIELD_LEN];
	char value[DM_VDO_STAT_FIELD_LEN];
};

struct dm_vdo_stats_full {
	struct dm_vdo_stats *stats;
	uint32_t field_count;
	struct dm_vdo_stats_field fields[];
};

/* Only the numbers of struct dm_vdo_stats, or all fields too. */
#define DM_VDO_STATS_BASIC 0x0
#define DM_VDO_STATS_FULL 0x1
struct dm_vdo_stats_full *dm_vdo_stats_parse(struct dm_pool *mem, const char *stats_str, unsigned flags);

/* ------------------------------------------------------------------------------------------------------------------
 * Memory
 *
 * Blocks are libc's: dm_free and free are the same. More than 50 000 000 bytes at once are refused.
 * --------------------------------------------------------------------------------------------------------------- */

void *dm_malloc_wrapper(size_t s, const char *file, int line)
		__attribute__((malloc)) DM_CHECK_RESULT;
void *dm_malloc_aligned_wrapper(size_t s, size_t a, const char *file, int line)
		__attribute__((malloc)) DM_CHECK_RESULT;
void *dm_zalloc_wrapper(size_t s, const char *file, int line)
		__attribute__((malloc)) DM_CHECK_RESULT;
void *dm_realloc_wrapper(void *p, unsigned s, const char *file, int line)
		DM_CHECK_RESULT;
void dm_free_wrapper(void *ptr);
char *dm_strdup_wrapper(const char *s, const char *file, int line)
		__attribute__((malloc)) DM_CHECK_RESULT;
int dm_dump_memory_wrapper(void);
void dm_bounds_check_wrapper(void);

#define dm_malloc(s) dm_malloc_wrapper((s), __FILE__, __LINE__)
#define dm_malloc_aligned(s, a) dm_malloc_aligned_wrapper((s), (a), __FILE__, __LINE__)
#define dm_zalloc(s) dm_zalloc_wrapper((s), __FILE__, __LINE__)
#define dm_strdup(s) dm_strdup_wrapper((s), __FILE__, __LINE__)
#define dm_free(p) dm_free_wrapper((p))
#define dm_realloc(p, s) dm_realloc_wrapper((p), (s), __FILE__, __LINE__)
#define dm_dump_memory() dm_dump_memory_wrapper()
#define dm_bounds_check() dm_bounds_check_wrapper()

/* ------------------------------------------------------------------------------------------------------------------
 * Pools: arenas of objects that are released in stack order
 * --------------------------------------------------------------------------------------------------------------- */

/* The name stays the caller's and has to outlive the pool. */
struct dm_pool *dm_pool_create(const char *name, size_t chunk_hint)
		DM_CHECK_RESULT;
void dm_pool_destroy(struct dm_pool *p);

/* Objects are aligned for a double. */
void *dm_pool_alloc(struct dm_pool *p, size_t s)
		DM_CHECK_RESULT;
void *dm_pool_alloc_aligned(struct dm_pool *p, size_t s, unsigned alignment)
		DM_CHECK_RESULT;
void *dm_pool_zalloc(struct dm_pool *p, size_t s)
		DM_CHECK_RESULT;
char *dm_pool_strdup(struct dm_pool *p, const char *str)
		DM_CHECK_RESULT;
char *dm_pool_strndup(struct dm_pool *p, const char *str, size_t n)
		DM_CHECK_RESULT;

/* Releases an object with all that came after it; releases all. */
void dm_pool_free(struct dm_pool *p, void *ptr);
void dm_pool_empty(struct dm_pool *p);

/* An object that grows; until its end nothing else may be allocated. A delta of 0 means the length of a string. */
int dm_pool_begin_object(struct dm_pool *p, size_t hint)
		DM_CHECK_RESULT;
int dm_pool_grow_object(struct dm_pool *p, const void *extra, size_t delta)
		DM_CHECK_RESULT;
void *dm_pool_end_object(struct dm_pool *p);
void dm_pool_abandon_object(struct dm_pool *p);

/* Notices changes between lock and unlock, with crc not 0. */
int dm_pool_locked(struct dm_pool *p);
int dm_pool_lock(struct dm_pool *p, int crc);
int dm_pool_unlock(struct dm_pool *p, int crc);

/* ------------------------------------------------------------------------------------------------------------------
 * Bitsets: word 0 is the number of bits, bit i is bit i % 32 of word 1 + i / 32
 * --------------------------------------------------------------------------------------------------------------- */

typedef uint32_t *dm_bitset_t;

/* From the pool, or with NULL from malloc: only then dm_bitset_destroy. */
dm_bitset_t dm_bitset_create(struct dm_pool *mem, unsigned num_bits);
void dm_bitset_destroy(dm_bitset_t bs);

int dm_bitset_equal(dm_bitset_t in1, dm_bitset_t in2);
void dm_bit_and(dm_bitset_t out, dm_bitset_t in1, dm_bitset_t in2);
void dm_bit_union(dm_bitset_t out, dm_bitset_t in1, dm_bitset_t in2);

/* Numbers of set bits, -1 when there is none (left). */
int dm_bit_get_first(dm_bitset_t bs);
int dm_bit_get_next(dm_bitset_t bs, int last_bit);
int dm_bit_get_last(dm_bitset_t bs);
int dm_bit_get_prev(dm_bitset_t bs, int last_bit);

/* Reads "1-3,7" into a set of at least min_num_bits bits. */
dm_bitset_t dm_bitset_parse_list(const char *str, struct dm_pool *mem, size_t min_num_bits);

#define DM_BITS_PER_INT ((unsigned)sizeof(int) * CHAR_BIT)

#define dm_bit(bs, i) ((bs)[((i) / DM_BITS_PER_INT) + 1] & (0x1U << ((i) & (DM_BITS_PER_INT - 1))))
#define dm_bit_set(bs, i) ((bs)[((i) / DM_BITS_PER_INT) + 1] |= (0x1U << ((i) & (DM_BITS_PER_INT - 1))))
#define dm_bit_clear(bs, i) ((bs)[((i) / DM_BITS_PER_INT) + 1] &= ~(0x1U << ((i) & (DM_BITS_PER_INT - 1))))
#define dm_bit_set_all(bs) memset((bs) + 1, -1, ((*(bs) / DM_BITS_PER_INT) + 1) * sizeof(int))
#define dm_bit_clear_all(bs) memset((bs) + 1, 0, ((*(bs) / DM_BITS_PER_INT) + 1) * sizeof(int))
#define dm_bit_copy(bs1, bs2) memcpy((bs1) + 1, (bs2) + 1, ((*(bs2) / DM_BITS_PER_INT) + 1) * sizeof(int))

/* Number of set bits of a word. */
static __inline__ unsigned hweight32(uint32_t i)
{
	unsigned n = 0;

	for (; i; i &= i - 1)
		n++;
	return n;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Hash tables: keys of any bytes are copied, data pointers are the caller's
 *
 * A string key includes its NUL. The order of iteration is not specified.
 * --------------------------------------------------------------------------------------------------------------- */

struct dm_hash_table;
struct dm_hash_node;

typedef void (*dm_hash_iterate_fn)(void *data);

struct dm_hash_table *dm_hash_create(unsigned size_hint)
		DM_CHECK_RESULT;
void dm_hash_destroy(struct dm_hash_table *t);
void dm_hash_wipe(struct dm_hash_table *t);

void *dm_hash_lookup(struct dm_hash_table *t, const char *key);
int dm_hash_insert(struct dm_hash_table *t, const char *key, void *data);
void dm_hash_remove(struct dm_hash_table *t, const char *key);
void *dm_hash_lookup_binary(struct dm_hash_table *t, const void *key, unsigned len);
int dm_hash_insert_binary(struct dm_hash_table *t, const void *key, unsigned len, void *data);
void dm_hash_remove_binary(struct dm_hash_table *t, const void *key, unsigned len);

/* Several values under one key: told apart by their bytes. */
int dm_hash_insert_allow_multiple(struct dm_hash_table *t, const char *key, const void *val, unsigned val_len);
void *dm_hash_lookup_with_val(struct dm_hash_table *t, const char *key, const void *val, unsigned val_len);
void *dm_hash_lookup_with_count(struct dm_hash_table *t, const char *key, int *count);
void dm_hash_remove_with_val(struct dm_hash_table *t, const char *key, const void *val, unsigned val_len);

unsigned dm_hash_get_num_entries(struct dm_hash_table *t);
void dm_hash_iter(struct dm_hash_table *t, dm_hash_iterate_fn f);
struct dm_hash_node *dm_hash_get_first(struct dm_hash_table *t);
struct dm_hash_node *dm_hash_get_next(struct dm_hash_table *t, struct dm_hash_node *n);
char *dm_hash_get_key(struct dm_hash_table *t, struct dm_hash_node *n);
void *dm_hash_get_data(struct dm_hash_table *t, struct dm_hash_node *n);

#define dm_hash_iterate(v, h) for ((v) = dm_hash_get_first((h)); (v); (v) = dm_hash_get_next((h), (v)))

/* ------------------------------------------------------------------------------------------------------------------
 * Lists: circular, doubly linked, the link being a member of the client's structures
 * --------------------------------------------------------------------------------------------------------------- */

/* A head, or the link of an element. */
struct dm_list {
	struct dm_list *n, *p;
};

struct dm_str_list {
	struct dm_list list;
	const char *str;
};

/* An element of dm_task_get_device_list's list. */
struct dm_active_device {
	struct dm_list list;
	dev_t devno;
	const char *name;
	uint32_t event_nr;
	const char *uuid;	/* "" for a device without, NULL if the driver does not tell */
};

/* An empty list: as an initialiser, and as a variable. */
#define DM_LIST_HEAD_INIT(name) { &(name), &(name) }
#define DM_LIST_INIT(name) struct dm_list name = DM_LIST_HEAD_INIT(name)

void dm_list_init(struct dm_list *head);

/* Adds at the end; at the start. */
void dm_list_add(struct dm_list *head, struct dm_list *elem);
void dm_list_add_h(struct dm_list *head, struct dm_list *elem);

/* Takes out, leaving the element's own pointers; moves to the end of another list; moves all elements. */
void dm_list_del(struct dm_list *elem);
void dm_list_move(struct dm_list *head, struct dm_list *elem);
void dm_list_splice(struct dm_list *head, struct dm_list *head1);

/* Whether there is none; whether the element is the first, the last. */
int dm_list_empty(const struct dm_list *head);
int dm_list_start(const struct dm_list *head, const struct dm_list *elem);
int dm_list_end(const struct dm_list *head, const struct dm_list *elem);

/* NULL when there is no such element. */
struct dm_list *dm_list_first(const struct dm_list *head);
struct dm_list *dm_list_last(const struct dm_list *head);
struct dm_list *dm_list_prev(const struct dm_list *head, const struct dm_list *elem);
struct dm_list *dm_list_next(const struct dm_list *head, const struct dm_list *elem);

unsigned dm_list_size(const struct dm_list *head);

/* The structure of type t around the link v, which is its member `head` (or `list`). */
#define dm_list_struct_base(v, t, head) ((t *)((const char *)(v) - offsetof(t, head)))
#define dm_list_item(v, t) dm_list_struct_base((v), t, list)

/* Member f of the structure of type t whose member e is at v; its member `list`. */
#define dm_struct_field(v, t, e, f) (((t *)((uintptr_t)(v) - offsetof(t, e)))->f)
#define dm_list_head(v, t, e) dm_struct_field(v, t, e, list)

/* Loops over links: forwards; backwards from before `start`; forwards, where the current one may be taken out. */
#define dm_list_iterate(v, head) for (v = (head)->n; v != head; v = v->n)
#define dm_list_uniterate(v, head, start) for (v = (start)->p; v != head; v = v->p)
#define dm_list_iterate_safe(v, t, head) for (v = (head)->n, t = v->n; v != head; v = t, t = v->n)

/* Loops over structures that have the link as member `field` (or `list`): forwards, forwards safely, backwards. */
#define dm_list_iterate_items_gen(v, head, field) \
	for (v = dm_list_struct_base((head)->n, __typeof__(*v), field); \
	     &v->field != (head); \
	     v = dm_list_struct_base(v->field.n, __typeof__(*v), field))
#define dm_list_iterate_items(v, head) dm_list_iterate_items_gen(v, (head), list)
#define dm_list_iterate_items_gen_safe(v, t, head, field) \
	for (v = dm_list_struct_base((head)->n, __typeof__(*v), field), \
	     t = dm_list_struct_base(v->field.n, __typeof__(*v), field); \
	     &v->field != (head); \
	     v = t, t = dm_list_struct_base(v->field.n, __typeof__(*v), field))
#define dm_list_iterate_items_safe(v, t, head) dm_list_iterate_items_gen_safe(v, t, (head), list)
#define dm_list_iterate_back_items_gen(v, head, field) \
	for (v = dm_list_struct_base((head)->p, __typeof__(*v), field); \
	     &v->field != (head); \
	     v = dm_list_struct_base(v->field.p, __typeof__(*v), field))
#define dm_list_iterate_back_items(v, head) dm_list_iterate_back_items_gen(v, (head), list)

/* ------------------------------------------------------------------------------------------------------------------
 * Strings
 * --------------------------------------------------------------------------------------------------------------- */

/* Splits an LVM device name into pool memory; without a pool, the string that *vgname is, in place. */
int dm_split_lvm_name(struct dm_pool *mem, const char *dmname, char **vgname, char **lvname, char **layer);

/* Splits at white space, in place; gives the number of words. */
int dm_split_words(char *buffer, unsigned max, unsigned ignore_comments, char **argv);

/* -1 if the result does not fit. */
int dm_snprintf(char *buf, size_t bufsize, const char *format, ...)
		DM_PRINTF(3, 4);

const char *dm_basename(const char *path);
unsigned dm_count_chars(const char *str, size_t len, const int c);

/* 1 if all of src fitted. */
int dm_strncpy(char *dest, const char *src, size_t n);

/* Quotes and backslashes: bytes needed with NUL; put a backslash before each; take it away again. */
size_t dm_escaped_len(const char *str);
char *dm_escape_double_quotes(char *out, const char *src);
void dm_unescape_double_quotes(char *src);

/* Takes the backslash from \: and \@; tells where the first of each without one is. */
void dm_unescape_colons_and_at_signs(char *src, char **substr_first_unquoted_colon,
		char **substr_first_unquoted_at_sign);

/* Name and uuid of an LVM device, in pool memory. */
char *dm_build_dm_name(struct dm_pool *mem, const char *vgname, const char *lvname, const char *layer);
char *dm_build_dm_uuid(struct dm_pool *mem, const char *prefix, const char *lvid, const char *layer);

/* The result is from malloc; the length with NUL is returned, -1 without memory. */
int dm_asprintf(char **result, const char *format, ...)
		DM_PRINTF(2, 3);
int dm_vasprintf(char **result, const char *format, va_list aq)
		DM_PRINTF(2, 0);

/* ------------------------------------------------------------------------------------------------------------------
 * Units, percentages, times
 * --------------------------------------------------------------------------------------------------------------- */

/* "4k" to bytes: letters bskmgtpe, upper case (KMGTPE) for powers of 1000; 0 for what is no unit. */
uint64_t dm_units_to_factor(const char *units, char *unit_type, int strict, const char **endptr);

typedef enum dm_size_suffix_e {
	DM_SIZE_LONG,	/* " Kilobyte" */
	DM_SIZE_SHORT,	/* " KB" */
	DM_SIZE_UNIT	/* "K" */
} dm_size_suffix_t;
/* A size, given in sectors, for people to read; in pool memory. */
const char *dm_size_to_string(struct dm_pool *mem, uint64_t size, char unit_type, int use_si_units,
		uint64_t unit_factor, int include_suffix, dm_size_suffix_t suffix_type);

typedef enum dm_percent_range_e {
	DM_PERCENT_0 = 0,
	DM_PERCENT_1 = 1000000,
	DM_PERCENT_100 = 100 * DM_PERCENT_1,
	DM_PERCENT_INVALID = -1,
	DM_PERCENT_FAILED = -2
} dm_percent_range_t;

#define DM_PERCENT_CHAR '%'

/* Neither 0 % nor 100 % unless it is exactly that; the second takes care of this with so many digits too. */
dm_percent_t dm_make_percent(uint64_t numerator, uint64_t denominator);
float dm_percent_to_float(dm_percent_t percent);
float dm_percent_to_round_float(dm_percent_t percent, unsigned digits);

/* Monotonic time. */
struct dm_timestamp *dm_timestamp_alloc(void);
int dm_timestamp_get(struct dm_timestamp *ts);
void dm_timestamp_copy(struct dm_timestamp *ts_new, struct dm_timestamp *ts_old);
int dm_timestamp_compare(struct dm_timestamp *ts1, struct dm_timestamp *ts2);
/* Nanoseconds between the two. */
uint64_t dm_timestamp_delta(struct dm_timestamp *ts1, struct dm_timestamp *ts2);
void dm_timestamp_destroy(struct dm_timestamp *ts);

/* ------------------------------------------------------------------------------------------------------------------
 * Files
 * --------------------------------------------------------------------------------------------------------------- */

/* Makes a directory and its parents. */
int dm_create_dir(const char *dir);
int dm_is_empty_dir(const char *dir);

/* As fclose, but fails too if writing failed before. */
int dm_fclose(FILE *stream);

/* Takes the lock of a daemon on its pid file; tells whether another process has it. */
int dm_create_lockfile(const char *lockfile);
int dm_daemon_is_running(const char *lockfile);

/* ------------------------------------------------------------------------------------------------------------------
 * Regular expressions: many patterns in one automaton
 * --------------------------------------------------------------------------------------------------------------- */

struct dm_regex;

struct dm_regex *dm_regex_create(struct dm_pool *mem, const char *const *patterns, unsigned num_patterns);

/* Highest index of a pattern that is found in s, -1 if none is. */
int dm_regex_match(struct dm_regex *regex, const char *s);

/* Identifies the automaton; for tests. */
uint32_t dm_regex_fingerprint(struct dm_regex *regex);

/* ------------------------------------------------------------------------------------------------------------------
 * Reports
 * --------------------------------------------------------------------------------------------------------------- */

struct dm_report;
struct dm_report_field;

/* Kinds of objects that a report shows; an id of 0 ends an array of them. */
struct dm_report_object_type {
	uint32_t id;			/* one bit */
	const char *desc;
	const char *prefix;		/* of field ids */
	void *(*data_fn)(void *object);	/* gives the data of this kind */
};

/* Flags of a field: alignment and type. */
#define DM_REPORT_FIELD_MASK 0x00000FFF
#define DM_REPORT_FIELD_ALIGN_MASK 0x0000000F
#define DM_REPORT_FIELD_ALIGN_LEFT 0x00000001
#define DM_REPORT_FIELD_ALIGN_RIGHT 0x00000002
#define DM_REPORT_FIELD_TYPE_MASK 0x00000FF0
#define DM_REPORT_FIELD_TYPE_NONE 0x00000000
#define DM_REPORT_FIELD_TYPE_STRING 0x00000010
#define DM_REPORT_FIELD_TYPE_NUMBER 0x00000020
#define DM_REPORT_FIELD_TYPE_SIZE 0x00000040
#define DM_REPORT_FIELD_TYPE_PERCENT 0x00000080
#define DM_REPORT_FIELD_TYPE_STRING_LIST 0x00000100
#define DM_REPORT_FIELD_TYPE_TIME 0x00000200

#define DM_REPORT_FIELD_TYPE_ID_LEN 32
#define DM_REPORT_FIELD_TYPE_HEADING_LEN 32

/* A field that can be reported; a NULL report_fn ends an array of them. */
struct dm_report_field_type {
	uint32_t type;			/* id of the kind of object */
	uint32_t flags;			/* DM_REPORT_FIELD_* */
	uint32_t offset;		/* of the value in the object's data */
	int32_t width;			/* at least */
	const char id[DM_REPORT_FIELD_TYPE_ID_LEN];
	const char heading[DM_REPORT_FIELD_TYPE_HEADING_LEN];
	int (*report_fn)(struct dm_report *rh, struct dm_pool *mem, struct dm_report_field *field,
			 const void *data, void *private_data);
	const char *desc;
};

/* Flags in the type of a reserved value. */
#define DM_REPORT_FIELD_RESERVED_VALUE_MASK 0x0000000F
#define DM_REPORT_FIELD_RESERVED_VALUE_NAMED 0x00000001		/* only a name for the value */
#define DM_REPORT_FIELD_RESERVED_VALUE_RANGE 0x00000002		/* two values: from, to */
#define DM_REPORT_FIELD_RESERVED_VALUE_DYNAMIC_VALUE 0x00000004	/* value is a dm_report_reserved_handler */
#define DM_REPORT_FIELD_RESERVED_VALUE_FUZZY_NAMES 0x00000008	/* so are the names */

typedef enum dm_report_reserved_action_e {
	DM_REPORT_RESERVED_PARSE_FUZZY_NAME,
	DM_REPORT_RESERVED_GET_DYNAMIC_VALUE
} dm_report_reserved_action_t;

/* 1 if it did what the action asks for, 0 if not, -1 for an error. */
typedef int (*dm_report_reserved_handler)(struct dm_report *rh, struct dm_pool *mem, uint32_t field_num,
					  dm_report_reserved_action_t action, const void *data_in,
					  const void **data_out);

/* The value of a reserved value that is for one field only. */
struct dm_report_field_reserved_value {
	uint32_t field_num;
	const void *value;
};

/* A value that selections may call by name; a NULL value ends an array of them. */
struct dm_report_reserved_value {
	const uint32_t type;
	const void *value;
	const char **names;		/* NULL at the end */
	const char *description;
};

/* How a report is printed. */
#define DM_REPORT_OUTPUT_MASK 0x000000FF
#define DM_REPORT_OUTPUT_ALIGNED 0x00000001
#define DM_REPORT_OUTPUT_BUFFERED 0x00000002
#define DM_REPORT_OUTPUT_HEADINGS 0x00000004
#define DM_REPORT_OUTPUT_FIELD_NAME_PREFIX 0x00000008
#define DM_REPORT_OUTPUT_FIELD_UNQUOTED 0x00000010
#define DM_REPORT_OUTPUT_COLUMNS_AS_ROWS 0x00000020
#define DM_REPORT_OUTPUT_MULTIPLE_TIMES 0x00000040
#define DM_REPORT_OUTPUT_FIELD_IDS_IN_HEADINGS 0x00000080

struct dm_report *dm_report_init(uint32_t *report_types, const struct dm_report_object_type *types,
		const struct dm_report_field_type *fields, const char *output_fields,
		const char *output_separator, uint32_t output_flags, const char *sort_keys, void *private_data);
struct dm_report *dm_report_init_with_selection(uint32_t *report_types,
		const struct dm_report_object_type *types, const struct dm_report_field_type *fields,
		const char *output_fields, const char *output_separator, uint32_t output_flags,
		const char *sort_keys, const char *selection,
		const struct dm_report_reserved_value reserved_values[], void *private_data);
void dm_report_free(struct dm_report *rh);

/* Adds an object; or only tells whether the selection takes it. */
int dm_report_object(struct dm_report *rh, void *object);
int dm_report_object_is_selected(struct dm_report *rh, void *object, int do_output, int *selected);

/* Leaves out fields without a value in any row: all, or those that are listed. */
int dm_report_compact_fields(struct dm_report *rh);
int dm_report_compact_given_fields(struct dm_report *rh, const char *fields);

int dm_report_is_empty(struct dm_report *rh);
void dm_report_destroy_rows(struct dm_report *rh);
int dm_report_output(struct dm_report *rh);
int dm_report_column_headings(struct dm_report *rh);
int dm_report_set_output_field_name_prefix(struct dm_report *rh, const char *output_field_name_prefix);
int dm_report_set_selection(struct dm_report *rh, const char *selection);

/* For report_fn: set the field's value from *data. */
int dm_report_field_string(struct dm_report *rh, struct dm_report_field *field, const char *const *data);
int dm_report_field_string_list(struct dm_report *rh, struct dm_report_field *field, const struct dm_list *data,
		const char *delimiter);
int dm_report_field_string_list_unsorted(struct dm_report *rh, struct dm_report_field *field,
		const struct dm_list *data, const char *delimiter);
int dm_report_field_int32(struct dm_report *rh, struct dm_report_field *field, const int32_t *data);
int dm_report_field_uint32(struct dm_report *rh, struct dm_report_field *field, const uint32_t *data);
int dm_report_field_int(struct dm_report *rh, struct dm_report_field *field, const int *data);
int dm_report_field_uint64(struct dm_report *rh, struct dm_report_field *field, const uint64_t *data);
int dm_report_field_percent(struct dm_report *rh, struct dm_report_field *field, const dm_percent_t *data);

/* Sets what is shown and what it is sorted by; both stay the caller's. */
void dm_report_field_set_value(struct dm_report_field *field, const void *value, const void *sortvalue);

/* Named pointers that handlers keep with the report. */
int dm_report_value_cache_set(struct dm_report *rh, const char *name, const void *data);
const void *dm_report_value_cache_get(struct dm_report *rh, const char *name);

/* Several reports in one output. */
struct dm_report_group;

typedef enum dm_report_group_type_e {
	DM_REPORT_GROUP_SINGLE,
	DM_REPORT_GROUP_BASIC,
	DM_REPORT_GROUP_JSON,
	DM_REPORT_GROUP_JSON_STD
} dm_report_group_type_t;
struct dm_report_group *dm_report_group_create(dm_report_group_type_t type, void *data);
int dm_report_group_push(struct dm_report_group *group, struct dm_report *report, void *data);
int dm_report_group_pop(struct dm_report_group *group);
int dm_report_group_output_and_pop_all(struct dm_report_group *group);
int dm_report_group_destroy(struct dm_report_group *group);

/* ------------------------------------------------------------------------------------------------------------------
 * Configuration trees
 * --------------------------------------------------------------------------------------------------------------- */

typedef enum dm_config_value_type_e {
	DM_CFG_INT,
	DM_CFG_FLOAT,
	DM_CFG_STRING,
	DM_CFG_EMPTY_ARRAY
} dm_config_value_type_t;

union dm_config_value_u {
	int64_t i;
	float f;
	double d;		/* not used */
	const char *str;
};

/* A value, or an element of an array. */
struct dm_config_value {
	dm_config_value_type_t type;
	union dm_config_value_u v;
	struct dm_config_value *next;
	uint32_t format_flags;
};

/* A section, or with v a key. */
struct dm_config_node {
	const char *key;
	struct dm_config_node *parent, *sib, *child;
	struct dm_config_value *v;
	int id;			/* for the client */
};

struct dm_config_tree {
	struct dm_config_node *root;
	struct dm_config_tree *cascade;	/* asked for what this one lacks */
	struct dm_pool *mem;
	void *custom;			/* for the client */
};

struct dm_config_tree *dm_config_create(void);
struct dm_config_tree *dm_config_from_string(const char *config_settings);
void dm_config_destroy(struct dm_config_tree *cft);

/* The text from start up to end; all of it, with repeated nodes kept as they are, or one section only. */
int dm_config_parse(struct dm_config_tree *cft, const char *start, const char *end);
int dm_config_parse_without_dup_node_check(struct dm_config_tree *cft, const char *start, const char *end);
int dm_config_parse_only_section(struct dm_config_tree *cft, const char *start, const char *end,
		const char *section);

void *dm_config_get_custom(struct dm_config_tree *cft);
void dm_config_set_custom(struct dm_config_tree *cft, void *custom);
struct dm_pool *dm_config_memory(struct dm_config_tree *cft);

/* Puts the first tree on top of the second; takes it off; makes one tree of all. */
struct dm_config_tree *dm_config_insert_cascaded_tree(struct dm_config_tree *first_cft,
		struct dm_config_tree *second_cft);
struct dm_config_tree *dm_config_remove_cascaded_tree(struct dm_config_tree *cft);
struct dm_config_tree *dm_config_flatten(struct dm_config_tree *cft);

/* Write a node with, or without, the siblings behind it; each line goes to a function. */
typedef int (*dm_putline_fn)(const char *line, void *baton);
typedef int (*dm_config_node_out_fn)(const struct dm_config_node *cn, const char *line, void *baton);

struct dm_config_node_out_spec {
	dm_config_node_out_fn prefix_fn;	/* before a node, with the indentation */
	dm_config_node_out_fn line_fn;
	dm_config_node_out_fn suffix_fn;	/* behind a node */
};
int dm_config_write_node(const struct dm_config_node *cn, dm_putline_fn putline, void *baton);
int dm_config_write_node_out(const struct dm_config_node *cn, const struct dm_config_node_out_spec *out_spec,
		void *baton);
int dm_config_write_one_node(const struct dm_config_node *cn, dm_putline_fn putline, void *baton);
int dm_config_write_one_node_out(const struct dm_config_node *cn,
		const struct dm_config_node_out_spec *out_spec, void *baton);

/* Look up "section/key" below a node; the last argument is the answer when there is none. */
struct dm_config_node *dm_config_find_node(const struct dm_config_node *cn, const char *path);
int dm_config_has_node(const struct dm_config_node *cn, const char *path);
const char *dm_config_find_str(const struct dm_config_node *cn, const char *path, const char *fail);
const char *dm_config_find_str_allow_empty(const struct dm_config_node *cn, const char *path, const char *fail);
int dm_config_find_int(const struct dm_config_node *cn, const char *path, int fail);
int64_t dm_config_find_int64(const struct dm_config_node *cn, const char *path, int64_t fail);
float dm_config_find_float(const struct dm_config_node *cn, const char *path, float fail);
int dm_config_find_bool(const struct dm_config_node *cn, const char *path, int fail);

/* The same in a tree and those below it. */
const struct dm_config_node *dm_config_tree_find_node(const struct dm_config_tree *cft, const char *path);
const char *dm_config_tree_find_str(const struct dm_config_tree *cft, const char *path, const char *fail);
const char *dm_config_tree_find_str_allow_empty(const struct dm_config_tree *cft, const char *path,
		const char *fail);
int dm_config_tree_find_int(const struct dm_config_tree *cft, const char *path, int fail);
int64_t dm_config_tree_find_int64(const struct dm_config_tree *cft, const char *path, int64_t fail);
float dm_config_tree_find_float(const struct dm_config_tree *cft, const char *path, float fail);
int dm_config_tree_find_bool(const struct dm_config_tree *cft, const char *path, int fail);

/* Look up a value of this very type; 0 if there is none. */
int dm_config_get_uint32(const struct dm_config_node *cn, const char *path, uint32_t *result);
int dm_config_get_uint64(const struct dm_config_node *cn, const char *path, uint64_t *result);
int dm_config_get_str(const struct dm_config_node *cn, const char *path, const char **result);
int dm_config_get_list(const struct dm_config_node *cn, const char *path, const struct dm_config_value **result);
int dm_config_get_section(const struct dm_config_node *cn, const char *path,
		const struct dm_config_node **result);

int dm_config_value_is_bool(const struct dm_config_value *v);
unsigned dm_config_maybe_section(const char *str, unsigned len);
const char *dm_config_parent_name(const struct dm_config_node *n);

/* Build and change trees. */
struct dm_config_node *dm_config_create_node(struct dm_config_tree *cft, const char *key);
struct dm_config_value *dm_config_create_value(struct dm_config_tree *cft);
struct dm_config_node *dm_config_clone_node(struct dm_config_tree *cft, const struct dm_config_node *cn,
		int siblings);
struct dm_config_node *dm_config_clone_node_with_mem(struct dm_pool *mem, const struct dm_config_node *cn,
		int siblings);
int dm_config_remove_node(struct dm_config_node *parent, struct dm_config_node *rem_node);

/* How a value is written; the low 16 bits are for any value, the others for one type. */
#define DM_CONFIG_VALUE_FMT_COMMON_ARRAY 0x00000001
#define DM_CONFIG_VALUE_FMT_COMMON_EXTRA_SPACES 0x00000002
#define DM_CONFIG_VALUE_FMT_INT_OCTAL 0x00010000
#define DM_CONFIG_VALUE_FMT_STRING_NO_QUOTES 0x00010000
void dm_config_value_set_format_flags(struct dm_config_value *cv, uint32_t format_flags);
uint32_t dm_config_value_get_format_flags(struct dm_config_value *cv);

/* ------------------------------------------------------------------------------------------------------------------
 * Udev
 *
 * A cookie counts requests under way: dm_udev_create_cookie (or the first dm_task_set_cookie with 0), the requests,
 * dm_udev_wait. udev's rules report each with dm_udev_complete.
 * --------------------------------------------------------------------------------------------------------------- */

#define DM_UDEV_DEV_DIR "/dev/"

/* A cookie in the event number of an ioctl: 16 bits of flags, 16 bits of number. */
#define DM_COOKIE_MAGIC 0x0D4D
#define DM_UDEV_FLAGS_MASK 0xFFFF0000
#define DM_UDEV_FLAGS_SHIFT 16
/* dm_task_set_cookie makes the cookie. */
#define DM_COOKIE_AUTO_CREATE 0

/* Rules that shall not run: all of device-mapper's, of the subsystem, those of disks, others. */
#define DM_UDEV_DISABLE_DM_RULES_FLAG 0x0001
#define DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG 0x0002
#define DM_UDEV_DISABLE_DISK_RULES_FLAG 0x0004
#define DM_UDEV_DISABLE_OTHER_RULES_FLAG 0x0008
/* Lower the priority of the links. */
#define DM_UDEV_LOW_PRIORITY_FLAG 0x0010
/* The library does not make nodes that udev left out. */
#define DM_UDEV_DISABLE_LIBRARY_FALLBACK 0x0020
/* The event comes from the library, not from somewhere else. */
#define DM_UDEV_PRIMARY_SOURCE_FLAG 0x0040
/* For the subsystem itself. */
#define DM_SUBSYSTEM_UDEV_FLAG0 0x0100
#define DM_SUBSYSTEM_UDEV_FLAG1 0x0200
#define DM_SUBSYSTEM_UDEV_FLAG2 0x0400
#define DM_SUBSYSTEM_UDEV_FLAG3 0x0800
#define DM_SUBSYSTEM_UDEV_FLAG4 0x1000
#define DM_SUBSYSTEM_UDEV_FLAG5 0x2000
#define DM_SUBSYSTEM_UDEV_FLAG6 0x4000
#define DM_SUBSYSTEM_UDEV_FLAG7 0x8000

int dm_cookie_supported(void);
void dm_udev_set_sync_support(int sync_with_udev);
int dm_udev_get_sync_support(void);
void dm_udev_set_checking(int checking);
int dm_udev_get_checking(void);
int dm_task_set_cookie(struct dm_task *dmt, uint32_t *cookie, uint16_t flags);
int dm_udev_create_cookie(uint32_t *cookie);
int dm_udev_complete(uint32_t cookie);
int dm_udev_wait(uint32_t cookie);

/* As dm_udev_wait if nothing is under way any more (*ready is 1), else only tells so (0). */
int dm_udev_wait_immediate(uint32_t cookie, int *ready);

#ifdef __cplusplus
}
#endif

#undef DM_PRINTF
#undef DM_CHECK_RESULT

#endif /* LIB_DEVICE_MAPPER_H */
