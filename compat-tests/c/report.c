/*
 * dm_report_* of whichever libdevmapper this is linked to: runs scripted and generated invocations and prints everything
 * the library says, so that two libraries can be compared line by line.
 *
 *   report            all cases of report-cases.h
 *   report -f FILE    cases of a file
 *   report -r N SEED  N generated cases
 *   report -v ...     generated cases also with what only libraries from 1.02.197 on know (heading ids, JSON_STD)
 *   report -b ROWS    time of a sorted and selected report, seconds on standard output
 *
 * A case is a list of lines; the first is "case NAME", arguments are separated by tabs:
 *   R n                                     use report slot n (0..3) from here on
 *   I flags types fields sep keys           dm_report_init
 *   S flags types fields sep keys sel res   dm_report_init_with_selection ("-" = NULL, "0" = empty)
 *   o n / O / d n / s n / D                 report object n / all / evaluate only / report and ask / evaluate all
 *   p c e x h f                             output, compact, is_empty, destroy_rows, column_headings, free
 *   C list, n prefix, l selection           compact given, set prefix, set selection
 *   g type, u name, U name, k, K, G         group: create, push report, push subgroup, pop, output and pop all, destroy
 *   v name value                            value cache set and get
 *   y selection                             the names of the objects that pass, with reserved values
 *   Y selection                             the same without reserved values
 * In arguments that may be NULL, "-" is NULL, "0" is empty, and byte 1 is a tab.
 */
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int quiet, newer, selection_help;

/* The selection help is free text: only that it was printed is compared. */
static void log_line(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	char buf[8192];
	va_list ap;

	(void) file; (void) line;
	if (quiet || (level & 7) > 4)
		return;
	va_start(ap, f);
	vsnprintf(buf, sizeof(buf), f, ap);
	va_end(ap);
	if (level == (4 | 0x80) && !strcmp(buf, "Selection operands"))
		selection_help = 1;
	if (selection_help && level == (4 | 0x80))
		return;
	if (selection_help) {
		puts("(selection help)");
		selection_help = 0;
	}
	/* How a regular expression is wrong is another program's business. */
	if (!strncmp(buf, "missing ')'", 11) || !strcmp(buf, "Parse error in regex"))
		return;
	printf("%x %d %s$\n", (unsigned) level, errno_or_class, buf);
}

struct obj {
	const char *name, *sub;
	uint32_t num;
	int neg;
	uint64_t big;
	double size;		/* sectors */
	dm_percent_t pct;
	const char *tags[6];
	time_t time;
	int fail;
};

static const struct obj objs[] = {
	{ "alpha", "", 3, -1, UINT64_MAX, 8192, 50000000, { "zz", "aa", "mm" }, 1500000000, 0 },
	{ "b", "", 150, 12, 0, 2048, -1, { NULL }, 1500000059, 0 },
	{ "ch\"ar'lie", "", 7, 0, 7, 0, 100000000, { "aa" }, 1499990400, 0 },
	{ "delta", "x", 4294967295U, 0, 1ULL << 63, 3, 1, { "bb\"x", "a,b" }, 0, 0 },
	{ "", "long sub text", 0, -2147483647 - 1, 10, 0.5, -2, { "", "c" }, -5, 0 },
	{ "alpha", "x", 150, 5, 100, 2097152, 99999999, { "aa", "mm" }, 1514764799, 0 },
	{ "bad", "x", 1, 1, 1, 1, 0, { "t" }, 1, 1 },
	{ "over", "a b", 99, -7, 5, 123456789, 150000000, { "mm", "aa", "aa", "\xc3\xbc" }, 1483228800, 0 },
	{ "back\\slash", "", 8, 8, 8, 8, 8, { "\\" }, 8, 1 },
	{ "huge", "", 2, 2, 9, 4096, 1000000000, { "q" }, 1483228799, 0 },
};
#define NOBJ (sizeof(objs) / sizeof(*objs))

static void *data_obj(void *o) { return o; }
static void *data_none(void *o) { (void) o; return NULL; }

