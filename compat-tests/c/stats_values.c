/* oracle */
/*
 * Counters and metrics of known numbers: the program's own ioctl puts them where the kernel's were. Creating regions by
 * the versions of the function that old programs are linked to.
 */
#include "requests.h"
#include <inttypes.h>
#include "log.h"

/* Per area: reads, merged, sectors, ms; the same for writes; in flight, ms of I/O, weighted, total reads, total writes. */
static const char *answer;

/* Puts the numbers in the place of those of the region with four areas. */
static void replace_answer(struct dm_ioctl *dmi, const char *message)
{
	if (answer && (!strncmp(message, "@stats_print 0", 14) || !strncmp(message, "@stats_print_clear 0", 20))) {
		strcpy((char *) dmi + dmi->data_start, answer);
		dmi->data_size = dmi->data_start + strlen(answer) + 1;
		dmi->flags |= DM_DATA_OUT_FLAG;
	}
}

typedef int (*metric_fn)(const struct dm_stats *, double *, uint64_t, uint64_t);
typedef uint64_t (*counter_fn)(const struct dm_stats *, uint64_t, uint64_t);

static const struct { const char *name; metric_fn fn; } metrics[] = {
	{ "rd_merges_per_sec", dm_stats_get_rd_merges_per_sec },
	{ "wr_merges_per_sec", dm_stats_get_wr_merges_per_sec },
	{ "reads_per_sec", dm_stats_get_reads_per_sec },
	{ "writes_per_sec", dm_stats_get_writes_per_sec },
	{ "read_sectors_per_sec", dm_stats_get_read_sectors_per_sec },
	{ "write_sectors_per_sec", dm_stats_get_write_sectors_per_sec },
	{ "average_request_size", dm_stats_get_average_request_size },
	{ "average_queue_size", dm_stats_get_average_queue_size },
	{ "average_wait_time", dm_stats_get_average_wait_time },
	{ "average_rd_wait_time", dm_stats_get_average_rd_wait_time },
	{ "average_wr_wait_time", dm_stats_get_average_wr_wait_time },
	{ "service_time", dm_stats_get_service_time },
	{ "throughput", dm_stats_get_throughput },
};

static const struct { const char *name; counter_fn fn; } counters[] = {
	{ "reads", dm_stats_get_reads }, { "reads_merged", dm_stats_get_reads_merged },
	{ "read_sectors", dm_stats_get_read_sectors }, { "read_nsecs", dm_stats_get_read_nsecs },
	{ "writes", dm_stats_get_writes }, { "writes_merged", dm_stats_get_writes_merged },
	{ "write_sectors", dm_stats_get_write_sectors }, { "write_nsecs", dm_stats_get_write_nsecs },
	{ "io_in_progress", dm_stats_get_io_in_progress }, { "io_nsecs", dm_stats_get_io_nsecs },
	{ "weighted_io_nsecs", dm_stats_get_weighted_io_nsecs }, { "total_read_nsecs", dm_stats_get_total_read_nsecs },
	{ "total_write_nsecs", dm_stats_get_total_write_nsecs },
};

static void values(struct dm_stats *s, uint64_t region, uint64_t area)
{
	dm_percent_t percent = -77;
	unsigned i;
	int r;

	printf(" %d/%d type %d", (int) region, (int) area, dm_stats_object_type(s, region, area));
	for (i = 0; i < DM_ARRAY_SIZE(counters); i++)
		printf(" %s %" PRIu64 "/%" PRIu64, counters[i].name, counters[i].fn(s, region, area), dm_stats_get_counter(s, i, region, area));
	printf("\n ");
	for (i = 0; i < DM_ARRAY_SIZE(metrics); i++) {
		double value = -77, other = -77;
		int r2;

		r = metrics[i].fn(s, &value, region, area);
		r2 = dm_stats_get_metric(s, i, region, area, &other);
		printf(" %s %d %.12g %d %.12g", metrics[i].name, r, value, r2, other);
	}
	r = dm_stats_get_utilization(s, &percent, region, area);
	printf(" utilization %d %d\n", r, percent);
}

static uint64_t id;

