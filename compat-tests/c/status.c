/*
 * Status parsers: lines of the kernel, cut at every byte. With a number as argument, also as many lines per parser with
 * words replaced, inserted and left out; on malformed ones the libraries differ, and old releases differ from new ones.
 */
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int errors;

static void count_errors(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
	if ((level & 7) <= 3)
		errors++;
}

static struct dm_pool *pool;

static const char *text(const char *s)
{
	return s ? s : "NULL";
}

static void snapshot(const char *line)
{
	struct dm_status_snapshot *s = (void *) 1;

	if (!dm_get_status_snapshot(pool, line, &s)) {
		printf("0%s", s == (void *) 1 ? " untouched" : "");
		return;
	}
	printf("%llu/%llu %llu %u%u%u%u", (unsigned long long) s->used_sectors, (unsigned long long) s->total_sectors,
	       (unsigned long long) s->metadata_sectors, s->has_metadata_sectors, s->invalid, s->merge_failed, s->overflow);
}

static void raid(const char *line)
{
	struct dm_status_raid *s = (void *) 1;

	if (!dm_get_status_raid(pool, line, &s)) {
		printf("0%s", s ? "" : " NULL");
		return;
	}
	printf("%s %u %s %llu/%llu %s %llu %llu", s->raid_type, s->dev_count, s->dev_health,
	       (unsigned long long) s->insync_regions, (unsigned long long) s->total_regions, text(s->sync_action),
	       (unsigned long long) s->mismatch_count, (unsigned long long) s->data_offset);
}

static void cache(const char *line)
{
	struct dm_status_cache *s = (void *) 1;

	if (!dm_get_status_cache(pool, line, &s)) {
		printf("0%s", s ? "" : " NULL");
		return;
	}
	printf("%llu %u %u %llu/%llu %llu/%llu %llu", (unsigned long long) s->version, s->metadata_block_size, s->block_size,
	       (unsigned long long) s->metadata_used_blocks, (unsigned long long) s->metadata_total_blocks,
	       (unsigned long long) s->used_blocks, (unsigned long long) s->total_blocks,
	       (unsigned long long) s->dirty_blocks);
	printf(" %llu %llu %llu %llu %llu %llu 0x%llx", (unsigned long long) s->read_hits, (unsigned long long) s->read_misses,
	       (unsigned long long) s->write_hits, (unsigned long long) s->write_misses, (unsigned long long) s->demotions,
	       (unsigned long long) s->promotions, (unsigned long long) s->feature_flags);
	printf(" core %d", s->core_argc);
	for (int i = 0; i < s->core_argc; i++)
		printf(" [%s]", s->core_argv[i]);
	printf(" policy %s %d", text(s->policy_name), s->policy_argc);
	for (int i = 0; i < s->policy_argc; i++)
		printf(" [%s]", s->policy_argv[i]);
	printf(" %u%u%u%u", s->error, s->fail, s->needs_check, s->read_only);
}

static void thin_pool(const char *line)
{
	struct dm_status_thin_pool *s = (void *) 1;

	if (!dm_get_status_thin_pool(pool, line, &s)) {
		printf("0%s", s == (void *) 1 ? " untouched" : "");
		return;
	}
	printf("%llu %llu/%llu %llu/%llu %llu ro %u discards %d %u%u%u%u%u", (unsigned long long) s->transaction_id,
	       (unsigned long long) s->used_metadata_blocks, (unsigned long long) s->total_metadata_blocks,
	       (unsigned long long) s->used_data_blocks, (unsigned long long) s->total_data_blocks,
	       (unsigned long long) s->held_metadata_root, s->read_only, (int) s->discards, s->fail, s->error_if_no_space,
	       s->out_of_data_space, s->needs_check, s->error);
}

static void thin(const char *line)
{
	struct dm_status_thin *s = (void *) 1;

	if (!dm_get_status_thin(pool, line, &s)) {
		printf("0%s", s == (void *) 1 ? " untouched" : "");
		return;
	}
	printf("%llu %llu %u", (unsigned long long) s->mapped_sectors, (unsigned long long) s->highest_mapped_sector, s->fail);
}

static void mirror(const char *line)
{
	struct dm_status_mirror *s = (void *) 1;

	if (!dm_get_status_mirror(pool, line, &s)) {
		printf("0%s", s ? "" : " NULL");
		return;
	}
	printf("%llu/%llu %u:", (unsigned long long) s->insync_regions, (unsigned long long) s->total_regions, s->dev_count);
	for (unsigned i = 0; i < s->dev_count; i++)
		printf(" %u:%u %d", s->devs[i].major, s->devs[i].minor, (int) s->devs[i].health);
	printf(" log %s %u:", s->log_type, s->log_count);
	for (unsigned i = 0; i < s->log_count; i++)
		printf(" %u:%u %d", s->logs[i].major, s->logs[i].minor, (int) s->logs[i].health);
}

struct parser {
	const char *name;
	void (*parse)(const char *line);
	const char *lines[16];
};

