/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): the data path. The engine cuts a request into pieces, each piece becomes a buf on its component whose data is a
 * part of the request's. Nothing here sleeps but the worker thread, which starts delayed pieces, those that are too deep
 * in a stack of devices, and tells the engine about events. What a machine of the engine decides is in dm_own.c, what is
 * encrypted in dm_crypt.c.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/atomic.h>
#include <sys/buf.h>
#include <sys/disklabel.h>
#include <sys/errno.h>
#include <sys/kernel.h>
#include <sys/kmem.h>
#include <sys/kthread.h>
#include <sys/proc.h>
#include <sys/systm.h>
#include <sys/vnode.h>

#include "dm_glue.h"

/* How many mapped devices on each other start I/O on one stack. */
#define	DM_MAX_DEPTH	4

static pool_cache_t dm_io_cache, dm_piece_cache;
static kmutex_t dm_work_lock;
static kcondvar_t dm_work_cv;
static TAILQ_HEAD(, dm_piece) dm_delayed = TAILQ_HEAD_INITIALIZER(dm_delayed);
static TAILQ_HEAD(, dm_dev) dm_events = TAILQ_HEAD_INITIALIZER(dm_events);
/* Events of devices that are known by their identity. */
struct dm_tell {
	TAILQ_ENTRY(dm_tell) tl_link;
	uint64_t tl_id;
};
static TAILQ_HEAD(, dm_tell) dm_tells = TAILQ_HEAD_INITIALIZER(dm_tells);
static struct lwp *dm_worker_lwp;
static bool dm_worker_stop;

static void dm_io_go(struct dm_io *);
static void dm_piece_done(struct buf *);

static size_t
dm_bytes(uint64_t sectors)
{
	return (size_t)sectors * DM_SECTOR;
}

void
dmk_io_fail(struct dm_io *io, int error)
{
	/* The first error stays. */
	(void)atomic_cas_uint(&io->io_error, 0, (unsigned int)error);
}

void
dmk_io_zero(struct dm_io *io, uint64_t offset, uint64_t sectors)
{
	memset((char *)io->io_bp->b_data + dm_bytes(offset), 0, dm_bytes(sectors));
}

void
dmk_io_again(struct dm_io *io)
{
	io->io_again = 1;
}

/* Sends a piece on its way. */
void
dm_piece_start(struct dm_piece *pc, unsigned int depth)
{
	struct buf *buf = pc->pc_buf;
	struct dm_dev *below;

	if (pc->pc_io != NULL && pc->pc.delay_ms != 0)
		dmrs_delay_over(pc->pc_io->io_table, &pc->pc_io->io_bio, &pc->pc);
	if (pc->pc.part != NULL && pc->pc_op >= DMRS_FLUSH) {
		dm_sync_later(pc);
		return;
	}
	if (pc->pc.part != NULL) {
		if ((buf->b_flags & B_READ) == 0) {
			mutex_enter(buf->b_vp->v_interlock);
			buf->b_vp->v_numoutput++;
			mutex_exit(buf->b_vp->v_interlock);
		}
		(void)VOP_STRATEGY(buf->b_vp, buf);
		return;
	}
	/* The table that is under way keeps the device below. */
	below = dmk_dev_find(pc->pc.minor, NULL);
	if (below == NULL) {
		buf->b_error = EIO;
		buf->b_resid = buf->b_bcount;
		biodone(buf);
		return;
	}
	dm_start(below, buf, pc->pc_op, pc->pc.sector, pc->pc.sectors, depth);
}

/* A piece without a buf, for a machine. */
struct dm_piece *
dm_piece_bare(struct dm_io *io)
{
	struct dm_piece *pc;

	pc = pool_cache_get(dm_piece_cache, PR_NOWAIT);
	if (pc == NULL)
		return NULL;
	memset(pc, 0, sizeof(*pc));
	pc->pc.corrupt_byte = DMK_NO_BYTE;
	pc->pc_io = io;
	pc->pc_counted = true;
	pc->pc_op = io->io_bio.op;
	return pc;
}

