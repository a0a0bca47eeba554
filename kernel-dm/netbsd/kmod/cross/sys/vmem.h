/*- SPDX-License-Identifier: BSD-2-Clause
 * A header of the kernel that is not installed: only what dm(4) needs of it, for the cross build (../README.md). */
#ifndef DM_CROSS_SYS_VMEM_H
#define DM_CROSS_SYS_VMEM_H
#include <sys/types.h>

typedef struct vmem vmem_t;
typedef uintptr_t vmem_addr_t;
typedef size_t vmem_size_t;
typedef unsigned int vm_flag_t;
#endif
