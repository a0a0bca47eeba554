/* oracle */
/* Tasks: every request's bytes, results, names, node operations. The program's own ioctl() shows what the library sends. */
#include <libdevmapper.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct header {
	uint32_t version[3], data_size, data_start, target_count;
	int32_t open_count;
	uint32_t flags, event_nr, padding;
	uint64_t dev;
	char name[128], uuid[129], data[7];
};

static int quiet, creating;
static int complained;	/* The last thing printed was about an error whose words do not matter. */

static void payload(const unsigned char *p, size_t n)
{
	size_t i;

	while (n && !p[n - 1])
		n--;
	if (!n)
		return;
	printf("    ");
	for (i = 0; i < n && i < 400; i++)
		if (p[i] > 32 && p[i] < 127 && p[i] != '\\')
			putchar(p[i]);
		else
			printf("\\%02x", p[i]);
	printf("\n");
}

static void show(const char *dir, const struct header *h, int nr, int size)
{
	/* 1.02.185 sends at least 16384 bytes always, 1.02.214 where the reply may be large. */
	char bytes[16] = "-";

	if (*dir == '>' && (nr == 2 || nr == 3 || nr == 11 || nr == 12 || nr == 14))
		snprintf(bytes, sizeof(bytes), "%u", h->data_size);
	if (*dir == '<' && h->data_size % 2048)
		snprintf(bytes, sizeof(bytes), "%u", h->data_size);
	printf("  %s v%u.%u.%u size=%s start=%u tc=%u open=%d flags=0x%x ev=0x%x dev=0x%llx name=\"%s\" uuid=\"%s\"\n", dir,
	       h->version[0], h->version[1], h->version[2], bytes, h->data_start, h->target_count,
	       h->open_count, h->flags, h->event_nr, (unsigned long long) h->dev, h->name, h->uuid);
	if (size > 312)
		payload((const unsigned char *) h + 312, size - 312);
}

int ioctl(int fd, unsigned long request, ...)
{
	struct header *h;
	va_list ap;
	int r, e;

	va_start(ap, request);
	h = va_arg(ap, struct header *);
	va_end(ap);
	if (_IOC_TYPE(request) != 0xfd)
		return syscall(SYS_ioctl, fd, request, h);
	if (!quiet) {
		complained = 0;
		printf("  ioctl 0x%lx\n", request & 0xffffffff);
		show(">>", h, _IOC_NR(request), h->data_size);
	}
	r = syscall(SYS_ioctl, fd, request, h);
	e = errno;
	if (!quiet) {
		if (r < 0)
			printf("  << errno %d\n", e);
		else
			show("<<", h, _IOC_NR(request), 0);
	}
	errno = e;
	return r;
}

static void log_fn(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	if ((level & 7) > 4)
		return;
	/* 1.02.185 prints the refusal at each of the 26 attempts to remove. */
	if (quiet && !strncmp(text, "device-mapper: ", 15) && complained)
		return;
	/* Only these texts are what programs look for. */
	if (!strncmp(text, "device-mapper: ", 15) || strstr(text, "Falling back"))
		printf("  [%x %d %s]\n", level, errno_or_class, text);
	else if (!complained)
		printf("  [%x %d]\n", level, errno_or_class);
	complained = 1;
}

