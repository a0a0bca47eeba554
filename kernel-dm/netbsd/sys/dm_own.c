/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): what machines of the engine need (snapshots, mirrors): they are asked about pieces, and have I/O of their own.
 *
 * A machine allocates memory and may sleep for it, which strategy must not. So whatever comes to a machine is put into a
 * queue, and a thread brings it there: pieces that it is to decide about, and the ends of what it started. A second thread
 * does what sleeps in a component, flushes and discards. Neither waits for a device's gate: a flush of a mapped device is a
 * request to it, as a write is. The queue of what is to be encrypted or decrypted (dm_crypt.c) is here too; it has a thread
 * for each processor.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/atomic.h>
#include <sys/buf.h>
#include <sys/errno.h>
#include <sys/kmem.h>
#include <sys/kthread.h>
#include <sys/proc.h>
#include <sys/systm.h>
#include <sys/vnode.h>

#include "dm_glue.h"

#define	DM_MAX_THREADS	16

/* A queue and its threads. */
struct dm_queue {
	TAILQ_HEAD(, dm_piece) q_pieces;
	kcondvar_t q_cv;
	struct lwp *q_lwps[DM_MAX_THREADS];
	unsigned int q_threads;
	void (*q_do)(struct dm_piece *);
	const char *q_name;
	bool q_stop;
};

static kmutex_t dm_own_lock;

static void dm_machine_do(struct dm_piece *);
static void dm_sync_do(struct dm_piece *);

static struct dm_queue dm_machine_queue = { .q_do = dm_machine_do, .q_name = "dmmach" };
static struct dm_queue dm_sync_queue = { .q_do = dm_sync_do, .q_name = "dmsync" };
static struct dm_queue dm_crypt_queue = { .q_do = dm_crypt_do, .q_name = "dmcrypt" };
/* What one does last is for one behind it. */
static struct dm_queue *const dm_queues[] = { &dm_crypt_queue, &dm_sync_queue, &dm_machine_queue };

static void
dm_queue_put(struct dm_queue *queue, struct dm_piece *pc)
{
	mutex_enter(&dm_own_lock);
	TAILQ_INSERT_TAIL(&queue->q_pieces, pc, pc_link);
	cv_signal(&queue->q_cv);
	mutex_exit(&dm_own_lock);
}

void
dm_machine_later(struct dm_piece *pc)
{
	dm_queue_put(&dm_machine_queue, pc);
}

void
dm_sync_later(struct dm_piece *pc)
{
	dm_queue_put(&dm_sync_queue, pc);
}

void
dm_crypt_later(struct dm_piece *pc)
{
	dm_queue_put(&dm_crypt_queue, pc);
}

static void
dm_queue_thread(void *arg)
{
	struct dm_queue *queue = arg;
	struct dm_piece *pc;

	mutex_enter(&dm_own_lock);
	for (;;) {
		if ((pc = TAILQ_FIRST(&queue->q_pieces)) != NULL) {
			TAILQ_REMOVE(&queue->q_pieces, pc, pc_link);
			mutex_exit(&dm_own_lock);
			(*queue->q_do)(pc);
			mutex_enter(&dm_own_lock);
		} else if (queue->q_stop) {
			break;
		} else {
			cv_wait(&queue->q_cv, &dm_own_lock);
		}
	}
	mutex_exit(&dm_own_lock);
	kthread_exit(0);
}

/* A machine is asked about a piece, or told the end of what it wanted. */
static void
dm_machine_do(struct dm_piece *pc)
{
	struct dm_io *io = pc->pc_io;
	void *own = pc->pc_own;
	bool counted = pc->pc_counted;
	int error = pc->pc_error;

	if (own == NULL) {
		dmrs_ask(pc, io->io_table, &io->io_bio, pc->pc.offset, pc->pc.sectors);
		return;
	}
	dm_piece_free(pc);
	dmrs_own_done(own, error);
	/* The machine knows before the request is complete. */
	if (counted)
		dm_io_put(io);
}

static void
dm_sync_do(struct dm_piece *pc)
{
	int error;

	if (pc->pc_op == DMRS_FLUSH)
		error = dmk_part_flush(pc->pc.part);
	else
		error = dmk_part_discard(pc->pc.part, pc->pc.sector, pc->pc.sectors);
	dm_piece_finish(pc, error);
}

/* ---- for the engine ---- */

void
dmk_io_ask(struct dm_io *io, uint64_t offset, uint64_t sectors)
{
	struct dm_piece *pc;

	pc = dm_piece_bare(io);
	if (pc == NULL) {
		dmk_io_fail(io, ENOMEM);
		return;
	}
	pc->pc.offset = offset;
	pc->pc.sectors = sectors;
	atomic_inc_uint(&io->io_pending);
	dm_machine_later(pc);
}

