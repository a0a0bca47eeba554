/* oracle */
/*
 * Dependency trees: the requests that they make, in order, and their answers. The program has an ioctl of its own, which
 * prints what passes through it.
 */
#include "requests.h"
#include <fcntl.h>
#include <unistd.h>

static void log_errors(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
	if ((level & 7) <= 3 && !quiet)
		printf("  error\n");
}

static struct dm_tree *tree;

static void begin(const char *what)
{
	printf("== %s\n", what);
	tree = dm_tree_create();
	quiet = 0;
}

static struct dm_tree_node *root(void)
{
	return dm_tree_find_node(tree, 0, 0);
}

static void wait_for_udev(void)
{
	dm_udev_wait(dm_tree_get_cookie(root()));
	dm_tree_set_cookie(root(), 0);
}

static void preload(void)
{
	printf(" preload\n");
	printf("  %d\n", dm_tree_preload_children(root(), "LVM-", 4));
	wait_for_udev();
}

static void suspend(void)
{
	printf(" suspend\n");
	printf("  %d\n", dm_tree_suspend_children(root(), "LVM-", 4));
	wait_for_udev();
}

static void activate(void)
{
	printf(" activate\n");
	printf("  %d\n", dm_tree_activate_children(root(), "LVM-", 4));
	wait_for_udev();
}

static void deactivate(void)
{
	printf(" deactivate\n");
	printf("  %d\n", dm_tree_deactivate_children(root(), "LVM-", 4));
	wait_for_udev();
}

static void end(void)
{
	dm_tree_free(tree);
	fflush(stdout);
}

static struct dm_info info_of(const char *name)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_INFO);
	struct dm_info info;
	int was = quiet;

	quiet = 1;
	dm_task_set_name(task, name);
	dm_task_run(task);
	dm_task_get_info(task, &info);
	dm_task_destroy(task);
	quiet = was;
	return info;
}

static void add(const char *name)
{
	struct dm_info info = info_of(name);

	printf(" add %s %d\n", name, dm_tree_add_dev(tree, info.major, info.minor));
}

static struct dm_tree_node *node(const char *name)
{
	char uuid[64];

	snprintf(uuid, sizeof(uuid), "LVM-%s", name);
	return dm_tree_add_new_dev(tree, name, uuid, 0, 0, 0, 0, NULL);
}

static void area(struct dm_tree_node *n, const char *on, uint64_t offset)
{
	char uuid[64];
	int r;

	snprintf(uuid, sizeof(uuid), "LVM-%s", on);
	r = on[0] == '/' ? dm_tree_node_add_target_area(n, on, NULL, offset) :
			   dm_tree_node_add_target_area(n, NULL, uuid, offset);
	if (!r)
		printf("  no area\n");
}

static struct dm_tree_node *linear(const char *name, uint64_t size, const char *on, uint64_t offset)
{
	struct dm_tree_node *n = node(name);

	if (!dm_tree_node_add_linear_target(n, size))
		printf("  no segment\n");
	area(n, on, offset);
	return n;
}

static void show(struct dm_tree_node *n, int depth, int inverted)
{
	struct dm_tree_node *child;
	void *handle = NULL;

	if (!dm_tree_node_num_children(n, inverted))
		return;
	while ((child = dm_tree_next_child(&handle, n, inverted))) {
		const struct dm_info *info = dm_tree_node_get_info(child);

		printf("  %*s[%s] [%s] %u:%u exists %d children %d parents %d size %d\n", depth, "",
		       dm_tree_node_get_name(child), dm_tree_node_get_uuid(child), info->major < 200 ? info->major : 200,
		       info->minor, info->exists, dm_tree_node_num_children(child, 0), dm_tree_node_num_children(child, 1),
		       dm_tree_node_size_changed(child));
		show(child, depth + 1, inverted);
	}
}

