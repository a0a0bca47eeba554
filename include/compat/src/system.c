/* SPDX-License-Identifier: BSD-2-Clause */
/* sys/vfs.h and sys/sysinfo.h over NetBSD's calls. */
#include <sys/param.h>
#include <sys/statvfs.h>
#include <sys/sysctl.h>
#include <uvm/uvm_extern.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sys/sysinfo.h"
#include "sys/vfs.h"
#undef statfs
#undef fstatfs

static void
translate(const struct statvfs *from, struct statfs *to)
{
	memset(to, 0, sizeof *to);
	to->f_bsize = (long)from->f_frsize;
	to->f_frsize = (long)from->f_frsize;
	to->f_blocks = from->f_blocks;
	to->f_bfree = from->f_bfree;
	to->f_bavail = from->f_bavail;
	to->f_files = from->f_files;
	to->f_ffree = from->f_ffree;
	to->f_namelen = (long)from->f_namemax;
}

int
dmcompat_statfs(const char *path, struct statfs *result)
{
	struct statvfs info;

	if (statvfs(path, &info) == -1)
		return -1;
	translate(&info, result);
	return 0;
}

int
dmcompat_fstatfs(int fd, struct statfs *result)
{
	struct statvfs info;

	if (fstatvfs(fd, &info) == -1)
		return -1;
	translate(&info, result);
	return 0;
}

int
sysinfo(struct sysinfo *result)
{
	int mib[2] = { CTL_VM, VM_UVMEXP2 };
	struct uvmexp_sysctl memory;
	struct timespec up;
	double loads[3];
	size_t length = sizeof memory;
	int i;

	if (sysctl(mib, 2, &memory, &length, NULL, 0) == -1)
		return -1;
	if (clock_gettime(CLOCK_MONOTONIC, &up) == -1)
		return -1;
	memset(result, 0, sizeof *result);
	result->uptime = (long)up.tv_sec;
	if (getloadavg(loads, 3) == 3)
		for (i = 0; i < 3; i++)
			result->loads[i] = (unsigned long)(loads[i] * 65536);
	result->mem_unit = (unsigned int)memory.pagesize;
	result->totalram = (unsigned long)memory.npages;
	result->freeram = (unsigned long)memory.free;
	result->bufferram = (unsigned long)memory.filepages;
	result->totalswap = (unsigned long)memory.swpages;
	result->freeswap = (unsigned long)(memory.swpages - memory.swpginuse);
	return 0;
}
