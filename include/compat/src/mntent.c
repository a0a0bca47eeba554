/* SPDX-License-Identifier: BSD-2-Clause */
/* mntent.h. A table of mounts becomes a file in memory, so that all tables are read alike. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "mntent.h"

void
dmcompat_write_field(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		if (strchr(" \t\n\\", *text) != NULL)
			fprintf(out, "\\%03o", (unsigned int)(unsigned char)*text);
		else
			putc(*text, out);
	putc(' ', out);
}

static FILE *
mounts_of_now(void)
{
	FILE *out, *in = NULL;
	char *text = NULL;
	size_t length = 0;

	if ((out = open_memstream(&text, &length)) == NULL)
		return NULL;
	if (dmcompat_write_mounts(out) == -1) {
		fclose(out);
		free(text);
		return NULL;
	}
	/* fmemopen() with a buffer of its own, which goes with the stream. */
	if (fclose(out) == 0 && length > 0 && (in = fmemopen(NULL, length + 1, "w+")) != NULL) {
		if (fwrite(text, 1, length, in) != length || fflush(in) != 0) {
			fclose(in);
			in = NULL;
		} else
			rewind(in);
	}
	free(text);
	return in;
}

FILE *
setmntent(const char *name, const char *mode)
{
	static const char *const tables[] = { MOUNTED, "/proc/mounts", "/proc/self/mounts", "/etc/mnttab" };
	size_t i;

	for (i = 0; i < sizeof tables / sizeof *tables; i++)
		if (strcmp(name, tables[i]) == 0) {
			if (mode[0] != 'r' || strchr(mode, '+') != NULL) {
				errno = EACCES;
				return NULL;
			}
			return mounts_of_now();
		}
	return fopen(name, mode);
}

/* Takes the next word from `*rest`, in place, with \ooo made characters. NULL when there is none. */
static char *
word(char **rest)
{
	char *from = *rest + strspn(*rest, " \t"), *to = from, *start = from;

	if (*from == '\0' || *from == '#')
		return NULL;
	while (*from != '\0' && *from != ' ' && *from != '\t') {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
		    from[3] >= '0' && from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else
			*to++ = *from++;
	}
	*rest = *from == '\0' ? from : from + 1;
	*to = '\0';
	return start;
}

struct mntent *
getmntent(FILE *table)
{
	static struct mntent entry;
	static char *line;
	static size_t size;
	static char none[1];
	ssize_t length;

	while ((length = getline(&line, &size, table)) != -1) {
		char *rest = line, *number;

		if (length > 0 && line[length - 1] == '\n')
			line[length - 1] = '\0';
		if ((entry.mnt_fsname = word(&rest)) == NULL || (entry.mnt_dir = word(&rest)) == NULL ||
		    (entry.mnt_type = word(&rest)) == NULL)
			continue;
		if ((entry.mnt_opts = word(&rest)) == NULL)
			entry.mnt_opts = none;
		entry.mnt_freq = (number = word(&rest)) == NULL ? 0 : atoi(number);
		entry.mnt_passno = (number = word(&rest)) == NULL ? 0 : atoi(number);
		return &entry;
	}
	return NULL;
}

int
endmntent(FILE *table)
{
	if (table != NULL)
		fclose(table);
	return 1;
}

char *
hasmntopt(const struct mntent *entry, const char *name)
{
	size_t length = strlen(name);
	char *option = entry->mnt_opts;

	while (*option != '\0') {
		if (strncmp(option, name, length) == 0 &&
		    (option[length] == '\0' || option[length] == ',' || option[length] == '='))
			return option;
		option += strcspn(option, ",");
		option += *option == ',';
	}
	return NULL;
}
