/* oracle */
/*
 * What dm_stats_* and dm_histogram_* answer on a device that this program makes. stats_groups.out is what 1.02.205 printed
 * (1.02.185 aborts in it). Times and file layouts are not printed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"

#define DEVICE "dmstats-test"

/* Runs a command with the libraries of the system. */
static int run(const char *command)
{
	char line[512];

	fflush(stdout);
	snprintf(line, sizeof(line), "unset LD_LIBRARY_PATH; %s", command);
	return system(line);
}

/* What the kernel has. */
static void kernel(void)
{
	fflush(stdout);
	run("dmsetup message " DEVICE " 0 @stats_list | sed 's/^/  kernel /'");
}

static void clear_all(void)
{
	run("for i in $(dmsetup message " DEVICE " 0 @stats_list | cut -d: -f1); do dmsetup message " DEVICE " 0 @stats_delete $i; done");
}

static struct dm_stats *handle(const char *program)
{
	struct dm_stats *dms = dm_stats_create(program);

	if (!dms || !dm_stats_bind_name(dms, DEVICE))
		printf("  no handle\n");
	return dms;
}

static void number(const char *what, uint64_t n)
{
	if (n == UINT64_MAX)
		printf(" %s none", what);
	else
		printf(" %s %llu", what, (unsigned long long) n);
}

static void show_bounds(const char *text)
{
	struct dm_histogram *b = dm_histogram_bounds_from_string(text);
	int i;

	printf("bounds `%s`", text);
	if (!b) {
		printf(" NULL\n");
		return;
	}
	printf(" bins %d:", dm_histogram_get_nr_bins(b));
	for (i = 0; i < dm_histogram_get_nr_bins(b); i++)
		printf(" %llu-%llu", (unsigned long long) dm_histogram_get_bin_lower(b, i), (unsigned long long) dm_histogram_get_bin_upper(b, i));
	printf("\n");
	dm_histogram_bounds_destroy(b);
}

static void test_bounds(void)
{
	static const char *const texts[] = {
		"1", "1,2", "1ns,1us,1ms,1s", "10us,5ms", "1x", "1m", ",1", "18446744073709551615", "1ns", "0", "0,1", "100ms,200ms,1s", "a", "1,a", "-1",
	};
	static const uint64_t numbers[] = { 1000000, 2000000, 5000000000ULL, 0 }, none[] = { 0 };
	struct dm_histogram *b;
	size_t i;

	printf("---- bounds\n");
	/* empty entries and units that are left out are read differently on purpose */
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		show_bounds(texts[i]);
	b = dm_histogram_bounds_from_uint64(numbers);
	printf("from array: %d %llu %llu %llu\n", dm_histogram_get_nr_bins(b), (unsigned long long) dm_histogram_get_bin_upper(b, 0), (unsigned long long) dm_histogram_get_bin_width(b, 1),
	       (unsigned long long) dm_histogram_get_bin_lower(b, 2));
	dm_histogram_bounds_destroy(b);
	printf("empty array: %d\n", dm_histogram_bounds_from_uint64(none) ? 1 : 0);
	printf("NULL array: %d\n", dm_histogram_bounds_from_uint64(NULL) ? 1 : 0);
	dm_histogram_bounds_destroy(NULL);
}

