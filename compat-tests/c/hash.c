/* Hash tables: string and binary keys, several values, iteration (order is not specified, so it is not shown). */
#include <libdevmapper.h>

static unsigned sum;

static void add(void *data)
{
	sum += (unsigned)(uintptr_t) data;
}

static struct dm_hash_table *shrinking;

static void remove_self(void *data)
{
	dm_hash_remove(shrinking, data);
}

int main(void)
{
	struct dm_hash_table *t = dm_hash_create(10);
	struct dm_hash_node *n;
	char names[300][16];
	unsigned k, bad = 0;
	uint64_t key;
	int count = 7;

	for (k = 1; k < 1000; k++) {
		key = (uint64_t) k * k;
		bad += !dm_hash_insert_binary(t, &key, k % 8 + 1, (void *)(uintptr_t) k);
	}
	printf("%u bad %u\n", dm_hash_get_num_entries(t), bad);
	for (k = 1; k < 1000; k += 37) {
		key = (uint64_t) k * k;
		printf("%zu ", (size_t) dm_hash_lookup_binary(t, &key, k % 8 + 1));
	}
	dm_hash_iter(t, add);
	printf("%u\n", sum);
	key = 0;
	printf("%p ", dm_hash_lookup_binary(t, &key, 0));
	dm_hash_insert_binary(t, &key, 0, &sum);
	printf("%d ", dm_hash_lookup_binary(t, &key, 0) == &sum);
	dm_hash_remove_binary(t, "nothing", 7);
	dm_hash_remove_binary(t, &key, 0);
	printf("%u\n", dm_hash_get_num_entries(t));
	dm_hash_wipe(t);
	printf("%u %p\n", dm_hash_get_num_entries(t), (void *) dm_hash_get_first(t));

	/* strings include their NUL */
	dm_hash_insert(t, "one", "1");
	dm_hash_insert(t, "two", NULL);
	dm_hash_insert(t, "one", "first");
	dm_hash_insert_binary(t, "one", 3, "no NUL");
	printf("%u %s %s %s %p\n", dm_hash_get_num_entries(t), (char *) dm_hash_lookup(t, "one"),
	       (char *) dm_hash_lookup_binary(t, "one", 4), (char *) dm_hash_lookup_binary(t, "one", 3), dm_hash_lookup(t, "two"));
	dm_hash_remove_binary(t, "one", 3);
	k = 0;
	dm_hash_iterate(n, t) {
		const char *name = dm_hash_get_key(t, n);
		k += !strcmp(name, "one") && !strcmp(dm_hash_get_data(t, n), "first") ? 1 : !strcmp(name, "two") ? 10 : 100;
	}
	printf("%u\n", k);
	dm_hash_remove(t, "none");
	dm_hash_remove(t, "one");
	printf("%p\n", dm_hash_lookup(t, "one"));
	dm_hash_destroy(t);

	/* several values */
	t = dm_hash_create(0);
	printf("%d%d%d", dm_hash_insert_allow_multiple(t, "k", "v1", 3), dm_hash_insert_allow_multiple(t, "k", "v2", 3),
	       dm_hash_insert_allow_multiple(t, "k", "v1", 3));
	printf(" %u", dm_hash_get_num_entries(t));
	printf(" %s", (char *) dm_hash_lookup_with_count(t, "k", &count));
	printf(" %d", count);
	printf(" %s %p", (char *) dm_hash_lookup_with_val(t, "k", "v2", 3), dm_hash_lookup_with_val(t, "k", "v2", 2));
	dm_hash_remove_with_val(t, "k", "v1", 3);
	dm_hash_remove_with_val(t, "k", "v9", 3);
	printf(" %s", (char *) dm_hash_lookup_with_count(t, "k", &count));
	printf(" %d", count);
	printf(" %p", dm_hash_lookup_with_count(t, "none", &count));
	printf(" %d\n", count);
	dm_hash_destroy(t);

	/* entries that remove themselves */
	shrinking = dm_hash_create(16);
	for (k = 0; k < 300; k++) {
		sprintf(names[k], "name %u", k);
		dm_hash_insert(shrinking, names[k], names[k]);
	}
	dm_hash_iter(shrinking, remove_self);
	printf("%u\n", dm_hash_get_num_entries(shrinking));
	dm_hash_destroy(shrinking);
	return 0;
}
