/* Environment variables of the default log functions. Each is read once, so every case has its own process. */
#include <libdevmapper.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern dm_log_with_errno_fn dm_log_with_errno;
extern dm_log_fn dm_log;

static void speak(const char *numbers, const char *abort_on, int hidden)
{
	struct rlimit no_core = { 0, 0 };
	int status;
	pid_t pid;

	printf("numbers %s abort %s\n", numbers ? numbers : "-", abort_on ? abort_on : "-");
	fflush(stdout);
	if (!(pid = fork())) {
		setrlimit(RLIMIT_CORE, &no_core);
		if (numbers)
			setenv("DM_DEBUG_WITH_LINE_NUMBERS", numbers, 1);
		if (abort_on)
			setenv("DM_ABORT_ON_INTERNAL_ERRORS", abort_on, 1);
		dup2(1, 2);
		dm_log_with_errno(3, "dir/f.c", 10, -1, "an %s", "error");
		dm_log(4, "dir/f.c", 11, "a line");
		fflush(stdout);
		dm_log_with_errno(7, "dir/f.c", 12, 0, "not shown");
		dm_log_with_errno(3, "dir/f.c", 13, -1, "%s", "Internal error: not in the format");
		if (hidden)
			dm_log_with_errno(7, "dir/f.c", 14, 0, "Internal error: hidden");
		setenv("DM_DEBUG_WITH_LINE_NUMBERS", "1", 1);
		dm_log_with_errno(3, "dir/f.c", 15, -1, "again");
		dm_log_with_errno(3, "dir/f.c", 16, -1, "Internal error: %d", 5);
		dm_log_with_errno(3, "dir/f.c", 17, -1, "after it");
		_exit(3);
	}
	waitpid(pid, &status, 0);
	printf("%s %d\n", WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	fflush(stdout);
}

int main(void)
{
	static const char *values[] = { NULL, "", "0", "1", "00" };
	unsigned i;

	for (i = 0; i < DM_ARRAY_SIZE(values); i++)
		speak(values[i], NULL, 1);
	for (i = 0; i < DM_ARRAY_SIZE(values); i++) {
		speak(NULL, values[i], 0);
		speak(NULL, values[i], 1);
	}
	return 0;
}
