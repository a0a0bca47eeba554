/* SPDX-License-Identifier: BSD-2-Clause */
/* sys/wait.h which brings signal.h, as glibc's does. */
#ifndef DMCOMPAT_SYS_WAIT_H
#define DMCOMPAT_SYS_WAIT_H

#include_next <sys/wait.h>
#include <signal.h>

#endif
