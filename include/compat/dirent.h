/* SPDX-License-Identifier: BSD-2-Clause */
/* dirent.h with versionsort(3) of GNU. */
#ifndef DMCOMPAT_DIRENT_H
#define DMCOMPAT_DIRENT_H

#include_next <dirent.h>

__BEGIN_DECLS
/* For scandir(3): orders names as people number things, lvm2 before lvm10. */
int versionsort(const struct dirent **, const struct dirent **);
__END_DECLS

#endif
