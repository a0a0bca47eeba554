/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stdio.h with standard streams that can be assigned, as glibc's.
 *
 * NetBSD's are addresses of its own, so here they are variables, and what writes to or reads from a standard stream
 * without naming it goes through them.
 */
#ifndef DMCOMPAT_STDIO_H
#define DMCOMPAT_STDIO_H

#include_next <stdio.h>
#include <sys/cdefs.h>

__BEGIN_DECLS
/* Weak, so that a program that only includes this header needs no library for it. */
__attribute__((weak)) FILE *dmcompat_stdin = stdin;
__attribute__((weak)) FILE *dmcompat_stdout = stdout;
__attribute__((weak)) FILE *dmcompat_stderr = stderr;
__END_DECLS

#undef stdin
#undef stdout
#undef stderr
#define stdin dmcompat_stdin
#define stdout dmcompat_stdout
#define stderr dmcompat_stderr

#undef getchar
#undef putchar
#define getchar() getc(stdin)
#define putchar(c) putc(c, stdout)
#define printf(...) fprintf(stdout, __VA_ARGS__)
#define vprintf(format, arguments) vfprintf(stdout, format, arguments)
#define scanf(...) fscanf(stdin, __VA_ARGS__)

static __inline int
dmcompat_puts(const char *text)
{
	return fputs(text, stdout) == EOF || putc('\n', stdout) == EOF ? EOF : 0;
}
#define puts(text) dmcompat_puts(text)

#endif
