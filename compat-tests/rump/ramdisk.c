/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * RAM disks of a rump kernel for the tests of dm(4): /dev/ram0 to /dev/ram15 (1:0 to 1:15) with their r-twins, 131072
 * sectors each, empty at first; 48 more without nodes. They can keep requests until they are told to go on, count
 * flushes, and refuse them. -DRAM_MAJOR=7 gives them the numbers of Linux's loop devices.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/buf.h>
#include <sys/conf.h>
#include <sys/device.h>
#include <sys/disk.h>
#include <sys/disklabel.h>
#include <sys/dkio.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/filedesc.h>
#include <sys/ioccom.h>
#include <sys/kmem.h>
#include <sys/mutex.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/systm.h>
#include <sys/vfs_syscalls.h>

#include <rump-sys/kern.h>
#include <rump-sys/vfs.h>

#ifndef RAM_MAJOR
#define	RAM_MAJOR	1
#endif
#define	RAM_DISKS	64
#define	RAM_SECTORS	131072
#define	RAM_CHUNK	(64 * 1024)
#define	RAM_CHUNKS	(RAM_SECTORS / (RAM_CHUNK / DEV_BSIZE))

/* 1: keep requests from now on; 0: do what was kept. */
#define	RAMIOCSTALL	_IOW('R', 0, int)
/* How many requests are kept. */
#define	RAMIOCSTALLED	_IOR('R', 1, int)
/* How many flushes there were. */
#define	RAMIOCFLUSHES	_IOR('R', 2, int)
/* What flushes answer from now on. */
#define	RAMIOCFLUSHERR	_IOW('R', 3, int)

static struct ram {
	void *chunk[RAM_CHUNKS];
	TAILQ_HEAD(, buf) kept;
	int stalled, flushes, flush_error;
	bool stall;
} ram_disks[RAM_DISKS];
static kmutex_t ram_lock;

static struct ram *
ram_of(dev_t dev)
{
	return minor(dev) < RAM_DISKS ? &ram_disks[minor(dev)] : NULL;
}

static int
ram_open(dev_t dev, int flags, int mode, struct lwp *l)
{
	return ram_of(dev) == NULL ? ENXIO : 0;
}

static int
ram_close(dev_t dev, int flags, int mode, struct lwp *l)
{
	return 0;
}

static void
ram_do(struct ram *ram, struct buf *bp)
{
	char *data = bp->b_data;
	size_t left = (size_t)bp->b_bcount, at = (size_t)bp->b_blkno * DEV_BSIZE, n;
	void **chunk;

	for (; left > 0; data += n, left -= n, at += n) {
		n = MIN(left, RAM_CHUNK - at % RAM_CHUNK);
		chunk = &ram->chunk[at / RAM_CHUNK];
		if ((bp->b_flags & B_READ) != 0) {
			if (*chunk == NULL)
				memset(data, 0, n);
			else
				memcpy(data, (char *)*chunk + at % RAM_CHUNK, n);
		} else {
			if (*chunk == NULL)
				*chunk = kmem_zalloc(RAM_CHUNK, KM_SLEEP);
			memcpy((char *)*chunk + at % RAM_CHUNK, data, n);
		}
	}
	bp->b_resid = 0;
	biodone(bp);
}

static void
ram_strategy(struct buf *bp)
{
	struct ram *ram = ram_of(bp->b_dev);

	bp->b_resid = bp->b_bcount;
	if (bounds_check_with_mediasize(bp, DEV_BSIZE, RAM_SECTORS) <= 0) {
		biodone(bp);
		return;
	}
	mutex_enter(&ram_lock);
	if (ram->stall) {
		TAILQ_INSERT_TAIL(&ram->kept, bp, b_actq);
		ram->stalled++;
		mutex_exit(&ram_lock);
		return;
	}
	mutex_exit(&ram_lock);
	ram_do(ram, bp);
}

static int
ram_read(dev_t dev, struct uio *uio, int flags)
{
	return physio(ram_strategy, NULL, dev, B_READ, minphys, uio);
}

static int
ram_write(dev_t dev, struct uio *uio, int flags)
{
	return physio(ram_strategy, NULL, dev, B_WRITE, minphys, uio);
}