void
dmk_held_info(const struct dm_piece *pc, struct dmk_held *held)
{
	held->io = pc->pc_io;
	held->table = pc->pc_io->io_table;
	held->offset = pc->pc.offset;
	held->sectors = pc->pc.sectors;
	held->op = pc->pc_op;
	held->pad = 0;
}

const void *
dmk_held_data(const struct dm_piece *pc)
{
	return (const char *)pc->pc_io->io_bp->b_data +
	    (size_t)pc->pc.offset * DM_SECTOR;
}

/* The piece is not held any more. */
void
dmk_held_put(struct dm_piece *pc)
{
	struct dm_io *io = pc->pc_io;

	dm_piece_free(pc);
	dm_io_put(io);
}

/* Does the operation of a held piece at a component, with the piece's data. */
void
dmk_held_send(struct dm_piece *pc, const struct dmrs_piece *piece, void *own)
{
	struct dm_io *io = pc->pc_io;
	struct dm_piece *sent;
	void *data = NULL;

	if (pc->pc_op < DMRS_FLUSH)
		data = (char *)io->io_bp->b_data + piece->offset * DM_SECTOR;
	sent = dm_piece_new(io, piece, pc->pc_op, data, true);
	sent->pc_own = own;
	dm_piece_start(sent, 0);
}

/* A machine's own operation; the data stay until it is done. */
void
dmk_own_io(void *own, uint32_t op, const struct dmrs_piece *piece, void *data)
{
	struct dm_piece *pc;

	pc = dm_piece_new(NULL, piece, op, data, true);
	pc->pc_own = own;
	dm_piece_start(pc, 0);
}

/* A flush or discard of a device as a request to it, which its machines may hold. */
int
dmk_sync_io(struct dm_dev *dev, uint32_t op, uint64_t sector, uint64_t sectors)
{
	struct buf *bp;
	int error;

	bp = getiobuf(NULL, true);
	bp->b_flags = 0;
	bp->b_oflags = 0;
	bp->b_cflags = BC_BUSY;
	bp->b_data = NULL;
	bp->b_bcount = bp->b_bufsize = bp->b_resid = 0;
	bp->b_dev = makedev(dmk_major(), dev->d_minor);
	dm_start(dev, bp, op, sector, sectors, 0);
	error = biowait(bp);
	putiobuf(bp);
	return error;
}

/* A lock that may be held while sleeping for memory. */
void *
dmk_lock_new(void)
{
	kmutex_t *lock;

	lock = kmem_alloc(sizeof(*lock), KM_SLEEP);
	mutex_init(lock, MUTEX_DEFAULT, IPL_NONE);
	return lock;
}

void
dmk_lock_free(void *lock)
{
	mutex_destroy(lock);
	kmem_free(lock, sizeof(kmutex_t));
}

void
dmk_lock_enter(void *lock)
{
	mutex_enter(lock);
}

void
dmk_lock_exit(void *lock)
{
	mutex_exit(lock);
}

/* ---- module ---- */

void
dm_own_init(void)
{
	struct dm_queue *queue;
	unsigned int i;

	mutex_init(&dm_own_lock, MUTEX_DEFAULT, IPL_BIO);
	for (i = 0; i < __arraycount(dm_queues); i++) {
		queue = dm_queues[i];
		TAILQ_INIT(&queue->q_pieces);
		cv_init(&queue->q_cv, queue->q_name);
		queue->q_threads = 0;
		queue->q_stop = false;
	}
}

static int
dm_queue_start(struct dm_queue *queue, unsigned int threads)
{
	int error = 0;

	while (queue->q_threads < MIN(threads, DM_MAX_THREADS)) {
		error = kthread_create(PRI_NONE, KTHREAD_MPSAFE | KTHREAD_MUSTJOIN, NULL, dm_queue_thread, queue,
		    &queue->q_lwps[queue->q_threads], "%s", queue->q_name);
		if (error != 0)
			break;
		queue->q_threads++;
	}
	/* A thread less is no error if there is one. */
	return queue->q_threads != 0 ? 0 : error;
}

int
dm_own_start_workers(void)
{
	unsigned int i;
	int error = 0;

	for (i = 0; error == 0 && i < __arraycount(dm_queues); i++)
		error = dm_queue_start(dm_queues[i], dm_queues[i] == &dm_crypt_queue ? (unsigned int)ncpu : 1);
	return error;
}

static void
dm_queue_stop(struct dm_queue *queue)
{
	unsigned int i;

	mutex_enter(&dm_own_lock);
	queue->q_stop = true;
	cv_broadcast(&queue->q_cv);
	mutex_exit(&dm_own_lock);
	for (i = 0; i < queue->q_threads; i++)
		(void)kthread_join(queue->q_lwps[i]);
	cv_destroy(&queue->q_cv);
}

void
dm_own_fini(void)
{
	unsigned int i;

	for (i = 0; i < __arraycount(dm_queues); i++)
		dm_queue_stop(dm_queues[i]);
	mutex_destroy(&dm_own_lock);
}
