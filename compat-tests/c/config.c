/*
 * What dm_config_* answers: run against the reference library and ours, the output must be equal.
 *
 * Without arguments: the built-in inputs and some generated ones (config_section.c includes this file and tries
 * dm_config_parse_only_section, which old releases do not have).
 *   config FILE...        each FILE is parsed and written
 *   config -fuzz SEED N   N generated texts
 *   config -bench FILE N  parses FILE N times by each variant and prints seconds (not for comparison)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libdevmapper.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "log.h"

typedef int (*only_section_fn)(struct dm_config_tree *, const char *, const char *, const char *);
static only_section_fn only_section;

static void print_bytes(const char *s)
{
	for (; *s; s++)
		if ((unsigned char) *s < ' ' || (unsigned char) *s > '~')
			printf("\\x%02x", (unsigned char) *s);
		else
			putchar(*s);
}

static void print_value(const struct dm_config_value *v)
{
	for (; v; v = v->next) {
		switch (v->type) {
		case DM_CFG_INT:
			printf(" int %lld", (long long) v->v.i);
			break;
		case DM_CFG_FLOAT:
			printf(" float %a", (double) v->v.f);
			break;
		case DM_CFG_STRING:
			printf(" str \"");
			print_bytes(v->v.str);
			printf("\"");
			break;
		case DM_CFG_EMPTY_ARRAY:
			printf(" empty");
			break;
		default:
			printf(" type %d", v->type);
		}
		if (v->format_flags)
			printf("/%#x", v->format_flags);
	}
}

static void print_nodes(const struct dm_config_node *n, const struct dm_config_node *parent, int depth)
{
	for (; n; n = n->sib) {
		printf("  %*s", depth * 2, "");
		print_bytes(n->key);
		printf(":");
		print_value(n->v);
		if (n->id)
			printf(" id=%d", n->id);
		if (depth && n->parent != parent)
			printf(" (wrong parent)");
		printf("\n");
		print_nodes(n->child, n, depth + 1);
	}
}

static int putline(const char *line, void *baton)
{
	(void) baton;
	printf("  |");
	print_bytes(line);
	printf("|\n");
	return 1;
}

static int prefix_fn(const struct dm_config_node *n, const char *s, void *b)
{
	printf("  prefix %s %s", n->key, (const char *) b);
	putline(s, NULL);
	return 1;
}

static int line_fn(const struct dm_config_node *n, const char *s, void *b)
{
	printf("  line %s %s", n->key, (const char *) b);
	putline(s, NULL);
	return 0;
}

static int suffix_fn(const struct dm_config_node *n, const char *s, void *b)
{
	printf("  suffix %s %s", n->key, (const char *) b);
	putline(s, NULL);
	return 1;
}

enum { NORMAL, NO_DUP, SECTION };

static struct dm_config_tree *parse_n(const char *text, size_t len, int how, const char *section)
{
	struct dm_config_tree *cft = dm_config_create();
	int r;

	r = how == NORMAL ? dm_config_parse(cft, text, text + len)
	    : how == NO_DUP ? dm_config_parse_without_dup_node_check(cft, text, text + len)
			    : only_section(cft, text, text + len, section);
	printf("  -> %d root %d\n", r, cft->root ? 1 : 0);
	return cft;
}

static void try_n(const char *text, size_t len, int how, const char *section)
{
	struct dm_config_tree *cft;
	size_t i;
	/* an exact copy, so that reading behind the end is an error under a checker */
	char *copy;
#ifdef WITH_ONLY_SECTION
	pid_t child;
#endif

#ifdef WITH_ONLY_SECTION
	/* each in a process of its own: the reference's allocator may crash after a failure */
	fflush(stdout);
	child = fork();
	if (child) {
		waitpid(child, NULL, 0);
		return;
	}
#endif

	copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	printf("%s `", how == NORMAL ? "parse" : how == NO_DUP ? "nodup" : "section");
	for (i = 0; i < len; i++)
		if ((unsigned char) text[i] < ' ' || (unsigned char) text[i] > '~')
			printf("\\x%02x", (unsigned char) text[i]);
		else
			putchar(text[i]);
	printf("`%s%s\n", section ? " only " : "", section ? section : "");
	cft = parse_n(copy, len, how, section);
	free(copy);
	print_nodes(cft->root, NULL, 0);
	if (cft->root) {
		printf("  written %d\n", dm_config_write_node(cft->root, putline, NULL));
	}
#ifdef WITH_ONLY_SECTION
	fflush(stdout);
	_exit(0);
#endif
	dm_config_destroy(cft);
}

static void try(const char *text)
{
	try_n(text, strlen(text), NORMAL, NULL);
}

#define T(s) try_n(s, sizeof(s) - 1, NORMAL, NULL)