static const struct dm_report_object_type types[] = {
	{ 1, "Object", "obj_", data_obj },
	{ 2, "Sub object", "sub_", data_obj },
	{ 4, "Other object", "obj_", data_obj },
	{ 8, "Bare", "", data_obj },
	{ 16, "A type whose description is so long that the line of dashes below it must be cut somewhere", "none_", data_none },
	{ 0, "", "", NULL }
};

#define FN(name) static int name(struct dm_report *rh, struct dm_pool *mem, struct dm_report_field *field, const void *data, void *private_data)
#define UNUSED (void) rh; (void) mem; (void) data; (void) private_data

FN(f_string) { UNUSED; return dm_report_field_string(rh, field, (const char * const *) data); }
FN(f_u32) { UNUSED; return dm_report_field_uint32(rh, field, data); }
FN(f_u64) { UNUSED; return dm_report_field_uint64(rh, field, data); }
FN(f_int) { UNUSED; return dm_report_field_int(rh, field, data); }
FN(f_int32) { UNUSED; return dm_report_field_int32(rh, field, data); }
FN(f_percent) { UNUSED; return dm_report_field_percent(rh, field, data); }
FN(f_size)
{
	double *sort = dm_pool_alloc(mem, sizeof(*sort));
	char *text = dm_pool_alloc(mem, 40);
	UNUSED;
	*sort = *(const double *) data;
	if (*sort > 0)
		snprintf(text, 40, "%.2fm", *sort / 2048);
	else
		strcpy(text, "0 ");
	dm_report_field_set_value(field, text, sort);
	return 1;
}
FN(f_time)
{
	time_t *sort = dm_pool_alloc(mem, sizeof(*sort));
	char *text = dm_pool_alloc(mem, 40);
	struct tm tm;
	UNUSED;
	*sort = *(const time_t *) data;
	gmtime_r(sort, &tm);
	strftime(text, 40, "%Y-%m-%d %H:%M:%S", &tm);
	dm_report_field_set_value(field, text, sort);
	return 1;
}
static void fill(struct dm_pool *mem, struct dm_list *list, const char *const *tags)
{
	dm_list_init(list);
	for (; *tags; tags++) {
		struct dm_str_list *sl = dm_pool_alloc(mem, sizeof(*sl));
		sl->str = *tags;
		dm_list_add(list, &sl->list);
	}
}
FN(f_tags) { struct dm_list list; UNUSED; fill(mem, &list, data); return dm_report_field_string_list(rh, field, &list, NULL); }
FN(f_utags) { struct dm_list list; UNUSED; fill(mem, &list, data); return dm_report_field_string_list_unsorted(rh, field, &list, "; "); }
FN(f_fail) { UNUSED; return *(const int *) data ? 0 : dm_report_field_int(rh, field, data); }
FN(f_custom)
{
	const char *name = *(const char * const *) data;
	char *sort = dm_pool_alloc(mem, 8);
	UNUSED;
	snprintf(sort, 8, "%d", (int) (9 - strlen(name) % 10));
	dm_report_field_set_value(field, name, sort);
	return 1;
}
FN(f_strnum) { UNUSED; dm_report_field_set_value(field, "12345678", NULL); return 1; }

