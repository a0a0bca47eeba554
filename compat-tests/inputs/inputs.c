/*
 * inputs KIND FILE...: gives files to the library as input and prints all that comes of it. Each file has a process of
 * its own, since the reference dies of some.
 *
 * KIND is the fuzz target that kept the files: config, regex, status or c_report.
 */
#include <inttypes.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define INPUT_SIZE 65536
#define MAX_PATTERNS 64

static void text(const char *s)
{
	if (!s) {
		printf(" NULL");
		return;
	}
	printf(" \"");
	for (; *s; s++)
		if (*s < ' ' || *s > '~' || *s == '\\')
			printf("\\x%02x", (unsigned char) *s);
		else
			putchar(*s);
	putchar('"');
}

/* Errors and warnings; what is to be shown comes as a warning as well. */
static void message(int level, const char *file UNUSED, int line UNUSED, int errno_or_class, const char *f, ...)
{
	static char buffer[INPUT_SIZE];
	va_list ap;

	if ((level & 7) > 4)
		return;
	va_start(ap, f);
	vsnprintf(buffer, sizeof(buffer), f, ap);
	va_end(ap);
	if (level == 4)
		printf("shown");
	else
		printf("log %#x %d", (unsigned) level, errno_or_class);
	text(buffer);
	puts("");
}

/* ---- config ---- */

static void nodes(const struct dm_config_node *n, int depth)
{
	const struct dm_config_value *v;

	for (; n; n = n->sib) {
		printf("%*s", depth, "");
		text(n->key);
		for (v = n->v; v; v = v->next) {
			if (v->type == DM_CFG_INT)
				printf(" %" PRIi64, v->v.i);
			else if (v->type == DM_CFG_FLOAT)
				printf(" %a", (double) v->v.f);
			else if (v->type == DM_CFG_STRING)
				text(v->v.str);
			else
				printf(" type %d", v->type);
			printf(" flags %x", v->format_flags);
		}
		puts("");
		if (depth < 1000)
			nodes(n->child, depth + 1);
	}
}

static int put_line(const char *line, void *baton UNUSED)
{
	printf("line");
	text(line);
	puts("");
	return 1;
}

static void config(const char *bytes, size_t len)
{
	static const char *const paths[] = { "a", "a/b", "b", "c/d/e", "metadata/creation_time" };
	const struct dm_config_node *n;
	struct dm_config_tree *cft;
	struct dm_pool *mem;
	size_t i;
	int merged, done;

	for (merged = 1; merged >= 0; merged--) {
		cft = dm_config_create();
		done = merged ? dm_config_parse(cft, bytes, bytes + len) :
			dm_config_parse_without_dup_node_check(cft, bytes, bytes + len);
		printf("parse %d\n", done);
		if (done) {
			nodes(cft->root, 0);
			printf("write %d\n", dm_config_write_node(cft->root, put_line, NULL));
			for (i = 0; i < DM_ARRAY_SIZE(paths); i++) {
				n = dm_config_tree_find_node(cft, paths[i]);
				printf("%s %d %" PRIi64 " %a", paths[i], dm_config_tree_find_int(cft, paths[i], -7),
				       dm_config_tree_find_int64(cft, paths[i], -8),
				       (double) dm_config_tree_find_float(cft, paths[i], 0.5));
				text(dm_config_tree_find_str(cft, paths[i], "none"));
				text(dm_config_tree_find_str_allow_empty(cft, paths[i], "none"));
				/* The truth of a section is a defect of the reference. */
				printf(" %d\n", n && !n->v ? -9 : dm_config_tree_find_bool(cft, paths[i], -9));
			}
			mem = dm_pool_create("inputs", 1024);
			puts("clone");
			nodes(dm_config_clone_node_with_mem(mem, cft->root, 1), 0);
			dm_pool_destroy(mem);
		}
		dm_config_destroy(cft);
	}
}

/* ---- regex: patterns between newlines, then subjects, each behind a NUL ---- */

