/* SPDX-License-Identifier: BSD-2-Clause */
/* SPDX-License-Identifier: BSD-2-Clause */
/* libaio.h over threads of the context's own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "libaio.h"

/* Threads of one context; I/O beyond them waits. Disks get little from more. */
#define MAX_THREADS 8
/* More requests than this at a time are a mistake of the caller. */
#define MAX_EVENTS 65536

/* A slot goes from the free list to the queue, to a thread, to the done list and back to the free list. */
struct slot {
	struct slot *next;
	struct iocb *iocb;
	struct iocb copy;	/* what the caller changes after io_submit() is without effect */
	long result;
};

struct list {
	struct slot *first, **last;
};

struct io_context {
	pthread_mutex_t lock;
	pthread_cond_t work;	/* the queue has something, or `ending` */
	pthread_cond_t over;	/* the done list has something, or a thread is idle again */
	struct list unused, queue, done;
	struct slot *slots;
	int ending;
	pid_t owner;		/* the process whose threads these are */
	int n_threads, max_threads, idle;
	pthread_t threads[MAX_THREADS];
	struct slot *running[MAX_THREADS];
};

static void
put(struct list *list, struct slot *slot)
{
	slot->next = NULL;
	*list->last = slot;
	list->last = &slot->next;
}

static struct slot *
take(struct list *list)
{
	struct slot *slot = list->first;

	if (slot != NULL) {
		list->first = slot->next;
		if (list->first == NULL)
			list->last = &list->first;
	}
	return slot;
}

static long
perform(const struct iocb *iocb)
{
	const struct io_iocb_common *c = &iocb->u.c;
	ssize_t n;

	do {
		switch (iocb->aio_lio_opcode) {
		case IO_CMD_PREAD:
			n = pread(iocb->aio_fildes, c->buf, c->nbytes, (off_t)c->offset);
			break;
		case IO_CMD_PWRITE:
			n = pwrite(iocb->aio_fildes, c->buf, c->nbytes, (off_t)c->offset);
			break;
		case IO_CMD_PREADV:
			n = preadv(iocb->aio_fildes, c->buf, (int)c->nbytes, (off_t)c->offset);
			break;
		case IO_CMD_PWRITEV:
			n = pwritev(iocb->aio_fildes, c->buf, (int)c->nbytes, (off_t)c->offset);
			break;
		case IO_CMD_FSYNC:
			n = fsync(iocb->aio_fildes);
			break;
		case IO_CMD_FDSYNC:
			n = fdatasync(iocb->aio_fildes);
			break;
		default:
			return -EINVAL;
		}
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

struct start {
	struct io_context *ctx;
	int number;
};

static void *
worker(void *argument)
{
	struct start start = *(struct start *)argument;
	struct io_context *ctx = start.ctx;

	free(argument);
	pthread_mutex_lock(&ctx->lock);
	for (;;) {
		struct slot *slot;

		while ((slot = take(&ctx->queue)) == NULL && !ctx->ending) {
			ctx->idle++;
			pthread_cond_wait(&ctx->work, &ctx->lock);
			ctx->idle--;
		}
		if (slot == NULL)
			break;
		ctx->running[start.number] = slot;
		pthread_mutex_unlock(&ctx->lock);
		slot->result = perform(&slot->copy);
		pthread_mutex_lock(&ctx->lock);
		ctx->running[start.number] = NULL;
		put(&ctx->done, slot);
		pthread_cond_broadcast(&ctx->over);
	}
	pthread_mutex_unlock(&ctx->lock);
	return NULL;
}

/* One more thread. The caller holds the lock. */
static int
add_thread(struct io_context *ctx)
{
	struct start *start = malloc(sizeof *start);
	sigset_t all, before;
	int error;

	if (start == NULL)
		return ENOMEM;
	start->ctx = ctx;
	start->number = ctx->n_threads;
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&ctx->threads[ctx->n_threads], NULL, worker, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		free(start);
		return error;
	}
	ctx->n_threads++;
	return 0;
}

static void
release(struct io_context *ctx)
{
	pthread_cond_destroy(&ctx->over);
	pthread_cond_destroy(&ctx->work);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx->slots);
	free(ctx);
}

/* As on Linux, where a context belongs to an address space: a child's calls are -EINVAL. */
static int
ours(const struct io_context *ctx)
{
	return ctx != NULL && ctx->owner == getpid();
}

int
io_setup(int maxevents, io_context_t *ctxp)
{
	struct io_context *ctx;
	int i, error;

	if (ctxp == NULL || *ctxp != NULL || maxevents <= 0 || maxevents > MAX_EVENTS)
		return -EINVAL;
	if ((ctx = calloc(1, sizeof *ctx)) == NULL)
		return -ENOMEM;
	if ((ctx->slots = calloc((size_t)maxevents, sizeof *ctx->slots)) == NULL) {
		free(ctx);
		return -ENOMEM;
	}
	pthread_mutex_init(&ctx->lock, NULL);
	pthread_cond_init(&ctx->work, NULL);
	pthread_cond_init(&ctx->over, NULL);
	ctx->unused.last = &ctx->unused.first;
	ctx->queue.last = &ctx->queue.first;
	ctx->done.last = &ctx->done.first;
	for (i = 0; i < maxevents; i++)
		put(&ctx->unused, &ctx->slots[i]);
	ctx->owner = getpid();
	ctx->max_threads = maxevents < MAX_THREADS ? maxevents : MAX_THREADS;
	/* Whoever has a context can count on at least one thread. */
	pthread_mutex_lock(&ctx->lock);
	error = add_thread(ctx);
	pthread_mutex_unlock(&ctx->lock);
	if (error != 0) {
		release(ctx);
		return error == ENOMEM ? -ENOMEM : -EAGAIN;
	}
	*ctxp = ctx;
	return 0;
}

