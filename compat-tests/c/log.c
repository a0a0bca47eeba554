/* Logging: the default functions, both styles of callback, the data symbols. */
#include <libdevmapper.h>

extern dm_log_with_errno_fn dm_log_with_errno;
extern dm_log_fn dm_log;

static void new_style(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	char text[20000];
	va_list ap;

	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	if (strlen(text) > 60)
		printf("new %d %s %d %d %s: %zu\n", level, file, line, errno_or_class, f, strlen(text));
	else
		printf("new %d %s %d %d %s: %s\n", level, file, line, errno_or_class, f, text);
	fflush(stdout);
}

static void old_style(int level, const char *file, int line, const char *f, ...)
{
	char text[20000];
	va_list ap;

	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	if (strlen(text) > 60)
		printf("old %d %s %d %s: %zu\n", level, file, line, f, strlen(text));
	else
		printf("old %d %s %d %s: %s\n", level, file, line, f, text);
	fflush(stdout);
}

static void speak(void)
{
	static char longer[10000];
	int level;

	memset(longer, 'x', sizeof(longer) - 1);
	printf("is non default %d, new %d old %d\n", dm_log_is_non_default(), dm_log_with_errno == new_style, dm_log == old_style);
	fflush(stdout);
	for (level = 0; level < 8; level++) {
		dm_log_with_errno(level, "f.c", 10, -1, "new level %d", level);
		dm_log_with_errno(level | 0x80, "f.c", 11, 4, "new level %d to %s", level, "stderr");
		dm_log(level, "f.c", 12, "old level %d", level);
		dm_log(level | 0x80, "f.c", 13, "old level %d to stderr", level);
	}
	dm_log_with_errno(4 | 0x100 | 0x200, "f.c", 14, 0, "bits");
	dm_log_with_errno(3, "f.c", 15, -1, "%s", "");
	dm_log(3, "f.c", 16, "%s", "");
	dm_log_with_errno(3, "f.c", 17, 0, "%s", longer);
	dm_log(3, "f.c", 18, "%s", longer);
	dm_log_with_errno(3, "f.c", 19, 0, "Internal error: 100%% %s", "sure");
	fflush(stdout);
}

int main(void)
{
	char buf[4];

	speak();
	dm_log_init_verbose(1);
	speak();
	dm_log_init_verbose(0);
	dm_log_with_errno_init(new_style);
	speak();
	dm_log_init(old_style);
	speak();
	dm_log_with_errno_init(NULL);
	speak();
	dm_log_init(old_style);
	dm_log_init(NULL);
	speak();
	/* what the library itself says; file and line are its own */
	setenv("DM_ABORT_ON_INTERNAL_ERRORS", "0", 1);
	printf("%d\n", dm_malloc_aligned(60000000, 0) == NULL);
	printf("%d\n", dm_snprintf(buf, sizeof(buf), "%s", "abcdef"));
	return 0;
}
