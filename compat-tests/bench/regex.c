/* A regular expression of 1,000 patterns, as a long list of device filters. */
#include "bench.h"

#define PATTERNS 1000
#define PATHS 100000

int main(void)
{
	static char patterns[PATTERNS][64];
	static char paths[1000][64];
	const char *list[PATTERNS];
	struct dm_pool *mem = dm_pool_create("regex", 10 * 1024);
	struct dm_regex *regex;
	int i, matched = 0;

	for (i = 0; i < PATTERNS; i++) {
		switch (i % 4) {
		case 0: snprintf(patterns[i], sizeof(patterns[i]), "^/dev/sd[a-z]%d$", i); break;
		case 1: snprintf(patterns[i], sizeof(patterns[i]), "^/dev/mapper/mpath%d", i); break;
		case 2: snprintf(patterns[i], sizeof(patterns[i]), "^/dev/disk/by-id/(scsi|wwn)-0x%04x", i * 31); break;
		case 3: snprintf(patterns[i], sizeof(patterns[i]), "^/dev/nvme%dn[0-9]+(p[0-9]+)?$", i); break;
		}
		list[i] = patterns[i];
	}
	for (i = 0; i < 1000; i++) {
		unsigned n = bench_random() % 1000;
		switch (i % 5) {
		case 0: snprintf(paths[i], sizeof(paths[i]), "/dev/sd%c%u", 'a' + n % 26, n); break;
		case 1: snprintf(paths[i], sizeof(paths[i]), "/dev/mapper/mpath%up1", n); break;
		case 2: snprintf(paths[i], sizeof(paths[i]), "/dev/disk/by-id/wwn-0x%04xabcdef", n * 31); break;
		case 3: snprintf(paths[i], sizeof(paths[i]), "/dev/nvme%un1p%u", n, n % 10); break;
		case 4: snprintf(paths[i], sizeof(paths[i]), "/dev/other/%u", n); break;
		}
	}
	bench_begin();
	regex = dm_regex_create(mem, list, PATTERNS);
	bench_check(regex != NULL, "create");
	bench_end("regex create");
	for (i = 0; i < 1000; i++)
		matched += dm_regex_match(regex, paths[i]) >= 0;
	bench_end("regex match first 1,000");
	for (i = 0; i < PATHS; i++)
		matched += dm_regex_match(regex, paths[i % 1000]) >= 0;
	bench_check(matched > 100, "match");
	bench_end("regex match 100,000 more");
	printf("%d\n", matched);
	dm_pool_destroy(mem);
	return bench_finish();
}