/* A piece with its buf, not yet started. NULL when there is no memory, unless this may sleep. */
struct dm_piece *
dm_piece_new(struct dm_io *io, const struct dmrs_piece *piece, uint32_t op, void *data, bool sleep)
{
	struct dm_part *part = piece->part;
	struct dm_piece *pc;
	struct buf *buf;
	size_t length = op < DMRS_FLUSH ? dm_bytes(piece->sectors) : 0;

	pc = pool_cache_get(dm_piece_cache, sleep ? PR_WAITOK : PR_NOWAIT);
	if (pc == NULL)
		return NULL;
	buf = getiobuf(part != NULL ? part->p_vp : NULL, sleep);
	if (buf == NULL) {
		pool_cache_put(dm_piece_cache, pc);
		return NULL;
	}
	pc->pc = *piece;
	pc->pc_io = io;
	pc->pc_counted = false;
	pc->pc_crypt = false;
	pc->pc_op = op;
	pc->pc_buf = buf;
	pc->pc_copy = NULL;
	pc->pc_own = NULL;
	pc->pc_error = 0;
	pc->pc_due = 0;
	buf->b_data = data;
	buf->b_flags = B_ASYNC | (op == DMRS_READ ? B_READ : 0);
	buf->b_oflags = 0;
	buf->b_cflags = BC_BUSY;
	buf->b_iodone = dm_piece_done;
	buf->b_private = pc;
	buf->b_bcount = buf->b_bufsize = buf->b_resid = (int)length;
	buf->b_blkno = buf->b_rawblkno = (daddr_t)piece->sector;
	buf->b_lblkno = buf->b_blkno;
	buf->b_dev = part != NULL ? part->p_dev : makedev(dmk_major(), piece->minor);
	if (io != NULL) {
#ifdef B_MEDIA_FLAGS
		buf->b_flags |= io->io_bp->b_flags & B_MEDIA_FLAGS;
#endif
		buf->b_proc = io->io_bp->b_proc;
		BIO_COPYPRIO(buf, io->io_bp);
	}
	return pc;
}

void
dm_piece_free(struct dm_piece *pc)
{
	if (pc->pc_copy != NULL)
		kmem_intr_free(pc->pc_copy, dm_bytes(pc->pc.sectors));
	if (pc->pc_buf != NULL)
		putiobuf(pc->pc_buf);
	pool_cache_put(dm_piece_cache, pc);
}

/* Sends a piece of a request, now or from the worker thread. */
void
dm_piece_go(struct dm_piece *pc)
{
	struct dm_io *io = pc->pc_io;

	if (pc->pc.delay_ms == 0 && (pc->pc.part != NULL || io->io_depth < DM_MAX_DEPTH)) {
		dm_piece_start(pc, io->io_depth + 1);
		return;
	}
	mutex_enter(&dm_work_lock);
	if (pc->pc.delay_ms != 0 && !io->io_dev->d_hurry)
		pc->pc_due = dmk_now_ms() + pc->pc.delay_ms;
	TAILQ_INSERT_TAIL(&dm_delayed, pc, pc_link);
	cv_broadcast(&dm_work_cv);
	mutex_exit(&dm_work_lock);
}

/* Starts a piece of a request. When there is no memory, 0 with the request failed; or the error, if a machine waits. */
int
dmk_io_piece(struct dm_io *io, const struct dmrs_piece *piece, void *own)
{
	struct buf *bp = io->io_bp;
	struct dm_piece *pc;
	size_t length = dm_bytes(piece->sectors);
	uint64_t first = piece->offset * DM_SECTOR;
	bool has_data = io->io_bio.op < DMRS_FLUSH;

	pc = dm_piece_new(io, piece, io->io_bio.op, has_data ? (char *)bp->b_data + first : NULL, false);
	if (pc == NULL)
		goto fail;
	if (io->io_bio.op == DMRS_WRITE && piece->corrupt_byte >= first && piece->corrupt_byte < first + length) {
		pc->pc_copy = kmem_intr_alloc(length, KM_NOSLEEP);
		if (pc->pc_copy == NULL) {
			dm_piece_free(pc);
			goto fail;
		}
		memcpy(pc->pc_copy, pc->pc_buf->b_data, length);
		((uint8_t *)pc->pc_copy)[piece->corrupt_byte - first] = (uint8_t)piece->corrupt_value;
		pc->pc_buf->b_data = pc->pc_copy;
	}
	pc->pc_counted = true;
	pc->pc_own = own;
	atomic_inc_uint(&io->io_pending);
	dm_piece_go(pc);
	return 0;
fail:
	dmk_io_fail(io, ENOMEM);
	return own != NULL ? ENOMEM : 0;
}