static void nodes(void)
{
	struct dirent **list;
	struct stat st;
	char path[512];
	int i, n = scandir(dm_dir(), &list, NULL, alphasort);

	dm_task_update_nodes();
	for (i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
	n = scandir(dm_dir(), &list, NULL, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dm_dir(), list[i]->d_name);
		if (list[i]->d_name[0] != '.') {
			if (stat(path, &st))
				printf("  node %s dangling\n", list[i]->d_name);
			else
				printf("  node %s %u:%u %s\n", list[i]->d_name, major(st.st_rdev), minor(st.st_rdev),
				       S_ISBLK(st.st_mode) ? "block" : S_ISCHR(st.st_mode) ? "char" : "other");
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void text(const char *what, char *t)
{
	printf("  %s %s\n", what, t ? t : "NULL");
	if (t)
		dm_free(t);
}

static void results(struct dm_task *t)
{
	struct dm_info i, old;

	memset(&i, 0x55, sizeof(i));
	memset(&old, 0x55, sizeof(old));
	if (!dm_task_get_info(t, &i)) {
		printf("  no info\n");
		return;
	}
	printf("  info %d %d %d %d open=%d ev=0x%x %u:%u ro=%d tc=%d dr=%d is=%d\n", i.exists, i.suspended, i.live_table,
	       i.inactive_table, i.open_count, i.event_nr, i.major, i.minor, i.read_only, i.target_count,
	       i.deferred_remove, i.internal_suspend);
	printf("  name %s uuid %s\n", dm_task_get_name(t), dm_task_get_uuid(t));
	text("mangled", dm_task_get_name_mangled(t));
	text("unmangled", dm_task_get_name_unmangled(t));
	text("mangled uuid", dm_task_get_uuid_mangled(t));
	text("unmangled uuid", dm_task_get_uuid_unmangled(t));
}

static int run(struct dm_task *t)
{
	int r = dm_task_run(t);
	int e = dm_task_get_errno(t);

	/* 1.02.185 forgets why a create with a table failed. */
	if (!r && creating)
		printf("  run 0\n");
	else
		printf("  run %d errno %d\n", r, e);
	if (r)
		results(t);
	return r;
}

static void end(struct dm_task *t)
{
	dm_task_destroy(t);
	nodes();
}

static struct dm_task *task(const char *what, int type, const char *name)
{
	struct dm_task *t;

	printf("%s\n", what);
	complained = 0;
	t = dm_task_create(type);
	if (name)
		printf("  set_name %d\n", dm_task_set_name(t, name));
	return t;
}

static void simple(const char *what, int type, const char *name)
{
	struct dm_task *t = task(what, type, name);

	run(t);
	end(t);
}

static void targets(struct dm_task *t)
{
	void *next = NULL;
	uint64_t start, length;
	char *type, *params;

	do {
		next = dm_get_next_target(t, next, &start, &length, &type, &params);
		printf("  target %llu %llu %s |%s|\n", (unsigned long long) start, (unsigned long long) length,
		       type ? type : "NULL", params ? params : "NULL");
	} while (next);
}

static void create(const char *name, const char *uuid, const char *table)
{
	struct dm_task *t = task("create with table", DM_DEVICE_CREATE, name);

	if (uuid)
		printf("  set_uuid %d\n", dm_task_set_uuid(t, uuid));
	dm_task_add_target(t, 0, 16, "linear", table);
	creating = 1;
	run(t);
	creating = 0;
	end(t);
}

static void mangling(void)
{
	static const char *names[] = {
		"plain-1", "sp ace", "a\\x20b", "a\\x20b c", "x\\x5cx20y", "sl\\ash", "\xc3\xa9", "a\\x2", "a\\x", "a\\",
		"\\xzz", "a\\xzzb", "", "#+-.:=@_", "%s", "tab\t", "a\\x5c", "a\\x5cx", "\\x5cx20",
		"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456",
		"01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456 ",
		"                                          ", NULL
	};
	int mode, i;

	for (mode = 0; mode < 3; mode++) {
		printf("mode %d: %d\n", mode, dm_set_name_mangling_mode(mode));
		printf("  is %d\n", dm_get_name_mangling_mode());
		for (i = 0; names[i]; i++) {
			struct dm_task *t;

			/* Longer names and uuids are cut or overflow in the reference when nothing is mangled. */
			if (!mode && strlen(names[i]) > 127)
				continue;
			/* The reference reads beyond broken escapes then. */
			if (!mode && (!strcmp(names[i], "a\\x2") || !strcmp(names[i], "a\\x")))
				continue;
			t = task(names[i], DM_DEVICE_INFO, NULL);
			printf("  %d", dm_task_set_uuid(t, names[i]));
			printf("  %d", dm_task_set_newname(t, names[i]));
			printf("  %d", dm_task_set_newuuid(t, names[i]));
			dm_task_destroy(t);
			t = dm_task_create(DM_DEVICE_INFO);
			if (dm_task_set_name(t, names[i]))
				run(t);
			else
				printf("  refused\n");
			dm_task_destroy(t);
		}
	}
	dm_set_name_mangling_mode(DM_STRING_MANGLING_AUTO);
}

static void conflicts(void)
{
	int a, b, k;

	for (a = 0; a < 5; a++)
		for (b = a; b < 5; b++) {
			struct dm_task *t = task("conflict", DM_DEVICE_RELOAD, "none");
			printf("  %d %d\n", a, b);
			for (k = a; k <= b; k += b > a ? b - a : 1) {
				if (k == 0)
					dm_task_add_target(t, 0, 8, "error", "");
				if (k == 1)
					dm_task_set_newname(t, "n");
				if (k == 2)
					dm_task_set_message(t, "m");
				if (k == 3)
					dm_task_set_geometry(t, "1", "2", "3", "4");
				if (k == 4)
					dm_task_set_sector(t, 7);
			}
			run(t);
			dm_task_destroy(t);
		}
}

static void lists(int with_uuids)
{
	struct dm_task *t = task("list", DM_DEVICE_LIST, NULL);
	struct dm_names *n;

	if (with_uuids)
		dm_task_set_newuuid(t, " ");
	if (run(t)) {
		n = dm_task_get_names(t);
		while (n->dev) {
			printf("  device %llx %s next %s\n", (unsigned long long) n->dev, n->name, n->next ? "more" : "0");
			if (!strchr(n->name, ' ')) {
				/* The extension, where clients look for it. */
				uint32_t *e = (uint32_t *) ((uintptr_t) (strchr(n->name, 0) + 8) & ~(uintptr_t) 7);
				printf("  event %u flags %u %s\n", e[0], e[1], e[1] & 1 ? (char *) (e + 2) : "");
			}
			if (!n->next)
				break;
			n = (struct dm_names *) ((char *) n + n->next);
		}
	}
	dm_task_destroy(t);
}

static void several(struct dm_task *t, void (*set)(struct dm_task *))
{
	set(t);
	run(t);
	end(t);
}

static void set_all(struct dm_task *t)
{
	dm_task_set_ro(t);
	dm_task_no_flush(t);
	dm_task_no_open_count(t);
	dm_task_skip_lockfs(t);
	dm_task_query_inactive_table(t);
	dm_task_secure_data(t);
	dm_task_deferred_remove(t);
	dm_task_set_event_nr(t, 0x1234);
}

int main(void)
{
	struct dm_task *t;
	struct dm_info info;
	struct dm_deps *deps;
	struct dm_versions *v;
	uint32_t cookie, ra;
	char buf[64];
	int type, fd, ready, i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	dm_log_with_errno_init(log_fn);
	printf("driver %d %s\n", dm_driver_version(buf, sizeof(buf)), buf);
	printf("driver %d %s\n", dm_driver_version(buf, 3), buf);
	printf("cookies %d precise %d\n", dm_cookie_supported(), dm_message_supports_precise_timestamps());
	printf("dirs %s %s %s\n", dm_dir(), dm_sysfs_dir(), dm_uuid_prefix());
	printf("udev %d %d\n", dm_udev_get_sync_support(), dm_udev_get_checking());
	for (i = 250; i < 256; i++)
		printf("major %d: %d\n", i, dm_is_dm_major(i));

	t = dm_task_create(99);
	printf("type 99: %d\n", t != NULL);
	run(t);
	printf("version of a task that failed %d\n", dm_task_get_driver_version(t, buf, sizeof(buf)));
	dm_task_destroy(t);

	mangling();
	conflicts();

	for (type = 0; type <= 20; type++) {
		/* REMOVE_ALL, WAITEVENT, MKNODES: on their own below. */
		if (type == 3 || type == 12 || type == 15)
			continue;
		printf("type %d\n", type);
		simple("missing device", type, "missing");
		several(task("with all options", type, "missing"), set_all);
	}

	create("c1", "U c1", "/dev/nonesuch 0");
	create("c1", "U c1", "/dev/ram0 0");
	create("c1", NULL, "/dev/ram0 0");
	create("c2", "U c1", "/dev/ram0 0");
	t = task("info by uuid", DM_DEVICE_INFO, NULL);
	dm_task_set_uuid(t, "U c1");
	run(t);
	printf("  read ahead %d", dm_task_get_read_ahead(t, &ra));
	printf(" %u\n", ra);
	dm_task_get_info(t, &info);
	end(t);
	printf("majors %d\n", dm_is_dm_major(info.major));
	memset(buf, 0, sizeof(buf));
	printf("name %d %s\n", dm_device_get_name(info.major, info.minor, 0, buf, sizeof(buf)), buf);
	printf("name %d %s\n", dm_device_get_name(info.major, info.minor, 1, buf, sizeof(buf)), buf);
	printf("name %d\n", dm_device_get_name(info.major, info.minor, 1, buf, 4));
	printf("name %d %s\n", dm_device_get_name(1, 0, 0, buf, sizeof(buf)), buf);
	printf("name %d\n", dm_device_get_name(99, 0, 0, buf, sizeof(buf)));
	printf("holders %d %d\n", dm_device_has_holders(1, 0), dm_device_has_holders(info.major, info.minor));
	printf("mounted %d\n", dm_device_has_mounted_fs(info.major, info.minor));

	t = task("by number", DM_DEVICE_INFO, NULL);
	dm_task_set_major(t, info.major);
	dm_task_set_minor(t, info.minor);
	run(t);
	end(t);
	t = task("by number with a wrong major", DM_DEVICE_INFO, NULL);
	dm_task_set_major_minor(t, 1, info.minor, 1);
	run(t);
	end(t);
	t = task("minor only", DM_DEVICE_INFO, NULL);
	dm_task_set_minor(t, info.minor);
	run(t);
	end(t);
	t = task("major only", DM_DEVICE_INFO, NULL);
	dm_task_set_major(t, info.major);
	run(t);
	end(t);
	t = task("name and number", DM_DEVICE_INFO, "c1");
	dm_task_set_major_minor(t, info.major, info.minor, 0);
	run(t);
	end(t);
	simple("path", DM_DEVICE_INFO, "/dev/mapper/c1");
	simple("relative path", DM_DEVICE_INFO, "mapper/c1");
	simple("dm-N", DM_DEVICE_INFO, "/dev/dm-0");
	t = task("paths that are none", DM_DEVICE_INFO, "/dev/null");
	/* The reference takes the directories "/" and "/dev/mapper/" for a device with an empty name. */
	printf("  %d %d\n", dm_task_set_name(t, "a/b/c"), dm_task_set_name(t, "mapper/none"));
	dm_task_destroy(t);
	t = task("path to create", DM_DEVICE_CREATE, "a/b");
	dm_task_destroy(t);

	t = task("table", DM_DEVICE_TABLE, "c1");
	run(t);
	targets(t);
	end(t);
	t = task("status", DM_DEVICE_STATUS, "c1");
	targets(t);
	run(t);
	targets(t);
	end(t);
	t = task("deps", DM_DEVICE_DEPS, "c1");
	if (run(t)) {
		deps = dm_task_get_deps(t);
		printf("  deps %u %llx\n", deps->count, (unsigned long long) deps->device[0]);
	}
	end(t);

	t = task("reload of two targets", DM_DEVICE_RELOAD, "c1");
	dm_task_add_target(t, 0, 16, "linear", "/dev/ram0 0");
	dm_task_add_target(t, 16, 8, "error", "back\\slash \\\\");
	printf("  long type %d\n", dm_task_add_target(t, 24, 8, "0123456789abcdef", ""));
	targets(t);
	run(t);
	end(t);
	t = task("reload of two good targets", DM_DEVICE_RELOAD, "c1");
	dm_task_add_target(t, 0, 16, "linear", "/dev/ram0 0");
	dm_task_add_target(t, 16, 8, "error", "");
	run(t);
	targets(t);
	end(t);
	t = task("inactive table", DM_DEVICE_TABLE, "c1");
	dm_task_query_inactive_table(t);
	run(t);
	targets(t);
	end(t);
	t = task("identical reload, but ram0 by path", DM_DEVICE_RELOAD, "c1");
	dm_task_suppress_identical_reload(t);
	dm_task_add_target(t, 0, 16, "linear", "/dev/ram0 0");
	run(t);
	end(t);
	t = task("identical reload", DM_DEVICE_RELOAD, "c1");
	dm_task_suppress_identical_reload(t);
	dm_task_add_target(t, 0, 16, "linear", "1:0 0");
	run(t);
	end(t);
	t = task("identical reload of a missing device", DM_DEVICE_RELOAD, "missing");
	dm_task_suppress_identical_reload(t);
	dm_task_add_target(t, 0, 16, "linear", "1:0 0");
	run(t);
	end(t);
	simple("clear", DM_DEVICE_CLEAR, "c1");

	t = task("suspend", DM_DEVICE_SUSPEND, "c1");
	dm_task_no_flush(t);
	dm_task_skip_lockfs(t);
	run(t);
	end(t);
	t = task("suspend again, with checks", DM_DEVICE_SUSPEND, "c1");
	dm_task_enable_checks(t);
	run(t);
	end(t);
	create("above", NULL, "/dev/mapper/c1 0");
	t = task("suspend above a suspended one, with checks", DM_DEVICE_SUSPEND, "above");
	dm_task_enable_checks(t);
	run(t);
	end(t);
	simple("resume above", DM_DEVICE_RESUME, "above");
	simple("remove c1 while it is open", DM_DEVICE_REMOVE, "c1");
	printf("holders %d\n", dm_device_has_holders(info.major, info.minor));
	t = task("resume with read-ahead", DM_DEVICE_RESUME, "c1");
	dm_task_set_read_ahead(t, 513, 0);
	run(t);
	end(t);
	t = task("read-ahead", DM_DEVICE_INFO, "c1");
	run(t);
	printf("  read ahead %d", dm_task_get_read_ahead(t, &ra));
	printf(" %u\n", ra);
	end(t);
	t = task("resume with a smaller minimum", DM_DEVICE_RESUME, "c1");
	dm_task_set_read_ahead(t, 100, DM_READ_AHEAD_MINIMUM_FLAG);
	run(t);
	end(t);
	t = task("read-ahead", DM_DEVICE_INFO, "c1");
	run(t);
	printf("  read ahead %d", dm_task_get_read_ahead(t, &ra));
	printf(" %u\n", ra);
	end(t);
	simple("remove above", DM_DEVICE_REMOVE, "above");

	t = task("rename", DM_DEVICE_RENAME, "c1");
	dm_task_set_newname(t, "b 1");
	run(t);
	end(t);
	t = task("rename to itself", DM_DEVICE_RENAME, "b 1");
	dm_task_set_newname(t, "b 1");
	run(t);
	end(t);
	t = task("rename to a bad name", DM_DEVICE_RENAME, "b 1");
	printf("  %d %d\n", dm_task_set_newname(t, "x/y"), dm_task_set_newname(t, ""));
	run(t);
	end(t);
	t = task("new uuid for one with a uuid", DM_DEVICE_RENAME, "b 1");
	dm_task_set_newuuid(t, "other");
	run(t);
	end(t);
	t = task("create without a table, node at once", DM_DEVICE_CREATE, "e1");
	printf("  %d %d\n", dm_task_set_add_node(t, DM_ADD_NODE_ON_CREATE), dm_task_set_add_node(t, 2));
	run(t);
	end(t);
	t = task("new uuid", DM_DEVICE_RENAME, "e1");
	dm_task_set_newuuid(t, "U e1");
	run(t);
	end(t);
	lists(0);
	lists(1);
	t = task("create with a persistent minor", DM_DEVICE_CREATE, "p1");
	dm_task_set_major_minor(t, 1, 77, 1);
	dm_task_add_target(t, 0, 16, "zero", "");
	run(t);
	end(t);
	simple("remove p1", DM_DEVICE_REMOVE, "p1");

	t = task("message", DM_DEVICE_TARGET_MSG, "b 1");
	dm_task_set_message(t, "@stats_list");
	run(t);
	printf("  response %s\n", dm_task_get_message_response(t));
	end(t);
	t = task("message with an answer", DM_DEVICE_TARGET_MSG, "b 1");
	dm_task_set_message(t, "@stats_create - /1 p a");
	dm_task_set_sector(t, 0);
	run(t);
	printf("  response %s\n", dm_task_get_message_response(t));
	end(t);
	t = task("message that no target takes", DM_DEVICE_TARGET_MSG, "b 1");
	dm_task_set_message(t, "hello");
	dm_task_set_sector(t, 3);
	run(t);
	end(t);
	t = task("geometry", DM_DEVICE_SET_GEOMETRY, "b 1");
	dm_task_set_geometry(t, "1", "2", "3", "4");
	run(t);
	end(t);
	t = task("wait for an event that was", DM_DEVICE_WAITEVENT, "b 1");
	dm_task_set_event_nr(t, 0);
	run(t);
	targets(t);
	end(t);
	simple("arm poll", DM_DEVICE_ARM_POLL, NULL);
	t = task("target version", DM_DEVICE_GET_TARGET_VERSION, "linear");
	if (run(t)) {
		v = dm_task_get_versions(t);
		printf("  %s %u.%u.%u %u\n", v->name, v->version[0], v->version[1], v->version[2], v->next);
	}
	end(t);
	t = task("versions", DM_DEVICE_LIST_VERSIONS, NULL);
	if (run(t)) {
		v = dm_task_get_versions(t);
		for (;;) {
			printf("  %s %u.%u.%u\n", v->name, v->version[0], v->version[1], v->version[2]);
			if (!v->next)
				break;
			v = (struct dm_versions *) ((char *) v + v->next);
		}
	}
	end(t);

	printf("mknodes\n");
	mknod("/dev/mapper/stale", S_IFBLK | 0600, makedev(info.major, 99));
	unlink("/dev/mapper/e1");
	printf("  %d\n", dm_mknodes("e1"));
	nodes();
	unlink("/dev/mapper/e1");
	quiet = 1;	/* the order is that of the directory */
	printf("  %d\n", dm_mknodes(NULL));
	quiet = 0;
	dm_task_update_nodes();
	unlink("/dev/mapper/b 1");	/* The reference does not mangle names of nodes that it makes here. */
	nodes();

	printf("cookies\n");
	ready = 5;
	cookie = 7;
	t = task("resume with a cookie", DM_DEVICE_RESUME, "b 1");
	printf("  set %d", dm_task_set_cookie(t, &cookie, DM_UDEV_DISABLE_LIBRARY_FALLBACK | DM_UDEV_DISABLE_OTHER_RULES_FLAG));
	printf(" %u\n", cookie);
	run(t);
	dm_task_destroy(t);
	printf("  create %d", dm_udev_create_cookie(&cookie));
	printf(" %u\n", cookie);
	printf("  complete %d %d\n", dm_udev_complete(0), dm_udev_complete(0x12345678));
	printf("  immediate %d", dm_udev_wait_immediate(cookie, &ready));
	printf(" %d\n", ready);
	printf("  wait %d %d\n", dm_udev_wait(cookie), dm_udev_wait(0x12345678));
	nodes();

	fd = open("/dev/mapper/b\\x201", O_RDONLY);
	printf("open %d\n", fd >= 0);
	simple("remove while open", DM_DEVICE_REMOVE, "b 1");
	quiet = 1;
	t = task("remove with retries", DM_DEVICE_REMOVE, "b 1");
	dm_task_retry_remove(t);
	run(t);
	end(t);
	quiet = 0;
	t = task("deferred remove", DM_DEVICE_REMOVE, "b 1");
	dm_task_deferred_remove(t);
	run(t);
	dm_task_destroy(t);
	simple("info", DM_DEVICE_INFO, "b 1");
	close(fd);
	usleep(300000);
	simple("info", DM_DEVICE_INFO, "b 1");
	simple("remove all", DM_DEVICE_REMOVE_ALL, NULL);

	printf("growth\n");
	t = task("create of 700 targets", DM_DEVICE_CREATE, "big");
	for (i = 0; i < 700; i++)
		dm_task_add_target(t, i * 8, 8, i % 2 ? "zero" : "error", "");
	quiet = 1;
	run(t);
	quiet = 0;
	dm_task_destroy(t);
	t = task("its table", DM_DEVICE_TABLE, "big");
	run(t);
	for (i = 0; i < 2; i++)
		printf("  %s\n", i ? "done" : "walk");
	dm_task_destroy(t);
	simple("buffers stay large", DM_DEVICE_INFO, "big");

	printf("other directory\n");
	printf("  %d %d %d\n", dm_set_dev_dir("x"), dm_set_dev_dir(""), dm_set_dev_dir("/tmp/other"));
	printf("  %s\n", dm_dir());
	mkdir("/tmp/other", 0755);
	mkdir("/tmp/other/mapper", 0755);
	dm_hold_control_dev(1);
	dm_lib_release();
	simple("resume", DM_DEVICE_RESUME, "big");
	simple("mknodes", DM_DEVICE_MKNODES, "big");
	simple("remove", DM_DEVICE_REMOVE, "big");
	dm_hold_control_dev(0);
	dm_lib_release();
	simple("info after a release", DM_DEVICE_INFO, "big");
	lists(1);
	dm_lib_exit();
	dm_lib_exit();
	simple("info after exit", DM_DEVICE_INFO, "big");
	return 0;
}