static void regex(char *bytes, size_t len)
{
	const char *patterns[MAX_PATTERNS], *subject = bytes + strlen(bytes) + 1;
	char *end, *next = bytes;
	struct dm_pool *mem = dm_pool_create("inputs", 1024);
	struct dm_regex *compiled;
	unsigned count = 0;

	do {
		patterns[count++] = next;
		if ((end = strchr(next, '\n')))
			*end = '\0';
		next = end + 1;
	} while (end && count < MAX_PATTERNS);
	compiled = dm_regex_create(mem, patterns, count);
	printf("regex %d\n", compiled != NULL);
	for (; compiled && subject < bytes + len; subject += strlen(subject) + 1) {
		text(subject);
		printf(" %d\n", dm_regex_match(compiled, subject));
	}
	dm_pool_destroy(mem);
}

/* ---- status: as one of each target that the releases of Debian 12 and 13 know ---- */

static void legs(unsigned count, const struct dm_dev_leg_health_s *leg)
{
	for (; count; count--, leg++)
		printf(" %u:%u/%d", leg->major, leg->minor, leg->health);
}

static void words(int count, char **word)
{
	for (; count > 0; count--, word++)
		text(*word);
	putchar('|');
}

static void status(const char *line)
{
	struct dm_pool *mem = dm_pool_create("inputs", 1024);
	struct dm_status_snapshot *snapshot;
	struct dm_status_raid *raid;
	struct dm_status_cache *cache;
	struct dm_status_thin_pool *pool;
	struct dm_status_thin *thin;
	struct dm_status_mirror *mirror;

	if (dm_get_status_snapshot(mem, line, &snapshot))
		printf("snapshot %" PRIu64 " %" PRIu64 " %" PRIu64 " %d%d%d%d\n", snapshot->used_sectors, snapshot->total_sectors,
		       snapshot->metadata_sectors, snapshot->has_metadata_sectors, snapshot->invalid, snapshot->merge_failed,
		       snapshot->overflow);
	if (dm_get_status_raid(mem, line, &raid)) {
		printf("raid %" PRIu64 " %" PRIu64 " %" PRIu64 " %u %" PRIu64, raid->total_regions, raid->insync_regions,
		       raid->mismatch_count, raid->dev_count, raid->data_offset);
		text(raid->raid_type);
		text(raid->dev_health);
		text(raid->sync_action);
		puts("");
	}
	if (dm_get_status_cache(mem, line, &cache)) {
		printf("cache %u %u %" PRIu64 "/%" PRIu64 " %" PRIu64 " %" PRIu64 "/%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		       " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIx64 " %d%d%d%d", cache->metadata_block_size, cache->block_size,
		       cache->metadata_used_blocks, cache->metadata_total_blocks, cache->used_blocks, cache->dirty_blocks,
		       cache->total_blocks, cache->read_hits, cache->read_misses, cache->write_hits, cache->write_misses,
		       cache->demotions, cache->promotions, cache->feature_flags, cache->error, cache->fail, cache->needs_check,
		       cache->read_only);
		text(cache->policy_name);
		words(cache->core_argc, cache->core_argv);
		words(cache->policy_argc, cache->policy_argv);
		puts("");
	}
	if (dm_get_status_thin_pool(mem, line, &pool))
		printf("pool %" PRIu64 " %" PRIu64 "/%" PRIu64 " %" PRIu64 "/%" PRIu64 " %" PRIu64 " %u %d %d%d%d%d\n",
		       pool->transaction_id, pool->used_metadata_blocks, pool->total_metadata_blocks, pool->used_data_blocks,
		       pool->total_data_blocks, pool->held_metadata_root, pool->read_only, pool->discards, pool->fail,
		       pool->error_if_no_space, pool->out_of_data_space, pool->needs_check);
	if (dm_get_status_thin(mem, line, &thin))
		printf("thin %" PRIu64 " %" PRIu64 " %d\n", thin->mapped_sectors, thin->highest_mapped_sector, thin->fail);
	if (dm_get_status_mirror(mem, line, &mirror)) {
		printf("mirror %" PRIu64 "/%" PRIu64, mirror->insync_regions, mirror->total_regions);
		legs(mirror->dev_count, mirror->devs);
		text(mirror->log_type);
		legs(mirror->log_count, (const void *) mirror->logs);
		puts("");
	}
	dm_pool_destroy(mem);
}

/* ---- c_report: flags, what to do, then fields, sort keys, selection, another selection, a name, between NULs ---- */

struct object {
	const char *name;
	uint64_t number;
	double size;
	int32_t percent, number32;
	int64_t time;
	struct dm_list tags;
};

