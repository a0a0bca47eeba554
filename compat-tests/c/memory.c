/*
 * The memory functions: those behind the header's macros, and the old debugging set, which no header declares.
 */
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#undef dm_dump_memory

void *dm_malloc_aux(size_t s, const char *file, int line);
void *dm_zalloc_aux(size_t s, const char *file, int line);
void *dm_malloc_aux_debug(size_t s, const char *file, int line);
void *dm_zalloc_aux_debug(size_t s, const char *file, int line);
void *dm_realloc_aux(void *p, unsigned int s, const char *file, int line);
char *dm_strdup_aux(const char *str, const char *file, int line);
void dm_free_aux(void *p);
int dm_dump_memory_debug(void);
void dm_bounds_check_debug(void);

static void count(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if ((level & 7) <= 3)
		printf("  error: %.30s\n", text);
}

static int zeros(const char *p, size_t n)
{
	while (n && !p[n - 1])
		n--;
	return !n;
}

static void plain(void)
{
	char *p;
	static const size_t aligns[] = { 0, 8, 64, 4096, 65536 };

	p = dm_malloc_wrapper(100, __FILE__, __LINE__);
	memset(p, 'x', 100);
	p = dm_realloc_wrapper(p, 1000, __FILE__, __LINE__);
	printf("realloc keeps %d\n", p[0] == 'x' && p[99] == 'x');
	dm_free_wrapper(p);
	dm_free_wrapper(NULL);
	p = dm_realloc_wrapper(NULL, 10, __FILE__, __LINE__);
	printf("realloc of nothing %d\n", p != NULL);
	free(p);
	p = dm_zalloc_wrapper(5000, __FILE__, __LINE__);
	printf("zalloc %d\n", zeros(p, 5000));
	free(p);
	p = dm_strdup_wrapper("text", __FILE__, __LINE__);
	printf("strdup %s\n", p);
	free(p);
	p = malloc(10);
	dm_free_wrapper(p);
	for (size_t i = 0; i < sizeof(aligns) / sizeof(*aligns); i++) {
		p = dm_malloc_aligned_wrapper(100, aligns[i], __FILE__, __LINE__);
		printf("aligned %zu: %d\n", aligns[i], (uintptr_t) p % (aligns[i] ? aligns[i] : (size_t) getpagesize()) == 0);
		dm_free_wrapper(p);
	}
	printf("refused %d %d %d %d\n", dm_malloc_wrapper(50000001, __FILE__, __LINE__) == NULL,
	       dm_zalloc_wrapper(50000001, __FILE__, __LINE__) == NULL,
	       dm_malloc_aligned_wrapper(50000001, 8, __FILE__, __LINE__) == NULL, dm_malloc_aux(50000001, __FILE__, __LINE__) == NULL);
	p = dm_malloc_wrapper(50000000, __FILE__, __LINE__);
	printf("allowed %d\n", p != NULL);
	free(p);
	p = dm_malloc_aux(10, __FILE__, __LINE__);
	dm_free_wrapper(p);
	p = dm_zalloc_aux(300, __FILE__, __LINE__);
	printf("zalloc_aux %d\n", zeros(p, 300));
	dm_free_wrapper(p);
	printf("dump %d\n", dm_dump_memory_wrapper());
	dm_bounds_check_wrapper();
}

static void debugging(void)
{
	char *blocks[20];
	int i, status;

	for (i = 0; i < 20; i++) {
		blocks[i] = i % 2 ? dm_zalloc_aux_debug(i * 10, "file.c", i) : dm_malloc_aux_debug(i * 10, "file.c", i);
		printf("%d%s", blocks[i] != NULL, i % 2 && !zeros(blocks[i], i * 10) ? " not zero" : "");
		memset(blocks[i], 'a' + i, i * 10);
	}
	dm_bounds_check_debug();
	for (i = 0; i < 20; i += 3)
		blocks[i] = dm_realloc_aux(blocks[i], i * 10 + 100, "file.c", 100);
	for (i = 0; i < 20; i++)
		printf(" %d", !i || (blocks[i][0] == 'a' + i && blocks[i][i * 10 - 1] == 'a' + i));
	printf("\n");
	dm_bounds_check_debug();
	for (i = 0; i < 20; i += 2)
		dm_free_aux(blocks[i]);
	dm_bounds_check_debug();
	for (i = 1; i < 20; i += 2)
		dm_free_aux(blocks[i]);
	dm_free_aux(NULL);
	blocks[0] = dm_strdup_aux("some text", "file.c", 1);
	printf("%s\n", blocks[0]);
	dm_free_aux(blocks[0]);
	printf("strdup of nothing %d\n", dm_strdup_aux(NULL, "file.c", 2) == NULL);
	printf("too much %d\n", dm_malloc_aux_debug(50000001, "file.c", 3) == NULL);
	printf("dump %d\n", dm_dump_memory_debug());
	fflush(stdout);
	if (!fork()) {
		close(1);
		close(2);
		blocks[0] = dm_malloc_aux_debug(10, "file.c", 4);
		memset(blocks[0], 0x55, 11);
		dm_free_aux(blocks[0]);
		_exit(0);
	}
	wait(&status);
	printf("a block with a damaged end: signal %d status %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 0);
}

int main(void)
{
	dm_log_with_errno_init(count);
	plain();
	debugging();
	return 0;
}