static void test_handle(void)
{
	struct dm_stats *dms = dm_stats_create("prog");
	uint64_t id = 77;

	printf("---- handle\n");
	printf("interval %llu\n", (unsigned long long) dm_stats_get_sampling_interval_ns(dms));
	dm_stats_set_sampling_interval_ms(dms, 1500);
	printf("interval %llu %llu\n", (unsigned long long) dm_stats_get_sampling_interval_ns(dms), (unsigned long long) dm_stats_get_sampling_interval_ms(dms));
	dm_stats_set_sampling_interval_ns(dms, 1999999);
	printf("interval %llu %llu\n", (unsigned long long) dm_stats_get_sampling_interval_ns(dms), (unsigned long long) dm_stats_get_sampling_interval_ms(dms));
	printf("program %d %d %d %d\n", dm_stats_set_program_id(dms, 0, NULL), dm_stats_set_program_id(dms, 0, ""), dm_stats_set_program_id(dms, 1, ""), dm_stats_set_program_id(dms, 0, "other"));
	printf("counts %llu %llu %d %d %llu\n", (unsigned long long) dm_stats_get_nr_regions(dms), (unsigned long long) dm_stats_get_nr_groups(dms), dm_stats_region_present(dms, 0),
	       dm_stats_group_present(dms, 0), (unsigned long long) dm_stats_get_nr_areas(dms));
	printf("walk flags %d %d %d\n", dm_stats_walk_init(dms, 0x10), dm_stats_walk_init(dms, DM_STATS_WALK_ALL), dm_stats_walk_init(NULL, DM_STATS_WALK_ALL));
	printf("supports %d %d %d\n", dm_stats_driver_supports_precise(), dm_stats_driver_supports_histogram(), dm_message_supports_precise_timestamps());
	printf("bind %d %d %d %d\n", dm_stats_bind_devno(dms, 253, 0), dm_stats_bind_name(dms, DEVICE), dm_stats_bind_uuid(dms, "CRYPT-x"), dm_stats_bind_from_fd(dms, 0));
	dm_stats_destroy(dms);
	dm_stats_destroy(NULL);

	dms = handle("prog");
	printf("list nothing %d regions %llu\n", dm_stats_list(dms, NULL), (unsigned long long) dm_stats_get_nr_regions(dms));
	printf("populate nothing %d\n", dm_stats_populate(dms, NULL, DM_STATS_REGIONS_ALL));
	printf("delete nothing %d\n", dm_stats_delete_region(dms, 3));
	printf("clear nothing %d\n", dm_stats_clear_region(dms, 3));
	printf("print nothing %d\n", dm_stats_print_region(dms, 3, 0, 0, 0) ? 1 : 0);
	printf("group of nothing %d\n", dm_stats_create_group(dms, "0-1", NULL, &id));
	dm_stats_destroy(dms);

	dms = dm_stats_create("prog");
	dm_stats_bind_name(dms, "no-such-device");
	printf("no device: list %d create %d\n", dm_stats_list(dms, NULL), dm_stats_create_region(dms, &id, 0, 0, -1, 0, NULL, NULL, ""));
	dm_stats_destroy(dms);
}

static uint64_t create(struct dm_stats *dms, uint64_t start, uint64_t len, int64_t step, int precise, const char *bounds, const char *program, const char *user)
{
	struct dm_histogram *b = bounds ? dm_histogram_bounds_from_string(bounds) : NULL;
	uint64_t id = 77;

	printf("create %llu+%llu step %lld precise %d bounds %s program %s user `%s`: %d", (unsigned long long) start, (unsigned long long) len, (long long) step, precise, bounds ? bounds : "-",
	       program ? program : "-", user, dm_stats_create_region(dms, &id, start, len, step, precise, b, program, user));
	printf(" id %llu\n", (unsigned long long) id);
	dm_histogram_bounds_destroy(b);
	return id;
}

static void show_regions(struct dm_stats *dms)
{
	uint64_t n, i;

	printf("  regions %llu groups %llu\n", (unsigned long long) dm_stats_get_nr_regions(dms), (unsigned long long) dm_stats_get_nr_groups(dms));
	for (i = 0; i < 16; i++) {
		if (!dm_stats_region_present(dms, i))
			continue;
		printf("  region %llu", (unsigned long long) i);
		printf(" areas %llu bins %d precise %d", (unsigned long long) dm_stats_get_region_nr_areas(dms, i), dm_stats_get_region_nr_histogram_bins(dms, i), dm_stats_get_region_precise_timestamps(dms, i));
		if (dm_stats_get_region_start(dms, &n, i))
			number("start", n);
		if (dm_stats_get_region_len(dms, &n, i))
			number("len", n);
		if (dm_stats_get_region_area_len(dms, &n, i))
			number("step", n);
		if (dm_stats_get_area_start(dms, &n, i, 1))
			number("area 1 start", n);
		if (dm_stats_get_area_offset(dms, &n, i, 1))
			number("offset", n);
		number("group", dm_stats_get_group_id(dms, i));
		printf(" group present %d program `%s` aux `%s` alias `%s`\n", dm_stats_group_present(dms, i), dm_stats_get_region_program_id(dms, i), dm_stats_get_region_aux_data(dms, i),
		       dm_stats_get_alias(dms, i));
	}
}