#define OFF(m) offsetof(struct obj, m)
static const struct dm_report_field_type fields[] = {
	{ 1, DM_REPORT_FIELD_TYPE_STRING, OFF(name), 4, "obj_name", "Name", f_string, "Name of object." },
	{ 1, DM_REPORT_FIELD_TYPE_NUMBER, OFF(num), 5, "obj_num", "Num", f_u32, "A number." },
	{ 1, DM_REPORT_FIELD_TYPE_SIZE, OFF(size), 6, "obj_size", "OSize", f_size, "A size." },
	{ 1, DM_REPORT_FIELD_TYPE_PERCENT, OFF(pct), 6, "obj_pct", "Pct%", f_percent, "A percentage." },
	{ 1, DM_REPORT_FIELD_TYPE_STRING_LIST, OFF(tags), 0, "obj_tags", "Tags", f_tags, "Sorted tags." },
	{ 1, DM_REPORT_FIELD_TYPE_STRING_LIST, OFF(tags), 3, "obj_utags", "UTags", f_utags, "Tags in their own order." },
	{ 1, DM_REPORT_FIELD_TYPE_TIME, OFF(time), 10, "obj_time", "Time", f_time, "A time." },
	{ 1, DM_REPORT_FIELD_TYPE_NUMBER, OFF(neg), 0, "neg_num", "Negative", f_int, "A number that may be negative." },
	{ 2, DM_REPORT_FIELD_TYPE_STRING, OFF(sub), 8, "sub_desc", "Sub", f_string, "Often empty." },
	{ 2, DM_REPORT_FIELD_TYPE_STRING, OFF(sub), 2, "sub_name", "Sub Name", f_string, "Too." },
	{ 4, DM_REPORT_FIELD_TYPE_STRING | DM_REPORT_FIELD_ALIGN_RIGHT, OFF(name), 3, "obj_rstr", "Long Description", f_string, "On the right." },
	{ 4, DM_REPORT_FIELD_TYPE_NUMBER | DM_REPORT_FIELD_ALIGN_LEFT, OFF(big), 2, "obj_big", "Big", f_u64, "On the left." },
	{ 8, DM_REPORT_FIELD_TYPE_NUMBER, OFF(neg), 1, "bare", "B", f_int32, "No prefix." },
	{ 8, DM_REPORT_FIELD_TYPE_STRING, OFF(name), 1, "custom_sort", "Cust", f_custom, "Sorted by another string." },
	{ 8, DM_REPORT_FIELD_TYPE_NUMBER, OFF(num), 1, "string_number", "StrNum", f_strnum, "A number without its sort value." },
	{ 8, DM_REPORT_FIELD_TYPE_NUMBER, OFF(fail), 1, "failing", "F", f_fail, "Fails for one object." },
	{ 16, DM_REPORT_FIELD_TYPE_STRING, OFF(name), 1, "none_x", "X", f_string, "Its object type gives no data." },
	{ 1, DM_REPORT_FIELD_TYPE_STRING, OFF(name), 1, "obj_last", "Last", f_string, "After other sections." },
	{ 0, 0, 0, 0, "", "", NULL, NULL }
};

static int handler(struct dm_report *rh, struct dm_pool *mem, uint32_t field_num, dm_report_reserved_action_t action, const void *in, const void **out)
{
	static const time_t day[2] = { 1500000000, 1500000059 };

	(void) rh; (void) mem;
	if (!quiet)
		printf("handler %u %d %s\n", field_num, (int) action, (const char *) in);
	*out = NULL;
	if (action == DM_REPORT_RESERVED_PARSE_FUZZY_NAME) {
		if (!strncmp(in, "fz", 2))
			*out = "fuzzy";
		else if (!strncmp(in, "err", 3))
			return 0;
		else if (!strncmp(in, "noimpl", 6))
			return -1;
		return 1;
	}
	if (!strcmp(in, "never"))
		return 0;
	if (!strcmp(in, "nothing"))
		return -1;
	*out = day;
	return 1;
}

static const uint64_t undef = UINT64_MAX, seven = 7, hundreds[2] = { 100, 200 }, half = 50000000;
static const double defsize = 2048.0, strictsize = 8192.0;
static const struct dm_report_field_reserved_value num_seven = { 1, &seven };
static const struct dm_report_field_reserved_value name_none = { 0, "" };
static const char *n_undef[] = { "undefined", "undef", NULL }, *n_seven[] = { "seven", NULL }, *n_hundreds[] = { "hundreds", NULL },
	*n_defsize[] = { "defsize", NULL }, *n_half[] = { "half", "two words", NULL }, *n_fuzzy[] = { "fixed", "never", "nothing", NULL },
	*n_none[] = { "none", NULL }, *n_strict[] = { "strict", NULL }, *n_str[] = { "sname", NULL };
