/* Regular expressions: the examples of the interface, and random patterns on random subjects.
 *
 * Groups of the random patterns are one character long: the reference rewrites expressions with common beginnings or
 * ends wrongly when a repetition is near, which must not be copied. Of the messages about a malformed pattern only the
 * last one is compared: the reference pastes all patterns together before it reads them. */
#include <libdevmapper.h>

static char last[512];

static void log_fn(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	if (strcmp(text, "<backtrace>"))
		sprintf(last, "[%d %.500s]", level, text);
}

static unsigned seed = 1;

static unsigned below(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static void atom(char *out)
{
	static const char *atoms[] = { "a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", "\\n", "\\.", "(a|b)", "(a)", "(b|c|d)", "[b-a]", "[-a]", "d" };

	strcat(out, atoms[below(DM_ARRAY_SIZE(atoms))]);
	if (below(3) == 0)
		strcat(out, below(3) == 0 ? "*" : below(2) ? "+" : "?");
}

static void pattern(char *out)
{
	unsigned n = 1 + below(4);

	*out = 0;
	if (below(4) == 0)
		strcat(out, "^");
	while (n--)
		atom(out);
	if (below(4) == 0)
		strcat(out, "$");
}

static void try(const char *const *patterns, unsigned n, const char *const *subjects)
{
	struct dm_pool *mem = dm_pool_create("regex", 1024);
	struct dm_regex *r = dm_regex_create(mem, patterns, n);
	unsigned i;

	for (i = 0; i < n; i++)
		printf("'%s' ", patterns[i]);
	if (r)
		for (i = 0; subjects[i]; i++)
			printf("'%s' %d ", subjects[i], dm_regex_match(r, subjects[i]));
	puts(r ? "" : last);
	last[0] = 0;
	dm_pool_destroy(mem);
}

int main(void)
{
	static const char *none[] = { NULL };
	static const char *subjects[] = { "", "a", "b", "ab", "ba", "aa", "abc", "foobar", "fooba", "/dev/loop/0", "/dev/hda5", "/dev/md1", "loop",
		"a\n", "\na", "b\na", "a\nb", "a{2}", "a+", "x\x80y", "foo\x80" "bar", "foo\xc2" "bar", "]", "-", "^", "_", "z", "m", "\\", "n", "a\x02" "b", NULL };
	static const char *sets[][4] = { { "a" }, { "^a$" }, { "a", "b" }, { "foo", "foobar" }, { "a.*", ".*b", "a" }, { "a", "a" },
		{ ".*", ".*/dev/md.*", "loop" }, { "^a|b$" }, { "^ab?c$" }, { "a$" }, { "a{2}" }, { "a+?" }, { "a**" }, { "loop/[0-9]+", "hd[a-d][0-5]+" },
		{ "foo\x80" "bar", "foo\xc2" "bar", "\x80" }, { "." }, { ".." }, { "a." }, { "[^a]" }, { "^.$" }, { "^[^a]$" }, { "a^b" }, { "\\n" }, { "a\nb" },
		{ "^[a-]b]$" }, { "^[c-a]$" }, { "^[a\\-z]$" }, { "^[a-\\n]$" }, { "^[\\^a]$" }, { "^[-a]$" }, { "^[a-c-e]$" }, { "^[c-a-e]$" }, { "^[.*$^]$" },
		{ "[]", "x" }, { "[^]" }, { "[]a]" }, { "\\d" }, { "\\t|\\r" }, { "x|y|z" }, { "(a|b)+$" }, { "((a))" } };
	static const char *bad[][3] = { { "" }, { "()" }, { "(a" }, { "[a" }, { "\\" }, { "a\\" }, { "*" }, { "+a" }, { "?" }, { "a|" }, { "x", "(" }, { "[a-]" } };
	char patterns[3][64], texts[8][16];
	const char *p[3], *s[9];
	unsigned i, k, n;

	dm_log_with_errno_init(log_fn);
	for (i = 0; i < DM_ARRAY_SIZE(sets); i++) {
		for (n = 0; n < 4 && sets[i][n]; n++)
			;
		try(sets[i], n, subjects);
	}
	for (i = 0; i < DM_ARRAY_SIZE(bad); i++) {
		for (n = 0; n < 3 && bad[i][n]; n++)
			;
		try(bad[i], n, none);
	}
	try(none, 0, none);
	for (i = 0; i < 4000; i++) {
		n = 1 + below(3);
		for (k = 0; k < n; k++) {
			pattern(patterns[k]);
			p[k] = patterns[k];
		}
		for (k = 0; k < 8; k++) {
			unsigned len = below(7), j;

			for (j = 0; j < len; j++)
				texts[k][j] = "aabbcd\n\r."[below(9)];
			texts[k][len] = 0;
			s[k] = texts[k];
		}
		s[8] = NULL;
		try(p, n, s);
	}
	return 0;
}
