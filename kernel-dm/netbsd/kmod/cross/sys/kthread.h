/*- SPDX-License-Identifier: BSD-2-Clause
 * A header of the kernel that is not installed: only what dm(4) needs of it, for the cross build (../README.md). */
#ifndef DM_CROSS_SYS_KTHREAD_H
#define DM_CROSS_SYS_KTHREAD_H
#include <sys/types.h>

struct cpu_info;
struct lwp;

#define	KTHREAD_IDLE	0x01
#define	KTHREAD_MPSAFE	0x02
#define	KTHREAD_INTR	0x04
#define	KTHREAD_TS	0x08
#define	KTHREAD_MUSTJOIN 0x10

int	kthread_create(pri_t, int, struct cpu_info *, void (*)(void *), void *, struct lwp **, const char *, ...)
	    __printflike(7, 8);
void	kthread_exit(int) __dead;
int	kthread_join(struct lwp *);
#endif