#define NAMED DM_REPORT_FIELD_RESERVED_VALUE_NAMED
#define RANGE DM_REPORT_FIELD_RESERVED_VALUE_RANGE
#define FUZZY DM_REPORT_FIELD_RESERVED_VALUE_FUZZY_NAMES
#define DYNAMIC DM_REPORT_FIELD_RESERVED_VALUE_DYNAMIC_VALUE
static const struct dm_report_reserved_value reserved[] = {
	{ DM_REPORT_FIELD_TYPE_NUMBER, &undef, n_undef, "No number." },
	{ NAMED, &num_seven, n_seven, "The number seven." },
	{ NAMED, &name_none, n_none, "No name." },
	{ DM_REPORT_FIELD_TYPE_NUMBER | NAMED | RANGE, hundreds, n_hundreds, "From 100 to 200." },
	{ DM_REPORT_FIELD_TYPE_SIZE | NAMED, &defsize, n_defsize, "The usual size." },
	{ DM_REPORT_FIELD_TYPE_PERCENT | NAMED, &half, n_half, "Half." },
	{ DM_REPORT_FIELD_TYPE_SIZE, &strictsize, n_strict, "Reserved size." },
	{ DM_REPORT_FIELD_TYPE_STRING, "delta", n_str, "Reserved string." },
	{ DM_REPORT_FIELD_TYPE_TIME | NAMED | RANGE | FUZZY | DYNAMIC, (const void *) handler, n_fuzzy, "A time." },
	{ 0, NULL, NULL, NULL }
};
static const struct dm_report_reserved_value unsupported[] = {
	{ DM_REPORT_FIELD_TYPE_STRING_LIST, n_undef, n_undef, "Not possible." },
	{ 0, NULL, NULL, NULL }
};

static struct dm_report *rep[4];
/* Reports that others took the place of: a group may still have them, so they may not be freed. */
static struct dm_report *replaced[64];
static unsigned replaced_count;
static struct dm_report_group *group;
static int cur;

/* A copy that may live as long as the program: reports keep some texts, not all of their callers can tell which. */
static char *keep(const char *s)
{
	static char *kept[1024];
	static unsigned count;
	char *copy = strdup(s);

	if (count < sizeof(kept) / sizeof(*kept))
		kept[count++] = copy;
	return copy;
}

/* "-" is NULL, "0" the empty string, byte 1 a tab. */
static char *opt(const char *s)
{
	char *copy, *p;

	if (!strcmp(s, "-"))
		return NULL;
	for (p = copy = keep(!strcmp(s, "0") ? "" : s); *p; p++)
		if (*p == 1)
			*p = '\t';
	return copy;
}