#define REPORT_FUNCTION(name) static int name(struct dm_report *rh UNUSED, struct dm_pool *mem UNUSED, \
	struct dm_report_field *field, const void *data, void *private UNUSED)

REPORT_FUNCTION(show_string) { return dm_report_field_string(rh, field, data); }
REPORT_FUNCTION(show_number) { return dm_report_field_uint64(rh, field, data); }
REPORT_FUNCTION(show_percent) { return dm_report_field_percent(rh, field, data); }
REPORT_FUNCTION(show_int32) { return dm_report_field_int32(rh, field, data); }
REPORT_FUNCTION(show_tags) { return dm_report_field_string_list(rh, field, data, NULL); }
REPORT_FUNCTION(show_given) { return dm_report_field_string_list_unsorted(rh, field, data, "; "); }

REPORT_FUNCTION(show_size)
{
	char shown[32];

	snprintf(shown, sizeof(shown), "%gm", *(const double *) data);
	dm_report_field_set_value(field, dm_pool_strdup(mem, shown), data);
	return 1;
}

REPORT_FUNCTION(show_time)
{
	char shown[32];

	snprintf(shown, sizeof(shown), "T%" PRIi64, *(const int64_t *) data);
	dm_report_field_set_value(field, dm_pool_strdup(mem, shown), data);
	return 1;
}

static void *same(void *object)
{
	return object;
}

static int dynamic(struct dm_report *rh UNUSED, struct dm_pool *mem, uint32_t field UNUSED,
		   dm_report_reserved_action_t action, const void *in, const void **out)
{
	static const time_t range[] = { 0, 1500000000 };

	*out = NULL;
	if (action != DM_REPORT_RESERVED_PARSE_FUZZY_NAME)
		*out = range;
	else if (!strncmp(in, "dyn", 3))
		*out = dm_pool_strdup(mem, in);
	return 1;
}

