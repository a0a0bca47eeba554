/* SPDX-License-Identifier: BSD-2-Clause */
/* What statfs(2) gives as `f_type` on Linux. On NetBSD no filesystem has one of these numbers: see sys/vfs.h. */
#ifndef DMCOMPAT_LINUX_MAGIC_H
#define DMCOMPAT_LINUX_MAGIC_H

#define EXT2_SUPER_MAGIC 0xEF53
#define EXT3_SUPER_MAGIC 0xEF53
#define EXT4_SUPER_MAGIC 0xEF53
#define XFS_SUPER_MAGIC 0x58465342
#define BTRFS_SUPER_MAGIC 0x9123683E
#define MSDOS_SUPER_MAGIC 0x4d44
#define NFS_SUPER_MAGIC 0x6969
#define TMPFS_MAGIC 0x01021994
#define PROC_SUPER_MAGIC 0x9fa0
#define SYSFS_MAGIC 0x62656572

#endif
