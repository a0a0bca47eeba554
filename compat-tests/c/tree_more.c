/* oracle */
/*
 * Trees: udev flags and read-ahead of nodes, pools that are read-only or have their metadata cropped, the cache target as
 * old programs ask for it, targets that no kernel has. Prints the requests.
 */
#include "requests.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <unistd.h>
#include "log.h"

static struct dm_tree *tree;

static struct dm_tree_node *root(void)
{
	return dm_tree_find_node(tree, 0, 0);
}

static struct dm_tree_node *node(const char *name, uint16_t udev_flags)
{
	char uuid[64];

	snprintf(uuid, sizeof(uuid), "LVM-%s", name);
	return dm_tree_add_new_dev_with_udev_flags(tree, name, uuid, 0, 0, 0, 0, NULL, udev_flags);
}

static struct dm_tree_node *linear(const char *name, uint64_t size, uint64_t offset, uint16_t udev_flags)
{
	struct dm_tree_node *n = node(name, udev_flags);

	dm_tree_node_add_linear_target(n, size);
	dm_tree_node_add_target_area(n, "/dev/ram0", NULL, offset);
	return n;
}

static void work(const char *what, int (*fn)(struct dm_tree_node *, const char *, size_t))
{
	int r;

	printf(" %s\n", what);
	r = fn(root(), "LVM-", 4);
	printf("  %d\n", r);
	dm_udev_wait(dm_tree_get_cookie(root()));
	dm_tree_set_cookie(root(), 0);
}

static void begin(const char *what)
{
	printf("== %s\n", what);
	tree = dm_tree_create();
	quiet = 0;
}

static void end(void)
{
	quiet = 1;
	dm_tree_free(tree);
}

static struct dm_info info(const char *name)
{
	struct dm_task *t = dm_task_create(DM_DEVICE_INFO);
	struct dm_info i;

	dm_task_set_name(t, name);
	dm_task_run(t);
	dm_task_get_info(t, &i);
	dm_task_destroy(t);
	return i;
}

static void read_ahead(const char *name)
{
	char path[64];
	long sectors = -1;
	int fd;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, O_RDONLY);
	ioctl(fd, BLKRAGET, &sectors);
	close(fd);
	printf("  read-ahead %ld\n", sectors);
}

static void add(const char *name, uint16_t udev_flags)
{
	int was = quiet;
	struct dm_info i;

	quiet = 1;
	i = info(name);
	quiet = was;
	printf(" add %s %d\n", name, dm_tree_add_dev_with_udev_flags(tree, i.major, i.minor, udev_flags));
}

static void finish(const char *name)
{
	begin("remove");
	add(name, 0);
	work("deactivate", dm_tree_deactivate_children);
	end();
}

/* Devices below a pool or a cache. */
static void parts(void)
{
	linear("meta", 8192, 0, 0);
	linear("data", 16384, 8192, 0);
	linear("origin", 16384, 24576, 0);
}

int main(void)
{
	int (*old_cache)(struct dm_tree_node *, uint64_t, uint64_t, const char *, const char *, const char *, const char *,
			 const struct dm_config_node *, uint32_t) =
		(int (*)(struct dm_tree_node *, uint64_t, uint64_t, const char *, const char *, const char *, const char *,
			 const struct dm_config_node *, uint32_t)) dlvsym(RTLD_DEFAULT, "dm_tree_node_add_cache_target", "Base");
	struct dm_tree_node *n;
	unsigned i;

	dm_log_with_errno_init(log_errors);
	dm_udev_set_sync_support(0);
	for (i = 0; i < 4; i++) {
		static const uint32_t sizes[] = { DM_READ_AHEAD_AUTO, DM_READ_AHEAD_NONE, 64, 4096 };

		begin("read-ahead");
		n = linear("ahead", 128, 0, (uint16_t) (1 << i));
		dm_tree_node_set_read_ahead(n, sizes[i], i == 2 ? DM_READ_AHEAD_MINIMUM_FLAG : 0);
		work("preload", dm_tree_preload_children);
		work("activate", dm_tree_activate_children);
		end();
		read_ahead("ahead");
		begin("udev flags of a device that is there");
		add("ahead", DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_LOW_PRIORITY_FLAG);
		work("suspend", dm_tree_suspend_children);
		work("activate", dm_tree_activate_children);
		work("deactivate", dm_tree_deactivate_children);
		end();
	}

	begin("thin pool, read-only");
	parts();
	n = node("pool", 0);
	printf(" %d", dm_tree_node_add_thin_pool_target(n, 16384, 0, "LVM-meta", "LVM-data", 128, 10, 1));
	printf(" %d\n", dm_tree_node_set_thin_pool_read_only(n, 1));
	work("preload", dm_tree_preload_children);
	end();
	finish("pool");
	for (i = 0; i < 2; i++) {
		begin(i ? "thin pool, cropped metadata" : "thin pool, metadata as it is");
		/* Longer than any pool's metadata, by two segments of zeros. */
		n = linear("meta", 8192, 0, 0);
		dm_tree_node_add_zero_target(n, UINT64_C(1) << 25);
		linear("data", 16384, 8192, 0);
		n = node("pool", 0);
		printf(" %d\n", dm_tree_node_add_thin_pool_target_v1(n, 16384, 0, "LVM-meta", "LVM-data", 128, 10, 1, i));
		work("preload", dm_tree_preload_children);
		end();
		finish("pool");
	}

	for (i = 0; i < 6; i++) {
		static const uint64_t features[] = { 0, DM_CACHE_FEATURE_WRITEBACK, DM_CACHE_FEATURE_WRITETHROUGH,
						     DM_CACHE_FEATURE_PASSTHROUGH, DM_CACHE_FEATURE_METADATA2,
						     DM_CACHE_FEATURE_METADATA2 | DM_CACHE_FEATURE_WRITEBACK };

		begin("cache, as old programs ask for it");
		parts();
		n = node("cache", 0);
		printf(" features %" PRIu64 ": %d\n", features[i],
		       old_cache(n, 16384, features[i], "LVM-meta", "LVM-data", "LVM-origin", "smq", NULL, 64));
		work("preload", dm_tree_preload_children);
		end();
		finish("cache");
	}

	begin("replicator");
	n = node("replicator", 0);
	printf(" %d\n", dm_tree_node_add_replicator_target(n, 8, "LVM-log", "ringbuffer", 0, DM_REPLICATOR_SYNC, 0, 0, 0));
	printf(" %d\n", dm_tree_node_add_replicator_dev_target(n, 8, "LVM-r", 0, "LVM-d", 0, "LVM-slog", 0, 0));
	end();
	return 0;
}
