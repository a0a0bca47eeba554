/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): the module, its devices and nodes, and the services that the engine asks for. Nothing here decides what a
 * request means: that is the engine's (dm_glue.h).
 *
 * Locks, in the order in which they are taken:
 *   dm_control_lock   one control request at a time; may sleep (components are opened and closed under it)
 *   dm_devs_lock      the table of devices and who has them open; spins
 *   d_lock            a device's gate and what it tells of itself; spins
 *   dm_work_lock      (dm_io.c) what the worker is to do; spins
 *   dm_change_lock    the count of changes; spins, for devices that have drained count too
 *   dm_events_lock    (dm_control.c) open control nodes and the count of events
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/buf.h>
#include <sys/conf.h>
#include <sys/disklabel.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/kernel.h>
#include <sys/kmem.h>
#include <sys/module.h>
#include <sys/proc.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <sys/systm.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "dm_glue.h"

#if DM_HAVE_AES
MODULE(MODULE_CLASS_DRIVER, dm, "aes");
#else
MODULE(MODULE_CLASS_DRIVER, dm, NULL);
#endif

#define	DM_HASH		64

static kmutex_t dm_control_lock, dm_change_lock;
static kcondvar_t dm_change_cv;
static uint64_t dm_change_count;
kmutex_t dm_devs_lock;
static LIST_HEAD(, dm_dev) dm_devs[DM_HASH];
static unsigned int dm_control_opens;	/* dm_devs_lock: of the control node */
static bool dm_going;			/* dm_devs_lock: the module is being unloaded */
static devmajor_t dm_bmajor = DM_BMAJOR;
devmajor_t dm_cmajor = DM_CMAJOR;

static dev_type_open(dm_open);
static dev_type_close(dm_close);
static dev_type_read(dm_read);
static dev_type_write(dm_write);
static dev_type_ioctl(dm_ioctl);
static dev_type_dump(dm_dump);
static dev_type_size(dm_size);
static dev_type_discard(dm_discard);

const struct bdevsw dm_bdevsw = {
	.d_open = dm_open,
	.d_close = dm_close,
	.d_strategy = dm_strategy,
	.d_ioctl = dm_ioctl,
	.d_dump = dm_dump,
	.d_psize = dm_size,
	.d_discard = dm_discard,
	.d_flag = D_DISK | D_MPSAFE
};

const struct cdevsw dm_cdevsw = {
	.d_open = dm_open,
	.d_close = dm_close,
	.d_read = dm_read,
	.d_write = dm_write,
	.d_ioctl = dm_ioctl,
	.d_stop = nostop,
	.d_tty = notty,
	.d_poll = nopoll,
	.d_mmap = nommap,
	.d_kqfilter = nokqfilter,
	.d_discard = dm_discard,
	.d_flag = D_DISK | D_MPSAFE
};

static const struct dkdriver dm_dkdriver = {
	.d_strategy = dm_strategy,
	.d_minphys = minphys
};

/* ---- memory, messages, time ---- */

void *
dmk_alloc(size_t size)
{
	return kmem_alloc(size, KM_SLEEP);
}

void
dmk_free(void *memory, size_t size)
{
	kmem_free(memory, size);
}

void
dmk_panic(const char *text, size_t length)
{
	panic("dm: %.*s", (int)length, text);
}

void
dmk_log(const char *text, size_t length)
{
	log(LOG_INFO, "dm: %.*s\n", (int)MIN(length, 200), text);
}

