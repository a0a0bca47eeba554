/*
 * An ioctl of the program's own, which prints the requests to the device-mapper that pass through it, unless `quiet`.
 * To be included first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <libdevmapper.h>
#include <linux/dm-ioctl.h>
#include <linux/ioctl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static int quiet = 1;
/* May change the answer to a message. */
static void (*filter)(struct dm_ioctl *dmi, const char *message);

static const char *name_of(unsigned nr)
{
	static const char *const names[] = { "version", "remove_all", "list", "create", "remove", "rename", "suspend", "info",
					     "wait",    "load",       "clear", "deps",  "status", "versions", "message" };

	return nr < sizeof(names) / sizeof(*names) ? names[nr] : "other";
}

static void print_request(unsigned nr, const struct dm_ioctl *dmi)
{
	printf("  %s", nr == 6 && !(dmi->flags & DM_SUSPEND_FLAG) ? "resume" : name_of(nr));
	if (dmi->name[0])
		printf(" %s", dmi->name);
	if (dmi->uuid[0])
		printf(" uuid %s", dmi->uuid);
	if (dmi->dev)
		printf(" dm-%u", (unsigned) minor(dmi->dev));
	/* Whether the open count is wanted means nothing to the kernel since 2.6.18; questions differ in it. */
	printf(" flags 0x%x", nr == 12 ? dmi->flags & ~DM_SKIP_BDGET_FLAG : dmi->flags);
	if (dmi->event_nr)
		printf(" event 0x%x", dmi->event_nr);
	printf("\n");
	if (nr == 9) {
		const char *at = (const char *) dmi + dmi->data_start;

		for (unsigned i = 0; i < dmi->target_count; i++) {
			const struct dm_target_spec *spec = (const void *) at;

			printf("    %llu %llu %s %s\n", (unsigned long long) spec->sector_start,
			       (unsigned long long) spec->length, spec->target_type, (const char *) (spec + 1));
			at += spec->next;
		}
	} else if (nr == 14)
		printf("    %s\n", ((const struct dm_target_msg *) ((const char *) dmi + dmi->data_start))->message);
	else if (nr == 5)
		printf("    to %s\n", (const char *) dmi + dmi->data_start);
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*next)(int, unsigned long, void *);
	struct dm_ioctl *dmi;
	va_list ap;
	char message[256] = "";
	void *arg;
	int r, log;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!next)
		next = (int (*)(int, unsigned long, void *)) dlsym(RTLD_NEXT, "ioctl");
	dmi = arg;
	/* Questions about devices of other drivers are a habit of the reference library; nobody needs their answers. */
	log = !quiet && _IOC_TYPE(request) == DM_IOCTL && _IOC_NR(request) != 0 && _IOC_NR(request) != 13 &&
	      !(_IOC_NR(request) == 7 && dmi->dev && major(dmi->dev) < 200);
	if (log)
		print_request(_IOC_NR(request), dmi);
	if (filter && _IOC_TYPE(request) == DM_IOCTL && _IOC_NR(request) == 14)
		snprintf(message, sizeof(message), "%s", ((const struct dm_target_msg *) ((const char *) dmi + dmi->data_start))->message);
	r = next(fd, request, arg);
	if (message[0] && !r)
		filter(dmi, message);
	if (log && r < 0)
		printf("    failed: %s\n", strerrorname_np(errno));
	return r;
}
