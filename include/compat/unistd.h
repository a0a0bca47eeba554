/* SPDX-License-Identifier: BSD-2-Clause */
/* unistd.h with `environ`, which glibc declares there. */
#ifndef DMCOMPAT_UNISTD_H
#define DMCOMPAT_UNISTD_H

#include_next <unistd.h>

extern char **environ;

#endif
