/* 10 million small allocations from pools; objects that grow. */
#include "bench.h"

int main(void)
{
	struct dm_pool *mem = dm_pool_create("bench", 1024);
	int i, j;
	void *first;

	bench_begin();
	for (i = 0; i < 10000000; i++) {
		char *p = dm_pool_alloc(mem, i % 48 + 1);
		*p = (char) i;
	}
	bench_end("pool alloc");
	dm_pool_empty(mem);
	bench_end("pool empty");
	for (i = 0; i < 1000000; i++)
		bench_check(dm_pool_zalloc(mem, 40) && dm_pool_strdup(mem, "a short string"), "strdup");
	bench_end("pool zalloc and strdup");
	for (i = 0; i < 100000; i++) {
		bench_check(dm_pool_begin_object(mem, 16), "begin");
		for (j = 0; j < 20; j++)
			bench_check(dm_pool_grow_object(mem, "some bytes", 10), "grow");
		bench_check(dm_pool_end_object(mem) != NULL, "end");
	}
	bench_end("pool objects");
	for (i = 0; i < 1000000; i++) {
		first = dm_pool_alloc(mem, 24);
		bench_check(first && dm_pool_alloc(mem, 24), "alloc");
		dm_pool_free(mem, first);
	}
	bench_end("pool alloc and free");
	dm_pool_destroy(mem);
	for (i = 0; i < 200000; i++) {
		mem = dm_pool_create("short", 512);
		bench_check(dm_pool_alloc(mem, 100) != NULL, "alloc");
		dm_pool_destroy(mem);
	}
	bench_end("pool create and destroy");
	return bench_finish();
}
