/*
 * The library's own settings, mounted filesystems, labels, and what else needs no device.
 */
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"

static int mounts, right, root_found;

static int line_fn(char *line, unsigned maj, unsigned min, char *target, void *data)
{
	char text[32];

	snprintf(text, sizeof(text), " %u:%u ", maj, min);
	mounts++;
	right += strstr(line, text) != NULL && *target == '/' && data == &mounts;
	root_found += !strcmp(target, "/");
	return 1;
}

static int stop_fn(char *line, unsigned maj, unsigned min, char *target, void *data)
{
	++*(int *) data;
	return 0;
}

int main(void)
{
	static const char *const dirs[] = { "/sys", "/sys/", "/nowhere", "", "relative", NULL };
	static const char *const prefixes[] = { "LVM-", "", "123456789012345", "1234567890123456", "X-", NULL };
	char version[64], small[4];
	int i, calls = 0;

	dm_log_with_errno_init(log_errors);
	dm_lib_init();
	i = dm_get_library_version(version, sizeof(version));
	printf("version %d %d\n", i, !strncmp(version, "1.02.", 5) && strchr(version, '(') && strchr(version, ')'));
	i = dm_get_library_version(small, sizeof(small));
	printf("too small %d [%.3s]\n", i, small);
	printf("suspended %d\n", dm_get_suspended_counter());
	for (i = 0; i < (int) DM_ARRAY_SIZE(dirs); i++) {
		int r = dm_set_sysfs_dir(dirs[i]);
		printf("sysfs %s: %d [%s]\n", dirs[i] ? dirs[i] : "NULL", r, dm_sysfs_dir());
	}
	dm_set_sysfs_dir("/sys");
	for (i = 0; prefixes[i]; i++) {
		int r = dm_set_uuid_prefix(prefixes[i]);
		printf("prefix %s: %d [%s]\n", prefixes[i], r, dm_uuid_prefix());
	}
	i = dm_set_uuid_prefix(NULL);
	printf("prefix NULL: %d [%s]\n", i, dm_uuid_prefix());
	printf("label %d %d %d\n", dm_prepare_selinux_context("/tmp/x", 0600), dm_prepare_selinux_context(NULL, 0),
	       dm_set_selinux_context("/", 0755));
	i = dm_mountinfo_read(line_fn, &mounts);
	printf("mounts %d, all right %d, root %d\n", i, mounts > 0 && right == mounts, root_found > 0);
	i = dm_mountinfo_read(stop_fn, &calls);
	printf("stopped %d after %d\n", i, calls);
	return 0;
}