static void test_parse(void)
{
	static const char *const texts[] = {
		"", " ", "\n# c\n", "a=1", "a=010 b=0 c=-7 d=+9", "a=0x10 b=1", "a=1.5 b=.5 c=5. ", "a=1.5.6 ", "a=123abc ",
		"a=-abc", "a=\"x\\\"y\\\\z\\n\"", "a='x\\\"y'", "a=[]", "a=[ ]", "a=[1, \"x\", 2.5]", "a=[1 ", "a=[1,,2]",
		"a=[[1],2]", "a=[foo, bar]", "a=[foo , bar ]", "a=[foo ]", "a=[foo]", "a=[\"x\", y]", "a=[\"x\" \"y\"]", "a=['x''y']", "a=[1 \"x\"]",
		"a=[\"x\" 1]", "a=[1 2]", "a=[1,]", "a=[,1]", "a=[,]", "a=[1,,]", "a=[\"x\",]", "a=[\"x\"", "a=[\"x\",", "a=[",
		"a/b=1 a/c=2 ", "a { b=1 } z=3 a { c=2 }", "a=1 a=2 ", "\"a b\"=1 ", "tags/@foo {}", "a", "a=", "a b", "a {", "a }", "}", "a = {",
		"a { b }", "\"\"=1 ", "''=1 ", "a=\"", "a='", "\"", "'", "a=[\"", "\n\n  a = [\n x", "a=#c\n5 ", "a=1\r\nb=2\r\n",
		"a=\"foo", "a='foo", "a=\"unterm\nz=2\n", "a=\"foo\\", "a=\"foo\\\"", "a=\"foo\\\\", "a=\"\\", "a=\"\\\"", "a='\\'", "a='\\''",
		"a=yes#x", "a=yes", "a=/dev/sda b=x,y c=@tag d=f\"b e=f'g f=[] g=a=b", "a+=2 ", "a += 2 ", "123=1 -x=2 a.b=3 a,b=4 a[0]=5 @foo=6 ;b=7 .=8 +=9 -=1 ",
		"a=1;b=2 ", "a=1,b=2 ", "a=1 b=2 ", "a=\"x\"y=1 ", "a=\"x\"\"y\"=1 ", "a='x'y{}", "a=[]b=1 ", "a=[1]b=1 ", "a=1b=1 ", "a=b=c ", "a=b{}",
		"a=09 ", "a=08 ", "a=00 ", "a=-010 ", "a=+010 ", "a=- ", "a=+ ", "a=--5 ", "a=+-5 ", "a=-+5 ", "a=1+2 ", "a=1-2 ",
		"a=. ", "a=-. ", "a=+. ", "a=.. ", "a=-.5 ", "a=+.5 ", "a=1. ", "a=.5. ", "a=00.5 ", "a=-0.0 ", "a=-0 ", "a=0.0078125 b=0.0234375 c=-0.0078125 ",
		"a=9223372036854775807 ", "a=9223372036854775808 ", "a=-9223372036854775808 ", "a=-9223372036854775809 ", "a=0777777777777777777777 ",
		"a=01777777777777777777777 ", "a=99999999999999999999999999999999999999999 ", "a=000000000000000000000000000000000000000000001 ",
		"creation_time=99999999999999999999 ", "x { creation_time=99999999999999999999 } creation_time = 99999999999999999999999 ",
		"x/creation_time=99999999999999999999 ", "creation_time=[1, 99999999999999999999, -99999999999999999999] ", "creation_time=09 ",
		"creation_timex=99999999999999999999 ", "creation_time/x=99999999999999999999 ", "creation_time=0x99999999999999999999 ",
		"\"creation_time\"=99999999999999999999 ", "/creation_time=99999999999999999999 ",
		"a=0.1 b=123456789.123456789 c=3.402823466e b=1 ", "a=340282346638528859811704183484516925440.0 b=340282356779733661637539395458142568448.0 c=340282356779733661637539395458142568447.0 ",
		"a=16777217.0 b=16777219.0 c=0.000000000000000000000000000000000000000000001401298464324817 d=0.0000000000000000000000000000000000000000000000000001 ",
		"a=1e5 ", "a=1.5e3 ", "a=1.0e9999 ",
		"a//b=1 ", "/a/b=1 ", "a/=1 ", "/=1 ", "//=1 ", "a/ {b=1 } ", "a/ {} a/ {} ", "\"a/b\"=1 ", "'a/b c'/d=1 ", "a/b/c/d=1 a/b/c/e=2 a/b {f=3 } ", "a/b=1 a//b=2 /a/b=3 ",
		"a { b=1 b=2 b/c=3 } ", "a=1 a {b=2 } ", "a { b=2 } a=1 ", "a=[1,2] a=[] a=[\"x\"] ", "a=1 a= ", "a=1 a=[1 2] ", "a=1 a=\"", "\"a\\\"b\"=1 \"a\\\"b\"=2 'c\\'=3 ",
		"a{b{c{d{e=1 }}}}", "a{}b{}c=1 ", "a{", "a{b=1", "a{b=1 ", "a{b", "a{b{}", "a{b=[1,2", "a = ] ", "a = , ", "a = = ", "a = } ", "= 1", "{ }", "[ ]", ", a=1", "[a=1 ", "],a=1 ", "a[=1 ", "a]=1 ",
		"a=1 # c # d\nb=2 # e", "#a=1\n", "# only", "a#b\n=1 ", "a=\"#x\" b='#y' ", "a {#x}\n}", "a=[1#x\n,2] ",
		"a=1 \"b", "a=1 'b", "a=1 \"b\" ", "\"a\" {} 'b' {} ", "a=\"l1\nl2\nl3\" }\n", "a=\"l1\nl2\"\n\n }\n", "a=1 }\n", "a=1\n}\n", "a {\n b=1\n}\n}\n",
		"a=\" ", "a=\"x\\y\\tz\\'\" b='\\n\\\"' ", "a=\"\\\\\\\\\\\"\\\\\" ", "a=\"\" b='' c=[\"\",''] ", "\"a\\\\b\"=1 \"#\"=2 \"!\"=3 a!b=4 'q\"r'=5 \"s\\t\"=6 '\\'=7 'a\\#b'=8 ",
		"\xc3\xa9=\"\xff\xfe\" ", "a\x01=\x02 ", "a=\v\f1 ", "a\vb\f=1 ", "a\x85=1\xa0 ",
		"a = yes b = no ", "a=true}", "a=tr{ue} ", "x{a=5}", "x{a=5.}", "x{a=-}", "x{a=b}", "x{a=[b ]}", "x { a=\"b\"}", "x{a=5#\n}", "a=5\"b\"=6 ", "a=5'b'=6 ", "a=5[ ", "a=5,6 ", "a=5/6 ", "a=[5/6] ", "a=[5a] ", "a=[1;2] ",
	};
	size_t i;
	char *deep;
	int depth = 100;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		try(texts[i]);
	T("a=1 \0 b=2");
	T("a=\"x\0y\" b=2");
	T("a='x\0y' b=2");
	T("a=x\0y b=2");
	T("# x\0\na=2 ");
	T("a=12\0003 b=2");
	T("a=1.2\0003 b=2");
	T("\0");
	T("a\0=1");

	/* more digits than a double can hold */
	deep = malloc(2000);
	sprintf(deep, "a=1%0400d.0 ", 0);
	try(deep);
	sprintf(deep, "a=0.%0330d1 ", 0);
	try(deep);
	sprintf(deep, "a=-0.%0310d1 ", 0);
	try(deep);
	sprintf(deep, "a=0.%0307d1 b=0.%0306d1 c=-0.%0306d1 ", 0, 0, 0);
	try(deep);
	sprintf(deep, "a=1%0300d.0 ", 0);
	try(deep);
	free(deep);

	deep = malloc(depth * 8);
	*deep = 0;
	for (i = 0; i < (size_t) depth; i++)
		strcat(deep, "s{");
	strcat(deep, "x=1 ");
	for (i = 0; i < (size_t) depth; i++)
		strcat(deep, "}");
	try(deep);
	free(deep);
}