static void test_regions(void)
{
	struct dm_stats *dms = handle("prog"), *all = handle("x");
	char *text;
	uint64_t id;

	printf("---- regions\n");
	create(dms, 0, 0, -1, 0, NULL, NULL, "");
	create(dms, 0, 4096, 1024, 0, NULL, "other", "user");
	create(dms, 1024, 2048, -4, 1, NULL, NULL, "quarters");
	create(dms, 0, 0, -1, 0, "1ms,10ms,100ms", NULL, "-");
	create(dms, 0, 8192, 2048, 0, "500us,1ms", NULL, "hist");
	create(dms, 0, 1000, 334, 0, NULL, "", "odd");
	create(dms, 0, 1000, 0, 0, NULL, NULL, "bad");
	create(dms, 0, 1000, 10, 0, "5ms,3ms", NULL, "order");
	create(dms, 0, 1000, 10, 0, "5ms,5ms", NULL, "equal");
	create(dms, 100000, 1000, 1000, -1, NULL, NULL, "beyond");
	kernel();
	printf("list own %d\n", dm_stats_list(dms, NULL));
	show_regions(dms);
	printf("list all %d\n", dm_stats_list(all, DM_STATS_ALL_PROGRAMS));
	show_regions(all);
	printf("list other %d\n", dm_stats_list(all, "other"));
	show_regions(all);
	printf("list none %d\n", dm_stats_list(all, "nobody"));
	printf("  regions %llu\n", (unsigned long long) dm_stats_get_nr_regions(all));

	printf("print\n");
	text = dm_stats_print_region(dms, 1, 0, 0, 0);
	printf("%s", text ? text : "  NULL\n");
	if (text)
		dm_stats_buffer_destroy(dms, text);
	text = dm_stats_print_region(dms, 1, 1, 2, 1);
	printf("%s", text ? text : "  NULL\n");
	if (text)
		dm_stats_buffer_destroy(dms, text);
	text = dm_stats_print_region(dms, 5, 2, 1, 0);
	printf("%s", text ? text : "  NULL\n");
	if (text)
		dm_stats_buffer_destroy(dms, text);
	printf("  clear %d %d\n", dm_stats_clear_region(dms, 1), dm_stats_clear_region(dms, 70));

	printf("delete\n");
	printf("  listed %d\n", dm_stats_delete_region(dms, 3));
	printf("  again %d\n", dm_stats_delete_region(dms, 3));
	printf("  present %d\n", dm_stats_region_present(dms, 3));
	dm_stats_destroy(all);
	all = handle("other");
	printf("  unlisted %d\n", dm_stats_delete_region(all, 1));
	printf("  regions %llu\n", (unsigned long long) dm_stats_get_nr_regions(all));
	kernel();
	create(dms, 0, 8, 8, 0, NULL, NULL, "");
	id = create(dms, 0, 16, 8, 0, NULL, NULL, "");
	printf("  next %llu\n", (unsigned long long) id);
	kernel();
	dm_stats_destroy(all);
	dm_stats_destroy(dms);
	clear_all();
}

static void walk(struct dm_stats *dms, const char *name, uint64_t flags)
{
	printf("  walk %s:", name);
	dm_stats_walk_init(dms, flags);
	for (dm_stats_walk_start(dms); !dm_stats_walk_end(dms); dm_stats_walk_next(dms)) {
		uint64_t region = dm_stats_get_current_region(dms), n;

		switch (dm_stats_current_object_type(dms)) {
		case DM_STATS_OBJECT_TYPE_AREA:
			printf(" %llu/%llu", (unsigned long long) region, (unsigned long long) dm_stats_get_current_area(dms));
			if (dm_stats_get_current_area_start(dms, &n))
				printf("@%llu", (unsigned long long) n);
			if (dm_stats_get_current_area_len(dms, &n))
				printf("+%llu", (unsigned long long) n);
			break;
		case DM_STATS_OBJECT_TYPE_REGION:
			printf(" r%llu", (unsigned long long) region);
			if (dm_stats_get_current_region_start(dms, &n))
				printf("@%llu", (unsigned long long) n);
			if (dm_stats_get_current_region_len(dms, &n))
				printf("+%llu", (unsigned long long) n);
			if (dm_stats_get_current_region_area_len(dms, &n))
				printf("/%llu", (unsigned long long) n);
			if (dm_stats_get_current_area_len(dms, &n))
				printf("(%llu)", (unsigned long long) n);
			break;
		case DM_STATS_OBJECT_TYPE_GROUP:
			printf(" g%llu", (unsigned long long) dm_stats_get_group_id(dms, DM_STATS_REGION_CURRENT));
			printf(" region %#llx area %llu", (unsigned long long) region, (unsigned long long) dm_stats_get_current_area(dms));
			if (dm_stats_get_current_region_start(dms, &n))
				printf("@%llu", (unsigned long long) n);
			if (dm_stats_get_current_region_len(dms, &n))
				printf("+%llu", (unsigned long long) n);
			printf(" areas %llu aux `%s` program `%s` precise %d alias `%s`", (unsigned long long) dm_stats_get_current_nr_areas(dms), dm_stats_get_current_region_aux_data(dms),
			       dm_stats_get_current_region_program_id(dms), dm_stats_get_current_region_precise_timestamps(dms), dm_stats_get_alias(dms, DM_STATS_REGION_CURRENT));
			break;
		default:
			printf(" none");
		}
	}
	printf("\n");
}

