/* SPDX-License-Identifier: BSD-2-Clause */
/* fcntl.h with Linux's O_NOATIME, which here is nothing. */
#ifndef DMCOMPAT_FCNTL_H
#define DMCOMPAT_FCNTL_H

#include_next <fcntl.h>

#ifndef O_NOATIME
#define O_NOATIME 0
#endif

#endif