int
io_destroy(io_context_t ctx)
{
	struct slot *slot;
	int i;

	if (!ours(ctx))
		return -EINVAL;
	pthread_mutex_lock(&ctx->lock);
	while ((slot = take(&ctx->queue)) != NULL)
		put(&ctx->unused, slot);
	ctx->ending = 1;
	pthread_cond_broadcast(&ctx->work);
	pthread_mutex_unlock(&ctx->lock);
	for (i = 0; i < ctx->n_threads; i++)
		pthread_join(ctx->threads[i], NULL);
	release(ctx);
	return 0;
}

static int
check(const struct iocb *iocb)
{
	if (iocb == NULL)
		return -EFAULT;
	switch (iocb->aio_lio_opcode) {
	case IO_CMD_PREAD:
	case IO_CMD_PWRITE:
	case IO_CMD_PREADV:
	case IO_CMD_PWRITEV:
		if (iocb->u.c.offset < 0)
			return -EINVAL;
		/* FALLTHROUGH */
	case IO_CMD_FSYNC:
	case IO_CMD_FDSYNC:
		break;
	default:
		return -EINVAL;
	}
	return fcntl(iocb->aio_fildes, F_GETFL) == -1 ? -EBADF : 0;
}

int
io_submit(io_context_t ctx, long nr, struct iocb *iocbs[])
{
	long n, queued;
	int error = 0;

	if (!ours(ctx) || nr < 0 || (nr > 0 && iocbs == NULL))
		return -EINVAL;
	pthread_mutex_lock(&ctx->lock);
	for (n = 0; n < nr; n++) {
		struct slot *slot;

		if ((error = check(iocbs[n])) != 0)
			break;
		if ((slot = take(&ctx->unused)) == NULL) {
			error = -EAGAIN;
			break;
		}
		slot->iocb = iocbs[n];
		slot->copy = *iocbs[n];
		put(&ctx->queue, slot);
	}
	/* There is at least one thread: where there cannot be another, requests take longer. */
	for (queued = n - ctx->idle; queued > 0 && ctx->n_threads < ctx->max_threads; queued--)
		if (add_thread(ctx) != 0)
			break;
	pthread_cond_broadcast(&ctx->work);
	pthread_mutex_unlock(&ctx->lock);
	return n > 0 ? (int)n : error;
}

static void
fill(struct io_event *event, const struct slot *slot, long result)
{
	event->data = slot->copy.data;
	event->obj = slot->iocb;
	event->res = (unsigned long)result;
	event->res2 = 0;
}

int
io_cancel(io_context_t ctx, struct iocb *iocb, struct io_event *event)
{
	struct slot **link, *slot = NULL;
	int i, result = -EINVAL;

	if (!ours(ctx) || iocb == NULL || event == NULL)
		return -EINVAL;
	pthread_mutex_lock(&ctx->lock);
	for (link = &ctx->queue.first; *link != NULL; link = &(*link)->next)
		if ((*link)->iocb == iocb) {
			slot = *link;
			*link = slot->next;
			if (*link == NULL)
				ctx->queue.last = link;
			fill(event, slot, -ECANCELED);
			put(&ctx->unused, slot);
			result = 0;
			break;
		}
	for (i = 0; result != 0 && i < ctx->n_threads; i++)
		if (ctx->running[i] != NULL && ctx->running[i]->iocb == iocb)
			result = -EAGAIN;
	pthread_mutex_unlock(&ctx->lock);
	return result;
}

/* The time of day at which `timeout` is over. */
static struct timespec
deadline(const struct timespec *timeout)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += timeout->tv_sec;
	end.tv_nsec += timeout->tv_nsec;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000L;
	}
	return end;
}

int
io_getevents(io_context_t ctx, long min_nr, long nr, struct io_event *events, struct timespec *timeout)
{
	struct timespec end;
	long n = 0;

	if (!ours(ctx) || nr < 0 || min_nr < 0 || min_nr > nr || (nr > 0 && events == NULL))
		return -EINVAL;
	if (timeout != NULL) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000L)
			return -EINVAL;
		end = deadline(timeout);
	}
	pthread_mutex_lock(&ctx->lock);
	for (;;) {
		struct slot *slot;

		while (n < nr && (slot = take(&ctx->done)) != NULL) {
			fill(&events[n++], slot, slot->result);
			put(&ctx->unused, slot);
		}
		if (n >= min_nr)
			break;
		if (timeout == NULL)
			pthread_cond_wait(&ctx->over, &ctx->lock);
		else if (pthread_cond_timedwait(&ctx->over, &ctx->lock, &end) != 0 && ctx->done.first == NULL)
			break;
	}
	pthread_mutex_unlock(&ctx->lock);
	return (int)n;
}