static void step(const char *text)
{
	char *copy = strdup(text), *arg[10] = { NULL }, *p = copy;
	struct dm_report **rh = &rep[cur];
	uint32_t t;
	int n = 0, r = -9, sel = 77;
	unsigned i;

	while (p && n < 10) {
		arg[n++] = p;
		if ((p = strchr(p, '\t')))
			*p++ = 0;
	}
	while (n < 10)
		arg[n++] = (char *) "-";
	if (!quiet)
		printf("> %s\n", text);
	if (strchr("oOdsDpcexhCnlv", *arg[0]) && !*rh) {
		free(copy);
		return;
	}
	switch (*arg[0]) {
	case 'y':
	case 'Y':
		{
			struct dm_report *one;
			char *selection = opt(arg[1]);

			t = 1;
			if ((one = dm_report_init_with_selection(&t, types, fields, "name", "", 0, NULL, selection, *arg[0] == 'y' ? reserved : NULL, NULL))) {
				for (i = 0; i < NOBJ; i++)
					if (!objs[i].fail && objs[i].pct < 1000000000)
						dm_report_object(one, (void *) &objs[i]);
				dm_report_free(one);
			} else
				printf("= NULL\n");
			free(selection);
		}
		break;
	case 'R': cur = atoi(arg[1]); break;
	case 'I':
	case 'S':
		t = (uint32_t) strtoul(arg[2], NULL, 0);
		{
			char *list = opt(arg[3]), *keys = opt(arg[5]), *selection = opt(arg[6]);
			const char *sep = !strcmp(arg[4], "0") ? "" : keep(arg[4]);
			uint32_t flags = (uint32_t) strtoul(arg[1], NULL, 0);

			if (*rh && replaced_count < sizeof(replaced) / sizeof(*replaced))
				replaced[replaced_count++] = *rh;
			if (*arg[0] == 'I')
				*rh = dm_report_init(&t, types, fields, list, sep, flags, keys, NULL);
			else
				*rh = dm_report_init_with_selection(&t, types, fields, list, sep, flags, keys, selection,
								    *arg[7] == '1' ? reserved : *arg[7] == '2' ? unsupported : NULL, NULL);
			if (!quiet)
				printf("= %s types %x\n", *rh ? "report" : "NULL", t);
			free(list); free(keys); free(selection);
		}
		break;
	case 'o': r = dm_report_object(*rh, (void *) &objs[atoi(arg[1])]); break;
	case 'O': for (i = 0; i < NOBJ; i++) if (!objs[i].fail && objs[i].pct < 1000000000) r = dm_report_object(*rh, (void *) &objs[i]); break;
	case 'd': r = dm_report_object_is_selected(*rh, (void *) &objs[atoi(arg[1])], 0, &sel); printf("selected %d\n", sel); break;
	case 's': r = dm_report_object_is_selected(*rh, (void *) &objs[atoi(arg[1])], 1, NULL); break;
	case 'D': for (i = 0; i < NOBJ; i++) if (!objs[i].fail && objs[i].pct < 1000000000) { sel = 77; r = dm_report_object_is_selected(*rh, (void *) &objs[i], 0, &sel); printf("selected %s %d\n", objs[i].name, sel); } break;
	case 'p': r = dm_report_output(*rh); break;
	case 'c': r = dm_report_compact_fields(*rh); break;
	case 'C': r = dm_report_compact_given_fields(*rh, opt(arg[1])); break;
	case 'e': r = dm_report_is_empty(*rh); break;
	case 'x': dm_report_destroy_rows(*rh); break;
	case 'h': r = dm_report_column_headings(*rh); break;
	case 'n': r = dm_report_set_output_field_name_prefix(*rh, !strcmp(arg[1], "0") ? "" : arg[1]); break;
	case 'l': r = dm_report_set_selection(*rh, opt(arg[1])); break;
	case 'f': if (*rh) dm_report_free(*rh); *rh = NULL; break;
	case 'g': group = dm_report_group_create((dm_report_group_type_t) atoi(arg[1]), NULL); r = !!group; break;
	case 'u': if (!*rh) break; r = dm_report_group_push(group, *rh, opt(arg[1])); break;
	case 'U': r = dm_report_group_push(group, NULL, opt(arg[1])); break;
	case 'k': r = dm_report_group_pop(group); break;
	case 'K': r = dm_report_group_output_and_pop_all(group); break;
	case 'G': r = dm_report_group_destroy(group); group = NULL; break;
	case 'v':
		r = dm_report_value_cache_set(*rh, arg[1], opt(arg[2]));
		{
			const char *v = dm_report_value_cache_get(*rh, arg[1]), *w = dm_report_value_cache_get(*rh, "missing");
			printf("cache %s %s\n", v ? v : "NULL", w ? w : "NULL");
		}
		break;
	default: printf("unknown step\n");
	}
	if (r != -9 && !quiet)
		printf("= %d\n", r);
	if (selection_help) {
		puts("(selection help)");
		selection_help = 0;
	}
	free(copy);
}

/* Each case has a process of its own: the reference crashes in some. */
static int run(const char *const *lines, int count)
{
	int status, i;
	pid_t pid;

	fflush(stdout);
	if (!(pid = fork())) {
		for (i = 0; i < count; i++) {
			step(lines[i]);
			fflush(stdout);
		}
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("died of signal %d\n", WTERMSIG(status));
	return 0;
}

static void run_text(const char *text)
{
	static const char *lines[4096];
	char *copy = strdup(text), *line, *rest = copy;
	int count = 0;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line || *line == '%')
			continue;
		if (!strncmp(line, "case ", 5)) {
			run(lines, count);
			count = 0;
			printf("== %s\n", line);
		} else if (count < 4096)
			lines[count++] = line;
	}
	run(lines, count);
}

