/*
 * What crashes or goes wrong in the reference library, and what we answer instead (defects.out); without a kernel. The list
 * is DEFECTS.md.
 */
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_log(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
	char text[500];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if ((level & 7) <= 4)
		printf("  %s: %s\n", (level & 7) == 4 ? "warning" : "error", text);
	fflush(stdout);
}

static int print_line(const char *line, void *baton)
{
	printf("  %s\n", line);
	return 1;
}

static void config(void)
{
	struct dm_config_tree *one = dm_config_from_string("section { } a=1 b { c=2 }"), *two = dm_config_from_string("empty { } a=3"), *flat;
	const struct dm_config_node *n;

	printf("config: a section as a truth value %d %d\n", dm_config_tree_find_bool(one, "section", 7), dm_config_tree_find_bool(one, "b", 0));
	for (n = one->root; n; n = n->sib)
		printf(" %s has parent %d\n", n->key, n->parent != NULL);
	dm_config_insert_cascaded_tree(two, one);
	flat = dm_config_flatten(two);
	printf("flattened %d\n", flat != NULL);
	if (flat) {
		dm_config_write_node(flat->root, print_line, NULL);
		dm_config_destroy(flat);
	}
	dm_config_remove_cascaded_tree(two);
	dm_config_destroy(one);
	dm_config_destroy(two);
}

static int number_fn(struct dm_report *rh, struct dm_pool *mem, struct dm_report_field *field, const void *data, void *private)
{
	return dm_report_field_int(rh, field, data);
}

static void *object_fn(void *object)
{
	return object;
}

static void reports(void)
{
	static const struct dm_report_object_type types[] = { { 1, "Object", "obj_", object_fn }, { 0, "", "", NULL } };
	static const struct dm_report_field_type fields[] = {
		{ 1, DM_REPORT_FIELD_TYPE_NUMBER, 0, 5, "num", "Num", number_fn, "Number." },
		{ 0, 0, 0, 0, "", "", NULL, NULL },
	};
	static const char *const selections[] = { "num=1", "num=1 x", "num<\"2", "(num=1", "num=~[a", NULL };
	uint32_t type = 1;
	struct dm_report *rh = dm_report_init(&type, types, fields, "num", "", DM_REPORT_OUTPUT_FIELD_NAME_PREFIX, NULL, NULL);
	char text[32];
	int i, n = 42;

	printf("prefix of names that was not set:\n");
	dm_report_object(rh, &n);
	dm_report_output(rh);
	dm_report_free(rh);
	for (i = 0; selections[i]; i++) {
		/* In read-only memory a selection that is written to would end the program. */
		type = 1;
		rh = dm_report_init_with_selection(&type, types, fields, "num", "", 0, NULL, selections[i], NULL, NULL);
		snprintf(text, sizeof(text), "%s", selections[i]);
		printf("selection %s: %d\n", selections[i], rh != NULL);
		if (rh)
			dm_report_free(rh);
	}
}

static void stats(void)
{
	static const char *const bounds[] = { "1,,2", "1,2,", "5,3", "m", "s,1", "1,2", "1us,2", NULL };
	struct dm_stats *s = dm_stats_create(NULL);
	struct dm_histogram *h;
	uint64_t n = 77;
	int i;

	printf("statistics without a device:\n");
	dm_stats_walk_start(s);
	printf(" end of a walk %d", dm_stats_walk_end(s));
	printf(" start %d", dm_stats_get_region_start(s, &n, 5));
	printf(" len %d", dm_stats_get_region_len(s, &n, 5));
	printf(" area %d", dm_stats_get_area_start(s, &n, 5, 6));
	printf(" reads %d", (int) dm_stats_get_reads(s, 5, 6));
	printf(" present %d", dm_stats_region_present(s, 5));
	printf(" groups %d", (int) dm_stats_get_nr_groups(s));
	printf(" histogram %d\n", dm_stats_get_histogram(s, 5, 6) != NULL);
	dm_stats_destroy(s);
	for (i = 0; bounds[i]; i++) {
		h = dm_histogram_bounds_from_string(bounds[i]);
		printf(" bounds %s: %s\n", bounds[i], h ? "taken" : "refused");
		if (h)
			dm_histogram_bounds_destroy(h);
	}
}

static void trees(void)
{
	struct dm_tree *tree = dm_tree_create();

	printf("trees: an empty uuid %d\n", dm_tree_add_new_dev(tree, "name", "", 0, 0, 0, 0, NULL) != NULL);
	dm_tree_free(tree);
}

static void pools(void)
{
	struct dm_pool *a = dm_pool_create("a", 100), *b = dm_pool_create("b", 100);
	char *p = dm_pool_strdup(a, "kept"), *q = dm_pool_strdup(b, "other");

	printf("memory of another pool:\n");
	dm_pool_free(a, q);
	printf(" %s %s\n", p, q);
	dm_pool_destroy(a);
	dm_pool_destroy(b);
}

int main(void)
{
	dm_log_with_errno_init(print_log);
	config();
	reports();
	stats();
	trees();
	pools();
	return 0;
}