uint64_t
dmk_now_ms(void)
{
	struct timespec now;

	nanouptime(&now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
dmk_sleep_ms(uint32_t ms)
{
	(void)kpause("dmdelay", false, MAX(1, mstohz((int)MIN(ms, 3600000))), NULL);
}

/* ---- control ---- */

void
dmk_control_lock(void)
{
	mutex_enter(&dm_control_lock);
}

void
dmk_control_unlock(void)
{
	mutex_exit(&dm_control_lock);
}

uint64_t
dmk_changes(void)
{
	uint64_t count;

	mutex_enter(&dm_change_lock);
	count = dm_change_count;
	mutex_exit(&dm_change_lock);
	return count;
}

void
dmk_changed(void)
{
	mutex_enter(&dm_change_lock);
	dm_change_count++;
	cv_broadcast(&dm_change_cv);
	mutex_exit(&dm_change_lock);
}

int
dmk_wait_changed(uint64_t seen)
{
	int error = 0;

	mutex_enter(&dm_change_lock);
	while (error == 0 && dm_change_count == seen)
		error = cv_wait_sig(&dm_change_cv, &dm_change_lock);
	mutex_exit(&dm_change_lock);
	return error;
}

uint32_t
dmk_major(void)
{
	return (uint32_t)dm_bmajor;
}

/* ---- devices ---- */

/* Under dm_devs_lock. */
static struct dm_dev *
dm_find(uint32_t minor)
{
	struct dm_dev *dev;

	KASSERT(mutex_owned(&dm_devs_lock));
	LIST_FOREACH(dev, &dm_devs[minor % DM_HASH], d_hash) {
		if (dev->d_minor == minor)
			return dev;
	}
	return NULL;
}

/* The device of a node that somebody has open, so that it stays. */
struct dm_dev *
dm_lookup(dev_t dev)
{
	return dmk_dev_find((uint32_t)minor(dev), NULL);
}

struct dm_dev *
dmk_dev_find(uint32_t minor, void **volume)
{
	struct dm_dev *dev;

	mutex_enter(&dm_devs_lock);
	dev = dm_find(minor);
	mutex_exit(&dm_devs_lock);
	if (dev != NULL && volume != NULL)
		*volume = dev->d_volume;
	return dev;
}

int
dmk_dev_create(uint64_t id, uint32_t *minorp, void *volume, struct dm_dev **devp)
{
	struct dm_dev *dev;
	uint32_t minor = *minorp;

	/* The number must pass through dev_t unchanged. */
	if (minor != DMK_ANY_MINOR && (minor == DM_CONTROL_MINOR || (uint32_t)minor(makedev(dm_bmajor, minor)) != minor))
		return ENXIO;
	dev = kmem_zalloc(sizeof(*dev), KM_SLEEP);
	dev->d_id = id;
	dev->d_volume = volume;
	dev->d_secsize = DM_SECTOR;
	mutex_init(&dev->d_lock, MUTEX_DEFAULT, IPL_BIO);
	cv_init(&dev->d_cv, "dmdev");
	TAILQ_INIT(&dev->d_held);

	mutex_enter(&dm_devs_lock);
	if (minor == DMK_ANY_MINOR) {
		for (minor = DM_CONTROL_MINOR + 1; dm_find(minor) != NULL; minor++)
			continue;
	} else if (dm_find(minor) != NULL) {
		mutex_exit(&dm_devs_lock);
		cv_destroy(&dev->d_cv);
		mutex_destroy(&dev->d_lock);
		kmem_free(dev, sizeof(*dev));
		return ENXIO;
	}
	dev->d_minor = minor;
	snprintf(dev->d_xname, sizeof(dev->d_xname), "dm%u", minor);
	/* Before it can be found: nobody uses a disk that is not there. */
	disk_init(&dev->d_disk, dev->d_xname, &dm_dkdriver);
	dev->d_disk.dk_geom.dg_secsize = DM_SECTOR;
	LIST_INSERT_HEAD(&dm_devs[minor % DM_HASH], dev, d_hash);
	mutex_exit(&dm_devs_lock);
	disk_attach(&dev->d_disk);
	*minorp = minor;
	*devp = dev;
	return 0;
}

int
dmk_dev_remove(struct dm_dev *dev)
{
	mutex_enter(&dm_devs_lock);
	if (dev->d_bopen || dev->d_copen) {
		mutex_exit(&dm_devs_lock);
		return EBUSY;
	}
	LIST_REMOVE(dev, d_hash);
	mutex_exit(&dm_devs_lock);
	dm_io_forget(dev);
	KASSERT(TAILQ_EMPTY(&dev->d_held));
	disk_detach(&dev->d_disk);
	disk_destroy(&dev->d_disk);
	cv_destroy(&dev->d_cv);
	mutex_destroy(&dev->d_lock);
	kmem_free(dev, sizeof(*dev));
	return 0;
}

uint32_t
dmk_dev_opens(struct dm_dev *dev)
{
	uint32_t count;

	mutex_enter(&dm_devs_lock);
	count = (uint32_t)dev->d_bopen + (uint32_t)dev->d_copen;
	mutex_exit(&dm_devs_lock);
	return count;
}

void
dmk_dev_watch(struct dm_dev *dev, int on)
{
	mutex_enter(&dm_devs_lock);
	dev->d_watch = on != 0;
	mutex_exit(&dm_devs_lock);
}

void
dmk_dev_named(struct dm_dev *dev, const char *name, size_t length)
{
	/* Nodes are the library's; a disk keeps its name. */
}

void
dmk_dev_configure(struct dm_dev *dev, uint64_t sectors, uint32_t secsize, int readonly, int discard)
{
	struct disk_geom *geom = &dev->d_disk.dk_geom;

	mutex_enter(&dev->d_lock);
	dev->d_sectors = sectors;
	dev->d_secsize = secsize;
	dev->d_readonly = readonly != 0;
	mutex_exit(&dev->d_lock);
	/* Only control changes these, and one request at a time. */
	memset(geom, 0, sizeof(*geom));
	geom->dg_secsize = secsize;
	geom->dg_secperunit = (int64_t)(sectors / (secsize / DM_SECTOR));
	geom->dg_nsectors = 32;
	geom->dg_ntracks = 64;
	geom->dg_ncylinders = (uint32_t)MIN((uint64_t)geom->dg_secperunit / (32 * 64) + 1, UINT32_MAX);
	disk_set_info(NULL, &dev->d_disk, "DM");
}

void
dmk_dev_lock(struct dm_dev *dev)
{
	mutex_enter(&dev->d_lock);
}

void
dmk_dev_unlock(struct dm_dev *dev)
{
	mutex_exit(&dev->d_lock);
}

void
dmk_dev_drained(struct dm_dev *dev)
{
	cv_broadcast(&dev->d_cv);
	dmk_changed();
}

int
dmk_dev_sleep(struct dm_dev *dev)
{
	return cv_wait_sig(&dev->d_cv, &dev->d_lock);
}

/* ---- nodes ---- */

static int
dm_open(dev_t dev_no, int flags, int mode, struct lwp *l)
{
	struct dm_dev *dev;
	int error = 0;

	mutex_enter(&dm_devs_lock);
	if (dm_going) {
		error = ENXIO;
	} else if (minor(dev_no) == DM_CONTROL_MINOR) {
		if (mode == S_IFCHR) {
			dm_control_opens++;
			mutex_exit(&dm_devs_lock);
			error = dm_client_open(flags);
			if (error != EMOVEFD)
				dm_control_leave();
			return error;
		}
		error = ENXIO;
	} else if ((dev = dm_find((uint32_t)minor(dev_no))) == NULL) {
		error = ENXIO;
	} else if ((flags & FWRITE) != 0 && dev->d_readonly) {
		error = EROFS;
	} else if (mode == S_IFCHR) {
		dev->d_copen = true;
	} else {
		dev->d_bopen = true;
	}
	mutex_exit(&dm_devs_lock);
	return error;
}

/* An open control node is closed. */
void
dm_control_leave(void)
{
	mutex_enter(&dm_devs_lock);
	dm_control_opens--;
	mutex_exit(&dm_devs_lock);
}

/* The last close of a node's kind. */
static int
dm_close(dev_t dev_no, int flags, int mode, struct lwp *l)
{
	struct dm_dev *dev;
	uint64_t id = 0;
	bool tell = false;

	mutex_enter(&dm_devs_lock);
	if ((dev = dm_find((uint32_t)minor(dev_no))) != NULL) {
		if (mode == S_IFCHR)
			dev->d_copen = false;
		else
			dev->d_bopen = false;
		tell = dev->d_watch && !dev->d_copen && !dev->d_bopen;
		id = dev->d_id;
	}
	mutex_exit(&dm_devs_lock);
	if (tell)
		dmrs_closed(id);
	return 0;
}

static int
dm_rw(dev_t dev_no, struct uio *uio, int flag)
{
	if (dm_lookup(dev_no) == NULL)
		return ENXIO;
	/* physio(9) rounds the offset down. */
	if (uio->uio_offset < 0 || uio->uio_offset % DM_SECTOR != 0)
		return EINVAL;
	return physio(dm_strategy, NULL, dev_no, flag, minphys, uio);
}

static int
dm_read(dev_t dev_no, struct uio *uio, int flags)
{
	return dm_rw(dev_no, uio, B_READ);
}

static int
dm_write(dev_t dev_no, struct uio *uio, int flags)
{
	return dm_rw(dev_no, uio, B_WRITE);
}

static int
dm_ioctl(dev_t dev_no, u_long cmd, void *data, int flag, struct lwp *l)
{
	struct dm_dev *dev = dm_lookup(dev_no);

	return dev == NULL ? ENXIO : dm_disk_ioctl(dev, dev_no, cmd, data, flag, l);
}

static int
dm_discard(dev_t dev_no, off_t pos, off_t len)
{
	struct dm_dev *dev = dm_lookup(dev_no);
	uint64_t sectors;
	bool readonly;

	if (dev == NULL)
		return ENXIO;
	if (pos < 0 || len < 0 || pos % DM_SECTOR != 0 || len % DM_SECTOR != 0)
		return EINVAL;
	if (len == 0)
		return 0;
	mutex_enter(&dev->d_lock);
	sectors = dev->d_sectors;
	readonly = dev->d_readonly;
	mutex_exit(&dev->d_lock);
	if (readonly)
		return EROFS;
	if ((uint64_t)pos / DM_SECTOR > sectors || (uint64_t)len / DM_SECTOR > sectors - (uint64_t)pos / DM_SECTOR)
		return EINVAL;
	return dm_sync(dev, DMRS_DISCARD, (uint64_t)pos / DM_SECTOR, (uint64_t)len / DM_SECTOR);
}

/* Size in blocks of DEV_BSIZE, for dumps and swap. */
static int
dm_size(dev_t dev_no)
{
	struct dm_dev *dev = dm_lookup(dev_no);

	if (dev == NULL || dev->d_sectors > INT_MAX)
		return -1;
	return (int)dev->d_sectors;
}

static int
dm_dump(dev_t dev_no, daddr_t block, void *data, size_t length)
{
	struct dm_dev *dev = dm_lookup(dev_no);

	if (dev == NULL)
		return ENXIO;
	if (block < 0 || length % DM_SECTOR != 0)
		return EINVAL;
	return dmrs_dump(dev->d_volume, (uint64_t)block, length / DM_SECTOR, data);
}

/* ---- module ---- */

static int
dm_fini(void)
{
	int error;

	/* Nobody comes in any more, or nothing has changed. */
	mutex_enter(&dm_devs_lock);
	if (dm_control_opens != 0 || dm_going) {
		mutex_exit(&dm_devs_lock);
		return EBUSY;
	}
	dm_going = true;
	mutex_exit(&dm_devs_lock);
	error = dmrs_fini();
	if (error != 0) {
		mutex_enter(&dm_devs_lock);
		dm_going = false;
		mutex_exit(&dm_devs_lock);
		return error;
	}
	devsw_detach(&dm_bdevsw, &dm_cdevsw);
	dm_io_fini();
	dm_control_fini();
	cv_destroy(&dm_change_cv);
	mutex_destroy(&dm_change_lock);
	mutex_destroy(&dm_devs_lock);
	mutex_destroy(&dm_control_lock);
	return 0;
}

static int
dm_init(void)
{
	unsigned int i;
	int error;

	mutex_init(&dm_control_lock, MUTEX_DEFAULT, IPL_NONE);
	mutex_init(&dm_change_lock, MUTEX_DEFAULT, IPL_BIO);
	mutex_init(&dm_devs_lock, MUTEX_DEFAULT, IPL_BIO);
	cv_init(&dm_change_cv, "dmchange");
	for (i = 0; i < DM_HASH; i++)
		LIST_INIT(&dm_devs[i]);
	dm_going = false;
	dm_control_init();
	dm_io_init();
	dmrs_init();
	error = dm_io_start_worker();
	if (error == 0) {
		dm_bmajor = DM_BMAJOR;
		dm_cmajor = DM_CMAJOR;
		error = devsw_attach("dm", &dm_bdevsw, &dm_bmajor, &dm_cdevsw, &dm_cmajor);
		/* A rump kernel has attached it before. */
		if (error == EEXIST)
			error = 0;
	}
	if (error != 0) {
		(void)dmrs_fini();
		dm_io_fini();
		dm_control_fini();
		cv_destroy(&dm_change_cv);
		mutex_destroy(&dm_devs_lock);
		mutex_destroy(&dm_change_lock);
		mutex_destroy(&dm_control_lock);
	}
	return error;
}

static int
dm_modcmd(modcmd_t cmd, void *arg)
{
	switch (cmd) {
	case MODULE_CMD_INIT:
		return dm_init();
	case MODULE_CMD_FINI:
		return dm_fini();
	case MODULE_CMD_AUTOUNLOAD:
		return EBUSY;
	default:
		return ENOTTY;
	}
}
