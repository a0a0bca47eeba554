/* oracle */
/* A thread that waits for an event: others go on meanwhile, an event or a signal ends the wait. As dmeventd does it. */
#include <libdevmapper.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void log_fn(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, f);
	vsnprintf(text, sizeof(text), f, ap);
	va_end(ap);
	if (!strncmp(text, "device-mapper: ", 15))
		printf("[%d %d %s]\n", level, errno_or_class, text);
}

static void handler(int sig)
{
}

static void *waiter(void *arg)
{
	struct dm_task *t = dm_task_create(DM_DEVICE_WAITEVENT);
	struct dm_info info;
	uint64_t start, length;
	char *type, *params;
	int r;

	dm_task_set_name(t, "w0");
	dm_task_set_event_nr(t, *(uint32_t *) arg);
	r = dm_task_run(t);
	printf("waited: %d errno %d\n", r, dm_task_get_errno(t));
	if (r && dm_task_get_info(t, &info)) {
		dm_get_next_target(t, NULL, &start, &length, &type, &params);
		printf("event %u target %s %s\n", info.event_nr, type, params);
	}
	dm_task_destroy(t);
	return NULL;
}

static int simple(int type, const char *name, const char *newname)
{
	struct dm_task *t = dm_task_create(type);
	int r;

	dm_task_set_name(t, name);
	if (newname)
		dm_task_set_newname(t, newname);
	r = dm_task_run(t);
	dm_task_destroy(t);
	return r;
}

int main(void)
{
	struct sigaction act;
	struct dm_task *t;
	pthread_t thread;
	uint32_t event = 0;
	int renamed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	dm_log_with_errno_init(log_fn);
	memset(&act, 0, sizeof(act));
	act.sa_handler = handler;
	sigaction(SIGUSR1, &act, NULL);

	t = dm_task_create(DM_DEVICE_CREATE);
	dm_task_set_name(t, "w0");
	dm_task_add_target(t, 0, 16, "zero", "");
	printf("create %d\n", dm_task_run(t));
	dm_task_destroy(t);

	pthread_create(&thread, NULL, waiter, &event);
	usleep(300000);
	printf("info while a thread waits %d\n", simple(DM_DEVICE_INFO, "w0", NULL));
	renamed = simple(DM_DEVICE_RENAME, "w0", "w1");
	/* The rename wakes the thread: which of the two prints first is not defined. */
	pthread_join(thread, NULL);
	printf("rename %d\n", renamed);
	printf("rename %d\n", simple(DM_DEVICE_RENAME, "w1", "w0"));

	event = 2;
	pthread_create(&thread, NULL, waiter, &event);
	usleep(300000);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	printf("remove %d\n", simple(DM_DEVICE_REMOVE, "w0", NULL));
	dm_lib_release();
	return 0;
}
