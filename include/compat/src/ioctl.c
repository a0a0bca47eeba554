/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux's block device and device-mapper requests as NetBSD's. */
#include <sys/types.h>
#include <sys/dkio.h>
#include <sys/disk.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include "linux/fs.h"
#include "scsi/sg.h"
#undef ioctl

/* struct dm_ioctl: 312 bytes, data_size at byte 12. */
#define DM_GROUP 0xfd
#define DM_SIZE 312

/* What our dm(4) takes: the number of a Linux device-mapper command and the buffer with its struct dm_ioctl. */
struct dm_pointer {
	uint32_t nr;
	uint32_t pad;
	uint64_t buffer;
	uint64_t length;	/* bytes */
};
#define DM_POINTER _IOWR(DM_GROUP, 1, struct dm_pointer)

static int
media_size(int fd, off_t *bytes)
{
	return ioctl(fd, DIOCGMEDIASIZE, bytes);
}

static int
sector_size(int fd, int *bytes)
{
	u_int size;

	if (ioctl(fd, DIOCGSECTORSIZE, &size) == -1)
		return -1;
	*bytes = (int)size;
	return 0;
}

static int
discard(int fd, const uint64_t range[2])
{
	int error;

	if (range[0] > INT64_MAX || range[1] > INT64_MAX - range[0]) {
		errno = EINVAL;
		return -1;
	}
	/* Gives an error number, not -1. */
	error = fdiscard(fd, (off_t)range[0], (off_t)range[1]);
	if (error > 0)
		errno = error;
	return error == 0 ? 0 : -1;
}

static int
device_mapper(int fd, unsigned long request, void *argument)
{
	struct dm_pointer pointer = { (uint32_t)(request & 0xff), 0, (uint64_t)(uintptr_t)argument, 0 };
	const uint32_t *words = argument;

	if (argument == NULL) {
		errno = EFAULT;
		return -1;
	}
	pointer.length = words[3];
	return ioctl(fd, DM_POINTER, &pointer);
}

int
dmcompat_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;
	off_t bytes;
	int all = 1;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);

	switch (request) {
	case BLKGETSIZE64:
		if (media_size(fd, &bytes) == -1)
			return -1;
		*(uint64_t *)argument = (uint64_t)bytes;
		return 0;
	case BLKGETSIZE:
		if (media_size(fd, &bytes) == -1)
			return -1;
		*(unsigned long *)argument = (unsigned long)(bytes / 512);
		return 0;
	case BLKSSZGET:
	case BLKPBSZGET:
	case BLKBSZGET:
	case BLKIOMIN:
		return sector_size(fd, argument);
	case BLKFLSBUF:
		return ioctl(fd, DIOCCACHESYNC, &all);
	case BLKDISCARD:
		return discard(fd, argument);
	case BLKRAGET:
		*(long *)argument = 0;
		return 0;
	case BLKRASET:
		/* The kernel reads ahead as it sees fit. */
		return 0;
	case BLKIOOPT:
	case BLKALIGNOFF:
		/* Unknown. */
		*(int *)argument = 0;
		return 0;
	case BLKZEROOUT:
		errno = EINVAL;
		return -1;
	case BLKROSET:
	case BLKROGET:
	case BLKRRPART:
	case BLKDISCARDZEROES:
	case SG_IO:
		errno = ENOTTY;
		return -1;
	}
	if (IOCGROUP(request) == DM_GROUP && IOCPARM_LEN(request) == DM_SIZE)
		return device_mapper(fd, request, argument);
	return ioctl(fd, request, argument);
}
