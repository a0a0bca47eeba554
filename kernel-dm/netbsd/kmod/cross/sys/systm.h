/*- SPDX-License-Identifier: BSD-2-Clause
 * A header of the kernel that is not installed: only what dm(4) needs of it, for the cross build (../README.md). */
#ifndef DM_CROSS_SYS_SYSTM_H
#define DM_CROSS_SYS_SYSTM_H
#include <sys/types.h>
#include <sys/stdarg.h>
#include <machine/endian.h>
#include <lib/libkern/libkern.h>

struct lwp;

extern int ncpu;

typedef int (*copyin_t)(const void *, void *, size_t);
typedef int (*copyout_t)(const void *, void *, size_t);

void	panic(const char *, ...) __dead __printflike(1, 2);
void	log(int, const char *, ...) __printflike(2, 3);
int	copyin(const void *, void *, size_t);
int	copyout(const void *, void *, size_t);
int	enodev(void);
int	nullop(void *);
int	enosys(void);
int	eopnotsupp(void);
int	seltrue(dev_t, int, struct lwp *);
#endif
