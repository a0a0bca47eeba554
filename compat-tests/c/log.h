/* Log functions of the programs: what of the library's messages is part of the output. */
#ifndef COMPAT_LOG_H
#define COMPAT_LOG_H
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOG_UNUSED __attribute__((unused))

/* Every message but backtraces, with its level as it came. */
static LOG_UNUSED void log_all(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	char text[512];
	va_list ap;

	(void) file;
	(void) line;
	(void) errno_or_class;
	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	if (strcmp(text, "<backtrace>"))
		printf("[%d %s]\n", level, text);
}

/* Errors and warnings: level, flags, errno or class, text. */
static LOG_UNUSED void log_problems(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	va_list ap;

	(void) file;
	(void) line;
	if ((level & 7) > 4)
		return;
	printf("  log %d/%#x/%d: ", level & 7, (unsigned) level & ~7U, errno_or_class);
	va_start(ap, f);
	vprintf(f, ap);
	va_end(ap);
	printf("\n");
}

/* That there was an error; releases word it differently. */
static LOG_UNUSED void log_errors(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	(void) file;
	(void) line;
	(void) errno_or_class;
	(void) f;
	if ((level & 7) <= 3)
		printf("  error\n");
}
#endif
