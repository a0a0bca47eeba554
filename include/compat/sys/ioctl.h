/* SPDX-License-Identifier: BSD-2-Clause */
/* ioctl(2), with the requests of linux/fs.h and of Linux's device-mapper translated. */
#ifndef DMCOMPAT_SYS_IOCTL_H
#define DMCOMPAT_SYS_IOCTL_H

#include_next <sys/ioctl.h>
#include <sys/cdefs.h>

__BEGIN_DECLS
/* Like ioctl(2). `request` is one of NetBSD, one of linux/fs.h, or a device-mapper one: group 0xfd with a
 * `struct dm_ioctl` of 312 bytes, which goes to dm(4) as a pointer and a length. */
int dmcompat_ioctl(int fd, unsigned long request, ...);
__END_DECLS

#define ioctl dmcompat_ioctl

#endif
