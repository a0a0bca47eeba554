/* libaio over threads: data, order of nothing but the data, room, cancellation, timeouts, errors, fork. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libaio.h"

#define BLOCK 4096
#define BLOCKS 64
#define ROUNDS 200

static int file;

static void
data(void)
{
	static unsigned char out[BLOCKS][BLOCK], in[BLOCKS][BLOCK];
	struct iocb iocbs[BLOCKS], *list[BLOCKS];
	struct io_event events[BLOCKS];
	io_context_t ctx = NULL;
	int round, i, n, got;

	assert(io_setup(BLOCKS, &ctx) == 0);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < BLOCKS; i++) {
			memset(out[i], round + i, BLOCK);
			io_prep_pwrite(&iocbs[i], file, out[i], BLOCK, (long long)i * BLOCK);
			iocbs[i].data = &out[i];
			list[i] = &iocbs[i];
		}
		assert(io_submit(ctx, BLOCKS, list) == BLOCKS);
		for (got = 0; got < BLOCKS; got += n) {
			n = io_getevents(ctx, 1, BLOCKS, events, NULL);
			assert(n >= 1);
			for (i = 0; i < n; i++) {
				assert(events[i].res == BLOCK && events[i].res2 == 0);
				assert(events[i].data == &out[events[i].obj - iocbs]);
			}
		}
		for (i = 0; i < BLOCKS; i++)
			io_prep_pread(&iocbs[i], file, in[i], BLOCK, (long long)i * BLOCK);
		assert(io_submit(ctx, BLOCKS, list) == BLOCKS);
		assert(io_getevents(ctx, BLOCKS, BLOCKS, events, NULL) == BLOCKS);
		assert(memcmp(in, out, sizeof in) == 0);
	}
	assert(io_destroy(ctx) == 0);
}

/* Failures give events as well, a full context takes no more, and what is taken back gives its room back. */
static void
room_and_cancellation(void)
{
	struct iocb iocbs[12], *list[12], flush, *one = &flush;
	struct io_event events[12], event;
	struct timespec none = { 0, 0 }, moment = { 0, 20000000 };
	io_context_t ctx = NULL;
	char bytes[12] = { 0 };
	int ends[2], i, cancelled = 0, result;

	assert(pipe(ends) == 0);
	assert(io_setup(12, &ctx) == 0);
	for (i = 0; i < 12; i++) {
		io_prep_pread(&iocbs[i], ends[0], &bytes[i], 1, 0);
		list[i] = &iocbs[i];
	}
	assert(io_submit(ctx, 12, list) == 12);
	/* Reads at an offset fail on a pipe: ESPIPE for all, each exactly once. */
	assert(io_getevents(ctx, 12, 12, events, NULL) == 12);
	for (i = 0; i < 12; i++)
		assert((long)events[i].res == -ESPIPE);
	assert(io_getevents(ctx, 1, 12, events, &none) == 0);
	assert(io_getevents(ctx, 1, 12, events, &moment) == 0);
	/* No slot is lost by it. */
	for (i = 0; i < 12; i++)
		io_prep_pread(&iocbs[i], file, &bytes[i], 1, i);
	assert(io_submit(ctx, 12, list) == 12);
	/* Not taken yet, so there is no room for one more. */
	io_prep_fsync(&flush, file);
	assert(io_submit(ctx, 1, &one) == -EAGAIN);
	for (i = 0; i < 12; i++) {
		result = io_cancel(ctx, &iocbs[i], &event);
		/* Taken back, under way, or over already. */
		assert(result == 0 || result == -EAGAIN || result == -EINVAL);
		if (result == 0) {
			assert((long)event.res == -ECANCELED && event.obj == &iocbs[i]);
			cancelled++;
		}
	}
	assert(io_getevents(ctx, 12 - cancelled, 12 - cancelled, events, NULL) == 12 - cancelled);
	assert(io_submit(ctx, 1, &one) == 1);
	assert(io_getevents(ctx, 1, 1, events, NULL) == 1 && events[0].res == 0 && events[0].obj == &flush);
	assert(io_cancel(ctx, &flush, &event) == -EINVAL);
	assert(io_destroy(ctx) == 0);
	close(ends[0]);
	close(ends[1]);
}

static void
refusals(void)
{
	struct iocb good, wrong, *list[2];
	struct io_event event;
	struct timespec bad = { 0, -1 };
	io_context_t ctx = NULL;
	char byte = 0;
	pid_t child;
	int status;

	assert(io_setup(0, &ctx) == -EINVAL && io_setup(-1, &ctx) == -EINVAL && io_setup(1, NULL) == -EINVAL);
	assert(io_setup(4, &ctx) == 0);
	assert(io_setup(4, &ctx) == -EINVAL);
	io_prep_pread(&good, file, &byte, 1, 0);
	io_prep_pread(&wrong, 9999, &byte, 1, 0);
	list[0] = &wrong;
	assert(io_submit(ctx, 1, list) == -EBADF);
	list[0] = &good;
	list[1] = &wrong;
	assert(io_submit(ctx, 2, list) == 1);
	assert(io_getevents(ctx, 1, 1, &event, NULL) == 1 && event.res == 1 && event.obj == &good);
	wrong = good;
	wrong.aio_lio_opcode = 99;
	list[0] = &wrong;
	assert(io_submit(ctx, 1, list) == -EINVAL);
	wrong = good;
	wrong.u.c.offset = -1;
	assert(io_submit(ctx, 1, list) == -EINVAL);
	assert(io_submit(ctx, 0, NULL) == 0);
	assert(io_getevents(ctx, 2, 1, &event, NULL) == -EINVAL);
	assert(io_getevents(ctx, 1, 1, &event, &bad) == -EINVAL);
	if ((child = fork()) == 0) {
		list[0] = &good;
		_exit(io_submit(ctx, 1, list) == -EINVAL ? 0 : 1);
	}
	assert(waitpid(child, &status, 0) == child && status == 0);
	assert(io_destroy(ctx) == 0 && io_destroy(NULL) == -EINVAL);
}

/* Requests that nobody takes are over when io_destroy() returns. */
static void
destroyed_under_way(void)
{
	static char blocks[BLOCKS][BLOCK];
	struct iocb iocbs[BLOCKS], *list[BLOCKS];
	int round, i;

	for (round = 0; round < 50; round++) {
		io_context_t ctx = NULL;

		assert(io_setup(BLOCKS, &ctx) == 0);
		for (i = 0; i < BLOCKS; i++) {
			io_prep_pread(&iocbs[i], file, blocks[i], BLOCK, 0);
			list[i] = &iocbs[i];
		}
		assert(io_submit(ctx, BLOCKS, list) == BLOCKS);
		assert(io_destroy(ctx) == 0);
		memset(blocks, 1, sizeof blocks);
		for (i = 0; i < BLOCKS; i++)
			assert(blocks[i][BLOCK - 1] == 1);
	}
}

int
main(void)
{
	char name[] = "/tmp/dmcompat.XXXXXX";

	file = mkstemp(name);
	assert(file >= 0);
	unlink(name);
	assert(ftruncate(file, BLOCK * BLOCKS) == 0);
	data();
	room_and_cancellation();
	refusals();
	destroyed_under_way();
	puts("ok");
	return 0;
}