static void remove_device(const char *name)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_REMOVE);
	int was = quiet;

	quiet = 1;
	dm_task_set_name(task, name);
	dm_task_run(task);
	dm_task_destroy(task);
	dm_task_update_nodes();
	quiet = was;
}

static void stacks(void)
{
	int fd;

	begin("new device");
	linear("lv", 128, "/dev/ram0", 64);
	preload();
	activate();
	show(root(), 0, 0);
	end();
	begin("the same again");
	add("lv");
	linear("lv", 128, "/dev/ram0", 64);
	preload();
	suspend();
	activate();
	end();
	begin("another table, read-only");
	add("lv");
	dm_tree_add_new_dev(tree, "lv", "LVM-lv", 0, 0, 1, 0, NULL);
	linear("lv", 128, "/dev/ram0", 0);
	dm_tree_skip_lockfs(root());
	dm_tree_use_no_flush_suspend(root());
	preload();
	suspend();
	activate();
	end();
	begin("deactivate");
	add("lv");
	deactivate();
	end();

	begin("stack");
	linear("base", 128, "/dev/ram0", 0);
	linear("top", 64, "base", 0);
	linear("top2", 32, "base", 64);
	preload();
	activate();
	show(root(), 0, 0);
	end();
	begin("found");
	add("top");
	show(root(), 0, 0);
	add("base");
	add("top2");
	show(root(), 0, 0);
	printf(" %d %d %p\n", dm_tree_children_use_uuid(root(), "LVM-b", 5), dm_tree_children_use_uuid(root(), "LVM-t", 5),
	       (void *) dm_tree_find_node(tree, 254, 77));
	end();
	begin("grow");
	add("top");
	linear("base", 256, "/dev/ram0", 0);
	linear("top", 200, "base", 0);
	preload();
	show(root(), 0, 0);
	suspend();
	activate();
	end();
	begin("shrink");
	add("top");
	linear("base", 100, "/dev/ram0", 0);
	linear("top", 50, "base", 0);
	preload();
	suspend();
	activate();
	end();
	begin("suspend both users");
	add("top");
	add("top2");
	suspend();
	activate();
	end();
	begin("deactivate open devices");
	fd = open("/dev/mapper/top", O_RDONLY);
	add("top");
	add("top2");
	deactivate();
	close(fd);
	end();
	begin("deactivate below a user");
	add("base");
	deactivate();
	dm_tree_retry_remove(root());
	deactivate();
	end();
	begin("deactivate the rest");
	add("top");
	deactivate();
	end();
}

static void failures(void)
{
	begin("a table is refused");
	linear("k1", 128, "/dev/ram0", 0);
	linear("k2", 256, "k1", 0);
	preload();
	end();
	begin("a table is refused beside others");
	linear("g1", 8, "/dev/ram0", 0);
	linear("g2", 8, "/dev/ram0", 1u << 30);
	linear("g3", 8, "/dev/ram0", 0);
	preload();
	end();
	remove_device("g3");
	begin("no areas");
	dm_tree_node_add_linear_target(node("n"), 8);
	preload();
	end();
	begin("arguments");
	{
		struct dm_tree_node *n = node("n");

		printf(" %d", dm_tree_node_add_target_area(n, "/dev/ram0", NULL, 0));
		dm_tree_node_add_linear_target(n, 8);
		printf(" %d", dm_tree_node_add_target_area(n, NULL, NULL, 0));
		printf(" %d", dm_tree_node_add_target_area(n, "/dev/nonesuch", NULL, 0));
		printf(" %d", dm_tree_node_add_target_area(n, "/dev/null", NULL, 0));
		printf(" %d", dm_tree_node_add_target_area(n, NULL, "nonesuch", 0));
		printf(" %d", dm_tree_node_add_null_area(n, 0));
		printf(" %d", dm_tree_node_add_raid_target(n, 8, "bogus", 0, 0, 0, 0));
		printf(" %d", dm_tree_node_add_thin_target(n, 8, "nonesuch", 1));
		printf(" %d", dm_tree_node_add_thin_pool_target(n, 8, 0, "nonesuch", "LVM-n", 128, 0, 0));
		printf(" %d", dm_tree_node_add_thin_pool_target(n, 8, 0, "nonesuch", "LVM-n", 64, 0, 0));
		printf(" %d", dm_tree_node_add_thin_pool_message(n, DM_THIN_MESSAGE_DELETE, 1, 0));
		printf(" %d", dm_tree_node_set_thin_pool_discard(n, 1, 0));
		printf(" %d", dm_tree_node_add_snapshot_origin_target(n, 8, "nonesuch"));
		printf(" %d", dm_tree_node_add_replicator_target(n, 8, "", "", 0, 0, 0, 0, 0));
		printf(" %d", dm_tree_node_add_mirror_target_log(n, 1, 0, "nonesuch", 1, 0));
		printf(" %d\n", dm_tree_node_add_cache_target(n, 8, 3, "a", "b", "c", "smq", NULL, 64));
		printf(" [%s] [%s] %p\n", dm_tree_node_get_name(n), dm_tree_node_get_uuid(n), dm_tree_node_get_context(n));
		printf(" %d\n", dm_tree_add_dev(tree, 254, 200));
	}
	end();
}