static void walks(struct dm_stats *dms)
{
	walk(dms, "area", DM_STATS_WALK_AREA);
	walk(dms, "region", DM_STATS_WALK_REGION);
	walk(dms, "group", DM_STATS_WALK_GROUP);
	walk(dms, "default", DM_STATS_WALK_DEFAULT);
	walk(dms, "all", DM_STATS_WALK_ALL);
	walk(dms, "region skip", DM_STATS_WALK_REGION | DM_STATS_WALK_SKIP_SINGLE_AREA);
	walk(dms, "all skip", DM_STATS_WALK_ALL | DM_STATS_WALK_SKIP_SINGLE_AREA);
	walk(dms, "region group skip", DM_STATS_WALK_REGION | DM_STATS_WALK_GROUP | DM_STATS_WALK_SKIP_SINGLE_AREA);
	walk(dms, "area group", DM_STATS_WALK_AREA | DM_STATS_WALK_GROUP);
	printf("  foreach region:");
	dm_stats_foreach_region(dms)
		printf(" %llu", (unsigned long long) dm_stats_get_current_region(dms));
	printf("\n  foreach area:");
	dm_stats_foreach_area(dms)
		printf(" %llu/%llu", (unsigned long long) dm_stats_get_current_region(dms), (unsigned long long) dm_stats_get_current_area(dms));
	printf("\n  foreach group:");
	dm_stats_foreach_group(dms)
		printf(" %llu", (unsigned long long) dm_stats_get_group_id(dms, dm_stats_get_current_region(dms)));
	printf("\n");
}

static void group(struct dm_stats *dms, const char *members, const char *alias)
{
	uint64_t id = 77;
	int r = dm_stats_create_group(dms, members, alias, &id);
	char *text = NULL;

	printf("group `%s` alias %s: %d", members, alias ? alias : "-", r);
	if (r && dm_stats_get_group_descriptor(dms, id, &text))
		printf(" id %llu members %s", (unsigned long long) id, text);
	printf("\n");
}

