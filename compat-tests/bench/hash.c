/* A hash with 1,000,000 keys. */
#include "bench.h"

#define KEYS 1000000

int main(void)
{
	static char keys[KEYS][20];
	struct dm_hash_table *hash;
	struct dm_hash_node *node;
	int i, found = 0;

	for (i = 0; i < KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "LVM-%08x%u", bench_random(), i);
	bench_begin();
	hash = dm_hash_create(KEYS);
	bench_check(hash != NULL, "create");
	for (i = 0; i < KEYS; i++)
		bench_check(dm_hash_insert(hash, keys[i], &keys[i]), "insert");
	bench_end("hash insert");
	for (i = 0; i < KEYS; i++)
		found += dm_hash_lookup(hash, keys[(i * 7919LL) % KEYS]) != NULL;
	bench_check(found == KEYS, "lookup");
	bench_end("hash lookup");
	found = 0;
	dm_hash_iterate(node, hash)
		found += dm_hash_get_data(hash, node) != NULL;
	bench_check(found == KEYS, "iterate");
	bench_end("hash iterate");
	for (i = 0; i < KEYS; i += 2)
		dm_hash_remove(hash, keys[i]);
	bench_check(dm_hash_get_num_entries(hash) == KEYS / 2, "remove");
	bench_end("hash remove");
	dm_hash_destroy(hash);
	bench_end("hash destroy");
	return bench_finish();
}
