/* SPDX-License-Identifier: BSD-2-Clause */
/* mallinfo(3) of glibc. NetBSD's allocator does not count in this way, so all is 0. */
#ifndef DMCOMPAT_MALLOC_H
#define DMCOMPAT_MALLOC_H

#include <stdlib.h>
#include <sys/cdefs.h>

struct mallinfo {
	int arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

static __inline struct mallinfo
mallinfo(void)
{
	struct mallinfo nothing = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

	return nothing;
}

#endif