static void test_groups(void)
{
	struct dm_stats *dms = handle("prog");
	char *text;

	printf("---- groups\n");
	create(dms, 0, 1024, 1024, 0, NULL, NULL, "");
	create(dms, 1024, 1024, 256, 0, NULL, NULL, "");
	create(dms, 2048, 1024, 256, 0, NULL, NULL, "user");
	create(dms, 3072, 1024, 1024, 0, "1ms,2ms", NULL, "");
	create(dms, 4096, 1024, 256, 0, "1ms,3ms", NULL, "hist");
	create(dms, 5120, 512, 256, 0, "1ms,3ms", NULL, "");
	create(dms, 5632, 512, 512, 1, NULL, NULL, "");
	create(dms, 5700, 512, 512, 1, NULL, NULL, "overlap");
	group(dms, "0-1", NULL);
	printf("list %d\n", dm_stats_list(dms, NULL));
	walks(dms);
	group(dms, "", NULL);
	group(dms, "x", NULL);
	group(dms, "0-", NULL);
	group(dms, "0-70", NULL);
	group(dms, "3-4", NULL);
	group(dms, "0-1,3", "my alias");
	printf("list %d\n", dm_stats_list(dms, NULL));
	group(dms, "3,5", NULL);
	group(dms, "6,7", "over");
	printf("list %d\n", dm_stats_list(dms, NULL));
	group(dms, "4,5", "four");
	kernel();
	printf("list %d\n", dm_stats_list(dms, NULL));
	show_regions(dms);
	walks(dms);
	printf("alias member %d\n", dm_stats_set_alias(dms, 1, "new"));
	printf("alias ungrouped %d\n", dm_stats_set_alias(dms, 2, "new"));
	printf("alias NULL %d\n", dm_stats_set_alias(dms, 0, NULL));
	printf("alias %d", dm_stats_set_alias(dms, 0, "new alias"));
	printf(" `%s`\n", dm_stats_get_alias(dms, 0));
	printf("alias %d", dm_stats_set_alias(dms, 4, "44"));
	printf(" `%s`\n", dm_stats_get_alias(dms, 5));
	if (dm_stats_get_group_descriptor(dms, 4, &text))
		printf("descriptor %s\n", text);
	kernel();
	printf("list %d\n", dm_stats_list(dms, NULL));
	printf("delete member %d\n", dm_stats_delete_region(dms, 1));
	kernel();
	printf("delete leader %d\n", dm_stats_delete_region(dms, 0));
	kernel();
	printf("group present %d region 3 group", dm_stats_group_present(dms, 0));
	number("", dm_stats_get_group_id(dms, 3));
	printf("\n");
	printf("list %d\n", dm_stats_list(dms, NULL));
	show_regions(dms);
	printf("delete group 70: %d\n", dm_stats_delete_group(dms, 70, 0));
	printf("delete group 3: %d\n", dm_stats_delete_group(dms, 3, 0));
	printf("delete group 4 with regions: %d\n", dm_stats_delete_group(dms, 4, 1));
	kernel();
	printf("list %d\n", dm_stats_list(dms, NULL));
	printf("delete group 6: %d\n", dm_stats_delete_group(dms, 6, 0));
	kernel();
	printf("list %d\n", dm_stats_list(dms, NULL));
	show_regions(dms);
	dm_stats_destroy(dms);
	clear_all();
}

/* A tag that another program has written. */
static void test_tags(void)
{
	static const char *const tags[] = {
		"DMS_GROUP=\"alias\":0-1#-", "DMS_GROUP=\"alias\":0-1#user", "DMS_GROUP=\"alias\":0,5#-", "DMS_GROUP=\"alias\":1#-", "DMS_GROUP=\"al\\ ias\":0#-", "plain", "DMS_GROUP", "-x",
	};
	struct dm_stats *dms = handle("prog");
	size_t i;

	printf("---- tags\n");
	create(dms, 0, 1024, 1024, 0, NULL, NULL, "");
	create(dms, 1024, 1024, 256, 1, "1ms", NULL, "");
	for (i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		char line[256];

		printf("tag %s\n", tags[i]);
		snprintf(line, sizeof(line), "dmsetup message " DEVICE " 0 '@stats_set_aux 0 %s'", tags[i]);
		run(line);
		kernel();
		printf("  list %d\n", dm_stats_list(dms, NULL));
		show_regions(dms);
	}
	dm_stats_destroy(dms);
	clear_all();
}

static void show_counters(struct dm_stats *dms, const char *what, uint64_t region, uint64_t area)
{
	double value;
	int i;

	printf("  %s: reads %llu %llu writes %llu %llu in flight %llu", what, (unsigned long long) dm_stats_get_reads(dms, region, area), (unsigned long long) dm_stats_get_read_sectors(dms, region, area),
	       (unsigned long long) dm_stats_get_writes(dms, region, area), (unsigned long long) dm_stats_get_write_sectors(dms, region, area),
	       (unsigned long long) dm_stats_get_io_in_progress(dms, region, area));
	printf(" counter %llu", (unsigned long long) dm_stats_get_counter(dms, DM_STATS_WRITE_SECTORS_COUNT, region, area));
	for (i = 2; i <= 6; i++) {
		value = -1;
		printf(" m%d %d", i, dm_stats_get_metric(dms, i, region, area, &value));
		printf(" %f", value);
	}
	printf(" throughput %d", dm_stats_get_throughput(dms, &value, region, area));
	printf(" %f", value);
	printf(" reads/s %d", dm_stats_get_reads_per_sec(dms, &value, region, area));
	printf(" %f", value);
	printf(" size %d", dm_stats_get_average_request_size(dms, &value, region, area));
	printf(" %f\n", value);
}

