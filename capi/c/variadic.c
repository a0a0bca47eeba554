/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What stable Rust cannot define: functions with a variable number of arguments. Everything else is in Rust; the two
 * callback pointers and the functions that set them are in src/log.rs.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

/* Messages that pass from one style of callback to the other are cut to this many bytes, NUL included. */
#define FORWARD_SIZE (2 * PATH_MAX + 256)

#define LEVEL_MASK 0x07
#define LEVEL_ERROR 3
#define LEVEL_WARN 4
#define TO_STDERR 0x80

typedef void old_style_fn(int level, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
typedef void new_style_fn(int level, const char *file, int line, int errno_or_class, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* The current callbacks, defined in Rust. Clients may COPY-relocate them, so they are reached through the GOT. */
extern old_style_fn *dm_log;
extern new_style_fn *dm_log_with_errno;

old_style_fn dm_shim_default_old, dm_shim_forward_old;
new_style_fn dm_shim_default_new, dm_shim_forward_new;
void dm_shim_set_verbose(int level);
int dm_asprintf(char **result, const char *format, ...) __attribute__((format(printf, 2, 3)));
int dm_vasprintf(char **result, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
int dm_snprintf(char *buf, size_t bufsize, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int verbose;

void dm_shim_set_verbose(int level)
{
	verbose = level;
}

/* Whether an environment variable is there and is not exactly "0"; looked up once. */
static int env_is_set(const char *name, int *cached)
{
	const char *value;

	if (*cached < 0) {
		value = getenv(name);
		*cached = value && strcmp(value, "0");
	}
	return *cached;
}

static void __attribute__((format(printf, 4, 0)))
default_log(int level, const char *file, int line, const char *format, va_list args)
{
	static int with_line_numbers = -1, abort_on_internal = -1;
	int severity = level & LEVEL_MASK;
	FILE *stream = (severity <= LEVEL_ERROR || (level & TO_STDERR)) ? stderr : stdout;

	if (severity <= LEVEL_WARN || verbose) {
		if (env_is_set("DM_DEBUG_WITH_LINE_NUMBERS", &with_line_numbers))
			fprintf(stream, "%s:%d     ", file, line);
		vfprintf(stream, format, args);
		fputc('\n', stream);
	}
	/* Also if it was not shown. */
	if (!strncmp(format, "Internal error: ", 16) && env_is_set("DM_ABORT_ON_INTERNAL_ERRORS", &abort_on_internal))
		abort();
}

/* The default of the old style. */
void dm_shim_default_old(int level, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	default_log(level, file, line, format, args);
	va_end(args);
}

/* The default of the new style. */
void dm_shim_default_new(int level, const char *file, int line, int errno_or_class, const char *format, ...)
{
	va_list args;

	(void) errno_or_class;
	va_start(args, format);
	default_log(level, file, line, format, args);
	va_end(args);
}

/* dm_log while a callback of the new style is installed. */
void dm_shim_forward_old(int level, const char *file, int line, const char *format, ...)
{
	char text[FORWARD_SIZE];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0)
		dm_log_with_errno(level, file, line, 0, "%s", text);
}

/* dm_log_with_errno while a callback of the old style is installed. */
void dm_shim_forward_new(int level, const char *file, int line, int errno_or_class, const char *format, ...)
{
	char text[FORWARD_SIZE];
	va_list args;
	int n;

	(void) errno_or_class;
	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0)
		dm_log(level, file, line, "%s", text);
}

int dm_vasprintf(char **result, const char *format, va_list args)
{
	int n;

	if (!result || !format) {
		dm_log_with_errno(LEVEL_ERROR, __FILE__, __LINE__, -1, "Internal error: dm_vasprintf: Forbidden NULL parameter.");
		return -1;
	}
	n = vasprintf(result, format, args);
	if (n < 0 || n == INT_MAX) {
		if (n >= 0)
			free(*result);
		*result = NULL;
		return -1;
	}
	return n + 1;
}

int dm_asprintf(char **result, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = dm_vasprintf(result, format, args);
	va_end(args);
	return n;
}

int dm_snprintf(char *buf, size_t bufsize, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(buf, bufsize, format, args);
	va_end(args);
	return (n < 0 || (size_t) n >= bufsize) ? -1 : n;
}
