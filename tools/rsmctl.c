// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl: the command for Remote Shared Memory. The table of subcommands is
 * here, and what they do is in files of their own.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "caller.h"
#include "cmd.h"
#include "module.h"
#include "output.h"

/* More changes than this make another word. */
#define MAX_TYPOS 2
#define MAX_NAME 16

/**
 * struct group - subcommands that belong together
 * @title: what they are about
 * @cmds: them, ended by NULL
 */
struct group {
	const char *title;
	const struct cmd *cmds[8];
};

static const struct group groups[] = {
	{ "Module", { &cmd_load, &cmd_unload, &cmd_status, &cmd_limits,
		      &cmd_doctor } },
	{ "RDMA", { &cmd_controller, &cmd_node } },
	{ "Objects", { &cmd_list, &cmd_who, &cmd_watch } },
	{ "Memory", { &cmd_export, &cmd_import, &cmd_signal, &cmd_wait } },
	{ "Events", { &cmd_trace } },
	{ "Measurement", { &cmd_bench } },
};

#define NR_GROUPS (sizeof(groups) / sizeof(*groups))

/* The command after @cmd, of which NULL is the first; NULL at the end */
static const struct cmd *next_cmd(const struct cmd *cmd)
{
	bool found = !cmd;
	size_t i, j;

	for (i = 0; i < NR_GROUPS; i++)
		for (j = 0; groups[i].cmds[j]; j++) {
			if (found)
				return groups[i].cmds[j];
			found = groups[i].cmds[j] == cmd;
		}
	return NULL;
}

static const struct cmd *find_cmd(const char *name)
{
	const struct cmd *cmd = NULL;

	while ((cmd = next_cmd(cmd)))
		if (!strcmp(cmd->name, name))
			break;
	return cmd;
}

static void print_usage(FILE *to)
{
	const struct cmd *const *cmd;
	size_t i;

	fprintf(to, "usage: rsmctl COMMAND [ARGUMENT]...\n");
	for (i = 0; i < NR_GROUPS; i++) {
		fprintf(to, "\n%s:\n", groups[i].title);
		for (cmd = groups[i].cmds; *cmd; cmd++)
			fprintf(to, "  %-10s %s\n", (*cmd)->name, (*cmd)->help);
	}
	fprintf(to, "\n\"rsmctl help COMMAND\" tells more of one, \"rsmctl --version\" what is\n"
		    "installed.\n");
}

static void print_versions(void)
{
	char version[MODULE_TEXT_MAX];

	printf("rsmctl %s\n", RSMCTL_VERSION);
	if (caller_library(version))
		printf("libusrsm %s\n", version);
	if (module_read("version", version))
		printf("module %s\n", *version ? version : "without a version");
	else
		printf("module is not loaded\n");
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * How many letters are to be put in, left out or changed, or changed over with
 * the next one, to make @b of @a. Both are shorter than MAX_NAME.
 */
static size_t distance(const char *a, const char *b)
{
	size_t d[MAX_NAME][MAX_NAME];
	size_t i, j;

	for (i = 0; i <= strlen(a); i++)
		for (j = 0; j <= strlen(b); j++) {
			d[i][j] = i + j;
			if (!i || !j)
				continue;
			d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
					least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[strlen(a)][strlen(b)];
}

/* What may have been meant; NULL if nothing is near */
static const struct cmd *nearest_cmd(const char *name)
{
	const struct cmd *cmd = NULL, *best = NULL;
	size_t typos = MAX_TYPOS + 1;

	if (!*name || strlen(name) >= MAX_NAME)
		return NULL;
	while ((cmd = next_cmd(cmd))) {
		if (!strncmp(cmd->name, name, strlen(name)))
			return cmd;
		if (distance(name, cmd->name) < typos) {
			typos = distance(name, cmd->name);
			best = cmd;
		}
	}
	return typos < strlen(name) ? best : NULL;
}

static int unknown(const char *name)
{
	const struct cmd *near = nearest_cmd(name);

	fprintf(stderr, "rsmctl: no command \"%s\"", name);
	if (near)
		fprintf(stderr, "; did you mean \"%s\"?", near->name);
	fprintf(stderr, "\ntry \"rsmctl --help\"\n");
	return EXIT_USAGE;
}

int cmd_usage_told(const char *word)
{
	fprintf(stderr, "try \"rsmctl %s --help\"\n", word);
	return EXIT_USAGE;
}

int cmd_usage(const char *word, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "rsmctl %s: ", word);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return cmd_usage_told(word);
}

/* What cannot be written is a failure, unless nobody wants to read it. */
static int flush(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return status;
	fprintf(stderr, "rsmctl: cannot write the output: %s\n",
		strerror(errno));
	return status ? status : EXIT_FAILED;
}

static int run_cmd(const char *name, int argc, char **argv)
{
	const struct cmd *cmd = find_cmd(name);
	char full[sizeof("rsmctl ") + MAX_NAME];

	if (!cmd)
		return unknown(name);
	snprintf(full, sizeof(full), "rsmctl %s", cmd->name);
	argv[0] = full;
	return flush(cmd->run(argc, argv));
}

static int run_help(const char *name)
{
	char help[] = "--help";
	char *argv[3] = { NULL, help };

	if (name)
		return run_cmd(name, 2, argv);
	print_usage(stdout);
	return flush(0);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help"))
		return run_help(argv[2]);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return run_help(NULL);
	if (!strcmp(argv[1], "--version")) {
		print_versions();
		return flush(0);
	}
	return run_cmd(argv[1], argc - 1, argv + 1);
}