/* ---- generated cases ---- */
static uint64_t rng;
static unsigned rnd(unsigned n)
{
	rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned) (rng >> 33) % n;
}
#define PICK(a) ((a)[rnd(sizeof(a) / sizeof(*(a)))])

static void add(char *to, size_t size, const char *what) { size_t l = strlen(to); snprintf(to + l, size - l, "%s", what); }

static const char *const names[] = { "obj_name", "name", "num", "OBJ_NUM", "size", "pct", "tags", "utags", "time", "neg_num", "sub_desc", "sub_name",
	"rstr", "big", "bare", "custom_sort", "obj_last", "objnum", "obj_p_c_t" };
/* Percentages and lists are sorted by other rules from 1.02.214 on. */
static const char *const key_names[] = { "obj_name", "obj_num", "OBJ_SIZE", "obj_time", "neg_num", "sub_desc", "sub_name",
	"objbig", "bare", "custom_sort", "obj_last", "selected" };
static void random_list(char *to, size_t size, int keys)
{
	unsigned i, n = rnd(5) + (keys ? 0 : 1), first = rnd(12);

	if (!keys && !rnd(8)) add(to, size, "selected,");
	for (i = 0; i < n; i++) {
		if (i) add(to, size, ",");
		if (keys) add(to, size, rnd(3) ? "" : rnd(2) ? "-" : "+");
		add(to, size, rnd(40) ? /* No key twice: the reference warns, and dies when it sorts. */ (keys ? key_names[(first + i * 5) % 12] : PICK(names)) : rnd(2) ? "all" : rnd(2) ? "sub_all" : "bogus");
	}
}
static const char *const strings[] = { "alpha", "b", "\"b\"", "'alpha'", "", "none", "sname", "a b", "delta", "\"\"", "x", "\"long sub text\"" };
static const char *const regexes[] = { "^a", "a", "(a|b)", "\"^[ab]\"", "l", "a$", "'h.*l'", "{^b}", "~", "x|y", "[^al]" };
static const char *const numbers[] = { "3", "150", "0", "7", "99", "3.5", "4294967295", "18446744073709551615", "undef", "seven", "hundreds", "12", "5", "3%", "3k", "-1", "99999999999999999999999999", "10" };
static const char *const sizes[] = { "4m", "1m", "1", "4", "0", "1.5k", "1g", "defsize", "strict", "0.5s", "4096k", "60g", "1024r", "4M", "2s", "58.87g", "1.00m", "256b" };
static const char *const percents[] = { "50", "50%", "0", "100", "99.99", "0.000001", "half", "'two words'", "101", "5k", "1.5%" };
static const char *const lists[] = { "aa", "[aa]", "{aa}", "[aa,mm]", "[aa && mm && zz]", "{aa,zz}", "{bogus || zz}", "[]", "{}", "\"\"", "{\"a,b\"}", "[ aa  ,  mm ]", "{aa#mm}",
	"[aa,mm]", "[aa", "{\"c\" || ''}", "[\"\" , c]", "[aa && aa]" };
static const char *const times[] = { "@0", "@1500000000", "@1500000059.5", "2017", "2017-07", "\"2017-07-14 02:40\"", "'2017-07-14 02:40:59'", "\"2017-01-01 +00:00\"", "fzxy", "fixed", "fz",
	"2017-7-14", "\"2017-07-14 0240\"", "\"2017-07-14 024059 +02:00\"", "2017-13", "2017-02-30", "\"2017-07-14 25\"", "\"2017-07-14 02:40 x\"", "1900", "'2017-07-14+0200'", "20170714", "201707", "\"2017-07 03\"", "@99999999999999999999999999" };
static const char *const blanks[] = { "", "", "", " ", "  ", "\v" };

