/* SPDX-License-Identifier: BSD-2-Clause */
/* string.h with GNU's strerror_r(3). */
#ifndef DMCOMPAT_STRING_H
#define DMCOMPAT_STRING_H

#include_next <string.h>

__BEGIN_DECLS
/* The text for an error number, in `buffer`, which holds `size` bytes. */
char *dmcompat_strerror_r(int error, char *buffer, size_t size);
/* Below 0, 0 or above: as people number things, lvm2 before lvm10. */
int strverscmp(const char *, const char *);
__END_DECLS

#define strerror_r(error, buffer, size) dmcompat_strerror_r(error, buffer, size)

#endif
