/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4) in a rump kernel: the switch and the control node, before the module starts.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/conf.h>
#include <sys/device.h>
#include <sys/errno.h>
#include <sys/filedesc.h>
#include <sys/stat.h>
#include <sys/systm.h>
#include <sys/vfs_syscalls.h>

#include <rump-sys/kern.h>
#include <rump-sys/vfs.h>

#include "dm_glue.h"

/*
 * The precompiled parts of Rust's library are built for unwinding; the engine is not, so neither is ever called.
 */
void	_Unwind_Resume(void *) __dead;
void	rust_eh_personality(void) __dead;
/* Compilers of user programs make memcmp into it; kernels have none. */
#undef bcmp
int	bcmp(const void *, const void *, size_t);

void
_Unwind_Resume(void *exception)
{
	panic("dm: unwinding");
}

void
rust_eh_personality(void)
{
	panic("dm: unwinding");
}

int
bcmp(const void *one, const void *other, size_t length)
{
	return memcmp(one, other, length);
}

RUMP_COMPONENT(RUMP_COMPONENT_DEV)
{
	devmajor_t bmajor = DM_BMAJOR, cmajor = DM_CMAJOR;
	int error;

	error = devsw_attach("dm", &dm_bdevsw, &bmajor, &dm_cdevsw, &cmajor);
	if (error != 0)
		panic("dm: no device switch: %d", error);
	error = do_sys_mkdir("/dev/mapper", 0755, UIO_SYSSPACE);
	if (error != 0 && error != EEXIST)
		panic("dm: no /dev/mapper: %d", error);
	error = rump_vfs_makedevnodes(S_IFCHR, "/dev/mapper/control", 0, cmajor, DM_CONTROL_MINOR, 1);
	if (error != 0)
		panic("dm: no control node: %d", error);
}
