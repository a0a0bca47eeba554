/* oracle */
/*
 * Targets and functions of trees and tasks that Debian 12's library does not have: lines as the specification of each
 * target gives them, and lists of active devices. What they should be stands in tree_new.out.
 */
#include "requests.h"
#include "log.h"

static struct dm_tree *tree;

static struct dm_tree_node *root(void)
{
	return dm_tree_find_node(tree, 0, 0);
}

static struct dm_tree_node *node(const char *name)
{
	char uuid[64];

	snprintf(uuid, sizeof(uuid), "LVM-%s", name);
	return dm_tree_add_new_dev(tree, name, uuid, 0, 0, 0, 0, NULL);
}

static void linear(const char *name, uint64_t size, uint64_t offset)
{
	struct dm_tree_node *n = node(name);

	dm_tree_node_add_linear_target(n, size);
	dm_tree_node_add_target_area(n, "/dev/ram0", NULL, offset);
}

static void begin(const char *what)
{
	printf("== %s\n", what);
	tree = dm_tree_create();
	linear("origin", 16384, 0);
	linear("fast", 16384, 16384);
	quiet = 0;
}

/* Only the line counts: few kernels have these targets, and none takes all of the lines. */
static void end(void)
{
	dm_tree_preload_children(root(), "LVM-", 4);
	quiet = 1;
	dm_tree_free(tree);
	tree = dm_tree_create();
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = { "top", "origin", "fast" };
		struct dm_task *t = dm_task_create(DM_DEVICE_REMOVE);
		dm_task_set_name(t, names[i]);
		dm_task_run(t);
		dm_task_destroy(t);
	}
	dm_tree_free(tree);
}

static void targets(void)
{
	struct dm_writecache_settings w = { .high_watermark_set = 1, .high_watermark = 60, .low_watermark_set = 1, .low_watermark = 30,
					    .writeback_jobs_set = 1, .writeback_jobs = 1024, .autocommit_blocks_set = 1,
					    .autocommit_blocks = 512, .autocommit_time_set = 1, .autocommit_time = 500, .fua_set = 1,
					    .fua = 1, .max_age_set = 1, .max_age = 9000, .metadata_only_set = 1, .metadata_only = 1,
					    .pause_writeback_set = 1, .pause_writeback = 100, .cleaner_set = 1, .cleaner = 1,
					    .new_key = "newk", .new_val = "newv" };
	struct dm_integrity_settings g = { .mode = "B", .tag_size = 4, .block_size = 4096, .internal_hash = "crc32c", .journal_sectors = 1,
					   .interleave_sectors = 2, .buffer_sectors = 3, .journal_watermark = 4, .commit_time = 5,
					   .bitmap_flush_interval = 6, .sectors_per_bit = 7, .allow_discards = 1, .journal_sectors_set = 1,
					   .interleave_sectors_set = 1, .buffer_sectors_set = 1, .journal_watermark_set = 1,
					   .commit_time_set = 1, .bitmap_flush_interval_set = 1, .sectors_per_bit_set = 1,
					   .allow_discards_set = 1 };
	struct dm_vdo_target_params v = { .minimum_io_size = 8, .block_map_cache_size_mb = 128, .block_map_era_length = 16380,
					  .index_memory_size_mb = 256, .slab_size_mb = 128, .max_discard = 1500, .ack_threads = 1,
					  .bio_threads = 4, .bio_rotation = 64, .cpu_threads = 2, .hash_zone_threads = 1,
					  .logical_threads = 1, .physical_threads = 1, .use_compression = 1, .use_metadata_hints = 1,
					  .write_policy = DM_VDO_WRITE_POLICY_ASYNC };
	struct dm_writecache_settings no_w = { 0 };
	struct dm_integrity_settings no_g = { .mode = "J", .tag_size = 4, .block_size = 512, .internal_hash = "crc32c" };

	begin("writecache");
	printf(" %d\n", dm_tree_node_add_writecache_target(node("top"), 16384, "LVM-origin", "LVM-fast", 0, 4096, &no_w));
	end();
	begin("writecache, all settings");
	printf(" %d\n", dm_tree_node_add_writecache_target(node("top"), 16384, "LVM-origin", "LVM-fast", 1, 512, &w));
	end();
	begin("writecache without its cache");
	printf(" %d\n", dm_tree_node_add_writecache_target(node("top"), 16384, "LVM-origin", "LVM-none", 0, 0, &no_w));
	end();
	begin("integrity");
	printf(" %d\n", dm_tree_node_add_integrity_target(node("top"), 8192, "LVM-origin", "LVM-fast", &no_g, 0));
	end();
	begin("integrity, all settings");
	printf(" %d\n", dm_tree_node_add_integrity_target(node("top"), 8192, "LVM-origin", "LVM-fast", &g, 1));
	end();
	begin("integrity without metadata");
	printf(" %d\n", dm_tree_node_add_integrity_target(node("top"), 8192, "LVM-origin", NULL, &no_g, 0));
	end();
	begin("cache on one volume");
	printf(" %d\n", dm_tree_node_add_cachevol_target(node("top"), 16384, DM_CACHE_FEATURE_WRITETHROUGH, "LVM-fast", "LVM-fast", "LVM-fast",
							 "LVM-origin", "smq", NULL, 0, 4096, 4096, 12288, 128));
	end();
	begin("vdo 2");
	printf(" %d\n", dm_tree_node_add_vdo_target(node("top"), 32768, 2, "pool", "LVM-origin", 16384, &v));
	end();
	begin("vdo 4");
	printf(" %d\n", dm_tree_node_add_vdo_target(node("top"), 32768, 4, "pool", "LVM-origin", 16384, &v));
	end();
	v.block_map_cache_size_mb = 1;
	begin("vdo, refused");
	printf(" %d\n", dm_tree_node_add_vdo_target(node("top"), 32768, 4, "pool", "LVM-origin", 16384, &v));
	end();
}

