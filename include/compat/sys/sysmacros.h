/* SPDX-License-Identifier: BSD-2-Clause */
/* major(), minor(), makedev(). */
#include <sys/types.h>
