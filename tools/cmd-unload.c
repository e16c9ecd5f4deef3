// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl unload: takes the module out of the kernel, or says who uses it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "handles.h"
#include "module.h"
#include "output.h"

#define WORD "unload"
/* How often it is tried with --wait, in nanoseconds */
#define PAUSE 100000000
#define MOST_WAIT 1000000000

static const struct option long_options[] = {
	{ "wait", required_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	printf("usage: rsmctl unload [OPTION]...\n\n"
	       "Unloads the module, or names the processes that use it.\n\n"
	       "  -w, --wait SECONDS  while it is in use, try for so long\n"
	       "  -h, --help          this text\n");
}

/**
 * struct user - what a process holds
 * @handle: the first of it
 * @controls: descriptors of the device node
 * @exports: descriptors of exports
 * @imports: descriptors of imports
 * @tickets: descriptors of tickets
 * @mappings: areas that are mapped, or status pages
 */
struct user {
	struct handle handle;
	unsigned int controls;
	unsigned int exports;
	unsigned int imports;
	unsigned int tickets;
	unsigned int mappings;
};

static void count(struct user *user, enum handle_kind kind)
{
	user->controls += kind == HANDLE_CONTROL;
	user->exports += kind == HANDLE_EXPORT;
	user->imports += kind == HANDLE_IMPORT;
	user->tickets += kind == HANDLE_TICKET;
	user->mappings += kind == HANDLE_MAPPING;
}

static void print_part(const char **separator, unsigned int number,
		       const char *what)
{
	if (!number)
		return;
	fprintf(stderr, "%s%u %s%s", *separator, number, what,
		number > 1 ? "s" : "");
	*separator = ", ";
}

static void print_user(const struct user *user)
{
	char comm[HANDLE_COMM_MAX];
	const char *separator = "";

	fprintf(stderr, "%7d %5u %-15s  ", user->handle.pid, user->handle.uid,
		handle_comm_text(comm, &user->handle));
	if (user->controls)
		fprintf(stderr, "%s", MODULE_DEVICE);
	if (user->controls)
		separator = ", ";
	print_part(&separator, user->exports, "export");
	print_part(&separator, user->imports, "import");
	print_part(&separator, user->tickets, "ticket");
	print_part(&separator, user->mappings, "mapping");
	fputc('\n', stderr);
}

/* All there is of a process comes together. Returns the number of processes. */
static unsigned int print_users(struct handles *it)
{
	const struct handle *handle;
	struct user user = { };
	unsigned int users = 0;

	while ((handle = handles_next(it))) {
		if (!users || handle->pid != user.handle.pid) {
			if (users++)
				print_user(&user);
			else
				fprintf(stderr, "%7s %5s %-15s  %s\n", "PID",
					"UID", "COMMAND", "HOLDS");
			user = (struct user){ .handle = *handle };
		}
		count(&user, handle->kind);
	}
	if (users)
		print_user(&user);
	return users;
}

/* What to say after the list, of which @users is the length */
static const char *comment(const struct handles *it, unsigned int users)
{
	uint64_t refcount;

	if (!module_read_number("refcnt", &refcount) || !refcount)
		return "It is free by now: try again.\n";
	if (!handles_whole(it))
		return "There may be more, in processes that cannot be looked into from here.\n";
	if (!users)
		return "No process shows it: a descriptor waits in a socket, or io_uring has it.\n";
	return "";
}

static void tell_users(const struct module *module)
{
	char holders[MODULE_TEXT_MAX];
	unsigned int users;
	struct handles *it;

	module_holders(module, holders);
	if (*holders)
		fprintf(stderr, "These modules use it: %s\n", holders);
	it = handles_open(HANDLE_ALL, 0);
	if (!it)
		return;
	users = print_users(it);
	fputs(comment(it, users + !!*holders), stderr);
	handles_close(it);
}

static int in_use(const struct module *module)
{
	uint64_t refcount = 0, segments = 0, imports = 0;

	module_read_number("refcnt", &refcount);
	module_read_number("stats/segments", &segments);
	module_read_number("stats/imports", &imports);
	out_error(WORD, "the module is in use: references %ju, segments %ju, imports %ju; end who uses it, or wait for that with --wait",
		  (uintmax_t)refcount, (uintmax_t)segments,
		  (uintmax_t)imports);
	tell_users(module);
	return EXIT_FAILED;
}

static int refused(int error)
{
	if (error != EPERM)
		out_error(WORD, "%s; see the kernel's log (dmesg)",
			  strerror(error));
	else if (geteuid())
		out_error(WORD, "only root may do that: try sudo");
	else
		out_error(WORD, "no CAP_SYS_MODULE, as in a container, or kernel.modules_disabled is set: the module stays until the next boot, or until it is unloaded on the host");
	return EXIT_FAILED;
}

static bool is_in_use(int error)
{
	return error == EAGAIN || error == EBUSY;
}

static int unload(struct module *module, double seconds)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	unsigned long tries = seconds * (1e9 / PAUSE);
	int error;

	if (!module_is_loaded(module)) {
		printf("not loaded\n");
		return 0;
	}
	while (is_in_use(error = -module_unload(module)) && tries--)
		nanosleep(&pause, NULL);
	if (is_in_use(error))
		return in_use(module);
	/* Somebody else was quicker. */
	if (error && error != ENOENT)
		return refused(error);
	printf("unloaded\n");
	return 0;
}

static bool parse_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && *seconds >= 0 && *seconds <= MOST_WAIT;
}

static int unload_main(int argc, char **argv)
{
	struct module *module;
	double seconds = 0;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "w:h", long_options, NULL)) != -1)
		switch (opt) {
		case 'w':
			if (parse_seconds(optarg, &seconds))
				break;
			return cmd_usage(WORD, "\"%s\" is no number of seconds",
					 optarg);
		case 'h':
			print_usage();
			return 0;
		default:
			return cmd_usage_told(WORD);
		}
	if (argv[optind])
		return cmd_usage(WORD, "\"%s\" is not expected", argv[optind]);
	module = module_open(MODULE_NAME);
	if (!module) {
		out_error(WORD, "libkmod cannot be set up: no memory");
		return EXIT_FAILED;
	}
	status = unload(module, seconds);
	module_close(module);
	return status;
}

const struct cmd cmd_unload = {
	.name = "unload",
	.help = "unload the module, or say who uses it",
	.run = unload_main,
};
