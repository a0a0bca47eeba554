/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): ioctls of the control node /dev/mapper/control.
 */
#ifndef DM_IOCTL_H
#define DM_IOCTL_H

#include <sys/ioccom.h>
#include <sys/types.h>
#ifdef _KERNEL
#include <prop/proplib.h>
#else
#include <prop/plistref.h>
#endif

/* The property-list protocol, as NetBSD's own driver has it. */
#define	DM_NETBSD_PLIST	_IOWR(0xfd, 0, struct plistref)

/*
 * The struct dm_ioctl protocol of linux/dm-ioctl.h. At most data_size bytes are read from the buffer, and written to it
 * what the reply needs; on failure its version.
 */
struct dm_netbsd_ioctl {
	uint32_t nr;		/* Linux's command number, without the encoding */
	uint32_t pad;
	uint64_t buffer;	/* address: struct dm_ioctl and what follows */
	uint64_t length;	/* its bytes */
};
#define	DM_NETBSD_IOCTL	_IOWR(0xfd, 1, struct dm_netbsd_ioctl)

#endif /* DM_IOCTL_H */
