/* Pools: content, alignment, stack order, growing objects, locks. Addresses are not shown, only what is promised. */
#include <libdevmapper.h>

static void log_fn(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	char text[512], *p;
	va_list ap;

	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	if (!strcmp(f, "<backtrace>") || !strcmp(text, "<backtrace>"))
		return;
	/* Sizes with the allocator's own overhead differ. */
	if ((p = strstr(text, "(size ")) || (p = strstr(text, "Requested ")))
		*p = 0;
	printf("[%d %d %s]\n", level, errno_or_class, text);
}

int main(void)
{
	struct dm_pool *p;
	char *s[2000], *t;
	unsigned k, bad = 0;

	dm_log_with_errno_init(log_fn);
	p = dm_pool_create("test", 16);
	printf("%d\n", p != NULL);
	dm_pool_empty(p);
	for (k = 0; k < 2000; k++) {
		s[k] = dm_pool_alloc(p, k);
		if ((uintptr_t) s[k] % 8)
			bad++;
		memset(s[k], (int) k, k);
	}
	for (k = 0; k < 2000; k++) {
		unsigned i;
		for (i = 0; i < k; i++)
			if ((unsigned char) s[k][i] != (unsigned char) k)
				bad++;
	}
	printf("bad %u\n", bad);
	dm_pool_free(p, s[10]);
	for (k = 0; k < 10; k++)
		if (k && (unsigned char) s[k][k - 1] != k)
			bad++;
	printf("bad %u\n", bad);
	t = dm_pool_zalloc(p, 100);
	for (k = 0; k < 100; k++)
		bad += t[k] != 0;
	printf("bad %u\n", bad);
	printf("%s %s %s|%s\n", dm_pool_strdup(p, "abc"), dm_pool_strndup(p, "abcdef", 3), dm_pool_strndup(p, "ab", 10),
	       dm_pool_strndup(p, "ab", 0));
	printf("%d\n", dm_pool_alloc(p, 0) != NULL);
	for (k = 1; k <= 4096; k <<= 1)
		if ((uintptr_t) dm_pool_alloc_aligned(p, 3, k) % k)
			bad++;
	printf("bad %u\n", bad);

	/* one object */
	printf("%d", dm_pool_begin_object(p, 1));
	for (k = 0; k < 5000; k++) {
		char piece[16];
		sprintf(piece, "%010u", k);
		bad += !dm_pool_grow_object(p, piece, k & 1 ? 0 : 10);
	}
	bad += !dm_pool_grow_object(p, "", 0);
	bad += !dm_pool_grow_object(p, "\0", 1);
	t = dm_pool_end_object(p);
	printf(" %zu %.20s %s bad %u\n", strlen(t), t, t + 49990, bad);
	if (!dm_pool_begin_object(p, 10) || !dm_pool_grow_object(p, "xyz", 0))
		return 1;
	dm_pool_abandon_object(p);
	if (!dm_pool_begin_object(p, 0))
		return 1;
	printf("%d\n", dm_pool_end_object(p) != NULL);

	/* too much */
	printf("%d\n", dm_pool_alloc(p, 50000001) == NULL);
	printf("%d\n", dm_pool_begin_object(p, 60000000));

	/* locks */
	printf("%d %d %d\n", dm_pool_locked(p), dm_pool_lock(p, 1), dm_pool_locked(p));
	printf("%d\n", dm_pool_lock(p, 1));
	printf("%d %d\n", dm_pool_unlock(p, 1), dm_pool_locked(p));
	printf("%d\n", dm_pool_unlock(p, 1));
	printf("%d\n", dm_pool_lock(p, 1));
	t[0]++;
	s[1][0]++;
	printf("%d %d\n", dm_pool_unlock(p, 1), dm_pool_locked(p));
	printf("%d", dm_pool_lock(p, 0));
	printf("%d\n", dm_pool_unlock(p, 0));
	dm_pool_empty(p);
	printf("%s\n", dm_pool_strdup(p, "again"));
	dm_pool_destroy(p);
	return 0;
}