static void random_clause(char *to, size_t size)
{
	static const char *const eq[] = { "=", "!=" }, *const cmp[] = { "=", "!=", "<", "<=", ">", ">=" }, *const re[] = { "=~", "!~" },
		*const word[] = { " since ", " after ", " until ", " before ", "=", ">=", "<" };
	const char *b1 = PICK(blanks), *b2 = PICK(blanks), *value;

	if (*b1 == '\v') b1 = "\1";
	if (*b2 == '\v') b2 = rnd(4) ? " " : "\1";
#define CLAUSE(f, o, v) do { add(to, size, f); add(to, size, b1); add(to, size, o); add(to, size, b2); add(to, size, v); } while (0)
	switch (rnd(9)) {
	case 0: CLAUSE("name", PICK(eq), PICK(strings)); break;
	case 1: CLAUSE("sub_desc", PICK(eq), PICK(strings)); break;
	case 2: CLAUSE("obj_name", PICK(re), PICK(regexes)); break;
	case 3: CLAUSE("num", PICK(cmp), PICK(numbers)); break;
	case 4: CLAUSE("neg_num", PICK(cmp), PICK(numbers)); break;
	/* The reference cannot order by names of sizes and percentages. */
	case 5: value = PICK(sizes); CLAUSE("size", *value > '9' ? PICK(eq) : PICK(cmp), value); break;
	case 6: value = PICK(percents); CLAUSE("pct", *value > '9' || *value == '\'' ? PICK(eq) : PICK(cmp), value); break;
	case 7: CLAUSE(rnd(2) ? "tags" : "utags", PICK(eq), PICK(lists)); break;
	case 8: CLAUSE("time", PICK(word), PICK(times)); break;
	}
}
static void random_selection(char *to, size_t size, int depth)
{
	static const char *const logic[] = { "&&", ",", "||", "#", " && ", " , ", " || ", " # " };
	unsigned i, n = 1 + (rnd(2) ? 0 : rnd(3));

	for (i = 0; i < n; i++) {
		if (i) add(to, size, PICK(logic));
		if (depth < 3 && !rnd(5)) {
			/* The reference takes !(!(x)) for !(x). */
			add(to, size, !depth && rnd(2) ? "!(" : "(");
			random_selection(to, size, depth + 1);
			add(to, size, ")");
		} else
			random_clause(to, size);
	}
}
/* Now and then one byte is lost, doubled or changed. */
static void damage(char *s)
{
	static const char bytes[] = "()[]{}=!<>~,#&|\"' .%-@az09_";
	size_t l = strlen(s), at;

	if (!l || rnd(4))
		return;
	at = rnd((unsigned) l);
	if (rnd(2))
		memmove(s + at, s + at + 1, l - at);
	else
		s[at] = bytes[rnd(sizeof(bytes) - 1)];
}
static void random_case(unsigned number, uint64_t seed, int print_only)
{
	char list[600], keys[600], sel[1200], sel2[1200], line[4096], *copies[64];
	const char *lines[64];
	static const char *const seps[] = { " ", ":", "0", ", " };
	static const unsigned type_sets[] = { 1, 1, 1, 1, 1, 4, 1, 4, 0, 2, 15 };
	unsigned flags, i, n = 0, form;

	rng = seed * 2862933555777941757ULL + number;
	for (i = 0; i < 4; i++) rnd(2);
	*list = *keys = *sel = *sel2 = 0;
	random_list(list, sizeof(list), 0);
	if (rnd(3)) random_list(keys, sizeof(keys), 1);
	form = rnd(4);
	if (rnd(4)) random_selection(sel, sizeof(sel), 0);
	damage(sel);
	random_selection(sel2, sizeof(sel2), 0);
	damage(sel2);
	if (!rnd(30)) damage(list);
	if (!rnd(30)) damage(keys);
	flags = rnd(newer ? 0x100 : 0x80);
	if (rnd(2)) flags |= 2;
	/* 1.02.185 has other commas with rows that are not shown, and quotes from name prefixes in JSON. */
	if (form == 0) flags &= ~0x48U;
#define LINE(...) do { snprintf(line, sizeof(line), __VA_ARGS__); lines[n] = copies[n] = strdup(line); n++; } while (0)
	if (rnd(5))
		LINE("S\t%u\t%u\t%s\t%s\t%s\t%s\t%u", flags, PICK(type_sets), *list ? list : "0", PICK(seps), *keys ? keys : "-", *sel ? sel : "0", rnd(4) ? 1 : 0);
	else
		LINE("I\t%u\t%u\t%s\t%s\t%s", flags, PICK(type_sets), *list ? list : "0", PICK(seps), *keys ? keys : "0");
	LINE("n\tpre_");
	if (form == 0) {
		LINE("g\t%u", rnd(newer ? 4 : 3));
		if (rnd(2)) LINE("U\tgroup");
		LINE("u\tone");
	}
	if (rnd(3)) LINE("O"); else { LINE("o\t%u", rnd(6)); LINE("d\t%u", rnd(6)); LINE("o\t%u", rnd(6)); }
	if (!rnd(3)) LINE("c");
	if (!rnd(6)) LINE("C\t%s", PICK(names));
	if (!rnd(6)) LINE("h");
	LINE("p");
	if (form == 0 && rnd(2)) LINE("k");
	if (form) {
		if (rnd(3)) { LINE("l\t%s", sel2); LINE("p"); }
		/* The reference dies when rows that stay are sorted again with new ones. */
		if (!(flags & 0x40) || !*keys) {
			LINE("o\t%u", rnd(6));
			LINE("e");
			LINE("p");
		}
		LINE("f");
	} else
		LINE("K");
	if (print_only)
		for (i = 0; i < n; i++) printf("%s\n", lines[i]);
	else {
		printf("== generated %u seed %llu\n", number, (unsigned long long) seed);
		run(lines, (int) n);
	}
	for (i = 0; i < n; i++) free(copies[i]);
}

