/* SPDX-License-Identifier: BSD-2-Clause */
/* sysinfo(2) of Linux over sysctl(3). */
#ifndef DMCOMPAT_SYS_SYSINFO_H
#define DMCOMPAT_SYS_SYSINFO_H

#include <sys/cdefs.h>

struct sysinfo {
	long uptime;		/* seconds */
	unsigned long loads[3];	/* scaled by 65536 */
	unsigned long totalram;	/* this and the next in units of mem_unit bytes */
	unsigned long freeram;
	unsigned long sharedram;	/* always 0 */
	unsigned long bufferram;	/* memory that holds files */
	unsigned long totalswap;
	unsigned long freeswap;
	unsigned short procs;	/* always 0 */
	unsigned long totalhigh;	/* always 0: all memory is alike */
	unsigned long freehigh;
	unsigned int mem_unit;
};

__BEGIN_DECLS
/* 0, or -1 with errno. */
int sysinfo(struct sysinfo *result);
__END_DECLS

#endif
