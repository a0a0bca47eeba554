/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux's asynchronous I/O (the interface of libaio) over threads.
 *
 * Every call returns a negative error number on failure, never -1 with errno. A context does not survive fork(2): the
 * child has no threads, and may only let it be.
 */
#ifndef DMCOMPAT_LIBAIO_H
#define DMCOMPAT_LIBAIO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/cdefs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

typedef struct io_context *io_context_t;

typedef enum io_iocb_cmd {
	IO_CMD_PREAD = 0,
	IO_CMD_PWRITE = 1,
	IO_CMD_FSYNC = 2,
	IO_CMD_FDSYNC = 3,
	IO_CMD_NOOP = 6,
	IO_CMD_PREADV = 7,
	IO_CMD_PWRITEV = 8
} io_iocb_cmd_t;

struct io_iocb_common {
	void *buf;		/* of PREADV and PWRITEV: struct iovec[] */
	unsigned long nbytes;	/* of PREADV and PWRITEV: how many of them */
	long long offset;	/* bytes */
};

struct iocb {
	void *data;		/* the caller's */
	short aio_lio_opcode;	/* io_iocb_cmd */
	short aio_reqprio;	/* not used */
	int aio_fildes;
	union {
		struct io_iocb_common c;
	} u;
};

struct io_event {
	void *data;
	struct iocb *obj;
	unsigned long res;	/* bytes moved, or a negative error number, as a long */
	unsigned long res2;	/* 0 */
};

__BEGIN_DECLS
/* A context for `maxevents` requests under way. *ctxp must be NULL before. -EINVAL, -ENOMEM, -EAGAIN (no threads). */
int io_setup(int maxevents, io_context_t *ctxp);
/* Takes back what has not begun, waits for the rest, and frees the context. */
int io_destroy(io_context_t ctx);
/* Starts requests and returns how many: fewer than `nr` when there is no more room or one is wrong.
 * -EAGAIN when there is no room for the first, -EINVAL or -EBADF when the first is wrong. */
int io_submit(io_context_t ctx, long nr, struct iocb *iocbs[]);
/* Takes a request back that has not begun: 0 with the event in `event` (res is -ECANCELED), which then does not come out
 * of io_getevents(). -EAGAIN when it has begun, -EINVAL when there is none such. */
int io_cancel(io_context_t ctx, struct iocb *iocb, struct io_event *event);
/* Takes up to `nr` events, waiting for at least `min_nr`, but no longer than `timeout` (NULL: for any time). Returns how
 * many. */
int io_getevents(io_context_t ctx, long min_nr, long nr, struct io_event *events, struct timespec *timeout);
__END_DECLS

static __inline void
io_prep_common(struct iocb *iocb, io_iocb_cmd_t command, int fd, void *buf, size_t count, long long offset)
{
	memset(iocb, 0, sizeof *iocb);
	iocb->aio_fildes = fd;
	iocb->aio_lio_opcode = (short)command;
	iocb->u.c.buf = buf;
	iocb->u.c.nbytes = count;
	iocb->u.c.offset = offset;
}

static __inline void
io_prep_pread(struct iocb *iocb, int fd, void *buf, size_t count, long long offset)
{
	io_prep_common(iocb, IO_CMD_PREAD, fd, buf, count, offset);
}

static __inline void
io_prep_pwrite(struct iocb *iocb, int fd, void *buf, size_t count, long long offset)
{
	io_prep_common(iocb, IO_CMD_PWRITE, fd, buf, count, offset);
}

static __inline void
io_prep_preadv(struct iocb *iocb, int fd, const struct iovec *iov, int count, long long offset)
{
	io_prep_common(iocb, IO_CMD_PREADV, fd, (void *)(uintptr_t)iov, (size_t)count, offset);
}

static __inline void
io_prep_pwritev(struct iocb *iocb, int fd, const struct iovec *iov, int count, long long offset)
{
	io_prep_common(iocb, IO_CMD_PWRITEV, fd, (void *)(uintptr_t)iov, (size_t)count, offset);
}

static __inline void
io_prep_fsync(struct iocb *iocb, int fd)
{
	io_prep_common(iocb, IO_CMD_FSYNC, fd, NULL, 0, 0);
}

static __inline void
io_prep_fdsync(struct iocb *iocb, int fd)
{
	io_prep_common(iocb, IO_CMD_FDSYNC, fd, NULL, 0, 0);
}

#endif
