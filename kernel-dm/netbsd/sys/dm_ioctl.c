/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): ioctls of mapped devices: what disks answer.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/disk.h>
#include <sys/disklabel.h>
#include <sys/dkio.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/systm.h>

#include "dm_glue.h"

/* The label's checksum: all its 16-bit words, to the end of the last partition, give 0. */
static uint16_t
dm_label_sum(const struct disklabel *label)
{
	const uint16_t *word = (const void *)label;
	const uint16_t *end = (const void *)&label->d_partitions[label->d_npartitions];
	uint16_t sum = 0;

	while (word < end)
		sum ^= *word++;
	return sum;
}

static void
dm_fake_label(const struct dm_dev *dev, struct disklabel *label)
{
	const struct disk_geom *geom = &dev->d_disk.dk_geom;
	struct partition *part = &label->d_partitions[RAW_PART];

	memset(label, 0, sizeof(*label));
	label->d_magic = label->d_magic2 = DISKMAGIC;
	strlcpy(label->d_typename, "device-mapper", sizeof(label->d_typename));
	strlcpy(label->d_packname, "fictitious", sizeof(label->d_packname));
	label->d_secsize = geom->dg_secsize;
	label->d_secperunit = (uint32_t)MIN((uint64_t)geom->dg_secperunit, UINT32_MAX);
	label->d_nsectors = geom->dg_nsectors;
	label->d_ntracks = geom->dg_ntracks;
	label->d_ncylinders = geom->dg_ncylinders;
	label->d_secpercyl = geom->dg_nsectors * geom->dg_ntracks;
	label->d_rpm = 3600;
	label->d_interleave = 1;
	label->d_npartitions = RAW_PART + 1;
	part->p_size = label->d_secperunit;
	part->p_fstype = FS_UNUSED;
	label->d_checksum = dm_label_sum(label);
}

int
dm_disk_ioctl(struct dm_dev *dev, dev_t dev_no, u_long cmd, void *data, int flag, struct lwp *l)
{
	const struct disk_geom *geom = &dev->d_disk.dk_geom;
	struct disk_strategy *strategy;
	struct dkwedge_info *wedge;
	struct partinfo *part;
	int error;

	switch (cmd) {
	case DIOCCACHESYNC:
		/* The caches below are written back whatever has been written here. */
		if ((flag & FWRITE) == 0)
			return EBADF;
		error = dm_sync(dev, DMRS_FLUSH, 0, 0);
		/* Without a table there is nothing to write back. */
		return dev->d_sectors == 0 ? 0 : error;
	case DIOCGCACHE:
		/* No cache of our own. */
		*(int *)data = 0;
		return 0;
	case DIOCGSTRATEGY:
		strategy = data;
		memset(strategy, 0, sizeof(*strategy));
		strlcpy(strategy->dks_name, "fcfs", sizeof(strategy->dks_name));
		return 0;
	case DIOCSSTRATEGY:
		/* Requests are passed on as they come. */
		strategy = data;
		return strncmp(strategy->dks_name, "fcfs", sizeof(strategy->dks_name)) == 0 ? 0 : EINVAL;
#ifdef DIOCGSECTORALIGN	/* since NetBSD 9 */
	case DIOCGSECTORALIGN: {
		struct disk_sectoralign *align = data;

		align->dsa_firstaligned = 0;
		align->dsa_alignment = 1;
		return 0;
	}
#endif
	case DIOCGDINFO:
		dm_fake_label(dev, data);
		return 0;
	case DIOCGPARTINFO:
		part = data;
		memset(part, 0, sizeof(*part));
		part->pi_secsize = geom->dg_secsize;
		part->pi_bsize = BLKDEV_IOSIZE;
		part->pi_size = (uint64_t)geom->dg_secperunit;
		return 0;
	case DIOCGWEDGEINFO:
		wedge = data;
		memset(wedge, 0, sizeof(*wedge));
		strlcpy(wedge->dkw_devname, dev->d_xname, sizeof(wedge->dkw_devname));
		strlcpy((char *)wedge->dkw_wname, dev->d_xname, sizeof(wedge->dkw_wname));
		strlcpy(wedge->dkw_parent, dev->d_xname, sizeof(wedge->dkw_parent));
		wedge->dkw_size = (uint64_t)geom->dg_secperunit;
		return 0;
	default:
		/* Not with the node's number: it has no partitions. */
		return disk_ioctl(&dev->d_disk, NODEV, cmd, data, flag, l);
	}
}
