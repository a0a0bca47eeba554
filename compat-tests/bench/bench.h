/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each program here is compiled once and run by scripts/bench.d/library with the reference library and with ours. It
 * writes one line per phase to standard error: NAME MILLISECONDS (processor time), and at the end `memory KIB` (the
 * largest resident size).
 */
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double bench_start;

static inline double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static inline void bench_begin(void)
{
	bench_start = bench_now();
}

/* Ends the phase that is running, and begins the next. */
static inline void bench_end(const char *name)
{
	fprintf(stderr, "%s %.3f\n", name, bench_now() - bench_start);
	bench_begin();
}

static inline int bench_finish(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, "memory %ld\n", usage.ru_maxrss);
	return 0;
}

/* A failure must not look like speed. */
static inline void bench_check(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "failed: %s\n", what);
		exit(1);
	}
}

/* Numbers by chance, always the same. */
static inline unsigned bench_random(void)
{
	static unsigned long long state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned) (state >> 16);
}