static void names(void)
{
	static const char *suffixes[] = { "real", "pool", NULL };
	static const char *const uuids[] = { "QQQQ", "LVM-QQQQ", "QQQQ-real", "QQQQ-tpool", "LVM-QQQQ-real", "" };
	struct dm_tree_node *q;

	begin("uuids");
	q = dm_tree_add_new_dev(tree, "q", "QQQQ", 0, 0, 0, 0, &suffixes);
	dm_tree_set_optional_uuid_suffixes(tree, suffixes);
	for (unsigned i = 0; i < 6; i++) {
		struct dm_tree_node *n = dm_tree_find_node_by_uuid(tree, uuids[i]);

		printf("  %s: %s\n", uuids[i], !n ? "none" : n == q ? "found" : n == root() ? "root" : "other");
	}
	printf(" %d\n", dm_tree_node_get_context(q) == &suffixes);
	printf(" %d %d\n", q == dm_tree_find_node_by_uuid(tree, "QQQQ"),
	       q == dm_tree_add_new_dev(tree, "q", "QQQQ", 0, 0, 0, 0, NULL));
	printf(" %d\n", dm_tree_node_get_context(q) == NULL);
	end();

	begin("names");
	linear("a", 8, "/dev/ram0", 0);
	linear("b", 8, "/dev/ram0", 8);
	preload();
	activate();
	end();
	begin("renames");
	add("a");
	add("b");
	dm_tree_add_new_dev(tree, "b", "LVM-a", 0, 0, 0, 0, NULL);
	q = dm_tree_add_new_dev(tree, "c", "LVM-b", 0, 0, 0, 0, NULL);
	activate();
	printf(" %s\n", dm_tree_node_get_name(q));
	end();
	begin("a name in use");
	add("b");
	add("c");
	dm_tree_add_new_dev(tree, "c", "LVM-a", 0, 0, 0, 0, NULL);
	activate();
	deactivate();
	end();

	begin("number, flags");
	q = dm_tree_add_new_dev_with_udev_flags(tree, "num", "LVM-num", 254, 77, 0, 0, NULL, 0x2e);
	dm_tree_node_add_zero_target(q, 8);
	preload();
	dm_tree_node_set_udev_flags(q, 0x0e);
	activate();
	deactivate();
	end();
}

static int called(struct dm_tree_node *n, dm_node_callback_t type, void *data)
{
	printf("  callback %d [%s] %d\n", (int) type, dm_tree_node_get_name(n), *(int *) data);
	return *(int *) data;
}

