/* Strings: the examples of the interface, and all short strings over small alphabets. */
#include <libdevmapper.h>

static struct dm_pool *mem;

static int quiet;

static void log_fn(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	if (!quiet && strcmp(text, "<backtrace>"))
		printf("[%d %s]\n", level, text);
}

/* The k-th string over an alphabet; 0 when there is none of up to max characters. */
static int string_number(unsigned k, const char *alphabet, unsigned max, char *out)
{
	unsigned base = strlen(alphabet), len = 0, count = 1;

	while (k >= count) {
		k -= count;
		count *= base;
		if (++len > max)
			return 0;
	}
	out[len] = 0;
	while (len--) {
		out[len] = alphabet[k % base];
		k /= base;
	}
	return 1;
}

static void words(const char *text, unsigned max)
{
	char buffer[64], *argv[10] = { 0 };
	int n, i;

	strcpy(buffer, text);
	n = dm_split_words(buffer, max, 1, argv);
	printf("%d:", n);
	for (i = 0; i < n; i++)
		printf(" <%s>", argv[i]);
	printf(" %d\n", argv[n] == NULL);
}

static void split(const char *name)
{
	char buffer[64], *vg, *lv, *layer;
	int r = dm_split_lvm_name(mem, name, &vg, &lv, &layer);

	printf("%s: %d <%s> <%s> <%s>", name, r, vg, lv, layer);
	strcpy(buffer, name);
	vg = buffer;
	r = dm_split_lvm_name(NULL, "ignored", &vg, &lv, &layer);
	printf(" %d <%s> <%s> <%s> %d\n", r, vg, lv, layer, vg == buffer);
}

static int print(char **result, const char *f, ...)
{
	va_list ap;
	int r;

	va_start(ap, f);
	r = dm_vasprintf(result, f, ap);
	va_end(ap);
	return r;
}

int main(void)
{
	static const char *parts[] = { "vg", "v-g", "l--v", "-", "", "a-b", "_mlog", "_m-log", "x_", NULL };
	char s[64], out[128], *p, *colon, *at;
	unsigned i, j, k;

	dm_log_with_errno_init(log_fn);
	mem = dm_pool_create("strings", 1024);
	words("# comment x", 10);
	words("'a b'", 10);
	words("a b c", 2);
	words("a b", 0);
	for (k = 0; string_number(k, "a \n", 5, s); k++)
		words(s, 3);
	words(" \t\v\f\r\nx\v", 3);

	printf("<%s> <%s> <%s> <%s>\n", dm_basename("/a/b"), dm_basename("a/"), dm_basename("/"), dm_basename(""));
	printf("%u %u %u\n", dm_count_chars("abcabc", 6, 'b'), dm_count_chars("ab\0ab", 5, 'b'), dm_count_chars("abc", 0, 'a'));
	for (k = 0; k < 12; k++) {
		memset(out, '#', sizeof(out));
		printf("%d %.12s|", dm_strncpy(out, "abcdefgh", k), out);
		memset(out, '#', sizeof(out));
		printf("%d %.12s\n", dm_snprintf(out, k, "%s-%d", "abc", 1234), out);
	}
	printf("%d", dm_asprintf(&p, "%s", ""));
	printf(" '%s' ", p);
	dm_free(p);
	printf("%d", dm_asprintf(&p, "%d %s", 42, "is the answer to everything in this test"));
	printf(" %s ", p);
	free(p);
	printf("%d", print(&p, "%c%c", 'x', 'y'));
	printf(" %s\n", p);
	free(p);

	for (k = 0; string_number(k, "a\"\\:@", 4, s); k++) {
		printf("%zu %d %s", dm_escaped_len(s), dm_escape_double_quotes(out, s) == out, out);
		dm_unescape_double_quotes(out);
		printf(" %d", !strcmp(out, s));
		strcpy(out, s);
		dm_unescape_double_quotes(out);
		printf(" %s", out);
		strcpy(out, s);
		dm_unescape_colons_and_at_signs(out, &colon, &at);
		printf(" %s %s %s\n", out, colon ? colon : "-", at ? at : "-");
		strcpy(out, s);
		dm_unescape_colons_and_at_signs(out, NULL, NULL);
	}

	for (i = 0; parts[i]; i++)
		for (j = 0; parts[j]; j++) {
			printf("%s ", dm_build_dm_name(mem, parts[i], parts[j], NULL));
			for (k = 0; parts[k]; k++)
				printf("%s ", dm_build_dm_name(mem, parts[i], parts[j], parts[k]));
			printf("%s %s\n", dm_build_dm_uuid(mem, "LVM-", parts[i], parts[j]), dm_build_dm_uuid(mem, parts[i], parts[j], NULL));
		}
	for (k = 0; string_number(k, "a-_", 6, s); k++)
		split(s);
	split("vg--a-lv--b-layer--c-d--e-f");
	printf("%d\n", dm_split_lvm_name(mem, NULL, &p, &colon, &at));
	p = NULL;
	printf("%d\n", dm_split_lvm_name(NULL, "x", &p, &colon, &at));
	printf("%d\n", dm_split_lvm_name(mem, "x", &p, NULL, &at));

	for (k = 0; k < 25; k++) {
		memset(out, 0, sizeof(out));
		printf("%d %s ", dm_format_dev(out, k, 8, 1), out);
		memset(out, 0, sizeof(out));
		quiet = 1;
		i = dm_format_dev(out, k, 12345, 67890123);
		quiet = 0;
		printf("%u %s\n", i, i ? out : "");
	}
	dm_pool_destroy(mem);
	return 0;
}
