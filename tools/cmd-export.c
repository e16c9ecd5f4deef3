// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl export: what is to be shared, and how. The rest is up to
 * export-serve.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "export.h"
#include "output.h"

static const char short_options[] = "c:i:m:l:wrHbt:oSs:vjh";

static const struct option long_options[] = {
	{ "controller", required_argument, NULL, 'c' },
	{ "id", required_argument, NULL, 'i' },
	{ "mode", required_argument, NULL, 'm' },
	{ "length", required_argument, NULL, 'l' },
	{ "read-write", no_argument, NULL, 'w' },
	{ "rebind", no_argument, NULL, 'r' },
	{ "huge", no_argument, NULL, 'H' },
	{ "background", no_argument, NULL, 'b' },
	{ "timeout", required_argument, NULL, 't' },
	{ "once", no_argument, NULL, 'o' },
	{ "wait-signal", no_argument, NULL, 'S' },
	{ "save", required_argument, NULL, 's' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	puts("usage: rsmctl export [OPTION]... FILE [-- COMMAND...]\n"
	     "       rsmctl export [OPTION]... --length SIZE [FILE]\n\n"
	     "Shares the contents of FILE, or of stdin with \"-\", and prints the id that\n"
	     "\"rsmctl import\" takes; until Ctrl-C, or while COMMAND runs, which finds the id\n"
	     "in $RSMCTL_ID and a ticket in $RSMCTL_TICKET.\n\n"
	     "  -c, --controller NAME  for the machines that this controller connects\n"
	     "                         (rsmctl controller list), and not for this one alone\n"
	     "  -i, --id ID            publish it under this id, 0x400000 to 0x7fffffff\n"
	     "  -m, --mode MODE        who may read and write it, as for chmod (default 0400)\n"
	     "  -l, --length SIZE      so much room, or memory of zeros without a FILE\n"
	     "  -w, --read-write       importers may write to it (default mode 0600)\n"
	     "  -r, --rebind           SIGHUP: read FILE once more, and replace the contents\n"
	     "  -H, --huge             use pages of 2 MiB, as far as there are any\n"
	     "  -b, --background       go there when the id has been printed\n"
	     "  -t, --timeout SECONDS  end after that time\n"
	     "  -o, --once             end when an importer has come and gone\n"
	     "  -S, --wait-signal      end after a signal (rsmctl signal)\n"
	     "  -s, --save FILE        write the contents there in the end\n"
	     "  -v, --verbose          tell on stderr what happens\n"
	     "  -j, --json             print more than the id, as JSON\n"
	     "  -h, --help             this text");
}

/* Only what an access list can have: reading and writing */
static bool parse_mode(const char *text, unsigned int *mode)
{
	char *end;

	*mode = strtoul(text, &end, 8);
	return *text >= '0' && *text <= '7' && !*end && !(*mode & ~0666u);
}

static bool take_argument(struct export_request *request, int opt)
{
	switch (opt) {
	case 'i':
		return out_parse_id(optarg, &request->id) && request->id;
	case 'm':
		request->mode_given = true;
		return parse_mode(optarg, &request->mode);
	case 'l':
		return out_parse_size(optarg, &request->length) &&
		       request->length && request->length <= INT64_MAX;
	case 't':
		return share_parse_seconds(optarg, &request->timeout);
	default:
		request->save = optarg;
		return true;
	}
}

static bool *find_switch(struct export_request *request, int opt)
{
	switch (opt) {
	case 'w':
		return &request->read_write;
	case 'r':
		return &request->rebind;
	case 'H':
		return &request->huge;
	case 'b':
		return &request->background;
	case 'o':
		return &request->once;
	case 'S':
		return &request->wait_signal;
	case 'v':
		return &request->verbose;
	case 'j':
		return &request->json;
	default:
		return NULL;
	}
}

/* Returns 0, or the exit status. */
static int take_option(struct export_request *request, int opt)
{
	bool *flag = find_switch(request, opt);

	if (opt == '?')
		return cmd_usage_told(EXPORT_WORD);
	if (opt == 'c')
		return share_take_controller(EXPORT_WORD, &request->controller);
	if (flag)
		*flag = true;
	else if (!take_argument(request, opt))
		return cmd_usage(EXPORT_WORD, "-%c takes no \"%s\"", opt,
				 optarg);
	return 0;
}

static int check_mode(struct export_request *request)
{
	if (!request->mode_given)
		request->mode = request->read_write ? 0600 : 0400;
	if (request->read_write && !(request->mode & 0222))
		return cmd_usage(EXPORT_WORD, "--read-write, but mode %04o lets nobody write",
				   request->mode);
	request->read_write = request->mode & 0222;
	return 0;
}

/* @argv is behind a "--" only if there is one. */
static int check_command(struct export_request *request, int argc, char **argv)
{
	if (argc <= 1)
		return 0;
	if (strcmp(argv[-1], "--"))
		return cmd_usage(EXPORT_WORD, "one FILE is wanted: \"%s\"",
				   argv[1]);
	if (request->background)
		return cmd_usage(EXPORT_WORD, "--background and a COMMAND exclude each other");
	request->command = argv + 1;
	return 0;
}

/* Returns 0, or the exit status. */
static int check(struct export_request *request, int argc, char **argv)
{
	int status = check_command(request, argc, argv);

	if (status)
		return status;
	request->name = argv[0];
	if (!argc && !request->length)
		return cmd_usage(EXPORT_WORD, "no FILE, and no --length");
	request->from_stdin = argc && !strcmp(argv[0], "-");
	if (request->rebind && (!argc || request->from_stdin))
		return cmd_usage(EXPORT_WORD, "--rebind needs a FILE that can be read again");
	if (request->once && request->wait_signal)
		return cmd_usage(EXPORT_WORD, "--once and --wait-signal exclude each other");
	return check_mode(request);
}

/* What the child prints is for the parent to print. */
static bool pass_on(int from)
{
	char text[512];
	ssize_t got;
	bool any = false;

	while ((got = read(from, text, sizeof(text))) != 0) {
		if (got < 0)
			return false;
		any = true;
		if (fwrite(text, 1, got, stdout) != (size_t)got)
			return false;
	}
	return !fflush(stdout) && any;
}

static int wait_for_child(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

static void run_child(const struct export_request *request, int report[2])
{
	FILE *to = fdopen(report[1], "w");

	close(report[0]);
	exit(to ? export_run(request, to) : EXIT_FAILED);
}

/*
 * Only its creator can do anything with a segment, so the child is to create
 * it. It closes the pipe when it has printed the id.
 */
static int run_behind(const struct export_request *request)
{
	int report[2];
	pid_t child;

	if (pipe2(report, O_CLOEXEC)) {
		share_failed_errno(EXPORT_WORD, "make", "a pipe");
		return EXIT_FAILED;
	}
	child = fork();
	if (child < 0) {
		share_failed_errno(EXPORT_WORD, "start", "a process");
		return EXIT_FAILED;
	}
	if (!child)
		run_child(request, report);
	close(report[1]);
	if (pass_on(report[0]))
		return 0;
	/* Nobody knows the id: so it is of no use. */
	kill(child, SIGTERM);
	return wait_for_child(child) ?: EXIT_FAILED;
}

static int export_main(int argc, char **argv)
{
	struct export_request request = { .timeout = -1 };
	int opt, status;

	while ((opt = getopt_long(argc, argv, short_options, long_options,
				  NULL)) != -1) {
		if (opt == 'h') {
			print_usage();
			return 0;
		}
		status = take_option(&request, opt);
		if (status)
			return status;
	}
	status = check(&request, argc - optind, argv + optind);
	if (status)
		return status;
	return request.background ? run_behind(&request) :
				    export_run(&request, stdout);
}

const struct cmd cmd_export = {
	.name = EXPORT_WORD,
	.help = "share the contents of a file or pipe",
	.run = export_main,
};