static void
dm_piece_done(struct buf *buf)
{
	int error = buf->b_error;

	if (error == 0 && buf->b_resid != 0)
		error = EIO;
	dm_piece_finish(buf->b_private, error);
}

void
dm_piece_finish(struct dm_piece *pc, int error)
{
	struct dm_io *io = pc->pc_io;
	uint64_t first = pc->pc.offset * DM_SECTOR;

	if (error == 0 && pc->pc_crypt) {
		/* What was read is still encrypted. */
		dm_crypt_later(pc);
		return;
	}
	/* What a machine has sent somewhere says nothing about the request. */
	if (error != 0 && pc->pc_counted) {
		dmk_io_fail(io, error);
		if (error != EOPNOTSUPP && dmrs_piece_failed(io->io_table, &io->io_bio, &pc->pc))
			dmk_dev_event(io->io_dev);
	} else if (error == 0 && pc->pc_counted && pc->pc_op == DMRS_READ && pc->pc.corrupt_byte >= first &&
	    pc->pc.corrupt_byte < first + dm_bytes(pc->pc.sectors)) {
		((uint8_t *)io->io_bp->b_data)[pc->pc.corrupt_byte] = (uint8_t)pc->pc.corrupt_value;
	}
	if (pc->pc_own != NULL) {
		pc->pc_error = error;
		dm_machine_later(pc);
		return;
	}
	dm_piece_free(pc);
	dm_io_put(io);
}

/* Lets go of a request; the last one completes it. */
void
dm_io_put(struct dm_io *io)
{
	struct buf *bp = io->io_bp;
	struct dm_dev *dev = io->io_dev;
	const void *table = io->io_table;

	if (atomic_dec_uint_nv(&io->io_pending) != 0)
		return;
	if (io->io_again) {
		io->io_again = io->io_error = 0;
		io->io_pending = 1;
		io->io_table = NULL;
		/* The device stays, for the request is not complete. */
		dmrs_exit(dev, dev->d_volume, table);
		dm_io_go(io);
		return;
	}
	bp->b_error = (int)io->io_error;
	bp->b_resid = bp->b_error != 0 ? bp->b_bcount : 0;
	mutex_enter(&dev->d_lock);
	disk_unbusy(&dev->d_disk, bp->b_bcount - bp->b_resid, (bp->b_flags & B_READ) != 0);
	mutex_exit(&dev->d_lock);
	if (io->io_table != NULL)
		dmrs_exit(dev, dev->d_volume, io->io_table);
	/* From here on the device may go. */
	pool_cache_put(dm_io_cache, io);
	biodone(bp);
}

static void
dm_io_go(struct dm_io *io)
{
	if (dmrs_start(io->io_dev, io->io_dev->d_volume, io, &io->io_bio, &io->io_table) == 0)
		dm_io_put(io);
}

/* Starts an operation on a device. Of a flush or discard, the buf has no data and is only completed. */
void
dm_start(struct dm_dev *dev, struct buf *bp, uint32_t op, uint64_t sector, uint64_t sectors, unsigned int depth)
{
	struct dm_io *io;

	io = pool_cache_get(dm_io_cache, PR_NOWAIT);
	if (io == NULL) {
		bp->b_error = ENOMEM;
		bp->b_resid = bp->b_bcount;
		biodone(bp);
		return;
	}
	io->io_bp = bp;
	io->io_dev = dev;
	io->io_table = NULL;
	io->io_bio.op = op;
	io->io_bio.fua = 0;
	io->io_bio.sector = sector;
	io->io_bio.sectors = sectors;
	io->io_pending = 1;
	io->io_error = 0;
	io->io_again = 0;
	io->io_depth = depth;
	mutex_enter(&dev->d_lock);
	disk_busy(&dev->d_disk);
	mutex_exit(&dev->d_lock);
	dm_io_go(io);
}

