/* SPDX-License-Identifier: BSD-2-Clause */
/* getmntent(3) of Linux: the table of mounts from getmntinfo(3), other tables from files like fstab(5). */
#ifndef DMCOMPAT_MNTENT_H
#define DMCOMPAT_MNTENT_H

#include <stdio.h>
#include <sys/cdefs.h>

/* setmntent() gives the mounts of now for this name and for /proc/mounts, /proc/self/mounts and /etc/mnttab. */
#define MOUNTED "/etc/mtab"
#define _PATH_MOUNTED MOUNTED
#define MNTTAB "/etc/fstab"

struct mntent {
	char *mnt_fsname;	/* device or other source */
	char *mnt_dir;
	char *mnt_type;
	char *mnt_opts;		/* separated by commas */
	int mnt_freq;
	int mnt_passno;
};

__BEGIN_DECLS
/* NULL with errno when the table cannot be read. */
FILE *setmntent(const char *name, const char *mode);
/* The next entry, or NULL. The entry and its strings are the library's, until the next call. */
struct mntent *getmntent(FILE *table);
/* Always 1. */
int endmntent(FILE *table);
/* Where in mnt_opts an option of this name is, or NULL. */
char *hasmntopt(const struct mntent *entry, const char *name);
__END_DECLS

#endif
