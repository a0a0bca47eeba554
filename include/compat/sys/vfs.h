/* SPDX-License-Identifier: BSD-2-Clause */
/* statfs(2) of Linux over statvfs(2). */
#ifndef DMCOMPAT_SYS_VFS_H
#define DMCOMPAT_SYS_VFS_H

#include <stdint.h>
#include <sys/cdefs.h>

struct statfs {
	long f_type;		/* always 0: NetBSD has no such numbers */
	long f_bsize;		/* bytes of a block */
	uint64_t f_blocks;	/* blocks in all */
	uint64_t f_bfree;
	uint64_t f_bavail;
	uint64_t f_files;
	uint64_t f_ffree;
	long f_namelen;
	long f_frsize;
};

__BEGIN_DECLS
int dmcompat_statfs(const char *path, struct statfs *result);
int dmcompat_fstatfs(int fd, struct statfs *result);
__END_DECLS

#define statfs(path, result) dmcompat_statfs(path, result)
#define fstatfs(fd, result) dmcompat_fstatfs(fd, result)

#endif