static void show_histogram(const struct dm_histogram *h)
{
	static const int flags[] = { 0, 1, 2, 4, 0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22, 0x23, 0x25, 0x27, 0x30, 0x31, 0x32, 0x33, 0x35, 0x37 };
	static const int widths[] = { -1, 0, 3, 12 };
	size_t i, j;
	int bin;

	if (!h) {
		printf("  no histogram\n");
		return;
	}
	printf("  bins %d sum %llu:", dm_histogram_get_nr_bins(h), (unsigned long long) dm_histogram_get_sum(h));
	for (bin = 0; bin < dm_histogram_get_nr_bins(h); bin++) {
		printf(" %llu-%llu %llu %.2f", (unsigned long long) dm_histogram_get_bin_lower(h, bin), (unsigned long long) dm_histogram_get_bin_upper(h, bin),
		       (unsigned long long) dm_histogram_get_bin_count(h, bin), (double) dm_percent_to_float(dm_histogram_get_bin_percent(h, bin)));
		number("width", dm_histogram_get_bin_width(h, bin));
	}
	printf("\n");
	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		for (j = 0; j < sizeof(widths) / sizeof(*widths); j++)
			printf("  %#x %d |%s|\n", flags[i], widths[j], dm_histogram_to_string(h, -1, widths[j], flags[i]));
	printf("  bin 1 |%s|\n", dm_histogram_to_string(h, 1, 0, 0x23));
}

/* Synchronous writes and reads of 4096 bytes at sectors. */
static void io(const char *what, unsigned sector, unsigned count)
{
	char line[256];

	if (*what == 'w')
		snprintf(line, sizeof(line), "dd if=/dev/zero of=/dev/mapper/" DEVICE " bs=4096 seek=%u count=%u oflag=direct conv=notrunc 2>/dev/null", sector / 8, count);
	else
		snprintf(line, sizeof(line), "dd if=/dev/mapper/" DEVICE " of=/dev/null bs=4096 skip=%u count=%u iflag=direct 2>/dev/null", sector / 8, count);
	if (run(line))
		printf("  %s failed\n", what);
}

static void test_counters(void)
{
	struct dm_stats *dms = handle("prog");
	double value = 5;

	printf("---- counters\n");
	/* 100 s are longer than any request of this test, so all lie in the first bin */
	create(dms, 0, 1024, 1024, 0, "100s,200s,300s", NULL, "");
	create(dms, 1024, 1024, 256, 0, "100s,200s,300s", NULL, "");
	create(dms, 2048, 1024, 256, 0, NULL, NULL, "");
	io("write", 0, 3);
	io("write", 1024, 2);
	io("write", 1280, 5);
	io("read", 1024, 4);
	printf("list %d\n", dm_stats_list(dms, NULL));
	group(dms, "0-1", "both");
	printf("populate %d\n", dm_stats_populate(dms, NULL, DM_STATS_REGIONS_ALL));
	dm_stats_set_sampling_interval_ns(dms, 0);
	printf("no interval %d\n", dm_stats_get_metric(dms, 2, 1, 0, &value));
	dm_stats_set_sampling_interval_ms(dms, 500);
	printf("invalid %d %llu\n", dm_stats_get_metric(dms, 77, 1, 0, &value), (unsigned long long) dm_stats_get_counter(dms, 77, 1, 0));
	show_counters(dms, "0/0", 0, 0);
	show_counters(dms, "1/0", 1, 0);
	show_counters(dms, "1/1", 1, 1);
	show_counters(dms, "1 all", 1, DM_STATS_WALK_REGION);
	show_counters(dms, "2 all", 2, DM_STATS_WALK_REGION);
	dm_stats_foreach_group(dms)
		show_counters(dms, "group", DM_STATS_REGION_CURRENT, DM_STATS_AREA_CURRENT);
	dm_stats_walk_init(dms, DM_STATS_WALK_ALL);
	for (dm_stats_walk_start(dms); !dm_stats_walk_end(dms); dm_stats_walk_next(dms))
		show_counters(dms, "walk", DM_STATS_REGION_CURRENT, DM_STATS_AREA_CURRENT);
	printf("histogram of 1/0\n");
	show_histogram(dm_stats_get_histogram(dms, 1, 0));
	printf("histogram of 1\n");
	show_histogram(dm_stats_get_histogram(dms, 1, DM_STATS_WALK_REGION));
	printf("histogram of 2\n");
	show_histogram(dm_stats_get_histogram(dms, 2, 0));
	printf("histogram of the group\n");
	dm_stats_foreach_group(dms)
		show_histogram(dm_stats_get_histogram(dms, DM_STATS_REGION_CURRENT, DM_STATS_AREA_CURRENT));
	printf("counters start again\n");
	io("write", 2048, 1);
	printf("populate one %d\n", dm_stats_populate(dms, NULL, 2));
	show_counters(dms, "2/0", 2, 0);
	printf("populate again %d\n", dm_stats_populate(dms, NULL, DM_STATS_REGIONS_ALL));
	show_counters(dms, "1/1", 1, 1);
	show_counters(dms, "2/0", 2, 0);
	printf("populate a group %d\n", dm_stats_populate(dms, NULL, DM_STATS_WALK_GROUP));
	dm_stats_destroy(dms);
	clear_all();
}