static void create(const char *what, int r)
{
	printf("%s: %d region %" PRIu64 "\n", what, r, r ? id : 0);
}

int main(void)
{
	int (*create_104)(struct dm_stats *, uint64_t *, uint64_t, uint64_t, int64_t, const char *, const char *) =
		(int (*)(struct dm_stats *, uint64_t *, uint64_t, uint64_t, int64_t, const char *, const char *)) dlvsym(RTLD_DEFAULT, "dm_stats_create_region", "DM_1_02_104");
	int (*create_106)(struct dm_stats *, uint64_t *, uint64_t, uint64_t, int64_t, int, const char *, const char *) =
		(int (*)(struct dm_stats *, uint64_t *, uint64_t, uint64_t, int64_t, int, const char *, const char *)) dlvsym(RTLD_DEFAULT, "dm_stats_create_region", "DM_1_02_106");
	struct dm_task *task = dm_task_create(DM_DEVICE_CREATE);
	struct dm_stats *s;
	uint64_t region;

	filter = replace_answer;
	dm_task_set_name(task, "values");
	dm_task_add_target(task, 0, 4096, "zero", "");
	dm_task_run(task);
	dm_task_destroy(task);
	dm_log_with_errno_init(log_errors);

	s = dm_stats_create("tests");
	dm_stats_bind_name(s, "values");
	create("as of 1.02.104", create_104(s, &id, 0, 4096, 1024, NULL, "old"));
	create("as of 1.02.106", create_106(s, &id, 0, 2048, -2, 1, "other", NULL));
	create("now", dm_stats_create_region(s, &id, 0, 0, -1, 0, NULL, "tests", ""));
	create("as of 1.02.104, refused", create_104(s, &id, 0, 4096, 0, NULL, NULL));
	create("as of 1.02.106, not needed", create_106(s, NULL, 0, 8, 8, 0, NULL, NULL));
	printf("list %d\n", dm_stats_list(s, NULL));
	for (region = 0; region < 5; region++)
		printf("region %" PRIu64 " type %d there %d areas %" PRIu64 " precise %d\n", region,
		       dm_stats_object_type(s, region, 0), dm_stats_region_present(s, region),
		       dm_stats_region_present(s, region) ? dm_stats_get_region_nr_areas(s, region) : 0,
		       dm_stats_region_present(s, region) ? dm_stats_get_region_precise_timestamps(s, region) : 0);
	dm_stats_set_sampling_interval_ns(s, 1000000000);
	answer = "0+1024 10 2 80 30 20 4 160 50 1 70 90 31 52\n1024+1024 0 0 0 0 7 0 56 9 0 8 9 0 9\n"
		 "2048+1024 5 0 40 11 0 0 0 0 0 11 12 11 0\n3072+1024 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
	printf("populate %d\n", dm_stats_populate(s, NULL, DM_STATS_REGIONS_ALL));
	for (id = 0; id < 5; id++)
		values(s, 0, id < 4 ? id : DM_STATS_WALK_REGION);
	dm_stats_set_sampling_interval_ms(s, 250);
	values(s, 0, 0);
	printf("list %d\n", dm_stats_list(s, NULL));
	answer = "0+1024 4000000000 0 18446744073709551615 5 1 1 1 1 0 2000 3000 4 5\n1024+1024 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
		 "2048+1024 0 0 0 0 0 0 0 0 0 0 0 0 0\n3072+1024 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
	printf("populate %d\n", dm_stats_populate(s, NULL, 0));
	values(s, 0, 0);
	values(s, 0, 1);
	answer = NULL;
	for (id = 0; dm_stats_list(s, NULL) && dm_stats_get_nr_regions(s) && id < 100; id++) {
		for (region = 0; region < 5; region++)
			if (dm_stats_region_present(s, region))
				break;
		if (region == 5 || !dm_stats_delete_region(s, region))
			break;
	}
	dm_stats_destroy(s);
	task = dm_task_create(DM_DEVICE_REMOVE);
	dm_task_set_name(task, "values");
	printf("remove %d\n", dm_task_run(task));
	dm_task_destroy(task);
	return 0;
}
