/*
 * Bad input that both libraries take without harm: texts that are too long, bytes that are no UTF-8, numbers beyond 64
 * bits, a configuration text of 100 MB, and one that is nested 10,000 deep. What the reference does not survive is in
 * bad_null.c.
 */
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int errors, warnings;

static void count(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
	if ((level & 7) <= 3)
		errors++;
	else if ((level & 7) == 4)
		warnings++;
}

static void logged(void)
{
	if (errors)
		printf(" error");
	if (warnings)
		printf(" warning");
	puts("");
	errors = warnings = 0;
}

static char *fill(size_t length, char c)
{
	char *text = malloc(length + 1);

	memset(text, c, length);
	text[length] = 0;
	return text;
}

static int put_line(const char *line, void *baton)
{
	size_t *total = baton;

	*total += strlen(line) + 1;
	return 1;
}

static void config(const char *what, char *text)
{
	struct dm_config_tree *cft = dm_config_create();
	size_t written = 0;
	int r = dm_config_parse(cft, text, text + strlen(text));

	printf("config %s: %d", what, r);
	if (r) {
		r = dm_config_write_node(cft->root, put_line, &written);
		printf(" written %d %zu", r, written);
	}
	logged();
	dm_config_destroy(cft);
}

static void texts(void)
{
	static const char *const bytes[] = { "\xff", "a\x80z", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf4\x8f\xbd\x81", "\x01\x7f" };
	struct dm_pool *pool = dm_pool_create("bad", 0);
	char *vg, *lv, *layer;

	for (unsigned i = 0; i < DM_ARRAY_SIZE(bytes); i++) {
		struct dm_hash_table *table = dm_hash_create(4);
		struct dm_config_tree *cft;
		char text[64], *name;
		int r;

		r = dm_hash_insert(table, bytes[i], table);
		printf("hash %d %d ", r, dm_hash_lookup(table, bytes[i]) == table);
		dm_hash_destroy(table);
		sprintf(text, "\"k%s\"=\"%s\" w=[x%s ] ", bytes[i], bytes[i], bytes[i]);
		config("bytes", text);
		sprintf(text, "k=\"%s\" ", bytes[i]);
		if ((cft = dm_config_from_string(text)))
			printf("found %d", !strcmp(dm_config_find_str(cft->root, "k", ""), bytes[i]));
		logged();
		dm_config_destroy(cft);
		name = dm_build_dm_name(pool, bytes[i], "l", NULL);
		r = dm_split_lvm_name(pool, name, &vg, &lv, &layer);
		printf("name %d %d %s", r, !strcmp(vg, bytes[i]), lv);
		logged();
	}
	dm_pool_destroy(pool);
}

static void too_long(void)
{
	static const unsigned lengths[] = { 126, 127, 128, 129, 500, 5000, 1000000 };
	struct dm_pool *pool = dm_pool_create("bad", 0);

	for (unsigned i = 0; i < DM_ARRAY_SIZE(lengths); i++) {
		char *name = fill(lengths[i], 'n'), *text, *argv[4];
		struct dm_hash_table *table = dm_hash_create(1);
		const char *pattern = name;
		struct dm_regex *regex;

		printf("%u: hash %d", lengths[i], dm_hash_insert(table, name, name));
		printf(" %d", dm_hash_lookup(table, name) == name);
		dm_hash_destroy(table);
		printf(" words %d", dm_split_words(name, 4, 0, argv));
		printf(" name %zu", strlen(dm_build_dm_name(pool, name, name, name)));
		printf(" uuid %zu", strlen(dm_build_dm_uuid(pool, "LVM-", name, name)));
		if (lengths[i] <= 500) {
			regex = dm_regex_create(pool, &pattern, 1);
			printf(" regex %d", regex ? dm_regex_match(regex, name) : -2);
		}
		logged();
		text = malloc(2 * (size_t) lengths[i] + 32);
		sprintf(text, "%s { a=\"%s\" } ", name, name);
		config("long", text);
		free(text);
		free(name);
	}
	dm_pool_destroy(pool);
}

static void numbers(void)
{
	static const char *const texts[] = { "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809",
		"99999999999999999999999999999999999999", "0", "4294967296" };
	struct dm_pool *pool = dm_pool_create("bad", 0);
	char line[256];

	for (unsigned i = 0; i < DM_ARRAY_SIZE(texts); i++) {
		struct dm_status_thin *thin;
		struct dm_status_snapshot *snapshot;
		const char *end;
		char unit;

		snprintf(line, sizeof(line), "a=%s b=[%s,1] ", texts[i], texts[i]);
		config(texts[i], line);
		printf("factor %llu", (unsigned long long) dm_units_to_factor(texts[i], &unit, 0, &end));
		logged();
		/* Signs and what wraps around are read by the reference's scanf; only what fits is compared. */
		if (i == 0 || i == 5 || i == 6) {
			snprintf(line, sizeof(line), "%s %s", texts[i], texts[i]);
			if (dm_get_status_thin(pool, line, &thin))
				printf("thin %llu", (unsigned long long) thin->mapped_sectors);
			logged();
			snprintf(line, sizeof(line), "%s/%s %s", texts[i], texts[i], texts[i]);
			if (dm_get_status_snapshot(pool, line, &snapshot))
				printf("snapshot %llu", (unsigned long long) snapshot->used_sectors);
			logged();
		}
	}
	printf("alloc %d", dm_pool_alloc(pool, 5000000000) != NULL);
	logged();
	printf("alloc %d", dm_pool_alloc(pool, 50000001) != NULL);
	logged();
	printf("malloc %d", dm_malloc((size_t) -1) != NULL);
	logged();
	dm_pool_destroy(pool);
}

/* Sections of entries with long values, and comments. */
static void hundred_megabytes(void)
{
	const size_t size = 100000000;
	char *text = malloc(size + 4096), *value = fill(1000, 'v'), *at = text;
	unsigned section, entry;

	for (section = 0; (size_t) (at - text) < size; section++) {
		at += sprintf(at, "s%u {\n", section);
		for (entry = 0; entry < 100 && (size_t) (at - text) < size; entry++)
			at += sprintf(at, "\tk%u = [\"%s\", %u] # %s\n", entry, value, entry, value);
		at += sprintf(at, "}\n");
	}
	config("of 100 MB", text);
	/* Without its end. */
	text[size - 1000] = 0;
	config("cut", text);
	free(value);
	free(text);
}

static void nested(unsigned depth)
{
	char *text = malloc(6 * (size_t) depth + 16), *at = text;

	for (unsigned i = 0; i < depth; i++)
		at += sprintf(at, "a { ");
	at += sprintf(at, "b=1 ");
	for (unsigned i = 0; i < depth; i++)
		at += sprintf(at, "} ");
	config("nested", text);
	at[-2] = 0;
	config("not closed", text);
	free(text);
}

int main(void)
{
	dm_log_with_errno_init(count);
	texts();
	too_long();
	numbers();
	hundred_megabytes();
	nested(10000);
	return 0;
}
