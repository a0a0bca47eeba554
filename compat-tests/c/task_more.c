/* oracle */
/*
 * What a task asks for besides its table: owner and mode of the node, time stamps, measurement; information about devices
 * as programs of each time get it.
 */
#include "requests.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"

static struct dm_task *task(int type, const char *name)
{
	struct dm_task *t = dm_task_create(type);

	dm_task_set_name(t, name);
	return t;
}

static void done(const char *what, struct dm_task *t)
{
	int r = dm_task_run(t);

	printf("%s: %d\n", what, r);
	dm_task_destroy(t);
	dm_task_update_nodes();
}

static void node(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	struct dm_task *t = task(DM_DEVICE_CREATE, name);
	char path[64];
	struct stat st;

	printf("node %s set %d %d %d\n", name, dm_task_set_uid(t, uid), dm_task_set_gid(t, gid), dm_task_set_mode(t, mode));
	dm_task_add_target(t, 0, 8, "zero", "");
	done("create", t);
	snprintf(path, sizeof(path), "%s/%s", dm_dir(), name);
	if (stat(path, &st))
		printf("no node\n");
	else
		printf("%u:%u %o\n", st.st_uid, st.st_gid, st.st_mode & 07777);
}

/* Which bytes of the structure a function writes, and what. */
static void written(const char *what, int (*get)(struct dm_task *, struct dm_info *), struct dm_task *t)
{
	unsigned char a[64], b[64];
	struct dm_info *info = (struct dm_info *) a;
	int r, first = -1, last = -1;

	memset(a, 0x5a, sizeof(a));
	memset(b, 0xa5, sizeof(b));
	r = get(t, (struct dm_info *) b);
	get(t, info);
	for (int i = 0; i < 64; i++)
		if (a[i] != 0x5a || b[i] != 0xa5) {
			if (first < 0)
				first = i;
			last = i;
		}
	printf("%s: %d bytes %d to %d, exists %d suspended %d live %d inactive %d open %d event %u minor %u read-only %d targets %d",
	       what, r, first, last, info->exists, info->suspended, info->live_table, info->inactive_table, info->open_count,
	       info->event_nr, info->minor, info->read_only, info->target_count);
	if (last >= 40)
		printf(" deferred %d", !!info->deferred_remove);
	if (last >= 44)
		printf(" internal %d", !!info->internal_suspend);
	printf("\n");
}

static void infos(const char *name)
{
	struct dm_task *t = task(DM_DEVICE_INFO, name);
	int (*base)(struct dm_task *, struct dm_info *) =
		(int (*)(struct dm_task *, struct dm_info *)) dlvsym(RTLD_DEFAULT, "dm_task_get_info", "Base");
	/* No header declares it: the name of a while before the version existed. */
	int (*deferred)(struct dm_task *, struct dm_info *) =
		(int (*)(struct dm_task *, struct dm_info *)) dlsym(RTLD_DEFAULT, "dm_task_get_info_with_deferred_remove");

	printf("run %d\n", dm_task_run(t));
	written("Base", base, t);
	written("with deferred remove", deferred, t);
	written("now", dm_task_get_info, t);
	dm_task_destroy(t);
}

static int exists(const char *name)
{
	struct dm_task *t = task(DM_DEVICE_INFO, name);
	struct dm_info info;
	int there = dm_task_run(t) && dm_task_get_info(t, &info) && info.exists;

	dm_task_destroy(t);
	return there;
}

int main(void)
{
	int (*old_run)(struct dm_task *) = (int (*)(struct dm_task *)) dlvsym(RTLD_DEFAULT, "dm_task_run", "Base");
	struct dm_timestamp *before, *stamp;
	struct dm_task *t;
	int fd, i;

	dm_log_with_errno_init(log_errors);
	node("plain", 0, 0, 0600);
	node("mode", 12, 34, 0640);
	node("open", 65534, 65534, 0666);
	for (i = 0; i < 3; i++) {
		dm_udev_set_checking(i % 2);
		dm_udev_set_sync_support(i % 2);
		printf("udev checking %d sync %d\n", dm_udev_get_checking(), dm_udev_get_sync_support());
	}

	infos("plain");
	infos("missing");
	fd = open("/dev/mapper/plain", O_RDONLY);
	t = task(DM_DEVICE_REMOVE, "plain");
	dm_task_deferred_remove(t);
	done("remove when closed", t);
	infos("plain");
	close(fd);
	/* The kernel removes it some time after the last close. */
	for (i = 0; i < 1000 && exists("plain"); i++)
		usleep(10000);
	infos("plain");

	t = task(DM_DEVICE_INFO, "mode");
	printf("run of the oldest version %d\n", old_run(t));
	printf("no stamp %d\n", dm_task_get_ioctl_timestamp(t) == NULL);
	dm_task_destroy(t);
	before = dm_timestamp_alloc();
	dm_timestamp_get(before);
	t = task(DM_DEVICE_INFO, "mode");
	printf("record %d\n", dm_task_set_record_timestamp(t));
	dm_task_run(t);
	stamp = dm_task_get_ioctl_timestamp(t);
	printf("stamp %d later %d\n", stamp != NULL, stamp && dm_timestamp_compare(stamp, before) > 0);
	dm_task_destroy(t);
	dm_timestamp_destroy(before);

	quiet = 0;
	t = task(DM_DEVICE_TABLE, "mode");
	printf("measure %d\n", dm_task_ima_measurement(t));
	done("table", t);
	quiet = 1;
	done("remove", task(DM_DEVICE_REMOVE, "mode"));
	done("remove", task(DM_DEVICE_REMOVE, "open"));
	done("remove again", task(DM_DEVICE_REMOVE, "open"));
	return 0;
}
