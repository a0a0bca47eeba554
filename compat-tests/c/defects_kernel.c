/* oracle */
/*
 * What goes wrong in the reference library, and what we answer instead (defects_kernel.out); with a kernel. The list is
 * DEFECTS.md.
 */
#include "requests.h"
#include <inttypes.h>
#include <unistd.h>

static const char KEY[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static int key_logged;

static void print_log(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
	char text[500];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	key_logged += strstr(text, KEY) != NULL;
	if ((level & 7) <= 4)
		printf("  %s: %s\n", (level & 7) == 4 ? "warning" : "error", text);
	fflush(stdout);
}

static void create(const char *name, const char *uuid, uint64_t size)
{
	struct dm_task *t = dm_task_create(DM_DEVICE_CREATE);

	dm_task_set_name(t, name);
	if (uuid)
		dm_task_set_uuid(t, uuid);
	dm_task_add_target(t, 0, size, "zero", "");
	printf("create %s %d\n", name, dm_task_run(t));
	dm_task_destroy(t);
}

static void tasks(void)
{
	char long_uuid[DM_UUID_LEN + 10], version[40] = "unchanged";
	struct dm_task *t = dm_task_create(DM_DEVICE_STATUS);
	struct dm_info info;
	uint64_t start = 1, length = 2;
	char *type = "x", *params = "y";
	uint32_t read_ahead = 5;
	void *next;

	printf("tasks that were not run:\n");
	printf(" info %d", dm_task_get_info(t, &info));
	printf(" name %s uuid %s", dm_task_get_name(t) ? "set" : "NULL", dm_task_get_uuid(t) ? "set" : "NULL");
	printf(" deps %d names %d versions %d message %d", dm_task_get_deps(t) != NULL, dm_task_get_names(t) != NULL,
	       dm_task_get_versions(t) != NULL, dm_task_get_message_response(t) != NULL);
	next = dm_get_next_target(t, NULL, &start, &length, &type, &params);
	printf(" target %d %d %d %d %d", next != NULL, (int) start, (int) length, type != NULL, params != NULL);
	printf(" read ahead %u", dm_task_get_read_ahead(t, &read_ahead));
	printf(" version %d\n", dm_task_get_driver_version(t, version, sizeof(version)));
	memset(long_uuid, 'u', sizeof(long_uuid));
	long_uuid[DM_UUID_LEN] = 0;
	dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
	printf(" a uuid of %zu bytes: %d\n", strlen(long_uuid), dm_task_set_uuid(t, long_uuid));
	long_uuid[DM_UUID_LEN - 1] = 0;
	printf(" a uuid of %zu bytes: %d\n", strlen(long_uuid), dm_task_set_uuid(t, long_uuid));
	dm_set_name_mangling_mode(DM_STRING_MANGLING_AUTO);
	dm_task_destroy(t);
}

static void names(void)
{
	struct dm_task *t = dm_task_create(DM_DEVICE_LIST);
	struct dm_active_device *d;
	struct dm_list *list;
	uint32_t features;

	/* Asks the driver for uuids. */
	dm_task_set_newuuid(t, " ");
	dm_task_run(t);
	if (dm_task_get_device_list(t, &list, &features)) {
		dm_list_iterate_items(d, list)
			printf(" [%s] event %u uuid [%s]\n", d->name, d->event_nr, d->uuid ? d->uuid : "NULL");
		dm_device_list_destroy(&list);
	}
	dm_task_destroy(t);
}

static void message(const char *device, const char *text)
{
	struct dm_task *t = dm_task_create(DM_DEVICE_TARGET_MSG);

	dm_task_set_name(t, device);
	dm_task_set_sector(t, 0);
	dm_task_set_message(t, text);
	printf("message %d\n", dm_task_run(t));
	dm_task_destroy(t);
}

static void statistics(void)
{
	struct dm_histogram *bounds = dm_histogram_bounds_from_string("1ms,2ms");
	struct dm_stats *s = dm_stats_create(NULL), *t;
	uint64_t id, group, n;

	dm_stats_bind_name(s, "stats");
	dm_stats_create_region(s, &id, 0, 8, -1, 0, NULL, NULL, "two words \\ and more");
	dm_stats_list(s, NULL);
	printf("user data [%s] program [%s]\n", dm_stats_get_region_aux_data(s, id), dm_stats_get_region_program_id(s, id));
	dm_stats_create_region(s, &id, 7, 8, -1, 0, NULL, NULL, NULL);
	dm_stats_create_region(s, &id, 16, 32, 8, 0, bounds, NULL, NULL);
	dm_stats_create_region(s, &id, 48, 32, 16, 0, NULL, NULL, NULL);
	dm_stats_list(s, NULL);
	printf("areas %" PRIu64 "\n", dm_stats_get_nr_areas(s));
	printf("regions that share one sector:\n");
	printf(" group %d", dm_stats_create_group(s, "0-1", NULL, &group));
	printf(" id %" PRIu64 " alias %s", group, dm_stats_get_alias(s, group) ? dm_stats_get_alias(s, group) : "NULL");
	printf(" members at once %d\n", dm_stats_get_group_id(s, 1) == group);
	printf(" again: %d\n", dm_stats_create_group(s, "1,3", NULL, &group));
	printf("aliases that break the tag: %d %d\n", dm_stats_set_alias(s, 0, "a:b"), dm_stats_set_alias(s, 0, "a#b"));
	dm_stats_list(s, NULL);
	printf("listed again: alias %s user data [%s] program [%s]\n", dm_stats_get_alias(s, 0) ? dm_stats_get_alias(s, 0) : "NULL",
	       dm_stats_get_region_aux_data(s, 0), dm_stats_get_region_program_id(s, 0));

	/* A group of regions with and without a histogram, as only other programs make it. */
	message("stats", "@stats_set_aux 2 DMS_GROUP=\"mixed\":2-3#-");
	t = dm_stats_create(NULL);
	dm_stats_bind_name(t, "stats");
	printf("populate %d\n", dm_stats_populate(t, NULL, DM_STATS_REGIONS_ALL));
	dm_stats_walk_init(t, DM_STATS_WALK_GROUP);
	for (dm_stats_walk_start(t); !dm_stats_walk_end(t); dm_stats_walk_next(t)) {
		struct dm_histogram *h = dm_stats_get_histogram(t, DM_STATS_REGION_CURRENT, DM_STATS_AREA_CURRENT);

		dm_stats_get_region_len(t, &n, DM_STATS_REGION_CURRENT);
		printf(" group %" PRIu64 " sectors %" PRIu64 " histogram %d\n", dm_stats_get_group_id(t, DM_STATS_REGION_CURRENT), n,
		       h ? dm_histogram_get_nr_bins(h) : -1);
	}
	/* Lengths of a group that the cursor is not at. */
	dm_stats_walk_init(t, DM_STATS_WALK_REGION);
	dm_stats_walk_start(t);
	printf(" length of group 2: %d", dm_stats_get_region_len(t, &n, DM_STATS_WALK_GROUP | 2));
	printf(" %" PRIu64 "\n", n);
	dm_stats_delete_region(t, 3);
	dm_stats_list(t, NULL);
	printf(" regions left %" PRIu64 "\n", dm_stats_get_nr_regions(t));
	dm_stats_destroy(t);
	dm_stats_destroy(s);
	dm_histogram_bounds_destroy(bounds);
}

static void trees(void)
{
	static const char *const uuids[] = { "LVM-m", "LVM-d", "LVM-o" };
	struct dm_tree *tree = dm_tree_create();
	struct dm_tree_node *n;

	dm_udev_set_sync_support(0);
	for (unsigned i = 0; i < 3; i++) {
		n = dm_tree_add_new_dev(tree, uuids[i], uuids[i], 0, 0, 0, 0, NULL);
		dm_tree_node_add_zero_target(n, 8192);
	}
	n = dm_tree_add_new_dev(tree, "cache", "LVM-cache", 0, 0, 0, 0, NULL);
	printf("a cache without the name of a policy %d\n",
	       dm_tree_node_add_cache_target(n, 8192, DM_CACHE_FEATURE_WRITEBACK, uuids[0], uuids[1], uuids[2], NULL, NULL, 64));
	dm_tree_free(tree);

	tree = dm_tree_create();
	n = dm_tree_add_new_dev(tree, "crypt", "LVM-crypt", 0, 0, 0, 0, NULL);
	dm_tree_node_add_crypt_target(n, 8, "aes", "xts", "plain64", 0, KEY);
	dm_tree_node_add_target_area(n, "/dev/ram0", NULL, 0);
	dm_log_init_verbose(7);
	quiet = 0;
	dm_tree_preload_children(dm_tree_find_node(tree, 0, 0), "LVM-", 4);
	quiet = 1;
	dm_log_init_verbose(0);
	printf("key in %d messages\n", key_logged);
	dm_tree_free(tree);
}

static void versions(void)
{
	struct dm_task *t = dm_task_create(DM_DEVICE_GET_TARGET_VERSION);
	struct dm_versions *v;

	dm_task_set_name(t, "zero");
	printf("version of a target: run %d", dm_task_run(t));
	v = dm_task_get_versions(t);
	printf(" %s\n", v ? v->name : "NULL");
	dm_task_destroy(t);
}

int main(void)
{
	static const char *const left[] = { "b 1", "plain", "stats", "crypt", NULL };

	dm_log_with_errno_init(print_log);
	tasks();
	create("b 1", "U 1", 8);
	create("plain", NULL, 8);
	names();
	create("stats", NULL, 4096);
	statistics();
	trees();
	versions();
	printf("nodes of mangled names:\n");
	printf(" %d", dm_mknodes("b 1"));
	dm_task_update_nodes();
	printf(" %d", !access("/dev/mapper/b\\x201", F_OK));
	printf(" %d\n", !access("/dev/mapper/b 1", F_OK));
	for (int i = 0; left[i]; i++) {
		struct dm_task *t = dm_task_create(DM_DEVICE_REMOVE);
		dm_task_set_name(t, left[i]);
		dm_task_run(t);
		dm_task_destroy(t);
	}
	names();
	return 0;
}
