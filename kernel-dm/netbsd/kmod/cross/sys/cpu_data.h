/*- SPDX-License-Identifier: BSD-2-Clause
 * A header of the kernel that is not installed: only what dm(4) needs of it, for the cross build (../README.md). */
#ifndef DM_CROSS_SYS_CPU_DATA_H
#define DM_CROSS_SYS_CPU_DATA_H
#include <sys/sched.h>
#include <lib/libkern/libkern.h>

struct lwp;

/* What inline functions of other headers name. None of them is called: the layout is not the kernel's. */
struct cpu_data {
	struct schedstate_percpu cpu_schedstate;
	struct lwp *cpu_idlelwp;
};
#define	ci_schedstate	ci_data.cpu_schedstate
#endif