#define FIELD(type, kind, member, name, function) \
	{ type, DM_REPORT_FIELD_TYPE_##kind, offsetof(struct object, member), 3, name, name, function, "A field" }

static const struct dm_report_object_type object_types[] = {
	{ 1, "Object", "o_", same }, { 2, "Object", "p_", same }, { 0, "", "", NULL }
};
static const struct dm_report_field_type field_types[] = {
	FIELD(1, STRING, name, "o_name", show_string), FIELD(1, NUMBER, number, "o_num", show_number),
	FIELD(1, SIZE, size, "o_size", show_size), FIELD(2, PERCENT, percent, "p_pct", show_percent),
	FIELD(2, STRING_LIST, tags, "p_tags", show_tags), FIELD(2, TIME, time, "p_time", show_time),
	FIELD(2, NUMBER, number32, "p_signed", show_int32), FIELD(2, STRING_LIST, tags, "p_given", show_given),
	{ 0, 0, 0, 0, "", "", NULL, NULL }
};
static const uint64_t unknown_number = UINT64_MAX, some_number = 42;
static const double small_size[] = { 0, 1 };
static const struct dm_report_field_reserved_value some = { 1, &some_number };
static const char *unknown_names[] = { "unknown", "none", NULL }, *undef_names[] = { "undef", NULL },
	*small_names[] = { "small", NULL }, *dynamic_names[] = { "dynamic", NULL }, *some_names[] = { "some", NULL };
static const struct dm_report_reserved_value reserved[] = {
	{ DM_REPORT_FIELD_TYPE_NUMBER, &unknown_number, unknown_names, "A value" },
	{ DM_REPORT_FIELD_TYPE_STRING | DM_REPORT_FIELD_RESERVED_VALUE_NAMED, "undefined", undef_names, "A value" },
	{ DM_REPORT_FIELD_TYPE_SIZE | DM_REPORT_FIELD_RESERVED_VALUE_NAMED | DM_REPORT_FIELD_RESERVED_VALUE_RANGE, small_size,
	  small_names, "A value" },
	{ DM_REPORT_FIELD_TYPE_TIME | DM_REPORT_FIELD_RESERVED_VALUE_NAMED | DM_REPORT_FIELD_RESERVED_VALUE_RANGE |
	  DM_REPORT_FIELD_RESERVED_VALUE_DYNAMIC_VALUE | DM_REPORT_FIELD_RESERVED_VALUE_FUZZY_NAMES, dynamic, dynamic_names,
	  "A value" },
	{ 0, &some, some_names, "A value" },
	{ 0, NULL, NULL, NULL }
};

static void fill(struct dm_report *rh, struct object *objects, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		printf("object %d\n", dm_report_object(rh, &objects[i]));
}

static void report(char *bytes, size_t len)
{
	static struct object objects[] = {
		{ "", 0, 0, 0, 0, 0, { NULL, NULL } },
		{ "abc", 1, 1, 100000000, -1, 1500000000, { NULL, NULL } },
		{ "a\xff""b", 42, 8192, -1, INT32_MIN, -1, { NULL, NULL } },
		{ "don't", UINT64_MAX, 1e300, 1, 42, INT64_MAX, { NULL, NULL } }
	};
	static const char *const tag_names[] = { "b", "a", "a", "c,d\xff" };
	static struct dm_str_list tags[4][4];
	const size_t count = DM_ARRAY_SIZE(objects);
	const char *part[5];
	char *next = bytes + 2;
	struct dm_report *rh;
	struct dm_report_group *group;
	uint32_t types = 0;
	size_t i, k;
	int how, done, selected;

	if (len < 2)
		return;
	how = (unsigned char) bytes[1];
	for (i = 0; i < DM_ARRAY_SIZE(part); i++) {
		part[i] = next;
		if (next < bytes + len)
			next += strlen(next) + 1;
		if (next > bytes + len)
			next = bytes + len;
	}
	for (i = 0; i < count; i++) {
		dm_list_init(&objects[i].tags);
		for (k = 0; k < i; k++) {
			tags[i][k].str = tag_names[k];
			dm_list_add(&objects[i].tags, &tags[i][k].list);
		}
	}
	rh = dm_report_init_with_selection(&types, object_types, field_types, part[0], " ", (unsigned char) bytes[0], part[1],
					   part[2], reserved, NULL);
	printf("report %d %x\n", rh != NULL, types);
	if (!rh)
		return;
	printf("prefix %d\n", dm_report_set_output_field_name_prefix(rh, part[4]));
	fill(rh, objects, count);
	if (how & 1)
		printf("compact %d\n", dm_report_compact_fields(rh));
	if (how & 2)
		printf("compact some %d\n", dm_report_compact_given_fields(rh, part[4]));
	if (how & 4)
		printf("headings %d\n", dm_report_column_headings(rh));
	printf("output %d\n", dm_report_output(rh));
	printf("empty %d\n", dm_report_is_empty(rh));
	done = dm_report_set_selection(rh, part[3]);
	printf("selection %d\n", done);
	/* After a selection that was refused the reference fails for each object. */
	for (i = 0; done && i < count; i++) {
		selected = 7;
		done = dm_report_object_is_selected(rh, &objects[i], 0, &selected);
		printf("selected %d %d\n", done, selected);
	}
	if (how & 8)
		dm_report_destroy_rows(rh);
	if (done) {
		group = dm_report_group_create(how >> 6, NULL);
		printf("push %d\n", dm_report_group_push(group, rh, (void *) "one"));
		fill(rh, objects, count);
		printf("output %d\n", dm_report_output(rh));
		printf("group %d\n", dm_report_group_destroy(group));
	}
	dm_report_free(rh);
}

int main(int argc, char **argv)
{
	static char bytes[INPUT_SIZE];
	size_t len;
	FILE *file;
	int i, how;

	setvbuf(stdout, NULL, _IOLBF, INPUT_SIZE);
	for (i = 2; i < argc; i++) {
		if (!(file = fopen(argv[i], "rb"))) {
			perror(argv[i]);
			return 1;
		}
		len = fread(bytes, 1, sizeof(bytes) - 1, file);
		fclose(file);
		bytes[len] = '\0';
		printf("== %s\n", argv[i]);
		if (!fork()) {
			alarm(10);
			dm_log_with_errno_init(message);
			if (!strcmp(argv[1], "config"))
				config(bytes, len);
			else if (!strcmp(argv[1], "regex"))
				regex(bytes, len);
			else if (!strcmp(argv[1], "status"))
				status(bytes);
			else if (!strcmp(argv[1], "c_report"))
				report(bytes, len);
			else
				return 2;
			fflush(stdout);
			_exit(0);
		}
		wait(&how);
		if (how)
			printf("died of %d\n", how);
	}
	return 0;
}
