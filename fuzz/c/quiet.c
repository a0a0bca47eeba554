/* SPDX-License-Identifier: BSD-2-Clause */

void fuzz_quiet(int level, const char *file, int line, int errno_or_class, const char *format, ...);

/* A log function that drops what it gets. Stable Rust cannot define one. */
void fuzz_quiet(int level, const char *file, int line, int errno_or_class, const char *format, ...)
{
	(void)level, (void)file, (void)line, (void)errno_or_class, (void)format;
}
