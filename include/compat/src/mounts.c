/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of mounts, as lines of a file that getmntent() reads: getmntinfo(3). */
#include <sys/types.h>
#include <sys/statvfs.h>
#include <stdio.h>

#include "internal.h"

int
dmcompat_write_mounts(FILE *out)
{
	struct statvfs *mounts;
	int i, n = getmntinfo(&mounts, ST_NOWAIT);

	if (n <= 0)
		return -1;
	for (i = 0; i < n; i++) {
		const struct statvfs *mount = &mounts[i];

		dmcompat_write_field(out, mount->f_mntfromname);
		dmcompat_write_field(out, mount->f_mntonname);
		dmcompat_write_field(out, mount->f_fstypename);
		fprintf(out, "%s%s%s%s 0 0\n", mount->f_flag & ST_RDONLY ? "ro" : "rw",
		    mount->f_flag & ST_NOSUID ? ",nosuid" : "", mount->f_flag & ST_NOEXEC ? ",noexec" : "",
		    mount->f_flag & ST_NOATIME ? ",noatime" : "");
	}
	return 0;
}