static void test_variants(void)
{
	static const char *const texts[] = {
		"a { x=1 } a { y=2 } b=1 b=2 c/d=1 c/e=2 ", "a=1 a=2 ", "a/b/c=1 a/b/c=2 ", "/a=1 a/=2 ", "", "a= ", "creation_time=99999999999999999999 ",
		"vg {\n id=\"x\"\n physical_volumes {\n  a=1\n }\n logical_volumes { garbage === }\n}\ncontents=\"t\"\n",
		"vg {\n id=\"x\"\n physical_volumes {\n  a=1\n }\n logical_volumes { garbage === }\n}\n",
		"vg {\n id=\"x\"\n physical_volumes {\n  a=1\n }\n logical_volumes { garbage === }\n}",
		"vg {\n id=\"x\"\n physical_volumes {\n  a=1\n }\n logical_volumes { garbage === }}\ncontents=\"t\"\n",
		"vg {\n physical_volumes {\n  a=1\n }\n}\ncontents=\"t\"\n",
		"vg {\n physical_volumes {\n  a=1\n }\n}\ncontents=\"t\"\nw {\n physical_volumes { b=2 }\n}\nz=2\n",
		"vg {\n physical_volumes {\n  a=1\n }\n x=1\n}\ncontents=\"t\"\nw {\n c=2\n}\nz=2\n",
		"vg {\n physical_volumes {\n  a=1\n }\n x=1\n}\ncontents=\"t\"\n}\nz=2 } \n",
		"vg {\n physical_volumes {\n  a=1\n }\n x=1\n}\n\n\n}\n\n z }\n",
		"physical_volumes {\n a=1\n}\nb { c { physical_volumes { d=1 } e=1 } } f=1\n}\n",
		"vg/physical_volumes {\n a=1\n}\nb=1 }\n",
		"vg { \"physical_volumes\" {\n a=1\n}\nb===1\n}\nc=1\n",
		"vg { x/physical_volumes {\n a=1\n}\nb=1\n}\nc=1\n",
		"vg { /physical_volumes {\n a=1\n}\nb=1\n}\nc=1\n",
		"vg { physical_volumes=1\n b=1\n}\nc=1\n",
		"vg { physical_volumes {}\n}\nc=1\n",
		"vg { physical_volumes {}\n}\n",
		"vg { physical_volumes {}\n}",
		"vg { physical_volumes {}",
		"vg { physical_volumes {",
		"vg { physical_volumes {\n}\n}\nc=1\n",
		"vg { physical_volumes {} physical_volumes {} x {}\n}\nc=1\n",
		"vg { physical_volumes { physical_volumes {} x {}\n}\nc=1\n}\nd=\n",
		"vg { physical_volumes { a=\"x\n}\ny\" } \n}\nc=1\n } \n",
		"\n\nvg { physical_volumes { a=1 }\n\n\n}\n\n\nc }\n",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (!only_section) {
			try_n(texts[i], strlen(texts[i]), NO_DUP, NULL);
			continue;
		}
		try_n(texts[i], strlen(texts[i]), SECTION, NULL);
		try_n(texts[i], strlen(texts[i]), SECTION, "physical_volumes");
	}
}