static int count(const uint64_t *ids)
{
	int n = 0;

	while (ids && ids[n] != UINT64_MAX)
		n++;
	return n;
}

static void test_files(void)
{
	struct dm_stats *dms = dm_stats_create("prog");
	struct dm_histogram *bounds = dm_histogram_bounds_from_string("1ms,2ms");
	uint64_t *ids, len = 0;
	int fd, dir;

	printf("---- files\n");
	if (run("mke2fs -q -F -O ^has_journal,^metadata_csum /dev/mapper/" DEVICE) || mkdir("/tmp/dmstats-mnt", 0755) ||
	    mount("/dev/mapper/" DEVICE, "/tmp/dmstats-mnt", "ext4", 0, NULL)) {
		printf("  no file system\n");
		return;
	}
	run("dd if=/dev/zero of=/tmp/dmstats-mnt/file bs=4096 count=64 conv=fsync 2>/dev/null");
	fd = open("/tmp/dmstats-mnt/file", O_RDONLY);
	dir = open("/tmp/dmstats-mnt", O_RDONLY);
	printf("bind %d\n", dm_stats_bind_from_fd(dms, fd));
	printf("alias without group %d\n", dm_stats_create_regions_from_fd(dms, fd, 0, 0, NULL, "alias") ? 1 : 0);
	printf("directory %d\n", dm_stats_create_regions_from_fd(dms, dir, 0, 0, NULL, NULL) ? 1 : 0);
	ids = dm_stats_create_regions_from_fd(dms, fd, 1, 1, bounds, "f1");
	printf("regions: any %d first %llu\n", count(ids) > 0, ids ? (unsigned long long) *ids : 0);
	dm_free(ids);
	printf("list %d\n", dm_stats_list(dms, NULL));
	dm_stats_foreach_group(dms) {
		printf("  group %llu", (unsigned long long) dm_stats_get_group_id(dms, DM_STATS_REGION_CURRENT));
		fflush(stdout);
		printf(" len %d", dm_stats_get_current_region_len(dms, &len));
		printf(" %llu", (unsigned long long) len);
		fflush(stdout);
		printf(" alias %s\n", dm_stats_get_alias(dms, DM_STATS_REGION_CURRENT));
	}
	printf("precise %d bins %d\n", dm_stats_get_region_precise_timestamps(dms, 0), dm_stats_get_region_nr_histogram_bins(dms, 0));
	ids = dm_stats_update_regions_from_fd(dms, fd, 0);
	printf("update: any %d first %llu\n", count(ids) > 0, ids ? (unsigned long long) *ids : 0);
	dm_free(ids);
	printf("update of no group %d\n", dm_stats_update_regions_from_fd(dms, fd, 50) ? 1 : 0);
	close(fd);
	close(dir);
	umount("/tmp/dmstats-mnt");
	rmdir("/tmp/dmstats-mnt");
	fd = open("/proc/self/exe", O_RDONLY);
	printf("not on the device %d\n", dm_stats_create_regions_from_fd(dms, fd, 0, 0, NULL, NULL) ? 1 : 0);
	close(fd);
	dm_histogram_bounds_destroy(bounds);
	dm_stats_destroy(dms);
	clear_all();
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	dm_log_with_errno_init(log_problems);
	test_bounds();
	if (run("dmsetup create " DEVICE " --table '0 32768 linear /dev/ram0 0'")) {
		printf("no device\n");
		return 1;
	}
	test_handle();
	test_regions();
	test_groups();
	test_tags();
	test_counters();
	test_files();
	run("dmsetup remove " DEVICE);
	return 0;
}
