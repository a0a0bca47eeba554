/* getmntent(3): tables in files, and the mounts of now (here: what the test writes). */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mntent.h"
#include "internal.h"

int
dmcompat_write_mounts(FILE *out)
{
	dmcompat_write_field(out, "/dev/mapper/vg-a b");
	dmcompat_write_field(out, "/mnt/with\\back\tslash");
	dmcompat_write_field(out, "ffs");
	fputs("rw,nosuid 0 0\n", out);
	return 0;
}

int
main(void)
{
	char name[] = "/tmp/dmcompat.XXXXXX";
	int fd = mkstemp(name);
	struct mntent *entry;
	FILE *table = fdopen(fd, "w");

	fputs("# a comment\n\n/dev/wd0a / ffs rw,log 1 2\n  /dev/wd0b\tnone swap sw,dp=1\n"
	    "only two\n/dev/x /y\\040z ext2fs ro,noatime=x\\134 7", table);
	fclose(table);
	assert((table = setmntent(name, "r")) != NULL);
	unlink(name);
	entry = getmntent(table);
	assert(strcmp(entry->mnt_fsname, "/dev/wd0a") == 0 && strcmp(entry->mnt_dir, "/") == 0);
	assert(strcmp(entry->mnt_type, "ffs") == 0 && strcmp(entry->mnt_opts, "rw,log") == 0);
	assert(entry->mnt_freq == 1 && entry->mnt_passno == 2);
	assert(hasmntopt(entry, "log") == entry->mnt_opts + 3 && hasmntopt(entry, "lo") == NULL);
	assert(hasmntopt(entry, "rw") == entry->mnt_opts && hasmntopt(entry, "ro") == NULL);
	entry = getmntent(table);
	assert(strcmp(entry->mnt_fsname, "/dev/wd0b") == 0 && strcmp(entry->mnt_opts, "sw,dp=1") == 0);
	assert(entry->mnt_freq == 0 && entry->mnt_passno == 0 && hasmntopt(entry, "dp") == entry->mnt_opts + 3);
	entry = getmntent(table);
	assert(strcmp(entry->mnt_dir, "/y z") == 0 && strcmp(entry->mnt_opts, "ro,noatime=x\\") == 0);
	assert(entry->mnt_freq == 7 && entry->mnt_passno == 0);
	assert(getmntent(table) == NULL && endmntent(table) == 1 && endmntent(NULL) == 1);

	assert((table = setmntent("/proc/mounts", "r")) != NULL);
	entry = getmntent(table);
	assert(strcmp(entry->mnt_fsname, "/dev/mapper/vg-a b") == 0 && strcmp(entry->mnt_dir, "/mnt/with\\back\tslash") == 0);
	assert(hasmntopt(entry, "nosuid") != NULL && getmntent(table) == NULL);
	endmntent(table);
	assert(setmntent(MOUNTED, "r+") == NULL && errno == EACCES);
	assert(setmntent("/nonexistent/table", "r") == NULL && errno == ENOENT);
	puts("ok");
	return 0;
}
