/* Sizes and percentages: the examples of the interface and many generated ones. */
#include <libdevmapper.h>
#include "log.h"

static uint64_t seed = 1;

static uint64_t random_number(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 11) >> (seed >> 59);
}

static void factor(const char *text, int strict)
{
	const char *end = NULL;
	char unit = '#';
	uint64_t r = dm_units_to_factor(text, &unit, strict, &end);

	printf("'%s' %d: %" PRIu64 " %d +%d\n", text, strict, r, unit, (int)(end - text));
}

int main(void)
{
	static const char *texts[] = {
		"k", "K", "8k", "8K", "1k", "1.0k", "1.5k", "0.5M", "0k", "2.5s", "0.1b", "1e3k", "1e-3k", "3e", "3E", "3e2", "16e", "20E",
		"18446744073709551615b", "4h", "2r", "H", "R", "kb", "m ", "12ab", "5", "5x", "8u", "U", "x", "u", "-1k", "+1k", ".5k",
		" 1k", "", "0x10k", "0x1p4k", "1.k", "1.5.5k", "1,5k", "00001k", "1.99999999999999999999k", "1.0000001g", "0.9999g",
		"infk", "nank", "1 k", "10.25t", "3.1p", "99999.5b", "4.4e", "1.25E", "0h", "7R", "1s", "1S", "1B", "9007199254740993b",
		"9007199254740993k", "1b\n", NULL };
	static const char letters[] = "bBsSkKmMgGtTpPeEhHrRuUx";
	struct dm_pool *mem = dm_pool_create("sizes", 1024);
	uint64_t size;
	unsigned i, k;
	int si, suffix, style;
	char unit;

	dm_log_with_errno_init(log_all);
	for (i = 0; texts[i]; i++)
		for (k = 0; k < 2; k++)
			factor(texts[i], (int) k);
	printf("%" PRIu64 "\n", dm_units_to_factor("1.5k", &unit, 1, NULL));

	for (size = 0; size < 6; size++)
		for (i = 0; letters[i]; i++)
			for (si = 0; si < 2; si++)
				for (suffix = 0; suffix < 2; suffix++)
					for (style = 0; style < 3; style++)
						printf("%" PRIu64 " %c %d %d %d '%s'\n", size * size * size * 1000, letters[i], si, suffix, style,
						       dm_size_to_string(mem, size * size * size * 1000, letters[i], si, 0, suffix, (dm_size_suffix_t) style));
	for (k = 0; k < 20000; k++) {
		size = random_number();
		i = random_number() % (sizeof(letters) - 1);
		printf("%" PRIu64 " %c %s %s %s %s\n", size, letters[i], dm_size_to_string(mem, size, letters[i], 1, 0, 1, DM_SIZE_UNIT),
		       dm_size_to_string(mem, size, 'r', 1, 0, 1, DM_SIZE_SHORT), dm_size_to_string(mem, size, 'R', k & 1, 0, 1, DM_SIZE_UNIT),
		       dm_size_to_string(mem, size, 'u', 1, 1 + random_number() % 10000, 1, DM_SIZE_UNIT));
	}
	/* near the borders of units and of two decimals */
	for (i = 0; i < 60; i++)
		for (k = 0; k < 40; k++) {
			size = (UINT64_C(1) << i) + k - 20;
			printf("%" PRIu64 " %s %s %s\n", size, dm_size_to_string(mem, size, 'r', 1, 0, 1, DM_SIZE_SHORT),
			       dm_size_to_string(mem, size, 'R', 1, 0, 1, DM_SIZE_SHORT), dm_size_to_string(mem, size, 'h', 0, 0, 1, DM_SIZE_LONG));
		}
	for (size = 0; size < 5000; size++)
		printf("%s %s\n", dm_size_to_string(mem, 2097152 + size * 1049, 'r', 1, 0, 1, DM_SIZE_UNIT), dm_size_to_string(mem, size, 'r', 1, 0, 1, DM_SIZE_UNIT));

	for (k = 0; k < 20000; k++) {
		uint64_t a = random_number(), b = k & 1 ? a + random_number() % 1000 : random_number();
		dm_percent_t p;

		if (b && a / b > 20)
			continue;
		p = dm_make_percent(a, b);
		printf("%d %.9g", p, dm_percent_to_float(p));
		for (i = 0; i < 12; i++)
			printf(" %.9g", dm_percent_to_round_float(p, i));
		printf("\n");
	}
	for (k = 0; k < 400; k++) {
		dm_percent_t p = k < 200 ? (int) k - 5 : DM_PERCENT_100 - 195 + (int) (k - 200);

		printf("%d %.9g", p, dm_percent_to_float(p));
		for (i = 0; i < 12; i++)
			printf(" %.9g", dm_percent_to_round_float(p, i));
		printf("\n");
	}
	dm_pool_destroy(mem);
	return 0;
}