#ifdef WITH_ONLY_SECTION
static void test_section(void)
{
	static const char *const texts[] = {
		"vg { p {} }\nw {\n x=1\n}\nz=1\n",  "vg { p {} }", "vg { p {}", "vg { p {} = 1", "vg { p {} \"x\"", "vg { p {} \"", "vg { p {} \"\"", "vg { p {} x", "vg { p {} [", "vg { p {} x=1 }\n}","vg { p {} # c\n","vg { p {}\n}\n", "vg { p {} x\n}\n",  "vg { p {}x\n}\n", "vg { p {}\n\n\n} x", "vg { p {}\n}\n} x", "vg { p {} x \n}\n}\n z ", "vg { p {}  \n}\n}\n z ", "vg { p {} }\n}\n z ",  "vg { p {} \"a\n}\nb\"\n ]", "vg { p {} 'a\n}\nb'\n ]","vg { p {}\n\n\n'a\n}\nb'\n ]", "vg { p {}\n}\n", "vg { p {}x=1\n}", "vg { p {}\n}\n}\n}\n}", "vg { p { y=1 p { } } x\n}\nz", "vg { p { y=1 p { } } x\n}", "a { vg { p { y=1 } } x=1\n}\nz", "vg { a/b { } p/c { } c/p { } p=1 p/d=2 x=1\n}\nz",  "vg { p {} x } \n}\na { y=1 p{} z } \n}\n=", "a/vg { p {} x\n}\nz",  "vg { \"p\" {} x\n}\nz", "vg{p{}x\n}\nz=", "vg{p{}\n\n x\n}\n  \n z=", "vg{p{}\n\n \"x\n}\n  \n z=",  "vg { p {} #\n}\n z", "vg { p {} #\n}\n z=1 \n}\ny",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		try_n(texts[i], strlen(texts[i]), SECTION, "p");
	try_n("a { \"x/y\" { } z z\n}\nb=1 ", 25, SECTION, "x/y");
	try_n("a { x/y { } z z\n}\nb=1 ", 23, SECTION, "y");
	try_n("vg { p {}\n}\nc=1 \0\n}\nd=1 ", 24, SECTION, "p");
}
#endif

static const char *found(const struct dm_config_node *n)
{
	return n ? n->key : "nothing";
}

static void test_getters(const struct dm_config_node *cn, const struct dm_config_tree *cft, const char *path)
{
	uint32_t u32 = 77;
	uint64_t u64 = 78;
	const char *str = "before";
	const struct dm_config_value *list = NULL;
	const struct dm_config_node *section = NULL;
	const char *s;
	int r;

	printf("find `%s`\n", path);
	printf("  node %s\n", found(dm_config_find_node(cn, path)));
	printf("  has %d\n", dm_config_has_node(cn, path));
	printf("  str %s\n", dm_config_find_str(cn, path, "default"));
	s = dm_config_find_str(cn, path, NULL);
	printf("  str/NULL %s\n", s ? s : "(null)");
	printf("  str_allow_empty %s\n", dm_config_find_str_allow_empty(cn, path, "default"));
	s = dm_config_find_str_allow_empty(cn, path, NULL);
	printf("  str_allow_empty/NULL %s\n", s ? s : "(null)");
	printf("  int %d\n", dm_config_find_int(cn, path, 99));
	printf("  int64 %lld\n", (long long) dm_config_find_int64(cn, path, 99));
	printf("  float %a\n", (double) dm_config_find_float(cn, path, 99.5f));
	if (!dm_config_get_section(cn, path, NULL))
		printf("  bool %d %d\n", dm_config_find_bool(cn, path, 1), dm_config_find_bool(cn, path, 5));
	r = dm_config_get_uint32(cn, path, &u32);
	printf("  uint32 %d %u %d\n", r, u32, dm_config_get_uint32(cn, path, NULL));
	r = dm_config_get_uint64(cn, path, &u64);
	printf("  uint64 %d %llu %d\n", r, (unsigned long long) u64, dm_config_get_uint64(cn, path, NULL));
	r = dm_config_get_str(cn, path, &str);
	printf("  get_str %d %s %d\n", r, str, dm_config_get_str(cn, path, NULL));
	r = dm_config_get_list(cn, path, &list);
	printf("  list %d %d", r, dm_config_get_list(cn, path, NULL));
	print_value(list);
	r = dm_config_get_section(cn, path, &section);
	printf("\n  section %d %s %d\n", r, found(section), dm_config_get_section(cn, path, NULL));
	printf("  tree: node %s\n", found(dm_config_tree_find_node(cft, path)));
	printf("  tree: str %s\n", dm_config_tree_find_str(cft, path, "default"));
	s = dm_config_tree_find_str(cft, path, NULL);
	printf("  tree: str/NULL %s\n", s ? s : "(null)");
	printf("  tree: str_allow_empty %s\n", dm_config_tree_find_str_allow_empty(cft, path, "default"));
	printf("  tree: int %d\n", dm_config_tree_find_int(cft, path, 99));
	printf("  tree: int64 %lld\n", (long long) dm_config_tree_find_int64(cft, path, 99));
	printf("  tree: float %a\n", (double) dm_config_tree_find_float(cft, path, 99.5f));
	if (!dm_config_tree_find_node(cft, path) || dm_config_tree_find_node(cft, path)->v)
		printf("  tree: bool %d\n", dm_config_tree_find_bool(cft, path, 5));
}

static struct dm_config_tree *tree(const char *text)
{
	struct dm_config_tree *cft = dm_config_from_string(text);

	if (!cft)
		printf("  from_string failed: `%s`\n", text);
	return cft;
}

static void test_find(void)
{
	static const char *const paths[] = {
		"sec", "sec/sub/b", "/sec//sub/b", "sec/", "sec/a/", "", "/", "//", "empty/x", "empty", "i", "big", "neg", "f", "s", "es", "ea", "l", "ls", "lf", "le",
		"y", "Yes", "on", "TRUE", "n", "No", "off", "FALSE", "other", "zero", "two", "sec/a", "a", "sec/nothing", "i/x", "S", "both", "both/x",
	};
	struct dm_config_tree *cft = tree("sec { a=1 sub { b=\"B\" } } empty { } i=5 big=4294967297 neg=-1 f=2.5 s=\"text\" es=\"\" ea=[] l=[7,\"x\"] ls=[\"x\",7] lf=[1.5,1] le=[\"\",1]"
					  " y=y Yes=Yes on=on TRUE=TRUE n=n No=No off=off FALSE=FALSE other=yess zero=0 two=2 both=1 both { x=2 }");
	struct dm_config_tree *upper = tree("id=\"two\" pv { b=22 e=5 } x=\"str\" sect=5 only2 { a=1 } ");
	struct dm_config_tree *lower = tree("id=\"one\" pv { a=1 b=2 } x=1 only1=1 sect { a=1 } only2=6 ");
	struct dm_config_tree *lowest = tree("id=\"zero\" only0=1 pv { z=1 a=3 } ");
	struct dm_config_tree *dup = dm_config_create();
	static const char *const cpaths[] = { "id", "pv/a", "pv/b", "pv/z", "pv", "only0", "only1", "x", "sect", "sect/a", "only2", "only2/a", "nothing" };
	static const char dup_text[] = "a { x=1 } a { y=2 } a { x=3 } b=1 b=2 c/d=1 c/e=2 ";
	static const char *const dpaths[] = { "a/x", "a/y", "b", "c/e", "c", "/a//x", "a" };
	const char *str;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		test_getters(cft->root, cft, paths[i]);
	printf("relative\n");
	printf("  %s\n", found(dm_config_find_node(cft->root, "empty")));
	printf("  %s\n", found(dm_config_find_node(cft->root->child, "a")));
	printf("  %s\n", found(dm_config_find_node(cft->root->child, "sub/b")));
	printf("  %s\n", found(dm_config_find_node(cft->root->sib, "sec")));
	printf("  %s\n", found(dm_config_find_node(NULL, "sec")));
	printf("  %s\n", found(dm_config_tree_find_node(NULL, "sec")));
	printf("  %d\n", dm_config_tree_find_int(NULL, "sec", 4));
	printf("  %s\n", dm_config_parent_name(cft->root->child));
	printf("  %s\n", dm_config_parent_name(cft->root->child->sib->child));
	dm_config_destroy(cft);

	printf("cascade\n");
	printf("  %d\n", dm_config_insert_cascaded_tree(upper, lower) == upper);
	printf("  %d\n", dm_config_insert_cascaded_tree(lower, lowest) == lower);
	for (i = 0; i < sizeof(cpaths) / sizeof(*cpaths); i++)
		test_getters(upper->root, upper, cpaths[i]);
	cft = dm_config_flatten(upper);
	printf("flatten\n");
	printf("  cascade %d custom %d\n", cft->cascade ? 1 : 0, cft->custom ? 1 : 0);
	print_nodes(cft->root, NULL, 0);
	dm_config_write_node(cft->root, putline, NULL);
	dm_config_destroy(cft);
	printf("  %d\n", dm_config_remove_cascaded_tree(upper) == lower);
	printf("  %d\n", dm_config_remove_cascaded_tree(upper) == NULL);
	printf("  %d\n", dm_config_remove_cascaded_tree(NULL) == NULL);
	printf("  %d\n", dm_config_remove_cascaded_tree(lower) == lowest);
	dm_config_set_custom(upper, upper);
	printf("  %d %d\n", dm_config_get_custom(upper) == (void *) upper, dm_config_get_custom(lower) == NULL);
	dm_config_destroy(upper);
	dm_config_destroy(lower);
	dm_config_destroy(lowest);

	upper = tree("id=\"two\" pv { b=22 e=5 } x=\"str\" only2=2 ");
	lower = tree("id=\"one\" flags=[] pv { a=1 b=2 c { d=1 } } x=1 only1=[1,2.5,\"z\"] both=1 both/x=2 ");
	dm_config_value_set_format_flags(upper->root->v, 0x10000);
	upper->root->id = 5;
	dm_config_insert_cascaded_tree(upper, lower);
	cft = dm_config_flatten(upper);
	printf("flatten\n");
	print_nodes(cft->root, NULL, 0);
	dm_config_write_node(cft->root, putline, NULL);
	dm_config_destroy(cft);
	dm_config_destroy(upper);
	dm_config_destroy(lower);
	upper = dm_config_create();
	cft = dm_config_flatten(upper);
	printf("flatten nothing: %d %d\n", cft ? 1 : 0, cft && cft->root ? 1 : 0);
	dm_config_destroy(cft);
	dm_config_destroy(upper);

	printf("duplicates\n");
	dm_config_parse_without_dup_node_check(dup, dup_text, dup_text + strlen(dup_text));
	for (i = 0; i < sizeof(dpaths) / sizeof(*dpaths); i++) {
		printf("find `%s`\n", dpaths[i]);
		printf("  %s\n", found(dm_config_find_node(dup->root, dpaths[i])));
	}
	cft = dm_config_flatten(dup);
	print_nodes(cft->root, NULL, 0);
	dm_config_destroy(cft);
	dm_config_destroy(dup);

	printf("maybe_section\n");
	for (i = 0; i < 8; i++) {
		static const char *const s[] = { "", "a", "{}", "}{", "{", "a{b{}}", "a{}}", "{}\n" };
		printf("  `%s` %d %d\n", s[i], dm_config_maybe_section(s[i], strlen(s[i])), s[i][0] ? dm_config_maybe_section(s[i], strlen(s[i]) - 1) : 0);
	}

	printf("upstream unit test\n");
	cft = tree("id = \"yada-yada\"\nseqno = 15\nstatus = [\"READ\", \"WRITE\"]\nflags = []\nextent_size = 8192\nphysical_volumes {\n    pv0 {\n        id = \"abcd-efgh\"\n    }\n    pv1 {\n        id = \"bbcd-efgh\"\n    }\n}\n");
	printf("  %s\n", dm_config_find_str(cft->root, "physical_volumes/pv0/id", "foo"));
	printf("  %d\n", dm_config_get_str(cft->root, "id", &str));
	dm_config_write_node(cft->root, putline, NULL);
	dm_config_write_one_node(cft->root, putline, NULL);
	dm_config_write_one_node(cft->root->sib->sib->sib->sib->sib, putline, NULL);
	dm_config_destroy(cft);
	printf("  %d\n", dm_config_from_string("") == NULL);
	printf("  %d\n", dm_config_from_string("a=") == NULL);
}

static struct dm_config_node *by_hand(struct dm_config_tree *cft, const char *key, const char *spec)
{
	struct dm_config_node *n = dm_config_create_node(cft, key);
	struct dm_config_value **next = &n->v;
	char *copy = dm_pool_strdup(dm_config_memory(cft), spec), *item, *save = NULL;

	/* items: i5 f2.5 sTEXT e, each with /FLAGS */
	for (item = strtok_r(copy, ";", &save); item; item = strtok_r(NULL, ";", &save)) {
		struct dm_config_value *v = dm_config_create_value(cft);
		char *flags = strrchr(item, '~');

		if (v->type != DM_CFG_INT || v->v.i || v->next || v->format_flags)
			printf("  value is not zero\n");
		if (flags) {
			*flags++ = 0;
			dm_config_value_set_format_flags(v, strtoul(flags, NULL, 0));
		}
		switch (*item) {
		case 'i':
			v->v.i = strtoll(item + 1, NULL, 0);
			break;
		case 'f':
			v->type = DM_CFG_FLOAT;
			v->v.f = strtof(item + 1, NULL);
			break;
		case 's':
			v->type = DM_CFG_STRING;
			v->v.str = item + 1;
			break;
		case 'e':
			v->type = DM_CFG_EMPTY_ARRAY;
			break;
		default:
			v->type = 9;
		}
		*next = v;
		next = &v->next;
	}
	return n;
}

static void test_write(void)
{
	static const char *const specs[] = {
		"i5", "i5~1", "i5~2", "i5~3", "i5~0x10000", "i5~0x10001", "i5~0x10003", "i0~0x10000", "i420~0x10000", "i-8~0x10000", "i-8", "i-9223372036854775808",
		"i1;i2", "i1~1;i2", "i1~2;i2", "i1~3;i2", "i1;i2~0x10002", "i1;i2~1", "e", "e~1", "e~2", "e~3", "e;i1", "e~2;i1", "i1;e", "i1;e;i2", "i1~2;e;i2", "i1~2;i2;e~2;i2",
		"sstr", "sstr~1", "sstr~2", "sstr~3", "sstr~0x10000", "sa\"b\\c\n~0x10000", "sa\"b\\c\nd", "sx~0x10003;sy~0x10003", "sx~0x10003;sy", "s", "s~0x10000",
		"f2.5", "f2.5~0x10000", "f0.0078125", "f0.0234375", "f-0.0", "finf", "f-inf", "fnan", "f1e30", "f1e-9", "f123456.789", "f16777216", "f3.4e38", "f0.1;f0.2", "f1e-45",
		"u", "u;i1", "i1;u;i2", "i1~2;u", "",
	};
	static const char *const keys[] = { "plain", "a#b", "a\"b", "a!b", "a b", "a\\b", "a\\!b", "a{b", "", "a=b", "a'b", "a/b" };
	struct dm_config_tree *cft = dm_config_create(), *other;
	struct dm_config_node *n, *m, *last;
	struct dm_config_node_out_spec spec = { prefix_fn, line_fn, suffix_fn }, none = { NULL, NULL, NULL }, lines = { NULL, line_fn, NULL };
	char baton[] = "B";
	size_t i;
	int d;

	for (i = 0; i < sizeof(specs) / sizeof(*specs); i++) {
		printf("write `");
		print_bytes(specs[i]);
		printf("`\n");
		n = by_hand(cft, "k", specs[i]);
		printf("  %d\n", dm_config_write_node(n, putline, NULL));
		m = dm_config_clone_node(cft, n, 0);
		print_nodes(m, NULL, 0);
		printf("  bool %d flags %#x\n", dm_config_value_is_bool(n->v), dm_config_value_get_format_flags(n->v));
	}
	printf("keys\n");
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		dm_config_write_node(by_hand(cft, keys[i], "i1"), putline, NULL);
		dm_config_write_node(by_hand(cft, keys[i], ""), putline, NULL);
	}
	printf("value helpers\n");
	dm_config_value_set_format_flags(NULL, 1);
	printf("  %u %d\n", dm_config_value_get_format_flags(NULL), dm_config_value_is_bool(NULL));

	printf("out spec\n");
	other = tree("sec { a=1 sub { b=\"B\" } } empty {} l=[1,2] ");
	printf("  %d\n", dm_config_write_node_out(other->root, &spec, baton));
	printf("  %d\n", dm_config_write_one_node_out(other->root, &spec, baton));
	printf("  %d\n", dm_config_write_node_out(other->root, &none, baton));
	printf("  %d\n", dm_config_write_node_out(other->root, &lines, baton));
	printf("  NULL %d %d %d %d\n", dm_config_write_node(NULL, putline, NULL), dm_config_write_one_node(NULL, putline, NULL),
	       dm_config_write_node_out(NULL, &spec, NULL), dm_config_write_one_node_out(NULL, &spec, NULL));
	printf("  NULL callback %d %d\n", dm_config_write_node(other->root, NULL, NULL), dm_config_write_one_node(other->root, NULL, NULL));
	printf("  NULL spec %d %d\n", dm_config_write_node_out(other->root, NULL, NULL), dm_config_write_one_node_out(other->root, NULL, NULL));
	printf("  NULL both %d %d\n", dm_config_write_node(NULL, NULL, NULL), dm_config_write_node_out(NULL, NULL, NULL));

	printf("clone\n");
	other->root->id = 3;
	other->root->child->id = 4;
	dm_config_value_set_format_flags(other->root->child->v, 3);
	n = dm_config_clone_node(cft, other->root, 0);
	printf("  sib %d parents %d %d\n", n->sib ? 1 : 0, n->parent ? 1 : 0, n->child->parent ? 1 : 0);
	printf("  %s %s\n", dm_config_parent_name(n), dm_config_parent_name(n->child));
	printf("  keys shared %d\n", n->key == other->root->key);
	dm_config_write_node(n, putline, NULL);
	n = dm_config_clone_node_with_mem(dm_config_memory(cft), other->root->child, 1);
	dm_config_write_node(n, putline, NULL);
	printf("  ids %d %d\n", n->id, n->sib->id);
	printf("  NULL %d\n", dm_config_clone_node(cft, NULL, 1) ? 1 : 0);
	dm_config_write_node(other->root, putline, NULL);

	printf("remove\n");
	n = other->root;
	printf("  %d\n", dm_config_remove_node(n, n->sib));
	m = n->child;
	printf("  %d\n", dm_config_remove_node(n, m));
	printf("  %s\n", found(m->sib));
	dm_config_write_node(n, putline, NULL);
	m = n->child;
	printf("  %d %d\n", dm_config_remove_node(n, m), n->child ? 1 : 0);
	printf("  %d\n", dm_config_remove_node(n, m));
	dm_config_destroy(other);
	other = tree("s { a=1 b=2 c=3 } ");
	printf("  %d\n", dm_config_remove_node(other->root, other->root->child->sib));
	dm_config_write_node(other->root, putline, NULL);
	printf("  %d\n", dm_config_remove_node(other->root, other->root->child->sib));
	dm_config_write_node(other->root, putline, NULL);

	printf("reparse\n");
	printf("  %d\n", dm_config_parse(other, "z=1 ", "z=1 " + 4));
	dm_config_write_node(other->root, putline, NULL);
	printf("  %d %d\n", dm_config_parse(other, "z= ", "z= " + 3), other->root ? 1 : 0);
	dm_config_destroy(other);

	printf("by hand, relinked\n");
	n = by_hand(cft, "top", "");
	n->child = by_hand(cft, "b", "i1");
	n->child->parent = n;
	n->child->sib = by_hand(cft, "c", "");
	n->sib = by_hand(cft, "second", "sx;i2");
	dm_config_write_node(n, putline, NULL);
	dm_config_write_one_node(n, putline, NULL);
	printf("  %s\n", dm_config_parent_name(n->child));

	printf("both\n");
	n = by_hand(cft, "top", "i1");
	n->child = by_hand(cft, "b", "i1");
	dm_config_write_node(n, putline, NULL);
	m = dm_config_clone_node(cft, n, 0);
	print_nodes(m, NULL, 40);

	printf("deep\n");
	n = last = by_hand(cft, "d0", "");
	for (d = 1; d < 40; d++) {
		last->child = by_hand(cft, "d", d == 39 ? "i1" : "");
		last = last->child;
	}
	dm_config_write_node(n, putline, NULL);
	dm_config_destroy(cft);
}

