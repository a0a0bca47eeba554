/* Bitsets: every function on many sizes, padding included; the list notation through its oldest version, which the
 * reference of this machine has. */
#define _GNU_SOURCE
#include <libdevmapper.h>
#include <dlfcn.h>

static void show(const char *what, dm_bitset_t bs)
{
	int b;

	printf("%s N=%u {", what, bs[0]);
	for (b = dm_bit_get_first(bs); b >= 0; b = dm_bit_get_next(bs, b))
		printf(" %d", b);
	printf(" } back {");
	for (b = dm_bit_get_last(bs); b >= 0; b = dm_bit_get_prev(bs, b))
		printf(" %d", b);
	printf(" }\n");
}

int main(void)
{
	static const char *lists[] = {
		"", ",", " ", "0", "1-2,5-8", "70", "1,", ",1", "1\n", "1,,2", "1 ,2", " 1 , 2 ", "3-3", "0-31", "0-32", "31,32,33",
		"5-3", "-3", "3-", "1-2-3", "a", "1 2", "3 - 5", "1 -3", "1- 3", "1,a", "1-2x", "--", "007", "10-20,15-25,3", "\t9", NULL };
	dm_bitset_t (*parse)(const char *str, struct dm_pool *mem) =
		(dm_bitset_t (*)(const char *, struct dm_pool *)) dlvsym(RTLD_DEFAULT, "dm_bitset_parse_list", "DM_1_02_129");
	struct dm_pool *mem = dm_pool_create("bits", 100);
	unsigned sizes[] = { 0, 1, 31, 32, 33, 63, 64, 65, 100 }, i, k;

	for (i = 0; i < DM_ARRAY_SIZE(sizes); i++) {
		unsigned n = sizes[i];
		dm_bitset_t a = dm_bitset_create(NULL, n), b = dm_bitset_create(mem, n), c = dm_bitset_create(mem, n);

		show("new", a);
		for (k = 0; k < n; k += 3)
			dm_bit_set(a, k);
		for (k = 0; k < n; k += 5)
			dm_bit_set(b, k);
		show("threes", a);
		dm_bit_and(c, a, b);
		show("and", c);
		dm_bit_union(c, a, b);
		show("union", c);
		printf("equal %d %d %d\n", dm_bitset_equal(a, b), dm_bitset_equal(a, a), dm_bitset_equal(c, b));
		dm_bit_copy(b, a);
		printf("equal %d\n", dm_bitset_equal(a, b));
		dm_bit_and(a, a, c);
		dm_bit_union(b, b, b);
		printf("equal %d\n", dm_bitset_equal(a, b));
		dm_bit_set_all(a);
		show("all", a);
		for (k = 0; k <= n + 1; k++)
			printf("%d ", dm_bit_get_next(a, (int) k - 1));
		printf("%d %d %d\n", dm_bit_get_prev(a, 0), dm_bit_get_prev(a, 1), dm_bit_get_next(a, -1));
		dm_bit_clear_all(a);
		show("none", a);
		dm_bitset_destroy(a);
	}
	dm_bitset_destroy(NULL);
	for (i = 0; lists[i]; i++) {
		dm_bitset_t bs = parse(lists[i], i & 1 ? mem : NULL);

		printf("%u '%s' ", i, lists[i]);
		if (bs)
			show("", bs);
		else
			puts("NULL");
		if (!(i & 1))
			dm_bitset_destroy(bs);
	}
	dm_pool_destroy(mem);
	return 0;
}