void
dm_strategy(struct buf *bp)
{
	struct dm_dev *dev = dm_lookup(bp->b_dev);
	uint64_t sectors;
	unsigned int secsize;
	bool readonly;

	bp->b_resid = bp->b_bcount;
	if (dev == NULL) {
		bp->b_error = ENXIO;
		goto done;
	}
	mutex_enter(&dev->d_lock);
	sectors = dev->d_sectors;
	secsize = dev->d_secsize;
	readonly = dev->d_readonly;
	mutex_exit(&dev->d_lock);
	if (readonly && (bp->b_flags & B_READ) == 0) {
		bp->b_error = EROFS;
		goto done;
	}
	if (bp->b_blkno < 0 || bp->b_bcount < 0 || bp->b_bcount % secsize != 0 ||
	    (uint64_t)bp->b_blkno % (secsize / DM_SECTOR) != 0) {
		bp->b_error = EINVAL;
		goto done;
	}
	/* A request that begins at the end is empty, one that begins behind it is an error, one that leaves it is cut. */
	if (bp->b_bcount == 0 || bounds_check_with_mediasize(bp, DM_SECTOR, sectors) <= 0)
		goto done;
	dm_start(dev, bp, (bp->b_flags & B_READ) != 0 ? DMRS_READ : DMRS_WRITE, (uint64_t)bp->b_blkno,
	    (uint64_t)bp->b_bcount / DM_SECTOR, 0);
	return;
done:
	biodone(bp);
}

int
dm_sync(struct dm_dev *dev, uint32_t op, uint64_t sector, uint64_t sectors)
{
	const struct dmrs_bio bio = { .op = op, .sector = sector, .sectors = sectors };

	return dmrs_sync(dev, dev->d_volume, &bio);
}

/* ---- gate ---- */

void
dmk_dev_hold(struct dm_dev *dev, struct dm_io *io)
{
	TAILQ_INSERT_TAIL(&dev->d_held, io, io_held);
}

void
dmk_dev_opened(struct dm_dev *dev)
{
	TAILQ_HEAD(, dm_io) held = TAILQ_HEAD_INITIALIZER(held);
	struct dm_io *io;

	mutex_enter(&dm_work_lock);
	dev->d_hurry = false;
	mutex_exit(&dm_work_lock);
	mutex_enter(&dev->d_lock);
	TAILQ_CONCAT(&held, &dev->d_held, io_held);
	cv_broadcast(&dev->d_cv);
	mutex_exit(&dev->d_lock);
	while ((io = TAILQ_FIRST(&held)) != NULL) {
		TAILQ_REMOVE(&held, io, io_held);
		dm_io_go(io);
	}
}

void
dmk_dev_closed(struct dm_dev *dev)
{
	struct dm_piece *pc;

	mutex_enter(&dm_work_lock);
	dev->d_hurry = true;
	TAILQ_FOREACH(pc, &dm_delayed, pc_link) {
		if (pc->pc_io != NULL && pc->pc_io->io_dev == dev)
			pc->pc_due = 0;
	}
	cv_broadcast(&dm_work_cv);
	mutex_exit(&dm_work_lock);
}

/* ---- worker ---- */

void
dmk_dev_event(struct dm_dev *dev)
{
	mutex_enter(&dm_work_lock);
	if (!dev->d_queued) {
		dev->d_queued = true;
		TAILQ_INSERT_TAIL(&dm_events, dev, d_event);
		cv_broadcast(&dm_work_cv);
	}
	mutex_exit(&dm_work_lock);
}

void
dmk_event(uint64_t id)
{
	struct dm_tell *tell;

	tell = kmem_alloc(sizeof(*tell), KM_SLEEP);
	tell->tl_id = id;
	mutex_enter(&dm_work_lock);
	TAILQ_INSERT_TAIL(&dm_tells, tell, tl_link);
	cv_broadcast(&dm_work_cv);
	mutex_exit(&dm_work_lock);
}

