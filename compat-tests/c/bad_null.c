/*
 * Bad input that the reference does not survive: NULL in one place with everything else in order, a NULL function, and
 * texts that are nested a million deep. What ours answers stands in bad_null.out.
 */
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char last[256];

static void keep(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
	va_list ap;

	if ((level & 7) > 3 || last[0])
		return;
	va_start(ap, format);
	vsnprintf(last, sizeof(last), format, ap);
	va_end(ap);
}

static void answer(const char *what, long result)
{
	printf("%s: %ld%s%s\n", what, result, last[0] ? " " : "", last);
	last[0] = 0;
}

#define GIVES(call) answer(#call, (long) (call))
#define DOES(call) do { call; answer(#call, 0); } while (0)

static void nothing(void *data)
{
}

static int put_line(const char *line, void *baton)
{
	++*(size_t *) baton;
	return 1;
}

static void lists(void)
{
	struct dm_list head, element;

	dm_list_init(&head);
	DOES(dm_list_add(&head, NULL));
	DOES(dm_list_add(NULL, &element));
	DOES(dm_list_add_h(&head, NULL));
	DOES(dm_list_splice(&head, NULL));
	DOES(dm_list_del(NULL));
	GIVES(dm_list_size(NULL));
	GIVES(dm_list_size(&head));
}

static void hashes(void)
{
	struct dm_hash_table *t = dm_hash_create(4);
	const char *none = NULL;

	GIVES(dm_hash_insert(t, none, t));
	GIVES(dm_hash_insert(NULL, "k", t));
	GIVES(dm_hash_lookup(t, none));
	GIVES(dm_hash_insert_binary(t, NULL, 3, t));
	GIVES(dm_hash_insert_binary(t, NULL, 0, t) && dm_hash_lookup_binary(t, NULL, 0) == t);
	GIVES(dm_hash_insert_allow_multiple(t, none, t, 1));
	GIVES(dm_hash_lookup_with_count(t, "k", NULL));
	DOES(dm_hash_iter(t, NULL));
	DOES(dm_hash_iter(NULL, nothing));
	GIVES(dm_hash_get_num_entries(t));
	DOES(dm_hash_destroy(NULL));
	dm_hash_destroy(t);
}

static void pools(void)
{
	struct dm_pool *p = dm_pool_create("null", 0);
	const char *none = NULL, *patterns[] = { "a", NULL };
	struct dm_regex *r;

	GIVES(dm_pool_strdup(p, none));
	GIVES(dm_pool_strndup(p, none, 3));
	GIVES(dm_pool_alloc(NULL, 3));
	GIVES(dm_pool_begin_object(p, 3));
	GIVES(dm_pool_grow_object(p, none, 3));
	GIVES(dm_pool_grow_object(p, none, 0));
	dm_pool_abandon_object(p);
	DOES(dm_pool_free(p, NULL));
	DOES(dm_pool_destroy(NULL));
	GIVES(dm_regex_create(p, NULL, 1));
	GIVES(dm_regex_create(p, patterns, 2));
	GIVES(dm_regex_create(NULL, patterns, 1));
	r = dm_regex_create(p, patterns, 1);
	GIVES(dm_regex_match(r, none));
	GIVES(dm_regex_match(NULL, "a"));
	GIVES(dm_build_dm_name(p, none, "l", NULL));
	GIVES(dm_build_dm_name(p, "v", none, NULL));
	GIVES(dm_bitset_parse_list(none, p, 0));
	GIVES(dm_size_to_string(NULL, 1, 's', 0, 512, 0, DM_SIZE_SHORT));
	dm_pool_destroy(p);
}