static void hooks(void)
{
	struct dm_tree_node *top;
	int yes = 1, no = 0;

	begin("callbacks");
	linear("base", 128, "/dev/ram0", 0);
	top = linear("top", 64, "base", 0);
	dm_tree_node_set_callback(top, called, &yes);
	preload();
	activate();
	end();
	begin("presuspend");
	add("top");
	top = node("top");
	dm_tree_node_set_callback(top, called, &no);
	dm_tree_node_set_presuspend_node(top, dm_tree_find_node_by_uuid(tree, "LVM-base"));
	deactivate();
	end();
	begin("callback that fails");
	linear("base", 128, "/dev/ram0", 0);
	top = linear("top", 64, "base", 0);
	dm_tree_node_set_callback(top, called, &no);
	preload();
	end();

	begin("inactive");
	linear("base", 128, "/dev/ram0", 0);
	linear("top", 64, "base", 0);
	preload();
	end();
	begin("clear inactive");
	add("top");
	top = dm_tree_add_new_dev(tree, "top", "LVM-top", 0, 0, 0, 1, NULL);
	printf(" %d\n", dm_tree_node_get_info(top)->inactive_table);
	deactivate();
	end();
	remove_device("base");
}

static void snapshots(void)
{
	struct dm_tree_node *n;

	begin("origin and snapshots");
	linear("real", 128, "/dev/ram0", 0);
	linear("cow", 128, "/dev/ram0", 1024);
	linear("cow2", 128, "/dev/ram0", 2048);
	n = node("org");
	dm_tree_node_add_snapshot_origin_target(n, 128, "LVM-real");
	n = node("snap");
	dm_tree_node_add_snapshot_target(n, 128, "LVM-real", "LVM-cow", 1, 8);
	n = node("snap2");
	dm_tree_node_add_snapshot_target(n, 128, "LVM-real", "LVM-cow2", 0, 16);
	preload();
	activate();
	end();
	begin("deactivate snapshots");
	add("org");
	add("snap");
	add("snap2");
	suspend();
	activate();
	deactivate();
	end();
	begin("merge");
	linear("real", 128, "/dev/ram0", 0);
	linear("cow", 128, "/dev/ram0", 1024);
	n = node("snap");
	dm_tree_node_add_error_target(n, 128);
	n = node("org");
	dm_tree_node_add_snapshot_merge_target(n, 128, "LVM-real", "LVM-cow", "LVM-snap", 8);
	preload();
	activate();
	deactivate();
	end();
}

