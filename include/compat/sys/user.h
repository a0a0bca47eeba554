/* SPDX-License-Identifier: BSD-2-Clause */
/* Only PAGE_SIZE and the like are wanted of Linux's. */
#include <sys/param.h>