static void strings(void)
{
	char text[8] = "a", *result = text, *none = NULL;

	GIVES(dm_basename(none));
	GIVES(dm_strncpy(text, none, 8));
	GIVES(dm_strncpy(none, text, 8));
	GIVES(dm_split_words(none, 3, 0, &result));
	GIVES(dm_split_words(text, 3, 0, NULL));
	GIVES(dm_escape_double_quotes(text, none));
	GIVES(dm_count_chars(none, 3, 'a'));
	GIVES(dm_asprintf(NULL, "%s", text));
	GIVES(dm_strdup(none));
	GIVES(dm_fclose(NULL));
	GIVES(dm_timestamp_compare(NULL, NULL));
	GIVES(dm_create_dir(none));
}

static void configs(void)
{
	struct dm_config_tree *cft = dm_config_from_string("a { b=1 }");
	const char *none = NULL, *found = NULL;

	GIVES(dm_config_from_string(none));
	GIVES(dm_config_parse(NULL, "a=1", "a=1" + 3));
	GIVES(dm_config_create_node(cft, none));
	GIVES(dm_config_find_node(cft->root, none));
	GIVES(dm_config_tree_find_str(cft, none, "x") != NULL);
	GIVES(dm_config_tree_find_int(NULL, "a/b", 7));
	GIVES(dm_config_get_str(cft->root, none, &found));
	GIVES(dm_config_get_str(cft->root, "a/b", NULL));
	GIVES(dm_config_write_node(cft->root, NULL, NULL));
	GIVES(dm_config_clone_node_with_mem(NULL, cft->root, 1));
	dm_config_destroy(cft);
	DOES(dm_config_destroy(NULL));
}

static void statuses(void)
{
	struct dm_pool *p = dm_pool_create("null", 0);
	struct dm_status_thin *thin = NULL;
	struct dm_status_cache *cache = NULL;

	GIVES(dm_get_status_thin(p, NULL, &thin));
	GIVES(dm_get_status_thin(NULL, "1 2", &thin));
	GIVES(dm_get_status_thin(p, "1 2", NULL));
	GIVES(dm_get_status_cache(p, "Fail", NULL));
	GIVES(dm_get_status_cache(p, NULL, &cache));
	GIVES(dm_get_status_mirror(p, "1 1:1 1/2 1 A 1 core", NULL));
	GIVES(dm_get_status_raid(p, NULL, NULL));
	dm_pool_destroy(p);
}

static void depth(void)
{
	const unsigned deep = 1000000;
	char *text = malloc(6 * (size_t) deep + 16), *at = text;
	struct dm_config_tree *cft = dm_config_create(), *flat;
	struct dm_pool *p = dm_pool_create("deep", 0);
	struct dm_config_node *copy;
	size_t lines = 0, copied = 0, flattened = 0;
	struct dm_regex *r;
	const char *pattern = text;

	for (unsigned i = 0; i < deep; i++)
		at += sprintf(at, "a { ");
	at += sprintf(at, "b=1 ");
	for (unsigned i = 0; i < deep; i++)
		at += sprintf(at, "} ");
	GIVES(dm_config_parse(cft, text, at));
	GIVES(dm_config_write_node(cft->root, put_line, &lines));
	GIVES((copy = dm_config_clone_node_with_mem(p, cft->root, 1)) != NULL);
	GIVES(dm_config_write_node(copy, put_line, &copied));
	GIVES((flat = dm_config_flatten(cft)) != NULL);
	GIVES(dm_config_write_node(flat->root, put_line, &flattened));
	printf("%zu %zu %zu lines\n", lines, copied, flattened);
	dm_config_destroy(flat);
	dm_config_destroy(cft);

	memset(text, '(', deep);
	text[deep] = 'a';
	memset(text + deep + 1, ')', deep);
	text[2 * deep + 1] = 0;
	GIVES((r = dm_regex_create(p, &pattern, 1)) != NULL);
	GIVES(dm_regex_match(r, "bab"));
	text[2 * deep] = 0;
	GIVES(dm_regex_create(p, &pattern, 1));
	dm_pool_destroy(p);
	free(text);
}

int main(void)
{
	dm_log_with_errno_init(keep);
	lists();
	hashes();
	pools();
	strings();
	configs();
	statuses();
	depth();
	return 0;
}