static void raids(void)
{
	struct dm_tree_node_raid_params_v2 p = { .raid_type = "raid5", .stripe_size = 64, .region_size = 1024, .flags = DM_NOSYNC };
	struct dm_tree_node_raid_params p1 = { .raid_type = "raid1", .region_size = 1024, .rebuilds = 2, .writemostly = 1,
					       .writebehind = 256, .min_recovery_rate = 100, .max_recovery_rate = 200 };
	static const char *const devs[] = { "m0", "d0", "m1", "d1", "m2", "d2" };
	struct dm_tree_node *n;
	char ram[16];

	/* The tree asks for the target's version, and the kernel loads the module only with a table. */
	fflush(stdout);
	if (system("modprobe -q dm-raid"))
		printf("no dm-raid\n");
	begin("raid5");
	for (unsigned i = 0; i < 6; i++) {
		snprintf(ram, sizeof(ram), "/dev/ram%u", i);
		linear(devs[i], 8192, ram, 0);
	}
	n = node("r");
	printf(" %d\n", dm_tree_node_add_raid_target_with_params_v2(n, 16384, &p));
	for (unsigned i = 0; i < 6; i++)
		area(n, devs[i], 0);
	preload();
	activate();
	deactivate();
	end();
	begin("raid1 with a missing leg");
	linear("m0", 8192, "/dev/ram0", 0);
	linear("d0", 8192, "/dev/ram1", 0);
	n = node("r");
	dm_tree_node_add_raid_target(n, 8192, "raid1", 1024, 0, 0, DM_NOSYNC);
	area(n, "m0", 0);
	area(n, "d0", 0);
	dm_tree_node_add_null_area(n, 0);
	dm_tree_node_add_null_area(n, 0);
	preload();
	end();
	begin("raid1 with everything");
	for (unsigned i = 0; i < 4; i++) {
		snprintf(ram, sizeof(ram), "/dev/ram%u", i);
		linear(devs[i], 8192, ram, 0);
	}
	n = node("r2");
	dm_tree_node_add_raid_target_with_params(n, 8192, &p1);
	for (unsigned i = 0; i < 4; i++)
		area(n, devs[i], 0);
	preload();
	end();
	for (unsigned i = 0; i < 2; i++) {
		remove_device(i ? "r2" : "r");
		for (unsigned j = 0; j < 6; j++)
			remove_device(devs[j]);
	}
	begin("mirrors");
	linear("log", 8192, "/dev/ram2", 0);
	n = node("mi");
	dm_tree_node_add_mirror_target(n, 8192);
	dm_tree_node_add_mirror_target_log(n, 1024, 0, "LVM-log", 2, DM_NOSYNC | DM_BLOCK_ON_ERROR);
	area(n, "/dev/ram3", 0);
	area(n, "/dev/ram4", 8);
	n = node("pvmove");
	dm_tree_node_add_mirror_target(n, 8192);
	dm_tree_node_add_mirror_target_log(n, 1024, 0, "LVM-pvmove0", 2, DM_FORCESYNC | DM_CORELOG);
	area(n, "/dev/ram5", 0);
	area(n, "/dev/ram6", 8);
	linear("above", 64, "pvmove", 0);
	n = node("st");
	dm_tree_node_add_striped_target(n, 768, 128);
	for (unsigned i = 0; i < 3; i++)
		area(n, "/dev/ram7", 1024 * i);
	dm_tree_node_add_zero_target(n, 8);
	dm_tree_node_add_error_target(n, 8);
	preload();
	activate();
	deactivate();
	end();
}

static void pool_tree(uint64_t size, uint64_t transaction)
{
	linear("meta", 4096, "/dev/ram8", 0);
	linear("data", size, "/dev/ram9", 0);
	if (!dm_tree_node_add_thin_pool_target(node("tp"), size, transaction, "LVM-meta", "LVM-data", 128, 10, 1))
		printf("  no pool\n");
}

