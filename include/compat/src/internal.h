/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DMCOMPAT_INTERNAL_H
#define DMCOMPAT_INTERNAL_H

#include <stdio.h>

/* Writes the mounts of now as lines of a table. 0, or -1 with errno. */
int dmcompat_write_mounts(FILE *out);
/* Writes one word of such a line and a space, with spaces, tabs, line ends and backslashes as \ooo. */
void dmcompat_write_field(FILE *out, const char *text);

#endif
