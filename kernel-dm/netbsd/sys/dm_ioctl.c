/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): ioctls. On the control node both control protocols: copy in, ask the engine, copy out. On devices what disks
 * answer.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/disk.h>
#include <sys/disklabel.h>
#include <sys/dkio.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/ioccom.h>
#include <sys/kauth.h>
#include <sys/kmem.h>
#include <sys/systm.h>

#include <prop/proplib.h>

#include "dm_glue.h"
#include "dm_ioctl.h"

/* The longest property list, as the stock driver has it. */
#define	DM_MAX_PLIST	(128 * 1024)
/* The longest buffer of the other protocol. */
#define	DM_MAX_BUFFER	(16 * 1024 * 1024)
/* Where struct dm_ioctl has its size, and how long it is. */
#define	DM_DATA_SIZE_AT	12
#define	DM_HEADER	312

static int
dm_privileged(void)
{
	return kauth_authorize_system(kauth_cred_get(), KAUTH_SYSTEM_DEVMAPPER, 0, NULL, NULL, NULL) == 0;
}

static int
dm_control_buffer(struct dm_netbsd_ioctl *request)
{
	void *user = (void *)(uintptr_t)request->buffer;
	uint8_t head[DM_DATA_SIZE_AT + 4];
	uint32_t wanted;
	size_t length, used;
	uint8_t *buffer;
	int answer, error;

	if (request->length < sizeof(head))
		return EFAULT;
	error = copyin(user, head, sizeof(head));
	if (error != 0)
		return error;
	memcpy(&wanted, head + DM_DATA_SIZE_AT, sizeof(wanted));
	length = (size_t)MIN(request->length, MAX(wanted, DM_HEADER));
	if (length > DM_MAX_BUFFER)
		return ENOMEM;
	buffer = kmem_alloc(length, KM_SLEEP);
	error = copyin(user, buffer, length);
	if (error == 0) {
		answer = dmrs_ioctl(request->nr, buffer, length, dm_privileged(), &used);
		error = used != 0 ? copyout(buffer, user, used) : 0;
		if (answer != 0)
			error = answer;
	}
	/* Requests may carry keys. */
	explicit_memset(buffer, 0, length);
	kmem_free(buffer, length);
	return error;
}

static int
dm_control_plist(struct plistref *ref, u_long cmd)
{
	prop_dictionary_t dict;
	size_t length = ref->pref_len, reply_length;
	uint8_t *xml;
	void *reply;
	char *text;
	int error;

	if (length == 0 || length > DM_MAX_PLIST)
		return EINVAL;
	xml = kmem_alloc(length, KM_SLEEP);
	error = copyin(ref->pref_plist, xml, length);
	if (error == 0) {
		/* With or without its NUL. */
		error = dmrs_plist(xml, strnlen((const char *)xml, length), dm_privileged(), &reply, &reply_length);
	}
	explicit_memset(xml, 0, length);
	kmem_free(xml, length);
	if (error != 0)
		return error;

	text = kmem_alloc(reply_length + 1, KM_SLEEP);
	memcpy(text, reply, reply_length);
	text[reply_length] = '\0';
	dmrs_free(reply, reply_length);
	dict = prop_dictionary_internalize(text);
	explicit_memset(text, 0, reply_length);
	kmem_free(text, reply_length + 1);
	if (dict == NULL)
		return EIO;
	/* Makes a mapping in the caller, which unmaps it. */
	error = prop_dictionary_copyout_ioctl(ref, cmd, dict);
	prop_object_release(dict);
	return error;
}

int
dm_control_ioctl(dev_t dev_no, u_long cmd, void *data, int flag, struct lwp *l)
{
	switch (cmd) {
	case DM_NETBSD_PLIST:
		return dm_control_plist(data, cmd);
	case DM_NETBSD_IOCTL:
		return dm_control_buffer(data);
	default:
		return ENOTTY;
	}
}

/* ---- disks ---- */

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