static void pools(void)
{
	struct dm_tree_node *n;

	begin("pool");
	pool_tree(4096, 0);
	n = node("tp");
	printf(" %d", dm_tree_node_set_thin_pool_discard(n, 0, 1));
	printf(" %d\n", dm_tree_node_set_thin_pool_error_if_no_space(n, 1));
	preload();
	activate();
	end();
	begin("messages");
	add("tp");
	pool_tree(4096, 1);
	n = node("tp");
	printf(" %d", dm_tree_node_add_thin_pool_message(n, DM_THIN_MESSAGE_CREATE_THIN, 1, 0));
	printf(" %d", dm_tree_node_add_thin_pool_message(n, DM_THIN_MESSAGE_SET_TRANSACTION_ID, 0, 2));
	printf(" %d", dm_tree_node_add_thin_pool_message(n, DM_THIN_MESSAGE_SET_TRANSACTION_ID, 0, 1));
	printf(" %d\n", dm_tree_node_add_thin_pool_message(n, DM_THIN_MESSAGE_RESERVE_METADATA_SNAP, 0, 1));
	preload();
	suspend();
	activate();
	end();
	begin("messages that were sent");
	add("tp");
	pool_tree(4096, 1);
	dm_tree_node_add_thin_pool_message(node("tp"), DM_THIN_MESSAGE_CREATE_THIN, 7, 0);
	preload();
	suspend();
	activate();
	end();
	begin("messages that are refused");
	add("tp");
	pool_tree(4096, 2);
	n = node("tp");
	dm_tree_node_add_thin_pool_message(n, DM_THIN_MESSAGE_CREATE_THIN, 1, 0);
	dm_tree_node_add_thin_pool_message(n, DM_THIN_MESSAGE_DELETE, 99, 0);
	dm_tree_node_add_thin_pool_message(n, DM_THIN_MESSAGE_CREATE_SNAP, 1, 0);
	preload();
	suspend();
	activate();
	end();
	begin("wrong transaction");
	add("tp");
	pool_tree(4096, 7);
	dm_tree_node_add_thin_pool_message(node("tp"), DM_THIN_MESSAGE_DELETE, 1, 0);
	preload();
	suspend();
	activate();
	end();
	begin("thin volume");
	add("tp");
	pool_tree(4096, 0);
	linear("ext", 64, "/dev/ram10", 0);
	n = node("thin");
	dm_tree_node_add_thin_target(n, 4096, "LVM-tp", 1);
	printf(" %d\n", dm_tree_node_set_thin_external_origin(n, "LVM-ext"));
	preload();
	activate();
	end();
	begin("grow");
	add("thin");
	pool_tree(8192, 0);
	n = node("thin");
	dm_tree_node_add_thin_target(n, 8192, "LVM-tp", 1);
	dm_tree_node_set_thin_external_origin(n, "LVM-ext");
	preload();
	suspend();
	activate();
	show(root(), 0, 0);
	deactivate();
	end();
	begin("crop");
	linear("meta", 33161000, "/dev/ram8", 0);
	dm_tree_node_add_zero_target(dm_tree_find_node_by_uuid(tree, "LVM-meta"), 1000);
	linear("data", 4096, "/dev/ram9", 0);
	dm_tree_node_add_thin_pool_target(node("tp"), 4096, 0, "LVM-meta", "LVM-data", 128, 10, 1);
	preload();
	end();
	begin("crypt");
	n = node("c");
	dm_tree_node_add_crypt_target(n, 8, "aes", "cbc", "essiv:sha256", 0, "00");
	area(n, "/dev/ram0", 0);
	dm_tree_node_add_crypt_target(n, 8, "aes-cbc", "plain", NULL, DM_CRYPT_IV_DEFAULT, "00");
	area(n, "/dev/ram0", 8);
	preload();
	end();
	begin("cache");
	{
		struct dm_config_tree *policy =
			dm_config_from_string("p { a = 5 migration_threshold = 100 sequential_threshold = -1 }");

		linear("cm", 8192, "/dev/ram11", 0);
		linear("cd", 8192, "/dev/ram12", 0);
		linear("co", 8192, "/dev/ram13", 0);
		n = node("cache");
		printf(" %d", dm_tree_node_add_cache_target(n, 8192, DM_CACHE_FEATURE_WRITEBACK | DM_CACHE_FEATURE_METADATA2,
							    "LVM-cm", "LVM-cd", "LVM-co", "smq", policy->root, 128));
		printf(" %d\n", dm_tree_node_add_cache_target(n, 8192, DM_CACHE_FEATURE_PASSTHROUGH, "LVM-cm", "LVM-cd", "LVM-co",
							      "cleaner", NULL, 64));
		preload();
		dm_config_destroy(policy);
	}
	end();
}

/* LVM2 finds a node's tree this way when it adds a stand-in for a missing device. */
static void first_field(void)
{
	struct dm_tree_node *node;

	begin("a node begins with its tree");
	printf("root %d\n", *(struct dm_tree **) root() == tree);
	node = dm_tree_add_new_dev(tree, "first_field", "TEST-first_field", 0, 0, 0, 0, NULL);
	printf("node %d\n", node && *(struct dm_tree **) node == tree);
	dm_tree_free(tree);
}

int main(void)
{
	dm_log_with_errno_init(log_errors);
	first_field();
	stacks();
	failures();
	names();
	hooks();
	snapshots();
	raids();
	pools();
	return 0;
}