static void sizes(void)
{
	int (*old)(const struct dm_tree_node *) =
		(int (*)(const struct dm_tree_node *)) dlvsym(RTLD_DEFAULT, "dm_tree_node_size_changed", "Base");
	struct dm_tree_node *n;

	for (int round = 0; round < 3; round++) {
		static const uint64_t size[] = { 128, 256, 64 };
		struct dm_task *t = dm_task_create(DM_DEVICE_INFO);
		struct dm_info info;

		tree = dm_tree_create();
		dm_task_set_name(t, "sized");
		dm_task_run(t);
		if (dm_task_get_info(t, &info) && info.exists)
			dm_tree_add_dev(tree, info.major, info.minor);
		dm_task_destroy(t);
		linear("sized", size[round], 0);
		n = dm_tree_find_node_by_uuid(tree, "LVM-sized");
		dm_tree_preload_children(root(), "LVM-", 4);
		printf("size %d: old %d now %d\n", (int) size[round], old(n), dm_tree_node_size_changed(n));
		dm_tree_suspend_children(root(), "LVM-", 4);
		dm_tree_activate_children(root(), "LVM-", 4);
		dm_tree_free(tree);
	}
}

static struct dm_list *devices(const char *what)
{
	struct dm_task *t = dm_task_create(DM_DEVICE_LIST);
	struct dm_active_device *d;
	struct dm_list *list = NULL;
	uint32_t features = 77;
	int r = dm_task_run(t);

	printf("%s: run %d", what, r);
	r = dm_task_get_device_list(t, &list, &features);
	printf(" get %d features %u\n", r, features);
	if (list)
		dm_list_iterate_items(d, list)
			printf("  %s %u uuid [%s] event %d\n", d->name, (unsigned) minor(d->devno), d->uuid ? d->uuid : "NULL", d->event_nr > 0);
	dm_task_destroy(t);
	return list;
}

int main(void)
{
	struct dm_list *none, *one, *again, *two;
	struct dm_task *t;

	dm_log_with_errno_init(log_errors);
	dm_udev_set_sync_support(0);
	none = devices("nothing");
	targets();
	sizes();
	one = devices("one");
	again = devices("again");
	t = dm_task_create(DM_DEVICE_CREATE);
	dm_task_set_name(t, "no uuid");
	dm_task_add_target(t, 0, 8, "zero", "");
	dm_task_run(t);
	dm_task_destroy(t);
	two = devices("two");
	printf("equal %d %d %d %d %d %d\n", dm_device_list_equal(one, again), dm_device_list_equal(one, two), dm_device_list_equal(none, one),
	       dm_device_list_equal(NULL, NULL), dm_device_list_equal(one, NULL), dm_device_list_equal(two, two));
	dm_device_list_destroy(&one);
	dm_device_list_destroy(&again);
	dm_device_list_destroy(&two);
	dm_device_list_destroy(&none);
	printf("destroyed %d %d\n", one == NULL, two == NULL);
	return 0;
}