/* A sequence that is the same on every machine. */
static uint64_t state;

static unsigned next(unsigned n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned) (state >> 33) % n;
}

/* Entries, well-formed for the most part. */
static void entries(char *text, int depth)
{
	static const char *const keys[] = { "a", "b", "c", "a/b", "key", "\"q k\"", "'s'", "@tag", "x/y/z", "a.b-1+2", "id" };
	static const char *const values[] = {
		"1 ", "-5 ", "010 ", "1.5 ", "-.25 ", "\"str\"", "'single'", "\"a\\\"b\\\\c\"", "word ", "[]", "[ 1, 2, 3 ]", "[\"x\" \"y\"]", "[1,]", "[\"a\",2,3.5]", "\"\"", "[ w , \"\" ]",
	};
	int n = next(5);

	while (n--) {
		strcat(text, keys[next(sizeof(keys) / sizeof(*keys))]);
		if (depth < 4 && next(3) == 0) {
			strcat(text, next(2) ? " {\n" : "{");
			entries(text, depth + 1);
			strcat(text, next(2) ? "\n}\n" : "}");
		} else {
			strcat(text, next(2) ? " = " : "=");
			strcat(text, values[next(sizeof(values) / sizeof(*values))]);
			strcat(text, next(4) ? "\n" : " # comment\n");
		}
	}
}

