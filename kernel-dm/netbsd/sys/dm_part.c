/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): components, the block devices that tables map to.
 *
 * A component is held open as a block device, which the block layer allows once: nobody mounts it or opens it as a block
 * device meanwhile. All tables share the one opening (src/host.rs).
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/conf.h>
#include <sys/device.h>
#include <sys/dkio.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/kauth.h>
#include <sys/kmem.h>
#include <sys/namei.h>
#include <sys/systm.h>
#include <sys/vnode.h>

#include <miscfs/specfs/specdev.h>

#include "dm_glue.h"

int
dmk_path(const char *path, uint32_t *major, uint32_t *minor)
{
	struct vnode *vp;
	int error;

	error = namei_simple_kernel(path, NSM_FOLLOW_NOEMULROOT, &vp);
	if (error != 0)
		return error;
	if (vp->v_type == VBLK) {
		*major = major(vp->v_rdev);
		*minor = minor(vp->v_rdev);
	} else {
		error = ENOTBLK;
	}
	vrele(vp);
	return error;
}

int
dmk_part_open(uint32_t major, uint32_t minor, struct dm_part **partp, struct dmk_part_info *info)
{
	const struct bdevsw *bdev;
	struct dm_part *part;
	struct vnode *vp;
	uint64_t count;
	unsigned int size;
	dev_t dev;
	int error, mode;

	dev = makedev(major, minor);
	if (major(dev) != major || minor(dev) != minor || (bdev = bdevsw_lookup(dev)) == NULL)
		return ENXIO;
	error = bdevvp(dev, &vp);
	if (error != 0)
		return error;
	error = vn_lock(vp, LK_EXCLUSIVE);
	if (error != 0) {
		vrele(vp);
		return error;
	}
	mode = FREAD | FWRITE;
	error = VOP_OPEN(vp, mode, kauth_cred_get());
	if (error == EROFS || error == EACCES || error == ENODEV) {
		mode = FREAD;
		error = VOP_OPEN(vp, mode, kauth_cred_get());
	}
	VOP_UNLOCK(vp);
	if (error != 0) {
		vrele(vp);
		return error;
	}
	part = kmem_zalloc(sizeof(*part), KM_SLEEP);
	part->p_vp = vp;
	part->p_dev = dev;
	part->p_mode = mode;
	error = getdisksize(vp, &count, &size);
	if (error == 0 && (size < DM_SECTOR || size % DM_SECTOR != 0 || count > UINT64_MAX / size))
		error = EINVAL;
	if (error != 0) {
		dmk_part_close(part);
		return error;
	}
	info->sectors = count * (size / DM_SECTOR);
	info->sector_size = size;
	info->writable = (mode & FWRITE) != 0;
	info->discard = bdev->d_discard != nodiscard;
	*partp = part;
	return 0;
}

void
dmk_part_close(struct dm_part *part)
{
	(void)vn_lock(part->p_vp, LK_EXCLUSIVE | LK_RETRY);
	(void)VOP_CLOSE(part->p_vp, part->p_mode, kauth_cred_get());
	vput(part->p_vp);
	kmem_free(part, sizeof(*part));
}

int
dmk_part_flush(struct dm_part *part)
{
	int error, force = 1;

	if ((part->p_mode & FWRITE) == 0)
		return 0;
	error = VOP_IOCTL(part->p_vp, DIOCCACHESYNC, &force, FWRITE, kauth_cred_get());
	/* A device that does not know it has no cache. */
	if (error == ENOTTY || error == ENODEV || error == EOPNOTSUPP || error == EPASSTHROUGH)
		error = 0;
	return error;
}

int
dmk_part_discard(struct dm_part *part, uint64_t sector, uint64_t sectors)
{
	int error;

	if ((part->p_mode & FWRITE) == 0)
		return EROFS;
	error = bdev_discard(part->p_dev, (off_t)(sector * DM_SECTOR), (off_t)(sectors * DM_SECTOR));
	return error == ENODEV || error == ENOTTY || error == ENOSYS ? EOPNOTSUPP : error;
}

int
dmk_part_dump(struct dm_part *part, uint64_t sector, void *data, size_t length)
{
	return bdev_dump(part->p_dev, (daddr_t)sector, data, length);
}