/* A machine waits for a time. */
void
dmk_own_wait(void *own, uint32_t ms)
{
	struct dm_piece *pc;

	pc = pool_cache_get(dm_piece_cache, PR_WAITOK);
	memset(pc, 0, sizeof(*pc));
	pc->pc_own = own;
	mutex_enter(&dm_work_lock);
	pc->pc_due = dmk_now_ms() + ms;
	TAILQ_INSERT_TAIL(&dm_delayed, pc, pc_link);
	cv_broadcast(&dm_work_cv);
	mutex_exit(&dm_work_lock);
}

/* The device goes: no event is told any more. */
void
dm_io_forget(struct dm_dev *dev)
{
	mutex_enter(&dm_work_lock);
	if (dev->d_queued) {
		dev->d_queued = false;
		TAILQ_REMOVE(&dm_events, dev, d_event);
	}
	mutex_exit(&dm_work_lock);
}

static void
dm_worker(void *arg)
{
	struct dm_piece *pc;
	struct dm_dev *dev;
	struct dm_tell *tell;
	uint64_t now, first, id;

	mutex_enter(&dm_work_lock);
	for (;;) {
		if ((dev = TAILQ_FIRST(&dm_events)) != NULL) {
			TAILQ_REMOVE(&dm_events, dev, d_event);
			dev->d_queued = false;
			id = dev->d_id;
			mutex_exit(&dm_work_lock);
			dmrs_event(id);
			mutex_enter(&dm_work_lock);
			continue;
		}
		if ((tell = TAILQ_FIRST(&dm_tells)) != NULL) {
			TAILQ_REMOVE(&dm_tells, tell, tl_link);
			mutex_exit(&dm_work_lock);
			dmrs_event(tell->tl_id);
			kmem_free(tell, sizeof(*tell));
			mutex_enter(&dm_work_lock);
			continue;
		}
		now = dmk_now_ms();
		first = UINT64_MAX;
		TAILQ_FOREACH(pc, &dm_delayed, pc_link) {
			/* The module goes only when nobody but machines that are gone waits. */
			if (pc->pc_due <= now || dm_worker_stop)
				break;
			first = MIN(first, pc->pc_due);
		}
		if (pc != NULL) {
			TAILQ_REMOVE(&dm_delayed, pc, pc_link);
			mutex_exit(&dm_work_lock);
			if (pc->pc_buf != NULL)
				dm_piece_start(pc, 0);
			else
				dm_machine_later(pc);
			mutex_enter(&dm_work_lock);
		} else if (first != UINT64_MAX) {
			(void)cv_timedwait(&dm_work_cv, &dm_work_lock, MAX(1, mstohz((int)MIN(first - now, 60000))));
		} else if (dm_worker_stop) {
			break;
		} else {
			cv_wait(&dm_work_cv, &dm_work_lock);
		}
	}
	mutex_exit(&dm_work_lock);
	kthread_exit(0);
}

void
dm_io_init(void)
{
	mutex_init(&dm_work_lock, MUTEX_DEFAULT, IPL_BIO);
	cv_init(&dm_work_cv, "dmwork");
	dm_io_cache = pool_cache_init(sizeof(struct dm_io), 0, 0, 0, "dmio", NULL, IPL_BIO, NULL, NULL, NULL);
	dm_piece_cache = pool_cache_init(sizeof(struct dm_piece), 0, 0, 0, "dmpiece", NULL, IPL_BIO, NULL, NULL, NULL);
	dm_worker_stop = false;
	dm_own_init();
}

int
dm_io_start_worker(void)
{
	int error;

	error = kthread_create(PRI_NONE, KTHREAD_MPSAFE | KTHREAD_MUSTJOIN, NULL, dm_worker, NULL, &dm_worker_lwp, "dm");
	return error != 0 ? error : dm_own_start_workers();
}

void
dm_io_fini(void)
{
	if (dm_worker_lwp != NULL) {
		mutex_enter(&dm_work_lock);
		dm_worker_stop = true;
		cv_broadcast(&dm_work_cv);
		mutex_exit(&dm_work_lock);
		(void)kthread_join(dm_worker_lwp);
		dm_worker_lwp = NULL;
	}
	dm_own_fini();
	pool_cache_destroy(dm_io_cache);
	pool_cache_destroy(dm_piece_cache);
	cv_destroy(&dm_work_cv);
	mutex_destroy(&dm_work_lock);
}
