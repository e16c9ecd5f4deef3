// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command that is given the segment: by a ticket, a descriptor that it
 * inherits, so that it needs no permission and no id.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "export.h"
#include "output.h"

/* As a shell says it */
#define EXIT_NOT_RUN 126
#define EXIT_NOT_FOUND 127
#define EXIT_SIGNAL 128
/* Tenths of a second until a command is killed */
#define STOP_STEPS 50

static void set_number(const char *name, const char *format, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), format, value);
	setenv(name, text, 1);
}

static void become(char **command, int ticket, rsm_memseg_id_t id)
{
	sigset_t none;
	bool found;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(ticket, F_SETFD, 0);
	set_number("RSMCTL_ID", "0x%x", id);
	set_number("RSMCTL_TICKET", "%u", ticket);
	execvp(command[0], command);
	found = errno != ENOENT;
	share_failed_errno(EXPORT_WORD, "run", command[0]);
	_exit(found ? EXIT_NOT_RUN : EXIT_NOT_FOUND);
}

pid_t export_command_start(const struct export_request *request,
			   rsm_memseg_export_handle_t handle,
			   rsm_memseg_id_t id)
{
	rsm_permission_t perm = request->read_write ? RSM_PERM_RDWR :
						      RSM_PERM_READ;
	int ticket, error;
	pid_t child;

	error = rsm_memseg_export_grant(handle, perm, &ticket);
	if (error) {
		share_failed(EXPORT_WORD, "make a ticket", error);
		return -1;
	}
	child = fork();
	if (!child)
		become(request->command, ticket, id);
	if (child < 0)
		share_failed_errno(EXPORT_WORD, "start", request->command[0]);
	close(ticket);
	return child;
}

bool export_command_ended(pid_t child, int *result)
{
	int status;

	if (waitpid(child, &status, WNOHANG) != child)
		return false;
	*result = WIFEXITED(status) ? WEXITSTATUS(status) :
				      EXIT_SIGNAL + WTERMSIG(status);
	return true;
}

/* SIGTERM, and SIGKILL for one that takes no notice; how it ended does not count. */
void export_command_stop(pid_t child)
{
	const struct timespec step = { .tv_nsec = 100000000 };
	int i, status;

	kill(child, SIGTERM);
	for (i = 0; i < STOP_STEPS; i++) {
		if (export_command_ended(child, &status))
			return;
		nanosleep(&step, NULL);
	}
	/* One that has become another user's, which is ours no more */
	if (kill(child, SIGKILL)) {
		share_failed_errno(EXPORT_WORD, "stop", "the command");
		return;
	}
	while (!export_command_ended(child, &status))
		nanosleep(&step, NULL);
}
