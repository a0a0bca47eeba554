/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux's block device requests, by their numbers on Linux/x86-64. ioctl() of sys/ioctl.h translates them. */
#ifndef DMCOMPAT_LINUX_FS_H
#define DMCOMPAT_LINUX_FS_H

#include <sys/ioctl.h>
#include <linux/types.h>
#include <linux/limits.h>

#define BLKROSET 0x125dUL
#define BLKROGET 0x125eUL
#define BLKRRPART 0x125fUL
/* unsigned long: size in sectors of 512 bytes */
#define BLKGETSIZE 0x1260UL
#define BLKFLSBUF 0x1261UL
#define BLKRASET 0x1262UL
#define BLKRAGET 0x1263UL
/* int: bytes of a logical sector */
#define BLKSSZGET 0x1268UL
/* int: bytes of a block of the cache */
#define BLKBSZGET 0x80081270UL
/* uint64_t: size in bytes */
#define BLKGETSIZE64 0x80081272UL
/* uint64_t[2]: first byte and number of bytes */
#define BLKDISCARD 0x1277UL
/* unsigned int: bytes */
#define BLKIOMIN 0x1278UL
#define BLKIOOPT 0x1279UL
/* int: bytes */
#define BLKALIGNOFF 0x127aUL
/* unsigned int: bytes of a physical sector */
#define BLKPBSZGET 0x127bUL
#define BLKDISCARDZEROES 0x127cUL
/* uint64_t[2]: first byte and number of bytes */
#define BLKZEROOUT 0x127fUL

#endif