static int drop;
static void count_line(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	(void) level; (void) file; (void) line; (void) errno_or_class; (void) f;
	drop++;
}
static void bench(unsigned rows)
{
	struct obj *many = calloc(rows, sizeof(*many));
	struct timespec a, b;
	struct dm_report *rh;
	uint32_t t = 1;
	unsigned i;

	rng = 1;
	for (i = 0; i < rows; i++) {
		char name[32];
		snprintf(name, sizeof(name), "lvol%u", rnd(rows));
		many[i] = objs[i % 6];
		many[i].name = strdup(name);
		many[i].num = rnd(100000);
		many[i].size = rnd(1000000);
	}
	dm_log_with_errno_init(count_line);
	clock_gettime(CLOCK_MONOTONIC, &a);
	rh = dm_report_init_with_selection(&t, types, fields, "name,num,size,pct,tags,neg_num,last", " ", 7, "num,-name", "name=~9 || num>500 && size<400m", NULL, NULL);
	if (!rh)
		exit(1);
	for (i = 0; i < rows; i++)
		if (!dm_report_object(rh, &many[i]))
			exit(1);
	dm_report_output(rh);
	dm_report_free(rh);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.4f\n", (double) (b.tv_sec - a.tv_sec) + (double) (b.tv_nsec - a.tv_nsec) / 1e9);
	fprintf(stderr, "%d lines\n", drop);
}

#ifndef CASES
#define CASES "report-cases.h"
#define GENERATED 500
#endif
static const char cases[] =
#include CASES
;

int main(int argc, char **argv)
{
	int i;

	setenv("TZ", "UTC", 1);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	dm_log_with_errno_init(log_line);
	if (argc > 1 && !strcmp(argv[1], "-v")) {
		newer = 1;
		argc--, argv++;
	}
	if (argc > 2 && !strcmp(argv[1], "-f")) {
		static char text[1 << 20];
		FILE *f = fopen(argv[2], "r");
		if (!f || !fread(text, 1, sizeof(text) - 1, f))
			return 1;
		newer = 1;
		run_text(text);
	} else if (argc > 3 && !strcmp(argv[1], "-r"))
		for (i = 0; i < atoi(argv[2]); i++)
			random_case((unsigned) i, strtoull(argv[3], NULL, 0), 0);
	else if (argc > 3 && !strcmp(argv[1], "-1"))
		random_case((unsigned) atoi(argv[2]), strtoull(argv[3], NULL, 0), 1);
	else if (argc > 2 && !strcmp(argv[1], "-b"))
		bench((unsigned) atoi(argv[2]));
	else {
		run_text(cases);
		for (i = 0; i < GENERATED; i++)
			random_case((unsigned) i, 1, 0);
	}
	fflush(stdout);
	return 0;
}
