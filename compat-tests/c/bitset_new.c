/*
 * The list notation of bitsets with a least size: the default version, which Debian 12's library does not have.
 */
#include <libdevmapper.h>

int main(void)
{
	static const char *const lists[] = { "1-2,5-8", "70", "", "1,,2", "5-3", "0-32", "a", "0", "99", NULL };
	struct dm_pool *mem = dm_pool_create("bits", 100);
	size_t i, least;
	int b;

	for (i = 0; lists[i]; i++)
		for (least = 0; least <= 100; least += 50) {
			dm_bitset_t bits = dm_bitset_parse_list(lists[i], least % 100 ? NULL : mem, least);

			printf("[%s] %zu:", lists[i], least);
			if (!bits) {
				printf(" refused\n");
				continue;
			}
			for (b = dm_bit_get_first(bits); b >= 0; b = dm_bit_get_next(bits, b))
				printf(" %d", b);
			printf(" of %u\n", bits[0]);
			if (least % 100)
				dm_bitset_destroy(bits);
		}
	dm_pool_destroy(mem);
	return 0;
}
