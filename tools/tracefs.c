// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracefs.h"

#define ROOT "/sys/kernel/tracing"
#define EVENTS "events/rsmctl"
/* Of the names of instances */
#define PREFIX "rsmctl-"

/* Of the instance, while there is one */
static char root[64];
static volatile sig_atomic_t stopped;
/* Descriptors of the events, and of what ends at once */
static volatile sig_atomic_t events = -1;
static int end = -1;
static FILE *pipe_file;

/* A read that is to come must end as well as one that is under way. */
static void stop(int signal)
{
	int saved = errno;

	stopped = signal;
	if (events >= 0)
		dup2(end, events);
	errno = saved;
}

bool tracefs_stopped(void)
{
	return stopped;
}

/* Without SA_RESTART, so that reading ends. */
static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct sigaction action = { .sa_handler = stop };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
}

static bool write_file(const char *name, const char *text)
{
	char path[192];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

const char *tracefs_why_not(void)
{
	if (!access(ROOT "/" EVENTS, R_OK | X_OK))
		return "there is no room in " ROOT "/instances for one more";
	if (errno == EACCES || errno == EPERM)
		return "only root may follow the kernel's events: try sudo";
	if (access(ROOT "/events", F_OK))
		return "tracefs is not there: mount -t tracefs none " ROOT;
	return "the module is not loaded: try \"rsmctl load\"";
}

static int is_event(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "rsm_", 4);
}

bool tracefs_list(void)
{
	struct dirent **entries;
	int i, count;

	count = scandir(ROOT "/" EVENTS, &entries, is_event, alphasort);
	for (i = 0; i < count; i++) {
		puts(entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count > 0;
}

/* That of a process which has ended; another's with its number keeps it. */
static bool is_stale(const char *name)
{
	if (strncmp(name, PREFIX, strlen(PREFIX)))
		return false;
	return kill(atoi(name + strlen(PREFIX)), 0) && errno == ESRCH;
}

/* Those of who was killed */
static void remove_stale(void)
{
	DIR *dir = opendir(ROOT "/instances");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_stale(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	if (dir)
		closedir(dir);
}

bool tracefs_open(void)
{
	if (access(ROOT "/" EVENTS, R_OK | X_OK))
		return false;
	remove_stale();
	snprintf(root, sizeof(root), ROOT "/instances/" PREFIX "%d", getpid());
	catch_signals();
	if (!mkdir(root, 0700))
		return true;
	root[0] = '\0';
	return false;
}

void tracefs_close(void)
{
	events = -1;
	if (pipe_file)
		fclose(pipe_file);
	write_file("tracing_on", "0");
	write_file(EVENTS "/enable", "0");
	rmdir(root);
	root[0] = '\0';
}

bool tracefs_filter(uint32_t segment)
{
	char filter[64];

	snprintf(filter, sizeof(filter), "segment == %u", segment);
	return write_file(EVENTS "/filter", filter);
}

bool tracefs_enable(const char *event)
{
	char name[128];

	if (!event)
		return write_file(EVENTS "/enable", "1");
	if (!strncmp(event, "rsm_", 4))
		event += 4;
	snprintf(name, sizeof(name), EVENTS "/rsm_%s/enable", event);
	return write_file(name, "1");
}

FILE *tracefs_pipe(void)
{
	char path[128];

	end = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (end < 0)
		return NULL;
	snprintf(path, sizeof(path), "%s/trace_pipe", root);
	pipe_file = fopen(path, "re");
	if (pipe_file)
		events = fileno(pipe_file);
	return pipe_file;
}