/* Whether a text may have a number that the releases read differently: a lone sign, or 8 or 9 after a leading 0. */
static int unclear(const char *text)
{
	for (; *text; text++) {
		if ((*text == '+' || *text == '-') && !strchr("0123456789.", text[1]))
			return 1;
		if (*text == '0' && text[1] && strchr("0123456789xX", text[1]) && strpbrk(text + 1, "89xX") == text + 1 + strspn(text + 1, "01234567"))
			return 1;
	}
	return 0;
}

static void fuzz(uint64_t seed, int count)
{
	static const char *const words[] = {
		"a", "b", "a/b", "key", "creation_time", "=", "=", "=", "{", "}", "{", "}", "[", "]", ",", ",", "\"str\"", "'s'", "\"q\\\"\"", "\\", "1 ", "23 ", "010 ",
		"1.5 ", ". ", "-7 ", "9223372036854775808 ", "#", "\n", " ", " ", " ", "\n", "\t", "/", "yes", "physical_volumes", "\n}\n", "!", "@t", ";", "=1 ", "={", "=[", "=\"v\" ", "0.0001 ",
		"\"", "'",
	};
	char *text = malloc(1 << 18);
	int i, j;

	state = seed;
	for (i = 0; i < count; i++) {
		int how = only_section ? SECTION : (int) next(2);

		*text = 0;
		if (i % 3) {
			strcpy(text, "id=1 ");
			entries(text, 0);
			if (i % 3 == 2) {
				size_t at = next(strlen(text)), len = strlen(text);
				const char *word = words[next(sizeof(words) / sizeof(*words))];

				/* cut something out or put something in */
				if (next(2))
					memmove(text + at, text + at + 1, len - at);
				else {
					memmove(text + at + strlen(word), text + at, len - at + 1);
					memcpy(text + at, word, strlen(word));
				}
			}
		} else
			for (j = next(24); j >= 0; j--)
				strcat(text, words[next(sizeof(words) / sizeof(*words))]);
		/* the reference reads numbers past the end, so never end in one */
		strcat(text, " ");
		if (unclear(text))
			continue;
		try_n(text, strlen(text), how, how == SECTION ? "b" : NULL);
	}
	free(text);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static size_t written;

static int count_line(const char *line, void *baton)
{
	(void) baton;
	written += strlen(line) + 1;
	return 1;
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text;

	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	*len = ftell(f);
	rewind(f);
	text = malloc(*len + 1);
	if (fread(text, 1, *len, f) != *len)
		return NULL;
	text[*len] = 0;
	fclose(f);
	return text;
}

static int bench(const char *path, int rounds)
{
	static const char *const names[] = { "parse", "nodup", "section", "write", "destroy" };
	size_t len;
	char *text = read_file(path, &len);
	int i, how;
	double best[5];

	if (!text)
		return 1;
	for (i = 0; i < 5; i++)
		best[i] = 1e9;
	for (i = 0; i < rounds; i++)
		for (how = 0; how < 3; how++) {
			struct dm_config_tree *cft = dm_config_create();
			double t = now();

			if (how == SECTION && !only_section) {
				dm_config_destroy(cft);
				continue;
			}
			if (!(how == NORMAL ? dm_config_parse(cft, text, text + len)
			      : how == NO_DUP ? dm_config_parse_without_dup_node_check(cft, text, text + len)
					      : only_section(cft, text, text + len, "physical_volumes")))
				return 1;
			best[how] = fmin(best[how], now() - t);
			if (how == NORMAL) {
				t = now();
				dm_config_write_node(cft->root, count_line, NULL);
				best[3] = fmin(best[3], now() - t);
			}
			t = now();
			dm_config_destroy(cft);
			if (how == NORMAL)
				best[4] = fmin(best[4], now() - t);
		}
	for (i = 0; i < 5; i++)
		printf("%s %.6f\n", names[i], best[i]);
	return 0;
}

int main(int argc, char **argv)
{
	int i;

	if (getenv("UNBUFFERED"))
		setvbuf(stdout, NULL, _IONBF, 0);
	dm_log_with_errno_init(log_problems);
#ifdef WITH_ONLY_SECTION
	only_section = (only_section_fn) dlsym(RTLD_DEFAULT, "dm_config_parse_only_section");
	if (argc == 1) {
		if (!only_section)
			return 77;
		test_variants();
		test_section();
		fuzz(7, 300);
		return 0;
	}
#endif
	if (argc == 4 && !strcmp(argv[1], "-bench"))
		return bench(argv[2], atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "-fuzz")) {
		fuzz(strtoull(argv[2], NULL, 0), atoi(argv[3]));
		return 0;
	}
	for (i = 1; i < argc; i++) {
		size_t len;
		char *text = read_file(argv[i], &len);
		struct dm_config_tree *cft;

		if (!text)
			return 1;
		printf("file %d\n", i);
		cft = parse_n(text, len, NORMAL, NULL);
		if (cft->root)
			dm_config_write_node(cft->root, putline, NULL);
		dm_config_destroy(cft);
		free(text);
	}
	if (argc > 1)
		return 0;
	test_parse();
	test_variants();
	test_find();
	test_write();
	fuzz(1, 2000);
	return 0;
}