static const struct parser parsers[] = {
	{ "snapshot", snapshot,
	  { "32/32768 32", "32/32768", "0/0 0 junk", "Invalid", "Merge failed", "Overflow", "invalid", "", "Unknown", "32/",
	    "32 /32768" } },
	{ "raid", raid,
	  { "raid1 2 AA 100/100", "raid1 2 Aa 100/100 recover 0", "raid1 2 Aa 100/100 idle 0 0",
	    "raid1 2 Aa 100/100 resync 0 0",
	    "raid5_ls 3 ADA 7/8 reshape 12 8192 -", "raid6_zr 3 AAA 7/8 check 1 0 a", "raid1 2 AA", "raid1 x AA 1/2",
	    "raid1 2 AA 12", "raid1  2 AA 1/2", "raid1 2 AA 1/2 idle x 0", "raid1 2 AA 1/2 idle 0 x", "raid1 0 AA 1/2" } },
	{ "cache", cache,
	  { "8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writeback 2 migration_threshold 2048 mq 10 random_threshold 4 a 1 b 2 c 3 d 8",
	    "8 27/2048 128 3/8 1 2 3 4 5 6 7 2 metadata2 writeback 2 migration_threshold 2048 smq 2 mq 8 rw - ",
	    "8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writethrough 2 migration_threshold 2048 smq 0 ro needs_check ",
	    "8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writeback 2 migration_threshold 2048 smq 0",
	    "8 27/2048 128 3/8 1 2 3 4 5 6 7 1 writeback 0 smq 0 rw - ", "Fail", "Error", "" } },
	{ "thin_pool", thin_pool,
	  { "0 418/4096 0/256 - rw no_discard_passdown queue_if_no_space - 1024 ",
	    "5 418/4096 1/256 33 ro ignore_discard error_if_no_space needs_check 1024 ",
	    "1 2/3 4/5 - out_of_data_space discard_passdown queue_if_no_space - 1024 ", "1 2/3 4/5", "1 2/3 4/5 - ro",
	    "1 2/3 4", "Fail", "Error", "" } },
	{ "thin", thin, { "17408 20479", "0 -", "1 2 3", "5", "", "Fail", "Error" } },
	{ "mirror", mirror,
	  { "2 253:4 253:5 400/400 1 AA 1 core", "3 1:1 1:2 1:3 1/2 1 ADS 3 disk 1:9 D",
	    "2 253:4 253:5 400/400 1 AA 3 cluster 253:3 A", "2 253:4 253:5 400/400 1 AA userspace 3 clustered-disk 253:3 A",
	    "2 1:1 1:2 1/2 1 AA 2 disk 1:9", "2 1:1 1/2 1 AA 1 core", "2 1:1 1:2 1/2", "", "8 1:1 1/2 1 A 1 core",
	    "9 1:1 1/2 1 A 1 core", "1 1:1 1/2 1 A 1 core" } },
};

#define PARSERS (sizeof(parsers) / sizeof(*parsers))

/* The parsers of the reference library crash on some lines: each line gets a process of its own. */
static void show(const struct parser *p, const char *line)
{
	int status;

	if (p->parse == raid && strstr(line, "Aa") && !strstr(line, " 0"))
		return; /* a leg out of sync, and no action: old releases crash, as said above */
	printf("%s |%s| ", p->name, line);
	fflush(stdout);
	if (!fork()) {
		p->parse(line);
		printf(errors ? " logged" : "");
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	printf(WIFSIGNALED(status) ? "crash\n" : "\n");
}

static unsigned random_state = 1;

static unsigned random_below(unsigned n)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 16) % n;
}

/* A word of any line of the parser, or something else. */
static void random_word(const struct parser *p, unsigned lines, char *word)
{
	static const char *const odd[] = { "0", "1", "-", "x", "12345", "1/2", "AA", "a", "Aa", "idle" };
	const char *from;
	unsigned n;

	if (!random_below(4)) {
		strcpy(word, odd[random_below(10)]);
		return;
	}
	from = p->lines[random_below(lines)];
	for (n = random_below(8); n && strchr(from, ' '); n--)
		from = strchr(from, ' ') + 1;
	n = strcspn(from, " ");
	memcpy(word, from, n);
	word[n] = '\0';
}

static void mutants(const struct parser *p, unsigned count)
{
	char words[40][64], line[4096];
	unsigned lines = 0, n, at, i;

	while (lines < 16 && p->lines[lines])
		lines++;
	for (; count; count--) {
		strcpy(line, p->lines[random_below(lines)]);
		n = 0;
		for (char *word = strtok(line, " "); word && n < 30; word = strtok(NULL, " "))
			strcpy(words[n++], word);
		at = random_below(n + 1);
		switch (random_below(3)) {
		case 0: /* replace */
			random_word(p, lines, words[at]);
			if (at == n)
				n++;
			break;
		case 1: /* insert */
			memmove(words[at + 1], words[at], (n - at) * sizeof(*words));
			random_word(p, lines, words[at]);
			n++;
			break;
		case 2: /* leave out */
			if (at < n) {
				memmove(words[at], words[at + 1], (n - at - 1) * sizeof(*words));
				n--;
			}
		}
		line[0] = '\0';
		for (i = 0; i < n; i++) {
			if (i)
				strcat(line, " ");
			strcat(line, words[i]);
		}
		show(p, line);
	}
}

int main(int argc, char **argv)
{
	char line[4096];

	dm_log_with_errno_init(count_errors);
	pool = dm_pool_create("status", 1024);
	for (unsigned i = 0; i < PARSERS; i++) {
		const struct parser *p = &parsers[i];

		for (unsigned n = 0; n < 16 && p->lines[n]; n++)
			for (size_t end = strlen(p->lines[n]);; end--) {
				memcpy(line, p->lines[n], end);
				line[end] = '\0';
				show(p, line);
				if (!end)
					break;
			}
		mutants(p, argc > 1 ? atoi(argv[1]) : 0);
	}
	dm_pool_destroy(pool);
	return 0;
}