static int
ram_discard(dev_t dev, off_t pos, off_t len)
{
	struct ram *ram = ram_of(dev);
	size_t at = (size_t)pos, left = (size_t)len, n;

	for (; left > 0; left -= n, at += n) {
		n = MIN(left, RAM_CHUNK - at % RAM_CHUNK);
		if (at / RAM_CHUNK < RAM_CHUNKS && ram->chunk[at / RAM_CHUNK] != NULL)
			memset((char *)ram->chunk[at / RAM_CHUNK] + at % RAM_CHUNK, 0, n);
	}
	return 0;
}

static int
ram_size(dev_t dev)
{
	return RAM_SECTORS;
}

static int
ram_ioctl(dev_t dev, u_long cmd, void *data, int flag, struct lwp *l)
{
	struct ram *ram = ram_of(dev);
	struct partinfo *part = data;
	struct buf *bp;

	switch (cmd) {
	case DIOCGPARTINFO:
		memset(part, 0, sizeof(*part));
		part->pi_secsize = DEV_BSIZE;
		part->pi_bsize = BLKDEV_IOSIZE;
		part->pi_size = RAM_SECTORS;
		return 0;
	case DIOCGMEDIASIZE:
		*(off_t *)data = (off_t)RAM_SECTORS * DEV_BSIZE;
		return 0;
	case DIOCGSECTORSIZE:
		*(u_int *)data = DEV_BSIZE;
		return 0;
	case DIOCCACHESYNC:
		ram->flushes++;
		return ram->flush_error;
	case RAMIOCFLUSHES:
		*(int *)data = ram->flushes;
		return 0;
	case RAMIOCFLUSHERR:
		ram->flush_error = *(int *)data;
		return 0;
	case RAMIOCSTALLED:
		*(int *)data = ram->stalled;
		return 0;
	case RAMIOCSTALL:
		mutex_enter(&ram_lock);
		ram->stall = *(int *)data != 0;
		while (!ram->stall && (bp = TAILQ_FIRST(&ram->kept)) != NULL) {
			TAILQ_REMOVE(&ram->kept, bp, b_actq);
			ram->stalled--;
			mutex_exit(&ram_lock);
			ram_do(ram, bp);
			mutex_enter(&ram_lock);
		}
		mutex_exit(&ram_lock);
		return 0;
	default:
		return ENOTTY;
	}
}

static const struct bdevsw ram_bdevsw = {
	.d_open = ram_open,
	.d_close = ram_close,
	.d_strategy = ram_strategy,
	.d_ioctl = ram_ioctl,
	.d_dump = nodump,
	.d_psize = ram_size,
	.d_discard = ram_discard,
	.d_flag = D_DISK | D_MPSAFE
};

static const struct cdevsw ram_cdevsw = {
	.d_open = ram_open,
	.d_close = ram_close,
	.d_read = ram_read,
	.d_write = ram_write,
	.d_ioctl = ram_ioctl,
	.d_stop = nostop,
	.d_tty = notty,
	.d_poll = nopoll,
	.d_mmap = nommap,
	.d_kqfilter = nokqfilter,
	.d_discard = ram_discard,
	.d_flag = D_DISK | D_MPSAFE
};

RUMP_COMPONENT(RUMP_COMPONENT_DEV)
{
	devmajor_t bmajor = RAM_MAJOR, cmajor = -1;
	unsigned int i;
	int error;

	mutex_init(&ram_lock, MUTEX_DEFAULT, IPL_NONE);
	for (i = 0; i < RAM_DISKS; i++)
		TAILQ_INIT(&ram_disks[i].kept);
	error = devsw_attach("ram", &ram_bdevsw, &bmajor, &ram_cdevsw, &cmajor);
	if (error == 0)
		error = rump_vfs_makedevnodes(S_IFBLK, "/dev/ram", '0', bmajor, 0, 10);
	if (error == 0)
		error = rump_vfs_makedevnodes(S_IFBLK, "/dev/ram1", '0', bmajor, 10, 6);
	if (error == 0)
		error = rump_vfs_makedevnodes(S_IFCHR, "/dev/rram", '0', cmajor, 0, 10);
	if (error == 0)
		error = rump_vfs_makedevnodes(S_IFCHR, "/dev/rram1", '0', cmajor, 10, 6);
	if (error != 0)
		panic("ram: %d", error);
}
